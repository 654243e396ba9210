package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// binary is the program under test, built as the tests are.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bos_exporter")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = programs.Build(dir, "../bos_exporter"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// program is a running bos_exporter.
type program struct {
	*programs.Program
	t testing.TB
}

// start starts the program with these flags on a free port and waits until it serves.
func start(t *testing.T, flags ...string) program {
	t.Helper()
	return program{programs.Start(t, binary, append([]string{"--web.listen-address=127.0.0.1:0"}, flags...)...), t}
}

// stopsSoon stops the program, which must exit cleanly within five seconds.
func (p program) stopsSoon() {
	p.t.Helper()
	if took, err := p.Stop(); err != nil || took > 5*time.Second {
		p.t.Errorf("the program took %s to stop: %v", took, err)
	}
}

// metrics is the result of a scrape: its text, and its values by series.
type metrics struct {
	text   string
	values map[string]float64
}

// metrics scrapes the program.
func (p program) metrics() metrics {
	_, body := p.Get("/metrics")
	m := metrics{text: body, values: make(map[string]float64)}
	for line := range strings.Lines(body) {
		series, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "} ")
		if ok {
			series += "}"
		} else {
			series, v, ok = strings.Cut(series, " ")
		}
		if f, err := strconv.ParseFloat(v, 64); err == nil && ok {
			m.values[series] = f
		}
	}
	return m
}

// want fails the test unless the series has the value.
func (m metrics) want(t testing.TB, series string, v float64) {
	t.Helper()
	if got, ok := m.values[series]; !ok || got != v {
		t.Errorf("%s is %v (served: %t), want %v", series, got, ok, v)
	}
}

// world is a simulated BOS behind an HTTP server.
type world struct {
	t     *testing.T
	clock *bossim.SteppedClock
	sim   *bossim.Server
	url   string

	mu       sync.Mutex
	lists    int            // number of requests for the list
	current  map[string]int // requests since the last one for the list, by path below /v1/
	previous map[string]int // requests of the sweep before
	headers  []http.Header  // of all requests
	methods  map[string]int // of all requests
}

func newWorld(t *testing.T, scenario bossim.Scenario, now time.Time) *world {
	t.Helper()
	w := &world{t: t, clock: bossim.NewSteppedClock(now), current: make(map[string]int), methods: make(map[string]int)}
	w.sim = bossim.New(scenario, bossim.EraC, w.clock.Now)
	w.sim.Observe(func(r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		path := strings.TrimPrefix(r.URL.EscapedPath(), "/apis/bos/v1/")
		if path == "session" {
			w.lists++
			w.previous, w.current = w.current, make(map[string]int)
		}
		w.current[path]++
		w.methods[r.Method]++
		w.headers = append(w.headers, r.Header)
	})
	server := httptest.NewServer(w.sim)
	t.Cleanup(func() {
		w.sim.Close()
		server.CloseClientConnections()
		server.Close()
	})
	w.url = server.URL + "/apis/bos"
	return w
}

// swept waits until a sweep that began after the call has been published. The second
// list from now on is requested only once the sweep of the first one has ended.
func (w *world) swept() {
	w.t.Helper()
	w.mu.Lock()
	want := w.lists + 2
	w.mu.Unlock()
	programs.Eventually(w.t, func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.lists < want {
			return "no sweep yet"
		}
		return ""
	})
}

// step advances the clock of BOS and waits for a sweep.
func (w *world) step(d time.Duration) {
	w.t.Helper()
	w.clock.Advance(d)
	w.swept()
}

// requests returns the requests of the next complete sweep, by path.
func (w *world) requests() map[string]int {
	w.t.Helper()
	w.swept()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.previous
}
