package exporter

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
)

// atScale returns an exporter that has swept a BOS with sessions of about so many series in
// all, and the families of that snapshot.
func atScale(b *testing.B, series int) (*Exporter, []*dto.MetricFamily) {
	b.Helper()
	const perSession = 121 // of a reboot of three boot sets that has ended
	specs := make([]bossim.Spec, series/perSession)
	for i := range specs {
		specs[i] = bossim.Spec{Operation: bos.Reboot, Template: "compute-24.11", Created: bossim.DocumentedTime.Add(-3*time.Hour - time.Duration(i)*time.Second),
			BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(8)}, {Name: "login", Nodes: bossim.Nodes(10)[8:]}, {Name: "gateway", Nodes: bossim.Nodes(12)[10:]}}}
	}
	cfg := config("http://bos.test")
	cfg.Transport = inprocess.Transport(bossim.New(bossim.Scripted(specs...), bossim.EraC, bossim.NewSteppedClock(bossim.DocumentedTime).Now))
	e, err := New(cfg, slog.New(slog.DiscardHandler), io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	e.inventory.Sweep(b.Context())
	families := e.snapshotFamilies()
	n := 0
	for _, f := range families {
		n += len(f.GetMetric())
	}
	if n < series*9/10 || n > series*11/10 {
		b.Fatalf("there are %d series, want about %d", n, series)
	}
	return e, families
}

// scrapes has a handler scraped over HTTP, as Prometheus does: with gzip, in the format that
// it prefers. It calls before first each time.
func scrapes(b *testing.B, handler http.Handler, before func()) {
	b.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+"/metrics", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2")
	r.Header.Set("Accept-Encoding", "gzip")
	scrape := func() (size int64) {
		resp, err := transport.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		size, err = io.Copy(io.Discard, resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "gzip" {
			b.Fatalf("%s, error %v", resp.Status, err)
		}
		return size
	}
	size := scrape() // the first is that of a new snapshot
	b.ReportAllocs()
	for b.Loop() {
		if before != nil {
			b.StopTimer()
			before()
			b.StartTimer()
		}
		scrape()
	}
	b.ReportMetric(float64(size), "wire-bytes")
}

// constMetrics is a collector that does what most exporters do: it makes its metrics anew at
// every scrape.
type constMetrics struct {
	families []*dto.MetricFamily
	descs    []*prometheus.Desc
	values   [][][]string // of the labels, by family and series
}

func newConstMetrics(families []*dto.MetricFamily) *constMetrics {
	c := &constMetrics{families: families}
	for _, f := range families {
		var names []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			names = append(names, l.GetName())
		}
		values := make([][]string, len(f.GetMetric()))
		for i, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				values[i] = append(values[i], l.GetValue())
			}
		}
		c.descs, c.values = append(c.descs, prometheus.NewDesc(f.GetName(), f.GetHelp(), names, nil)), append(c.values, values)
	}
	return c
}

func (c *constMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

func (c *constMetrics) Collect(out chan<- prometheus.Metric) {
	for i, f := range c.families {
		for j, m := range f.GetMetric() {
			switch labels := c.values[i][j]; f.GetType() {
			case dto.MetricType_HISTOGRAM:
				buckets := make(map[float64]uint64)
				for _, bucket := range m.GetHistogram().GetBucket() {
					buckets[bucket.GetUpperBound()] = bucket.GetCumulativeCount()
				}
				out <- prometheus.MustNewConstHistogram(c.descs[i], m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum(), buckets, labels...)
			case dto.MetricType_COUNTER:
				out <- prometheus.MustNewConstMetric(c.descs[i], prometheus.CounterValue, m.GetCounter().GetValue(), labels...)
			default:
				out <- prometheus.MustNewConstMetric(c.descs[i], prometheus.GaugeValue, m.GetGauge().GetValue(), labels...)
			}
		}
	}
}

// BenchmarkScrape compares a scrape between two sweeps with what it costs by way of a
// registry, which has no metrics of its own.
func BenchmarkScrape(b *testing.B) {
	e, families := atScale(b, 100_000)
	b.Run("ours", func(b *testing.B) { scrapes(b, e.Handler(), nil) })
	b.Run("registry", func(b *testing.B) {
		registry := prometheus.NewRegistry()
		registry.MustRegister(newConstMetrics(families))
		scrapes(b, promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}), nil)
	})
}

func BenchmarkScrapeSeries(b *testing.B) {
	for _, series := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("series=%d", series), func(b *testing.B) {
			e, _ := atScale(b, series)
			scrapes(b, e.Handler(), nil)
		})
	}
}

// BenchmarkFirstScrape measures the scrape that renders a snapshot. What it is compared with
// is BenchmarkScrape/registry, which renders every time.
func BenchmarkFirstScrape(b *testing.B) {
	for _, series := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("series=%d", series), func(b *testing.B) {
			e, _ := atScale(b, series)
			scrapes(b, e.Handler(), func() { e.inventory.Sweep(context.Background()) })
		})
	}
}
