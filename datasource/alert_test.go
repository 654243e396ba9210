package datasource

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// alert asks as Grafana's alerting does.
func (w *world) alert(q string) backend.DataResponse {
	w.t.Helper()
	untilLater := backend.TimeRange{From: day.From, To: day.To.Add(time.Hour)}
	resp, err := w.ask(w.t.Context(), &backend.QueryDataRequest{
		Headers: map[string]string{"FromAlert": "true"},
		Queries: []backend.DataQuery{{RefID: "A", TimeRange: untilLater, JSON: json.RawMessage(q)}},
	})
	if err != nil {
		w.t.Fatalf("QueryData returns an error: %v", err)
	}
	return resp.Responses["A"]
}

// pipes is a network of its own, on which time can be made to pass.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// inBubble runs a test with a world in which time passes only when all of it waits.
func inBubble(t *testing.T, scenario bossim.Scenario, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		clock := bossim.NewSteppedClock(bossim.GalleryTime)
		sim := bossim.New(scenario, bossim.EraC, clock.Now)
		network := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		server := httptest.NewUnstartedServer(sim)
		server.Listener.Close()
		server.Listener = network
		server.Start()
		defer server.Close()
		defer sim.Close()
		w := &world{t: t, ds: &Datasource{}, sim: sim, clock: clock}
		w.ask = w.ds.QueryData
		var err error
		if w.ds.settings, err = parseSettings(backend.DataSourceInstanceSettings{URL: server.URL, JSONData: json.RawMessage(`{"cacheSeconds":3600}`)}); err != nil {
			t.Fatal(err)
		}
		if err := w.ds.connect(&http.Transport{DialContext: network.dial}); err != nil {
			t.Fatal(err)
		}
		defer w.ds.Dispose()
		test(t, w)
	})
}

// A list that was never answered has no age.
func TestAlertRulesRefuseAnAPIThatWasNeverListed(t *testing.T) {
	for _, list := range []string{"/v1/session", "/v2/sessions"} {
		t.Run(list, func(t *testing.T) {
			w, settings := newBOSAt(t, bossim.Gallery(), bossim.EraBoth, bossim.GalleryTime)
			w.sim.Substitute(func(r *http.Request) http.Handler {
				if !strings.HasSuffix(r.URL.Path, list) {
					return nil
				}
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
			})
			w.connect(settings)
			r := w.alert(`{"queryType":"counts","session":["unfinished"]}`)
			if r.Error == nil || !strings.Contains(r.Error.Error(), list+": status 503") {
				t.Fatalf("got %v, want the error of the list", r.Error)
			}
			if strings.Contains(r.Error.Error(), " old") {
				t.Errorf("the error gives an age: %v", r.Error)
			}
		})
	}
}

// What an alert rule evaluates is no older than the exporter's series may be, whatever
// else BOS still answers.
func TestAlertRulesRefuseOldData(t *testing.T) {
	const bootSets = `{"queryType":"counts","session":["unfinished"]}`
	for _, tt := range []struct {
		name    string
		trouble func(*world)
		says    string // "" where the data stays good
	}{
		{"all is well", func(*world) {}, ""},
		{"readings of sessions fail, the list is good", func(w *world) {
			w.sim.Fail(bossim.Describe, bossim.Unavailable)
		}, "status 503"},
		{"readings of boot sets crawl, the list is good", func(w *world) { w.sim.Fail(bossim.BootSet, bossim.Hang) }, "BOS is unavailable"},
		{"the list fails, sessions are good", func(w *world) { w.sim.Fail(bossim.List, bossim.Unavailable) }, "/v1/session: status 503"},
		{"BOS is down", func(w *world) { w.sim.Fail(bossim.Everything, bossim.Reset) }, "connection was closed"},
		{"a settled session of another query", func(w *world) { w.sim.FailSession(well, bossim.Unavailable) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, bossim.Gallery(), func(t *testing.T, w *world) {
				if r := w.alert(bootSets); r.Error != nil {
					t.Fatal(r.Error)
				}
				tt.trouble(w)
				for range 7 { // minutes, in which the rule is evaluated again and again
					time.Sleep(time.Minute)
					w.clock.Advance(time.Minute)
					w.alert(bootSets)
				}
				r := w.alert(bootSets)
				if tt.says == "" {
					if r.Error != nil || r.Frames[0].Rows() == 0 {
						t.Errorf("error %v", r.Error)
					}
					return
				}
				if r.Error == nil || !strings.Contains(r.Error.Error(), "alert rules do not evaluate data older than 5m") || !strings.Contains(r.Error.Error(), tt.says) {
					t.Errorf("status %d, error %v, want one with %q", r.Status, r.Error, tt.says)
				}
				// People see the old data, and a notice.
				if r := w.query(bootSets); r.Error != nil || r.Frames[0].Rows() == 0 {
					t.Errorf("a panel: %v", r.Error)
				}
			})
		})
	}
}

// A session that could not be read is lost to an alert rule, too, unless it may be a
// leftover that BOS lists for good.
func TestAlertRulesRefuseUnreadSessions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fail  func(*world)
		query string
		says  string
	}{
		{"description fails", func(w *world) { w.sim.FailSession(running, bossim.ServerError) }, `{"queryType":"counts"}`, "missing from the answer: 1."},
		{"description is not found", func(w *world) { w.sim.FailSession(running, bossim.NotFound) }, `{"queryType":"counts"}`, ""},
		{"another one fails", func(w *world) { w.sim.FailSession(running, bossim.ServerError) }, `{"queryType":"counts","session":["` + well + `"]}`, ""},
		{"boot sets fail", func(w *world) {
			w.sim.Substitute(func(r *http.Request) http.Handler {
				if !strings.Contains(r.URL.Path, running+"/status/") {
					return nil
				}
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
			})
		}, `{"queryType":"counts"}`, "missing from the answer: 1."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, bossim.Gallery())
			tt.fail(w)
			r := w.alert(tt.query)
			if (r.Error != nil) != (tt.says != "") || r.Error != nil && !strings.Contains(r.Error.Error(), tt.says) {
				t.Errorf("status %d, error %v, want one with %q", r.Status, r.Error, tt.says)
			}
			if r := w.query(tt.query); r.Error != nil {
				t.Errorf("in a panel: %v", r.Error)
			}
		})
	}
}

// Rows that are cut are lost to an alert rule, whose notices nobody reads.
func TestAlertRulesRefuseCutRows(t *testing.T) {
	w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"maxRows":10}`) })
	for query, says := range map[string]string{
		`{"queryType":"counts"}`:                                             "10 of 100 counts",
		`{"queryType":"counts","node":"x1000*"}`:                             "10 of 100 counts",
		`{"queryType":"counts","limit":1,"session":["` + well + `"]}`:        "1 of 15 counts",
		`{"queryType":"counts","phase":["boot"],"session":["` + well + `"]}`: "",
	} {
		r := w.alert(query)
		switch {
		case says == "" && r.Error != nil:
			t.Errorf("%s: %v", query, r.Error)
		case says != "" && (r.Status != backend.StatusBadRequest || !strings.Contains(r.Error.Error(), says) || !strings.Contains(r.Error.Error(), "raise")):
			t.Errorf("%s: status %d, error %v, want %q", query, r.Status, r.Error, says)
		}
		if r := w.query(query); r.Error != nil {
			t.Errorf("%s in a panel: %v", query, r.Error)
		}
	}
}

// A type that nobody knows is not said to lack a number.
func TestAlertRulesOfAnUnknownType(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	if r := w.alert(`{"queryType":"everything"}`); r.Status != backend.StatusBadRequest || !strings.HasPrefix(r.Error.Error(), `unknown query type "everything": choose one of`) {
		t.Errorf("status %d, error %v", r.Status, r.Error)
	}
}

// Grafana refuses frames that are not labels and one number in words that help nobody.
func TestAlertRulesRefuseTypesWithoutANumber(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	for name, query := range goldenQueries() {
		t.Run(name, func(t *testing.T) {
			r := w.alert(query)
			if name == alertType {
				if r.Error != nil {
					t.Error(r.Error)
				}
				return
			}
			wrong := w.alert(strings.Replace(query, "{", `{"field":"odd","limit":-1,`, 1)) // which would not help either
			for _, r := range []backend.DataResponse{r, wrong} {
				if r.Status != backend.StatusBadRequest || !strings.Contains(r.Error.Error(), "use the query type counts") {
					t.Errorf("status %d, error %v", r.Status, r.Error)
				}
			}
		})
	}
}

// The alert of the README: nodes that failed in the newest session. Sessions of early
// releases have no start time, and are older than all that have one.
func TestAlertOnTheLatestSessionIsOnADatedOne(t *testing.T) {
	const query = `{"queryType":"counts","session":["latest"],"template":["compute-sles15sp4"],"operation":["boot","configure"],"category":["failed"]}`
	for name, tt := range map[string]struct{ start, latest string }{
		"a start time that is newer": {`"start_time":"2026-03-01T11:00:00.000000Z",`, well},
		"an empty start time":        {`"start_time":"",`, configured},
		"no start time":              {``, configured},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, bossim.Gallery())
			redescribe(w, well, `{"operation":"boot","templateName":"compute-sles15sp4",`+tt.start+`"stop_time":"","complete":"","in_progress":"","error_count":""}`)
			got := rows(t, w.alert(query))
			if len(got) == 0 {
				t.Fatalf("no row, want those of %s", tt.latest)
			}
			if got[0]["session"] != tt.latest {
				t.Errorf("the latest session is %v, want %s", got[0]["session"], tt.latest)
			}
			if tt.latest == configured && joined(got, "nodes") != "1" {
				t.Errorf("the alert sees %s failed nodes, want 1", joined(got, "nodes"))
			}
		})
	}
}

// redescribe has BOS give another description of a session.
func redescribe(w *world, id, description string) {
	w.sim.Substitute(func(r *http.Request) http.Handler {
		if r.URL.Path != "/apis/bos/v1/session/"+id {
			return nil
		}
		return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, description)
		})
	})
}

// Of two sessions that nobody can date, an ended one may have ended before the other began.
func TestUndatedSessionsThatEndedOverlapWithNone(t *testing.T) {
	const ended = `"stop_time":"2026-03-01T11:50:00Z","complete":true,"in_progress":false,"error_count":0}`
	undated := `{"operation":"boot","templateName":"compute-sles15sp4",` + ended
	w := newWorld(t, bossim.Gallery())
	w.sim.Substitute(func(r *http.Request) http.Handler {
		if id := strings.TrimPrefix(r.URL.Path, "/apis/bos/v1/session/"); id != well && id != neverReady {
			return nil
		}
		return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, undated)
		})
	})
	if got := joined(rows(t, w.query(`{"queryType":"overlaps","session":["`+well+`","`+neverReady+`"]}`)), "nodes"); got != "" {
		t.Errorf("they share %s nodes", got)
	}
}
