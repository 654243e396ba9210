package collectors

import "github.com/bos-exporter/bos-exporter/internal/inventory"

var phaseMetadata = newMetadataMetrics("bos_phase", "phase",
	"phases", "nodes that failed in it.", " For shutdown and configure, this is when the boot agent announced the phase.",
	"session", "tenant", "bootset", "phase")

var phase = Collector{
	Name:    "phase",
	Help:    "metadata that BOS reports for phases",
	Metrics: phaseMetadata.all(),
	collect: func(s *inventory.Snapshot, out *family) {
		for e, b := range bootSets(s) {
			for i := range b.Phases {
				p := &b.Phases[i]
				phaseMetadata.add(out, &p.Metadata, e.ID, e.Tenant, b.Name, p.Name)
			}
		}
	},
}
