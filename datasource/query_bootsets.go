package datasource

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// bootsets has one row per boot set. Its counts are of distinct nodes, by what has
// become of them so far.
func bootsets(v *view) (data.Frames, error) {
	type row struct {
		*bos.BootSet
		session *inventory.Session
		state   bos.State
	}
	var rows []row
	v.eachBootSet(func(s *inventory.Session, b *bos.BootSet, verdict bos.BootSetVerdict) {
		rows = append(rows, row{b, s, verdict.State})
	})
	rows = truncate(v, rows, "boot sets")
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.session.ID })),
		templateField(column(rows, func(r row) string { return r.session.Template })),
		operationField(column(rows, func(r row) string { return r.session.Operation })),
		v.bootSetField(column(rows, func(r row) string { return r.Name })),
		stateField(column(rows, func(r row) string { return string(r.state) })),
		field("nodes", "Nodes", "Distinct nodes", column(rows, func(r row) int64 { return int64(r.Nodes.Nodes()) })),
		field("succeeded", "Succeeded", "Distinct nodes that succeeded", column(rows, func(r row) int64 { return int64(r.Nodes.Succeeded) })),
		field("failed", "Failed", "Distinct nodes that failed in any phase", column(rows, func(r row) int64 { return int64(r.Nodes.Failed) })),
		field("unfinished", "Unfinished", "Distinct nodes that have not started or are in progress", column(rows, func(r row) int64 { return int64(r.Nodes.Unfinished) })),
		field("excluded", "Excluded", "Distinct nodes that are excluded", column(rows, func(r row) int64 { return int64(r.Nodes.Excluded) })),
		field("error_count", "Errors", "Failed nodes; a node counts once for each phase in which it failed", column(rows, func(r row) *int64 { return count(r.ErrorCount) })),
		field("start", "Started", "Start time", column(rows, func(r row) *time.Time { return optionalTime(r.StartTime) })),
		field("stop", "Stopped", "Stop time; BOS omits it for many boot sets that have ended", column(rows, func(r row) *time.Time { return optionalTime(r.StopTime) })),
		apiField(column(rows, func(r row) string { return r.session.API })),
		tenantField(column(rows, func(r row) string { return r.session.Tenant })),
		rangeField("range", column(rows, func(r row) string { return v.rangeOf(r.session) })),
		field("derived", "Derived from", "What the nodes of the boot set were inferred from; empty if BOS says itself which they are", column(rows, func(r row) string { return r.Derived })),
	), nil
}

// errorCount returns the error count of a session: the sum over its boot sets, because
// most releases of BOS give 0 for the session itself.
func errorCount(s *inventory.Session) *int64 {
	sum := count(s.ErrorCount)
	var ofSets int64
	for i := range s.BootSets {
		if n := count(s.BootSets[i].ErrorCount); n != nil {
			ofSets += *n
			if sum == nil || ofSets > *sum {
				total := ofSets
				sum = &total
			}
		}
	}
	return sum
}
