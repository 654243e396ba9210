package datasource

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// nodes has one row per node, phase and category, the worst categories first. A node
// that is in two categories of a phase has two rows, which say so.
func nodes(v *view) (data.Frames, error) {
	type row struct {
		session                                *inventory.Session
		bootSet, phase, category, alsoIn, text string
		attempts                               *int64
		*bos.Node
	}
	found := make(map[string][]row) // by category, no more of each than can be shown
	total := 0
	v.eachNamedPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, _ bos.State) {
		several := p.InSeveral()
		remark := remarks(s, p)
		for _, c := range p.Categories {
			if !v.query.Category.hasName(c.Name) {
				continue
			}
			nodes := v.matching(c.Nodes)
			total += nodes.Len()
			rows := found[c.Name]
			rows = slices.Grow(rows, min(nodes.Len(), max(0, v.max-len(rows))))
			for n := range nodes.All() {
				if len(rows) == v.max {
					break
				}
				r := row{session: s, bootSet: b.Name, phase: p.Name, category: c.Name, Node: v.snapshot.Nodes.Node(n), text: remark(n, c.Name)}
				if tries := int64(p.Tries(n)); tries > 1 {
					r.attempts = &tries
				}
				if several.Has(n) {
					r.alsoIn = others(p.CategoriesOf(n), c.Name)
				}
				rows = append(rows, r)
			}
			found[c.Name] = rows
		}
	})
	v.noteCut(total, "rows of nodes")
	var rows []row
	for _, category := range slices.SortedFunc(maps.Keys(found), func(a, b string) int {
		return cmp.Or(bos.WorstFirst(a, b), cmp.Compare(a, b))
	}) {
		rows = append(rows, found[category][:min(len(found[category]), v.max-len(rows))]...)
	}
	cabinet, chassis, slot, bmc, number := placeFields(column(rows, func(r row) *bos.Node { return r.Node }))
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.session.ID })),
		v.bootSetField(column(rows, func(r row) string { return r.bootSet })),
		v.phaseField(column(rows, func(r row) string { return r.phase })),
		categoryField("How far the node is in the phase", column(rows, func(r row) string { return r.category })),
		v.nodeField(column(rows, func(r row) string { return r.Name })),
		cabinet, chassis, slot, bmc, number,
		field("also_in", "Also in", "Other categories that the node is also in: in boot, a node that never became ready is in both succeeded and failed", column(rows, func(r row) string { return r.alsoIn })),
		field("error", "Error", "Error message from BOS for the node in the phase, or a note that BOS gives none for a failure or that the session stopped before the node was done", column(rows, func(r row) string { return r.text })),
		apiField(column(rows, func(r row) string { return r.session.API })),
		tenantField(column(rows, func(r row) string { return r.session.Tenant })),
		field("attempts", "Attempts", "How often BOS has tried the node in the phase; empty if not more than once, as far as is known", column(rows, func(r row) *int64 { return r.attempts })),
	), nil
}

// remarks returns a function that has the error message of a node in a category of a
// phase, or a note on what is missing.
func remarks(s *inventory.Session, p *bos.Phase) func(node int, category string) string {
	var unfinished bos.NodeSet
	if !s.StopTime.IsZero() {
		unfinished = s.Fates().Unfinished
	}
	return func(node int, category string) string {
		if messages := p.Messages(node); len(messages) > 0 {
			return errorText(messages)
		}
		switch {
		case category == bos.Failed || category == bos.OnHold:
			return noMessage
		case (category == bos.NotStarted || category == bos.InProgress) && unfinished.Has(node):
			return "unfinished: the session stopped while the node was " + strings.ReplaceAll(category, "_", " ")
		default:
			return ""
		}
	}
}

// maxText is the number of bytes from which the error text of a node is cut. An error may
// be as long as the list of the nodes that it is about.
const maxText = 1000

// errorText returns messages with ; between, cut if they are long.
func errorText(messages []string) string {
	var b strings.Builder
	for i, m := range messages {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(m[:min(len(m), maxText+1)])
		if b.Len() > maxText {
			return strings.ToValidUTF8(b.String()[:maxText], "") + "…"
		}
	}
	return b.String()
}

// noMessage is shown where a node failed, or was given up, and BOS gives no error for it.
const noMessage = "failed without a message"

// others joins the categories except one.
func others(categories []string, but string) string {
	var rest []string
	for _, c := range categories {
		if c != but {
			rest = append(rest, c)
		}
	}
	return strings.Join(rest, "; ")
}
