package collectors

import "github.com/bos-exporter/bos-exporter/internal/inventory"

var phaseLastProgress = gauge("bos_phase_last_progress_timestamp_seconds",
	"When a node of the phase last moved from one category to another by the clock of BOS, in seconds since 1970. Until a move has been observed, the newest time that BOS gives.",
	"session", "tenant", "bootset", "phase")

var progress = Collector{
	Name:    "progress",
	Help:    "when nodes last moved",
	Metrics: []*Metric{phaseLastProgress},
	collect: func(s *inventory.Snapshot, out families) {
		for e, b := range bootSets(s) {
			for i := range b.Phases {
				p := &b.Phases[i]
				out.add(phaseLastProgress, seconds(p.LastProgress), e.ID, e.Tenant, b.Name, p.Name)
			}
		}
	},
}
