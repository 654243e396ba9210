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
type program struct{ *programs.Program }

// start starts the program with these flags on a free port, and waits until it
// serves.
func start(t *testing.T, flags ...string) program {
	t.Helper()
	return program{programs.Start(t, binary, append([]string{"--web.listen-address=127.0.0.1:0"}, flags...)...)}
}

// metrics are what a scrape gives: the text, and the values by series.
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
func (m metrics) want(t *testing.T, series string, v float64) {
	t.Helper()
	if got, ok := m.values[series]; !ok || got != v {
		t.Errorf("%s is %v (there: %t), want %v", series, got, ok, v)
	}
}

// world is a simulated BOS behind an HTTP server.
type world struct {
	t     *testing.T
	clock *bossim.SteppedClock
	sim   *bossim.Server
	url   string

	mu    sync.Mutex
	lists int            // requests for the list
	asked map[string]int // requests since the last one for the list, by path below /v1/
	last  map[string]int // those of the sweep before
	heads []http.Header  // of all requests
	verbs map[string]int
}

func newWorld(t *testing.T, scenario bossim.Scenario, now time.Time) *world {
	t.Helper()
	w := &world{t: t, clock: bossim.NewSteppedClock(now), asked: make(map[string]int), verbs: make(map[string]int)}
	w.sim = bossim.New(scenario, bossim.EraC, w.clock.Now)
	w.sim.Observe(func(r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		path := strings.TrimPrefix(r.URL.EscapedPath(), "/apis/bos/v1/")
		if path == "session" {
			w.lists++
			w.last, w.asked = w.asked, make(map[string]int)
		}
		w.asked[path]++
		w.verbs[r.Method]++
		w.heads = append(w.heads, r.Header)
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

// swept waits until a sweep that began after the call has been published: the
// second list from now on is only sent when the sweep of the first has ended.
func (w *world) swept() {
	w.t.Helper()
	w.mu.Lock()
	want := w.lists + 2
	w.mu.Unlock()
	programs.Eventually(w.t, func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.lists < want {
			return "no sweep"
		}
		return ""
	})
}

// step moves the clock of BOS on and waits for a sweep.
func (w *world) step(d time.Duration) {
	w.t.Helper()
	w.clock.Advance(d)
	w.swept()
}

// requests returns what is asked for in the next whole sweep.
func (w *world) requests() map[string]int {
	w.t.Helper()
	w.swept()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}
