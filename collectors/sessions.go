package collectors

import (
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var sessionsByState = gauge("bos_sessions",
	"Number of sessions that BOS lists, by operation and effective state. Sessions whose description cannot be read have an empty operation and the state unknown. Sessions that have not been read yet have the state unread: at the start those older than --sessions.max-age are read little by little.",
	"operation", "state")

var sessions = Collector{
	Name:    "sessions",
	Help:    "session counts by operation and state",
	Metrics: []*Metric{sessionsByState},
	collect: func(s *inventory.Snapshot, out *family) {
		if !s.Listed.Present {
			return
		}
		counts := make(map[inventory.OperationState]int)
		for _, operation := range bos.Operations {
			for _, st := range append(bos.States, bos.StateUnread) {
				counts[inventory.OperationState{Operation: operation, State: st}] = 0
			}
		}
		for i := range s.Sessions {
			e := &s.Sessions[i]
			counts[inventory.OperationState{Operation: e.Operation, State: e.Verdict.State}]++
		}
		out.addCounts(sessionsByState, counts)
	},
}
