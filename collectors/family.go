package collectors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"

	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// family is the metric family under construction. It is built directly and not through a
// registry, which would check and sort it again on every scrape; tests do that once.
type family struct {
	dto.MetricFamily
	metric *Metric          // what it is the family of
	all    []*Metric        // that and those that are discarded for now
	latest []*dto.LabelPair // labels of the latest sample: the next one mostly shares them
}

func newFamily(m *Metric, all []*Metric) *family {
	return &family{MetricFamily: dto.MetricFamily{Name: &m.Name, Help: &m.Help, Type: m.Type.Enum()},
		metric: m, all: all, latest: make([]*dto.LabelPair, len(m.Labels))}
}

// takes reports whether a sample of the metric is one of the family.
func (f *family) takes(m *Metric) bool {
	if m != f.metric && !slices.Contains(f.all, m) {
		panic(m.Name + " is not described")
	}
	return m == f.metric
}

// add adds a sample if it is one of the family. The label values are in the order of the
// metric's labels.
func (f *family) add(m *Metric, value float64, labels ...string) {
	if !f.takes(m) {
		return
	}
	if m.Type == dto.MetricType_COUNTER {
		counter := value
		f.append(m, &dto.Metric{Counter: &dto.Counter{Value: &counter}}, labels...)
		return
	}
	s := &struct { // in a single allocation
		metric dto.Metric
		gauge  dto.Gauge
		value  float64
	}{value: value}
	s.gauge.Value = &s.value
	s.metric.Gauge = &s.gauge
	f.append(m, &s.metric, labels...)
}

// addCounts adds a sample for each operation and state, in order.
func (f *family) addCounts(m *Metric, counts map[inventory.OperationState]int) {
	type key = inventory.OperationState
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.State, b.State))
	}) {
		f.add(m, float64(counts[k]), k.Operation, string(k.State))
	}
}

// append gives a sample its labels and adds it if it is one of the family.
func (f *family) append(m *Metric, sample *dto.Metric, labels ...string) {
	if !f.takes(m) {
		return
	}
	if len(labels) != len(m.Labels) {
		panic(fmt.Sprintf("%s: %d values for %d labels", m.Name, len(labels), len(m.Labels)))
	}
	for i, value := range labels {
		if f.latest[i] == nil || f.latest[i].GetValue() != value {
			own := value // on the heap
			f.latest[i] = &dto.LabelPair{Name: &m.Labels[i], Value: &own}
		}
	}
	sample.Label = slices.Clone(f.latest)
	f.Metric = append(f.Metric, sample)
}
