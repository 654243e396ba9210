package collectors

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var t0 = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// snapshot holds a session of every kind that makes a difference to a collector.
func snapshot() *inventory.Snapshot {
	running := &bos.Session{ID: "running", Operation: bos.Reboot, Template: `cle "1.3"`, Job: "boa-1", API: bos.APIv1,
		Metadata: bos.Metadata{InProgress: bos.Some(true), Complete: bos.Some(false), ErrorCount: bos.Some(0), StartTime: t0},
		Nodes:    bos.Tally{Failed: 1, Unfinished: 2, Succeeded: 1},
		BootSets: []bos.BootSet{
			{Name: "computes", Reported: true,
				Metadata: bos.Metadata{InProgress: bos.Some(true), Complete: bos.Some(false), ErrorCount: bos.Some(1), StartTime: t0.Add(time.Second), StopTime: t0.Add(time.Hour)},
				Phases: []bos.Phase{
					{Name: bos.Shutdown, LastProgress: t0.Add(90 * time.Second),
						Metadata:   bos.Metadata{Complete: bos.Some(true), InProgress: bos.Some(false), ErrorCount: bos.Some(1), StartTime: t0.Add(time.Second), StopTime: t0.Add(90*time.Second + 250*time.Millisecond)},
						Categories: []bos.Category{{Name: bos.NotStarted}, {Name: bos.Succeeded, Count: 4}, {Name: bos.Failed, Count: 1}}},
					{Name: bos.Boot, LastProgress: t0.Add(2 * time.Minute),
						Categories: []bos.Category{{Name: bos.InProgress, Count: 3}, {Name: "on\nhold", Count: 1}}},
				}},
			{Name: "not yet reported"},
		}}
	staged := &bos.Session{ID: "staged", Tenant: "blue", Operation: bos.Reboot, API: bos.APIv2, Staged: true, StagedNodes: 3,
		BootSets: []bos.BootSet{{Name: "computes", Reported: true, Phases: []bos.Phase{{Name: bos.Boot, Counted: true, Retried: 2, LastProgress: t0}, {Name: bos.Configure, Counted: true, LastProgress: t0}}}}}
	ended := &bos.Session{ID: "ended", Tenant: "blue", Operation: bos.Boot, API: bos.APIv1,
		Metadata: bos.Metadata{StartTime: t0, StopTime: t0.Add(time.Hour)}}
	return &inventory.Snapshot{
		Time: t0.Add(2 * time.Hour), Up: true, ListUp: true, LastGood: t0.Add(2 * time.Hour), Swept: t0.Add(2 * time.Hour), SweepDuration: 1500 * time.Millisecond,
		Listed: bos.Some(7),
		Sessions: []inventory.Session{
			{Session: ended, Verdict: bos.Verdict{State: bos.StateUnknown}, Exposed: true, Err: &bos.Error{Reason: bos.NotFound}},
			{Session: &bos.Session{ID: "lingered out", API: bos.APIv1, Operation: bos.Boot}, Verdict: bos.Verdict{State: bos.StateSucceeded}},
			{Session: &bos.Session{ID: "never read", API: bos.APIv1}, Verdict: bos.Verdict{State: bos.StateUnknown}, Unread: true, Err: &bos.Error{Reason: bos.Malformed}},
			{Session: &bos.Session{ID: "not yet read", API: bos.APIv1, Operation: bos.Boot}, Verdict: bos.Verdict{State: bos.StateUnread}, Unread: true},
			{Session: staged, Verdict: bos.Verdict{State: bos.StatePending}, Exposed: true},
			{Session: running, Verdict: bos.Verdict{State: bos.StateRunning}, Exposed: true, Err: errors.New("anything else")},
			{Session: &bos.Session{ID: "old", API: bos.APIv1, Operation: "diagnose"}, Verdict: bos.Verdict{State: bos.StateAbandoned}},
		},
		Dropped: map[string]int{inventory.DroppedUnread: 2, inventory.DroppedAge: 1, inventory.DroppedLinger: 1},
		Machine: &bos.Machine{At: t0.Add(2 * time.Hour),
			Nodes:   map[bos.ComponentState]int{{Status: "stable"}: 100, {Status: "stable", Enabled: true}: 1, {Status: "on_hold"}: 2},
			Enabled: map[string]int{"running": 1, "deleted": 4}},
		Completions: inventory.Completions{
			Counts:    map[inventory.OperationState]int{{Operation: bos.Reboot, State: bos.StatePartial}: 2, {Operation: bos.Boot, State: bos.StateFailed}: 0},
			Durations: map[string]inventory.Histogram{bos.Reboot: {Count: 2, Sum: 2400.5, Buckets: []uint64{0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2}}},
		},
	}
}

// collected returns what the collectors yield: their families and the first error.
func collected(s *inventory.Snapshot, enabled []Collector) (families []*dto.MetricFamily, firstErr error) {
	for f, err := range Collect(s, enabled) {
		firstErr = cmp.Or(firstErr, err)
		if f != nil {
			families = append(families, f)
		}
	}
	return families, firstErr
}

func text(t *testing.T, families []*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// Each collector has a golden file with its families of the snapshot.
func TestGolden(t *testing.T) {
	s := snapshot()
	for _, c := range All {
		t.Run(c.Name, func(t *testing.T) {
			families, err := collected(s, []Collector{c})
			if err != nil {
				t.Fatal(err)
			}
			var own []*dto.MetricFamily
			for _, f := range families {
				if !strings.HasPrefix(f.GetName(), "bos_scrape_collector_") {
					own = append(own, f)
				}
			}
			got := text(t, own)
			golden := "testdata/" + c.Name + ".prom"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(string(want), got); diff != "" {
				t.Errorf("the families differ from %s (-want +got); if they should, run: go test ./collectors -update\n%s", golden, diff)
			}
		})
	}
}

// The families are built without a registry, so a registry checks here that they are
// as it would have built them: consistent and without duplicate series.
func TestConsistent(t *testing.T) {
	families, err := collected(snapshot(), All)
	if err != nil {
		t.Fatal(err)
	}
	g := prometheus.Gatherers{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })}
	if _, err := g.Gather(); err != nil {
		t.Error(err)
	}
}

// A collector builds exactly the metrics that it describes.
func TestDescribed(t *testing.T) {
	s := snapshot()
	for _, c := range All {
		described := make(map[string]*Metric)
		for _, m := range c.Metrics {
			described[m.Name] = m
		}
		families, err := collected(s, []Collector{c})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if strings.HasPrefix(f.GetName(), "bos_scrape_collector_") {
				continue
			}
			if described[f.GetName()] == nil {
				t.Errorf("collector %s builds %s, which it does not describe", c.Name, f.GetName())
			}
			delete(described, f.GetName())
		}
		for name := range described {
			t.Errorf("collector %s does not build %s", c.Name, name)
		}
	}
}

// No metric has a label that Prometheus adds when it scrapes.
func TestLabels(t *testing.T) {
	for _, c := range All {
		for _, m := range c.Metrics {
			for _, l := range m.Labels {
				switch l {
				case "job", "instance", "endpoint", "namespace", "pod", "service", "container":
					t.Errorf("%s has the label %s", m.Name, l)
				}
			}
		}
	}
}

// The database that is about to fill up is that of BOS v1.
func TestStoredBytesCountOnlyV1(t *testing.T) {
	session := func(id, api string) inventory.Session {
		return inventory.Session{Session: &bos.Session{ID: id, API: api, BootSets: []bos.BootSet{{Name: "compute", Reported: true,
			Phases: []bos.Phase{{Name: bos.Boot, Categories: []bos.Category{{Name: bos.Succeeded, Count: 100}}}}}}}}
	}
	for _, tt := range []struct {
		name     string
		sessions []inventory.Session
		want     string
	}{
		{"both APIs", []inventory.Session{session("a", bos.APIv1), session("b", bos.APIv2)}, "bos_sessions_stored_bytes 4000\n"},
		{"v2 alone", []inventory.Session{session("b", bos.APIv2)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			families, err := collected(&inventory.Snapshot{Swept: t0, Listed: bos.Some(len(tt.sessions)), Sessions: tt.sessions}, []Collector{sweep})
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, families); !strings.Contains(got, tt.want) || tt.want == "" && strings.Contains(got, "stored_bytes") {
				t.Errorf("got\n%s\nwant %q of the stored bytes", got, tt.want)
			}
		})
	}
}

func TestBeforeTheFirstSweep(t *testing.T) {
	families, err := collected(inventory.New(inventory.Config{}).Snapshot(), All)
	if err != nil {
		t.Fatal(err)
	}
	got := text(t, families)
	for _, want := range []string{`bos_session_completions_total{operation="boot",state="failed"} 0`} {
		if !strings.Contains(got, want) {
			t.Errorf("missing: %s", want)
		}
	}
	for _, unwanted := range []string{"bos_up ", "bos_list_up ", "bos_exporter_session_errors{", "bos_exporter_sessions_dropped{", "bos_sessions_listed ", "bos_sessions{", "last_sweep_timestamp_seconds ", "sweep_duration_seconds "} {
		if strings.Contains(got, "\n"+unwanted) {
			t.Errorf("served before the first sweep: %s", unwanted)
		}
	}
}

// A family is not made before it is its turn.
func TestFamiliesAreMadeOneByOne(t *testing.T) {
	late := gauge("bos_z", "It is the last one.")
	ran := false
	last := Collector{Name: "last", Metrics: []*Metric{late}, collect: func(_ *inventory.Snapshot, out *family) {
		ran = true
		out.add(late, 1)
	}}
	for f, err := range Collect(snapshot(), []Collector{last, state}) {
		if err != nil {
			t.Fatal(err)
		}
		if want := f.GetName() == late.Name; ran != want {
			t.Fatalf("at %s, the last collector has run: %t, want %t", f.GetName(), ran, want)
		}
		if ran {
			break
		}
	}
	if !ran {
		t.Error("the last collector has not run")
	}
}

// A sample of a metric that its collector does not describe is not lost in silence.
func TestUndescribedMetricsFail(t *testing.T) {
	bad := Collector{Name: "bad", Metrics: []*Metric{gauge("bos_a", "It is described.")}, collect: func(_ *inventory.Snapshot, out *family) { out.add(up, 1) }}
	if _, err := collected(snapshot(), []Collector{bad}); err == nil || !strings.Contains(err.Error(), "collector bad: bos_up is not described") {
		t.Errorf("got error %v, want one that names the collector and the metric", err)
	}
}

func TestFailingCollectorSparesTheOthers(t *testing.T) {
	bad := Collector{Name: "bad", Metrics: []*Metric{gauge("bos_bad", "It is not built.")}, collect: func(*inventory.Snapshot, *family) { panic("boom") }}
	families, err := collected(snapshot(), []Collector{bad, state})
	if err == nil || !strings.Contains(err.Error(), "collector bad: boom") {
		t.Errorf("got error %v, want one that names the collector and the cause", err)
	}
	got := text(t, families)
	for _, want := range []string{
		`bos_scrape_collector_success{collector="bad"} 0`, `bos_scrape_collector_success{collector="state"} 1`, `bos_session_state{`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing: %s", want)
		}
	}
}
