package datasource

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// nodes has one row per node, phase and category, the worst categories first. A node
// that is in two categories of a phase has two rows, which say so.
func nodes(v *view) (data.Frames, error) {
	type row struct {
		session, bootSet, phase, category, node, alsoIn, text string
		place                                                 bos.Place
		number                                                *int64
	}
	found := make(map[string][]row) // by category, no more of each than can be shown
	total := 0
	v.eachPhaseRoster(func(w inventory.Whole, set string, p bos.PhaseRoster) {
		in, messages := p.InTwo(), p.Messages()
		fates := sync.OnceValue(func() map[string]bos.Fate { return w.Roster.Fates(w.Session.Session) })
		for _, c := range p.Categories {
			if !v.query.Category.hasName(c.Name) {
				continue
			}
			rows := found[c.Name]
			rows = slices.Grow(rows, min(len(c.Nodes), max(0, v.max-len(rows))))
			for _, n := range c.Nodes {
				if !v.query.hasNode(n) {
					continue
				}
				total++
				if len(rows) == v.max {
					continue
				}
				r := row{session: w.ID, bootSet: set, phase: p.Name, category: c.Name, node: n,
					alsoIn: others(in[n], c.Name), text: remark(w, c.Name, n, fates, messages[n])}
				if x, ok := bos.ParseXname(n); ok {
					number := int64(x.Node)
					r.place, r.number = x.Place(), &number
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
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.session })),
		v.bootSetField(column(rows, func(r row) string { return r.bootSet })),
		v.phaseField(column(rows, func(r row) string { return r.phase })),
		mapped(field("category", "Category", "How far the node is in the phase", column(rows, func(r row) string { return r.category })), categoryColours),
		v.nodeField(column(rows, func(r row) string { return r.node })),
		field("cabinet", "Cabinet", "Xname of the cabinet", column(rows, func(r row) string { return r.place.Cabinet })),
		field("chassis", "Chassis", "Xname of the chassis", column(rows, func(r row) string { return r.place.Chassis })),
		field("slot", "Slot", "Xname of the slot or blade", column(rows, func(r row) string { return r.place.Slot })),
		field("bmc", "BMC", "Xname of the BMC", column(rows, func(r row) string { return r.place.BMC })),
		field("node_number", "Node number", "Number of the node on its BMC", column(rows, func(r row) *int64 { return r.number })),
		field("also_in", "Also in", "Other categories that the node is also in: in boot, a node that never became ready is in both succeeded and failed", column(rows, func(r row) string { return r.alsoIn })),
		field("error", "Error", "Error message from BOS for the node in the phase, or a note that BOS gives none for a failure or that the session stopped before the node was done", column(rows, func(r row) string { return r.text })),
	), nil
}

// remark returns the error message of a node in a category, or a note on what is
// missing.
func remark(w inventory.Whole, category, node string, fates func() map[string]bos.Fate, message string) string {
	switch {
	case message != "":
		return message
	case category == bos.Failed:
		return noMessage
	case !w.StopTime.IsZero() && (category == bos.NotStarted || category == bos.InProgress) && fates()[node] == bos.FateUnfinished:
		return "unfinished: the session stopped while the node was " + strings.ReplaceAll(category, "_", " ")
	default:
		return ""
	}
}

// noMessage is shown where BOS lists a node as failed and gives no error for it.
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

// eachPhaseRoster calls each with the nodes, by name, of the phases that the query
// selects.
func (v *view) eachPhaseRoster(each func(w inventory.Whole, bootSet string, p bos.PhaseRoster)) {
	v.eachDetail(func(w inventory.Whole) {
		for _, b := range w.Roster.BootSets {
			if !v.query.BootSet.has(b.Name) {
				continue
			}
			for _, p := range b.Phases {
				if v.query.Phase.hasName(p.Name) {
					each(w, b.Name, p)
				}
			}
		}
	})
}
