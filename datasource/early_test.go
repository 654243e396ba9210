package datasource

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// While a slow BOS is read for the first time, a query is answered as soon as what it
// selects has been read, and not before.
func TestAnswersBeforeTheEndOfTheFirstSweep(t *testing.T) {
	const sessions = 40 // one every four hours
	var specs []bossim.Spec
	for i := range sessions {
		specs = append(specs, bossim.Spec{ID: fmt.Sprintf("session-%02d", i), Operation: bos.Reboot, Template: fmt.Sprint("template-", i%2),
			Created:  bossim.GalleryTime.Add(-2*time.Hour - time.Duration(i)*4*time.Hour),
			BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(8)}}})
	}
	const failing = 9
	specs[failing].BootSets[0].Troubles = []bossim.Trouble{{Kind: bossim.NeverReady, Nodes: bossim.Nodes(8)}}
	hours := func(n int) backend.TimeRange {
		return backend.TimeRange{From: bossim.GalleryTime.Add(-time.Duration(n) * time.Hour), To: bossim.GalleryTime}
	}
	for _, tt := range []struct {
		name, query string
		within      backend.TimeRange
		rows        int
		most        int // sessions whose boot sets are asked for before the answer
		described   int // sessions at most, 0 for all
	}{
		{name: "six hours", query: `{"queryType":"bootsets"}`, within: hours(6), rows: 2, most: 7},
		{name: "a day", query: `{"queryType":"bootsets"}`, within: hours(24), rows: 6, most: 12},
		{name: "a template", query: `{"queryType":"bootsets","template":["template-1"]}`, within: hours(8), rows: 1, most: 7},
		{name: "the latest", query: `{"queryType":"bootsets","session":["latest"]}`, within: hours(168), rows: 1, most: 6},
		{name: "the latest of a state", query: `{"queryType":"bootsets","session":["latest"],"state":["succeeded"]}`, within: hours(168), rows: 1, most: 6},
		{name: "the latest that failed", query: `{"queryType":"bootsets","session":["latest"],"state":["failed"]}`, within: hours(168), rows: 1, most: failing + 7},
		{name: "the latest of a past time", query: `{"queryType":"bootsets","session":["latest"]}`, within: backend.TimeRange{From: hours(20).From, To: hours(16).From}, rows: 1, most: 10},
		{name: "running ones, of which there are none", query: `{"queryType":"bootsets","session":["running"]}`, within: hours(168), rows: 0, most: 5},
		{name: "an id", query: `{"queryType":"bootsets","session":["session-39"]}`, within: hours(6), rows: 1, most: 2, described: 25},
		{name: "values of sessions", query: `{"queryType":"values","field":"session"}`, within: hours(6), rows: 2, most: 7},
		{name: "values of boot sets", query: `{"queryType":"values","field":"bootset"}`, within: hours(6), rows: 1, most: 7},
		{name: "values of templates", query: `{"queryType":"values","field":"template"}`, within: hours(6), rows: 2, most: 7},
		{name: "another tenant", query: `{"queryType":"bootsets","tenant":["blue"]}`, within: hours(168), rows: 0, most: 1, described: 8},
		{name: "the week", query: `{"queryType":"bootsets"}`, within: hours(168), rows: sessions, most: sessions},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, bossim.Scripted(specs...), func(t *testing.T, w *world) {
				var mu sync.Mutex
				described, read := make(map[string]bool), make(map[string]bool)
				w.sim.Observe(func(r *http.Request) {
					_, path, ofSession := strings.Cut(r.URL.Path, "/v1/session/")
					id, part, _ := strings.Cut(path, "/")
					mu.Lock()
					if ofSession {
						described[id] = true
					}
					if strings.HasPrefix(part, "status/") {
						read[id] = true
					}
					mu.Unlock()
					time.Sleep(250 * time.Millisecond)
				})
				r := w.queryIn(tt.within, tt.query)
				mu.Lock()
				n, all := len(read), len(described)
				mu.Unlock()
				got := 0
				if r.Error == nil {
					got = r.Frames[0].Rows()
				}
				if r.Error != nil || got != tt.rows || strings.Contains(notices(r), "missing") {
					t.Errorf("%d rows, want %d; error %v, notices %q", got, tt.rows, r.Error, notices(r))
				}
				if n < tt.rows || n > tt.most || tt.described > 0 && all > tt.described {
					t.Errorf("boot sets of %d sessions were read before the answer, want %d to %d; %d were described", n, tt.rows, tt.most, all)
				}
				early := golden(t, r.Frames)
				if r := w.alert(`{"queryType":"counts","session":["latest"]}`); r.Error != nil || r.Frames[0].Rows() == 0 {
					t.Errorf("an alert rule for the latest: %v", r.Error)
				}
				w.queryIn(hours(168), `{"queryType":"bootsets","fresh":true}`)
				if late := golden(t, w.queryIn(tt.within, tt.query).Frames); late != early {
					t.Errorf("the answer was\n%s\nand once all had been read it is\n%s", early, late)
				}
			})
		})
	}
}

// A pick list does not wait for thousands of old sessions: it has what is known by then,
// and does not claim that this is all.
func TestPickListsAreImpatient(t *testing.T) {
	const sessions = 2000 // one an hour
	var specs []bossim.Spec
	for i := range sessions {
		specs = append(specs, bossim.Spec{ID: fmt.Sprintf("session-%04d", i), Operation: bos.Reboot, Template: fmt.Sprint("template-", i%2),
			Created:  bossim.GalleryTime.Add(-2*time.Hour - time.Duration(i)*time.Hour),
			BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(8)}}})
	}
	inBubble(t, bossim.Scripted(specs...), func(t *testing.T, w *world) {
		w.sim.Observe(func(*http.Request) { time.Sleep(100 * time.Millisecond) })
		ask := func(path string) (int, string) {
			r := httptest.NewRecorder()
			w.ds.routes().ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+path, nil))
			return r.Code, r.Body.String()
		}
		const reading = `{"value":"","label":"There may be more: BOS is still being read","isDisabled":true}]`
		for _, tt := range []struct {
			path   string
			status int
			says   []string
		}{
			{"sessions", http.StatusOK, []string{`"value":"session-0000"`, reading}},
			{"templates", http.StatusOK, []string{`"value":"template-1"`, reading}},
			{"bootsets", http.StatusGatewayTimeout, []string{"have not been read yet"}},
			{"bootsets?session=session-1999", http.StatusOK, []string{`[{"value":"compute","label":"compute"}]`}},
		} {
			asked := time.Now()
			status, body := ask(tt.path)
			if waited := time.Since(asked); waited > patience || status != tt.status {
				t.Errorf("%s: status %d after %s, want %d", tt.path, status, waited, tt.status)
			}
			for _, words := range tt.says {
				if !strings.Contains(body, words) {
					t.Errorf("%s: %.200s, want %s", tt.path, body, words)
				}
			}
		}
		time.Sleep(time.Hour)
		if status, body := ask("templates"); status != http.StatusOK || body != `[{"value":"template-0","label":"template-0"},{"value":"template-1","label":"template-1"}]`+"\n" {
			t.Errorf("once all has been read: status %d: %s", status, body)
		}
		const cut = `{"value":"","label":"There are more: type to narrow them","isDisabled":true}]`
		if _, body := ask("sessions"); !strings.HasSuffix(strings.TrimSpace(body), cut) {
			t.Errorf("of all sessions: %s, want it to end in %s", body, cut)
		}
	})
}
