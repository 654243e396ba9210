package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
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
	binary = filepath.Join(dir, "bos_exporter")
	args := []string{"build", "-o", binary}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// program is a running bos_exporter.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	exited chan error

	mu     sync.Mutex
	stdout bytes.Buffer
	stderr bytes.Buffer
}

var listening = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// start starts the program with these flags on a free port, and waits until it
// serves.
func start(t *testing.T, flags ...string) *program {
	t.Helper()
	p := &program{t: t, exited: make(chan error, 1)}
	p.cmd = exec.Command(binary, append([]string{"--web.listen-address=127.0.0.1:0"}, flags...)...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.stdout.Write(b)
	})
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("stderr of the program:\n%s", p.log())
		}
	})
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			p.mu.Lock()
			p.stderr.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
		p.exited <- p.cmd.Wait()
		close(p.exited)
	}()
	select {
	case a := <-address:
		p.url = "http://" + a
	case err := <-p.exited:
		t.Fatalf("it did not start: %v\n%s", err, p.log())
	case <-time.After(30 * time.Second):
		t.Fatal("it does not listen")
	}
	return p
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (p *program) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String()
}

// get returns the status code and body of a page.
func (p *program) get(path string) (int, string) {
	p.t.Helper()
	resp, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// metrics are what a scrape gives: the text, and the values by series.
type metrics struct {
	text   string
	values map[string]float64
}

// metrics scrapes the program.
func (p *program) metrics() metrics {
	p.t.Helper()
	code, body := p.get("/metrics")
	if code != http.StatusOK {
		p.t.Fatalf("/metrics answers %d: %s", code, body)
	}
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

// ready waits for the first good sweep.
func (p *program) ready() {
	p.t.Helper()
	eventually(p.t, func() string {
		if code, body := p.get("/-/ready"); code != http.StatusOK {
			return body
		}
		return ""
	})
}

// stop sends SIGTERM and returns how long the program took to exit, and how.
func (p *program) stop() (time.Duration, error) {
	p.t.Helper()
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		return time.Since(begin), err
	case <-time.After(20 * time.Second):
		p.t.Fatal("it does not stop")
		return 0, nil
	}
}

// eventually waits until the condition holds, which returns "" then, and what is
// amiss before.
func eventually(t *testing.T, condition func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		amiss := condition()
		if amiss == "" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after 30s still: %s", amiss)
		}
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
	eventually(w.t, func() string {
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
