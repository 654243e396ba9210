package datasource

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// nodeList is the nodes of a category that a query asks for.
type nodeList struct {
	session  *inventory.Session
	start    *time.Time
	within   string // the time range of the session
	bootSet  *bos.BootSet
	phase    *bos.Phase
	category string
	nodes    bos.NodeSet
	several  bos.NodeSet // that are in another category of the phase, too
	remark   func(node int, category string) string
}

// nodes has one row per node, phase and category, the worst categories first. With a node
// pattern it tells the history of the nodes: the rows of each stand together, those of the
// newest session first, and the node that fared worst is the first. A node that is in two
// categories of a phase has two rows, which say so.
func nodes(v *view) (data.Frames, error) {
	lists, total := v.nodeLists()
	v.noteCut(total, "rows of nodes")
	inOrder := inListOrder
	if v.query.Node != "" {
		inOrder = inNodeOrder
	}

	// All columns are filled in one pass over the node sets.
	rows := min(total, v.max)
	texts := func() []string { return make([]string, rows) }
	session, bootSet, phase, category, outcome, alsoIn, said, api, tenant, within := texts(), texts(), texts(), texts(), texts(), texts(), texts(), texts(), texts(), texts()
	places := make([]*bos.Node, rows)
	attempts := make([]*int64, rows)
	start := make([]*time.Time, rows)
	ended := true // all sessions in the answer
	row := 0
	for l, n := range inOrder(lists) {
		if row == rows {
			break
		}
		if l.remark == nil {
			l.several, l.remark = l.phase.InSeveral(), remarks(l.session, l.phase)
		}
		session[row], start[row], api[row], tenant[row] = l.session.ID, l.start, l.session.API, l.session.Tenant
		within[row] = l.within
		bootSet[row], phase[row], category[row] = l.bootSet.Name, l.phase.Name, l.category
		outcome[row] = l.category
		if l.session.Verdict.Ending == bos.Ended {
			outcome[row] = inTheEnd(l.category)
		} else {
			ended = false
		}
		places[row] = v.snapshot.Nodes.Node(n)
		said[row] = l.remark(n, l.category)
		if l.several.Has(n) {
			alsoIn[row] = others(l.phase.CategoriesOf(n), l.category)
		}
		if tries := l.phase.Tries(n); tries > 1 {
			many := int64(tries)
			attempts[row] = &many
		}
		row++
	}
	cabinet, chassis, slot, bmc, number := placeFields(places)
	return v.table(
		v.sessionField(session),
		v.bootSetField(bootSet),
		v.phaseField(phase),
		categoryField("How far the node is in the phase or, if all sessions of the answer have ended, what became of it there", ended, category),
		v.nodeField(column(places, func(n *bos.Node) string { return n.Name })),
		cabinet, chassis, slot, bmc, number,
		field("also_in", "Also in", "Other categories that the node is also in: in boot, a node that never became ready is in both succeeded and failed", alsoIn),
		field("error", "Error", "Error message from BOS for the node in the phase, or a note that BOS gives none for a failure or that the session stopped before the node was done", said),
		apiField(api),
		tenantField(tenant),
		rangeField("range", within),
		field("attempts", "Attempts", "How often BOS has tried the node in the phase; empty if not more than once, as far as is known", attempts),
		field("start", "Started", "Start time of the session", start),
		mapped(field("outcome", "Outcome", "The category while the session goes on; once it has ended, nodes that were in progress are left in progress, and those that had not started never started", outcome), outcomeColors),
	), nil
}

// nodeLists returns the nodes that the query asks for, by session, the newest first, boot
// set, phase and category, the worst first, and how many rows they make.
func (v *view) nodeLists() (lists []nodeList, rows int) {
	v.eachNamedPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, _ bos.State) {
		before := len(lists)
		for _, c := range p.Categories {
			if !v.query.Category.hasName(c.Name) {
				continue
			}
			if nodes := v.matching(c.Nodes); !nodes.Empty() {
				lists = append(lists, nodeList{session: s, start: optionalTime(s.StartTime), within: v.rangeOf(s), bootSet: b, phase: p, category: c.Name, nodes: nodes})
				rows += nodes.Len()
			}
		}
		sortWorstFirst(lists[before:])
	})
	return lists, rows
}

func sortWorstFirst(lists []nodeList) {
	slices.SortStableFunc(lists, func(a, b nodeList) int {
		return cmp.Or(bos.WorstFirst(a.category, b.category), cmp.Compare(a.category, b.category))
	})
}

// inListOrder yields the nodes list by list, the worst categories first.
func inListOrder(lists []nodeList) iter.Seq2[*nodeList, int] {
	sortWorstFirst(lists)
	return func(yield func(*nodeList, int) bool) {
		for i := range lists {
			for n := range lists[i].nodes.All() {
				if !yield(&lists[i], n) {
					return
				}
			}
		}
	}
}

// inNodeOrder yields the lists of each node in their order, the nodes that fared worst
// first.
func inNodeOrder(lists []nodeList) iter.Seq2[*nodeList, int] {
	return func(yield func(*nodeList, int) bool) {
		var before bos.NodeSet
		worstFirst := slices.Clone(lists)
		sortWorstFirst(worstFirst)
		for i := range worstFirst {
			nodes := worstFirst[i].nodes
			for n := range nodes.Minus(before).All() {
				for j := range lists {
					if lists[j].nodes.Has(n) && !yield(&lists[j], n) {
						return
					}
				}
			}
			before = before.Union(nodes)
		}
	}
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
