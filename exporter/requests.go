package exporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bos-exporter/bos-exporter/internal/bosapi"
)

// requestMetrics count the requests to BOS.
type requestMetrics struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newRequestMetrics() requestMetrics {
	m := requestMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bos_api_requests_total",
			Help: "Total number of requests to BOS, by resource and HTTP status code, or timeout or error if there was no response.",
		}, []string{"resource", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bos_api_request_duration_seconds",
			Help:    "Duration of requests to BOS in seconds, including reading the response.",
			Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}, []string{"resource"}),
	}
	for _, r := range bosapi.Resources {
		m.total.WithLabelValues(r, "200")
		m.duration.WithLabelValues(r)
	}
	return m
}

func (m requestMetrics) observe(resource, code string, took time.Duration) {
	m.total.WithLabelValues(resource, code).Inc()
	m.duration.WithLabelValues(resource).Observe(took.Seconds())
}
