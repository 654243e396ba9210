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
		Help:   "Total number of sessions that have ended since the exporter first read BOS, by operation and outcome. A session is counted a minute after it stops or, if it halts without a stop time, once no node has moved for --stuck.abandoned.",
		Type:   dto.MetricType_COUNTER,
		Labels: []string{"operation", "state"},
	}
	sessionDuration = &Metric{
		Name:   "bos_session_duration_seconds",
		Help:   "Duration in seconds of the sessions counted by bos_session_completions_total, from start to stop by the clock of BOS.",
		Type:   dto.MetricType_HISTOGRAM,
		Labels: []string{"operation"},
	}
)

var completions = Collector{
	Name:    "completions",
	Help:    "completed sessions and their durations",
	Metrics: []*Metric{sessionCompletions, sessionDuration},
	collect: func(s *inventory.Snapshot, out *family) {
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
			out.append(sessionDuration, &dto.Metric{Histogram: m}, operation)
		}
	},
}
