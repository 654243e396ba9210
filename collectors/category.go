package collectors

import "github.com/bos-exporter/bos-exporter/internal/inventory"

var categoryNodes = gauge("bos_category_nodes",
	"Number of nodes that BOS lists in a category of a phase. A node can be in two categories: one that did not become ready in time has both succeeded and failed in the boot phase.",
	"session", "tenant", "bootset", "phase", "category")

var phaseRetriedNodes = gauge("bos_phase_retried_nodes",
	"Number of nodes that BOS has tried more than once in the phase. Absent for sessions of BOS v1, which does not count attempts.",
	"session", "tenant", "bootset", "phase")

var category = Collector{
	Name:    "category",
	Help:    "node counts by phase and category",
	Metrics: []*Metric{categoryNodes, phaseRetriedNodes},
	collect: func(s *inventory.Snapshot, out *family) {
		for e, b := range bootSets(s) {
			for i := range b.Phases {
				p := &b.Phases[i]
				if p.Counted {
					out.add(phaseRetriedNodes, float64(p.Retried), e.ID, e.Tenant, b.Name, p.Name)
				}
				for _, c := range p.Categories {
					out.add(categoryNodes, float64(c.Count), e.ID, e.Tenant, b.Name, p.Name, c.Name)
				}
			}
		}
	},
}
