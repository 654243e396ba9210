package collectors

import (
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"

	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var (
	sessionCompletions = &Metric{
		Name:   "bos_session_completions_total",
		Help:   "Number of sessions that have stopped since the exporter first listed them, by operation and outcome. A session counts a minute after its stop; one that halts without a stop time, when nothing has moved in it for --stuck.abandoned.",
		Type:   dto.MetricType_COUNTER,
		Labels: []string{"operation", "state"},
	}
	sessionDuration = &Metric{
		Name:   "bos_session_duration_seconds",
		Help:   "How long the sessions of bos_session_completions_total took from start to stop by the clock of BOS, in seconds.",
		Type:   dto.MetricType_HISTOGRAM,
		Labels: []string{"operation"},
	}
)

var completions = Collector{
	Name:    "completions",
	Help:    "ended sessions and how long they took",
	Metrics: []*Metric{sessionCompletions, sessionDuration},
	collect: func(s *inventory.Snapshot, out families) {
		out.addCounts(sessionCompletions, s.Completions.Counts)
		for _, operation := range slices.Sorted(maps.Keys(s.Completions.Durations)) {
			h := s.Completions.Durations[operation]
			m := &dto.Histogram{SampleCount: &h.Count, SampleSum: &h.Sum}
			for i := range h.Buckets {
				m.Bucket = append(m.Bucket, &dto.Bucket{
					UpperBound:      &inventory.DurationBounds[i],
					CumulativeCount: &h.Buckets[i],
				})
			}
			out.sample(sessionDuration, []string{operation}).metric.Histogram = m
		}
	},
}
