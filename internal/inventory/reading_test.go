package inventory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

func TestOneBadSessionSpoilsNothing(t *testing.T) {
	for fault, want := range map[bossim.Fault]bos.Reason{
		bossim.Forbidden:   bos.Unauthorized,
		bossim.Unavailable: bos.Unavailable,
		bossim.Reset:       bos.Unavailable,
		bossim.Truncated:   bos.Unavailable,
		bossim.NotJSON:     bos.Malformed,
		bossim.Garbage:     bos.Malformed,
		bossim.Huge:        bos.Malformed,
		bossim.Redirect:    bos.Malformed,
		bossim.ServerError: bos.Unavailable,
		bossim.NotFound:    bos.NotFound,
	} {
		t.Run(fault.String(), func(t *testing.T) {
			r := newRig(t, bossim.Scripted(reboot("bad", began), reboot("good", began)), bossim.EraC)
			r.sweep(2 * time.Minute)
			before := r.session("bad")
			r.sim.FailSession("bad", fault)
			s := r.sweep(6 * time.Minute)
			if !s.Up || !s.ListUp {
				t.Error("BOS is said to be down")
			}
			bad, good := r.session("bad"), r.session("good")
			if bad.Err == nil || bos.ReasonOf(bad.Err) != want {
				t.Errorf("error %v, want %s", bad.Err, want)
			}
			if bad.Session != before.Session || !bad.Exposed {
				t.Error("the last good data is gone")
			}
			if good.Err != nil || good.BootSets[0].Phases[1].Count(bos.NotStarted) == 4 {
				t.Errorf("the other session was not read: %v", good.Err)
			}
			r.sim.Heal()
			r.sweep(time.Minute)
			if bad := r.session("bad"); bad.Err != nil || bad.Session == before.Session {
				t.Errorf("not read again: %v", bad.Err)
			}
			if got := strings.Count(r.log.String(), "cannot be read"); got != 1 {
				t.Errorf("logged %d times: %s", got, r.log)
			}
			if !strings.Contains(r.log.String(), "can be read again") {
				t.Errorf("recovery not logged: %s", r.log)
			}
		})
	}
}

// A boot set that was there and is not found is an error, not news.
func TestBootSetDisappears(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	before := r.sweep(2 * time.Minute).Sessions[0]
	r.sim.Fail(bossim.BootSet, bossim.NotFound)
	r.sweep(time.Minute)
	if s := r.session("s1"); s.Session != before.Session || bos.ReasonOf(s.Err) != bos.NotFound {
		t.Errorf("%+v", s)
	}
}

// Of a session whose boot sets cannot be read at all, the description is better
// than nothing, and it is tried more and more rarely.
func TestBootSetIsNeverReadable(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began.Add(-2*time.Hour))), bossim.EraC, func(t *testing.T, r *rig) {
		r.sim.Fail(bossim.BootSet, bossim.ServerError)
		r.sweep(0)
		if s := r.session("s1"); s.Operation != bos.Reboot || !s.Exposed || s.Err == nil || s.Verdict.State != bos.StateUnknown || s.StopTime.IsZero() {
			t.Errorf("%s %s, exposed %t, error %v", s.Operation, s.Verdict.State, s.Exposed, s.Err)
		}
		r.sweep(time.Minute)
		r.sweep(time.Minute)
		if r.sweep(time.Minute); r.requests() != 1 {
			t.Errorf("after three failures it is tried at once: %v", r.asked)
		}
		r.sim.Heal()
		r.sweep(time.Minute)
		r.wantState("s1", bos.StateSucceeded)
	})
}
