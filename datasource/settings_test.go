package datasource

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// Settings that are of no use are told by queries, the health check and the pick
// lists, and are no error of the factory.
func TestBadSettings(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*backend.DataSourceInstanceSettings)
		says   string
	}{
		{"no URL", func(s *backend.DataSourceInstanceSettings) { s.URL = "" }, "URL is missing"},
		{"no scheme", func(s *backend.DataSourceInstanceSettings) { s.URL = "cray-bos" }, "http://"},
		{"a password in the URL", func(s *backend.DataSourceInstanceSettings) { s.URL = "http://me:hunter2@bos.test" }, "password"},
		{"broken JSON", func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{`) }, "jsonData"},
		{"a wrong type", func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"access":7}`) }, "jsonData"},
		{"unknown API", func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"api":"v3"}`) }, `"v3"`},
		{"negative cache", func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"cacheSeconds":-1}`) }, "cacheSeconds is -1"},
		{"no rows", func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"maxRows":0}`) }, "maxRows is 0"},
		{"cache in fractions", jsonData(`{"cacheSeconds":1.5}`), "cacheSeconds is 1.5: it must be a whole number from 0 to 86400"},
		{"cache without end", jsonData(`{"cacheSeconds":1e300}`), "cacheSeconds is 1e+300"},
		{"cache that is no number", jsonData(`{"cacheSeconds":"NaN"}`), "cacheSeconds is NaN"},
		{"infinite rows", jsonData(`{"maxRows":"Inf"}`), "maxRows is +Inf"},
		{"rows beyond memory", jsonData(`{"maxRows":1000000000}`), "maxRows is 1e+09: it must be a whole number from 1 to 1000000"},
		{"negative time-out", jsonData(`{"timeout":-1}`), "timeout is -1: it must be a whole number from 0 to 600"},
		{"huge time-out", jsonData(`{"timeout":"99999999999"}`), "timeout is"},
		{"a limit without a unit", jsonData(`{"stuckOther":"90"}`), `stuckOther is "90": it must be a duration such as 90s`},
		{"a limit in words", jsonData(`{"stuckShutdown":"long"}`), `stuckShutdown is "long"`},
		{"no time at all", jsonData(`{"stuckAbandoned":"0"}`), "stuckAbandoned is 0s: it must be 1s or more"},
		{"a negative age", jsonData(`{"sessionsMaxAge":"-1h"}`), "sessionsMaxAge is -1h0m0s: it must be 0s or more"},
		{"a limit that is a number", jsonData(`{"stuckOther":600}`), "jsonData"},
		{"forwarded identities", jsonData(`{"oauthPassThru":true}`), "turn off Forward OAuth Identity"},
		{"rows in words", func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"maxRows":"many"}`) }, "jsonData"},
		{"two kinds of tokens", func(s *backend.DataSourceInstanceSettings) {
			s.JSONData = json.RawMessage(`{"oauth2":{"tokenUrl":"http://k","clientId":"me"}}`)
			s.DecryptedSecureJSONData = map[string]string{"bearerToken": "hunter2", "oauth2ClientSecret": "hunter2"}
		}, "remove one of them"},
		{"basic auth beside a token", func(s *backend.DataSourceInstanceSettings) {
			s.BasicAuthEnabled = true
			s.DecryptedSecureJSONData = map[string]string{"bearerToken": "hunter2"}
		}, "turn one of them off"},
		{"token URL without a scheme", func(s *backend.DataSourceInstanceSettings) {
			s.JSONData = json.RawMessage(`{"oauth2":{"tokenUrl":"keycloak","clientId":"me"}}`)
		}, "token URL"},
		{"no client id", func(s *backend.DataSourceInstanceSettings) {
			s.JSONData = json.RawMessage(`{"oauth2":{"tokenUrl":"http://k"}}`)
		}, "client id is missing"},
		{"no client secret", func(s *backend.DataSourceInstanceSettings) {
			s.JSONData = json.RawMessage(`{"oauth2":{"tokenUrl":"http://k","clientId":"me"}}`)
		}, "client secret is missing"},
		{"a CA that is none", func(s *backend.DataSourceInstanceSettings) {
			s.JSONData = json.RawMessage(`{"tlsAuthWithCACert":true}`)
			s.DecryptedSecureJSONData = map[string]string{"tlsCACert": "hunter2"}
		}, "HTTP settings"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, bossim.Gallery(), tt.change)
			r := w.query(`{"queryType":"sessions"}`)
			health, err := w.ds.CheckHealth(t.Context(), &backend.CheckHealthRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Error == nil || r.Status != backend.StatusBadRequest || !strings.Contains(r.Error.Error(), tt.says) {
				t.Errorf("query: status %d: %v, want %q", r.Status, r.Error, tt.says)
			}
			if health.Status != backend.HealthStatusError || !strings.Contains(health.Message, tt.says) {
				t.Errorf("health: %s, want %q", health.Message, tt.says)
			}
			status, body := w.resource("sessions")
			if status != http.StatusBadRequest || !strings.Contains(body, "not configured") {
				t.Errorf("pick list: %d %s", status, body)
			}
			for _, text := range []string{r.Error.Error(), health.Message, string(health.JSONDetails), body} {
				if strings.Contains(text, "hunter2") {
					t.Errorf("a secret is told: %s", text)
				}
			}
		})
	}
}

func jsonData(text string) func(*backend.DataSourceInstanceSettings) {
	return func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(text) }
}

// The limits from which sessions count as stuck or abandoned, and the age up to which
// they are followed, are those of the exporter unless they are set.
func TestSessionsAreJudgedByTheSettings(t *testing.T) {
	for _, tt := range []struct{ name, settings, session, state string }{
		{"as the exporter does", `{}`, stuck, "stuck"},
		{"an empty setting", `{"stuckOther":""}`, stuck, "stuck"},
		{"BOS waits for longer", `{"stuckOther":"2h"}`, stuck, "running"},
		{"BOS waits for less", `{"stuckOther":"1m"}`, running, "stuck"},
		{"given up soon", `{"stuckOther":"1m","stuckAbandoned":"5m"}`, stuck, "abandoned"},
		{"a shutdown takes less", `{"stuckShutdown":"10s"}`, pending, "stuck"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, bossim.Gallery(), jsonData(tt.settings))
			if got := joined(rows(t, w.query(`{"queryType":"sessions","session":["`+tt.session+`"]}`)), "state"); got != tt.state {
				t.Errorf("the state is %s, want %s", got, tt.state)
			}
		})
	}
	for _, tt := range []struct {
		maxAge string
		unread int // sessions that the first sweep leaves for later
	}{
		{"168h", 4},
		{"36h", 4},
		{"", 4},
		{"245h", 0},
		{"0", 0},
	} {
		t.Run("read at once up to "+tt.maxAge, func(t *testing.T) {
			w := newWorld(t, bossim.Gallery(), jsonData(fmt.Sprintf(`{"sessionsMaxAge":%q}`, tt.maxAge)))
			w.clock.Advance(10 * 24 * time.Hour)
			r := w.queryIn(backend.TimeRange{From: day.From, To: w.clock.Now()}, `{"queryType":"nodes"}`)
			want := fmt.Sprintf("missing from the answer: %d.", tt.unread)
			if tt.unread == 0 {
				want = ""
			}
			if len(rows(t, r)) == 0 || !strings.Contains(notices(r), want) || want == "" && notices(r) != "" {
				t.Errorf("%d rows, notices %q, want %q", len(rows(t, r)), notices(r), want)
			}
		})
	}
}

// Whoever can be on the way reads the token: that is visible.
func TestHealthTellsOfSkippedVerification(t *testing.T) {
	for skip, want := range map[string]bool{`{"tlsSkipVerify":true}`: true, `{"tlsSkipVerify":false}`: false, `{}`: false} {
		w := newWorld(t, bossim.Gallery(), jsonData(skip))
		h, err := w.ds.CheckHealth(t.Context(), &backend.CheckHealthRequest{})
		if err != nil || h.Status != backend.HealthStatusOk {
			t.Fatal(err, h)
		}
		var details struct {
			VerboseMessage string
			TLSSkipVerify  bool
		}
		if err := json.Unmarshal(h.JSONDetails, &details); err != nil {
			t.Fatal(err)
		}
		const says = "certificate is not verified"
		if strings.Contains(h.Message, says) != want || strings.Contains(details.VerboseMessage, says) != want || details.TLSSkipVerify != want {
			t.Errorf("%s: message %q, details %s", skip, h.Message, h.JSONDetails)
		}
	}
}

// resource calls a resource as Grafana does.
func (w *world) resource(path string) (int, string) {
	w.t.Helper()
	status, body := 0, ""
	err := w.ds.CallResource(w.t.Context(), &backend.CallResourceRequest{Path: strings.Split(path, "?")[0], URL: path, Method: http.MethodGet},
		backend.CallResourceResponseSenderFunc(func(r *backend.CallResourceResponse) error {
			status, body = r.Status, string(r.Body)
			return nil
		}))
	if err != nil {
		w.t.Fatal(err)
	}
	return status, body
}

// Each way to sign in reaches BOS.
func TestCredentialsReachBOS(t *testing.T) {
	given := 0
	keycloak := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_secret") != "hunter2" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		given++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":300,"token_type":"Bearer"}`, given)
	}))
	defer keycloak.Close()
	oauth := json.RawMessage(fmt.Sprintf(`{"oauth2":{"tokenUrl":%q,"clientId":"me","scopes":["openid"]}}`, keycloak.URL))
	for _, tt := range []struct {
		name         string
		change       func(*backend.DataSourceInstanceSettings)
		header, want string
	}{
		{"none", func(*backend.DataSourceInstanceSettings) {}, "Authorization", ""},
		{"bearer token", func(s *backend.DataSourceInstanceSettings) {
			s.DecryptedSecureJSONData = map[string]string{"bearerToken": "abc"}
		}, "Authorization", "Bearer abc"},
		{"OAuth2", func(s *backend.DataSourceInstanceSettings) {
			s.JSONData, s.DecryptedSecureJSONData = oauth, map[string]string{"oauth2ClientSecret": "hunter2"}
		}, "Authorization", "Bearer token-1"},
		{"basic", func(s *backend.DataSourceInstanceSettings) {
			s.BasicAuthEnabled, s.BasicAuthUser = true, "me"
			s.DecryptedSecureJSONData = map[string]string{"basicAuthPassword": "hunter2"}
		}, "Authorization", "Basic bWU6aHVudGVyMg=="},
		{"a header", func(s *backend.DataSourceInstanceSettings) {
			s.JSONData = json.RawMessage(`{"httpHeaderName1":"X-Site"}`)
			s.DecryptedSecureJSONData = map[string]string{"httpHeaderValue1": "frontier"}
		}, "X-Site", "frontier"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, bossim.Gallery(), tt.change)
			var got []string
			w.sim.Observe(func(r *http.Request) {
				w.mu.Lock()
				defer w.mu.Unlock()
				got = append(got, r.Header.Get(tt.header))
			})
			rows(t, w.query(`{"queryType":"sessions"}`))
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, g := range got {
				if g != tt.want {
					t.Errorf("%s: %q, want %q", tt.header, g, tt.want)
				}
			}
		})
	}
	t.Run("a wrong secret", func(t *testing.T) {
		w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) {
			s.JSONData, s.DecryptedSecureJSONData = oauth, map[string]string{"oauth2ClientSecret": "wrong"}
		})
		r := w.query(`{"queryType":"sessions"}`)
		if r.Status != backend.StatusUnauthorized || !strings.Contains(r.Error.Error(), "invalid_client") {
			t.Errorf("%d %v", r.Status, r.Error)
		}
	})
	t.Run("a tenant", func(t *testing.T) {
		w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"tenant":"blue"}`) })
		r := w.query(`{"queryType":"sessions"}`)
		if r.Error == nil || !strings.Contains(r.Error.Error(), "remove the tenant") || strings.Count(r.Error.Error(), "refuses") != 1 {
			t.Errorf("%v", r.Error)
		}
	})
}

func TestHealth(t *testing.T) {
	for fault, says := range map[bossim.Fault]string{
		bossim.None:        "BOS answers: API v1, sessions: 8",
		bossim.Forbidden:   "refuses the credentials",
		bossim.Unavailable: "is overloaded or down: try again later",
		bossim.Reset:       "cannot be reached",
		bossim.NotJSON:     "is not BOS",
		bossim.NotFound:    "There is no BOS at this URL",
	} {
		t.Run(fault.String(), func(t *testing.T) {
			w := newWorld(t, bossim.Gallery())
			w.sim.Fail(bossim.Everything, fault)
			h, err := w.ds.CheckHealth(t.Context(), &backend.CheckHealthRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(h.Message, says) || (h.Status == backend.HealthStatusOk) != (fault == bossim.None) {
				t.Errorf("%s: %s", h.Status, h.Message)
			}
			var details struct{ VerboseMessage string }
			if err := json.Unmarshal(h.JSONDetails, &details); err != nil || details.VerboseMessage == "" {
				t.Errorf("details %s: %v", h.JSONDetails, err)
			}
		})
	}
	w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) { s.URL = "http://127.0.0.1:1" })
	h, err := w.ds.CheckHealth(t.Context(), &backend.CheckHealthRequest{})
	if err != nil || !strings.Contains(h.Message, "cannot be reached") {
		t.Errorf("nothing listens: %v %s", err, h.Message)
	}
}

// Save & test says what BOS serves.
func TestHealthNamesTheAPIs(t *testing.T) {
	session := func(id string, api bossim.API) bossim.Spec {
		return bossim.Spec{ID: id, API: api, Operation: "boot", Template: "compute", Created: bossim.GalleryTime.Add(-time.Minute),
			BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(2)}}}
	}
	const neither = "There is no BOS at this URL, or not with the API in the datasource's settings: GET BASE: not found: " +
		"neither BASE/v2/version nor BASE/v1/version exists: check the URL"
	for _, tt := range []struct {
		name, settings string
		era            bossim.Era
		fault          bossim.Fault
		says, apis     string
	}{
		{"v1", `{}`, bossim.EraC, bossim.None, "BOS answers: API v1, sessions: 1, ", "v1"},
		{"both", `{"api":"auto"}`, bossim.EraBoth, bossim.None, "BOS answers: API v2 (BOS 2.10.20) and v1, sessions: 3, ", "v2, v1"},
		{"one of both", `{"api":"v2"}`, bossim.EraBoth, bossim.None, "BOS answers: API v2, sessions: 2, ", "v2"},
		{"v2", `{}`, bossim.EraD2, bossim.None, "BOS answers: API v2 (BOS 2.50.0), sessions: 2, ", "v2"},
		{"v1 where there is none", `{"api":"v1"}`, bossim.EraD2, bossim.None, "there is no BOS v1 API at this address", ""},
		{"another server", `{}`, bossim.EraD2, bossim.NeitherAPI, neither, ""},
		{"an unknown tenant", `{"tenant":"nope"}`, bossim.EraD2, bossim.None, `Check the tenant in the datasource's settings`, ""},
		{"an unknown tenant by name", `{"tenant":"nope"}`, bossim.EraD2, bossim.None, `the tenant "nope" is unknown`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			specs := []bossim.Spec{session("new", bossim.V2), session("newer", bossim.V2)}
			if tt.era.ServesV1() {
				specs = append(specs, session("old", bossim.V1))
			}
			w := newWorld(t, bossim.Scripted(specs...), jsonData(tt.settings))
			w.sim.SetEra(tt.era)
			w.sim.Fail(bossim.Everything, tt.fault)
			h, err := w.ds.CheckHealth(t.Context(), &backend.CheckHealthRequest{})
			if err != nil {
				t.Fatal(err)
			}
			says := strings.ReplaceAll(tt.says, "BASE", w.ds.settings.url)
			if !strings.Contains(h.Message, says) || (h.Status == backend.HealthStatusOk) != (tt.apis != "") {
				t.Errorf("got  %s: %s\nwant %s", h.Status, h.Message, says)
			}
			var details struct{ API string }
			if err := json.Unmarshal(h.JSONDetails, &details); err != nil || details.API != tt.apis {
				t.Errorf("details %s: %v, want the API %q", h.JSONDetails, err, tt.apis)
			}
		})
	}
}

// The last entry of a pick list says why there may be more.
func TestPickListsSayWhatTheyLack(t *testing.T) {
	for more, fail := range map[string]func(*bossim.Server){
		"BOS cannot be read now":         func(sim *bossim.Server) { sim.Fail(bossim.Everything, bossim.Unavailable) },
		"not all sessions could be read": func(sim *bossim.Server) { sim.FailSession(running, bossim.ServerError) },
	} {
		t.Run(more, func(t *testing.T) {
			w := newWorld(t, bossim.Gallery(), jsonData(`{"cacheSeconds":0}`))
			if more == "BOS cannot be read now" { // after it was
				w.resource("bootsets")
			}
			fail(w.sim)
			end := `{"value":"","label":"There may be more: ` + more + `","isDisabled":true}]`
			if status, body := w.resource("bootsets"); status != http.StatusOK || !strings.HasSuffix(strings.TrimSpace(body), end) {
				t.Errorf("status %d, %s, want it to end in %s", status, body, end)
			}
		})
	}
}

// What is merely counted is no fault.
func TestPickListOfCountedNodes(t *testing.T) {
	w := newHeldWorld(t, heldAPI{sessions: []bos.Session{held("", "frozen")}, nodes: countedAlone})
	const want = `[{"value":"","label":"There may be more: of some sessions no more than the numbers of nodes are known","isDisabled":true}]`
	if status, body := w.resource("phases"); status != http.StatusOK || strings.TrimSpace(body) != want {
		t.Errorf("status %d, %s, want %s", status, body, want)
	}
}

func TestPickLists(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	for path, want := range map[string]string{
		"sessions?q=boot+stuck":                              stuck,
		"sessions?q=" + well[:8]:                             well,
		"sessions?template=full-sles15sp4":                   running,
		"sessions?q=nothing+of+this":                         "",
		"bootsets?session=" + running:                        "compute,login / uan",
		"bootsets?session=" + running + "&q=UAN":             "login / uan",
		"bootsets?session=$session&q=gpu":                    "gpu",
		"phases?session=" + stuck:                            "boot,configure",
		"phases?session=" + running + "&bootset=login+/+uan": "shutdown,boot,configure",
		"categories?q=fail":                                  "failed",
		"templates?q=sles":                                   "compute-sles15sp4,full-sles15sp4",
	} {
		status, body := w.resource(path)
		var found []choice
		if err := json.Unmarshal([]byte(body), &found); err != nil || status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
			continue
		}
		var got []string
		for _, c := range found {
			got = append(got, c.Value)
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	if status, _ := w.resource("nowhere"); status != http.StatusNotFound {
		t.Errorf("nowhere: %d", status)
	}
	w = newWorld(t, bossim.Gallery())
	w.sim.Fail(bossim.Everything, bossim.Forbidden)
	if status, body := w.resource("sessions"); status != http.StatusForbidden || !strings.Contains(body, "credentials") {
		t.Errorf("%d %s", status, body)
	}
}

// A server with a private CA that wants a client certificate.
func TestTLS(t *testing.T) {
	sim := bossim.New(bossim.Gallery(), bossim.EraC, bossim.NewSteppedClock(bossim.GalleryTime).Now)
	server := httptest.NewUnstartedServer(sim)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	defer sim.Close()
	pair := server.TLS.Certificates[0]
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for name, tt := range map[string]struct {
		json   string
		secure map[string]string
		ok     bool
	}{
		"CA and client":  {`{"tlsAuth":true,"tlsAuthWithCACert":true,"serverName":"example.com"}`, map[string]string{"tlsCACert": cert, "tlsClientCert": cert, "tlsClientKey": key}, true},
		"no client":      {`{"tlsAuthWithCACert":true}`, map[string]string{"tlsCACert": cert}, false},
		"unknown CA":     {`{}`, nil, false},
		"not verified":   {`{"tlsAuth":true,"tlsSkipVerify":true}`, map[string]string{"tlsClientCert": cert, "tlsClientKey": key}, true},
		"another server": {`{"tlsAuth":true,"tlsAuthWithCACert":true,"serverName":"elsewhere.test"}`, map[string]string{"tlsCACert": cert, "tlsClientCert": cert, "tlsClientKey": key}, false},
	} {
		w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) {
			s.URL, s.JSONData, s.DecryptedSecureJSONData = server.URL, json.RawMessage(tt.json), tt.secure
		})
		r := w.query(`{"queryType":"sessions"}`)
		if (r.Error == nil) != tt.ok {
			t.Errorf("%s: %v", name, r.Error)
		}
	}
}
