package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

var update = flag.Bool("update", false, "rewrite the golden files and the tables of README.md")

// documented returns the metrics for the sessions of the BOS documentation, a few
// minutes after its example session has halted.
func documented(t *testing.T) string {
	t.Helper()
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	p := start(t, "--bos.url="+w.url) // its second sweep is half a minute away
	p.Ready()
	return p.metrics().text
}

var (
	foreign  = regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?(go|process|promhttp)_.*\n`)
	volatile = regexp.MustCompile(`(?m)^((bos_exporter_sweep_duration_seconds|bos_exporter_last_sweep_timestamp_seconds|bos_scrape_collector_duration_seconds|bos_api_request_duration_seconds_(sum|bucket))(\{.*\})?) .*$`)
	build    = regexp.MustCompile(`(?m)^bos_exporter_build_info\{.*\} 1$`)
)

// withoutVolatile removes from the metrics what differs from run to run: times of this
// run, the build, and the families of the Go runtime.
func withoutVolatile(metrics string) string {
	metrics = foreign.ReplaceAllString(metrics, "")
	metrics = build.ReplaceAllString(metrics, "bos_exporter_build_info{...} 1")
	return volatile.ReplaceAllString(metrics, "$1 ...")
}

// checkGolden compares metrics with a golden file, or writes it.
func checkGolden(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the metrics differ from %s (-want +got); if they should, run: go test ./cmd/bos_exporter -run '^%s$' -update\n%s", golden, t.Name(), diff)
	}
}

func TestDocumented(t *testing.T) {
	got := withoutVolatile(documented(t))
	checkGolden(t, "testdata/documented.prom", got)
	const id = `session="f4eebe51-a217-46d0-8733-b9499a092042",tenant=""`
	for _, line := range []string{
		`bos_session_info{` + id + `,operation="reboot",template="cle-1.3.0",boa_job="boa-f4eebe51-a217-46d0-8733-b9499a092042",api="v1"} 1`,
		`bos_session_error_count{` + id + `} 4`,
		`bos_bootset_error_count{` + id + `,bootset="computes"} 4`,
		`bos_category_nodes{` + id + `,bootset="computes",phase="shutdown",category="failed"} 4`,
		`bos_category_nodes{` + id + `,bootset="computes",phase="boot",category="not_started"} 4`,
		`bos_category_nodes{` + id + `,bootset="computes",phase="configure",category="not_started"} 4`,
		`bos_session_state{` + id + `,state="failed"} 1`,
		`bos_session_failed_nodes{` + id + `} 4`,
		`bos_sessions_listed 13`,
		`bos_up 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
}

// lintExceptions are names that BOS itself uses. It calls a number of failed nodes
// error_count, and people look for that name, but the linter reserves the suffix
// _count for histograms.
var lintExceptions = map[string]bool{
	"bos_session_error_count": true,
	"bos_bootset_error_count": true,
	"bos_phase_error_count":   true,
}

func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(documented(t))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	exempt := make(map[string]bool)
	for _, p := range problems {
		if lintExceptions[p.Metric] {
			exempt[p.Metric] = true
		} else {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for name := range lintExceptions {
		if !exempt[name] {
			t.Errorf("%s needs no exception", name)
		}
	}
}
