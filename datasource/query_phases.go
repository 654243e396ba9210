package datasource

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// phases has one row per phase, with the number of nodes that BOS lists in each
// category. With a node pattern it has the phases of such nodes, and only these are
// counted.
func phases(v *view) (data.Frames, error) {
	type row struct {
		*bos.Phase
		session *inventory.Session
		bootSet string
		state   bos.State
		nodes   int
		errors  *int64
	}
	var rows []row
	listed := (*bos.Phase).Count
	if v.query.Node == "" {
		v.eachPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, state bos.State) {
			rows = append(rows, row{p, s, b.Name, state, p.Nodes.Nodes(), count(p.ErrorCount)})
		})
		v.missUnphased()
	} else {
		listed = func(p *bos.Phase, category string) int { return v.matching(p.In(category)).Len() }
		v.eachNamedPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, state bos.State) {
			if nodes := v.matching(p.All()); !nodes.Empty() {
				failures := int64(v.matching(p.In(bos.Failed)).Len())
				rows = append(rows, row{p, s, b.Name, state, nodes.Len(), &failures})
			}
		})
	}
	rows = truncate(v, rows, "phases")
	in := func(category, title, description string) *data.Field {
		return field(category, title, description+", as listed by BOS; a node may be in two categories",
			column(rows, func(r row) int64 { return int64(listed(r.Phase, category)) }))
	}
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.session.ID })),
		templateField(column(rows, func(r row) string { return r.session.Template })),
		operationField(column(rows, func(r row) string { return r.session.Operation })),
		v.bootSetField(column(rows, func(r row) string { return r.bootSet })),
		v.phaseField(column(rows, func(r row) string { return r.Name })),
		stateField(column(rows, func(r row) string { return string(r.state) })),
		field("nodes", "Nodes", "Distinct nodes", column(rows, func(r row) int64 { return int64(r.nodes) })),
		in(bos.NotStarted, "Not started", "Nodes that have not started or, once the session has ended, never did"),
		in(bos.InProgress, "In progress", "Nodes being worked on or, once the session has ended, left in progress"),
		in(bos.Succeeded, "Succeeded", "Nodes that completed the phase; in boot, those whose power-on was accepted"),
		in(bos.Failed, "Failed", "Nodes that failed"),
		in(bos.Excluded, "Excluded", "Nodes that are excluded"),
		in(bos.OnHold, "On hold", "Nodes that BOS gave up because it lost sight of them"),
		in(bos.Superseded, "Superseded", "Nodes that another session took over before they were done"),
		field("error_count", "Errors", "Number of failed nodes, as counted by BOS; with a filter for nodes, those of them", column(rows, func(r row) *int64 { return r.errors })),
		field("start", "Started", "Start time; for shutdown and configure, the time at which the boot agent announced the phase", column(rows, func(r row) *time.Time { return optionalTime(r.StartTime) })),
		field("stop", "Stopped", "Stop time; BOS omits it for most phases", column(rows, func(r row) *time.Time { return optionalTime(r.StopTime) })),
		field("last_progress", "Last move", "Last known time at which a node moved from one category to another", column(rows, func(r row) *time.Time { return optionalTime(r.LastProgress) })),
		apiField(column(rows, func(r row) string { return r.session.API })),
		tenantField(column(rows, func(r row) string { return r.session.Tenant })),
		rangeField("range", column(rows, func(r row) string { return v.rangeOf(r.session) })),
	), nil
}
