package collectors

import (
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var sessionState = gauge("bos_session_state",
	"Effective state of the session, derived from the progress of its nodes: 1 for the current state, 0 for all others.",
	"session", "tenant", "state")

var state = Collector{
	Name:    "state",
	Help:    "effective session states",
	Metrics: []*Metric{sessionState},
	collect: func(s *inventory.Snapshot, out *family) {
		for e := range exposed(s) {
			for _, st := range bos.States {
				out.add(sessionState, boolValue(st == e.Verdict.State), e.ID, e.Tenant, string(st))
			}
		}
	},
}
