package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// An invalid setting ends the program with one clear line on stderr.
func TestInvalidSettings(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const bos = "--bos.url=http://bos.test"
	for _, tt := range []struct {
		name  string
		flags []string
		want  string
	}{
		{"no URL", nil, "--bos.url is required"},
		{"URL without a scheme", []string{"--bos.url=cray-bos/apis/bos"}, "must begin with http://"},
		{"URL with a password", []string{"--bos.url=https://me:hunter2@bos.test"}, "password"},
		{"URL with an impossible port", []string{"--bos.url=http://bos.test:99999"}, "a port"},
		{"unknown API", []string{bos, "--bos.api=v3"}, "--bos.api=v3"},
		{"interval that is no duration", []string{bos, "--bos.interval=soon"}, "--bos.interval=soon"},
		{"zero interval", []string{bos, "--bos.interval=0s"}, "--bos.interval=0s"},
		{"tiny interval", []string{bos, "--bos.interval=1ns"}, "--bos.interval=1ns"},
		{"negative timeout", []string{bos, "--bos.timeout=-1s"}, "--bos.timeout=-1s"},
		{"concurrency that is no number", []string{bos, "--bos.concurrency=none"}, "--bos.concurrency=none"},
		{"zero concurrency", []string{bos, "--bos.concurrency=0"}, "--bos.concurrency=0"},
		{"stale before the next sweep", []string{bos, "--bos.stale-after=10s"}, "--bos.stale-after=10s must be longer than --bos.interval=30s"},
		{"tenant with a space", []string{bos, "--bos.tenant=a b"}, "--bos.tenant"},
		{"HTTP config of the wrong shape", []string{bos, "--bos.http-config=" + file("shape.yml", "basic_auth: hunter2\n")}, "hidden"},
		{"proxy URL with a password", []string{bos, "--bos.http-config=" + file("proxy.yml", "proxy_url: \"http://u:hunter2@ x\"\n")}, "hidden"},
		{"HTTP config that does not exist", []string{bos, "--bos.http-config=/does/not/exist"}, "--bos.http-config=/does/not/exist"},
		{"HTTP config with an unknown field", []string{bos, "--bos.http-config=" + file("unknown.yml", "bearer: x\n")}, "field bearer not found"},
		{"missing header file", []string{bos, "--bos.http-config=" + file("headers.yml", "http_headers:\n  X-Test:\n    files: [missing.header]\n")}, "missing.header"},
		{"missing token file", []string{bos, "--bos.http-config=" + file("token.yml", "authorization:\n  credentials_file: missing.token\n")}, "missing.token"},
		{"missing CA file", []string{bos, "--bos.http-config=" + file("ca.yml", "tls_config:\n  ca_file: missing.pem\n")}, "missing.pem"},
		{"missing client secret file", []string{bos, "--bos.http-config=" + file("oauth.yml", "oauth2:\n  client_id: me\n  client_secret_file: missing.secret\n  token_url: http://keycloak.test\n")}, "missing.secret"},
		{"missing CA file of the token server", []string{bos, "--bos.http-config=" + file("oauthca.yml", "oauth2:\n  client_id: me\n  client_secret: hunter2\n  token_url: http://keycloak.test\n  tls_config:\n    ca_file: missing.ca\n")}, "missing.ca"},
		{"token URL with a password", []string{bos, "--bos.http-config=" + file("tokenurl.yml", "oauth2:\n  client_id: me\n  client_secret: s\n  token_url: http://me:hunter2 x@keycloak.test\n")}, "the OAuth2 token URL must begin with"},
		{"CA of a secret manager", []string{bos, "--bos.http-config=" + file("ref.yml", "tls_config:\n  ca_ref: elsewhere\n")}, "\"elsewhere\" refers to a secret manager"},
		{"token of a secret manager", []string{bos, "--bos.http-config=" + file("ref.yml", "authorization:\n  credentials_ref: elsewhere\n")}, "\"elsewhere\" refers to a secret manager"},
		{"password of a secret manager", []string{bos, "--bos.http-config=" + file("ref.yml", "basic_auth:\n  username: me\n  password_ref: elsewhere\n")}, "\"elsewhere\" refers to a secret manager"},
		{"client secret of a secret manager", []string{bos, "--bos.http-config=" + file("ref.yml", "oauth2:\n  client_id: me\n  client_secret_ref: elsewhere\n  token_url: http://keycloak.test\n")}, "\"elsewhere\" refers to a secret manager"},
		{"zero sessions", []string{bos, "--sessions.max=0"}, "--sessions.max=0"},
		{"negative linger", []string{bos, "--sessions.linger=-1h"}, "--sessions.linger=-1h"},
		{"zero stuck limit", []string{bos, "--stuck.abandoned=0s"}, "--stuck.abandoned=0s"},
		{"web config that does not exist", []string{bos, "--web.config.file=/does/not/exist"}, "--web.config.file=/does/not/exist"},
		{"web config without a key", []string{bos, "--web.config.file=" + file("web.yml", "tls_server_config:\n  cert_file: nothing.pem\n")}, "--web.config.file"},
		{"relative telemetry path", []string{bos, "--web.telemetry-path=metrics"}, "--web.telemetry-path"},
		{"telemetry path with an empty segment", []string{bos, "--web.telemetry-path=//metrics"}, "--web.telemetry-path"},
		{"telemetry path with dots", []string{bos, "--web.telemetry-path=/a/../b"}, "--web.telemetry-path"},
		{"telemetry path with a query", []string{bos, "--web.telemetry-path=/m?x=1"}, "--web.telemetry-path"},
		{"telemetry path of another page", []string{bos, "--web.telemetry-path=/-/ready"}, "--web.telemetry-path"},
		{"listen address without a port", []string{bos, "--web.listen-address=nowhere"}, "address nowhere"},
		{"unknown log level", []string{bos, "--log.level=loud"}, "--log.level=loud"},
		{"URL and demo", []string{bos, "--demo"}, "remove --bos.url"},
		{"unknown flag", []string{bos, "--bos.uri=x"}, "unknown long flag"},
		{"argument", []string{bos, "extra"}, "unexpected extra"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(binary, tt.flags...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			stop := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
			defer stop.Stop()
			if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 {
				t.Fatalf("%v, want exit code 1", err)
			}
			got := stderr.String()
			if strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "bos_exporter: ") || !strings.Contains(got, tt.want) {
				t.Errorf("stderr is %q, want one line with %q", got, tt.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout is %q, want nothing", stdout.String())
			}
			if strings.Contains(got, "hunter2") {
				t.Error("stderr reveals a password")
			}
		})
	}
}

// The metrics are served promptly even if BOS is down, slow or returns nonsense.
func TestMetricsWhileBOSFails(t *testing.T) {
	const timeout = 5 * time.Second // longer than a scrape takes on a busy machine
	for _, fault := range []bossim.Fault{bossim.Unavailable, bossim.Hang, bossim.Reset, bossim.NotJSON, bossim.Garbage, bossim.Forbidden, bossim.Truncated} {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
			p := start(t, "--bos.url="+w.url, "--bos.interval=20ms", "--bos.timeout="+timeout.String())
			p.Ready()
			p.metrics().want(t, "bos_up", 1)
			w.sim.Fail(bossim.Everything, fault)
			var m metrics
			programs.Eventually(t, func() string {
				begin := time.Now()
				m = p.metrics()
				if took := time.Since(begin); took >= timeout {
					t.Errorf("the scrape took %s, so it waited for BOS", took)
				}
				if m.values["bos_up"] != 0 {
					return "bos_up is 1"
				}
				return ""
			})
			// The last good data is kept.
			m.want(t, `bos_session_error_count{session="f4eebe51-a217-46d0-8733-b9499a092042",tenant=""}`, 4)
			if fault != bossim.Hang { // after which the list is left alone for a while
				w.swept()
				w.swept()
			}
			// The log may arrive after the metrics.
			logged := func(message string, want int) {
				t.Helper()
				programs.Eventually(t, func() string {
					if got := strings.Count(p.Log(), message); got < want {
						return fmt.Sprintf("logged %q %d times, want %d", message, got, want)
					}
					return ""
				})
				if got := strings.Count(p.Log(), message); got > want {
					t.Errorf("logged %q %d times, want %d", message, got, want)
				}
			}
			logged("cannot be listed", 1)
			w.sim.Heal()
			programs.Eventually(t, func() string {
				if p.metrics().values["bos_list_up"] != 1 {
					return "bos_list_up is 0"
				}
				return ""
			})
			logged("BOS answers", 2)
		})
	}
}

func TestNotReadyUntilASuccessfulSweep(t *testing.T) {
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	w.sim.Fail(bossim.Everything, bossim.Unavailable)
	p := start(t, "--bos.url="+w.url, "--bos.interval=20ms")
	p.eventually([]string{"bos_up 0\n"}, nil)
	if code, _ := p.Get("/-/ready"); code != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", code)
	}
	if code, _ := p.Get("/-/healthy"); code != http.StatusOK {
		t.Errorf("healthy: %d", code)
	}
	if code, page := p.Get("/"); code != http.StatusOK || !strings.Contains(page, "down") || !strings.Contains(page, "Cannot list the sessions") {
		t.Errorf("landing page: %d %s", code, page)
	}
	w.sim.Heal()
	p.Ready()
}

func TestStaleSeriesAreDropped(t *testing.T) {
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	p := start(t, "--bos.url="+w.url, "--bos.interval=20ms", "--bos.stale-after=300ms")
	p.Ready()
	w.sim.Fail(bossim.Everything, bossim.Reset)
	programs.Eventually(t, func() string {
		if m := p.metrics().text; strings.Contains(m, `session="`) || strings.Contains(m, "\nbos_sessions") {
			return "session series are still served"
		}
		return ""
	})
	m := p.metrics()
	m.want(t, "bos_up", 0)
	if m.values["bos_exporter_last_sweep_timestamp_seconds"] == 0 {
		t.Error("the time of the last successful response is missing")
	}
	if _, page := p.Get("/"); !strings.Contains(page, "The data below is out of date") {
		t.Error("the landing page does not say that its data is out of date")
	}
	w.sim.Heal()
	programs.Eventually(t, func() string {
		if !strings.Contains(p.metrics().text, `session="f4eebe51`) {
			return "the session series are still missing"
		}
		return ""
	})
}

func TestStop(t *testing.T) {
	for _, fault := range []bossim.Fault{bossim.None, bossim.Hang} {
		t.Run(fault.String(), func(t *testing.T) {
			w := newWorld(t, bossim.Live(time.Now(), 10), time.Now())
			w.sim.Fail(bossim.Everything, fault)
			p := start(t, "--bos.url="+w.url, "--bos.interval=20ms")
			programs.Eventually(t, func() string {
				w.mu.Lock()
				defer w.mu.Unlock()
				if len(w.headers) == 0 {
					return "no request yet"
				}
				return ""
			})
			p.stopsSoon()
		})
	}
}

func TestDemo(t *testing.T) {
	p := start(t, "--demo")
	p.Ready()
	said := p.Stdout()
	if !strings.Contains(said, p.URL+"/") || !strings.Contains(said, p.URL+"/metrics") {
		t.Errorf("the demo prints %q", said)
	}
	m := regexp.MustCompile(`http://127\.0\.0\.1:\d+/apis/bos/v1/session`).FindString(said)
	resp, err := http.Get(m)
	if err != nil {
		t.Fatalf("the simulated BOS: %v", err)
	}
	resp.Body.Close()
	if n := p.metrics().values["bos_sessions_listed"]; n < 10 {
		t.Errorf("%v sessions", n)
	}
	_, page := p.Get("/")
	for _, word := range []string{"(simulated)", "running", "stuck", "succeeded", "partial", "failed", "x1000", "<script"} {
		got := strings.Contains(page, word)
		if want := word != "x1000" && word != "<script"; got != want {
			t.Errorf("landing page contains %q: %t, want %t", word, got, want)
		}
	}
	p.stopsSoon()
}

func TestEndpoints(t *testing.T) {
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	p := start(t, "--bos.url="+w.url, "--web.telemetry-path=/bos")
	p.Ready()
	for path, want := range map[string]int{
		"/": 200, "/bos": 200, "/-/healthy": 200, "/-/ready": 200,
		"/metrics": 404, "/debug/pprof/": 404, "/debug/pprof/cmdline": 404, "/nowhere": 404,
	} {
		if code, _ := p.Get(path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	if _, page := p.Get("/"); !strings.Contains(page, `href="/bos"`) || !strings.Contains(page, "f4eebe51-a217-46d0-8733-b9499a092042") || strings.Contains(page, "pprof") {
		t.Errorf("landing page: %s", page)
	}
	resp, err := http.Post(p.URL+"/bos", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", resp.StatusCode)
	}
	profiled := start(t, "--bos.url="+w.url, "--web.enable-pprof")
	if code, _ := profiled.Get("/debug/pprof/cmdline"); code != 200 {
		t.Errorf("--web.enable-pprof: %d, want 200", code)
	}
}

func TestCollectorSwitches(t *testing.T) {
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	for _, c := range collectors.All {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "--bos.url="+w.url, "--no-collector."+c.Name)
			p.Ready()
			m := p.metrics().text
			for _, metric := range c.Metrics {
				if strings.Contains(m, "# TYPE "+metric.Name+" ") {
					t.Errorf("%s is still served", metric.Name)
				}
			}
			if strings.Contains(m, fmt.Sprintf(`bos_scrape_collector_success{collector="%s"}`, c.Name)) {
				t.Error("the collector ran")
			}
			if !strings.Contains(m, "bos_scrape_collector_success{") {
				t.Error("no collector ran")
			}
		})
	}
}

// Credentials reach BOS and nobody else.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "http.yml")
	if err := os.WriteFile(config, []byte("authorization:\n  credentials_file: token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	p := start(t, "--bos.url="+w.url, "--bos.http-config="+config, "--bos.interval=20ms", "--log.level=debug")
	p.Ready()
	w.mu.Lock()
	for _, h := range w.headers {
		if h.Get("Authorization") != "Bearer hunter2" {
			t.Errorf("a request without the token: headers %v", h)
		}
	}
	w.mu.Unlock()
	w.sim.Fail(bossim.Everything, bossim.Forbidden)
	w.swept()
	_, page := p.Get("/")
	for where, text := range map[string]string{"metrics": p.metrics().text, "landing page": page, "log": p.Log()} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the %s reveals the secret", where)
		}
	}
	if !strings.Contains(p.Log(), "check the credentials") {
		t.Error("the log does not say what to do")
	}
}

// A token server that hangs delays neither scrapes nor shutdown.
func TestTokenServerHangs(t *testing.T) {
	release := make(chan struct{})
	tokens := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer tokens.Close()
	defer close(release)
	config := filepath.Join(t.TempDir(), "http.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "oauth2:\n  client_id: me\n  client_secret: hunter2\n  token_url: %s\n", tokens.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	p := start(t, "--bos.url="+w.url, "--bos.http-config="+config, "--bos.interval=20ms", "--bos.timeout=500ms")
	programs.Eventually(t, func() string {
		if !strings.Contains(p.Log(), "no response within 500ms") {
			return "the timeout is not logged"
		}
		return ""
	})
	p.metrics().want(t, "bos_up", 0)
	p.stopsSoon()
}

func TestBasicAuth(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("hunter2"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "basic_auth_users:\n  prometheus: %s\n", hash), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	p := start(t, "--bos.url="+w.url, "--web.config.file="+config)
	if code, _ := p.Get("/metrics"); code != http.StatusUnauthorized {
		t.Errorf("without a password: %d", code)
	}
	req, err := http.NewRequest(http.MethodGet, p.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("prometheus", "hunter2")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("with the password: %d", resp.StatusCode)
	}
}

// What a server sends unasked is no more logged than its answers are, and nothing is
// logged in another format.
func TestUnaskedResponsesAreNotLogged(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhunter2")
		_, _ = io.Copy(io.Discard, conn) // until the client closes the connection
	}))
	defer server.Close()
	p := start(t, "--bos.url="+server.URL, "--bos.api=v1", "--bos.interval=50ms")
	p.Ready()
	programs.Eventually(t, func() string {
		if asked.Load() < 5 {
			return "BOS has not been asked five times"
		}
		return ""
	})
	p.stopsSoon()
	for line := range strings.Lines(p.Log()) {
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, "hunter2") {
			t.Errorf("logged: %s", line)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, flag := range []string{"--help", "--version"} {
		out, err := exec.Command(binary, flag).Output()
		if err != nil || !strings.Contains(string(out), "bos_exporter") {
			t.Errorf("%s: %v %s", flag, err, out)
		}
	}
}
