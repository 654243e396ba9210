package bos

import (
	"cmp"
	"slices"
)

// Roster holds the names of the nodes of a session, and what BOS says went wrong
// with them.
type Roster struct {
	BootSets []BootSetRoster
}

// BootSetRoster holds the names of the nodes of a boot set.
type BootSetRoster struct {
	Name   string
	Phases []PhaseRoster // in the order of work
}

// PhaseRoster holds the names of the nodes of a phase. All lists are in the order
// of CompareNodes and hold each node once.
type PhaseRoster struct {
	Name       string
	Categories []CategoryRoster // in the order of BootSet.Phases[].Categories
	Errors     []ErrorRoster    // by message
}

// CategoryRoster holds the names of the nodes in a category.
type CategoryRoster struct {
	Name  string
	Nodes []string
}

// ErrorRoster holds the names of the nodes that an error message is about. They
// need not have failed, and nodes may fail without a message.
type ErrorRoster struct {
	Message string
	Nodes   []string
}

// Messages has what the errors say of each node, with ; between.
func (p *PhaseRoster) Messages() map[string]string {
	messages := make(map[string]string)
	for _, e := range p.Errors {
		for _, n := range e.Nodes {
			if messages[n] != "" {
				messages[n] += "; "
			}
			messages[n] += e.Message
		}
	}
	return messages
}

// InTwo has the categories of each node that is in more than one.
func (p *PhaseRoster) InTwo() map[string][]string {
	full := 0
	for _, c := range p.Categories {
		if len(c.Nodes) > 0 {
			full++
		}
	}
	in := make(map[string][]string)
	if full < 2 {
		return in
	}
	first := make(map[string]string)
	for _, c := range p.Categories {
		for _, n := range c.Nodes {
			before, seen := first[n]
			switch {
			case !seen:
				first[n] = c.Name
			case in[n] == nil:
				in[n] = []string{before, c.Name}
			default:
				in[n] = append(in[n], c.Name)
			}
		}
	}
	return in
}

// Size is the number of names in the roster.
func (r *Roster) Size() (n int) {
	for _, b := range r.BootSets {
		for _, p := range b.Phases {
			for _, c := range p.Categories {
				n += len(c.Nodes)
			}
			for _, e := range p.Errors {
				n += len(e.Nodes)
			}
		}
	}
	return n
}

// Fates says what became of each node of the session that the roster was read
// with, by name. A node that is in several boot sets has the worst.
func (r *Roster) Fates(s *Session) map[string]Fate {
	fates := make(map[string]Fate)
	for i := range r.BootSets {
		b := s.bootSet(r.BootSets[i].Name)
		if b == nil {
			continue
		}
		order, skip := b.workOrder(), b.untouchedConfigure()
		nodes := make(map[string]ranks)
		for j, p := range r.BootSets[i].Phases { // in the order of b.Phases
			for _, c := range p.Categories {
				for _, n := range c.Nodes {
					nodes[n] = nodes[n].with(j, rankOf(c.Name))
				}
			}
		}
		for n, ranks := range nodes {
			if f, seen := ranks.fate(order, skip), fates[n]; f >= seen {
				fates[n] = f
			}
		}
	}
	return fates
}

// RollCall takes down the nodes of a session while its boot sets are being read.
type RollCall struct {
	roster Roster
	phases []phaseCall
	names  map[string]string // each name once in memory
}

type phaseCall struct{ categories, errors map[string][]string }

// NewRollCall returns an empty roll call.
func NewRollCall() *RollCall { return &RollCall{names: make(map[string]string)} }

// Node takes down that a node is in a category of the phase with this index.
func (r *RollCall) Node(phase int, category string, node []byte) {
	c := r.phase(phase).categories
	c[category] = append(c[category], r.name(node))
}

// Error takes down an error message of the phase with this index, and a node that
// it is about, or nil for a message about none.
func (r *RollCall) Error(phase int, message string, node []byte) {
	e := r.phase(phase).errors
	nodes := e[message]
	if node != nil {
		nodes = append(nodes, r.name(node))
	}
	e[message] = nodes
}

func (r *RollCall) phase(index int) phaseCall {
	for len(r.phases) <= index {
		r.phases = append(r.phases, phaseCall{make(map[string][]string), make(map[string][]string)})
	}
	return r.phases[index]
}

func (r *RollCall) name(node []byte) string {
	s, ok := r.names[string(node)]
	if !ok {
		s = string(node)
		r.names[s] = s
	}
	return s
}

// EndBootSet enters the nodes taken down since the last call. The phases of the
// boot set must stand at the indexes given to Node and Error.
func (r *RollCall) EndBootSet(b *BootSet) {
	roster := BootSetRoster{Name: b.Name}
	for _, i := range b.workOrder() {
		p := PhaseRoster{Name: b.Phases[i].Name}
		call := r.phase(i)
		for _, c := range b.Phases[i].Categories {
			p.Categories = append(p.Categories, CategoryRoster{c.Name, inOrder(call.categories[c.Name])})
		}
		for message, nodes := range call.errors {
			p.Errors = append(p.Errors, ErrorRoster{message, inOrder(nodes)})
		}
		slices.SortFunc(p.Errors, func(a, b ErrorRoster) int { return cmp.Compare(a.Message, b.Message) })
		roster.Phases = append(roster.Phases, p)
	}
	r.roster.BootSets = append(r.roster.BootSets, roster)
	r.phases = nil
}

// Roster returns what has been entered.
func (r *RollCall) Roster() *Roster { return &r.roster }

// inOrder sorts names as CompareNodes does, parsing each once.
func inOrder(nodes []string) []string {
	type named struct {
		name  string
		xname Xname
		ok    bool
	}
	all := make([]named, len(nodes))
	for i, n := range nodes {
		x, ok := ParseXname(n)
		all[i] = named{n, x, ok}
	}
	slices.SortFunc(all, func(a, b named) int {
		if a.ok && b.ok {
			return cmp.Or(a.xname.Compare(b.xname), cmp.Compare(a.name, b.name))
		}
		return CompareNodes(a.name, b.name)
	})
	for i, n := range all {
		nodes[i] = n.name
	}
	return slices.Compact(nodes)
}
