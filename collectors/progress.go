package collectors

import "github.com/bos-exporter/bos-exporter/internal/inventory"

var phaseLastProgress = gauge("bos_phase_last_progress_timestamp_seconds",
	"Time at which a node of the phase last moved to another category, as a Unix timestamp in seconds, by the clock of BOS. Until a move has been observed, the latest time that BOS reports.",
	"session", "tenant", "bootset", "phase")

var progress = Collector{
	Name:    "progress",
	Help:    "the time of last progress by phase",
	Metrics: []*Metric{phaseLastProgress},
	collect: func(s *inventory.Snapshot, out *family) {
		for e, b := range bootSets(s) {
			for i := range b.Phases {
				p := &b.Phases[i]
				out.add(phaseLastProgress, seconds(p.LastProgress), e.ID, e.Tenant, b.Name, p.Name)
			}
		}
	},
}
