package collectors

import "github.com/bos-exporter/bos-exporter/internal/inventory"

var phaseMetadata = newMetadataMetrics("bos_phase", "phase",
	"nodes that failed in it.", " For shutdown and configure it is when BOS was told of the phase.",
	"session", "tenant", "bootset", "phase")

var phase = Collector{
	Name:    "phase",
	Help:    "what BOS says of phases",
	Metrics: phaseMetadata.all(),
	collect: func(s *inventory.Snapshot, out families) {
		for e, b := range bootSets(s) {
			for i := range b.Phases {
				p := &b.Phases[i]
				phaseMetadata.add(out, &p.Metadata, e.ID, e.Tenant, b.Name, p.Name)
			}
		}
	},
}
