package inventory_test

import (
	"bytes"
	"context"
	"io"
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
	"github.com/bos-exporter/bos-exporter/internal/bosv1"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// rig is an inventory that watches a simulated BOS over HTTP.
type rig struct {
	*inventory.Inventory
	t     *testing.T
	clock *bossim.SteppedClock // nil in a bubble
	sim   *bossim.Server
	log   *bytes.Buffer

	asked map[string]int // requests of the last sweep, by path below /v1

	mu       sync.Mutex
	counting map[string]int
	underway int
	most     int // concurrent requests, ever
}

func newRig(t *testing.T, scenario bossim.Scenario, era bossim.Era, change ...func(*inventory.Config)) *rig {
	t.Helper()
	r := &rig{t: t, clock: bossim.NewSteppedClock(began), log: new(bytes.Buffer), counting: make(map[string]int)}
	r.sim = bossim.New(scenario, era, r.clock.Now)
	server := httptest.NewServer(r)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.sim.Close()
		server.Close()
	})
	r.Inventory = inventory.New(r.config(newClient(t, server.URL, transport, 5*time.Second), change))
	return r
}

// inBubble calls f with a rig in which time is that of a bubble, that of BOS included:
// it passes while everything waits, and by sweep. Requests do not leave the process.
func inBubble(t *testing.T, scenario bossim.Scenario, era bossim.Era, f func(t *testing.T, r *rig), change ...func(*inventory.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, log: new(bytes.Buffer), counting: make(map[string]int)}
		start := time.Now()
		r.sim = bossim.New(scenario, era, func() time.Time { return began.Add(time.Since(start)) })
		defer r.sim.Close()
		client := newClient(t, "http://bos.test", inprocess.Transport(r), 10*time.Second)
		r.Inventory = inventory.New(r.config(client, change))
		for range 2 { // a jump of the clock of BOS must be told twice
			if err := r.list(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r.Cfg().Interval = 30 * time.Second
		f(t, r)
	})
}

// ServeHTTP counts a request and has the simulator answer it.
func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
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
}

// list asks BOS for its list, besides the sweeps.
func (r *rig) list(ctx context.Context) error {
	_, err := r.Cfg().APIs[0].List(ctx, true)
	return err
}

func (r *rig) config(client *bosclient.Client, change []func(*inventory.Config)) inventory.Config {
	cfg := inventory.Config{
		Logger:      slog.New(slog.NewTextHandler(r.log, nil)),
		Interval:    time.Hour,
		MaxAge:      168 * time.Hour,
		Linger:      24 * time.Hour,
		MaxSessions: 1000,
		Limits:      bos.DefaultLimits,
	}
	use(&cfg, client)
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

// use has BOS read through a client.
func use(cfg *inventory.Config, client *bosclient.Client) {
	cfg.APIs = []inventory.API{bosv1.New(client)}
	cfg.URL, cfg.Now, cfg.Concurrency = client.URL(), client.Now, client.Concurrency()
}

func newClient(t *testing.T, url string, transport http.RoundTripper, timeout time.Duration) *bosclient.Client {
	t.Helper()
	client, err := bosclient.New(bosclient.Config{URL: url, Transport: transport, Timeout: timeout, Concurrency: 4})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// sweep lets time pass, sweeps and returns the snapshot.
func (r *rig) sweep(step time.Duration) *inventory.Snapshot {
	r.t.Helper()
	if r.clock == nil {
		time.Sleep(step)
		r.mu.Lock()
		r.counting = make(map[string]int)
		r.mu.Unlock()
	} else {
		r.clock.Advance(step)
		// A jump of the clock of BOS must be told twice.
		if err := r.list(r.t.Context()); err == nil {
			r.mu.Lock()
			r.counting = make(map[string]int)
			r.mu.Unlock()
		}
	}
	r.Sweep(r.t.Context())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked, r.counting = r.counting, make(map[string]int)
	return r.Snapshot()
}

// requests is the number of requests of the last sweep, those for templates left out.
func (r *rig) requests() (n int) {
	for path, times := range r.asked {
		if !strings.HasPrefix(path, "sessiontemplate/") {
			n += times
		}
	}
	return n
}

func (r *rig) session(id string) inventory.Session {
	r.t.Helper()
	for _, s := range r.Snapshot().Sessions {
		if s.ID == id {
			return s
		}
	}
	r.t.Fatalf("no session %s in the snapshot", id)
	return inventory.Session{}
}

func (r *rig) wantState(id string, want bos.State) {
	r.t.Helper()
	if got := r.session(id).Verdict.State; got != want {
		r.t.Errorf("session %s is %s, want %s", id, got, want)
	}
}

// key is the key of a session of BOS v1.
func key(id string) bos.Key { return bos.Key{API: bos.APIv1, ID: id} }

var computes = []string{"x1000c0s0b0n0", "x1000c0s0b0n1", "x1000c0s0b1n0", "x1000c0s0b1n1"}

func reboot(id string, created time.Time, troubles ...bossim.Trouble) bossim.Spec {
	return bossim.Spec{ID: id, Operation: bos.Reboot, Template: "cle", Created: created,
		BootSets: []bossim.BootSetSpec{{Name: "computes", Nodes: computes, Troubles: troubles}}}
}

func (r *rig) completed(state bos.State) int {
	return r.Snapshot().Completions.Counts[inventory.OperationState{bos.Reboot, state}]
}

// replace has the simulator answer requests for a path below /v1 with another body, and
// a status of 200; "" restores its own answers.
func (r *rig) replace(path, body string) {
	if body == "" {
		r.sim.Substitute(nil)
		return
	}
	r.sim.Substitute(func(req *http.Request) http.Handler {
		if req.URL.Path != "/v1/"+path {
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		})
	})
}
