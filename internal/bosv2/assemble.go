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
	for _, p := range g.places() {
		b := bos.BootSet{Name: p.name, Derived: p.derived, Reported: true}
		var at [phaseCount]int // where each phase stands in b
		for phase := range at {
			at[phase] = -1
			if !slices.ContainsFunc(g.nodes, func(n nodeState) bool { return n.place.name == p.name && n.standing[phase] != "" }) {
				continue
			}
			at[phase] = len(b.Phases)
			b.Phases = append(b.Phases, bos.Phase{Name: bos.PhaseOrder[phase]})
			for _, category := range bos.CategoryOrder {
				g.recorder.Category(at[phase], category)
			}
		}
		for i := range g.nodes {
			n := &g.nodes[i]
			if n.place.name != p.name {
				continue
			}
			id := []byte(n.id)
			for phase, category := range n.standing {
				if category == "" {
					continue
				}
				g.recorder.Category(at[phase], category).Add(id)
				g.recorder.Tried(at[phase], id, n.tries[phase])
				message := errors[nodePhase{n.id, phase}]
				if n.at == phase {
					message = cmp.Or(n.err, message)
				}
				if message != "" {
					g.recorder.Error(at[phase], message).Add(id)
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
	s.AwaitsApply = g.staged > 0 && g.staged == len(g.nodes) && s.StopTime.IsZero()
	if g.applied > 0 && g.staged == 0 && s.Nodes.Unfinished == 0 && s.StopTime.IsZero() {
		s.StopTold = false // BOS never ends it, unless its option clear_stage is on
	}
}

// places are the boot sets that nodes are in: in the order of the template, then the others.
func (g *reading) places() []place {
	order := make(map[string]int)
	for i, set := range g.memo.sets {
		order[set.name] = i - len(g.memo.sets)
	}
	var places []place
	seen := make(map[string]bool)
	for i := range g.nodes {
		if p := g.nodes[i].place; !seen[p.name] {
			seen[p.name] = true
			places = append(places, p)
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(order[a.name], order[b.name]), cmp.Compare(a.name, b.name))
	})
	return places
}

type nodePhase struct {
	id    string
	phase int
}

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
					messages[nodePhase{g.recorder.Table().Node(n).Name, phase}] = e.Message
				}
			}
		}
	}
	return messages
}
