package collectors

import (
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var sessionState = gauge("bos_session_state",
	"The effective state of a session, derived from what its nodes do: 1 for the state it is in, 0 for the others.",
	"session", "tenant", "state")

var state = Collector{
	Name:    "state",
	Help:    "effective states of sessions",
	Metrics: []*Metric{sessionState},
	collect: func(s *inventory.Snapshot, out families) {
		for e := range exposed(s) {
			for _, st := range bos.States {
				out.add(sessionState, truth(st == e.Verdict.State), e.ID, e.Tenant, string(st))
			}
		}
	},
}
