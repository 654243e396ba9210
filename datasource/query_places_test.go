package datasource

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// twoNights are two sessions over nodes of two cabinets, one of which bears no xname. The
// second one has fewer.
func twoNights(t *testing.T) *world {
	t.Helper()
	first, second := held("", "first"), held("", "second")
	first.StartTime = second.StartTime.Add(-time.Hour)
	return newHeldWorld(t, heldAPI{sessions: []bos.Session{first, second}, nodes: func(s *bos.Session, r *bos.Recorder) {
		add := func(category string, names ...string) {
			for _, name := range names {
				r.Category(0, category).Add([]byte(name))
			}
		}
		if s.ID == "first" {
			add(bos.Failed, "x1000c0s0b0n0", "x1000c0s10b1n1", "x1001c7s2b0n1", "nid000001")
			add(bos.Succeeded, "x1000c0s2b0n0", "x1001c7s2b0n0")
			add(bos.Excluded, "x1001c7s3b0n0")
			r.Error(0, "no power").Add([]byte("x1001c7s2b0n1"))
			r.Error(0, "no route").Add([]byte("x1000c0s0b0n0"))
		} else {
			add(bos.InProgress, "x1000c0s2b0n0")
			add(bos.Succeeded, "x1000c0s0b0n0")
			r.Error(0, "was slow").Add([]byte("x1000c0s2b0n0"))
		}
		b := bos.BootSet{Name: "compute", Reported: true, Phases: []bos.Phase{{Name: bos.Boot}}}
		r.EndBootSet(&b)
		s.BootSets = []bos.BootSet{b}
		s.Nodes = s.Fates().Tally()
	}})
}

func TestPlaces(t *testing.T) {
	w := twoNights(t)
	for _, tt := range []struct{ query, field, want string }{
		{`"field":"cabinet"`, "place", "x1000 x1001 "},
		{`"field":"cabinet"`, "nodes", "3 3 1"},
		{`"field":"cabinet"`, "succeeded", "1 1 0"},
		{`"field":"cabinet"`, "failed", "1 1 1"},
		{`"field":"cabinet"`, "unfinished", "1 0 0"},
		{`"field":"cabinet"`, "excluded", "0 1 0"},
		{`"field":"cabinet"`, "state", "failed failed failed"},
		{`"field":"cabinet","session":["second"]`, "place", "x1000"},
		{`"field":"cabinet","session":["second"]`, "failed_share", "0"},
		{`"field":"cabinet","session":["second"]`, "incomplete_share", "0.5"},
		{`"field":"cabinet","session":["second"]`, "state", "unfinished"},
		{`"field":"cabinet","session":["second"],"phase":["boot"]`, "state", "unfinished"},
		{`"field":"cabinet","session":["second"],"category":["succeeded"]`, "nodes", "1"},
		{`"field":"cabinet","session":["first"]`, "failed", "2 1 1"},
		{`"field":"chassis"`, "within", "x1000 x1001 "},
		{`"field":"chassis"`, "position", "c0 c7 "},
		{`"field":"slot"`, "place", "x1000c0s10 x1001c7s2  x1000c0s2 x1000c0s0 x1001c7s3"},
		{`"field":"slot"`, "within", "x1000c0 x1001c7  x1000c0 x1000c0 x1001c7"},
		{`"field":"slot"`, "position", "s10 s2  s2 s0 s3"},
		{`"field":"bmc"`, "position", "b1 b0  b0 b0 b0"},
		{`"field":"node"`, "position", "b0n0 b0n0 b1n1 b0n0 b0n1 b0n0 nid000001"},
		{`"field":"node"`, "place", "x1000c0s0b0n0 x1000c0s2b0n0 x1000c0s10b1n1 x1001c7s2b0n0 x1001c7s2b0n1 x1001c7s3b0n0 nid000001"},
		{`"field":"slot","node":"x1001*"`, "failed_share", "0.5 0"},
		{`"field":"slot","limit":2`, "place", "x1000c0s10 x1001c7s2"}, // the worst
	} {
		t.Run(tt.query+" "+tt.field, func(t *testing.T) {
			if got := joined(rows(t, w.query(`{"queryType":"places",`+tt.query+`}`)), tt.field); got != tt.want {
				t.Errorf("%s is %q, want %q", tt.field, got, tt.want)
			}
		})
	}
}

func TestErrorsOfPlaces(t *testing.T) {
	w := twoNights(t)
	for query, want := range map[string][]string{
		`"field":"cabinet"`:                      {noMessage, "no power", noMessage}, // of as many nodes as was slow
		`"field":"slot","node":"x1000*"`:         {noMessage, "was slow", ""},
		`"field":"cabinet","session":["second"]`: {"was slow"},
	} {
		var got []string
		for _, row := range rows(t, w.query(`{"queryType":"places",`+query+`}`)) {
			got = append(got, row["error"].(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: errors %q, want %q", query, got, want)
		}
	}
}

// No node is lost in silence, whatever it is called.
func TestPlacesOfNodesWithoutAnXname(t *testing.T) {
	w := twoNights(t)
	for query, want := range map[string]string{
		`{"queryType":"places","field":"slot"}`:                     "Nodes whose names are not xnames: 1. They are in a row without a place.",
		`{"queryType":"places","field":"node"}`:                     "",
		`{"queryType":"places","field":"slot","node":"x*"}`:         "",
		`{"queryType":"map","field":"cabinet/slot"}`:                "Nodes that are not on the map, because their names are not xnames: 1.",
		`{"queryType":"offenders_map","field":"cabinet/slot"}`:      "Nodes that are not on the map, because their names are not xnames: 1.",
		`{"queryType":"map","field":"cabinet/slot","node":"x100*"}`: "",
	} {
		if got := notices(w.query(query)); got != want {
			t.Errorf("%s: notices %q, want %q", query, got, want)
		}
	}
}

// bigMachine is a world in which a session has failed on some of n nodes, all of them known.
func bigMachine(b *testing.B, n int) *world {
	b.Helper()
	names := bossim.Nodes(n)
	var never []string
	for i := 7; i < n; i += 97 {
		never = append(never, names[i])
	}
	w, settings := newBOS(b, bossim.Scripted(bossim.Spec{ID: "big", Operation: bos.Reboot, Template: "all", Created: bossim.GalleryTime.Add(-2 * time.Hour),
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: names, Troubles: []bossim.Trouble{{Kind: bossim.NeverReady, Nodes: never}}}}}))
	w.connect(settings, func(s *backend.DataSourceInstanceSettings) {
		s.JSONData = []byte(`{"cacheSeconds":3600,"maxRows":20000}`)
	})
	return w
}

// benchmarkKnown asks again and again for what is known.
func benchmarkKnown(b *testing.B, w *world, query string) {
	b.Helper()
	if r := w.query(query); r.Error != nil || strings.Contains(notices(r), "Only") {
		b.Fatalf("%v, notices %q", r.Error, notices(r))
	}
	defer func(old log.Logger) { log.DefaultLogger = old }(log.DefaultLogger)
	log.DefaultLogger = log.NewNullLogger()
	b.ReportAllocs()
	for b.Loop() {
		w.query(query)
	}
}

func BenchmarkPlaces(b *testing.B) {
	w := bigMachine(b, 12_000)
	for _, level := range placeLevels {
		b.Run("nodes=12000/"+level, func(b *testing.B) {
			benchmarkKnown(b, w, fmt.Sprintf(`{"queryType":"places","field":%q}`, level))
		})
	}
}
