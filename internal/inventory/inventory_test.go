package inventory

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patrickmn/go-cache"
	"go.uber.org/goleak"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// rig is an inventory that watches a simulated BOS over HTTP.
type rig struct {
	*Inventory
	t     *testing.T
	clock *bossim.SteppedClock
	sim   *bossim.Server
	log   *bytes.Buffer

	asked map[string]int // requests of the last sweep, by path below /v1

	mu       sync.Mutex
	counting map[string]int
	underway int
	most     int // requests at once, ever
}

func newRig(t *testing.T, scenario bossim.Scenario, era bossim.Era, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, clock: bossim.NewSteppedClock(began), log: new(bytes.Buffer), counting: make(map[string]int)}
	r.sim = bossim.New(scenario, era, r.clock.Now)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.counting[strings.TrimPrefix(req.URL.EscapedPath(), "/v1/")]++
		r.underway++
		r.most = max(r.most, r.underway)
		r.mu.Unlock()
		defer func() {
			r.mu.Lock()
			r.underway--
			r.mu.Unlock()
		}()
		r.sim.ServeHTTP(w, req)
	}))
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.sim.Close()
		server.Close()
	})
	cfg := Config{
		Client:      newClient(t, server.URL, transport, 5*time.Second),
		Logger:      slog.New(slog.NewTextHandler(r.log, nil)),
		Interval:    time.Hour,
		MaxAge:      168 * time.Hour,
		Linger:      24 * time.Hour,
		MaxSessions: 1000,
		Limits:      bos.DefaultLimits,
	}
	for _, c := range change {
		c(&cfg)
	}
	r.Inventory = New(cfg)
	return r
}

func newClient(t *testing.T, url string, transport http.RoundTripper, timeout time.Duration) *bosclient.Client {
	t.Helper()
	client, err := bosclient.New(bosclient.Config{URL: url, Transport: transport, Timeout: timeout, Concurrency: 4})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// sweep steps the clock, sweeps and returns the snapshot.
func (r *rig) sweep(step time.Duration) *Snapshot {
	r.t.Helper()
	r.clock.Advance(step)
	// A jump of the clock of BOS must be told twice.
	if _, err := r.cfg.Client.Sessions(r.t.Context()); err == nil {
		r.mu.Lock()
		r.counting = make(map[string]int)
		r.mu.Unlock()
	}
	r.Sweep(r.t.Context())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked, r.counting = r.counting, make(map[string]int)
	return r.Snapshot()
}

// requests is how many were made in the last sweep, but for those for templates.
func (r *rig) requests() (n int) {
	for path, times := range r.asked {
		if !strings.HasPrefix(path, "sessiontemplate/") {
			n += times
		}
	}
	return n
}

func (r *rig) session(id string) Session {
	r.t.Helper()
	for _, s := range r.Snapshot().Sessions {
		if s.ID == id {
			return s
		}
	}
	r.t.Fatalf("no session %s in the snapshot", id)
	return Session{}
}

func (r *rig) wantState(id string, want bos.State) {
	r.t.Helper()
	if got := r.session(id).Verdict.State; got != want {
		r.t.Errorf("session %s is %s, want %s", id, got, want)
	}
}

var computes = []string{"x1000c0s0b0n0", "x1000c0s0b0n1", "x1000c0s0b1n0", "x1000c0s0b1n1"}

func reboot(id string, created time.Time, troubles ...bossim.Trouble) bossim.Spec {
	return bossim.Spec{ID: id, Operation: bos.Reboot, Template: "cle", Created: created,
		BootSets: []bossim.BootSetSpec{{Name: "computes", Nodes: computes, Troubles: troubles}}}
}

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
			if s := r.Snapshot(); s.Completions.Counts[OperationState{bos.Reboot, bos.StateSucceeded}] != 1 || s.Completions.Durations[bos.Reboot].Count != 1 {
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

func TestCostIsThatOfActiveSessions(t *testing.T) {
	specs := make([]bossim.Spec, 0, 210)
	for range 200 {
		specs = append(specs, reboot("", began.Add(-5*time.Hour)))
	}
	two := reboot("active", began.Add(-10*time.Minute))
	two.BootSets = append(two.BootSets, bossim.BootSetSpec{Name: "uan", Nodes: []string{"x3000c0s1b0n0"}})
	specs = append(specs, two, reboot("also-active", began.Add(-5*time.Minute)))
	r := newRig(t, bossim.Scripted(specs...), bossim.EraC)
	r.sweep(0)
	r.sweep(time.Minute)
	// The template has the boot sets of both sessions that use it.
	if want := 1 + 2*(1+2); r.requests() != want {
		t.Errorf("%d requests, want %d: %v", r.requests(), want, r.asked)
	}
	if r.most > 4 {
		t.Errorf("%d requests at once", r.most)
	}
	if s := r.Snapshot(); len(s.Sessions) != 202 || s.Completions.Counts[OperationState{bos.Reboot, bos.StateSucceeded}] != 0 {
		t.Errorf("%d sessions, completions %v: those that had ended must not count", len(s.Sessions), s.Completions.Counts)
	}
}

func TestOneBadSessionSpoilsNothing(t *testing.T) {
	for fault, want := range map[bossim.Fault]bosclient.Reason{
		bossim.Forbidden:   bosclient.Unauthorized,
		bossim.Unavailable: bosclient.Unavailable,
		bossim.Reset:       bosclient.Unavailable,
		bossim.Truncated:   bosclient.Unavailable,
		bossim.NotJSON:     bosclient.Malformed,
		bossim.Garbage:     bosclient.Malformed,
		bossim.Huge:        bosclient.Malformed,
		bossim.Redirect:    bosclient.Malformed,
		bossim.ServerError: bosclient.Unavailable,
		bossim.NotFound:    bosclient.NotFound,
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
			if bad.Err == nil || bosclient.ReasonOf(bad.Err) != want {
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
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(c *Config) {
		c.Client = newClient(t, c.Client.URL(), nil, time.Second) // not as patient
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
	r.list.next = time.Time{} // as if the back-off were over
	if s := r.sweep(time.Minute); !s.ListUp || r.list.hangs != 0 {
		t.Errorf("after: %+v", r.list)
	}
}

func TestBackOff(t *testing.T) {
	var waits []time.Duration
	for times := range 7 {
		waits = append(waits, backOff(30*time.Second, times))
	}
	m := time.Minute
	if want := []time.Duration{m / 2, m, 2 * m, 4 * m, 8 * m, 15 * m, 15 * m}; !slices.Equal(waits, want) {
		t.Errorf("%v, want %v", waits, want)
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

func TestOrphanIsAskedForTwice(t *testing.T) {
	orphan := reboot("orphan", began)
	orphan.Orphan = true
	r := newRig(t, bossim.Scripted(orphan), bossim.EraC)
	for i, want := range []int{2, 2, 1, 1} { // described twice, then left alone
		s := r.sweep(time.Minute)
		if r.requests() != want {
			t.Errorf("sweep %d: %v", i, r.asked)
		}
		if o := r.session("orphan"); bosclient.ReasonOf(o.Err) != bosclient.NotFound || o.Err == nil || o.Exposed || o.Verdict.State != bos.StateUnknown || !s.Up {
			t.Errorf("sweep %d: %+v", i, o)
		}
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
	if len(r.records) != 0 || r.settled.ItemCount() != 0 {
		t.Error("something is kept")
	}
}

func TestTemplateGone(t *testing.T) {
	spec := reboot("s1", began.Add(-2*time.Hour))
	spec.TemplateDeleted = true
	r := newRig(t, bossim.Scripted(spec), bossim.EraC)
	r.sweep(0)
	s := r.session("s1")
	if bosclient.ReasonOf(s.Err) != bosclient.NotFound || s.Err == nil || !s.Exposed || s.Operation != bos.Reboot || s.Verdict.State != bos.StateUnknown {
		t.Errorf("%+v", s)
	}
	r.sweep(time.Minute)
	if r.requests() != 1 {
		t.Errorf("it ended, but costs %v", r.asked)
	}
	// The earliest releases tell the boot sets themselves.
	r = newRig(t, bossim.Scripted(spec), bossim.EraA)
	r.sweep(0)
	r.wantState("s1", bos.StateSucceeded)
}

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
	if n := r.Snapshot().Completions.Counts; n[OperationState{bos.Reboot, bos.StateAbandoned}] != 0 {
		t.Errorf("it did not end: %v", n)
	}
}

func TestSettledSessionsAreVerified(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began.Add(-2*time.Hour))), bossim.EraC)
	r.sweep(0)
	before := r.session("s1").Session
	expire := func() { r.settled.Set("s1", nil, time.Nanosecond) }
	expire()
	r.sweep(time.Minute)
	if after := r.session("s1").Session; after == before || r.requests() != 3 {
		t.Errorf("not read again: %v", r.asked)
	}
	expire()
	r.sim.FailSession("s1", bossim.Unavailable)
	r.sweep(time.Minute)
	r.wantState("s1", bos.StateSucceeded)
	if r.session("s1").Err == nil {
		t.Error("no error")
	}
	r.sim.Heal()
	r.records["s1"].retry = time.Time{} // as if the back-off were over
	r.sweep(time.Minute)
	r.sweep(time.Minute)
	if r.requests() != 1 || r.Snapshot().Completions.Counts[OperationState{bos.Reboot, bos.StateSucceeded}] != 0 {
		t.Errorf("not settled again: %v", r.asked)
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

func TestCancelledSweepPublishesNothing(t *testing.T) {
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

func (r *rig) completed(state bos.State) int {
	return r.Snapshot().Completions.Counts[OperationState{bos.Reboot, state}]
}

func TestCompletionsCountOnce(t *testing.T) {
	long := reboot("long-ago", began.Add(-48*time.Hour))
	brief := reboot("brief", began.Add(time.Minute))
	r := newRig(t, bossim.Scripted(long, brief), bossim.EraC)
	r.sim.FailSession("long-ago", bossim.Unavailable)
	r.sweep(0)
	r.sim.Heal()
	r.sweep(time.Second)
	if got := r.completed(bos.StateSucceeded); got != 0 {
		t.Errorf("a session that ended two days before counts, as it is read late: %d", got)
	}
	r.sweep(time.Hour) // in which the brief one came and went
	if got := r.completed(bos.StateSucceeded); got != 1 {
		t.Errorf("a session that began and ended between two sweeps: %d, want 1", got)
	}
	h := r.Snapshot().Completions.Durations[bos.Reboot]
	if want := (25*time.Minute + 10*time.Second).Seconds(); h.Count != 1 || h.Sum < want-60 || h.Sum > want+60 {
		t.Errorf("%d durations of %v seconds in all, want one of about %v", h.Count, h.Sum, want)
	}
	if want := []uint64{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}; !slices.Equal(h.Buckets, want) {
		t.Errorf("buckets %v, want %v", h.Buckets, want)
	}
	// The list is empty for a while: nothing counts again.
	for range 2 {
		r.records, r.settled = make(map[string]*record), cache.New(verifyAfter, 0)
		r.sweep(time.Minute)
		r.sweep(2 * time.Minute)
	}
	if got := r.completed(bos.StateSucceeded); got != 1 {
		t.Errorf("counted again after the list was empty: %d", got)
	}
}

func TestCompletionOfASessionDeletedAtOnce(t *testing.T) {
	spec := reboot("s1", began)
	r := newRig(t, bossim.Scripted(spec), bossim.EraC)
	r.sweep(20 * time.Minute)
	for r.session("s1").StopTime.IsZero() {
		r.sweep(5 * time.Second)
	}
	spec.Deleted = r.clock.Now().Add(time.Second)
	r.sim = bossim.New(bossim.Scripted(spec), bossim.EraC, r.clock.Now)
	if r.sweep(30 * time.Second); r.completed(bos.StateSucceeded) != 1 || len(r.Snapshot().Sessions) != 0 {
		t.Errorf("%d completions, sessions %v", r.completed(bos.StateSucceeded), r.Snapshot().Sessions)
	}
}

func TestCompletionWithoutStopTime(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began.Add(time.Minute), bossim.Trouble{Kind: bossim.ShutdownFails})), bossim.EraA)
	r.sweep(0)
	r.sweep(30 * time.Minute)
	r.wantState("s1", bos.StateFailed)
	r.sweep(12 * time.Hour)
	if !r.session("s1").Exposed {
		t.Error("not exposed within the linger")
	}
	r.sweep(13 * time.Hour)
	if r.session("s1").Exposed {
		t.Error("exposed after the linger: it has an end without a stop time")
	}
	if h := r.Snapshot().Completions; r.completed(bos.StateFailed) != 1 || h.Durations[bos.Reboot].Count != 0 {
		t.Errorf("%+v", h)
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

// A session that is listed and no longer found has no state and no series, and is
// looked for again before long.
func TestRunningSessionIsOrphaned(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	r.sweep(2 * time.Minute)
	r.sim.FailSession("s1", bossim.NotFound)
	r.sweep(time.Minute)
	if !r.session("s1").Exposed {
		t.Error("gone after the first time")
	}
	r.sweep(time.Minute)
	if s := r.session("s1"); s.Exposed || s.Verdict.State != bos.StateUnknown || bosclient.ReasonOf(s.Err) != bosclient.NotFound {
		t.Errorf("%+v", s)
	}
	r.sweep(time.Minute)
	if r.requests() != 1 {
		t.Errorf("still asked for: %v", r.asked)
	}
	if _, until, _ := r.settled.GetWithExpiration("s1"); time.Until(until) > orphanAfter {
		t.Errorf("left alone for %s", time.Until(until))
	}
	r.sim.Heal()
	r.settled.Delete("s1") // as if that were over
	r.sweep(time.Minute)
	if s := r.session("s1"); !s.Exposed || s.Err != nil || s.Verdict.State != bos.StateRunning {
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

// A boot set that was there and is not found is an error, not news.
func TestBootSetDisappears(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	before := r.sweep(2 * time.Minute).Sessions[0]
	r.sim.Fail(bossim.BootSet, bossim.NotFound)
	r.sweep(time.Minute)
	if s := r.session("s1"); s.Session != before.Session || bosclient.ReasonOf(s.Err) != bosclient.NotFound {
		t.Errorf("%+v", s)
	}
}

// Of a session whose boot sets cannot be read at all, the description is better
// than nothing, and it is tried more and more rarely.
func TestBootSetIsNeverReadable(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began.Add(-2*time.Hour))), bossim.EraC)
	r.sim.Fail(bossim.BootSet, bossim.ServerError)
	r.sweep(0)
	if s := r.session("s1"); s.Operation != bos.Reboot || !s.Exposed || s.Err == nil || s.Verdict.State != bos.StateUnknown || s.StopTime.IsZero() {
		t.Errorf("%+v", s)
	}
	r.sweep(time.Minute)
	r.sweep(time.Minute)
	r.sweep(time.Minute)
	if r.requests() != 1 {
		t.Errorf("after three failures it is tried at once: %v", r.asked)
	}
	r.sim.Heal()
	r.records["s1"].retry = time.Time{}
	r.sweep(time.Minute)
	r.wantState("s1", bos.StateSucceeded)
}

// Sessions that hang take no more than a few time-outs of a sweep, and once met
// they keep no others from being read.
func TestHangingSessions(t *testing.T) {
	var specs []bossim.Spec
	for i := range 40 {
		specs = append(specs, reboot(fmt.Sprintf("hangs-%02d", i), began))
	}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	r := newRig(t, bossim.Scripted(append(specs, reboot("well", began))...), bossim.EraC, func(c *Config) {
		c.Client = newClient(t, c.Client.URL(), nil, 500*time.Millisecond)
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

// The outcome of a session stands when it is too old to be followed.
func TestOutcomeOutlastsMaxAge(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	r.sweep(time.Hour)
	r.sweep(168 * time.Hour)
	r.settled.Flush() // to be verified
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
