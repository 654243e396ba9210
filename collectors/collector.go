// Package collectors turns a snapshot of the inventory into metric families. It
// does no I/O: a collector is a pure function, and one file.
package collectors

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// Collector makes some metric families of a snapshot.
type Collector struct {
	Name    string // for the flag --[no-]collector.NAME and the label collector
	Help    string // what it collects
	Metrics []*Metric
	collect func(*inventory.Snapshot, families)
}

// All lists every collector, by name.
var All = []Collector{
	bootset, category, completions, nodes, phase, progress, session, sessions, state, sweep,
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
		"How long a collector took to make its series of the last sweep's findings, in seconds.", "collector")
	collectorSuccess = gauge("bos_scrape_collector_success",
		"Whether a collector could make its series (1) or not (0).", "collector")
)

// ScrapeMetrics are the metrics about the collectors themselves.
var ScrapeMetrics = []*Metric{collectorDuration, collectorSuccess}

// Collect runs the collectors on a snapshot. The families are ordered by name;
// they must not be changed, for they may be served many times. A collector that
// fails has no families; the others have theirs, and the error tells.
func Collect(s *inventory.Snapshot, which []Collector) ([]*dto.MetricFamily, error) {
	all := make(families)
	var failed error
	for _, c := range which {
		start := time.Now()
		made, err := c.run(s)
		all.add(collectorDuration, time.Since(start).Seconds(), c.Name)
		all.add(collectorSuccess, truth(err == nil), c.Name)
		failed = cmp.Or(failed, err)
		for m, f := range made {
			all[m] = f
		}
	}
	out := make([]*dto.MetricFamily, 0, len(all))
	for _, f := range all {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return out, failed
}

func (c *Collector) run(s *inventory.Snapshot) (made families, err error) {
	defer func() {
		if r := recover(); r != nil {
			made, err = nil, fmt.Errorf("collector %s: %v", c.Name, r)
		}
	}()
	made = make(families)
	c.collect(s, made)
	return made, nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
