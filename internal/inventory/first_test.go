package inventory_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// slowly has BOS take a while for each response, and returns the requests so far, below
// /v1, in order.
func (r *rig) slowly(pause time.Duration) func() []string {
	var mu sync.Mutex
	var asked []string
	r.sim.Observe(func(req *http.Request) {
		mu.Lock()
		asked = append(asked, strings.TrimPrefix(req.URL.Path, "/v1/"))
		mu.Unlock()
		time.Sleep(pause)
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}
}

// all is a history of each kind: unfinished and ended sessions, and those beyond the
// maximum age. They are to be read in this order.
func all() (specs []bossim.Spec, order []string) {
	add := func(kind string, n int, age time.Duration) {
		for i := range n {
			s := reboot(fmt.Sprintf("%s-%d", kind, i), began.Add(-age-time.Duration(i)*time.Minute))
			if kind == "unfinished" {
				s.Agent.Killed = 7 * time.Minute
			}
			specs, order = append(specs, s), append(order, s.ID)
		}
	}
	add("unfinished", 3, 20*time.Minute)
	add("ended", 8, 2*time.Hour)
	add("old", 6, 300*time.Hour)
	return specs, order
}

// The first sweep reads descriptions, then the boot sets of unfinished sessions, then of
// the others, the newest first, and of old ones no more than are read at once.
func TestOrderOfTheFirstSweep(t *testing.T) {
	specs, order := all()
	inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
		asked := r.slowly(time.Millisecond)
		r.Sweep(t.Context())
		var descriptions int
		var bootSets []string
		for _, path := range asked() {
			id, part, _ := strings.Cut(strings.TrimPrefix(path, "session/"), "/")
			switch {
			case strings.HasPrefix(path, "sessiontemplate/"), path == "session":
			case part == "":
				descriptions++
				if len(bootSets) > 0 {
					t.Errorf("%s is described after boot sets were read", id)
				}
			case part == "status/computes":
				bootSets = append(bootSets, id)
			}
		}
		if diff := cmp.Diff(order[:3+8+1], bootSets); diff != "" || descriptions != len(specs) {
			t.Errorf("%d descriptions of %d sessions; boot sets (-want +got):\n%s", descriptions, len(specs), diff)
		}
	}, func(c *inventory.Config) { c.Concurrency = 1 }) // so that there is an order
}

// A first sweep that takes long publishes what it has read so far. What is not known yet is
// said to be, nothing is taken back, and nothing counts twice.
func TestSnapshotsOfALongFirstSweep(t *testing.T) {
	specs, order := all()
	specs = append(specs, reboot("ends", began.Add(-24*time.Minute))) // while the others are read
	inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
		r.slowly(2 * time.Second)
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Sweep(t.Context())
		}()
		var seen []*inventory.Snapshot
		read := make(map[string]bool)
		sweeping := true
		for sweeping {
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			select {
			case <-done:
				sweeping = false
			default:
			}
			s := r.Snapshot()
			if len(seen) > 0 && seen[len(seen)-1] == s || !s.Up {
				continue
			}
			seen = append(seen, s)
			if s.Swept.IsZero() != sweeping || s.Listed != bos.Some(len(specs)) || len(s.Sessions) != len(specs) {
				t.Errorf("snapshot %d: swept %s while sweeping is %t; %v listed, %d sessions", len(seen), s.Swept, sweeping, s.Listed, len(s.Sessions))
			}
			exposed := 0
			for _, e := range s.Sessions {
				if (e.Verdict.State == bos.StateUnread) != e.Unread || e.Unread && e.Exposed || e.Err != nil {
					t.Errorf("snapshot %d: %s is %s, unread %t, exposed %t, error %v", len(seen), e.ID, e.Verdict.State, e.Unread, e.Exposed, e.Err)
				}
				if e.Unread && read[e.ID] {
					t.Errorf("snapshot %d: %s was read before", len(seen), e.ID)
				}
				read[e.ID] = !e.Unread
				if e.Exposed {
					exposed++
				}
			}
			if n := exposed + dropped(s); n != len(specs) {
				t.Errorf("snapshot %d: %d exposed, dropped %v: %d in all, want %d", len(seen), exposed, s.Dropped, n, len(specs))
			}
		}
		if n := len(seen); n < 5 || n > 15 {
			t.Errorf("%d snapshots in %s", n, r.Snapshot().SweepDuration)
		}
		described := func(s *inventory.Snapshot) (n int) {
			for _, e := range s.Sessions {
				if e.Operation != "" {
					n++
				}
			}
			return n
		}
		if n := described(seen[0]); n != 0 {
			t.Errorf("the first snapshot has %d descriptions", n)
		}
		last := seen[len(seen)-1]
		if last.Dropped[inventory.DroppedUnread] != 2 || last.Dropped[inventory.DroppedAge] != 4 {
			t.Errorf("in the end %v are dropped", last.Dropped)
		}
		for _, id := range order[:3] {
			if !read[id] {
				t.Errorf("%s was not read", id)
			}
		}
		r.sim.Observe(nil)
		for range 5 {
			r.sweep(2 * time.Minute)
		}
		if s := r.Snapshot(); r.completed(bos.StateSucceeded) != 1 || s.Dropped[inventory.DroppedUnread] != 0 {
			t.Errorf("%d completions of the one session that ended since, dropped %v", r.completed(bos.StateSucceeded), s.Dropped)
		}
	})
}

func dropped(s *inventory.Snapshot) (n int) {
	for _, of := range s.Dropped {
		n += of
	}
	return n
}

// A later sweep that takes long publishes, too, as do those after BOS was down.
func TestLongSweepsPublish(t *testing.T) {
	var specs []bossim.Spec
	for i := range 40 {
		specs = append(specs, reboot(fmt.Sprintf("s-%02d", i), began))
	}
	inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
		before := r.sweep(2 * time.Minute)
		r.slowly(time.Second)
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Sweep(t.Context())
		}()
		time.Sleep(9 * time.Second)
		during := r.Snapshot()
		if during == before || !during.Swept.Equal(before.Swept) || during.SweepDuration != before.SweepDuration || during.Number() != before.Number() {
			t.Errorf("9 seconds later the same snapshot: %t; swept %s, before %s", during == before, during.Swept, before.Swept)
		}
		fresh := 0
		for _, e := range during.Sessions {
			if s, _ := before.Session(e.Key()); s.Session != e.Session {
				fresh++
			}
		}
		if fresh == 0 || fresh == len(specs) {
			t.Errorf("%d of %d sessions are of the sweep under way", fresh, len(specs))
		}
		<-done
		if after := r.Snapshot(); after.Number() != before.Number()+1 || !after.Swept.After(before.Swept) {
			t.Errorf("afterwards swept %s, before %s", after.Swept, before.Swept)
		}
	})
}

// The newest come first whatever they are called.
func TestFirstSweepReadsTheNewestFirst(t *testing.T) {
	specs := []bossim.Spec{reboot("a", began.Add(-4*time.Hour)), reboot("b", began.Add(-2*time.Hour)), reboot("c", began.Add(-3*time.Hour))}
	inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
		asked := r.slowly(time.Millisecond)
		r.Sweep(t.Context())
		var read []string
		for _, path := range asked() {
			if id, ok := strings.CutSuffix(strings.TrimPrefix(path, "session/"), "/status/computes"); ok {
				read = append(read, id)
			}
		}
		if want := []string{"b", "c", "a"}; !slices.Equal(read, want) {
			t.Errorf("read in the order %v, want %v", read, want)
		}
	}, func(c *inventory.Config) { c.Concurrency = 1 })
}

// While the first sweep is under way, whoever asks waits for it, and gets what is known
// when the patience is over.
func TestFreshDuringTheFirstSweep(t *testing.T) {
	specs, _ := all()
	inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
		d := inventory.NewOnDemand(*r.Cfg())
		defer d.Close()
		r.Inventory = d.Inventory
		r.slowly(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 52*time.Second)
		defer cancel()
		s, err := d.Fresh(ctx, time.Hour, never)
		if err == nil || !s.Swept.IsZero() || s.LastGood.IsZero() {
			t.Fatalf("error %v, swept %s", err, s.Swept)
		}
		if e, _ := s.Session(key("unfinished-0")); e.Unread || e.Verdict.State == bos.StateUnread {
			t.Error("the newest unfinished session is not known yet")
		}
		if e, _ := s.Session(key("ended-7")); !e.Unread || e.Operation != bos.Reboot || e.Verdict.Ending != bos.Ended {
			t.Errorf("unread %t, operation %q: the description alone was to be known", e.Unread, e.Operation)
		}
		if s, err = d.Fresh(t.Context(), time.Hour, never); err != nil || s.Swept.IsZero() {
			t.Errorf("with patience: error %v, swept %s", err, s.Swept)
		}
	})
}

// bootSetsOf counts how often the boot sets of each session were asked for.
func bootSetsOf(asked []string) map[string]int {
	times := make(map[string]int)
	for _, path := range asked {
		if id, part, _ := strings.Cut(strings.TrimPrefix(path, "session/"), "/"); part == "status/computes" {
			times[id]++
		}
	}
	return times
}

// known tells whether a snapshot has a session that the sweep need not read anymore.
func known(id string) func(*inventory.Snapshot) bool {
	return func(s *inventory.Snapshot) bool {
		e, listed := s.Session(key(id))
		return listed && !e.ToRead && !e.Unread
	}
}

// Whoever asks gets an answer once what is asked for has been read, in the first sweep as
// in later ones, unless a question for what is fresh came after the sweep had begun.
func TestFreshIsEnoughBeforeTheEndOfTheSweep(t *testing.T) {
	specs, order := all()
	inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
		d := inventory.NewOnDemand(*r.Cfg())
		defer d.Close()
		asked := r.slowly(time.Second)
		for sweep := int64(1); sweep <= 2; sweep++ {
			before := len(asked())
			s, err := d.Fresh(t.Context(), 0, known(order[0]))
			if err != nil || s.During() != sweep || !s.Sweeping() {
				t.Fatalf("sweep %d: found by %d, under way %t, error %v", sweep, s.During(), s.Sweeping(), err)
			}
			if n := len(bootSetsOf(asked()[before:])); n < 1 || n > 2*r.Cfg().Concurrency {
				t.Errorf("sweep %d: boot sets of %d sessions were asked for, want no more than begin at once", sweep, n)
			}
			if s, _ := d.Fresh(t.Context(), time.Second, known(order[0])); s.During() != sweep || !s.Sweeping() {
				t.Errorf("sweep %d: who takes what is a second old got what was found by %d", sweep, s.During())
			}
			if s, err := d.Fresh(t.Context(), 0, known(order[0])); err != nil || s.During() != sweep+1 {
				t.Errorf("who asked for fresh data during sweep %d got that of %d, error %v", sweep, s.During(), err)
			}
			late, err := d.Fresh(t.Context(), time.Nanosecond, never)
			if err != nil || late.Number() != sweep+1 || late.Sweeping() {
				t.Errorf("who waited for the end of sweep %d got that of %d, error %v", sweep+1, late.Number(), err)
			}
			for _, e := range late.Sessions {
				if e.ToRead {
					t.Errorf("%s is still to be read after the sweep", e.ID)
				}
			}
			sweep++ // that of the last question
			d.Unsettle()
		}
	})
}

// While a sweep is under way, a session that somebody follows is read next, and no boot
// set is read twice.
func TestFollowDuringASweep(t *testing.T) {
	specs, _ := all()
	for _, tt := range []struct {
		name, id string
		after    time.Duration // since the sweep began
		fault    bossim.Fault
		reason   bos.Reason
		within   time.Duration
	}{
		{name: "before it is described", id: "ended-7", after: 1100 * time.Millisecond, within: 5 * time.Second},
		{name: "while it is described", id: "ended-0", after: 1100 * time.Millisecond, within: 4 * time.Second},
		{name: "once it is described", id: "ended-0", after: 4100 * time.Millisecond, within: 4 * time.Second},
		{name: "when its turn has come", id: "ended-7", after: 6500 * time.Millisecond, within: 5 * time.Second},
		{name: "beyond the maximum age", id: "old-5", after: 6500 * time.Millisecond, within: 5 * time.Second},
		{name: "that cannot be read", id: "ended-7", after: 1100 * time.Millisecond, fault: bossim.ServerError, reason: bos.Unavailable, within: 3 * time.Second},
		{name: "that is not listed", id: "none", after: 1100 * time.Millisecond, reason: bos.NotFound, within: 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
				d := inventory.NewOnDemand(*r.Cfg())
				defer d.Close()
				if tt.reason == bos.Unavailable {
					r.sim.FailSession(tt.id, tt.fault)
				}
				asked := r.slowly(time.Second)
				var sweep sync.WaitGroup
				sweep.Go(func() { d.Sweep(t.Context()) })
				time.Sleep(tt.after)
				start := time.Now()
				var both sync.WaitGroup
				for range 2 {
					both.Go(func() {
						if err := d.Follow(t.Context(), key(tt.id)); (err != nil) != (tt.reason != "") || err != nil && bos.ReasonOf(err) != tt.reason {
							t.Errorf("error %v, want one of reason %q", err, tt.reason)
						}
					})
				}
				both.Wait()
				if took := time.Since(start); took > tt.within {
					t.Errorf("it took %s, want at most %s", took, tt.within)
				}
				if s := d.Snapshot(); tt.reason == "" && !known(tt.id)(s) || !s.Swept.IsZero() {
					t.Errorf("known %t, swept %s", known(tt.id)(s), s.Swept)
				}
				sweep.Wait()
				for id, n := range bootSetsOf(asked()) {
					if n != 1 {
						t.Errorf("the boot set of %s was read %d times", id, n)
					}
				}
				for _, e := range d.Snapshot().Sessions {
					if e.Unread && e.ID != tt.id && !strings.HasPrefix(e.ID, "old") {
						t.Errorf("%s was not read", e.ID)
					}
				}
			})
		})
	}
}
