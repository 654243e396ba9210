package exporter

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/goleak"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config returns a valid configuration.
func config(url string) Config {
	addresses, file := []string{"127.0.0.1:0"}, ""
	cfg := DefaultConfig()
	cfg.URL = url
	cfg.Collectors = collectors.All
	cfg.Web = &web.FlagConfig{WebListenAddresses: &addresses, WebConfigFile: &file}
	return cfg
}

func newExporter(t *testing.T, scenario bossim.Scenario) *Exporter {
	t.Helper()
	clock := bossim.NewSteppedClock(bossim.DocumentedTime)
	server := httptest.NewServer(bossim.New(scenario, bossim.EraC, clock.Now))
	t.Cleanup(server.Close)
	e, err := New(config(server.URL), slog.New(slog.DiscardHandler), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.client.CloseIdleConnections)
	return e
}

// Nothing that Run starts outlives it: TestMain checks for leaks.
func TestRunLeavesNothingBehind(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	for e.inventory.Snapshot().Swept.IsZero() {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunReportsWhyItCannotServe(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	e := newExporter(t, bossim.Documented())
	*e.cfg.Web.WebListenAddresses = []string{taken.Listener.Addr().String()}
	if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got error %v, want one that says the address is already in use", err)
	}
}

func scrape(t *testing.T, e *Exporter, path string, header map[string]string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	e.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Result()
}

// Prometheus can negotiate the format and select families.
func TestFormats(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	e.inventory.Sweep(t.Context())
	for _, tt := range []struct{ name, accept, contentType, contains string }{
		{"text", "", "text/plain; version=0.0.4", `bos_session_completions_total{operation="boot",state="failed"} 0`},
		{"OpenMetrics", "application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0", "# EOF"},
		{"protobuf", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", "application/vnd.google.protobuf", "bos_session_state"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := scrape(t, e, "/metrics", map[string]string{"Accept": tt.accept})
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, tt.contentType) {
				t.Errorf("content type %s, want %s", got, tt.contentType)
			}
			if !strings.Contains(string(body), tt.contains) {
				t.Errorf("%d bytes without %q", len(body), tt.contains)
			}
		})
	}
	// Selecting one family must not take the others away from later scrapes.
	for range 2 {
		body, err := io.ReadAll(scrape(t, e, "/metrics?name[]=bos_up", nil).Body)
		if err != nil || !strings.Contains(string(body), "bos_up 1") || strings.Contains(string(body), "bos_session_info{") {
			t.Errorf("one family: %v %s", err, body)
		}
		body, err = io.ReadAll(scrape(t, e, "/metrics", nil).Body)
		if err != nil || !strings.Contains(string(body), "bos_session_info{") {
			t.Errorf("all families: %v %s", err, body)
		}
	}
}

// landing returns the landing page.
func landing(t *testing.T, e *Exporter) string {
	t.Helper()
	body, err := io.ReadAll(scrape(t, e, "/", nil).Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// During the first sweep, sessions are shown before all of them have been read.
func TestPagesTellThatTheFirstSweepIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := bossim.New(bossim.Documented(), bossim.EraC, bossim.NewSteppedClock(bossim.DocumentedTime).Now)
		sim.Observe(func(*http.Request) { time.Sleep(10 * time.Second) })
		cfg := config("http://bos.test")
		cfg.Timeout, cfg.Transport = time.Minute, inprocess.Transport(sim)
		e, err := New(cfg, slog.New(slog.DiscardHandler), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		ready := func() string {
			w := httptest.NewRecorder()
			e.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, readyPath, nil))
			return w.Body.String()
		}
		const beingRead = "still being read"
		begun, swept := time.Now(), make(chan struct{})
		go func() {
			defer close(swept)
			e.inventory.Sweep(t.Context())
		}()
		shown := false
		time.Sleep(time.Second / 2) // so as not to look just when a request ends
		for under := true; under; {
			want := "BOS has not answered successfully yet"
			if e.inventory.Snapshot().Up {
				want = "BOS answers, but the first good sweep is still under way"
			}
			if got := ready(); !strings.Contains(got, want) {
				t.Errorf("after %s: %s", time.Since(begun), got)
			}
			page := landing(t, e)
			if !strings.Contains(page, beingRead) {
				t.Errorf("after %s, the landing page lacks %q", time.Since(begun), beingRead)
			}
			shown = shown || strings.Contains(page, "<table>")
			select {
			case <-swept:
				under = false
			case <-time.After(time.Second):
			}
		}
		if !shown {
			t.Error("no session was shown during the first sweep")
		}
		if got, page := ready(), landing(t, e); got != "bos_exporter is ready.\n" || strings.Contains(page, beingRead) {
			t.Errorf("after the first sweep: %s%s", got, page)
		}
	})
}

func TestLandingPageOfAnEmptyBOS(t *testing.T) {
	e := newExporter(t, bossim.Scripted())
	for _, want := range []string{"not contacted yet", "still being read"} {
		if !strings.Contains(landing(t, e), want) {
			t.Errorf("before the first sweep the page lacks %q", want)
		}
	}
	e.inventory.Sweep(t.Context())
	if want := "No sessions to show"; !strings.Contains(landing(t, e), want) {
		t.Errorf("after the first sweep the page lacks %q", want)
	}
}

func TestLandingPageIsBoundedAndEscaped(t *testing.T) {
	specs := make([]bossim.Spec, landingRows+5)
	for i := range specs {
		specs[i] = bossim.Spec{Operation: bos.Shutdown, Template: "<b>", Created: bossim.DocumentedTime.Add(-time.Hour),
			BootSets: []bossim.BootSetSpec{{Name: "<i>", Nodes: bossim.Nodes(2)}}}
	}
	e := newExporter(t, bossim.Scripted(specs...))
	e.inventory.Sweep(t.Context())
	page := landing(t, e)
	for _, want := range []string{"and 5 more", "&lt;b&gt;", "&lt;i&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, unwanted := range []string{"<b></td>", "<td><b>", "<i>"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("the page contains %q", unwanted)
		}
	}
	if n := strings.Count(page, "<tr>") - 1; n != landingRows {
		t.Errorf("the page has %d sessions, want %d", n, landingRows)
	}
}

// The page claims neither that a session has no nodes, nor that none has failed, where that
// is not known, and tells totals from nodes.
func TestLandingPageShowsNoNumbersOfUnknownNodes(t *testing.T) {
	server := httptest.NewServer(bossim.New(bossim.DocumentedV2(), bossim.EraD2, bossim.NewSteppedClock(time.Date(2026, 3, 2, 9, 21, 5, 0, time.UTC)).Now))
	t.Cleanup(server.Close)
	e, err := New(config(server.URL), slog.New(slog.DiscardHandler), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.client.CloseIdleConnections)
	e.inventory.Sweep(t.Context())
	rows := strings.Split(landing(t, e), "<tr>")
	for _, tt := range []struct {
		name, session, want string
	}{
		{"pending", "uan-boot-0302", `<td class="number soft">–</td>`},
		{"nodes moved on", "compute-boot-0301", "only totals are known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := slices.IndexFunc(rows, func(row string) bool { return strings.Contains(row, tt.session) })
			if i < 0 {
				t.Fatalf("the page lacks the session %s", tt.session)
			}
			if !strings.Contains(rows[i], tt.want) {
				t.Errorf("the row lacks %q:\n%s", tt.want, rows[i])
			}
		})
	}
}

// Sessions are told apart by their API where those of several are listed.
func TestLandingPageMarksAPIs(t *testing.T) {
	session := func(id string, api bossim.API) bossim.Spec {
		return bossim.Spec{ID: id, API: api, Operation: bos.Shutdown, Template: "compute", Created: bossim.DocumentedTime.Add(-time.Hour),
			BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(2)}}}
	}
	older, newer := session("older", bossim.V1), session("newer", bossim.V2)
	for _, tt := range []struct {
		name     string
		sessions []bossim.Spec
		want     []string
	}{
		{"v1 alone", []bossim.Spec{older}, nil},
		{"v2 alone", []bossim.Spec{newer}, nil},
		{"both", []bossim.Spec{older, newer}, []string{"API v1", "API v2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(bossim.New(bossim.Scripted(tt.sessions...), bossim.EraBoth, bossim.NewSteppedClock(bossim.DocumentedTime).Now))
			t.Cleanup(server.Close)
			e, err := New(config(server.URL), slog.New(slog.DiscardHandler), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(e.client.CloseIdleConnections)
			e.inventory.Sweep(t.Context())
			rows, _ := landingSessions(e.inventory.Snapshot())
			if len(rows) != len(tt.sessions) {
				t.Errorf("there are %d sessions, want %d", len(rows), len(tt.sessions))
			}
			var marks []string
			for _, row := range rows {
				marks = append(marks, row.Marks...)
			}
			slices.Sort(marks)
			if !slices.Equal(marks, tt.want) {
				t.Errorf("the marks are %q, want %q", marks, tt.want)
			}
		})
	}
}

func TestLandingPageShowsUnverifiedTLS(t *testing.T) {
	s := newServer(t)
	for _, tt := range []struct {
		name, config string
		want         bool
	}{
		{"verified", "tls_config: {ca_file: CA}", false},
		{"not verified", "tls_config: {insecure_skip_verify: true}", true},
		{"not verified for the token server", `
tls_config: {ca_file: CA}
oauth2: {client_id: me, client_secret: hunter2, token_url: URL/token, tls_config: {insecure_skip_verify: true}}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := landing(t, s.configured(t, tt.config, io.Discard))
			if got := strings.Contains(page, "TLS certificates are not verified"); got != tt.want {
				t.Errorf("the page says that TLS certificates are not verified: %t, want %t", got, tt.want)
			}
		})
	}
}

// Pages carry headers that keep scripts, other sites and frames out, and the policy
// allows the style sheet that the landing page really holds.
func TestSecurityHeaders(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	get := func(method, path string) (http.Header, string) {
		w := httptest.NewRecorder()
		e.Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Header(), w.Body.String()
	}
	for _, tt := range []struct{ name, method, path string }{
		{"landing page", http.MethodGet, "/"},
		{"health", http.MethodGet, healthyPath},
		{"readiness", http.MethodGet, readyPath},
		{"not found", http.MethodGet, "/nowhere"},
		{"method not allowed", http.MethodPost, "/metrics"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header, _ := get(tt.method, tt.path)
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff",
				"X-Frame-Options":        "DENY",
				"Referrer-Policy":        "no-referrer",
			} {
				if got := header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			policy := strings.Split(header.Get("Content-Security-Policy"), "; ")
			for _, want := range []string{"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
				if !slices.Contains(policy, want) {
					t.Errorf("the content security policy %q lacks %q", policy, want)
				}
			}
		})
	}

	header, page := get(http.MethodGet, "/")
	_, rest, found := strings.Cut(page, "<style>")
	style, rest, closed := strings.Cut(rest, "</style>")
	if !found || !closed || strings.Contains(rest, "<style") || strings.Contains(page, "style=") || strings.Contains(page, "<script") {
		t.Fatalf("the landing page has more than one style sheet, or a script:\n%s", page)
	}
	sum := sha256.Sum256([]byte(style))
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(header.Get("Content-Security-Policy"), want) {
		t.Errorf("the content security policy %q lacks %q, the hash of the style sheet", header.Get("Content-Security-Policy"), want)
	}
	if !strings.Contains(page, `<meta http-equiv="refresh"`) {
		t.Error("the landing page does not refresh itself")
	}
}

// What an administrator configures in --web.config.file wins.
func TestConfiguredHeadersStay(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	w := httptest.NewRecorder()
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	e.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := w.Header().Values("X-Frame-Options"); !slices.Equal(got, []string{"SAMEORIGIN"}) {
		t.Errorf("X-Frame-Options is %q, want SAMEORIGIN", got)
	}
}
