package inventory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

func TestStoppedSessionRestsUntilItsLastReading(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	r.sweep(20 * time.Minute)
	for r.session("s1").StopTime.IsZero() {
		r.sweep(5 * time.Second)
	}
	r.sweep(30 * time.Second)
	if r.requests() != 1 {
		t.Errorf("30s after the stop: %v", r.asked)
	}
	r.sweep(31 * time.Second)
	if r.requests() != 3 {
		t.Errorf("61s after the stop: %v", r.asked)
	}
	r.sweep(time.Minute)
	if r.requests() != 1 {
		t.Errorf("settled: %v", r.asked)
	}
}

func TestStuckThenAbandoned(t *testing.T) {
	spec := reboot("s1", began)
	spec.Agent.Killed = 7 * time.Minute // in boot
	r := newRig(t, bossim.Scripted(spec), bossim.EraC)
	r.sweep(8 * time.Minute)
	r.wantState("s1", bos.StateRunning)
	r.sweep(36 * time.Minute)
	r.wantState("s1", bos.StateStuck)
	r.sweep(23 * time.Hour)
	r.wantState("s1", bos.StateStuck)
	r.sweep(2 * time.Hour)
	r.wantState("s1", bos.StateAbandoned)
	r.sweep(time.Minute)
	if r.requests() != 1 {
		t.Errorf("abandoned, but costs %v", r.asked)
	}
	if !r.session("s1").Exposed {
		t.Error("an abandoned session has no end to linger after")
	}
	if n := r.Snapshot().Completions.Counts; n[inventory.OperationState{bos.Reboot, bos.StateAbandoned}] != 0 {
		t.Errorf("it did not end: %v", n)
	}
}

func TestSettledSessionsAreVerified(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began.Add(-2*time.Hour))), bossim.EraC)
	r.sweep(0)
	before := r.session("s1").Session
	expire := r.Unsettle
	expire()
	r.sweep(time.Minute)
	if after := r.session("s1").Session; after == before || r.requests() != 2 {
		t.Errorf("its description alone is to be read again: %v", r.asked)
	}
	expire()
	r.sim.FailSession("s1", bossim.Unavailable)
	r.sweep(time.Minute)
	r.wantState("s1", bos.StateSucceeded)
	if r.session("s1").Err == nil {
		t.Error("no error")
	}
	r.sim.Heal()
	r.EndWaits() // as if the wait were over
	r.sweep(time.Minute)
	r.sweep(time.Minute)
	if r.requests() != 1 || r.Snapshot().Completions.Counts[inventory.OperationState{bos.Reboot, bos.StateSucceeded}] != 0 {
		t.Errorf("not settled again: %v", r.asked)
	}
}

// The outcome of a session stands when it is too old to be exposed.
func TestOutcomeOutlastsMaxAge(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	r.sweep(time.Hour)
	r.sweep(168 * time.Hour)
	r.Unsettle() // to be verified
	r.sweep(time.Minute)
	r.wantState("s1", bos.StateSucceeded)
}

// Before the earliest agents start, nothing dates a session. One that was there
// before us is not called stuck for that.
func TestUndatedSession(t *testing.T) {
	spec := reboot("s1", began.Add(-300*24*time.Hour))
	spec.Agent.Never = true
	r := newRig(t, bossim.Scripted(spec), bossim.EraA)
	r.sweep(0)
	r.wantState("s1", bos.StateUnknown)
	r.sweep(time.Hour)
	r.wantState("s1", bos.StateUnknown)
}

// Absurd dates of one kind of responses, several of which may come in a row, are no news
// of the clock.
func TestAbsurdDatesOfOneResourceChangeNothing(t *testing.T) {
	var specs []bossim.Spec
	for i := range 8 {
		specs = append(specs, reboot(fmt.Sprint("s", i), began))
	}
	for _, tt := range []struct {
		name     string
		resource bossim.Resource
	}{
		{"list", bossim.List},
		{"descriptions", bossim.Describe},
		{"boot sets", bossim.BootSet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
				r.sweep(8 * time.Minute)
				r.sim.Fail(tt.resource, bossim.AbsurdDate)
				for range 4 {
					for _, s := range r.sweep(30 * time.Second).Sessions {
						if !s.Exposed || s.Verdict.State != bos.StateRunning {
							t.Errorf("%s: exposed %t, %s", s.ID, s.Exposed, s.Verdict.State)
						}
					}
				}
			})
		})
	}
}

// A clock that is years ahead makes every session too old to be exposed, for as long as it
// is wrong.
func TestWrongClockSettlesNothingForLong(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(t *testing.T, r *rig) {
		r.sweep(8 * time.Minute)
		for _, resource := range []bossim.Resource{bossim.List, bossim.Describe, bossim.Status, bossim.BootSet, bossim.Template} {
			r.sim.Fail(resource, bossim.AbsurdDate)
		}
		r.sweep(30 * time.Second)
		if r.sweep(30 * time.Second); r.session("s1").Exposed {
			t.Fatal("the session is still exposed")
		}
		r.sim.Heal()
		for range 3 { // the right time must be told twice, too
			r.sweep(30 * time.Second)
		}
		if got := r.session("s1"); !got.Exposed || r.asked["session/s1/status/computes"] != 1 {
			t.Errorf("exposed %t, boot set read %d times, want once", got.Exposed, r.asked["session/s1/status/computes"])
		}
	})
}
