package collectors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"

	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// families are metric families under construction. They are built directly and not
// through a registry, which would check and sort them again on every scrape; tests
// do that once.
type families map[*Metric]*dto.MetricFamily

// maxLabels is the maximum number of labels of a metric.
const maxLabels = 6

// sample is a metric and everything it points to in a single allocation.
type sample struct {
	metric  dto.Metric
	gauge   dto.Gauge
	counter dto.Counter
	value   float64
	labels  [maxLabels]dto.LabelPair
	values  [maxLabels]string
	pairs   [maxLabels]*dto.LabelPair
}

// add adds a sample. The label values are in the order of the metric's labels.
func (fs families) add(m *Metric, value float64, labels ...string) {
	s := fs.sample(m, labels)
	s.value = value
	if m.Type == dto.MetricType_COUNTER {
		s.counter.Value = &s.value
		s.metric.Counter = &s.counter
	} else {
		s.gauge.Value = &s.value
		s.metric.Gauge = &s.gauge
	}
}

// addCounts adds a sample for each operation and state, in order.
func (fs families) addCounts(m *Metric, counts map[inventory.OperationState]int) {
	type key = inventory.OperationState
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.State, b.State))
	}) {
		fs.add(m, float64(counts[k]), k.Operation, string(k.State))
	}
}

func (fs families) sample(m *Metric, labels []string) *sample {
	if len(labels) != len(m.Labels) {
		panic(fmt.Sprintf("%s: %d values for %d labels", m.Name, len(labels), len(m.Labels)))
	}
	f := fs[m]
	if f == nil {
		f = &dto.MetricFamily{Name: &m.Name, Help: &m.Help, Type: m.Type.Enum()}
		fs[m] = f
	}
	s := new(sample)
	for i := range m.Labels {
		s.values[i] = labels[i]
		s.labels[i].Name = &m.Labels[i]
		s.labels[i].Value = &s.values[i]
		s.pairs[i] = &s.labels[i]
	}
	s.metric.Label = s.pairs[:len(labels):len(labels)]
	f.Metric = append(f.Metric, &s.metric)
	return s
}
