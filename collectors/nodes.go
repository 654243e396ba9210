package collectors

import (
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var (
	sessionNodes = gauge("bos_session_nodes",
		"Number of distinct nodes of the session that BOS knows: on v1 those that the boot agent has reported.", "session", "tenant")
	sessionFailedNodes = gauge("bos_session_failed_nodes",
		"Number of distinct nodes of the session that failed in any phase, or that BOS v2 has given up and put on hold.", "session", "tenant")
	sessionStagedNodes = gauge("bos_session_staged_nodes",
		"Number of nodes for which the session is staged and not yet applied. Absent unless the session is a staged one, which only BOS v2 has.", "session", "tenant")
)

var nodes = Collector{
	Name:    "nodes",
	Help:    "distinct node counts by session",
	Metrics: []*Metric{sessionNodes, sessionFailedNodes, sessionStagedNodes},
	collect: func(s *inventory.Snapshot, out *family) {
		for e := range exposed(s) {
			if e.Staged {
				out.add(sessionStagedNodes, float64(e.StagedNodes), e.ID, e.Tenant)
			}
			if e.Reported() {
				out.add(sessionNodes, float64(e.Nodes.Nodes()), e.ID, e.Tenant)
				out.add(sessionFailedNodes, float64(e.Nodes.Failed), e.ID, e.Tenant)
			}
		}
	},
}
