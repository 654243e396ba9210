// Package programs builds and runs programs for tests, which talk to them over their
// real protocols. Only tests import it.
package programs

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Build builds the program of a package into a folder and returns its path. The program
// has the race detector if the test has it.
func Build(folder, pkg string) (string, error) {
	info, ok := debug.ReadBuildInfo()
	if ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return build(folder, pkg, "-race")
	}
	return build(folder, pkg)
}

// BuildPlain is Build without the race detector, which takes a lot of memory itself.
func BuildPlain(folder, pkg string) (string, error) { return build(folder, pkg) }

func build(folder, pkg string, flags ...string) (string, error) {
	path, err := filepath.Abs(pkg)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, filepath.Base(path))
	args := append([]string{"build", "-o", binary}, flags...)
	if out, err := exec.Command("go", append(args, pkg)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// Program is a running program that serves HTTP.
type Program struct {
	URL string

	t      testing.TB
	cmd    *exec.Cmd
	exited chan error

	mu             sync.Mutex
	stdout, stderr bytes.Buffer
}

// listening matches the log line in which programs of the Prometheus project announce
// their address.
var listening = regexp.MustCompile(`msg="Listening on"(?: component=\w+)? address=(\S+)`)

// Start starts a program and waits until it logs that it is listening. The program is
// killed when the test ends.
func Start(t testing.TB, binary string, args ...string) *Program {
	t.Helper()
	p := &Program{t: t, cmd: exec.Command(binary, args...), exited: make(chan error, 1)}
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
		<-p.exited //nolint:errcheck // that it was killed
		if t.Failed() {
			t.Logf("stderr of %s:\n%s", filepath.Base(binary), p.Log())
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
				select {
				case address <- m[1]:
				default: // it has announced one already
				}
			}
		}
		p.exited <- p.cmd.Wait()
		close(p.exited)
	}()
	select {
	case a := <-address:
		p.URL = "http://" + a
	case err := <-p.exited:
		t.Fatalf("%s did not start: %v\n%s", binary, err, p.Log())
	case <-time.After(30 * time.Second):
		t.Fatalf("%s is not listening\n%s", binary, p.Log())
	}
	return p
}

// writerFunc is a function that is an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// PID returns the id of its process.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Log returns what the program has written to stderr.
func (p *Program) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// Stdout returns what the program has written to stdout.
func (p *Program) Stdout() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String()
}

// client keeps no idle connections, and gives up on programs that do not answer.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

// Get returns the status code and body of a page.
func (p *Program) Get(path string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := client.Do(req)
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

// Ready waits until the page /-/ready returns 200.
func (p *Program) Ready() {
	p.t.Helper()
	Eventually(p.t, func() string {
		if code, body := p.Get("/-/ready"); code != http.StatusOK {
			return body
		}
		return ""
	})
}

// Stop sends SIGTERM and returns how long the program took to exit, and its exit error.
func (p *Program) Stop() (time.Duration, error) {
	p.t.Helper()
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		return time.Since(begin), err
	case <-time.After(20 * time.Second):
		p.t.Fatal("the program does not stop")
		return 0, nil
	}
}

// Eventually waits until the condition holds. The condition returns "" when it does,
// and otherwise what is wrong.
func Eventually(t testing.TB, condition func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		problem := condition()
		if problem == "" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still after two minutes: %s", problem)
		}
	}
}
