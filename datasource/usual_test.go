package datasource

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

func TestUsualDurations(t *testing.T) {
	began := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	var sessions []inventory.Session
	add := func(tenant, template string, state bos.State, took time.Duration) {
		s := inventory.Session{Session: &bos.Session{ID: fmt.Sprint(len(sessions)), Tenant: tenant, Template: template, Operation: bos.Boot}, Verdict: bos.Verdict{State: state}}
		s.StartTime = began.Add(time.Duration(len(sessions)) * time.Hour)
		if state.Ended() {
			s.Verdict.Ending, s.Verdict.End = bos.Ended, s.StartTime.Add(took)
		}
		sessions = append(sessions, s)
	}
	want := []string{}
	for _, tt := range []struct {
		tenant, template string
		state            bos.State
		minutes          int
		want             string // seconds that are usual when it begins
	}{
		{"", "compute", bos.StatePartial, 50, "-"},
		{"", "compute", bos.StateFailed, 1, "3000"},
		{"", "compute", bos.StateSucceeded, 20, "3000"},
		{"", "compute", bos.StateUnknown, 7, "1200"},
		{"", "compute", bos.StateSucceeded, 40, "1200"},
		{"", "compute", bos.StateSucceeded, -3, "1800"}, // it stopped before it started
		{"blue", "compute", bos.StateSucceeded, 5, "-"},
		{"", "compute", bos.StateSucceeded, 21, "1800"},
		{"", "uan", bos.StateSucceeded, 5, "-"},
		{"", "compute", bos.StateRunning, 0, "1260"},
		{"", "", bos.StateSucceeded, 5, "-"},
		{"", "", bos.StateRunning, 0, "-"},
	} {
		add(tt.tenant, tt.template, tt.state, time.Duration(tt.minutes)*time.Minute)
		want = append(want, tt.want)
	}
	usual := usualDurations(sessions)
	for i := range sessions {
		got := "-"
		if u := usual[sessions[i].Key()]; u != nil {
			got = fmt.Sprint(*u)
		}
		if got != want[i] {
			t.Errorf("session %d: %s, want %s", i, got, want[i])
		}
	}
}

// Until it is applied, a staged session may wait for as long as anybody likes.
func TestStagedSessionsThatWaitAreNotSlow(t *testing.T) {
	for _, waits := range []bool{false, true} {
		duration, usual := 7200.0, 600.0
		r := sessionRow{Session: &inventory.Session{Session: &bos.Session{AwaitsApply: waits}}, duration: &duration, usual: &usual}
		r.StartTime = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
		r.Verdict.Ending = bos.NotEnded
		if slowdown := r.slowdown(); (slowdown == nil) != waits {
			t.Errorf("waits: %t, slowdown %v", waits, slowdown)
		}
		if idle := (&view{now: r.StartTime.Add(time.Hour)}).idle(r.Session); (idle == nil) != waits {
			t.Errorf("waits: %t, idle %v", waits, idle)
		}
		if stop := r.expectedStop(); (stop == nil) != waits {
			t.Errorf("waits: %t, expected stop %v", waits, stop)
		}
	}
}

func TestTrend(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	v := &view{within: backend.TimeRange{From: from, To: from.Add(7 * 24 * time.Hour)}}
	var r record
	for after, nodes := range map[time.Duration]bos.Tally{
		-time.Hour:      {Succeeded: 4},
		time.Hour:       {Failed: 4},
		30 * time.Hour:  {Succeeded: 11_999, Failed: 1},
		80 * time.Hour:  {Unfinished: 3},
		100 * time.Hour: {Succeeded: 5, Excluded: 7},
		500 * time.Hour: {Excluded: 7},
	} {
		part := &r.parts[v.trendPart(from.Add(after))]
		*part = part.Plus(nodes)
	}
	if got := r.trend(); got != "▄▇·▁█··" {
		t.Errorf("got %s", got)
	}
	for _, mark := range []string{"█", "▁", "·"} {
		if !strings.Contains(trendDescription, mark) {
			t.Errorf("%s is not explained", mark)
		}
	}
}

func TestQuantile(t *testing.T) {
	ten := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, tt := range []struct {
		sorted []float64
		part   float64
		want   float64
	}{
		{ten, 0, 1}, {ten, 0.5, 5.5}, {ten, 0.9, 9.1}, {ten, 1, 10}, {[]float64{7}, 0.9, 7}, {[]float64{1, 3}, 0.5, 2},
	} {
		if got := quantile(tt.sorted, tt.part); got == nil || fmt.Sprintf("%.6f", *got) != fmt.Sprintf("%.6f", tt.want) {
			t.Errorf("%v of %v: %v, want %v", tt.part, tt.sorted, got, tt.want)
		}
	}
	if got := quantile(nil, 0.5); got != nil {
		t.Errorf("of nothing: %v", *got)
	}
}

// A session at work is told when to stop by an earlier one like it.
func TestExpectedStop(t *testing.T) {
	now := bossim.GalleryTime
	boot := func(id string, ago time.Duration) bossim.Spec {
		return bossim.Spec{ID: id, Operation: "boot", Template: "compute", Created: now.Add(-ago), BootSets: []bossim.BootSetSpec{
			{Name: "compute", Nodes: bossim.Nodes(4)}, {Name: "uan", Nodes: bossim.LoginNodes(2)}}}
	}
	w := newWorld(t, bossim.Scripted(boot("first", 5*time.Hour), boot("second", 3*time.Minute)))
	got := rows(t, w.query(`{"queryType":"sessions"}`))
	if len(got) != 2 || got[1]["usual"] != nil || got[1]["expected_stop"] != nil || got[1]["phase"] != "" {
		t.Fatalf("the first of them: %v", got)
	}
	took := got[1]["duration"].(float64)
	second := got[0]
	stop := now.Add(-3 * time.Minute).Add(time.Duration(took) * time.Second)
	if second["usual"] != took || fmt.Sprint(second["expected_stop"]) != fmt.Sprint(stop) || second["slowdown"] != 180/took {
		t.Errorf("the usual duration is %v, the expected stop %v, the ratio %v; the first took %v and %v is expected", second["usual"], second["expected_stop"], second["slowdown"], took, stop)
	}
	if second["phase"] != "boot" || second["success"] != nil {
		t.Errorf("phase %q, success %v", second["phase"], second["success"])
	}
}

func TestCurrentPhases(t *testing.T) {
	phase := func(name string, inProgress int) bos.Phase {
		return bos.Phase{Name: name, Categories: []bos.Category{{Name: bos.InProgress, Count: inProgress}}}
	}
	set := func(name string, phases ...bos.Phase) bos.BootSet { return bos.BootSet{Name: name, Phases: phases} }
	states := func(of bos.State, phases ...bos.State) bos.BootSetVerdict {
		return bos.BootSetVerdict{State: of, Phases: phases}
	}
	for _, tt := range []struct {
		name     string
		sets     []bos.BootSet
		verdicts []bos.BootSetVerdict
		want     string
	}{
		{"no boot set yet", nil, nil, ""},
		{"not reported yet", []bos.BootSet{set("a")}, []bos.BootSetVerdict{states(bos.StatePending)}, ""},
		{"one at work, one waits", []bos.BootSet{set("a", phase("shutdown", 4), phase("boot", 0), phase("configure", 4))},
			[]bos.BootSetVerdict{states(bos.StateRunning, bos.StateRunning, bos.StatePending, bos.StateWaiting)}, "shutdown"},
		{"none at work", []bos.BootSet{set("a", phase("shutdown", 0), phase("boot", 0), phase("configure", 4))},
			[]bos.BootSetVerdict{states(bos.StateStuck, bos.StateSucceeded, bos.StatePending, bos.StateWaiting)}, "boot"},
		{"two at work", []bos.BootSet{set("a", phase("shutdown", 1), phase("boot", 3))},
			[]bos.BootSetVerdict{states(bos.StateRunning, bos.StateRunning, bos.StateRunning)}, "shutdown, boot"},
		{"begun and not at work", []bos.BootSet{set("a", phase("boot", 3), phase("configure", 0))},
			[]bos.BootSetVerdict{states(bos.StateRunning, bos.StateRunning, bos.StateRunning)}, "boot"},
		{"alike", []bos.BootSet{set("a", phase("boot", 1)), set("b", phase("boot", 1))},
			[]bos.BootSetVerdict{states(bos.StateRunning, bos.StateRunning), states(bos.StateRunning, bos.StateRunning)}, "boot"},
		{"not alike", []bos.BootSet{set("a", phase("boot", 1)), set("uan", phase("shutdown", 1)), set("b", phase("boot", 1))},
			[]bos.BootSetVerdict{states(bos.StateRunning, bos.StateRunning), states(bos.StateStuck, bos.StateStuck), states(bos.StateRunning, bos.StateRunning)},
			"a, b: boot; uan: shutdown"},
		{"one has ended", []bos.BootSet{set("a", phase("boot", 0)), set("b", phase("boot", 1))},
			[]bos.BootSetVerdict{states(bos.StateSucceeded, bos.StateSucceeded), states(bos.StateRunning, bos.StateRunning)}, "b: boot"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &inventory.Session{Session: &bos.Session{BootSets: tt.sets}, Verdict: bos.Verdict{Ending: bos.NotEnded, BootSets: tt.verdicts}}
			if got := currentPhases(s); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			s.Verdict.Ending = bos.Ended
			if got := currentPhases(s); got != "" {
				t.Errorf("after the end: %q", got)
			}
		})
	}
}
