package datasource

import (
	"cmp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// nodes has one row per node, phase and category, the worst categories first. A node
// that is in two categories of a phase has two rows, which say so.
func nodes(v *view) (data.Frames, error) {
	type list struct {
		session  *inventory.Session
		bootSet  *bos.BootSet
		phase    *bos.Phase
		category string
		nodes    bos.NodeSet
	}
	var lists []list
	total := 0
	v.eachNamedPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, _ bos.State) {
		for _, c := range p.Categories {
			if !v.query.Category.hasName(c.Name) {
				continue
			}
			if nodes := v.matching(c.Nodes); !nodes.Empty() {
				lists = append(lists, list{s, b, p, c.Name, nodes})
				total += nodes.Len()
			}
		}
	})
	v.noteCut(total, "rows of nodes")
	slices.SortStableFunc(lists, func(a, b list) int {
		return cmp.Or(bos.WorstFirst(a.category, b.category), cmp.Compare(a.category, b.category))
	})

	// All columns are filled in one pass over the node sets.
	rows := min(total, v.max)
	texts := func() []string { return make([]string, rows) }
	session, bootSet, phase, category, alsoIn, said, api, tenant := texts(), texts(), texts(), texts(), texts(), texts(), texts(), texts()
	places := make([]*bos.Node, rows)
	attempts := make([]*int64, rows)
	row := 0
	for _, l := range lists {
		several, remark := l.phase.InSeveral(), remarks(l.session, l.phase)
		for n := range l.nodes.All() {
			if row == rows {
				break
			}
			session[row], api[row], tenant[row] = l.session.ID, l.session.API, l.session.Tenant
			bootSet[row], phase[row], category[row] = l.bootSet.Name, l.phase.Name, l.category
			places[row] = v.snapshot.Nodes.Node(n)
			said[row] = remark(n, l.category)
			if several.Has(n) {
				alsoIn[row] = others(l.phase.CategoriesOf(n), l.category)
			}
			if tries := l.phase.Tries(n); tries > 1 {
				many := int64(tries)
				attempts[row] = &many
			}
			row++
		}
		if row == rows {
			break
		}
	}
	cabinet, chassis, slot, bmc, number := placeFields(places)
	return v.table(
		v.sessionField(session),
		v.bootSetField(bootSet),
		v.phaseField(phase),
		categoryField("How far the node is in the phase", category),
		v.nodeField(column(places, func(n *bos.Node) string { return n.Name })),
		cabinet, chassis, slot, bmc, number,
		field("also_in", "Also in", "Other categories that the node is also in: in boot, a node that never became ready is in both succeeded and failed", alsoIn),
		field("error", "Error", "Error message from BOS for the node in the phase, or a note that BOS gives none for a failure or that the session stopped before the node was done", said),
		apiField(api),
		tenantField(tenant),
		field("attempts", "Attempts", "How often BOS has tried the node in the phase; empty if not more than once, as far as is known", attempts),
	), nil
}

// remarks returns a function that has the error message of a node in a category of a
// phase, or a note on what is missing.
func remarks(s *inventory.Session, p *bos.Phase) func(node int, category string) string {
	var unfinished bos.NodeSet
	if s.Verdict.Ending == bos.Ended {
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
			return leftUnfinished(category)
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
	if len(messages) == 1 && len(messages[0]) <= maxText {
		return messages[0]
	}
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
