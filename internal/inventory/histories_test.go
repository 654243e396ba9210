package inventory_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// Whatever happens in BOS, the limits of what is exposed hold, and every session is
// accounted for.
func TestLimitsHoldUnderAnyHistory(t *testing.T) {
	t.Parallel()
	histories := 30
	if testing.Short() {
		histories = 6
	}
	seen := make(map[string]bool) // reasons
	for seed := range histories {
		era := []bossim.Era{bossim.EraC, bossim.EraD2, bossim.EraBoth, bossim.EraA, bossim.EraD1}[seed%5]
		t.Run(fmt.Sprintf("%s/seed=%d", era, seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anyHistory(t, uint64(seed), era, seen) })
		})
	}
	for _, reason := range inventory.DroppedReasons {
		if !seen[reason] {
			t.Errorf("no session was ever dropped for %q: the histories are too dull", reason)
		}
	}
}

func anyHistory(t *testing.T, seed uint64, era bossim.Era, seen map[string]bool) {
	rng := rand.New(rand.NewPCG(seed, 1))
	start := time.Now()
	now := func() time.Time { return began.Add(time.Since(start)) }
	sim := bossim.New(bossim.Random(seed, began.Add(-10*24*time.Hour), began.Add(3*24*time.Hour), 60, 0), era, now)
	defer sim.Close()
	client := newClient(t, "http://bos.test", inprocess.Transport(sim), 10*time.Second)
	apis, err := bosapi.New(client, bosapi.Auto, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cfg := inventory.Config{
		APIs: apis.All(), URL: client.URL(), Now: client.Now, Concurrency: bosclient.DefaultConcurrency,
		Logger: slog.New(slog.DiscardHandler), Interval: 30 * time.Second,
		MaxAge:      []time.Duration{0, 24 * time.Hour, 168 * time.Hour}[rng.IntN(3)],
		Linger:      []time.Duration{0, time.Hour, 24 * time.Hour}[rng.IntN(3)],
		MaxSessions: []int{0, 3, 10}[rng.IntN(3)],
	}
	v := inventory.New(cfg)
	faults := []bossim.Fault{bossim.Unavailable, bossim.NotFound, bossim.Garbage, bossim.Truncated, bossim.Hang}
	before := v.Snapshot()
	for range 150 {
		time.Sleep([]time.Duration{30 * time.Second, 10 * time.Minute, 2 * time.Hour}[rng.IntN(3)])
		switch rng.IntN(8) {
		case 0:
			sim.Fail(bossim.Resource(rng.IntN(int(bossim.Options)+1)), faults[rng.IntN(len(faults))])
		case 1, 2, 3:
			sim.Heal()
		}
		v.Sweep(t.Context())
		s := v.Snapshot()
		checkLimits(t, &cfg, s)
		for reason := range s.Dropped {
			seen[reason] = true
		}
		for k, n := range before.Completions.Counts {
			if s.Completions.Counts[k] < n {
				t.Errorf("%v completions of %v, %d before", s.Completions.Counts[k], k, n)
			}
		}
		if t.Failed() {
			return
		}
		before = s
	}
}

// checkLimits checks what is exposed, and that all else is dropped for one reason each.
func checkLimits(t *testing.T, cfg *inventory.Config, s *inventory.Snapshot) {
	t.Helper()
	series := make(map[[2]string]bool)
	want := make(map[string]int) // dropped
	for i := range s.Sessions {
		e := &s.Sessions[i]
		old := cfg.MaxAge > 0 && !e.StartTime.IsZero() && s.Time.Sub(e.StartTime) > cfg.MaxAge
		gone := cfg.Linger > 0 && e.Verdict.Ending == bos.Ended && s.Time.Sub(e.Verdict.End) > cfg.Linger
		if !e.Exposed {
			if old && !e.Unread {
				want[inventory.DroppedAge]++
			}
			continue
		}
		name := [2]string{e.Tenant, e.ID}
		if old || gone || e.Unread || series[name] {
			t.Errorf("%s is exposed: beyond the maximum age %t, ended too long ago %t, unread %t, a duplicate %t", e.Key(), old, gone, e.Unread, series[name])
		}
		series[name] = true
	}
	if most := cfg.MaxSessions; most > 0 && (len(series) > most || s.Dropped[inventory.DroppedBudget] > 0 && len(series) < most) {
		t.Errorf("%d sessions are exposed and %d dropped, at most %d are to be", len(series), s.Dropped[inventory.DroppedBudget], most)
	}
	if n := s.Listed.Value; n != len(s.Sessions) || n != len(series)+dropped(s) {
		t.Errorf("%d sessions are listed, %d known, %d exposed, and dropped %v", n, len(s.Sessions), len(series), s.Dropped)
	}
	if got := s.Dropped[inventory.DroppedAge]; got > want[inventory.DroppedAge] {
		t.Errorf("%d sessions are dropped for their age, %d are old", got, want[inventory.DroppedAge])
	}
	for reason := range s.Dropped {
		if !slices.Contains(inventory.DroppedReasons, reason) {
			t.Errorf("dropped for %q, which is not a known reason", reason)
		}
	}
}
