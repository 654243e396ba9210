package inventory_test

import (
	"context"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

func TestLifeOfASession(t *testing.T) {
	for _, era := range []bossim.Era{bossim.EraA, bossim.EraB1, bossim.EraB2, bossim.EraC} {
		t.Run(era.String(), func(t *testing.T) {
			r := newRig(t, bossim.Scripted(reboot("s1", began.Add(time.Second))), era)
			if s := r.sweep(0); !s.Up || len(s.Sessions) != 0 || s.Listed != bos.Some(0) {
				t.Fatalf("before it begins: %+v", s)
			}
			r.sweep(5 * time.Second)
			r.wantState("s1", bos.StatePending)
			if s := r.session("s1"); len(s.BootSets) != 1 || s.BootSets[0].Reported || s.Template != "cle" {
				t.Errorf("just created: %+v", s.Session)
			}
			r.sweep(2 * time.Minute) // shutting down
			r.wantState("s1", bos.StateRunning)
			if p := r.session("s1").BootSets[0].Phases[0]; p.Name != bos.Shutdown || p.Count(bos.InProgress) != 4 {
				t.Errorf("shutdown: %+v", p)
			}
			r.sweep(15 * time.Minute)
			r.wantState("s1", bos.StateRunning)
			if want := 1 + 1*(1+1); r.requests() != want {
				t.Errorf("%d requests for one active session of one boot set, want %d: %v", r.requests(), want, r.asked)
			}
			r.sweep(10 * time.Minute) // stopped
			r.wantState("s1", bos.StateSucceeded)
			s := r.session("s1")
			if era != bossim.EraA && s.StopTime.IsZero() {
				t.Fatal("no stop time")
			}
			if s.Nodes != (bos.Tally{Succeeded: 4}) {
				t.Errorf("nodes %+v", s.Nodes)
			}
			r.sweep(2 * time.Minute) // read a last time
			r.sweep(time.Hour)
			if want := map[string]int{"session": 1}; !maps.Equal(r.asked, want) {
				t.Errorf("the settled session still costs %v", r.asked)
			}
			if s := r.Snapshot(); s.Completions.Counts[inventory.OperationState{bos.Reboot, bos.StateSucceeded}] != 1 || s.Completions.Durations[bos.Reboot].Count != 1 {
				t.Errorf("completions %+v", s.Completions)
			}
			if !r.session("s1").Exposed {
				t.Error("not exposed within the linger")
			}
			r.sweep(23 * time.Hour)
			if r.session("s1").Exposed {
				t.Error("exposed after the linger")
			}
			r.wantState("s1", bos.StateSucceeded)
		})
	}
}

func TestCostIsThatOfActiveSessions(t *testing.T) {
	specs := make([]bossim.Spec, 0, 210)
	for range 200 {
		specs = append(specs, reboot("", began.Add(-5*time.Hour)))
	}
	two := reboot("active", began.Add(-10*time.Minute))
	two.Template = "both"
	two.BootSets = append(two.BootSets, bossim.BootSetSpec{Name: "uan", Nodes: []string{"x3000c0s1b0n0"}})
	specs = append(specs, two, reboot("also-active", began.Add(-5*time.Minute)))
	r := newRig(t, bossim.Scripted(specs...), bossim.EraC)
	r.sweep(0)
	r.sweep(time.Minute)
	if want := 1 + (1 + 2) + (1 + 1); r.requests() != want {
		t.Errorf("%d requests, want %d: %v", r.requests(), want, r.asked)
	}
	if r.most > 4 {
		t.Errorf("%d requests at once", r.most)
	}
	if s := r.Snapshot(); len(s.Sessions) != 202 || s.Completions.Counts[inventory.OperationState{bos.Reboot, bos.StateSucceeded}] != 0 {
		t.Errorf("%d sessions, completions %v: those that had ended must not count", len(s.Sessions), s.Completions.Counts)
	}
}

func TestDeletedSession(t *testing.T) {
	running, settled := reboot("running", began), reboot("settled", began.Add(-2*time.Hour))
	running.Deleted, settled.Deleted = began.Add(10*time.Minute), began.Add(10*time.Minute)
	r := newRig(t, bossim.Scripted(running, settled), bossim.EraC)
	if s := r.sweep(5 * time.Minute); len(s.Sessions) != 2 {
		t.Fatalf("%+v", s.Sessions)
	}
	if s := r.sweep(10 * time.Minute); len(s.Sessions) != 0 || s.Listed != bos.Some(0) {
		t.Errorf("%+v", s.Sessions)
	}
	if known, settled, _ := r.Held(); known != 0 || settled != 0 {
		t.Error("something is kept")
	}
}

func TestOddNames(t *testing.T) {
	spec := reboot("s1", began)
	spec.MixedCase = true
	spec.BootSets[0].Name = `a/b "c" ü ..`
	r := newRig(t, bossim.Scripted(spec), bossim.EraC)
	r.sweep(2 * time.Minute)
	b := r.session("s1").BootSets[0]
	if b.Name != `a/b "c" ü ..` || b.Phases[0].Name != bos.Shutdown || b.Phases[0].Count(bos.InProgress) != 4 {
		t.Errorf("%+v", b)
	}
}

func TestNodesInTwoCategories(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began, bossim.Trouble{Kind: bossim.NeverReady, Nodes: computes[:1]})), bossim.EraC)
	r.sweep(time.Hour)
	s := r.session("s1")
	boot := s.BootSets[0].Phases[1]
	if boot.Count(bos.Succeeded) != 4 || boot.Count(bos.Failed) != 1 || boot.Nodes != (bos.Tally{Failed: 1, Succeeded: 3}) {
		t.Errorf("%+v", boot)
	}
	if s.Nodes.Nodes() != 4 || s.Nodes.Failed != 1 {
		t.Errorf("%+v", s.Nodes)
	}
	r.wantState("s1", bos.StatePartial)
}

func TestCanceledSweepPublishesNothing(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	before := r.sweep(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	r.sim.Observe(func(*http.Request) { cancel() })
	r.Sweep(ctx)
	if r.Snapshot() != before {
		t.Error("a new snapshot")
	}
}

func TestSnapshotsAreReadWhileSweeping(t *testing.T) {
	r := newRig(t, bossim.Live(began, 10), bossim.EraC)
	r.sweep(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			r.clock.Advance(10 * time.Second)
			r.Sweep(t.Context())
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
			for _, s := range r.Snapshot().Sessions {
				_ = s.Verdict.State
				for _, b := range s.BootSets {
					_ = len(b.Phases)
				}
			}
		}
	}
}

// A template that is edited between two sessions tells the second one's boot sets.
func TestTemplateIsEdited(t *testing.T) {
	first := reboot("first", began)
	r := newRig(t, bossim.Scripted(first), bossim.EraC)
	r.sweep(2 * time.Minute)
	second := reboot("second", began.Add(2*time.Minute))
	second.BootSets = append(second.BootSets, bossim.BootSetSpec{Name: "uan", Nodes: []string{"x3000c0s1b0n0"}})
	r.sim = bossim.New(bossim.Scripted(first, second), bossim.EraC, r.clock.Now)
	r.sweep(2 * time.Minute)
	if got := len(r.session("second").BootSets); got != 2 {
		t.Errorf("%d boot sets, want 2", got)
	}
	if got := len(r.session("first").BootSets); got != 1 {
		t.Errorf("the first session has %d boot sets by now, want 1", got)
	}
}
