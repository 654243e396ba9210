package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"

	"github.com/bos-exporter/bos-exporter/datasource"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

const manySessions = 1000

// build builds the plugin.
func build(t testing.TB) (binary string) {
	t.Helper()
	binary, err := programs.BuildPlain(t.TempDir(), ".")
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// resident has the plugin read so many sessions of 10,000 nodes each, and answer queries
// about them. It returns the most memory that it has held, in MiB.
func resident(t testing.TB, p programs.Plugin, sessions int) float64 {
	t.Helper()
	const nodes = 10_000
	settings := backend.DataSourceInstanceSettings{ID: 1, UID: "bos", Type: datasource.PluginID, Updated: time.Now(),
		URL: programs.ManySessions(t, bossim.EraC, sessions, 1, nodes), JSONData: json.RawMessage(`{"cacheSeconds":3600,"timeout":60}`)}
	ask := func(query string) (rows int, err error) {
		resp, err := p.Data.QueryData(t.Context(), backend.ToProto().QueryDataRequest(&backend.QueryDataRequest{
			PluginContext: backend.PluginContext{PluginID: datasource.PluginID, DataSourceInstanceSettings: &settings},
			Queries: []backend.DataQuery{{RefID: "A", JSON: json.RawMessage(query),
				TimeRange: backend.TimeRange{From: bossim.GalleryTime.Add(-time.Hour), To: bossim.GalleryTime}}},
		}))
		if err != nil {
			return 0, err
		}
		all, err := backend.FromProto().QueryDataResponse(resp)
		if err != nil {
			return 0, err
		}
		a := all.Responses["A"]
		if a.Error != nil || len(a.Frames) == 0 {
			return 0, a.Error
		}
		return a.Frames[0].Rows(), nil
	}
	programs.Eventually(t, func() string { // a sweep may outlast a query
		rows, err := ask(`{"queryType":"sessions"}`)
		if err != nil || rows != sessions {
			return fmt.Sprintf("%d sessions, %v", rows, err)
		}
		return ""
	})
	for query, want := range map[string]int{
		fmt.Sprintf(`{"queryType":"nodes","session":[%q]}`, programs.ManyID(0)):          5000,
		fmt.Sprintf(`{"queryType":"nodes","session":[%q]}`, programs.ManyID(sessions-1)): 5000,
		`{"queryType":"offenders"}`: nodes / 100,
	} {
		if rows, err := ask(query); err != nil || rows != want {
			t.Errorf("%s: %d rows, want %d; %v", query, rows, want, err)
		}
	}
	held, peak := programs.Memory(t, p.PID)
	t.Logf("%d sessions: the plugin holds %.0f MiB, and has held up to %.0f", sessions, held, peak)
	return peak
}

func TestManySessionsOfManyNodesAreHeld(t *testing.T) {
	if held := resident(t, programs.StartPlugin(t, build(t)), manySessions); held > programs.MostMemory {
		t.Errorf("the plugin holds %.0f MiB, want %d at most", held, programs.MostMemory)
	}
}

func BenchmarkResident(b *testing.B) {
	binary := build(b)
	b.Run("plugin", func(b *testing.B) {
		var held float64
		for b.Loop() {
			held = resident(b, programs.StartPlugin(b, binary), manySessions)
		}
		b.ReportMetric(held, "MiB-resident")
		b.ReportMetric(manySessions, "sessions")
	})
}

// What an operator sets for the collection of garbage stands, and the plugin works within
// a soft limit of memory.
func TestMemoryLimitIsHeeded(t *testing.T) {
	binary := build(t)
	for _, tt := range []struct{ gogc, limit, says string }{
		{"", "", "go_gc_gogc_percent 200"},
		{"50", "", "go_gc_gogc_percent 50"},
		{"off", "50MiB", "go_gc_gomemlimit_bytes 5.24288e+07"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Setenv("GOGC", tt.gogc)
			t.Setenv("GOMEMLIMIT", tt.limit)
			p := programs.StartPlugin(t, binary)
			metrics, err := p.Diagnostics.CollectMetrics(t.Context(), new(pluginv2.CollectMetricsRequest))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(metrics.Metrics.Prometheus), "\n"+tt.says+"\n") {
				t.Errorf("the metrics lack %s", tt.says)
			}
			if tt.limit != "" {
				if held := resident(t, p, 100); held > 50+30 {
					t.Errorf("the plugin has held %.0f MiB, want %d at most: 30 above its limit", held, 50+30)
				}
			}
		})
	}
}
