package inventory

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// newOnDemand is a rig whose inventory sweeps on demand.
func newOnDemand(t *testing.T, scenario bossim.Scenario) (*rig, *OnDemand) {
	t.Helper()
	r := newRig(t, scenario, bossim.EraC)
	d := NewOnDemand(r.cfg)
	t.Cleanup(d.Close)
	r.Inventory = d.Inventory
	return r, d
}

func (r *rig) count(ask func()) int {
	r.mu.Lock()
	r.counting = make(map[string]int)
	r.mu.Unlock()
	ask()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = r.counting
	n := 0
	for _, times := range r.asked {
		n += times
	}
	return n
}

func TestWhoeverAsksSharesASweep(t *testing.T) {
	r, d := newOnDemand(t, bossim.Scripted(reboot("s1", began.Add(-time.Minute))))
	lists := func() int {
		r.count(func() {
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					if _, err := d.Fresh(t.Context(), 0); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
		return r.asked["session"]
	}
	// Those who come after the end of a sweep begin another.
	if n := lists(); n < 1 || n > 3 {
		t.Errorf("%d lists for ten who ask at once", n)
	}
	if n := r.count(func() { _, _ = d.Fresh(t.Context(), time.Hour) }); n != 0 {
		t.Errorf("%d requests for what is fresh enough", n)
	}
}

func TestSweepOutlastsWhoAsked(t *testing.T) {
	r, d := newOnDemand(t, bossim.Scripted(reboot("s1", began)))
	asked, release := make(chan struct{}, 100), make(chan struct{})
	r.sim.Observe(func(*http.Request) {
		asked <- struct{}{}
		<-release
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := d.Fresh(ctx, 0)
		done <- err
	}()
	<-asked
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(release)
	if s, err := d.Fresh(t.Context(), time.Hour); err != nil || s.Listed != bos.Some(1) {
		t.Errorf("the sweep did not go on: %v %+v", err, s)
	}
}

func TestCloseEndsASweep(t *testing.T) {
	r, d := newOnDemand(t, bossim.Scripted(reboot("s1", began)))
	r.sim.Fail(bossim.Everything, bossim.Hang)
	done := make(chan error)
	asked := make(chan struct{}, 100)
	r.sim.Observe(func(*http.Request) { asked <- struct{}{} })
	go func() {
		_, err := d.Fresh(t.Context(), 0)
		done <- err
	}()
	<-asked
	d.Close()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := d.Fresh(t.Context(), 0); err == nil {
		t.Error("a closed inventory sweeps")
	}
}

func TestWholeSessions(t *testing.T) {
	r, d := newOnDemand(t, bossim.Scripted(
		reboot("running", began.Add(-2*time.Minute)),
		reboot("ended", began.Add(-2*time.Hour), bossim.Trouble{Kind: bossim.NeverReady, Nodes: computes[:1]}),
		reboot("old", began.Add(-300*time.Hour)),
	))
	s, err := d.Fresh(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	whole := func(id string) (w Whole, requests int) {
		requests = r.count(func() {
			if w, err = d.Whole(t.Context(), s, id, false); err != nil {
				t.Fatal(err)
			}
		})
		return w, requests
	}
	w, n := whole("running")
	if n != 0 || len(w.Roster.BootSets[0].Phases[0].Categories[1].Nodes) != 4 {
		t.Errorf("a session at work: %d requests, %+v", n, w.Roster)
	}
	if w, n = whole("ended"); n == 0 || w.Verdict.State != bos.StatePartial {
		t.Errorf("a settled one, first: %d requests, %s", n, w.Verdict.State)
	}
	if fates := w.Roster.Fates(w.Session.Session); fates[computes[0]] != bos.FateFailed || fates[computes[1]] != bos.FateSucceeded || len(fates) != 4 {
		t.Errorf("fates %v", fates)
	}
	if _, n = whole("ended"); n != 0 {
		t.Errorf("a settled one, again: %d requests", n)
	}
	if w, n = whole("old"); n == 0 || w.Verdict.State != bos.StateSucceeded || len(w.BootSets) != 1 {
		t.Errorf("one that is too old to be followed: %d requests, %+v", n, w)
	}
	if _, err := d.Whole(t.Context(), s, "none", false); bosclient.ReasonOf(err) != bosclient.NotFound {
		t.Errorf("%v", err)
	}
	r.sim.FailSession("old", bossim.Unavailable)
	d.kept.Flush()
	if _, err := d.Whole(t.Context(), s, "old", false); bosclient.ReasonOf(err) != bosclient.Unavailable {
		t.Errorf("%v", err)
	}
}

// What is kept of a session goes when the sweeps have read it anew.
func TestWholeIsThatOfTheSnapshot(t *testing.T) {
	r, d := newOnDemand(t, bossim.Scripted(reboot("s1", began)))
	r.clock.Advance(2 * time.Minute)
	r.sim.Fail(bossim.BootSet, bossim.ServerError)
	s, _ := d.Fresh(t.Context(), 0)
	r.sim.Heal()
	if w, err := d.Whole(t.Context(), s, "s1", false); err != nil || w.Verdict.State != bos.StateRunning {
		t.Fatalf("%v %s", err, w.Verdict.State)
	}
	r.clock.Advance(time.Hour)
	for range 3 { // which settles it
		s, _ = d.Fresh(t.Context(), 0)
	}
	if w, err := d.Whole(t.Context(), s, "s1", false); err != nil || w.Verdict.State != bos.StateSucceeded {
		t.Errorf("%v %s", err, w.Verdict.State)
	}
}

// A failure of ours while reading is an error, not the end of the program.
func TestPanicWhileReading(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(c *Config) {
		next := &http.Transport{DisableKeepAlives: true}
		c.Client = newClient(t, c.Client.URL(), panics{next}, time.Second)
	})
	r.Sweep(t.Context())
	if s := r.session("s1"); s.Err == nil {
		t.Error("no error")
	}
}

// panics panics at a description.
type panics struct{ next http.RoundTripper }

func (p panics) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/session/") {
		panic("boom")
	}
	return p.next.RoundTrip(r)
}

func TestNamesAreBounded(t *testing.T) {
	_, d := newOnDemand(t, bossim.Scripted(
		reboot("a", began.Add(-2*time.Hour)), reboot("b", began.Add(-2*time.Hour)), reboot("c", began.Add(-2*time.Hour)),
	))
	d.maxNames = 30 // each has three phases of four nodes
	s, err := d.Fresh(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		if _, err := d.Whole(t.Context(), s, id, false); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.kept.ItemCount(); n != 2 {
		t.Errorf("%d sessions are kept, want the last two", n)
	}
}

func TestNamesOfASweepAreBounded(t *testing.T) {
	r, d := newOnDemand(t, bossim.Scripted(reboot("a", began.Add(-2*time.Minute)), reboot("b", began.Add(-2*time.Minute))))
	d.maxNames = 12 // each has three phases of four nodes
	s, err := d.Fresh(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, e := range s.Sessions {
		if e.roster != nil {
			kept++
		}
	}
	if kept != 1 {
		t.Errorf("the names of %d sessions are kept, want one", kept)
	}
	requests := r.count(func() {
		for _, id := range []string{"a", "b"} {
			if w, err := d.Whole(t.Context(), s, id, false); err != nil || w.Roster.Size() != 12 {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
	if requests == 0 {
		t.Error("names that are not kept were not read")
	}
}

// Whoever wants fresh data does not get that of a sweep under way, whose answers may be
// older than the question.
func TestFreshWaitsForASweepThatBeginsLater(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(t *testing.T, r *rig) {
		d := NewOnDemand(r.cfg)
		defer d.Close()
		var lists atomic.Int64
		release := make(chan struct{})
		r.sim.Observe(func(req *http.Request) {
			if req.URL.Path == "/v1/session" {
				lists.Add(1)
			}
			<-release
		})
		var all sync.WaitGroup
		ask := func() {
			all.Go(func() {
				asked := lists.Load()
				s, err := d.Fresh(t.Context(), 0)
				if err != nil || s.sweep <= asked {
					t.Errorf("asked during sweep %d, got that of sweep %d, error %v", asked, s.sweep, err)
				}
			})
			synctest.Wait()
		}
		ask()
		for range 10 {
			ask() // while the first sweep is under way
		}
		close(release)
		all.Wait()
		if n := lists.Load(); n != 2 {
			t.Errorf("%d sweeps, want one for the first and one for all others", n)
		}
	})
}

// What is read once more for its names is judged by all that the sweeps have seen.
func TestWholeIsJudgedAsTheSnapshotIs(t *testing.T) {
	slow := reboot("s1", began)
	slow.Pace = 0.2 // the nodes are configured one every ten minutes
	inBubble(t, bossim.Scripted(slow), bossim.EraC, func(t *testing.T, r *rig) {
		d := NewOnDemand(r.cfg)
		defer d.Close()
		d.maxNames = 0
		var s *Snapshot
		for range 120 {
			time.Sleep(time.Minute)
			s, _ = d.Fresh(t.Context(), 0)
		}
		if got := s.Sessions[0].Verdict.State; got != bos.StateRunning {
			t.Fatalf("in the snapshot it is %s", got)
		}
		w, err := d.Whole(t.Context(), s, "s1", false)
		if err != nil {
			t.Fatal(err)
		}
		if w.Verdict.State != bos.StateRunning || w.Roster.Size() == 0 || !w.FirstSeen.Equal(s.Sessions[0].FirstSeen) {
			t.Errorf("it is %s, with %d names, first seen at %s", w.Verdict.State, w.Roster.Size(), w.FirstSeen)
		}
	})
}

func TestNamesMakeRoomByUse(t *testing.T) {
	ended := began.Add(-2 * time.Hour)
	inBubble(t, bossim.Scripted(reboot("a", ended), reboot("b", ended), reboot("c", ended)), bossim.EraC, func(t *testing.T, r *rig) {
		d := NewOnDemand(r.cfg)
		defer d.Close()
		d.maxNames = 24 // each has three phases of four nodes
		s, err := d.Fresh(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		whole := func(id string, fresh bool) (requests int) {
			return r.count(func() {
				if _, err := d.Whole(t.Context(), s, id, fresh); err != nil {
					t.Fatal(err)
				}
			})
		}
		whole("a", false)
		whole("b", false)
		for range 5 { // the same one again and again takes no more room
			whole("b", true)
		}
		if n := whole("a", false); n != 0 {
			t.Errorf("the first one was not kept: %d requests", n)
		}
		whole("c", false) // for which b, used less recently, makes room
		if n := whole("a", false); n != 0 {
			t.Errorf("the one used last was not kept: %d requests", n)
		}
		if n := whole("b", false); n == 0 {
			t.Error("more names are kept than there is room for")
		}
	})
}

func TestRetryAfterIsHeededByWhole(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began.Add(-2*time.Hour))), bossim.EraC, func(t *testing.T, r *rig) {
		d := NewOnDemand(r.cfg)
		defer d.Close()
		s, _ := d.Fresh(t.Context(), 0)
		r.answerWith(func(path string) bool { return path == "session/s1" }, http.StatusServiceUnavailable, map[string]string{"Retry-After": "60"})
		read := func() (requests int, err error) {
			requests = r.count(func() { _, err = d.Whole(t.Context(), s, "s1", true) })
			return requests, err
		}
		if n, err := read(); n != 1 || bosclient.ReasonOf(err) != bosclient.Unavailable || err == nil {
			t.Errorf("%d requests, error %v", n, err)
		}
		r.sim.Heal()
		if n, err := read(); n != 0 || err == nil {
			t.Errorf("before it is time: %d requests, error %v", n, err)
		}
		time.Sleep(61 * time.Second)
		if n, err := read(); n == 0 || err != nil {
			t.Errorf("when it is time: %d requests, error %v", n, err)
		}
	})
}
