package datasource

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// everyQuery has a query for each query type, and one for each kind of values and lanes.
func everyQuery() map[string]string {
	queries := goldenQueries()
	for _, field := range valueFields {
		queries["values of "+field] = `{"queryType":"values","field":"` + field + `"}`
	}
	for _, field := range []string{"session", "phase"} {
		queries["timeline of "+field] = `{"queryType":"timeline","field":"` + field + `"}`
	}
	queries["counts of nodes"] = `{"queryType":"counts","node":"x*"}`
	queries["sessions of nodes"] = `{"queryType":"sessions","node":"x*"}`
	queries["sessions with failures"] = `{"queryType":"sessions","category":["failed"]}`
	queries["stuck sessions"] = `{"queryType":"sessions","state":["stuck"]}`
	queries["another template"] = `{"queryType":"sessions","template":["nothing"]}`
	queries["latest"] = `{"queryType":"counts","session":["latest"]}`
	queries["unfinished"] = `{"queryType":"nodes","session":["unfinished"]}`
	return queries
}

// The list is good, and all that it lists cannot be read: that is an error, never an
// answer without rows.
func TestUnreadableSessionsAreAnError(t *testing.T) {
	for fault, status := range map[bossim.Fault]backend.Status{
		bossim.Hang:        backend.StatusTimeout,
		bossim.Reset:       backend.StatusBadGateway,
		bossim.ServerError: backend.StatusBadGateway,
		bossim.NotFound:    backend.StatusNotFound,
		bossim.Garbage:     backend.StatusBadGateway,
	} {
		t.Run(fault.String(), func(t *testing.T) {
			w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) {
				s.JSONData = json.RawMessage(`{"timeout":1,"cacheSeconds":3600}`)
			})
			w.sim.Fail(bossim.Describe, fault)
			for name, query := range everyQuery() {
				r := w.query(query)
				if r.Error == nil || r.Status != status || !strings.Contains(r.Error.Error(), "could not be read and are missing from the answer: 8.") {
					t.Errorf("%s: status %d, error %v, notices %q, want status %d", name, r.Status, r.Error, notices(r), status)
				}
			}
			for _, path := range []string{"sessions", "bootsets", "phases", "categories", "templates"} {
				if got, body := w.resource(path); got != int(status) || !strings.Contains(body, "could not be read") {
					t.Errorf("pick list of %s: %d %s", path, got, body)
				}
			}
		})
	}
}

// One unreadable session among others is a warning with the number of such sessions.
func TestUnreadableSessionAmongOthersIsAWarning(t *testing.T) {
	w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"cacheSeconds":3600}`) })
	w.sim.FailSession(running, bossim.ServerError)
	for name, query := range everyQuery() {
		r := w.query(query)
		if name == "another template" { // the only session that may match is the unreadable one
			if r.Status != backend.StatusBadGateway {
				t.Errorf("%s: status %d, %v", name, r.Status, r.Error)
			}
			continue
		}
		if r.Error != nil || !strings.Contains(notices(r), "missing from the answer: 1.") || strings.Contains(notices(r), "No session matches") {
			t.Errorf("%s: error %v, notices %q", name, r.Error, notices(r))
		}
	}
	if got := drawn(t, w, `{"queryType":"offenders_map","field":"chassis/node"}`); !strings.Contains(got, "?") || strings.Contains(got, "·") {
		t.Errorf("the map of offenders says that nodes failed in no session:\n%s", got)
	}
	r := w.query(`{"queryType":"sessions","session":["` + well + `"]}`)
	if r.Error != nil || notices(r) != "" {
		t.Errorf("a query of another session: error %v, notices %q", r.Error, notices(r))
	}
}

// Deleted sessions can stay in the list for good. A warning counts them, and they take no answer away.
func TestOrphansAreTolerated(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	w.sim.FailSession(running, bossim.NotFound)
	if got := drawn(t, w, `{"queryType":"offenders_map","field":"cabinet/slot"}`); strings.Contains(got, "?") {
		t.Errorf("the map of offenders doubts what it knows:\n%s", got)
	}
	r := w.query(`{"queryType":"sessions","template":["nothing"]}`)
	if r.Error != nil || len(rows(t, r)) != 0 || !strings.Contains(notices(r), "missing from the answer: 1.") {
		t.Errorf("error %v, notices %q", r.Error, notices(r))
	}
	if r := w.query(`{"queryType":"sessions","session":["` + running + `"]}`); r.Status != backend.StatusNotFound {
		t.Errorf("the orphan itself: status %d, %v", r.Status, r.Error)
	}
}

// A session of which only the description could be read is a row with a warning, and
// nothing is claimed of its parts or its state.
func TestUnreadableBootSets(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		failed      []string // sessions whose boot sets fail; nil for all
		isError     bool
		rows        int
	}{
		{"sessions are shown", `{"queryType":"sessions"}`, nil, false, 8},
		{"their states are not known", `{"queryType":"sessions","state":["failed"]}`, nil, true, 0},
		{"their parts are not known", `{"queryType":"sessions","bootset":["gpu"]}`, nil, true, 0},
		{"boot sets", `{"queryType":"bootsets"}`, nil, true, 0},
		{"phases", `{"queryType":"phases"}`, nil, true, 0},
		{"counts", `{"queryType":"counts"}`, nil, true, 0},
		{"nodes", `{"queryType":"nodes"}`, nil, true, 0},
		{"offenders", `{"queryType":"offenders"}`, nil, true, 0},
		{"values of phases", `{"queryType":"values","field":"phase"}`, nil, true, 0},
		{"templates are known", `{"queryType":"values","field":"template"}`, nil, false, 3},
		{"unfinished ones are not known", `{"queryType":"sessions","session":["unfinished"]}`, nil, true, 0},
		{"one among others", `{"queryType":"bootsets"}`, []string{stuck}, false, 8},
		{"one among others, offenders", `{"queryType":"offenders"}`, []string{stuck}, false, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, bossim.Gallery())
			w.sim.Substitute(func(r *http.Request) http.Handler {
				id, part, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/apis/bos/v1/session/"), "/status/")
				if part == "" || tt.failed != nil && id != tt.failed[0] {
					return nil
				}
				return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) })
			})
			r := w.query(tt.query)
			if tt.isError {
				if r.Error == nil || !strings.Contains(r.Error.Error(), "could not be read") {
					t.Errorf("error %v, notices %q", r.Error, notices(r))
				}
				return
			}
			if n := len(rows(t, r)); n != tt.rows || !strings.Contains(notices(r), "could not be read") {
				t.Errorf("%d rows, want %d; notices %q", n, tt.rows, notices(r))
			}
		})
	}
}

// Sessions whose template is deleted are known by their descriptions alone. They do not
// hide what is known of others.
func TestSessionsOfDeletedTemplates(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	w.sim.Substitute(func(r *http.Request) http.Handler {
		if strings.HasSuffix(r.URL.Path, "/sessiontemplate/gpu-cos-2.5") {
			return http.NotFoundHandler()
		}
		return nil
	})
	r := w.query(`{"queryType":"sessions","state":["abandoned"]}`)
	if r.Error != nil || !strings.Contains(notices(r), "missing from the answer: 1.") {
		t.Errorf("a state that no session has: error %v, notices %q", r.Error, notices(r))
	}
	if r := w.query(`{"queryType":"nodes","session":["` + stuck + `"]}`); r.Status != backend.StatusNotFound {
		t.Errorf("its nodes: status %d, error %v", r.Status, r.Error)
	}
}

// The first sweep takes longer than a query waits.
func TestNothingIsClaimedDuringTheFirstSweep(t *testing.T) {
	inBubble(t, bossim.Gallery(), func(t *testing.T, w *world) {
		w.sim.Fail(bossim.Describe, bossim.Hang)
		w.sim.Fail(bossim.BootSet, bossim.Hang)
		start := time.Now()
		r := w.query(`{"queryType":"sessions"}`)
		if r.Error == nil || r.Status != backend.StatusTimeout {
			t.Errorf("after %s: status %d, error %v, notices %q", time.Since(start), r.Status, r.Error, notices(r))
		}
	})
}

// Panels with transformations lose the notices of an empty frame: that there may be more is
// said in a row then.
func TestNothingIsClaimedOfOldData(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	const query = `{"queryType":"sessions","template":["nothing"],"fresh":true}`
	if r := w.query(query); r.Error != nil || len(r.Frames[0].Fields) != 0 {
		t.Fatalf("while BOS answers: %v, %d columns", r.Error, len(r.Frames[0].Fields))
	}
	w.sim.Fail(bossim.Everything, bossim.Reset)
	got := rows(t, w.query(query))
	if text := joined(got, "not_known"); len(got) != 1 || !strings.Contains(text, "Nothing that is known. This data is ") {
		t.Errorf("while BOS is down: %v", got)
	}
}
