package inventory_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

func TestBOSDown(t *testing.T) {
	for _, fault := range []bossim.Fault{bossim.Unavailable, bossim.Forbidden, bossim.Reset, bossim.NotJSON, bossim.Garbage, bossim.NotFound} {
		t.Run(fault.String(), func(t *testing.T) {
			r := newRig(t, bossim.Scripted(reboot("s1", began), reboot("s2", began)), bossim.EraC)
			good := r.sweep(2 * time.Minute)
			r.sim.Fail(bossim.Everything, fault)
			for range 3 {
				s := r.sweep(30 * time.Second)
				if s.Up || s.ListUp || s.Err == nil || !s.LastGood.Equal(good.LastGood) {
					t.Errorf("up %t, list up %t, error %v, last good %s", s.Up, s.ListUp, s.Err, s.LastGood)
				}
				if len(s.Sessions) != 2 || !s.Sessions[0].Exposed || s.Sessions[0].BootSets == nil {
					t.Errorf("the last good data is gone: %+v", s.Sessions)
				}
			}
			if got := strings.Count(r.log.String(), "level=WARN"); fault != bossim.NotFound && got != 1 {
				t.Errorf("%d warnings, want one for one change: %s", got, r.log)
			}
			r.sim.Heal()
			if s := r.sweep(30 * time.Second); !s.Up || s.Err != nil || !s.LastGood.After(good.LastGood) {
				t.Errorf("after: %+v", s)
			}
			if got := strings.Count(r.log.String(), "BOS answers"); got != 2 {
				t.Errorf("%d times said that BOS answers: %s", got, r.log)
			}
		})
	}
}

func TestBOSDownFromTheStart(t *testing.T) {
	r := newRig(t, bossim.Scripted(), bossim.EraC)
	r.sim.Fail(bossim.Everything, bossim.Unavailable)
	if s := r.sweep(0); s.Up || !s.LastGood.IsZero() || s.Listed.Present {
		t.Errorf("%+v", s)
	}
}

// A list that hangs is left alone for a while, and known sessions go on being read.
func TestListHangs(t *testing.T) {
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(c *inventory.Config) {
		use(c, newClient(t, c.URL, nil, time.Second)) // not as patient
	})
	r.sweep(2 * time.Minute)
	r.sim.Fail(bossim.List, bossim.Hang)
	r.clock.Advance(time.Minute)
	r.Sweep(t.Context())
	s := r.Snapshot()
	if s.ListUp || !s.Up || s.Listed != bos.Some(1) {
		t.Errorf("list up %t, up %t, listed %v", s.ListUp, s.Up, s.Listed)
	}
	before := r.session("s1")
	r.sim.Observe(func(req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/session") {
			t.Error("the list was asked for again")
		}
	})
	r.clock.Advance(3 * time.Minute)
	r.Sweep(t.Context())
	if s = r.Snapshot(); s.ListUp || !s.Up {
		t.Errorf("list up %t, up %t", s.ListUp, s.Up)
	}
	r.sim.Observe(nil)
	if r.session("s1").Session == before.Session {
		t.Error("the known session was not read")
	}
	r.sim.Heal()
	r.EndWaits() // as if the wait were over
	if s := r.sweep(time.Minute); !s.ListUp || r.ListWaits() {
		t.Errorf("after: list up %t, waits %t", s.ListUp, r.ListWaits())
	}
}

func TestDownWithManySessionsGivesUpEarly(t *testing.T) {
	specs := make([]bossim.Spec, 100)
	for i := range specs {
		specs[i] = reboot("", began)
	}
	r := newRig(t, bossim.Scripted(specs...), bossim.EraC)
	r.sweep(2 * time.Minute)
	r.sim.Fail(bossim.Everything, bossim.Unavailable)
	r.sweep(time.Minute)
	if r.requests() > 20 {
		t.Errorf("%d requests to a BOS that is down", r.requests())
	}
}

// An answer with an absurd date changes nothing for good.
func TestAbsurdDate(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	r.sweep(2 * time.Minute)
	once := true
	r.sim.Observe(func(*http.Request) {
		if once {
			r.clock.Advance(100 * 365 * 24 * time.Hour) // for one answer
		} else {
			r.clock.Advance(-100 * 365 * 24 * time.Hour)
		}
		once = false
	})
	r.sim.FailSession("s1", bossim.Unavailable)
	r.Sweep(t.Context())
	r.sim.Observe(nil)
	r.sim.Heal()
	r.sweep(0)
	r.sweep(6 * time.Minute)
	r.wantState("s1", bos.StateRunning)
	if s := r.session("s1"); s.Err != nil || !s.Exposed {
		t.Errorf("%+v", s)
	}
}

// A broken gateway that knows no session at all takes none away.
func TestNotFoundWhileTheListFails(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	r.sweep(2 * time.Minute)
	r.sim.Fail(bossim.List, bossim.Unavailable)
	r.sim.Fail(bossim.Describe, bossim.NotFound)
	for range 3 {
		if s := r.sweep(time.Minute); s.Up || !r.session("s1").Exposed || r.session("s1").Err != nil {
			t.Errorf("up %t, %+v", s.Up, r.session("s1"))
		}
	}
}

// Sessions that hang take no more than a few time-outs of a sweep, and once met
// they keep no others from being read.
func TestHangingSessions(t *testing.T) {
	var specs []bossim.Spec
	for i := range 40 {
		specs = append(specs, reboot(fmt.Sprintf("hangs-%02d", i), began))
	}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	r := newRig(t, bossim.Scripted(append(specs, reboot("well", began))...), bossim.EraC, func(c *inventory.Config) {
		use(c, newClient(t, c.URL, nil, 500*time.Millisecond))
	})
	r.sweep(2 * time.Minute)
	for _, s := range specs {
		r.sim.FailSession(s.ID, bossim.Hang)
	}
	before := r.session("well").Session
	for range 5 { // in which all that hang have been met
		if r.sweep(time.Minute); r.requests() > 25 {
			t.Errorf("%d requests", r.requests())
		}
	}
	if r.session("well").Session == before {
		t.Error("the session that is well is not read")
	}
}
