package inventory_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// A session that was read well is not given up for a few answers that it is not there.
func TestShortNotFoundKeepsTheSession(t *testing.T) {
	for _, code := range []int{http.StatusNotFound, http.StatusGone} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			inBubble(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(t *testing.T, r *rig) {
				r.sweep(8 * time.Minute)
				before := r.session("s1")
				r.sim.Substitute(func(req *http.Request) http.Handler {
					if req.URL.Path != "/v1/session/s1" {
						return nil
					}
					return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
				})
				for i := range 4 {
					s := r.sweep(30 * time.Second)
					if got := r.session("s1"); !got.Exposed || got.Session != before.Session || bos.ReasonOf(got.Err) != bos.NotFound || got.Err == nil || !s.Up {
						t.Errorf("sweep %d: exposed %t, error %v", i, got.Exposed, got.Err)
					}
				}
				r.sim.Heal()
				for range 4 { // the wait is as long as it has failed
					r.sweep(30 * time.Second)
				}
				if got := r.session("s1"); got.Err != nil || got.Session == before.Session {
					t.Errorf("after: error %v", got.Err)
				}
			})
		})
	}
}

// A session that is listed but not found for ten minutes is let go, and is looked for
// again before long.
func TestSessionIsLetGoAfterTenMinutes(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(t *testing.T, r *rig) {
		r.sweep(2 * time.Minute)
		r.sim.FailSession("s1", bossim.NotFound)
		r.sweep(30 * time.Second)
		lost := time.Now()
		for time.Since(lost) < 16*time.Minute {
			s := r.session("s1")
			if since := time.Since(lost); since < 10*time.Minute && !s.Exposed || since > 15*time.Minute && (s.Exposed || s.Verdict.State != bos.StateUnknown || s.Verdict.Ending != bos.Unknowable) {
				t.Errorf("after %s: exposed %t, %s", since, s.Exposed, s.Verdict.State)
			}
			r.sweep(30 * time.Second)
		}
		if err := r.session("s1").Err; bos.ReasonOf(err) != bos.NotFound {
			t.Errorf("error %v", err)
		}
		r.sim.Heal()
		asked := 0
		for range 21 {
			r.sweep(30 * time.Second)
			asked += r.asked["session/s1"]
		}
		if s := r.session("s1"); !s.Exposed || s.Err != nil || asked == 0 {
			t.Errorf("found again: exposed %t, error %v, asked for %d times", s.Exposed, s.Err, asked)
		}
	})
}

// An orphan is asked for more and more rarely, and one that is none after all is found.
func TestOrphanIsAskedForMoreAndMoreRarely(t *testing.T) {
	orphan := reboot("orphan", began)
	orphan.Orphan = true
	inBubble(t, bossim.Scripted(orphan), bossim.EraC, func(t *testing.T, r *rig) {
		asked := 0
		for range 120 { // an hour
			s := r.sweep(30 * time.Second)
			asked += r.asked["session/orphan"]
			if o := r.session("orphan"); bos.ReasonOf(o.Err) != bos.NotFound || o.Err == nil || o.Exposed || o.Verdict.State != bos.StateUnknown || !s.Up {
				t.Fatalf("exposed %t, %s, error %v", o.Exposed, o.Verdict.State, o.Err)
			}
		}
		if asked < 8 || asked > 12 {
			t.Errorf("asked for %d times in an hour", asked)
		}
	})
}

// A session that had ended is not settled at its first reading while BOS says that its
// template or a boot set does not exist.
func TestEndedSessionWaitsForWhatIsMissing(t *testing.T) {
	for _, tt := range []struct {
		name     string
		resource bossim.Resource
	}{
		{"template", bossim.Template},
		{"boot set", bossim.BootSet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, bossim.Scripted(reboot("s1", began.Add(-2*time.Hour))), bossim.EraC, func(t *testing.T, r *rig) {
				r.sim.Fail(tt.resource, bossim.NotFound)
				for range 3 {
					r.sweep(30 * time.Second)
					if s := r.session("s1"); s.Err == nil || bos.ReasonOf(s.Err) != bos.NotFound || s.Verdict.State != bos.StateUnknown || !s.Exposed {
						t.Errorf("meanwhile: exposed %t, %s, error %v", s.Exposed, s.Verdict.State, s.Err)
					}
				}
				r.sim.Heal()
				for range 3 { // the wait is as long as it has failed
					r.sweep(30 * time.Second)
				}
				r.wantState("s1", bos.StateSucceeded)
				if err := r.session("s1").Err; err != nil {
					t.Errorf("after: %v", err)
				}
				if r.sweep(time.Minute); r.requests() != 1 {
					t.Errorf("not settled: %v", r.asked)
				}
			})
		})
	}
}

// A session does not settle on an empty boot set at its first reading.
func TestEndedSessionWaitsForPhases(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began.Add(-2*time.Hour))), bossim.EraC, func(t *testing.T, r *rig) {
		r.replace("session/s1/status/computes", `{"name":"computes","phases":[]}`)
		r.sweep(30 * time.Second)
		if s := r.session("s1"); bos.ReasonOf(s.Err) != bos.Malformed {
			t.Errorf("meanwhile: error %v", s.Err)
		}
		r.replace("", "")
		for range 3 {
			r.sweep(30 * time.Second)
		}
		r.wantState("s1", bos.StateSucceeded)
		if err := r.session("s1").Err; err != nil {
			t.Errorf("after: %v", err)
		}
	})
}

// What BOS keeps denying is believed, at the price of a few requests.
func TestMissingPartIsBelievedAfterTenMinutes(t *testing.T) {
	deleted := reboot("s1", began.Add(-2*time.Hour))
	deleted.TemplateDeleted = true
	unreported := reboot("s1", began.Add(-2*time.Hour))
	unreported.Agent.Never = true
	for _, tt := range []struct {
		name     string
		spec     bossim.Spec
		resource bossim.Resource
		tells    bool // for good
	}{
		{"the template was deleted", deleted, bossim.Template, true},
		{"a boot set was never reported", reboot("s1", began.Add(-2*time.Hour)), bossim.BootSet, false},
		{"a boot set of an abandoned session was never reported", func() bossim.Spec {
			unreported.Created = began.Add(-48 * time.Hour)
			return unreported
		}(), bossim.BootSet, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, bossim.Scripted(tt.spec), bossim.EraC, func(t *testing.T, r *rig) {
				r.sim.Fail(tt.resource, bossim.NotFound)
				asked := 0
				r.sweep(0)
				if r.session("s1").Err == nil {
					t.Error("nothing tells that a part is missing")
				}
				for range 40 { // 20 minutes
					r.sweep(30 * time.Second)
					asked += r.asked["session/s1"]
				}
				if asked < 3 || asked > 10 {
					t.Errorf("%d readings in 20 minutes", asked)
				}
				if r.requests() != 1 {
					t.Errorf("not settled: %v", r.asked)
				}
				if s := r.session("s1"); (s.Err != nil) != tt.tells || !s.Exposed {
					t.Errorf("exposed %t, error %v", s.Exposed, s.Err)
				}
				r.Unsettle() // to be verified
				r.sweep(30 * time.Second)
				if r.sweep(30 * time.Second); r.requests() != 1 {
					t.Errorf("verified, and not settled again: %v", r.asked)
				}
			})
		})
	}
	// The earliest releases tell the boot sets themselves.
	r := newRig(t, bossim.Scripted(deleted), bossim.EraA)
	r.sweep(0)
	r.wantState("s1", bos.StateSucceeded)
}
