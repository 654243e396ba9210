package datasource

import (
	"cmp"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// errorTexts has one row per error message of a phase, and one for the nodes that
// failed without a message, ordered by number of nodes.
func errorTexts(v *view) (data.Frames, error) {
	type row struct {
		session, set, phase, text string
		nodes                     []string
	}
	var found []row
	v.eachPhaseRoster(func(w inventory.Whole, set string, p bos.PhaseRoster) {
		explained := make(map[string]bool)
		add := func(text string, all []string) {
			nodes := v.matching(all)
			if len(nodes) > 0 || v.query.Node == "" && len(all) == 0 {
				found = append(found, row{w.ID, set, p.Name, text, nodes})
			}
		}
		for _, e := range p.Errors {
			for _, n := range e.Nodes {
				explained[n] = true
			}
			add(e.Message, e.Nodes)
		}
		var silent []string
		for _, c := range p.Categories {
			for _, n := range c.Nodes {
				if c.Name == bos.Failed && !explained[n] {
					silent = append(silent, n)
				}
			}
		}
		if len(silent) > 0 {
			add(noMessage, silent)
		}
	})
	slices.SortStableFunc(found, func(a, b row) int { return cmp.Compare(len(b.nodes), len(a.nodes)) })
	found = truncate(v, found, "errors")
	return v.table(
		v.sessionField(column(found, func(r row) string { return r.session })),
		v.bootSetField(column(found, func(r row) string { return r.set })),
		v.phaseField(column(found, func(r row) string { return r.phase })),
		field("error", "Error", "Error message from BOS. A node with an error has not necessarily failed", column(found, func(r row) string { return r.text })),
		field("nodes", "Nodes", "Number of nodes with the error", column(found, func(r row) int64 { return int64(len(r.nodes)) })),
		field("folded", "Which", "The nodes as a folded list", column(found, func(r row) string { return bos.Fold(r.nodes) })),
	), nil
}

// matching returns the nodes that match the query's node patterns.
func (v *view) matching(nodes []string) []string {
	if v.query.Node == "" {
		return nodes
	}
	var some []string
	for _, n := range nodes {
		if v.query.hasNode(n) {
			some = append(some, n)
		}
	}
	return some
}
