// Package collectors turns a snapshot of the inventory into metric families. It
// does no I/O: each collector is a pure function in a file of its own.
package collectors

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// Collector builds some of the metric families of a snapshot.
type Collector struct {
	Name     string // of the flag --[no-]collector.NAME and in the label collector
	Help     string // what it collects, to follow "Collect" in the help of the flag
	Optional bool   // whether it is off by default
	Metrics  []*Metric
	collect  func(*inventory.Snapshot, *family)
}

// All lists every collector, in the order of their names.
var All = []Collector{
	bootset, category, completions, Components, nodes, phase, progress, session, sessions, state, sweep,
}

// Metric describes a metric family.
type Metric struct {
	Name   string
	Help   string
	Type   dto.MetricType
	Labels []string
}

func gauge(name, help string, labels ...string) *Metric {
	return &Metric{Name: name, Help: help, Type: dto.MetricType_GAUGE, Labels: labels}
}

var (
	collectorDuration = gauge("bos_scrape_collector_duration_seconds",
		"Duration of a collector run in seconds.", "collector")
	collectorSuccess = gauge("bos_scrape_collector_success",
		"Whether a collector succeeded (1) or not (0).", "collector")
)

// ScrapeMetrics are the metrics about the collectors themselves.
var ScrapeMetrics = []*Metric{collectorDuration, collectorSuccess}

// Collect runs the collectors on a snapshot. It yields their families in the order of their
// names and those of ScrapeMetrics after them. Each is made when it is its turn, so that no
// more than one is held: a collector runs once for each of its metrics. For a collector that
// fails, Collect yields an error instead of its families.
func Collect(s *inventory.Snapshot, enabled []Collector) iter.Seq2[*dto.MetricFamily, error] {
	type part struct {
		*Metric
		of int // the index of its collector
	}
	var parts []part
	for i, c := range enabled {
		for _, m := range c.Metrics {
			parts = append(parts, part{m, i})
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.Name, b.Name) })
	return func(yield func(*dto.MetricFamily, error) bool) {
		took, failed := make([]time.Duration, len(enabled)), make([]bool, len(enabled))
		for _, p := range parts {
			if failed[p.of] {
				continue
			}
			start := time.Now()
			f, err := enabled[p.of].run(s, p.Metric)
			took[p.of] += time.Since(start)
			failed[p.of] = err != nil
			if (f != nil || err != nil) && !yield(f, err) {
				return
			}
		}
		for _, m := range ScrapeMetrics {
			f := newFamily(m, ScrapeMetrics)
			for i, c := range enabled {
				f.add(collectorDuration, took[i].Seconds(), c.Name)
				f.add(collectorSuccess, boolValue(!failed[i]), c.Name)
			}
			if !yield(&f.MetricFamily, nil) {
				return
			}
		}
	}
}

// run returns the family of one of the collector's metrics; nil if it has no samples. It turns
// a panic into an error, so that a defect in one collector does not cost the metrics of the
// others.
func (c *Collector) run(s *inventory.Snapshot, m *Metric) (out *dto.MetricFamily, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("collector %s: %v", c.Name, r)
		}
	}()
	f := newFamily(m, c.Metrics)
	c.collect(s, f)
	if len(f.Metric) == 0 {
		return nil, nil
	}
	return &f.MetricFamily, nil
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
