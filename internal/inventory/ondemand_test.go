package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// newOnDemand is a rig whose inventory sweeps on demand.
func newOnDemand(t *testing.T, scenario bossim.Scenario) (*rig, *inventory.OnDemand) {
	t.Helper()
	r := newRig(t, scenario, bossim.EraC)
	d := inventory.NewOnDemand(*r.Cfg())
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
					if _, err := d.Fresh(t.Context(), 0, never); err != nil {
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
	if n := r.count(func() { _, _ = d.Fresh(t.Context(), time.Hour, never) }); n != 0 {
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
		_, err := d.Fresh(ctx, 0, never)
		done <- err
	}()
	<-asked
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(release)
	if s, err := d.Fresh(t.Context(), time.Hour, never); err != nil || s.Listed != bos.Some(1) {
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
		_, err := d.Fresh(t.Context(), 0, never)
		done <- err
	}()
	<-asked
	d.Close()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := d.Fresh(t.Context(), 0, never); err == nil {
		t.Error("a closed inventory sweeps")
	}
}

// names lists the nodes of a session in a category of a phase.
func names(s *inventory.Snapshot, id, phase, category string) []string {
	e, _ := s.Session(key(id))
	for _, b := range e.BootSets {
		for i := range b.Phases {
			if b.Phases[i].Name == phase {
				return s.Nodes.Names(b.Phases[i].In(category))
			}
		}
	}
	return nil
}

func TestSweepsKeepTheNodesOfAllSessions(t *testing.T) {
	_, d := newOnDemand(t, bossim.Scripted(
		reboot("running", began.Add(-2*time.Minute)),
		reboot("ended", began.Add(-2*time.Hour), bossim.Trouble{Kind: bossim.NeverReady, Nodes: computes[:1]}),
	))
	s, err := d.Fresh(t.Context(), 0, never)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(s, "running", bos.Shutdown, bos.InProgress); len(got) != 4 {
		t.Errorf("a session at work: %q", got)
	}
	if got := names(s, "ended", bos.Boot, bos.Failed); !slices.Equal(got, computes[:1]) {
		t.Errorf("a settled session: %q, want %q", got, computes[:1])
	}
	for range 5 {
		s, _ = d.Fresh(t.Context(), 0, never)
	}
	if got := names(s, "ended", bos.Boot, bos.Failed); !slices.Equal(got, computes[:1]) {
		t.Errorf("a settled session, five sweeps later: %q, want %q", got, computes[:1])
	}
}

// A session whose turn has not come is read for whoever asks for it.
func TestFollow(t *testing.T) {
	var specs []bossim.Spec
	for i := range 30 {
		specs = append(specs, reboot(fmt.Sprintf("newer-%02d", i), began.Add(-200*time.Hour)))
	}
	r, d := newOnDemand(t, bossim.Scripted(append(specs, reboot("old", began.Add(-300*time.Hour)))...))
	if _, err := d.Fresh(t.Context(), 0, never); err != nil {
		t.Fatal(err)
	}
	follow := func(id string) (requests int, err error) {
		requests = r.count(func() { err = d.Follow(t.Context(), key(id)) })
		return requests, err
	}
	if _, err := follow("none"); bos.ReasonOf(err) != bos.NotFound {
		t.Errorf("a session that is not listed: %v", err)
	}
	r.sim.FailSession("old", bossim.Unavailable)
	if _, err := follow("old"); bos.ReasonOf(err) != bos.Unavailable {
		t.Errorf("a session that cannot be read: %v", err)
	}
	if old, _ := d.Snapshot().Session(key("old")); old.Err != nil || !old.Unread {
		t.Errorf("that it cannot be read is held against it: %v", old.Err)
	}
	r.sim.Heal()
	if n, err := follow("old"); n != 0 || bos.ReasonOf(err) != bos.Unavailable {
		t.Errorf("asked again a moment later: %d requests, error %v", n, err)
	}
	d.ForgetErrors()
	if n, err := follow("old"); n == 0 || err != nil {
		t.Errorf("a session that is too old, asked for: %d requests, error %v", n, err)
	}
	s := d.Snapshot()
	if old, _ := s.Session(key("old")); old.Unread || old.Exposed || old.Verdict.State != bos.StateSucceeded || len(names(s, "old", bos.Boot, bos.Succeeded)) != 4 {
		t.Errorf("unread %t, exposed %t, %s, nodes %q", old.Unread, old.Exposed, old.Verdict.State, names(s, "old", bos.Boot, bos.Succeeded))
	}
	if n, err := follow("old"); n != 0 || err != nil {
		t.Errorf("asked for again: %d requests, error %v", n, err)
	}
}

// A failure of ours while reading is an error, not the end of the program.
func TestPanicWhileReading(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(c *inventory.Config) {
		next := &http.Transport{DisableKeepAlives: true}
		use(c, newClient(t, c.URL, panics{next}, time.Second))
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

// Beyond what is kept of nodes, the sessions that began first have numbers alone.
func TestNodesAreBoundedInBytes(t *testing.T) {
	r := newRig(t, bossim.Scripted(
		reboot("a", began.Add(-3*time.Hour)), reboot("b", began.Add(-2*time.Hour)), reboot("c", began.Add(-2*time.Minute))), bossim.EraC)
	r.LimitNodes(4*bos.NodeBytes + 150) // the names of four nodes, and the sets of two sessions
	for range 3 {
		s := r.sweep(time.Second)
		for id, unnamed := range map[string]bool{"a": true, "b": false, "c": false} {
			e, _ := s.Session(key(id))
			if e.Unnamed != unnamed || e.Nodes.Nodes() != 4 {
				t.Errorf("%s: unnamed %t, %d nodes; want %t, 4", id, e.Unnamed, e.Nodes.Nodes(), unnamed)
			}
			if got := names(s, id, bos.Shutdown, bos.Succeeded); unnamed != (len(got) == 0) && id != "c" {
				t.Errorf("%s: nodes %q", id, got)
			}
		}
	}
}

// The table of nodes grows with the machine, not with its history.
func TestNamesOfDeletedSessionsAreLetGo(t *testing.T) {
	var specs []bossim.Spec
	for i := range 20 { // each has nodes of its own, and is deleted when the next is created
		spec := reboot(fmt.Sprint("s", i), began.Add(time.Duration(i)*time.Hour))
		spec.Deleted = spec.Created.Add(time.Hour)
		spec.BootSets[0].Nodes = bossim.Nodes(4 * (i + 1))[4*i:]
		specs = append(specs, spec)
	}
	r := newRig(t, bossim.Scripted(specs...), bossim.EraC)
	r.sweep(10 * time.Minute)
	for range 20 {
		if s := r.sweep(time.Hour); s.Nodes.Len() > 5 {
			t.Fatalf("the table has %d names, the sessions have 4", s.Nodes.Len())
		}
	}
}

// Whoever wants fresh data does not get that of a sweep under way, whose answers may be
// older than the question.
func TestFreshWaitsForASweepThatBeginsLater(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(t *testing.T, r *rig) {
		d := inventory.NewOnDemand(*r.Cfg())
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
				s, err := d.Fresh(t.Context(), 0, never)
				if err != nil || s.Number() <= asked {
					t.Errorf("asked during sweep %d, got that of sweep %d, error %v", asked, s.Number(), err)
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

func TestRetryAfterIsHeededByFollow(t *testing.T) {
	specs := []bossim.Spec{reboot("s1", began.Add(-300*time.Hour))}
	for range 4 { // whose turn comes first
		specs = append(specs, reboot("", began.Add(-200*time.Hour)))
	}
	inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
		d := inventory.NewOnDemand(*r.Cfg())
		defer d.Close()
		_, _ = d.Fresh(t.Context(), 0, never)
		r.answerWith(func(path string) bool { return path == "session/s1" }, http.StatusServiceUnavailable, map[string]string{"Retry-After": "60"})
		read := func() (requests int, err error) {
			requests = r.count(func() { err = d.Follow(t.Context(), key("s1")) })
			return requests, err
		}
		if n, err := read(); n != 1 || bos.ReasonOf(err) != bos.Unavailable || err == nil {
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

// never has whoever asks wait for the end of the sweep.
func never(*inventory.Snapshot) bool { return false }
