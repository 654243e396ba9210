package bosv2

import (
	"cmp"
	"slices"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// assemble turns the nodes into boot sets.
func (g *reading) assemble() {
	s := g.session
	s.ErrorCount = bos.Some(0)
	errors := g.errorsBefore()
	nodes := make([][]*nodeState, len(g.places))
	for i := range g.nodes {
		n := &g.nodes[i]
		nodes[n.place] = append(nodes[n.place], n)
	}
	for _, i := range g.order() {
		if len(nodes[i]) == 0 {
			continue
		}
		b := bos.BootSet{Name: g.places[i].name, Derived: g.places[i].derived, Reported: true}
		var at [phaseCount]int // where each phase stands in b
		for phase := range at {
			at[phase] = -1
			if !slices.ContainsFunc(nodes[i], func(n *nodeState) bool { return n.standing[phase] != "" }) {
				continue
			}
			at[phase] = len(b.Phases)
			b.Phases = append(b.Phases, bos.Phase{Name: bos.PhaseOrder[phase]})
			for _, category := range bos.CategoryOrder {
				g.recorder.Category(at[phase], category)
			}
		}
		for _, n := range nodes[i] {
			for phase, category := range n.standing {
				if category == "" {
					continue
				}
				g.recorder.Category(at[phase], category).AddNumber(n.number)
				g.recorder.Tried(at[phase], n.number, n.tries[phase])
				message := errors[nodePhase{n.number, phase}]
				if n.at == phase {
					message = cmp.Or(n.err, message)
				}
				if message != "" {
					g.recorder.Error(at[phase], message).AddNumber(n.number)
				}
			}
			if j := at[n.at]; j >= 0 && n.moved.After(b.Phases[j].Moved) {
				b.Phases[j].Moved = n.moved
			}
		}
		g.recorder.EndBootSet(&b)
		count := 0
		for i := range b.Phases {
			failed := b.Phases[i].Count(bos.Failed)
			b.Phases[i].ErrorCount = bos.Some(failed)
			count += failed
		}
		b.ErrorCount = bos.Some(count)
		s.ErrorCount.Value += count
		s.BootSets = append(s.BootSets, b)
	}
	s.Nodes = s.Fates().Tally()
	s.StagedNodes = g.staged
	s.AwaitsApply = g.staged > 0 && g.staged == s.Nodes.Unfinished && s.StopTime.IsZero()
	if g.applied > 0 && g.staged == 0 && s.Nodes.Unfinished == 0 && s.StopTime.IsZero() {
		s.StopTold = false // BOS never ends it, unless its option clear_stage is on
	}
}

// order returns the numbers of the boot sets that nodes are in: in the order of the
// template, then the others.
func (g *reading) order() []int {
	rank := make(map[string]int)
	for i, set := range g.memo.sets {
		rank[set.name] = i - len(g.memo.sets)
	}
	order := make([]int, len(g.places))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := g.places[i].name, g.places[j].name
		return cmp.Or(cmp.Compare(rank[a], rank[b]), cmp.Compare(a, b))
	})
	return order
}

type nodePhase struct{ number, phase int }

// errorsBefore are the error messages of the last reading: BOS empties them whenever it acts
// on a node.
func (g *reading) errorsBefore() map[nodePhase]string {
	messages := make(map[nodePhase]string)
	for i := range g.last.BootSets {
		b := &g.last.BootSets[i]
		for j := range b.Phases {
			p := &b.Phases[j]
			phase := slices.Index(bos.PhaseOrder, p.Name)
			for _, e := range p.Errors {
				for n := range e.Nodes.All() {
					messages[nodePhase{n, phase}] = e.Message
				}
			}
		}
	}
	return messages
}
