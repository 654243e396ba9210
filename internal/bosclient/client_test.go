package bosclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
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

// ids reads a list of ids.
func ids(ctx context.Context, c *Client) (ids []string, err error) {
	request := Request{Resource: Resource{Name: "list", Alone: true}, Path: []string{"v1", "session"}}
	err = c.Get(ctx, request, func(d *Decoder) error {
		return d.Array(func() error {
			id, err := d.Text()
			ids = append(ids, string(id))
			return err
		})
	})
	return ids, err
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

func TestErrors(t *testing.T) {
	const problem = "application/problem+json"
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct {
		name   string
		rt     transport
		reason bos.Reason
		says   []string
		not    string
	}{
		{"not found, empty", answer(404, "application/json", ""), bos.NotFound, []string{"404", "not found"}, ""},
		{"forbidden by the gateway", answer(403, "text/plain", "Unauthorized Request\n"), bos.Unauthorized, []string{"403", "credentials", "Unauthorized Request"}, ""},
		{"unauthorized", answer(401, "text/html", "<html>"), bos.Unauthorized, []string{"401", "credentials"}, "<html>"},
		{"problem", answer(500, problem, `{"title":"Internal Server Error","detail":"It broke","status":500}`), bos.Unavailable, []string{"500", "It broke"}, ""},
		{"problem without detail", answer(503, problem, `{"title":"Service Unavailable"}`), bos.Unavailable, []string{"503", "Service Unavailable"}, ""},
		{"problem that is none", answer(503, problem, `{`), bos.Unavailable, []string{"503"}, ""},
		{"tenancy", answer(400, problem, `{"detail":"Multi-tenancy not supported"}`), bos.Malformed, []string{"400", "Multi-tenancy not supported"}, ""},
		{"redirect to nowhere", answer(302, "", ""), bos.Malformed, []string{"redirects elsewhere"}, ""},
		{"redirect", redirect(302, "https://me:hunter2@sso.test:8443/auth/login?ticket=hunter2#hunter2"), bos.Malformed,
			[]string{"redirects to https://sso.test:8443/auth/login; redirects are not followed"}, "hunter2"},
		{"redirect on the same host", redirect(308, "/apis/bos/v1/session/?ticket=hunter2"), bos.Malformed,
			[]string{"redirects to http://bos.test/apis/bos/v1/session/;"}, "hunter2"},
		{"problem with a byte order mark", answer(500, problem, "\uFEFF"+`{"detail":"It broke"}`), bos.Unavailable, []string{"It broke"}, ""},
		{"long text", answer(502, "text/plain", long), bos.Unavailable, []string{"502"}, long},
		{"many lines", answer(502, "text/plain", "one\ntwo\x00\xff"), bos.Unavailable, []string{"one two"}, "\n"},
		{"HTML page", answer(200, "text/html", "<html>hello</html>"), bos.Malformed, []string{"not an answer of the BOS API"}, ""},
		{"empty", answer(200, "application/json", ""), bos.Malformed, []string{"empty"}, ""},
		{"cut short", answer(200, "application/json", `["a",`), bos.Malformed, nil, ""},
		{"two values", answer(200, "application/json", `[] []`), bos.Malformed, []string{"more than one"}, ""},
		{"of another shape", answer(200, "application/json", `{"a":1}`), bos.Malformed, []string{"want an array, got an object"}, ""},
		{"element of another kind", answer(200, "application/json", `["a",{}]`), bos.Malformed, []string{"want a string"}, ""},
		{"null", answer(200, "application/json", `null`), bos.Malformed, nil, ""},
		{"too long", answer(200, "application/json", "["+strings.Repeat(" ", 1<<20)), bos.Malformed, []string{"the response is longer than 1 MiB"}, ""},
		{"name too long", answer(200, "application/json", `["`+strings.Repeat("a", 1<<10+1)+`"]`), bos.Malformed, []string{"/0: a name is longer than 1 KiB"}, ""},
		{"string too long", answer(200, "application/json", `["`+strings.Repeat("a", 1<<20)+`"]`), bos.Malformed, []string{"a string in the response is longer than 256 KiB"}, ""},
		{"connection refused", func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, bos.Unavailable, []string{"connection refused"}, ""},
		{"connection closed", func(*http.Request) (*http.Response, error) { return nil, io.EOF }, bos.Unavailable, []string{"the connection was closed"}, ""},
		{"token refused", func(*http.Request) (*http.Response, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: 401}, Body: []byte("secret"), ErrorCode: "invalid_client"}
		}, bos.Unauthorized, []string{"invalid_client"}, "secret"},
		{"token server down", func(*http.Request) (*http.Response, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: 503}}
		}, bos.Unavailable, []string{"token server"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var code string
			c := newClient(t, tt.rt, func(cfg *Config) {
				cfg.Observe = func(r, observed string, _ time.Duration) {
					if r != "list" {
						t.Errorf("observed resource %s", r)
					}
					code = observed
				}
			})
			_, err := ids(t.Context(), c)
			var e *bos.Error
			if !errors.As(err, &e) || e.Reason != tt.reason || bos.ReasonOf(err) != tt.reason {
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
		cfg.Observe = func(_, observed string, _ time.Duration) { code = observed }
	})
	_, err := ids(t.Context(), c)
	if !bos.IsTimeout(err) || bos.ReasonOf(err) != bos.Unavailable || !strings.Contains(err.Error(), "no response within 1ms") {
		t.Errorf("%v", err)
	}
	if code != "timeout" {
		t.Errorf("observed code %q", code)
	}
	code = ""
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ids(ctx, c); !errors.Is(err, context.Canceled) || code != "" {
		t.Errorf("canceled: %v, observed %q", err, code)
	}
	if gateway := (&bos.Error{Status: 504}); !gateway.Timeout() {
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
		if _, err := ids(t.Context(), c); err != nil {
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
	if _, err := ids(t.Context(), c); bos.ReasonOf(err) != bos.Malformed {
		t.Error(err)
	}
	if asked != 1 {
		t.Errorf("%d requests", asked)
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

// A connection that is switched to another protocol unasked is out of reach of
// deadlines: nothing is read from it.
func TestUnaskedUpgradeEndsTheRequest(t *testing.T) {
	upgrade := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the client closes the connection
	}))
	defer upgrade.Close()
	toUpgrade := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(upgrade.URL) }}
	defer toUpgrade.CloseIdleConnections()
	withToken, _ := withTokens(t, toUpgrade, func(string) bool { return true }, 5*time.Second)
	for _, tt := range []struct {
		name   string
		client *Client
		want   string
	}{
		{"BOS", newClient(t, toUpgrade), "status 101: not an answer of the BOS API"},
		{"token server", withToken, "the token server refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done := make(chan error, 1)
			go func() {
				_, err := ids(t.Context(), tt.client)
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want an error with %q", err, tt.want)
				}
			case <-time.After(10 * time.Second):
				upgrade.CloseClientConnections()
				t.Fatal("the request goes on after its timeout")
			}
		})
	}
}

func TestTenantOfARequest(t *testing.T) {
	for _, tt := range []struct{ name, configured, requested, want string }{
		{"none", "", "", ""},
		{"the configured one", "blue", "", "blue"},
		{"that of the request", "", "red", "red"},
		{"that of the request before the configured one", "blue", "red", "red"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
				got = r.Header.Values("Cray-Tenant-Name")
				return answer(200, "application/json", "{}")(r)
			}), func(c *Config) { c.Tenant = tt.configured })
			err := c.Get(t.Context(), Request{Path: []string{"v2"}, Tenant: tt.requested}, func(d *Decoder) error { return d.SkipValue() })
			if err != nil || strings.Join(got, ",") != tt.want {
				t.Errorf("tenant %q, want %q; %v", got, tt.want, err)
			}
		})
	}
}
