package datasource

import (
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// retry has one row for each session with nodes to retry: those that failed and,
// once it has ended, those that it left unfinished. Sessions without any have no
// row.
func retry(v *view) (data.Frames, error) {
	var ids, templates, operations, limits, folded []string
	var numbers []int64
	rows := v.cut()
	err := v.wholes(func(w inventory.Whole) {
		left := make(map[string]bool)
		for n, fate := range w.Roster.Fates(w.Session.Session) {
			if fate == bos.FateFailed || fate == bos.FateUnfinished && w.Verdict.State.Ended() {
				left[n] = true
			}
		}
		var nodes []string
		for _, b := range w.Roster.BootSets {
			if !v.query.BootSet.has(b.Name) {
				continue
			}
			for _, p := range b.Phases {
				for _, c := range p.Categories {
					for _, n := range c.Nodes {
						if left[n] && v.query.Phase.hasName(p.Name) && v.query.hasNode(n) {
							nodes = append(nodes, n)
						}
					}
				}
			}
		}
		slices.SortFunc(nodes, bos.CompareNodes)
		nodes = slices.Compact(nodes)
		if len(nodes) == 0 || !rows.fits() {
			return
		}
		ids = append(ids, w.ID)
		templates = append(templates, w.Template)
		operations = append(operations, w.Operation)
		numbers = append(numbers, int64(len(nodes)))
		limits = append(limits, strings.Join(nodes, ","))
		folded = append(folded, bos.Fold(nodes))
	})
	if err != nil {
		return nil, err
	}
	rows.told(v, "sessions")
	return v.frame(
		v.sessionField(ids),
		field("template", "Template", "Session template to use again", templates),
		field("operation", "Operation", "Operation to use again", operations),
		field("nodes", "Nodes", "Number of nodes to retry: those that failed, and those that an ended session left unfinished", numbers),
		field("limit", "Limit", "The nodes as the limit of a BOS session takes them", limits),
		field("folded", "Which", "The nodes, folded", folded),
	), nil
}
