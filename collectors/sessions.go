package collectors

import (
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var sessionsByState = gauge("bos_sessions",
	"Number of sessions that BOS lists, by operation and effective state. Sessions whose description cannot be read have an empty operation and the state unknown. Stopped sessions older than --sessions.max-age have the state unknown.",
	"operation", "state")

var sessions = Collector{
	Name:    "sessions",
	Help:    "session counts by operation and state",
	Metrics: []*Metric{sessionsByState},
	collect: func(s *inventory.Snapshot, out families) {
		if !s.Listed.Present || s.Swept.IsZero() {
			return
		}
		counts := make(map[inventory.OperationState]int)
		for _, operation := range bos.Operations {
			for _, st := range bos.States {
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
