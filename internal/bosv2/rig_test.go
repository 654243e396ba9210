package bosv2_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/bosv2"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// rig is an inventory that watches a simulated BOS v2 over HTTP.
type rig struct {
	*inventory.Inventory
	t     *testing.T
	clock *bossim.SteppedClock // nil in a bubble
	sim   *bossim.Server
	api   *bosv2.API

	mu    sync.Mutex
	asked []string // the requests of the last sweep, below /v2
	bytes int64    // of their answers
}

func newRig(t *testing.T, scenario bossim.Scenario, era bossim.Era, change ...func(*bosclient.Config)) *rig {
	t.Helper()
	return newRigAt(t, began, scenario, era, change...)
}

func newRigAt(t *testing.T, now time.Time, scenario bossim.Scenario, era bossim.Era, change ...func(*bosclient.Config)) *rig {
	t.Helper()
	r := &rig{t: t, clock: bossim.NewSteppedClock(now)}
	r.sim = bossim.New(scenario, era, r.clock.Now)
	server := httptest.NewServer(r)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.sim.Close()
		server.Close()
	})
	r.watch(r.clock.Now, bosclient.Config{URL: server.URL, Transport: transport}, change)
	return r
}

// inBubble calls f with a rig in which time, that of BOS included, passes by sweep alone.
// Requests do not leave the process.
func inBubble(t *testing.T, scenario bossim.Scenario, era bossim.Era, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t}
		start := time.Now()
		now := func() time.Time { return began.Add(time.Since(start)) }
		r.sim = bossim.New(scenario, era, now)
		defer r.sim.Close()
		r.watch(now, bosclient.Config{URL: "http://bos.test", Transport: inprocess.Transport(r)}, nil)
		f(t, r)
	})
}

// watch makes the inventory.
func (r *rig) watch(now func() time.Time, cfg bosclient.Config, change []func(*bosclient.Config)) {
	cfg.Timeout, cfg.Concurrency = 30*time.Second, 4
	for _, c := range change {
		c(&cfg)
	}
	client, err := bosclient.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.api = bosv2.New(client)
	r.Inventory = inventory.New(inventory.Config{
		APIs: []inventory.API{r.api}, URL: client.URL(), Now: now, Concurrency: 4,
		Logger: slog.New(slog.DiscardHandler), Interval: 30 * time.Second,
		MaxAge: 168 * time.Hour, Linger: 24 * time.Hour, MaxSessions: 10_000,
	})
}

// ServeHTTP takes down a request and has the simulator answer it.
func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.asked = append(r.asked, strings.TrimPrefix(req.URL.Path, "/v2/")+query(req))
	r.mu.Unlock()
	r.sim.ServeHTTP(&counter{w, r}, req)
}

// query is the query of a request, but for the page that it asks for.
func query(req *http.Request) string {
	q := req.URL.Query()
	q.Del("page_size")
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

type counter struct {
	http.ResponseWriter
	r *rig
}

func (c *counter) Write(p []byte) (int, error) {
	c.r.mu.Lock()
	c.r.bytes += int64(len(p))
	c.r.mu.Unlock()
	return c.ResponseWriter.Write(p)
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// sweep lets time pass by the clock of BOS, sweeps and returns the snapshot.
func (r *rig) sweep(step time.Duration) *inventory.Snapshot {
	r.t.Helper()
	if r.clock == nil {
		time.Sleep(step)
	} else {
		r.clock.Advance(step)
	}
	r.mu.Lock()
	r.asked, r.bytes = nil, 0
	r.mu.Unlock()
	r.Sweep(r.t.Context())
	return r.Snapshot()
}

// requests are those of the last sweep.
func (r *rig) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func key(id string) bos.Key { return bos.Key{API: bos.APIv2, ID: id} }

func (r *rig) session(k bos.Key) *inventory.Session {
	r.t.Helper()
	s, ok := r.Snapshot().Session(k)
	if !ok {
		r.t.Fatalf("no session %v in the snapshot", k)
	}
	return s
}

// phase is a phase of the only boot set of a session.
func (r *rig) phase(s *inventory.Session, name string) *bos.Phase {
	r.t.Helper()
	if len(s.BootSets) != 1 {
		r.t.Fatalf("session %s has %d boot sets; its error is %v", s.ID, len(s.BootSets), s.Err)
	}
	for i := range s.BootSets[0].Phases {
		if p := &s.BootSets[0].Phases[i]; p.Name == name {
			return p
		}
	}
	r.t.Fatalf("session %s has no phase %s", s.ID, name)
	return nil
}

var computes = []string{"x1000c0s0b0n0", "x1000c0s0b0n1", "x1000c0s0b1n0", "x1000c0s0b1n1"}

func spec(id, operation string, troubles ...bossim.Trouble) bossim.Spec {
	return bossim.Spec{ID: id, Operation: operation, Template: "cle", Created: began, API: bossim.V2,
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: computes, Troubles: troubles}}}
}
