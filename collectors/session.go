package collectors

import "github.com/bos-exporter/bos-exporter/internal/inventory"

var (
	sessionInfo = gauge("bos_session_info",
		"Constant information about a session; the value is always 1.",
		"session", "tenant", "operation", "template", "boa_job", "api")
	sessionMetadata = newMetadataMetrics("bos_session", "session",
		"sessions", "failed nodes, counted once for each phase in which they failed. Always 0 for v1 sessions on CSM 1.0 to 1.5: use bos_bootset_error_count or bos_session_failed_nodes.", "",
		"session", "tenant")
)

var session = Collector{
	Name:    "session",
	Help:    "metadata that BOS reports for sessions",
	Metrics: append([]*Metric{sessionInfo}, sessionMetadata.all()...),
	collect: func(s *inventory.Snapshot, out *family) {
		for e := range exposed(s) {
			out.add(sessionInfo, 1, e.ID, e.Tenant, e.Operation, e.Template, e.Job, e.API)
			sessionMetadata.add(out, &e.Metadata, e.ID, e.Tenant)
		}
	},
}
