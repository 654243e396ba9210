package datasource

import (
	"cmp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// errorTexts has one row per error message of a phase, one for the nodes that failed
// without a message, and one for those that an ended session left unfinished there,
// ordered by number of nodes.
func errorTexts(v *view) (data.Frames, error) {
	type row struct {
		session          *inventory.Session
		set, phase, text string
		nodes            bos.NodeSet
	}
	var found []row
	v.eachNamedPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, _ bos.State) {
		add := func(text string, all bos.NodeSet) {
			nodes := v.matching(all)
			if !nodes.Empty() || v.query.Node == "" && all.Empty() {
				found = append(found, row{s, b.Name, p.Name, text, nodes})
			}
		}
		for _, e := range p.Errors {
			add(e.Message, e.Nodes)
		}
		if silent := p.Silent(); !silent.Empty() {
			add(noMessage, silent)
		}
		if s.Verdict.Ending == bos.Ended && (s.Nodes.Unfinished > 0 || s.Recounted) {
			left := p.Unmentioned(b.Halted(p).Intersect(s.Fates().Unfinished))
			for _, c := range p.Categories {
				if nodes := c.Nodes.Intersect(left); !nodes.Empty() {
					add(leftUnfinished(c.Name), nodes)
					left = left.Minus(nodes)
				}
			}
		}
	})
	slices.SortStableFunc(found, func(a, b row) int { return cmp.Compare(b.nodes.Len(), a.nodes.Len()) })
	found = truncate(v, found, "errors")
	return v.table(
		v.sessionField(column(found, func(r row) string { return r.session.ID })),
		v.bootSetField(column(found, func(r row) string { return r.set })),
		v.phaseField(column(found, func(r row) string { return r.phase })),
		field("error", "Error", "Error message from BOS, or a note that BOS gives none for a failure, or that the session stopped before nodes were done: these stand in the first phase that they had not completed. A node with an error has not necessarily failed", column(found, func(r row) string { return r.text })),
		field("nodes", "Nodes", "Number of nodes with the error", column(found, func(r row) int64 { return int64(r.nodes.Len()) })),
		field("folded", "Which", "The nodes as a folded list", column(found, func(r row) string { return v.fold(r.nodes) })),
		apiField(column(found, func(r row) string { return r.session.API })),
		tenantField(column(found, func(r row) string { return r.session.Tenant })),
		rangeField("range", column(found, func(r row) string { return v.rangeOf(r.session) })),
	), nil
}

// leftUnfinished is shown where a session stopped while a node was in a category.
func leftUnfinished(category string) string {
	return "unfinished: the session stopped while the node was " + strings.ReplaceAll(category, "_", " ")
}
