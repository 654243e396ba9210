# make build           build/bos_exporter
# make demo            watch a simulated BOS
# make test            format, vet, staticcheck and all tests, with the race detector
# make check-metrics   promtool on what the exporter serves; building it takes minutes
# make fuzz            fuzz the decoders for FUZZTIME each

SHELL := bash
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
BRANCH := $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
VERSION_PKG := github.com/prometheus/common/version
LDFLAGS := -s -w -X $(VERSION_PKG).Version=$(VERSION) -X $(VERSION_PKG).Revision=$(REVISION) -X $(VERSION_PKG).Branch=$(BRANCH)
# The race detector needs a C compiler.
RACE := $(if $(shell command -v $(or $(shell go env CC),gcc)),-race)
FUZZTIME ?= 20s
TOOL := go tool -modfile=tools/go.mod

.PHONY: all build demo test lint check-metrics fuzz clean

all: build

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o build/bos_exporter ./cmd/bos_exporter

demo: build
	build/bos_exporter --demo

test: lint
	$(if $(RACE),,@echo 'NOTE: no C compiler, so the race detector is off' >&2)
	go test $(RACE) ./...

lint:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	go vet -tags promtool ./...
	$(TOOL) staticcheck -tags promtool ./...

check-metrics:
	PROMTOOL="$$($(TOOL) -n promtool)" && export PROMTOOL && go test -tags promtool -count=1 -run TestPromtool ./cmd/bos_exporter

fuzz:
	go test -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME) ./internal/bosclient
	go test -run '^$$' -fuzz FuzzParseXname -fuzztime $(FUZZTIME) ./internal/bos

clean:
	rm -rf build
