package inventory

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
		Concurrency: 4,
		MaxAge:      168 * time.Hour,
		Linger:      24 * time.Hour,
		MaxSessions: 1000,
		Limits:      bos.Limits{Shutdown: 10 * time.Minute, Other: 35 * time.Minute, Abandoned: 24 * time.Hour},
	}
	for _, c := range change {
		c(&cfg)
	}
	r.Inventory = New(cfg)
	return r
}

func newClient(t *testing.T, url string, transport http.RoundTripper, timeout time.Duration) *bosclient.Client {
	t.Helper()
	client, err := bosclient.New(bosclient.Config{URL: url, Transport: transport, Timeout: timeout, MaxBody: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// sweep steps the clock, sweeps and returns the snapshot.
func (r *rig) sweep(step time.Duration) *Snapshot {
	r.t.Helper()
	r.clock.Advance(step)
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
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	r.sweep(2 * time.Minute)
	r.sim.Fail(bossim.List, bossim.Hang)
	patient := r.cfg.Client
	r.cfg.Client = newClient(t, patient.URL(), nil, 500*time.Millisecond)
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	s := r.sweep(time.Minute)
	if s.ListUp || !s.Up || s.Listed != bos.Some(1) {
		t.Errorf("list up %t, up %t, listed %v", s.ListUp, s.Up, s.Listed)
	}
	before := r.session("s1")
	s = r.sweep(3 * time.Minute)
	if r.asked["session"] != 0 || s.ListUp || !s.Up {
		t.Errorf("list up %t, up %t, requests %v", s.ListUp, s.Up, r.asked)
	}
	if r.session("s1").Session == before.Session {
		t.Error("the known session was not read")
	}
	r.sim.Heal()
	r.list.next = time.Time{} // as if the back-off were over
	if s := r.sweep(time.Minute); !s.ListUp || r.list.timeouts != 0 {
		t.Errorf("after: %+v", r.list)
	}
}

func TestListBackOff(t *testing.T) {
	var waits []time.Duration
	for timeouts := range 7 {
		waits = append(waits, listBackOff(30*time.Second, timeouts))
	}
	m := time.Minute
	if want := []time.Duration{m, 2 * m, 4 * m, 8 * m, 15 * m, 15 * m, 15 * m}; !slices.Equal(waits, want) {
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
	for i, want := range []int{2, 2, 1, 1} {
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
	if len(r.open) != 0 || r.settled.ItemCount() != 0 {
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
	expire := func() {
		item, _ := r.settled.Get("s1")
		r.settled.Set("s1", item, time.Nanosecond)
	}
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
