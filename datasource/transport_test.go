package datasource

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// gateway is a TLS server that speaks HTTP/2 to those who want it. It lists no
// sessions and gives out tokens.
type gateway struct {
	*httptest.Server

	mu       sync.Mutex
	requests []string // protocol, method, path and the header Authorization
	open     int      // connections
	closed   chan struct{}
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{closed: make(chan struct{}, 1)}
	g.Server = httptest.NewUnstartedServer(g)
	g.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		g.mu.Lock()
		defer g.mu.Unlock()
		switch state {
		case http.StateNew:
			g.open++
		case http.StateClosed:
			if g.open--; g.open == 0 {
				select {
				case g.closed <- struct{}{}:
				default:
				}
			}
		}
	}
	g.EnableHTTP2 = true
	g.StartTLS()
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.requests = append(g.requests, strings.Join([]string{r.Proto, r.Method, r.URL.Path, r.Header.Get("Authorization")}, " "))
	g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/redirect":
		http.Redirect(w, r, "/token?secret=hunter2", http.StatusPermanentRedirect)
	case "/token":
		fmt.Fprint(w, `{"access_token":"abc","expires_in":"300","token_type":"Bearer"}`)
	default:
		fmt.Fprint(w, `[]`)
	}
}

// Each way to sign in uses HTTP/1, where a request that times out takes its connection
// with it, and ends with its connections closed.
func TestTransport(t *testing.T) {
	const list = "HTTP/1.1 GET /v1/session "
	for _, tt := range []struct {
		name, oauth2 string
		secrets      map[string]string
		basic        bool
		want         []string
		err          string
	}{
		{name: "no credentials", want: []string{list}},
		{name: "a token", secrets: map[string]string{"bearerToken": "abc"}, want: []string{list + "Bearer abc"}},
		{name: "a token pasted with Bearer", secrets: map[string]string{"bearerToken": " Bearer abc\n"}, want: []string{list + "Bearer abc"}},
		{name: "basic authentication", basic: true, secrets: map[string]string{"basicAuthPassword": "hunter2"}, want: []string{list + "Basic bWU6aHVudGVyMg=="}},
		{name: "OAuth2", oauth2: `{"clientId":"me","tokenUrl":" URL/token "}`, secrets: map[string]string{"oauth2ClientSecret": "hunter2"},
			want: []string{"HTTP/1.1 POST /token ", list + "Bearer abc"}},
		{name: "OAuth2 with a token server that redirects", oauth2: `{"clientId":"me","tokenUrl":"URL/redirect"}`, secrets: map[string]string{"oauth2ClientSecret": "hunter2"},
			want: []string{"HTTP/1.1 POST /redirect "}, err: "the token server redirects to URL/token, "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t)
			options := map[string]any{"tlsAuthWithCACert": true, "api": "v1"}
			if tt.oauth2 != "" {
				options["oauth2"] = json.RawMessage(strings.ReplaceAll(tt.oauth2, "URL", g.URL))
			}
			w := newWorld(t, bossim.Scripted(), func(s *backend.DataSourceInstanceSettings) {
				s.URL = " " + g.URL + "/v1 "
				s.BasicAuthEnabled, s.BasicAuthUser = tt.basic, "me"
				s.DecryptedSecureJSONData = map[string]string{"tlsCACert": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw}))}
				maps.Copy(s.DecryptedSecureJSONData, tt.secrets)
				var err error
				if s.JSONData, err = json.Marshal(options); err != nil {
					t.Fatal(err)
				}
			})
			_, err := w.ds.apis.All()[0].List(t.Context(), true)
			want := strings.ReplaceAll(tt.err, "URL", g.URL)
			if (err != nil) != (want != "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("got error %v, want one with %q", err, want)
			}
			g.mu.Lock()
			if !slices.Equal(g.requests, tt.want) {
				t.Errorf("got requests  %q\nwant requests %q", g.requests, tt.want)
			}
			g.mu.Unlock()
			w.ds.client.CloseIdleConnections()
			select {
			case <-g.closed:
			case <-time.After(10 * time.Second):
				t.Error("connections are still open")
			}
		})
	}
}

// warnings is a logger that keeps the warnings.
type warnings struct {
	log.Logger
	text string
}

func (w *warnings) Debug(string, ...any)                   {}
func (w *warnings) Info(string, ...any)                    {}
func (w *warnings) Warn(message string, _ ...any)          { w.text += message + "\n" }
func (w *warnings) With(...any) log.Logger                 { return w }
func (w *warnings) FromContext(context.Context) log.Logger { return w }

// An instance warns once if it does not verify certificates.
func TestUnverifiedTLSIsLogged(t *testing.T) {
	for _, tt := range []struct {
		name, options string
		want          int
	}{
		{"verified", `{}`, 0},
		{"not verified", `{"tlsSkipVerify":true}`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			warnings := new(warnings)
			defer func(old log.Logger) { log.DefaultLogger = old }(log.DefaultLogger)
			log.DefaultLogger = warnings
			w := newWorld(t, bossim.Scripted(), func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(tt.options) })
			for range 2 {
				w.query(`{"queryType":"sessions"}`)
			}
			if got := strings.Count(warnings.text, "TLS certificates are not verified"); got != tt.want {
				t.Errorf("logged %d times, want %d: %s", got, tt.want, warnings.text)
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
	w := newWorld(t, bossim.Scripted(), func(s *backend.DataSourceInstanceSettings) { s.URL = huge.URL })
	if r := w.query(`{"queryType":"sessions"}`); r.Error == nil || !strings.Contains(r.Error.Error(), "headers exceeded") {
		t.Errorf("got error %v, want one about the headers", r.Error)
	}
}
