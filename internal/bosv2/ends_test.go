package bosv2_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// follow sweeps every 30 seconds, for as long.
func (r *rig) follow(d time.Duration) {
	r.t.Helper()
	for range int(d / (30 * time.Second)) {
		r.sweep(30 * time.Second)
	}
}

func TestSupersededWhereUnfinished(t *testing.T) {
	first, second := spec("first", bos.Reboot, bossim.Trouble{Kind: bossim.NeverReady, Nodes: computes[3:]}), spec("second", bos.Boot)
	second.Created = began.Add(10 * time.Minute)
	second.BootSets[0].Nodes = computes[1:]
	r := newRig(t, bossim.Scripted(first, second), bossim.EraD2)
	r.follow(40 * time.Minute)
	s := r.session(key("first"))
	// Two nodes were configured by then, and one was ready.
	if got, want := line(s), "shutdown ++++succeeded boot +++succeeded +superseded configure ++succeeded ++superseded"; got != want {
		t.Errorf("phases\n got %s\nwant %s", got, want)
	}
	if got, want := s.Nodes, (bos.Tally{Succeeded: 2, Excluded: 2}); got != want || s.Verdict.State != bos.StateSucceeded {
		t.Errorf("nodes %+v, want %+v; %s", got, want, s.Verdict.State)
	}
	if err := r.session(key("second")).Err; err != nil {
		t.Error(err)
	}
}

// Nodes that have moved on say nothing about a session that is complete.
func TestCompleteSessionKeepsItsNodes(t *testing.T) {
	first, second := spec("first", bos.Reboot, bossim.Trouble{Kind: bossim.NeverReady, Nodes: computes[:1]}), spec("second", bos.Reboot)
	second.Created = began.Add(2 * time.Hour)
	r := newRig(t, bossim.Scripted(first, second), bossim.EraD2)
	r.follow(90 * time.Minute)
	before := line(r.session(key("first")))
	r.follow(time.Hour)
	s := r.session(key("first"))
	if got := line(s); got != before || !strings.Contains(got, "+failed") {
		t.Errorf("phases\n got %s\nwant %s", got, before)
	}
	if got := r.Snapshot().Nodes.Names(s.Fates().Failed); !slices.Equal(got, computes[:1]) {
		t.Errorf("failed: %v", got)
	}
}

// Another session takes the nodes between the last reading of a session and its end. The
// numbers that BOS has kept tell how they ended.
func TestNodesTakenOverRightAfterTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kind  []bossim.Trouble
		until time.Duration // the reading before
		want  bos.Tally
		state bos.State
	}{
		{"all succeeded", nil, 15 * time.Minute, bos.Tally{Succeeded: 4}, bos.StateSucceeded},
		{"all failed", []bossim.Trouble{{Kind: bossim.ConfigureFails}}, 4 * time.Minute, bos.Tally{Failed: 4}, bos.StateFailed},
		{"some of each", []bossim.Trouble{{Kind: bossim.ConfigureFails, Nodes: computes[:1]}}, 4 * time.Minute,
			bos.Tally{Succeeded: 3, Failed: 1}, bos.StatePartial},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, second := spec("first", bos.Reboot, tt.kind...), spec("second", bos.Reboot)
			second.Created = began.Add(20 * time.Minute)
			r := newRig(t, bossim.Scripted(first, second), bossim.EraD2)
			r.sweep(time.Minute)
			r.sweep(tt.until - time.Minute)
			r.sweep(21*time.Minute - tt.until)
			s := r.session(key("first"))
			if s.Err != nil || s.StopTime.IsZero() {
				t.Fatalf("it has not ended: %v", s.Err)
			}
			if s.Nodes != tt.want || s.Verdict.State != tt.state {
				t.Errorf("%s, nodes %+v; want %s, %+v\n%s", s.Verdict.State, s.Nodes, tt.state, tt.want, line(s))
			}
		})
	}
}

func TestFirstMetAfterItsEnd(t *testing.T) {
	first := spec("first", bos.Reboot, bossim.Trouble{Kind: bossim.NeverReady, Nodes: computes[:1]})
	t.Run("nodes still there", func(t *testing.T) {
		r := newRig(t, bossim.Scripted(first), bossim.EraD2)
		r.sweep(2 * time.Hour)
		s := r.session(key("first"))
		if got, want := line(s), "shutdown ++++succeeded boot +++succeeded +failed * configure +not_started +++succeeded"; got != want {
			t.Errorf("phases\n got %s\nwant %s", got, want)
		}
		if s.Unnamed || s.Verdict.State != bos.StatePartial {
			t.Errorf("unnamed %t, %s", s.Unnamed, s.Verdict.State)
		}
	})
	second := spec("second", bos.Reboot)
	second.Created = began.Add(2 * time.Hour)
	t.Run("nodes moved on", func(t *testing.T) {
		r := newRig(t, bossim.Scripted(first, second), bossim.EraD2)
		r.sweep(3 * time.Hour)
		for range 2 {
			s := r.session(key("first"))
			if got, want := s.Nodes, (bos.Tally{Succeeded: 3, Failed: 1}); got != want {
				t.Errorf("nodes %+v, want %+v", got, want)
			}
			if len(s.BootSets) != 1 || s.BootSets[0].Name != "compute" || !s.BootSets[0].Reported || len(s.BootSets[0].Phases) != 0 {
				t.Errorf("boot sets %+v", s.BootSets)
			}
			if !s.Unnamed || s.Verdict.State != bos.StatePartial || s.ErrorCount != bos.Some(1) {
				t.Errorf("unnamed %t, %s, error count %v", s.Unnamed, s.Verdict.State, s.ErrorCount)
			}
			r.sweep(time.Hour)
		}
	})
	t.Run("all taken over before its end", func(t *testing.T) {
		soon := second
		soon.Created = began.Add(5 * time.Minute)
		r := newRig(t, bossim.Scripted(first, soon), bossim.EraD2)
		r.sweep(2 * time.Hour)
		if s := r.session(key("first")); s.Verdict.State != bos.StateUnknown || s.Nodes.Nodes() != 0 || s.Err != nil {
			t.Errorf("%s, nodes %+v, %v", s.Verdict.State, s.Nodes, s.Err)
		}
	})
}

// A session that is not found for a moment, just as it ends, stays.
func TestNotFoundAtItsEnd(t *testing.T) {
	r := newRig(t, bossim.Scripted(spec("s1", bos.Reboot)), bossim.EraD2)
	r.sweep(5 * time.Minute)
	r.sim.Fail(bossim.Describe, bossim.NotFound)
	for range 3 {
		s, there := r.sweep(time.Hour).Session(key("s1"))
		if !there || s.Err != nil && bos.ReasonOf(s.Err) != bos.NotFound {
			t.Fatalf("there: %t, error %v", there, s.Err)
		}
	}
	r.sim.Heal()
	for until := time.Now().Add(10 * time.Second); r.session(key("s1")).Err != nil && time.Now().Before(until); {
		r.sweep(time.Second)
	}
	if s := r.session(key("s1")); s.Verdict.State != bos.StateSucceeded || s.Err != nil {
		t.Errorf("in the end it is %s, %v", s.Verdict.State, s.Err)
	}
}

func TestDeletedWhileRunning(t *testing.T) {
	s := spec("s1", bos.Reboot)
	s.Deleted = began.Add(8 * time.Minute)
	r := newRig(t, bossim.Scripted(s), bossim.EraD2)
	r.sweep(5 * time.Minute)
	if r.session(key("s1")).Verdict.State != bos.StateRunning {
		t.Fatal("it does not run")
	}
	r.sweep(5 * time.Minute) // the list of all sessions, in the next sweep, decides
	snapshot := r.sweep(time.Second)
	if _, there := snapshot.Session(key("s1")); there {
		t.Error("a session that was deleted is still shown")
	}
	for k, n := range snapshot.Completions.Counts {
		if n != 0 {
			t.Errorf("%d sessions count as %v", n, k)
		}
	}
}

// The status of a session is saved a moment after its end.
func TestLateStatusIsReadOnceMore(t *testing.T) {
	r := newRig(t, bossim.Scripted(spec("s1", bos.Reboot)), bossim.EraD2)
	r.sweep(10 * time.Minute)
	r.sim.Inject(bossim.Rule{Fault: bossim.LateStatus, Resource: bossim.Status, Times: 1})
	r.sweep(20 * time.Minute)
	if !slices.Contains(r.requests(), "sessions/s1/status") {
		t.Fatalf("at its end: %v", r.requests())
	}
	r.sweep(61 * time.Second)
	if got := r.requests(); !slices.Contains(got, "sessions/s1/status") || slices.Contains(got, "components?session=s1") {
		t.Errorf("a minute after its end: %v", got)
	}
	r.sweep(61 * time.Second)
	if got := r.requests(); len(got) != 2 {
		t.Errorf("later: %v", got)
	}
	if s := r.session(key("s1")); s.Err != nil || s.Nodes != (bos.Tally{Succeeded: 4}) {
		t.Errorf("%+v, %v", s.Nodes, s.Err)
	}
}

func TestStagedSession(t *testing.T) {
	s := spec("s1", bos.Reboot)
	s.Stage = true
	s.Applied = []bossim.Act{{After: time.Hour, Nodes: computes[:2]}, {After: 3 * time.Hour, Nodes: computes[2:]}}
	r := newRig(t, bossim.Scripted(s), bossim.EraD2)
	r.sweep(time.Minute)
	r.sweep(49 * time.Minute)
	got := r.session(key("s1"))
	if got.StagedNodes != 4 || !got.AwaitsApply || got.Verdict.State != bos.StatePending || got.Nodes != (bos.Tally{Unfinished: 4}) {
		t.Errorf("waiting: %d staged, awaits %t, %s, %+v, %v", got.StagedNodes, got.AwaitsApply, got.Verdict.State, got.Nodes, got.Err)
	}
	r.sweep(14 * time.Minute)
	got = r.session(key("s1"))
	if want := "shutdown ++not_started ++succeeded boot ++not_started ++in_progress configure ++++not_started"; line(got) != want || got.StagedNodes != 2 || got.AwaitsApply || got.Verdict.State != bos.StateRunning {
		t.Errorf("half applied: %s, want %s; %d staged, awaits %t, %s", line(got), want, got.StagedNodes, got.AwaitsApply, got.Verdict.State)
	}
	if asked := r.requests(); len(asked) != 4 {
		t.Errorf("a sweep costs %v", asked)
	}
	r.follow(100 * time.Minute)
	got = r.session(key("s1"))
	if got.StagedNodes != 2 || !got.AwaitsApply || got.Verdict.State != bos.StatePending || got.Nodes != (bos.Tally{Succeeded: 2, Unfinished: 2}) {
		t.Errorf("half done, the rest waits: %d staged, awaits %t, %s, %+v", got.StagedNodes, got.AwaitsApply, got.Verdict.State, got.Nodes)
	}
	r.follow(80 * time.Minute)
	// BOS never ends it, but there is nothing left to come.
	got = r.session(key("s1"))
	if got.Verdict.State != bos.StateSucceeded || got.Verdict.Ending != bos.Ended || !got.StopTime.IsZero() {
		t.Errorf("all applied: %s, %s", got.Verdict.State, line(got))
	}
}

func TestStagedShutdownDoesNothing(t *testing.T) {
	s := spec("s1", bos.Shutdown)
	s.Stage = true
	r := newRig(t, bossim.Scripted(s), bossim.EraD2)
	r.sweep(time.Minute)
	if got := r.session(key("s1")); got.Verdict.State != bos.StateUnknown || got.Err != nil {
		t.Errorf("%s, %v", got.Verdict.State, got.Err)
	}
}

// Two tenants, and one without, have sessions of the same name.
func TestNamesakesAreKeptApart(t *testing.T) {
	all := bossim.Nodes(12)
	twin := func(tenant string, from, to int, troubles ...bossim.Trouble) bossim.Spec {
		s := spec("twin", bos.Reboot, troubles...)
		s.Tenant, s.Template = tenant, "t"+tenant
		s.BootSets[0].Nodes = all[from:to:to]
		return s
	}
	scenario := bossim.Scripted(twin("blue", 0, 3, bossim.Trouble{Kind: bossim.ConfigureFails}), twin("red", 3, 7), twin("", 7, 12))
	r := newRig(t, scenario, bossim.EraD2)
	r.follow(30 * time.Minute)
	for tenant, want := range map[string]bos.Tally{"blue": {Failed: 3}, "red": {Succeeded: 4}, "": {Succeeded: 5}} {
		s := r.session(bos.Key{API: bos.APIv2, Tenant: tenant, ID: "twin"})
		if s.Err != nil || s.Nodes != want || len(s.BootSets) != 1 || s.BootSets[0].Derived != "" {
			t.Errorf("that of %q has nodes %+v in %d boot sets, want %+v; %v", tenant, s.Nodes, len(s.BootSets), want, s.Err)
		}
	}
	// So it is for those who are let see one tenant alone.
	r = newRig(t, scenario, bossim.EraD2, func(c *bosclient.Config) { c.Tenant = "red" })
	r.follow(30 * time.Minute)
	if n := len(r.Snapshot().Sessions); n != 1 {
		t.Errorf("%d sessions", n)
	}
	if s := r.session(bos.Key{API: bos.APIv2, Tenant: "red", ID: "twin"}); s.Nodes != (bos.Tally{Succeeded: 4}) {
		t.Errorf("nodes %+v, %v", s.Nodes, s.Err)
	}
}

// A session that was pending when it was last read may have ended, and its nodes may have
// been taken over, by the next reading: their numbers are known all the same.
func TestEndOfASessionThatWasNeverSeenAtWork(t *testing.T) {
	next, other := spec("next", bos.Reboot), spec("other", bos.Reboot)
	next.Created, other.Created = began.Add(time.Hour), began.Add(-10*time.Minute)
	other.BootSets[0].Nodes = []string{"x3000c0s1b0n0"} // which is known by name by then
	r := newRig(t, bossim.Scripted(other, spec("s1", bos.Reboot), next), bossim.EraD2)
	r.sweep(5 * time.Second)
	if s := r.session(key("s1")); s.Verdict.State != bos.StatePending {
		t.Fatalf("at first it is %s", s.Verdict.State)
	}
	r.sweep(65 * time.Minute)
	if s := r.session(key("s1")); s.Err != nil || s.Verdict.State != bos.StateSucceeded || s.Nodes != (bos.Tally{Succeeded: 4}) || !s.Unnamed {
		t.Errorf("it is %s, %+v, unnamed %t, error %v", s.Verdict.State, s.Nodes, s.Unnamed, s.Err)
	}
}
