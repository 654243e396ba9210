package bosclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// transport is a RoundTripper made of a function.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// answer has every request answered alike.
func answer(status int, contentType, body string) transport {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status,
			Header:     http.Header{"Content-Type": {contentType}},
			Body:       io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

// redirect answers every request with a redirect.
func redirect(status int, location string) transport {
	return func(r *http.Request) (*http.Response, error) {
		resp, err := answer(status, "text/html", "")(r)
		resp.Request, resp.Header = r, http.Header{"Location": {location}}
		return resp, err
	}
}

func newClient(t *testing.T, rt http.RoundTripper, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{URL: "http://bos.test/apis/bos", Transport: rt, Timeout: 5 * time.Second, Concurrency: 2}
	for _, c := range change {
		c(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewChecksURL(t *testing.T) {
	for _, tt := range []struct{ url, want, err string }{
		{url: "", err: "missing"},
		{url: " \n", err: "missing"},
		{url: "cray-bos/v1", err: "http://"},
		{url: "ftp://cray-bos", err: "http://"},
		{url: "http://:80", err: "a host"},
		{url: "http://cray-bos:99999", err: "a port"},
		{url: "http://cray-bos?", err: "end with its path"},
		{url: "http://", err: "http://"},
		{url: "http://user:pw@cray-bos", err: "password"},
		{url: "http://cray-bos/v1?x=1", err: "end with its path"},
		{url: "http://cray-bos/v1#x", err: "end with its path"},
		{url: "http://cray bos:pw@x:y/", err: "cannot be parsed"},
		{url: "://secret:pw@host/apis/bos", err: "cannot be parsed"},
		{url: "https://api/apis/bos", want: "https://api/apis/bos"},
		{url: "https://api/apis/bos/v1/", want: "https://api/apis/bos"},
		{url: "https://api/apis/bos/v2", want: "https://api/apis/bos"},
		{url: "https://api/apis/bos/v3", want: "https://api/apis/bos/v3"},
		{url: "http://cray-bos/v2/", want: "http://cray-bos"},
		{url: "http://[fd00::1]:8080//", want: "http://[fd00::1]:8080"},
		{url: " \thttp://cray-bos/v1\r\n", want: "http://cray-bos"},
	} {
		t.Run(tt.url, func(t *testing.T) {
			c, err := New(Config{URL: tt.url, Timeout: time.Second, Concurrency: 1})
			switch {
			case tt.err == "" && err != nil:
				t.Fatal(err)
			case tt.err == "":
				if c.URL() != tt.want {
					t.Errorf("got %q, want %q", c.URL(), tt.want)
				}
			case err == nil || !strings.HasPrefix(err.Error(), "url: ") || !strings.Contains(err.Error(), tt.err):
				t.Errorf("got error %v, want one about url with %q", err, tt.err)
			case strings.Contains(err.Error(), "pw"):
				t.Errorf("the error reveals a secret: %v", err)
			}
		})
	}
}

func TestNewChecksSettings(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no timeout", func(c *Config) { c.Timeout = 0 }, "timeout=0s: must be at least 1ms"},
		{"a timeout too short", func(c *Config) { c.Timeout = 1 }, "timeout=1ns: must be at least 1ms"},
		{"no concurrency", func(c *Config) { c.Concurrency = 0 }, "concurrency=0: must be at least 1"},
		{"a tenant with a space", func(c *Config) { c.Tenant = "a b" }, `tenant="a b": `},
		{"a tenant that adds a header", func(c *Config) { c.Tenant = "a\r\nX: y" }, `tenant="a\r\nX: y": `},
		{"a tenant beyond ASCII", func(c *Config) { c.Tenant = "blå" }, `tenant="blå": `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{URL: "http://bos.test", Timeout: time.Second, Concurrency: 1}
			tt.change(&cfg)
			if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that begins with %s", err, tt.want)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	var seen *http.Request
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		seen = r
		return nil, errors.New("enough")
	}), func(cfg *Config) { cfg.Tenant, cfg.UserAgent = "vcluster-blue", "test/1" })
	ctx := t.Context()
	for want, call := range map[string]func() error{
		"/apis/bos/v1/session":          func() error { _, err := c.Sessions(ctx); return err },
		"/apis/bos/v1/session/a%2Fb":    func() error { _, err := c.Session(ctx, "a/b"); return err },
		"/apis/bos/v1/session/x/status": func() error { _, err := c.SessionBootSets(ctx, "x"); return err },
		"/apis/bos/v1/session/x/status/%22my%22%20set%2F..%2F%3Fq=%23%C3%A9": func() error {
			_, err := c.BootSet(ctx, "x", `"my" set/../?q=#é`, recorder())
			return err
		},
		"/apis/bos/v1/sessiontemplate/cle-1.3.0": func() error { _, err := c.TemplateBootSets(ctx, "cle-1.3.0"); return err },
	} {
		if err := call(); ReasonOf(err) != Unavailable {
			t.Errorf("%s: %v", want, err)
		}
		if seen.Method != http.MethodGet || seen.URL.EscapedPath() != want || seen.URL.RawQuery != "" || seen.Body != nil {
			t.Errorf("%s %s, want GET %s", seen.Method, seen.URL.EscapedPath(), want)
		}
		if seen.Header.Get("Cray-Tenant-Name") != "vcluster-blue" || seen.Header.Get("User-Agent") != "test/1" {
			t.Errorf("headers %v", seen.Header)
		}
	}
}

func TestNamesThatLeadElsewhere(t *testing.T) {
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s was asked for", r.URL)
		return nil, errors.New("no")
	}))
	for _, name := range []string{"", ".", ".."} {
		if _, err := c.Session(t.Context(), name); ReasonOf(err) != NotFound {
			t.Errorf("session %q: %v", name, err)
		}
		if _, err := c.BootSet(t.Context(), "id", name, recorder()); ReasonOf(err) != NotFound {
			t.Errorf("boot set %q: %v", name, err)
		}
		if _, err := c.TemplateBootSets(t.Context(), name); ReasonOf(err) != NotFound {
			t.Errorf("template %q: %v", name, err)
		}
	}
}

func TestErrors(t *testing.T) {
	const problem = "application/problem+json"
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct {
		name   string
		rt     transport
		reason Reason
		says   []string
		not    string
	}{
		{"not found, empty", answer(404, "application/json", ""), NotFound, []string{"404", "not found"}, ""},
		{"forbidden by the gateway", answer(403, "text/plain", "Unauthorized Request\n"), Unauthorized, []string{"403", "credentials", "Unauthorized Request"}, ""},
		{"unauthorized", answer(401, "text/html", "<html>"), Unauthorized, []string{"401", "credentials"}, "<html>"},
		{"problem", answer(500, problem, `{"title":"Internal Server Error","detail":"It broke","status":500}`), Unavailable, []string{"500", "It broke"}, ""},
		{"problem without detail", answer(503, problem, `{"title":"Service Unavailable"}`), Unavailable, []string{"503", "Service Unavailable"}, ""},
		{"problem that is none", answer(503, problem, `{`), Unavailable, []string{"503"}, ""},
		{"tenancy", answer(400, problem, `{"detail":"Multi-tenancy not supported"}`), Malformed, []string{"400", "Multi-tenancy not supported"}, ""},
		{"redirect to nowhere", answer(302, "", ""), Malformed, []string{"redirects elsewhere"}, ""},
		{"redirect", redirect(302, "https://me:hunter2@sso.test:8443/auth/login?ticket=hunter2#hunter2"), Malformed,
			[]string{"redirects to https://sso.test:8443/auth/login; redirects are not followed"}, "hunter2"},
		{"redirect on the same host", redirect(308, "/apis/bos/v1/session/?ticket=hunter2"), Malformed,
			[]string{"redirects to http://bos.test/apis/bos/v1/session/;"}, "hunter2"},
		{"problem with a byte order mark", answer(500, problem, "\uFEFF"+`{"detail":"It broke"}`), Unavailable, []string{"It broke"}, ""},
		{"long text", answer(502, "text/plain", long), Unavailable, []string{"502"}, long},
		{"many lines", answer(502, "text/plain", "one\ntwo\x00\xff"), Unavailable, []string{"one two"}, "\n"},
		{"HTML page", answer(200, "text/html", "<html>hello</html>"), Malformed, []string{"not an answer of the BOS API"}, ""},
		{"empty", answer(200, "application/json", ""), Malformed, []string{"empty"}, ""},
		{"cut short", answer(200, "application/json", `["a",`), Malformed, nil, ""},
		{"two values", answer(200, "application/json", `[] []`), Malformed, []string{"more than one"}, ""},
		{"of another shape", answer(200, "application/json", `{"a":1}`), Malformed, []string{"want an array, got an object"}, ""},
		{"element of another kind", answer(200, "application/json", `["a",{}]`), Malformed, []string{"want a string"}, ""},
		{"null", answer(200, "application/json", `null`), Malformed, nil, ""},
		{"too long", answer(200, "application/json", "["+strings.Repeat(" ", 1<<20)), Malformed, []string{"the response is longer than 1 MiB"}, ""},
		{"too many sessions", answer(200, "application/json", "["+strings.Repeat(`"a",`, 10_000)+`"a"]`), Malformed, []string{"there are more than 10000 sessions"}, ""},
		{"name too long", answer(200, "application/json", `["`+strings.Repeat("a", 1<<10+1)+`"]`), Malformed, []string{"/0: a name is longer than 1 KiB"}, ""},
		{"string too long", answer(200, "application/json", `["`+strings.Repeat("a", 1<<20)+`"]`), Malformed, []string{"a string in the response is longer than 256 KiB"}, ""},
		{"connection refused", func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, Unavailable, []string{"connection refused"}, ""},
		{"connection closed", func(*http.Request) (*http.Response, error) { return nil, io.EOF }, Unavailable, []string{"the connection was closed"}, ""},
		{"token refused", func(*http.Request) (*http.Response, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: 401}, Body: []byte("secret"), ErrorCode: "invalid_client"}
		}, Unauthorized, []string{"invalid_client"}, "secret"},
		{"token server down", func(*http.Request) (*http.Response, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: 503}}
		}, Unavailable, []string{"token server"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var code string
			c := newClient(t, tt.rt, func(cfg *Config) {
				cfg.Observe = func(r Resource, observed string, _ time.Duration) {
					if r != List {
						t.Errorf("observed resource %s", r)
					}
					code = observed
				}
			})
			_, err := c.Sessions(t.Context())
			var e *Error
			if !errors.As(err, &e) || e.Reason != tt.reason || ReasonOf(err) != tt.reason {
				t.Fatalf("%v, want %s", err, tt.reason)
			}
			if code == "" {
				t.Error("the request was not observed")
			}
			for _, s := range append(tt.says, "http://bos.test/apis/bos/v1/session") {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
			if tt.not != "" && strings.Contains(err.Error(), tt.not) {
				t.Errorf("%q says %q", err, tt.not)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	var code string
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}), func(cfg *Config) {
		cfg.Timeout = time.Millisecond
		cfg.Observe = func(_ Resource, observed string, _ time.Duration) { code = observed }
	})
	_, err := c.Sessions(t.Context())
	if !IsTimeout(err) || ReasonOf(err) != Unavailable || !strings.Contains(err.Error(), "no response within 1ms") {
		t.Errorf("%v", err)
	}
	if code != "timeout" {
		t.Errorf("observed code %q", code)
	}
	code = ""
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Sessions(ctx); !errors.Is(err, context.Canceled) || code != "" {
		t.Errorf("cancelled: %v, observed %q", err, code)
	}
	if gateway := (&Error{Status: 504}); !gateway.Timeout() {
		t.Error("504 of a gateway is no time-out")
	}
}

func TestClockOfBOS(t *testing.T) {
	date := ""
	c := newClient(t, transport(func(*http.Request) (*http.Response, error) {
		resp, _ := answer(200, "application/json", "[]")(nil)
		resp.Header.Set("Date", date)
		return resp, nil
	}))
	ahead := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, tt := range []struct {
		date string
		want time.Duration // ahead of us
	}{
		{"", 0},
		{ahead(2 * time.Hour), 0}, // once is not enough
		{ahead(2 * time.Hour), 2 * time.Hour},
		{"nonsense", 2 * time.Hour}, // what was known stands
		{ahead(100 * 365 * 24 * time.Hour), 2 * time.Hour},
		{ahead(2 * time.Hour), 2 * time.Hour},
		{ahead(2*time.Hour + 30*time.Second), 2*time.Hour + 30*time.Second}, // no jump
		{ahead(2 * time.Second), 2*time.Hour + 30*time.Second},
		{ahead(2 * time.Second), 0},
		{ahead(-time.Hour), 0},
		{ahead(-time.Hour), -time.Hour},
	} {
		date = tt.date
		if _, err := c.Sessions(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := time.Until(c.Now()); (got - tt.want).Abs() > 3*time.Second {
			t.Errorf("date %q: the clock of BOS is %s ahead, want %s", tt.date, got, tt.want)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	c := newClient(t, &http.Transport{DisableKeepAlives: true}, func(cfg *Config) { cfg.URL = server.URL })
	if _, err := c.Sessions(t.Context()); ReasonOf(err) != Malformed {
		t.Error(err)
	}
	if asked != 1 {
		t.Errorf("%d requests", asked)
	}
}

func TestSessions(t *testing.T) {
	c := newClient(t, answer(200, "application/json", `["b", "a", "b"]`))
	ids, err := c.Sessions(t.Context())
	if want := []string{"a", "b"}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("%v %v, want %v", ids, err, want)
	}
}

// manyMembers is a description with so many members.
func manyMembers(n int) string {
	b := []byte(`{"operation":"boot"`)
	for i := range n - 1 {
		b = fmt.Appendf(b, `,"%d":":"`, i)
	}
	return string(append(b, '}'))
}

func TestSession(t *testing.T) {
	printed := time.Date(2022, 8, 22, 12, 22, 33, 708209000, time.UTC)
	for _, tt := range []struct {
		name string
		body string
		want bos.Session // ID and API apart
		err  string
	}{
		{"later releases, running", `{"complete":false,"error_count":0,"in_progress":false,"job":"boa-1","operation":"Reboot",
			"start_time":"2022-08-22T12:22:33.708209Z","status_link":"/v1/session/x/status","stop_time":null,"templateName":"cle"}`,
			bos.Session{Operation: "reboot", Template: "cle", Job: "boa-1", Metadata: bos.Metadata{
				Complete: bos.Some(false), InProgress: bos.Some(false), ErrorCount: bos.Some(0), StartTime: printed}}, ""},
		{"early releases", `{"boa_job_name":"boa-1","templateUuid":"cle","operation":"boot","complete":true,"in_progress":false,
			"error_count":4,"start_time":"2022-08-22 12:22:33.708209","stop_time":"2022-08-22 12:22:33.708209"}`,
			bos.Session{Operation: "boot", Template: "cle", Job: "boa-1", Metadata: bos.Metadata{
				Complete: bos.Some(true), InProgress: bos.Some(false), ErrorCount: bos.Some(4), StartTime: printed, StopTime: printed}}, ""},
		{"no status record", `{"templateName":"cle","operation":"boot","complete":"","in_progress":"","error_count":"","start_time":"","stop_time":""}`,
			bos.Session{Operation: "boot", Template: "cle"}, ""},
		{"missing metadata", `{"operation":"boot"}`, bos.Session{Operation: "boot"}, ""},
		{"ints, strings and nulls", `{"operation":null,"complete":1,"in_progress":"False","error_count":"7","start_time":null}`,
			bos.Session{Metadata: bos.Metadata{Complete: bos.Some(true), InProgress: bos.Some(false), ErrorCount: bos.Some(7)}}, ""},
		{"unknown keys, an old and a new name", `{"operation":"boot","templateUuid":"old","templateName":"","computes":"boot_complete","x":{"y":[1,{}]}}`,
			bos.Session{Operation: "boot", Template: "old"}, ""},
		{"nothing known", `{"hello":"world"}`, bos.Session{}, "none of its members"},
		{"empty object", `{}`, bos.Session{}, "none of its members"},
		{"a list", `[]`, bos.Session{}, "want an object"},
		{"flag of nonsense", `{"complete":"maybe"}`, bos.Session{}, `"maybe" is neither true nor false`},
		{"flag of another kind", `{"complete":{}}`, bos.Session{}, "/complete"},
		{"count of nonsense", `{"error_count":"many"}`, bos.Session{}, `"many" is not a count`},
		{"negative count", `{"error_count":-1}`, bos.Session{}, `"-1" is not a count`},
		{"half a count", `{"error_count":1.5}`, bos.Session{}, `"1.5" is not a count`},
		{"time of nonsense", `{"stop_time":"yesterday"}`, bos.Session{}, `"yesterday" is not a time`},
		{"a key twice", `{"stop_time":"","stop_time":"2022-08-22 12:22:33"}`, bos.Session{}, "duplicate"},
		{"invalid UTF-8", "{\"templateName\":\"a\xffb\",\"operation\":\"boot\"}", bos.Session{Operation: "boot", Template: "a\uFFFDb"}, ""},
		{"lone surrogates", `{"templateName":"a\ud800b","job":"\udfffc","operation":"boot"}`, bos.Session{Operation: "boot", Template: "a\uFFFDb", Job: "\uFFFDc"}, ""},
		{"a surrogate pair", `{"templateName":"\ud83d\ude80"}`, bos.Session{Template: "🚀"}, ""},
		{"a byte order mark", "\uFEFF" + `{"operation":"boot"}`, bos.Session{Operation: "boot"}, ""},
		{"two byte order marks", "\uFEFF\uFEFF" + `{"operation":"boot"}`, bos.Session{}, "invalid character"},
		{"an invalid escape", `{"templateName":"\x"}`, bos.Session{}, "invalid escape"},
		{"a name as long as may be", `{"templateName":"` + strings.Repeat("é", 512) + `"}`, bos.Session{Template: strings.Repeat("é", 512)}, ""},
		{"a name too long", `{"templateName":"` + strings.Repeat("é", 512) + `a"}`, bos.Session{}, "/templateName: a name is longer than 1 KiB"},
		{"a number too long", `{"job":` + strings.Repeat("1", 1025) + `}`, bos.Session{}, "/job: a name is longer than 1 KiB"},
		{"too many members", manyMembers(20_001), bos.Session{}, "there are more than 20000 members of objects in the response"},
		{"many members", manyMembers(20_000), bos.Session{Operation: "boot"}, ""},
		{"a long string that is skipped", `{"limit":"` + strings.Repeat("x1000c0s0b0n0,", 12_000) + `","operation":"boot"}`, bos.Session{Operation: "boot"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, answer(200, "application/json", tt.body))
			s, err := c.Session(t.Context(), "id")
			if tt.err != "" {
				if ReasonOf(err) != Malformed || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.ID != "id" || s.API != "v1" || s.Operation != tt.want.Operation || s.Template != tt.want.Template || s.Job != tt.want.Job || s.Metadata != tt.want.Metadata {
				t.Errorf("%+v, want %+v", s, tt.want)
			}
		})
	}
}

func TestBootSetNames(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		template   bool
		want       []string
		err        string
	}{
		{"early releases", `{"boot_sets":["b","a","b"],"id":"x","links":[],"metadata":{}}`, false, []string{"a", "b"}, ""},
		{"later releases", `{"id":"x","links":[{"href":"/v1/x","rel":"self"}],"metadata":{"complete":false}}`, false, nil, ""},
		{"null", `{"boot_sets":null,"metadata":null}`, false, nil, ""},
		{"no status", `{"id":"x"}`, false, nil, "neither"},
		{"names that are none", `{"boot_sets":[1]}`, false, nil, "want a string"},
		{"template", `{"boot_sets":{"my / set":{"node_list":["x1"]},"a":{}},"name":"cle","enable_cfs":true}`, true, []string{"a", "my / set"}, ""},
		{"template without boot sets", `{"name":"cle"}`, true, nil, "no boot_sets"},
		{"template with a list", `{"boot_sets":[]}`, true, nil, "want an object"},
		{"template with a long name", `{"boot_sets":{"` + strings.Repeat("a", 1025) + `":{}}}`, true, nil, "a name is longer than 1 KiB"},
		{"template with null", `{"boot_sets":null}`, true, nil, "want an object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, answer(200, "application/json", tt.body))
			read := c.SessionBootSets
			if tt.template {
				read = c.TemplateBootSets
			}
			got, err := read(t.Context(), "x")
			if tt.err != "" {
				if ReasonOf(err) != Malformed || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%v %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestBootSet(t *testing.T) {
	body, err := os.ReadFile("testdata/bootset.json")
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, answer(201, "application/json", string(body)))
	b, nodes, err := recordBootSet(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if b.Name != "computes" || !b.Reported || b.ErrorCount != bos.Some(2) || b.InProgress.Present || len(b.Phases) != 2 {
		t.Errorf("%+v", b)
	}
	boot := b.Phases[0]
	if boot.Name != "boot" || boot.Complete != bos.Some(true) || boot.StartTime.IsZero() {
		t.Errorf("%+v", boot)
	}
	// Known categories in their order whatever the document's, others behind.
	want := []string{
		"boot not_started 0", "boot in_progress 0",
		"boot succeeded 3 x1c0s0b0n0", "boot succeeded 3 x1c0s0b0n1", `boot succeeded 3 x"é`,
		"boot failed 1 x1c0s0b0n1", "boot on_hold 1 x1c0s1b0n0",
		"boot: NodeBMC Communication Error x1c0s0b0n1", "boot: exceeded retries waiting",
		"configure in_progress 1 x1c0s0b0n0",
	}
	if !slices.Equal(nodes, want) {
		t.Errorf("got  %q\nwant %q", nodes, want)
	}
}

func recorder() *bos.Recorder { return bos.NewRecorder(new(bos.NodeTable)) }

// recordBootSet reads a boot set, and lists the nodes of its categories and errors.
func recordBootSet(t *testing.T, c *Client) (b *bos.BootSet, nodes []string, err error) {
	t.Helper()
	r := recorder()
	if b, err = c.BootSet(t.Context(), "x", "computes", r); err != nil {
		return nil, nil, err
	}
	r.EndBootSet(b)
	table := r.Extend(new(bos.NodeTable))
	s := (&bos.Session{BootSets: []bos.BootSet{*b}}).Renumber(r.To(table))
	list := func(prefix string, set bos.NodeSet) {
		for _, name := range table.Names(set) {
			nodes = append(nodes, prefix+" "+name)
		}
		if set.Empty() {
			nodes = append(nodes, prefix)
		}
	}
	for _, p := range s.BootSets[0].Phases {
		for _, c := range p.Categories {
			list(fmt.Sprintf("%s %s %d", p.Name, c.Name, c.Count), c.Nodes)
		}
		for _, e := range p.Errors {
			list(p.Name+": "+e.Message, e.Nodes)
		}
	}
	return b, nodes, nil
}

func TestBootSetErrors(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                             "no phases",
		`{"phases":7}`:                   "want an array",
		`{"metadata":"x"}`:               "want an object",
		`{"phases":[{"categories":[]}]}`: "no name",
		`{"phases":[{"name":" "}]}`:      "name is empty",
		`{"phases":[{"name":7}]}`:        "/phases/0/name: want a string, got a number",
		`{"phases":[{"name":"Boot"},{"name":"boot"}]}`:                                     "occurs twice",
		`{"phases":[{"name":"boot","categories":[{"name":"failed"},{"name":"FAILED"}]}]}`:  "occurs twice",
		`{"phases":[{"name":"boot","categories":[{"node_list":["x1"]}]}]}`:                 "no name",
		`{"phases":[{"name":"boot","categories":[{"name":"failed","node_list":[null]}]}]}`: "want a string, got null",
		`{"phases":[{"name":"boot","categories":[{"node_list":[1],"name":"failed"}]}]}`:    "want a string, got a number",
		`{"phases":[{"name":"boot","categories":[{"name":"failed","node_list":7}]}]}`:      "want an array",
		`{"phases":[{"name":"boot","metadata":{"stop_time":[]}}]}`:                         "/phases/0/metadata/stop_time",
		`{"phases":[` + strings.Repeat(`{"name":"a"},`, bos.MaxPhases) + `{"name":"a"}]}`:  "occurs twice",
		`{"phases":[{"name":"p0"},{"name":"p1"},{"name":"p2"},{"name":"p3"},{"name":"p4"},{"name":"p5"},{"name":"p6"},{"name":"p7"},{"name":"p8"},{"name":"p9"},{"name":"pa"},{"name":"pb"},{"name":"pc"},{"name":"pd"},{"name":"pe"},{"name":"pf"},{"name":"pg"}]}`: "more than 16 phases",
	} {
		c := newClient(t, answer(200, "application/json", body))
		if _, err := c.BootSet(t.Context(), "x", "computes", recorder()); ReasonOf(err) != Malformed || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", body, err, want)
		}
	}
}

// Text that is not valid Unicode costs neither the session nor its nodes.
func TestInvalidUnicodeIsReplaced(t *testing.T) {
	const body = `{"name":"computes","phases":[{"name":"boot",` +
		`"categories":[{"name":"failed","node_list":["x1\ud800","x2` + "\xff" + `"]},{"node_list":["x3\udfff"],"name":"succeeded"}],` +
		`"errors":{"bad \udc00 text":["x1\ud800"],"cut off` + "\xc3" + `":[]}}]}`
	c := newClient(t, answer(200, "application/json", body))
	_, got, err := recordBootSet(t, c)
	want := []string{"boot succeeded 1 x3\uFFFD", "boot failed 2 x1\uFFFD", "boot failed 2 x2\uFFFD", "boot: bad \uFFFD text x1\uFFFD", "boot: cut off\uFFFD"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}
}

// A long name in a document does not make its error just as long.
func TestErrorsInDocumentsAreShort(t *testing.T) {
	long := strings.Repeat("a", 100_000)
	for _, tt := range []struct{ name, body string }{
		{"of the wrong kind", `{"phases":[{"name":"boot","errors":{"` + long + `":7}}]}`},
		{"of the wrong syntax", `{"phases":[{"name":"boot","errors":{"` + long + `":[}}]}`},
		{"twice", `{"phases":[{"name":"boot","errors":{"` + long + `":[],"` + long + `":[]}}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, answer(200, "application/json", tt.body))
			_, err := c.BootSet(t.Context(), "x", "computes", recorder())
			if ReasonOf(err) != Malformed || err == nil || len(err.Error()) > 1000 {
				t.Errorf("got an error of %d bytes, want a short one that is malformed: %.1000v", len(fmt.Sprint(err)), err)
			}
		})
	}
}

// Null, missing and "" are empty.
func TestBootSetOfNothing(t *testing.T) {
	for _, body := range []string{
		`{"phases":[],"metadata":""}`,
		`{"phases":[{"name":"boot","categories":null,"errors":null,"metadata":""}]}`,
		`{"phases":[{"name":"boot","categories":[{"name":"failed","node_list":null},{"node_list":null,"name":"succeeded"}],"errors":{"x":null}}]}`,
	} {
		c := newClient(t, answer(200, "application/json", body))
		b, err := c.BootSet(t.Context(), "x", "computes", recorder())
		if err != nil || !b.Reported {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]string{
		"2022-08-22T12:22:33.708209Z":    "2022-08-22T12:22:33.708209Z",
		"2022-08-22 12:58:23.674867":     "2022-08-22T12:58:23.674867Z",
		"2022-08-22 12:58:23":            "2022-08-22T12:58:23Z",
		"2020-04-24T12:00":               "2020-04-24T12:00:00Z",
		"2020-04-24T12:00Z":              "2020-04-24T12:00:00Z",
		"2022-08-22T14:22:33+02:00":      "2022-08-22T12:22:33Z",
		"2022-08-22T14:22:33.5+0200":     "2022-08-22T12:22:33.5Z",
		"2022-08-22 12:22:33.123456789Z": "2022-08-22T12:22:33.123456789Z",
		"2022-13-22 12:22:33":            "",
		"2022-08-22":                     "",
		"now":                            "",
		"1596111111":                     "",
		"2022-08-22  12:22:33":           "",
	} {
		got, err := parseTime(in)
		if (err != nil) != (want == "") || err == nil && got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %s %v, want %q", in, got.Format(time.RFC3339Nano), err, want)
		}
	}
}

// Whatever BOS sends gives an answer or a Malformed error, and what is counted is
// what is told.
func FuzzDecode(f *testing.F) {
	body, err := os.ReadFile("testdata/bootset.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"operation":"boot","complete":"","error_count":"4","stop_time":null,"templateUuid":"x"}`))
	f.Add([]byte(`{"boot_sets":["a"],"metadata":{}}`))
	f.Add([]byte(`{"boot_sets":{"a":{}}}`))
	f.Add([]byte(`["a"]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := newClient(t, answer(200, "application/json", string(body)))
		ctx := t.Context()
		check := func(err error) {
			if err != nil && ReasonOf(err) != Malformed {
				t.Errorf("%v", err)
			}
		}
		_, err := c.Sessions(ctx)
		check(err)
		_, err = c.Session(ctx, "x")
		check(err)
		_, err = c.SessionBootSets(ctx, "x")
		check(err)
		_, err = c.TemplateBootSets(ctx, "x")
		check(err)
		r := recorder()
		b, err := c.BootSet(ctx, "x", "y", r)
		check(err)
		if err != nil {
			return
		}
		r.EndBootSet(b)
		counted := 0
		for _, p := range b.Phases {
			for _, c := range p.Categories {
				counted += c.Count
				if c.Nodes.Len() > c.Count || c.Nodes.Empty() != (c.Count == 0) {
					t.Errorf("%d distinct nodes in a category of %d", c.Nodes.Len(), c.Count)
				}
			}
		}
		if b.Nodes.Nodes() > counted {
			t.Errorf("%d distinct nodes of %d", b.Nodes.Nodes(), counted)
		}
	})
}
