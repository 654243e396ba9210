# make build           build/bos_exporter
# make demo            watch a simulated BOS
# make plugin          the Grafana plugin, as a folder and a zip in build/plugin
# make test            the linters and all tests, with the race detector
# make lint            the linters alone: .golangci.yml, and those of the frontend
# make check-metrics   promtool on what the exporter serves; building it takes minutes
# make check-rules     promtool on the alert and recording rules
# make check-plugin    the plugin's archive, and its editors in Chromium, with the oldest and newest Grafana
# make e2e             all programs together, with a real Prometheus and Alertmanager
# make faults          both programs against every fault of BOS, at every moment in a session's life
# make bench           measure, and say which bars for speed and size are held
# make performance     the same, and write docs/performance.md and its picture
# make grafana         look at the dashboards: GRAFANA=<folder of an unpacked Grafana>, and
#                      BOS_URL=<URL> to see a real BOS
# make fuzz            run every fuzz target on FUZZTIME inputs

SHELL := bash
# A tarball has no history: it is the release that package.json names. A repository
# around it is another's.
GIT := git --git-dir=.git
VERSION := $(shell $(GIT) describe --tags --always --dirty 2>/dev/null || sed -n 's/^  "version": "\(.*\)",/\1/p' datasource/frontend/package.json)
REVISION := $(shell $(GIT) rev-parse --short HEAD 2>/dev/null || echo unknown)
BRANCH := $(shell $(GIT) rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
VERSION_PKG := github.com/prometheus/common/version
LDFLAGS := -s -w -X $(VERSION_PKG).Version=$(VERSION) -X $(VERSION_PKG).Revision=$(REVISION) -X $(VERSION_PKG).Branch=$(BRANCH)
# The race detector needs a C compiler.
RACE := $(if $(shell command -v $(or $(shell go env CC),gcc)),-race)
# A number of inputs, not a time, which a loaded machine may overrun.
FUZZTIME ?= 50000x
TOOL := go tool -modfile=tools/go.mod
LINTER := go tool -modfile=$(CURDIR)/tools/lint/go.mod golangci-lint
FRONTEND := datasource/frontend
PLUGIN := build/plugin/bosexporter-bos-datasource

FAST := lint test-go test-frontend
SLOW := check-metrics check-rules check-plugin e2e faults fuzz

# The packages whose benchmarks have bars, or show how costs grow.
BENCHED := ./internal/bosv1 ./internal/bosv2 ./internal/inventory ./exporter ./datasource ./cmd/...

.PHONY: all build demo plugin test lint-go lint-frontend $(FAST) $(SLOW) checks bench performance grafana clean

all: build plugin

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o build/bos_exporter ./cmd/bos_exporter

demo: build
	build/bos_exporter --demo

plugin: $(FRONTEND)/node_modules
	cd $(FRONTEND) && npm run --silent build
	rm -rf build/plugin && mkdir -p $(PLUGIN)
	cp -r $(FRONTEND)/dist/. $(PLUGIN)
	for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build -trimpath -tags arrow_json_stdlib -ldflags '-s -w' \
			-o $(PLUGIN)/gpx_bos_datasource_linux_$$arch ./cmd/gpx_bos_datasource || exit 1; \
	done
	go -C tools run ./plugin $(CURDIR)/$(PLUGIN) $(CURDIR)/$(PLUGIN).zip

# npm leaves the folder's time as it was when there is nothing to do.
%/node_modules: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --loglevel error
	touch $@

test: $(FAST)
	@echo 'Passed. Left out: $(if $(RACE),,the race detector (no C compiler), )$(SLOW), which .ci/run runs too.'

# The names of all checks, for .ci/run.
checks:
	@echo $(FAST) $(SLOW)

lint: lint-go lint-frontend

lint-go:
	$(LINTER) run ./...
	cd tools && $(LINTER) run ./...
	cd tools/bench && $(LINTER) run ./...

lint-frontend: $(FRONTEND)/node_modules
	cd $(FRONTEND) && npm run --silent lint && npm run --silent typecheck

test-go:
	go test $(RACE) -timeout 20m ./...
	go -C tools/bench test $(RACE) ./...

test-frontend: $(FRONTEND)/node_modules
	cd $(FRONTEND) && npm test --silent

check-metrics:
	PROMTOOL="$$($(TOOL) -n promtool)" && export PROMTOOL && go test -tags promtool -count=1 -run TestPromtool ./cmd/bos_exporter

check-rules:
	PROMTOOL="$$($(TOOL) -n promtool)" && export PROMTOOL && go test $(RACE) -tags promtool -count=1 -run TestAlertRules ./dashboards

check-plugin: plugin $(FRONTEND)/grafana/oldest/node_modules $(FRONTEND)/grafana/newest/node_modules
	go test -tags archive -count=1 -run TestArchive ./datasource
	cd $(FRONTEND) && npm run --silent typecheck:oldest && npm run --silent typecheck:newest && npm run --silent e2e

# What the programs are tested together with. Later versions of Alertmanager cannot be
# built from the module proxy, for they lack their web pages there.
build/prometheus: tools/go.mod
	go build -modfile=tools/go.mod -tags remove_all_sd -o $@ github.com/prometheus/prometheus/cmd/prometheus

build/alertmanager: Makefile
	GOBIN=$(CURDIR)/build go install github.com/prometheus/alertmanager/cmd/alertmanager@v0.31.1

e2e: build/prometheus build/alertmanager
	go test $(RACE) -tags e2e -count=1 -timeout 15m -run TestEndToEnd ./dashboards
	go test $(RACE) -tags e2e -count=1 -run TestPrometheusReadsEveryFormat ./cmd/bos_exporter

# The race detector would distort times and memory. Cells mostly wait, so many run at once.
faults:
	cd internal/faults && go test -tags faults -count=1 -parallel 16 -timeout 15m

# One package at a time: others would take its processors.
build/bench.txt: FORCE
	@mkdir -p build
	set -o pipefail; go test -p 1 -run '^$$' -bench . -timeout 30m $(BENCHED) | tee $@

bench: build/bench.txt
	go -C tools/bench run . $(CURDIR)/$<

performance: build/bench.txt
	go -C tools/bench run . -docs $(CURDIR)/docs $(CURDIR)/$<

FORCE:

grafana:
	@dashboards/grafana.sh

# Inputs that reach new code are not made smaller: that can take a minute for each.
fuzz:
	@grep -roE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz\w+' . | sort | while IFS=: read -r file target; do \
		target="$${target#func }" package="$${file%/*}"; echo "$$target in $$package"; \
		go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 0x "$$package" </dev/null || exit 1; \
	done

clean:
	rm -rf build $(FRONTEND)/dist $(FRONTEND)/build
