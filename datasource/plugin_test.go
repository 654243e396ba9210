package datasource

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// startPlugin builds the backend and starts it.
func startPlugin(t testing.TB) pluginProcess {
	t.Helper()
	binary, err := programs.Build(t.TempDir(), "../cmd/gpx_bos_datasource")
	if err != nil {
		t.Fatal(err)
	}
	return pluginProcess{programs.StartPlugin(t, binary)}
}

type pluginProcess struct{ programs.Plugin }

// pluginContext is what Grafana sends along with each request.
func pluginContext(s backend.DataSourceInstanceSettings) backend.PluginContext {
	return backend.PluginContext{PluginID: PluginID, DataSourceInstanceSettings: &s}
}

// through has a process answer the queries of a world.
func (p pluginProcess) through(w *world, s backend.DataSourceInstanceSettings) *world {
	w.ask = func(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
		req.PluginContext = pluginContext(s)
		resp, err := p.Data.QueryData(ctx, backend.ToProto().QueryDataRequest(req))
		if err != nil {
			return nil, err
		}
		return backend.FromProto().QueryDataResponse(resp)
	}
	return w
}

// The built backend answers over its real protocol as the code in this process.
func TestPlugin(t *testing.T) {
	p := startPlugin(t)
	n := 0
	world := func(t *testing.T, change ...func(*backend.DataSourceInstanceSettings)) (*world, backend.DataSourceInstanceSettings) {
		w, s := newBOS(t, bossim.Gallery())
		n++
		s.ID, s.Updated = int64(n), time.Unix(int64(n), 0) // an instance of its own
		for _, c := range change {
			c(&s)
		}
		return p.through(w, s), s
	}
	t.Run("golden frames", func(t *testing.T) {
		w, _ := world(t)
		for name, query := range goldenQueries() {
			t.Run(name, func(t *testing.T) {
				if *update {
					return // TestGolden writes them
				}
				checkGolden(t, w, name, query)
			})
		}
	})
	t.Run("bad queries", func(t *testing.T) {
		w, _ := world(t)
		for _, tt := range badQueries {
			r := w.query(tt.query)
			if r.Error == nil || r.Status != tt.status || !strings.Contains(r.Error.Error(), tt.says) || r.ErrorSource != backend.ErrorSourceDownstream {
				t.Errorf("%s: status %d, source %s, error %v, want %d with %q", tt.query, r.Status, r.ErrorSource, r.Error, tt.status, tt.says)
			}
		}
	})
	t.Run("BOS in trouble", func(t *testing.T) {
		for fault, status := range map[bossim.Fault]backend.Status{
			bossim.Forbidden: backend.StatusForbidden, bossim.Reset: backend.StatusBadGateway, bossim.NotJSON: backend.StatusBadGateway,
		} {
			w, _ := world(t)
			w.sim.Fail(bossim.Everything, fault)
			if r := w.query(`{"queryType":"nodes"}`); r.Error == nil || r.Status != status {
				t.Errorf("%s: status %d, %v", fault, r.Status, r.Error)
			}
		}
		w, _ := world(t, func(s *backend.DataSourceInstanceSettings) { s.URL = "http://127.0.0.1:1" })
		if r := w.query(`{"queryType":"nodes"}`); r.Status != backend.StatusBadGateway {
			t.Errorf("nothing listens: status %d, %v", r.Status, r.Error)
		}
		w, _ = world(t, func(s *backend.DataSourceInstanceSettings) { s.URL = "" })
		if r := w.query(`{"queryType":"nodes"}`); r.Status != backend.StatusBadRequest || !strings.Contains(r.Error.Error(), "URL is missing") {
			t.Errorf("no URL: status %d, %v", r.Status, r.Error)
		}
	})
	t.Run("health", func(t *testing.T) {
		_, s := world(t)
		h, err := p.Diagnostics.CheckHealth(t.Context(), &pluginv2.CheckHealthRequest{PluginContext: backend.ToProto().PluginContext(pluginContext(s))})
		if err != nil || h.Status != pluginv2.CheckHealthResponse_OK || !strings.Contains(h.Message, "sessions: 8") {
			t.Errorf("%v %v", h, err)
		}
	})
	t.Run("pick list", func(t *testing.T) {
		_, s := world(t)
		stream, err := p.Resource.CallResource(t.Context(), &pluginv2.CallResourceRequest{
			PluginContext: backend.ToProto().PluginContext(pluginContext(s)), Path: "templates", Url: "templates?q=gpu", Method: http.MethodGet,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := stream.Recv()
		if err != nil || r.Code != 200 || !strings.Contains(string(r.Body), "gpu-cos-2.5") {
			t.Errorf("%v %v", r, err)
		}
	})
}
