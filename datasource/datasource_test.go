package datasource

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"go.uber.org/goleak"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an instance of the datasource that looks at a simulated BOS over HTTP.
type world struct {
	t     testing.TB
	ds    *Datasource // nil when it runs in a process of its own
	ask   func(context.Context, *backend.QueryDataRequest) (*backend.QueryDataResponse, error)
	sim   *bossim.Server
	clock *bossim.SteppedClock

	mu    sync.Mutex
	asked map[string]int // requests by path below /v1/
}

func newWorld(t testing.TB, scenario bossim.Scenario, change ...func(*backend.DataSourceInstanceSettings)) *world {
	t.Helper()
	w, settings := newBOS(t, scenario)
	w.connect(settings, change...)
	return w
}

// connect has the world seen by an instance of the datasource.
func (w *world) connect(settings backend.DataSourceInstanceSettings, change ...func(*backend.DataSourceInstanceSettings)) {
	t := w.t
	t.Helper()
	for _, c := range change {
		c(&settings)
	}
	instance, err := New(t.Context(), settings)
	if err != nil {
		t.Fatalf("the factory returns an error: %v", err)
	}
	w.ds = instance.(*Datasource)
	w.ask = w.ds.QueryData
	t.Cleanup(w.ds.Dispose)
}

// newBOS is a world without a datasource, and the settings for one.
func newBOS(t testing.TB, scenario bossim.Scenario) (*world, backend.DataSourceInstanceSettings) {
	t.Helper()
	return newBOSAt(t, scenario, bossim.EraC, bossim.GalleryTime)
}

// newBOSAt is newBOS of an era, at a time.
func newBOSAt(t testing.TB, scenario bossim.Scenario, era bossim.Era, now time.Time) (*world, backend.DataSourceInstanceSettings) {
	t.Helper()
	w := &world{t: t, clock: bossim.NewSteppedClock(now), asked: make(map[string]int)}
	w.sim = bossim.New(scenario, era, w.clock.Now)
	w.sim.Observe(func(r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked[strings.TrimPrefix(r.URL.EscapedPath(), "/apis/bos/v1/")]++
	})
	server := httptest.NewServer(w.sim)
	t.Cleanup(func() {
		w.sim.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return w, backend.DataSourceInstanceSettings{
		UID: "bos-uid", Name: "BOS", Type: PluginID, URL: server.URL + "/apis/bos", JSONData: json.RawMessage(`{}`),
	}
}

func (w *world) requests() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, times := range w.asked {
		n += times
	}
	return n
}

// day is a time range that overlaps all sessions of the gallery.
var day = backend.TimeRange{From: bossim.GalleryTime.Add(-24 * time.Hour), To: bossim.GalleryTime}

func (w *world) query(q string) backend.DataResponse { return w.queryIn(day, q) }

func (w *world) queryIn(r backend.TimeRange, q string) backend.DataResponse {
	w.t.Helper()
	resp, err := w.ask(w.t.Context(), &backend.QueryDataRequest{
		Queries: []backend.DataQuery{{RefID: "A", TimeRange: r, JSON: json.RawMessage(q)}},
	})
	if err != nil {
		w.t.Fatalf("QueryData returns an error: %v", err)
	}
	return resp.Responses["A"]
}

// rows returns the rows of the only frame of an answer, by the names of its fields.
func rows(t *testing.T, r backend.DataResponse) []map[string]any {
	t.Helper()
	if r.Error != nil {
		t.Fatalf("status %d: %v", r.Status, r.Error)
	}
	if len(r.Frames) != 1 {
		t.Fatalf("%d frames, want one", len(r.Frames))
	}
	f := r.Frames[0]
	n, err := f.RowLen()
	if err != nil {
		t.Fatal(err)
	}
	all := make([]map[string]any, n)
	for i := range all {
		all[i] = make(map[string]any)
		for _, field := range f.Fields {
			if v, present := field.ConcreteAt(i); present {
				all[i][field.Name] = v
			}
		}
	}
	return all
}

// joined returns a field of all rows as text.
func joined(rows []map[string]any, name string) string {
	var all []string
	for _, r := range rows {
		all = append(all, fmt.Sprint(r[name]))
	}
	return strings.Join(all, " ")
}

func notices(r backend.DataResponse) string {
	var all []string
	for _, f := range r.Frames {
		if f.Meta != nil {
			for _, n := range f.Meta.Notices {
				all = append(all, n.Text)
			}
		}
	}
	return strings.Join(all, "\n")
}

var (
	port = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	asOf = regexp.MustCompile(`as of \S+`)
)

// Golden is the answer to a query, written so that it can be read and compared.
func golden(t *testing.T, frames data.Frames) string {
	t.Helper()
	var b strings.Builder
	for _, f := range frames {
		table, err := f.StringTable(-1, -1)
		if err != nil {
			t.Fatal(err)
		}
		meta, err := json.MarshalIndent(f.Meta, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\nmeta %s\n", table, meta)
		for _, field := range f.Fields {
			config, err := json.Marshal(field.Config)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "field %s %s\n", field.Name, config)
		}
		b.WriteByte('\n')
	}
	return asOf.ReplaceAllString(port.ReplaceAllString(b.String(), "http://bos.test"), "as of now")
}

// checkGolden compares the answer to a query with its golden file.
func checkGolden(t *testing.T, w *world, name, query string) {
	t.Helper()
	r := w.query(query)
	if r.Error != nil {
		t.Fatalf("status %d: %v", r.Status, r.Error)
	}
	got := golden(t, r.Frames)
	file := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the answer differs from %s; if it should, run: go test ./datasource -update\n%s", file, got)
	}
}

// goldenQueries has a query for each query type about sessions, by the name of its golden
// file.
func goldenQueries() map[string]string {
	queries := make(map[string]string)
	for name, known := range queryTypes {
		if !known.ofMachine {
			queries[name] = fmt.Sprintf(`{"queryType":%q}`, name)
		}
	}
	queries["values"] = `{"queryType":"values","field":"session"}`
	queries["places"] = `{"queryType":"places","field":"slot"}`
	queries["map"] = `{"queryType":"map","field":"chassis/node"}`
	queries["offenders_map"] = `{"queryType":"offenders_map","field":"cabinet/slot"}`
	return queries
}

func TestGolden(t *testing.T) {
	for name, query := range goldenQueries() {
		t.Run(name, func(t *testing.T) { checkGolden(t, newWorld(t, bossim.Gallery()), name, query) })
	}
}
