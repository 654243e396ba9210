package collectors

import "github.com/bos-exporter/bos-exporter/internal/inventory"

var bootsetMetadata = newMetadataMetrics("bos_bootset", "boot set",
	"boot sets", "failed nodes, counted once for each phase in which they failed.", "",
	"session", "tenant", "bootset")

var bootset = Collector{
	Name:    "bootset",
	Help:    "metadata that BOS reports for boot sets",
	Metrics: bootsetMetadata.all(),
	collect: func(s *inventory.Snapshot, out *family) {
		for e, b := range bootSets(s) {
			bootsetMetadata.add(out, &b.Metadata, e.ID, e.Tenant, b.Name)
		}
	},
}
