package exporter

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// snapshotFamilies gathers the metric families of the latest snapshot. It builds
// them once per snapshot, and again when the snapshot goes stale.
type snapshotFamilies struct {
	inventory  *inventory.Inventory
	collectors []collectors.Collector
	staleAfter time.Duration
	logger     *slog.Logger

	mu       sync.Mutex
	snapshot *inventory.Snapshot // the one that the families were built from
	stale    bool
	families []*dto.MetricFamily
}

var _ prometheus.TransactionalGatherer = (*snapshotFamilies)(nil)

// Gather implements prometheus.TransactionalGatherer.
func (f *snapshotFamilies) Gather() ([]*dto.MetricFamily, func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.inventory.Snapshot()
	stale := time.Since(f.inventory.LastGood()) > f.staleAfter
	if s != f.snapshot || stale != f.stale {
		f.snapshot, f.stale = s, stale
		if stale {
			s = s.WithoutSessions()
		}
		var err error
		if f.families, err = collectors.Collect(s, f.collectors); err != nil {
			f.logger.Error("a collector failed; please report this", "err", err)
		}
	}
	return f.families, func() {}, nil
}
