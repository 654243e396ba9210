package dashboards

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/exporter"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
)

// newExporter returns an exporter with the default settings, offset from a change.
func newExporter(t *testing.T, sim *bossim.Server, change func(*exporter.Config)) *exporter.Exporter {
	t.Helper()
	file := ""
	cfg := exporter.DefaultConfig()
	cfg.URL, cfg.Transport = "http://bos.test", inprocess.Transport(sim)
	cfg.Collectors = collectors.All
	cfg.Web = &web.FlagConfig{WebConfigFile: &file}
	if change != nil {
		change(&cfg)
	}
	e, err := exporter.New(cfg, slog.New(slog.DiscardHandler), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// scrape returns the metric families that the exporter serves, by name.
func scrape(t *testing.T, e *exporter.Exporter) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	e.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v", w.Code, err)
	}
	return families
}

// watch runs an exporter against a simulated BOS in the fake time of a bubble, and
// scrapes it every minute from start on. act, which may break BOS, is called before
// anything else at 0, and then before each scrape.
func watch(t *testing.T, scenario func(start time.Time) bossim.Scenario, era bossim.Era, change func(*exporter.Config),
	minutes int, act func(sim *bossim.Server, at time.Duration), see func(at time.Duration, families map[string]*dto.MetricFamily)) {
	synctest.Test(t, func(t *testing.T) {
		const offset = 10 * time.Second // between sweeps and scrapes
		sim := bossim.New(scenario(time.Now().Add(offset)), era, time.Now)
		if act != nil {
			act(sim, 0)
		}
		e := newExporter(t, sim, change)
		ctx, cancel := context.WithCancel(t.Context())
		var sweeps sync.WaitGroup
		sweeps.Go(func() { e.Sweep(ctx) })
		defer sweeps.Wait()
		defer cancel()
		time.Sleep(offset)
		for i := range minutes {
			at := time.Duration(i) * time.Minute
			if act != nil && i > 0 {
				act(sim, at)
			}
			see(at, scrape(t, e))
			time.Sleep(time.Minute)
		}
	})
}
