// Package collectors turns a snapshot of the inventory into metric families. It
// does no I/O: each collector is a pure function in a file of its own.
package collectors

import (
	"cmp"
	"fmt"
	"maps"
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
	collect  func(*inventory.Snapshot, families)
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

// Collect runs the collectors on a snapshot and returns their families in the order of
// their names. The caller must not modify them, because they may be served many times.
// A collector that fails has no families: Collect returns those of the others together
// with the first error.
func Collect(s *inventory.Snapshot, enabled []Collector) ([]*dto.MetricFamily, error) {
	all := make(families)
	var firstErr error
	for _, c := range enabled {
		start := time.Now()
		own, err := c.run(s)
		all.add(collectorDuration, time.Since(start).Seconds(), c.Name)
		all.add(collectorSuccess, boolValue(err == nil), c.Name)
		firstErr = cmp.Or(firstErr, err)
		maps.Copy(all, own)
	}
	out := make([]*dto.MetricFamily, 0, len(all))
	for _, f := range all {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return out, firstErr
}

// run returns the collector's families. It turns a panic into an error, so that a
// defect in one collector does not cost the metrics of the others.
func (c *Collector) run(s *inventory.Snapshot) (out families, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("collector %s: %v", c.Name, r)
		}
	}()
	out = make(families)
	c.collect(s, out)
	return out, nil
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
