package inventory

import (
	"slices"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

func TestOldSessionsAreNotFollowed(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("old", began.Add(-200*time.Hour)), reboot("young", began.Add(-time.Hour))), bossim.EraC)
	s := r.sweep(0)
	if r.asked["session/old"] != 1 || r.asked["session/old/status"] != 0 {
		t.Errorf("%v", r.asked)
	}
	if r.session("old").Exposed || s.Dropped[DroppedAge] != 1 || s.Listed != bos.Some(2) || r.session("old").Verdict.State != bos.StateUnknown {
		t.Errorf("%+v, dropped %v", r.session("old"), s.Dropped)
	}
	r.sweep(time.Minute)
	if r.requests() != 1 {
		t.Errorf("%v", r.asked)
	}
	if s := r.sweep(167 * time.Hour); s.Dropped[DroppedAge] != 2 || r.session("young").Exposed {
		t.Error("the young one has not grown old")
	}
	all := newRig(t, bossim.Scripted(reboot("old", began.Add(-200*time.Hour))), bossim.EraC,
		func(c *Config) { c.MaxAge, c.Linger = 0, 0 })
	if all.sweep(0); !all.session("old").Exposed {
		t.Error("0 does not follow all")
	}
}

func TestBudget(t *testing.T) {
	r := newRig(t, bossim.Scripted(
		reboot("ended-old", began.Add(-5*time.Hour)),
		reboot("ended-new", began.Add(-time.Hour)),
		reboot("running-old", began.Add(-20*time.Minute)),
		reboot("running-new", began.Add(-5*time.Minute)),
	), bossim.EraC, func(c *Config) { c.MaxSessions = 3 })
	s := r.sweep(0)
	var exposed []string
	for _, e := range s.Sessions {
		if e.Exposed {
			exposed = append(exposed, e.ID)
		}
	}
	if want := []string{"ended-new", "running-new", "running-old"}; !slices.Equal(exposed, want) || s.Dropped[DroppedBudget] != 1 {
		t.Errorf("exposed %v, want %v; dropped %v", exposed, want, s.Dropped)
	}
}
