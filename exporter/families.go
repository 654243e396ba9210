package exporter

import (
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// snapshotFamilies builds the metric families of the latest snapshot.
type snapshotFamilies struct {
	inventory  *inventory.Inventory
	collectors []collectors.Collector
	staleAfter time.Duration
	logger     *slog.Logger

	machine      *atomic.Pointer[bos.Machine] // what was last read of the nodes; nil before
	machineStale time.Duration                // the age from which that is out of date
}

// source is what families are built from: equal sources give equal families.
type source struct {
	snapshot *inventory.Snapshot
	machine  *bos.Machine
	stale    bool
}

// source returns what families are to be built from now, if last is what they were built
// from before.
func (f *snapshotFamilies) source(last source) source {
	now := source{snapshot: f.inventory.Snapshot(), machine: f.machine.Load()}
	now.stale = time.Since(f.inventory.LastGood()) > f.staleAfter
	if now.machine != nil && !now.snapshot.ListedAt.After(now.machine.At) {
		now.machine = last.machine // nodes may name a session that the snapshot does not have yet
	}
	if now.machine != nil && time.Since(now.machine.At) > f.machineStale {
		now.machine = nil
	}
	return now
}

// collect yields the families of a source, each made when it is its turn.
func (f *snapshotFamilies) collect(from source) iter.Seq[*dto.MetricFamily] {
	s := from.snapshot.WithMachine(from.machine)
	if from.stale {
		s = s.WithoutSessions()
	}
	return func(yield func(*dto.MetricFamily) bool) {
		for family, err := range collectors.Collect(s, f.collectors) {
			if err != nil {
				f.logger.Error("a collector failed; please report this", "err", err)
			} else if !yield(family) {
				return
			}
		}
	}
}
