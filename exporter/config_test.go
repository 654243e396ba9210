package exporter

import (
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// server is a TLS server that speaks HTTP/2 to those who want it. It lists no
// sessions and gives out tokens.
type server struct {
	*httptest.Server
	ca       string         // a file
	together sync.WaitGroup // requests that are answered at the same time

	mu       sync.Mutex
	requests []string // protocol, method, path and the header Authorization
	conns    []*conn
}

// conn is a connection that can go dead: the other side notices nothing.
type conn struct {
	net.Conn
	dead atomic.Bool
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.dead.Load() {
			return n, err
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// listener keeps the connections of a server.
type listener struct {
	net.Listener
	server *server
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	kept := &conn{Conn: c}
	l.server.conns = append(l.server.conns, kept)
	return kept, nil
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{ca: filepath.Join(t.TempDir(), "ca.pem")}
	s.Server = httptest.NewUnstartedServer(s)
	s.Listener = listener{s.Listener, s}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	if err := os.WriteFile(s.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, strings.Join([]string{r.Proto, r.Method, r.URL.Path, r.Header.Get("Authorization")}, " "))
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/redirect":
		http.Redirect(w, r, "/token?secret=hunter2", http.StatusTemporaryRedirect)
	case "/token":
		fmt.Fprint(w, `{"access_token":"abc","expires_in":300.0,"token_type":"Bearer"}`)
	case "/v1/session":
		fmt.Fprint(w, `[]`)
	case "/v1/session/together":
		s.together.Done()
		s.together.Wait()
		fmt.Fprint(w, `{"operation":"boot"}`)
	default:
		http.NotFound(w, r)
	}
}

// goDead has all present connections go dead.
func (s *server) goDead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.dead.Store(true)
	}
}

// asked returns the requests since the last call.
func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.requests
	s.requests = nil
	return asked
}

// configured returns an exporter with this file for --bos.http-config. URL and CA
// stand for those of the server.
func (s *server) configured(t *testing.T, file string, log io.Writer, change ...func(*Config)) *Exporter {
	t.Helper()
	path := filepath.Join(t.TempDir(), "http.yml")
	if err := os.WriteFile(path, []byte(strings.NewReplacer("URL", s.URL, "CA", s.ca).Replace(file)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config(s.URL)
	cfg.API = bos.APIv1
	cfg.HTTPConfig = path
	cfg.Timeout = time.Second
	for _, c := range change {
		c(&cfg)
	}
	e, err := New(cfg, slog.New(slog.NewTextHandler(log, nil)), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.client.CloseIdleConnections)
	return e
}

const (
	toBOS    = "HTTP/1.1 GET /v1/session "
	forToken = "HTTP/1.1 POST /token "
)

func TestHTTPConfig(t *testing.T) {
	s := newServer(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("Bearer from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, config string
		want         []string
		err          bos.Reason
	}{
		{"no credentials", "tls_config: {ca_file: CA}", []string{toBOS}, ""},
		{"a token", "tls_config: {ca_file: CA}\nauthorization: {credentials: abc}", []string{toBOS + "Bearer abc"}, ""},
		{"a token pasted with Bearer", "tls_config: {ca_file: CA}\nauthorization: {credentials: Bearer abc}", []string{toBOS + "Bearer abc"}, ""},
		{"one in a file", "tls_config: {ca_file: CA}\nauthorization: {credentials_file: " + file + "}", []string{toBOS + "Bearer from-file"}, ""},
		{"one of the old setting", "tls_config: {ca_file: CA}\nbearer_token: bearer abc", []string{toBOS + "Bearer abc"}, ""},
		{"basic authentication", "tls_config: {ca_file: CA}\nbasic_auth: {username: me, password: hunter2}", []string{toBOS + "Basic bWU6aHVudGVyMg=="}, ""},
		{"OAuth2", `
tls_config: {ca_file: CA}
oauth2: {client_id: me, client_secret: hunter2, token_url: " URL/token ", tls_config: {ca_file: CA}}`,
			[]string{forToken, toBOS + "Bearer abc"}, ""},
		{"OAuth2 with a token server that redirects", `
tls_config: {ca_file: CA}
oauth2: {client_id: me, client_secret: hunter2, token_url: URL/redirect, tls_config: {ca_file: CA}}`,
			[]string{"HTTP/1.1 POST /redirect "}, bos.Unauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := s.configured(t, tt.config, io.Discard)
			_, err := e.apis.All()[0].List(t.Context(), true)
			if (err != nil) != (tt.err != "") || err != nil && (bos.ReasonOf(err) != tt.err || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if got := s.asked(); !slices.Equal(got, tt.want) {
				t.Errorf("got requests  %q\nwant requests %q", got, tt.want)
			}
		})
	}
}

// Short headers take many times their size in memory.
func TestHugeHeadersAreRefused(t *testing.T) {
	huge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range bosclient.MaxHeaderBytes / 16 {
			w.Header().Set(fmt.Sprintf("X-%d", i), "0123456789")
		}
		fmt.Fprint(w, `[]`)
	}))
	defer huge.Close()
	s := newServer(t)
	for _, tt := range []struct{ name, config string }{
		{"BOS", "proxy_url: " + huge.URL},
		{"BOS, with a CA", "proxy_url: " + huge.URL + "\ntls_config: {ca_file: CA}"},
		{"token server", "oauth2: {client_id: me, client_secret: hunter2, token_url: " + huge.URL + "}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := s.configured(t, tt.config, io.Discard, func(c *Config) { c.URL = "http://bos.test" })
			if _, err := e.apis.All()[0].List(t.Context(), true); err == nil || !strings.Contains(err.Error(), "headers exceeded") {
				t.Errorf("got error %v, want one about the headers", err)
			}
		})
	}
}

func TestUnverifiedTLSIsReportedOnce(t *testing.T) {
	s := newServer(t)
	for _, tt := range []struct {
		name, config string
		want         bool
	}{
		{"verified", "tls_config: {ca_file: CA}", false},
		{"towards BOS", "tls_config: {insecure_skip_verify: true}", true},
		{"towards the token server", `
tls_config: {ca_file: CA}
oauth2: {client_id: me, client_secret: hunter2, token_url: URL/token, tls_config: {insecure_skip_verify: true}}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log strings.Builder
			e := s.configured(t, tt.config, &log)
			for range 2 {
				if _, err := e.apis.All()[0].List(t.Context(), true); err != nil {
					t.Fatal(err)
				}
			}
			warnings := strings.Count(log.String(), "TLS certificates are not verified")
			if e.insecureTLS != tt.want || warnings > 1 || (warnings == 1) != tt.want {
				t.Errorf("insecure: got %t, want %t; logged %d times:\n%s", e.insecureTLS, tt.want, warnings, log.String())
			}
		})
	}
}

// Connections that go dead without a word cost the time of one request, however many
// there are.
func TestDeadConnectionsAreNotUsedAgain(t *testing.T) {
	s := newServer(t)
	e := s.configured(t, "tls_config: {ca_file: CA}", io.Discard)
	s.together.Add(bosclient.DefaultConcurrency)
	var g errgroup.Group
	for range bosclient.DefaultConcurrency {
		g.Go(func() error {
			session := inventory.Listed{Key: bos.Key{API: bos.APIv1, ID: "together"}}
			_, err := e.apis.All()[0].Open().Describe(t.Context(), session, inventory.Reading{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	s.goDead()
	if _, err := e.apis.All()[0].List(t.Context(), true); !bos.IsTimeout(err) {
		t.Errorf("got error %v, want a timeout", err)
	}
	if _, err := e.apis.All()[0].List(t.Context(), true); err != nil {
		t.Errorf("after the timeout: %v", err)
	}
}
