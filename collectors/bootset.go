package collectors

import "github.com/bos-exporter/bos-exporter/internal/inventory"

var bootsetMetadata = newMetadataMetrics("bos_bootset", "boot set",
	"failed nodes, a node once for each phase in which it failed.", "",
	"session", "tenant", "bootset")

var bootset = Collector{
	Name:    "bootset",
	Help:    "what BOS says of boot sets",
	Metrics: bootsetMetadata.all(),
	collect: func(s *inventory.Snapshot, out families) {
		for e, b := range bootSets(s) {
			bootsetMetadata.add(out, &b.Metadata, e.ID, e.Tenant, b.Name)
		}
	},
}
