package bos

import "slices"

// Fates groups the nodes of a phase, boot set or session by what became of them. Each
// node is in exactly one of the sets. A node in a category that is not known here is
// unfinished: success is claimed only on evidence.
type Fates struct {
	Failed     NodeSet // in any phase
	Unfinished NodeSet // not started or in progress
	Succeeded  NodeSet
	Excluded   NodeSet
}

// All returns all nodes.
func (f Fates) All() NodeSet {
	return f.Failed.Union(f.Unfinished, f.Succeeded, f.Excluded)
}

// Tally counts the nodes.
func (f Fates) Tally() Tally {
	return Tally{f.Failed.Len(), f.Unfinished.Len(), f.Succeeded.Len(), f.Excluded.Len()}
}

// Within returns the fates of the nodes that are also in a set.
func (f Fates) Within(s NodeSet) Fates {
	return Fates{f.Failed.Intersect(s), f.Unfinished.Intersect(s), f.Succeeded.Intersect(s), f.Excluded.Intersect(s)}
}

// Without returns the fates of the nodes that are not in a set.
func (f Fates) Without(s NodeSet) Fates {
	return Fates{f.Failed.Minus(s), f.Unfinished.Minus(s), f.Succeeded.Minus(s), f.Excluded.Minus(s)}
}

// union joins two groups.
func (f Fates) union(g Fates) Fates {
	return Fates{f.Failed.Union(g.Failed), f.Unfinished.Union(g.Unfinished), f.Succeeded.Union(g.Succeeded), f.Excluded.Union(g.Excluded)}
}

// Fates returns what became of the nodes of the phase. A node in two categories counts in
// the first of failed, in progress, not started, succeeded and excluded (bos.md, Nodes in
// two categories). A node that was given up has failed; one that another session took
// over is excluded.
func (p *Phase) Fates() Fates {
	var f Fates
	f.Failed = p.Failed()
	taken := f.Failed
	f.Unfinished = p.In(InProgress).Union(p.In(NotStarted)).Minus(taken)
	taken = taken.Union(f.Unfinished)
	f.Succeeded = p.In(Succeeded).Minus(taken)
	taken = taken.Union(f.Succeeded)
	f.Excluded = p.In(Excluded).Union(p.In(Superseded)).Minus(taken)
	taken = taken.Union(f.Excluded)
	for _, c := range p.Categories {
		if !known(c.Name) {
			f.Unfinished = f.Unfinished.Union(c.Nodes.Minus(taken))
		}
	}
	return f
}

// known reports whether this package knows the category.
func known(category string) bool { return PlaceIn(CategoryOrder, category) < len(CategoryOrder) }

// Fates returns what became of the nodes of the boot set. A node that failed in any phase
// has failed; otherwise the last phase that lists it decides. A configure phase that will
// never happen is ignored.
func (b *BootSet) Fates() Fates {
	order, skip := b.workOrder(), b.untouchedConfigure()
	var f Fates
	var all NodeSet
	for i := range b.Phases {
		f.Failed = f.Failed.Union(b.Phases[i].Failed())
		all = all.Union(b.Phases[i].All())
	}
	decided := f.Failed
	for _, i := range slices.Backward(order) {
		if i != skip {
			f = f.union(b.Phases[i].Fates().Without(decided))
			decided = decided.Union(b.Phases[i].All())
		}
	}
	f.Unfinished = f.Unfinished.Union(all.Minus(decided))

	// A node that left the session in one phase was never going to start the later ones.
	var gone NodeSet
	for _, i := range order {
		p := &b.Phases[i]
		idle := p.In(NotStarted).Minus(p.In(InProgress))
		gone = gone.Minus(p.All().Minus(idle)).Union(p.Fates().Excluded)
	}
	gone = gone.Intersect(f.Unfinished)
	f.Unfinished, f.Excluded = f.Unfinished.Minus(gone), f.Excluded.Union(gone)
	return f
}

// Fates returns what became of the nodes of the session. For a node in several boot sets
// that is the worst of its fates there.
func (s *Session) Fates() Fates {
	each := make([]Fates, len(s.BootSets))
	for i := range s.BootSets {
		each[i] = s.BootSets[i].Fates()
	}
	return worstFates(each)
}

// worstFates joins groups that may have nodes in common. The worst of the fates of a node
// counts.
func worstFates(each []Fates) Fates {
	var f Fates
	for _, g := range each {
		f = f.union(g)
	}
	f.Unfinished = f.Unfinished.Minus(f.Failed)
	worse := f.Failed.Union(f.Unfinished)
	f.Succeeded = f.Succeeded.Minus(worse)
	f.Excluded = f.Excluded.Minus(worse.Union(f.Succeeded))
	return f
}

// Halted returns the nodes that are unfinished in a phase of the boot set, and in no
// earlier one.
func (b *BootSet) Halted(p *Phase) NodeSet {
	halted := p.Fates().Unfinished
	for i := range b.Phases {
		if &b.Phases[i] == p {
			break
		}
		halted = halted.Minus(b.Phases[i].Fates().Unfinished)
	}
	return halted
}

// Begun returns the nodes on which the session has begun to work, as far as they are known
// by name.
func (s *Session) Begun() NodeSet {
	var begun NodeSet
	for i := range s.BootSets {
		b := &s.BootSets[i]
		for j := range b.Phases {
			if b.waits(j) {
				continue
			}
			for _, c := range b.Phases[j].Categories {
				if c.Name != NotStarted {
					begun = begun.Union(c.Nodes)
				}
			}
		}
	}
	return begun
}

// InSeveral returns the nodes that are in more than one category of the phase.
func (p *Phase) InSeveral() NodeSet {
	var seen, several NodeSet
	for _, c := range p.Categories {
		several = several.Union(seen.Intersect(c.Nodes))
		seen = seen.Union(c.Nodes)
	}
	return several
}

// sameAs reports whether every category of the phase holds the same nodes as in another
// reading, or as many where either lacks their names.
func (p *Phase) sameAs(old *Phase) bool {
	if len(p.Categories) != len(old.Categories) {
		return false
	}
	for i := range p.Categories {
		c, o := &p.Categories[i], old.category(p.Categories[i].Name)
		if o == nil || c.Count != o.Count {
			return false
		}
		if named := !c.Nodes.Empty() && !o.Nodes.Empty(); named && !c.Nodes.Equal(o.Nodes) {
			return false
		}
	}
	return true
}
