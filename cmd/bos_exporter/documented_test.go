package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

var update = flag.Bool("update", false, "write the golden files and the tables of README.md anew")

// documented returns what the program serves of the documentation's sessions, a few
// minutes after the one that it prints has halted.
func documented(t *testing.T) string {
	t.Helper()
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	p := start(t, "--bos.url="+w.url) // whose second sweep is half a minute away
	p.Ready()
	return p.metrics().text
}

var (
	foreign  = regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?(go|process|promhttp)_.*\n`)
	volatile = regexp.MustCompile(`(?m)^((bos_exporter_sweep_duration_seconds|bos_exporter_last_sweep_timestamp_seconds|bos_scrape_collector_duration_seconds|bos_api_request_duration_seconds_(sum|bucket))(\{.*\})?) .*$`)
	build    = regexp.MustCompile(`(?m)^bos_exporter_build_info\{.*\} 1$`)
)

// steady takes out of the metrics what differs from run to run: values that are
// times of this run, the build, and the families of the Go runtime,
// which are not ours.
func steady(metrics string) string {
	metrics = foreign.ReplaceAllString(metrics, "")
	metrics = build.ReplaceAllString(metrics, "bos_exporter_build_info{...} 1")
	return volatile.ReplaceAllString(metrics, "$1 ...")
}

func TestDocumented(t *testing.T) {
	const golden = "testdata/documented.prom"
	got := steady(documented(t))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the metrics differ from %s; if they should, run: go test ./cmd/bos_exporter -run TestDocumented -update\n%s", golden, firstDifference(got, string(want)))
	}
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

// firstDifference shows where two texts part.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got:  " + g[i] + "\nwant: " + w[i]
		}
	}
	return "one is longer"
}

// lintExceptions are names that are BOS's own. BOS calls a number of failed nodes
// error_count, people alert on it under that name, and it is a gauge: the linter
// would have the suffix _count for histograms alone.
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
	excused := make(map[string]bool)
	for _, p := range problems {
		if lintExceptions[p.Metric] {
			excused[p.Metric] = true
		} else {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for name := range lintExceptions {
		if !excused[name] {
			t.Errorf("%s needs no exception", name)
		}
	}
}
