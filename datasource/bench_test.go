package datasource

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// A node table over gRPC, until the answer is there, out of what is known. What Grafana
// then does with the frames is not in it.
func BenchmarkNodes(b *testing.B) {
	p := startPlugin(b)
	for _, rows := range []int{1_000, 10_000, 30_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) { benchmarkNodes(b, p, rows, false) })
	}
	if binary := os.Getenv("INFINITY"); binary != "" {
		b.Run("infinity", func(b *testing.B) { benchmarkInfinity(b, binary, 10_000) })
	}
}

// A node table with a sweep and a reading of the boot set for each answer.
func BenchmarkNodesCold(b *testing.B) {
	p := startPlugin(b)
	for _, rows := range []int{10_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) { benchmarkNodes(b, p, rows, true) })
	}
}

// large is a session with a boot set of so many nodes, a hundredth of which fail.
func large(nodes int) bossim.Scenario {
	all := bossim.Nodes(nodes)
	return bossim.Scripted(bossim.Spec{ID: "large", Operation: "shutdown", Template: "all", Created: bossim.GalleryTime.Add(-time.Hour),
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: all, Troubles: []bossim.Trouble{{Kind: bossim.ShutdownFails, Nodes: all[:nodes/100], Message: "no power"}}}}})
}

func benchmarkNodes(b *testing.B, p pluginProcess, rows int, fresh bool) {
	w, s := newBOS(b, large(rows))
	s.ID, s.Updated = int64(rows), time.Now() // an instance of its own
	s.JSONData = json.RawMessage(`{"cacheSeconds":3600,"maxRows":100000}`)
	benchmarkQuery(b, p.Plugin, pluginContext(s), fmt.Sprintf(`{"queryType":"nodes","session":["large"],"fresh":%t}`, fresh), rows)
	if asked := w.requests(); !fresh && asked > 10 {
		b.Errorf("%d requests to BOS, want those of one sweep", asked)
	}
}

// benchmarkQuery measures the answer of a plugin to a query.
func benchmarkQuery(b *testing.B, p programs.Plugin, pc backend.PluginContext, query string, rows int) {
	req := backend.ToProto().QueryDataRequest(&backend.QueryDataRequest{
		PluginContext: pc,
		Queries:       []backend.DataQuery{{RefID: "A", TimeRange: day, JSON: json.RawMessage(query)}},
	})
	first, err := p.Data.QueryData(b.Context(), req)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := backend.FromProto().QueryDataResponse(first)
	if r := resp.Responses["A"]; err != nil || r.Error != nil || len(r.Frames) != 1 || r.Frames[0].Rows() != rows {
		b.Fatalf("%v %v, %d frames, want one of %d rows", err, r.Error, len(r.Frames), rows)
	}
	for b.Loop() {
		if r, err := p.Data.QueryData(b.Context(), req); err != nil || r.Responses["A"].Error != "" {
			b.Fatalf("%v %v", err, r)
		}
	}
}

// benchmarkInfinity measures the Infinity datasource, a general one for JSON over HTTP, on
// the boot set that benchmarkNodes asks for. It keeps nothing of an answer, so that each
// holds a request. The query gives five columns, which are all that the document has.
func benchmarkInfinity(b *testing.B, binary string, rows int) {
	_, s := newBOS(b, large(rows))
	settings := backend.DataSourceInstanceSettings{ID: 1, UID: "infinity", Type: "yesoreyeram-infinity-datasource", Updated: time.Now(),
		JSONData: json.RawMessage(fmt.Sprintf(`{"allowedHosts":[%q]}`, s.URL))}
	query, err := json.Marshal(map[string]any{
		"type": "json", "source": "url", "format": "table", "parser": "jq-backend",
		"url": s.URL + "/v1/session/large/status/compute", "url_options": map[string]string{"method": "GET"},
		"root_selector": `.name as $b | .session as $s | .phases[] | .name as $p | .categories[] | .name as $c | .node_list[] | {session: $s, bootset: $b, phase: $p, category: $c, node: .}`,
	})
	if err != nil {
		b.Fatal(err)
	}
	p := programs.StartPlugin(b, binary)
	benchmarkQuery(b, p, backend.PluginContext{PluginID: settings.Type, DataSourceInstanceSettings: &settings}, string(query), rows)
}
