package exporter

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// snapshotFamilies gathers the metric families of the latest snapshot. It builds them once
// per snapshot and reading of the nodes, and again when either goes stale.
type snapshotFamilies struct {
	inventory  *inventory.Inventory
	collectors []collectors.Collector
	staleAfter time.Duration
	logger     *slog.Logger

	machine      *atomic.Pointer[bos.Machine] // what was last read of the nodes; nil before
	machineStale time.Duration                // the age from which that is out of date

	mu       sync.Mutex
	built    source // what the families were built from
	families []*dto.MetricFamily
}

// source is what families are built from.
type source struct {
	snapshot *inventory.Snapshot
	machine  *bos.Machine
	stale    bool
}

var _ prometheus.TransactionalGatherer = (*snapshotFamilies)(nil)

// Gather implements prometheus.TransactionalGatherer.
func (f *snapshotFamilies) Gather() ([]*dto.MetricFamily, func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := source{snapshot: f.inventory.Snapshot(), machine: f.machine.Load()}
	now.stale = time.Since(f.inventory.LastGood()) > f.staleAfter
	if now.machine != nil && !now.snapshot.ListedAt.After(now.machine.At) {
		now.machine = f.built.machine // nodes may name a session that the snapshot does not have yet
	}
	if now.machine != nil && time.Since(now.machine.At) > f.machineStale {
		now.machine = nil
	}
	if now != f.built {
		f.built = now
		s := now.snapshot.WithMachine(now.machine)
		if now.stale {
			s = s.WithoutSessions()
		}
		var err error
		if f.families, err = collectors.Collect(s, f.collectors); err != nil {
			f.logger.Error("a collector failed; please report this", "err", err)
		}
	}
	return f.families, func() {}, nil
}
