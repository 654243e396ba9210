package datasource

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// Out of a snapshot that is fresh enough, every query about sessions and every pick list
// is answered without a request to BOS: about sessions at work, settled ones and, once
// they have been asked for, those that are too old to be followed.
func TestAnswersOutOfTheCacheCostNoRequest(t *testing.T) {
	long := func(s *backend.DataSourceInstanceSettings) {
		s.JSONData = json.RawMessage(`{"cacheSeconds":3600,"sessionsMaxAge":"170m"}`)
	}
	for api, watch := range map[string]func(*testing.T) *world{
		bos.APIv1: func(t *testing.T) *world { return newWorld(t, bossim.Gallery(), long) },
		bos.APIv2: func(t *testing.T) *world { return watchedGallery(t, bossim.EraD2, long) },
	} {
		t.Run(api, func(t *testing.T) {
			w := watch(t)
			for _, query := range []string{`{"queryType":"nodes","fresh":true}`, `{"queryType":"nodes","session":["` + well + `"]}`} {
				if r := w.query(query); r.Error != nil {
					t.Fatal(r.Error)
				}
			}
			before := w.requests()
			for _, name := range slices.Sorted(maps.Keys(queryTypes)) {
				known := queryTypes[name]
				if known.ofMachine {
					continue
				}
				for _, field := range append(known.fields, "") {
					for _, session := range []string{`[]`, `["` + running + `"]`, `["` + neverReady + `"]`, `["` + well + `"]`, `["latest","unfinished"]`} {
						query := fmt.Sprintf(`{"queryType":%q,"field":%q,"session":%s}`, name, field, session)
						if known.fields != nil && field == "" {
							continue
						}
						if r := w.query(query); r.Error != nil || w.requests() != before {
							t.Fatalf("%s: %d requests, %v", query, w.requests()-before, r.Error)
						}
					}
				}
			}
			for _, list := range []string{"sessions", "bootsets?session=" + well, "phases?session=" + running, "categories", "templates?q=gpu", "tenants"} {
				if status, body := w.resource(list); status != 200 || w.requests() != before {
					t.Errorf("%s: %d requests, status %d %s", list, w.requests()-before, status, body)
				}
			}
		})
	}
}

// However often a dashboard is refreshed that shows the nodes of a week, only what is at
// work is read again.
func TestRefreshesReadOnlyWhatIsAtWork(t *testing.T) {
	const sessions, active, sets, refreshes = 200, 2, 4, 10
	nodes := bossim.Nodes(sets * 8)
	var specs []bossim.Spec
	for i := range sessions {
		ago := 10 * time.Minute // at work
		if i >= active {
			ago = 3*time.Hour + time.Duration(i)*45*time.Minute
		}
		spec := bossim.Spec{ID: fmt.Sprint("session-", i), Operation: bos.Reboot, Template: "all", Created: bossim.GalleryTime.Add(-ago)}
		for j := range sets {
			spec.BootSets = append(spec.BootSets, bossim.BootSetSpec{Name: fmt.Sprint("set-", j), Nodes: nodes[j*8 : (j+1)*8 : (j+1)*8]})
		}
		specs = append(specs, spec)
	}
	w := newWorld(t, bossim.Scripted(specs...), func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"cacheSeconds":0}`) })
	panels := dashboardQueries(t, "../dashboards/bos-nodes.json", strings.NewReplacer(`"$node"`, `"x1000c0s*"`, `["$tenant"]`, `[]`))
	refresh := func() {
		t.Helper()
		week := backend.TimeRange{From: bossim.GalleryTime.Add(-7 * 24 * time.Hour), To: bossim.GalleryTime}
		req := &backend.QueryDataRequest{}
		for i, panel := range panels {
			req.Queries = append(req.Queries, backend.DataQuery{RefID: fmt.Sprint(i), TimeRange: week, JSON: json.RawMessage(panel)})
		}
		resp, err := w.ask(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for i, panel := range panels {
			if r := resp.Responses[fmt.Sprint(i)]; r.Error != nil && !strings.Contains(panel, "components") { // which v1 does not have
				t.Errorf("%s: %v", panel, r.Error)
			}
		}
	}
	refresh()
	w.mu.Lock()
	clear(w.asked)
	w.mu.Unlock()
	for range refreshes {
		refresh()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, n := range w.asked {
		id, _, _ := strings.Cut(strings.TrimPrefix(path, "session/"), "/")
		if strings.HasPrefix(path, "session/") && id != "session-0" && id != "session-1" {
			t.Errorf("%s of a session that is settled was asked for %d times", path, n)
		}
	}
	if sweeps := w.asked["session"]; sweeps < refreshes || sweeps > refreshes*len(panels) {
		t.Errorf("%d lists for %d refreshes of %d panels", sweeps, refreshes, len(panels))
	}
}

// dashboardQueries returns the queries of a dashboard to the BOS datasource, with its
// variables filled in.
func dashboardQueries(t *testing.T, file string, vars *strings.Replacer) (queries []string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type panel struct {
		Targets []json.RawMessage
		Panels  []panel
	}
	var dashboard panel
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	var collect func(panel)
	collect = func(p panel) {
		for _, target := range p.Targets {
			if strings.Contains(string(target), `"queryType"`) {
				queries = append(queries, vars.Replace(strings.ReplaceAll(string(target), ": ", ":")))
			}
		}
		for _, inner := range p.Panels {
			collect(inner)
		}
	}
	collect(dashboard)
	if len(queries) == 0 {
		t.Fatalf("%s has no queries", file)
	}
	return queries
}
