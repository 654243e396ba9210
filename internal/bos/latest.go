package bos

import (
	"cmp"
	"maps"
	"slices"
)

// Latest is where nodes of several sessions stand. Each node counts once, by the newest of
// the sessions that has it.
type Latest struct {
	Fates Fates
	// Standing holds the nodes by category, each once, the most urgent category first.
	Standing []Category
	// Errors holds the error messages, the nodes that failed without one under "", by
	// message. A node may have several.
	Errors []PhaseError
}

// Aspect is what is looked at in a session.
type Aspect struct {
	Takes    func(*BootSet, *Phase) bool
	Category func(name string) bool // leaves out nodes that are in no such category
	Nodes    func(NodeSet) NodeSet  // leaves out others
	// Whole is set if what became of nodes in their boot sets counts. The categories are
	// then Failed, Succeeded, Excluded and Unfinished or, in a session at work, InProgress
	// and NotStarted. Otherwise those of phases count, and of several the most urgent one;
	// unless the session is at work, InProgress and NotStarted are Unfinished there, too.
	Whole  bool
	AtWork func(*Session) bool // nil if none is
}

// LatestOf returns where the nodes of sessions stand, which are of one table and come
// newest first.
func LatestOf(sessions []*Session, a Aspect) Latest {
	var seen NodeSet
	var fates Fates
	standing, errors := make(map[string]NodeSet), make(map[string]NodeSet)
	for _, s := range sessions {
		all, shown := s.look(a, seen)
		if all.Empty() {
			continue
		}
		seen, shown = seen.Union(all), a.Nodes(shown).Minus(seen)
		own := s.fatesIn(a).Within(shown)
		fates = fates.union(own)
		atWork := a.AtWork != nil && a.AtWork(s)
		if a.Whole {
			s.stand(own, atWork, standing)
		}
		for _, p := range s.phases(a) {
			for _, c := range p.Categories {
				switch {
				case a.Whole:
				case !atWork && (c.Name == InProgress || c.Name == NotStarted):
					add(standing, Unfinished, c.Nodes.Intersect(shown))
				default:
					add(standing, c.Name, c.Nodes.Intersect(shown))
				}
			}
			for _, e := range p.Errors {
				add(errors, e.Message, e.Nodes.Intersect(shown))
			}
			add(errors, "", p.Silent().Intersect(shown))
		}
	}
	l := Latest{Fates: fates, Standing: eachOnce(standing)}
	for _, message := range slices.Sorted(maps.Keys(errors)) {
		l.Errors = append(l.Errors, PhaseError{message, errors[message]})
	}
	return l
}

// stand adds the nodes of the session, given what became of them, to those that stand as
// they do.
func (s *Session) stand(f Fates, atWork bool, standing map[string]NodeSet) {
	add(standing, Failed, f.Failed)
	add(standing, Succeeded, f.Succeeded)
	add(standing, Excluded, f.Excluded)
	open := f.Unfinished
	if atWork {
		for b, p := range s.EachPhase() {
			here := b.Halted(p).Intersect(f.Unfinished)
			for _, category := range []string{InProgress, NotStarted} {
				nodes := p.In(category).Intersect(here)
				add(standing, category, nodes)
				open = open.Minus(nodes)
			}
		}
	}
	add(standing, Unfinished, open)
}

// add adds nodes to one of several sets.
func add(to map[string]NodeSet, name string, nodes NodeSet) {
	if !nodes.Empty() {
		to[name] = to[name].Union(nodes)
	}
}

// eachOnce leaves each node in its most urgent category alone.
func eachOnce(standing map[string]NodeSet) (once []Category) {
	var taken NodeSet
	for _, name := range slices.SortedFunc(maps.Keys(standing), func(a, b string) int {
		return cmp.Or(WorstFirst(a, b), cmp.Compare(a, b))
	}) {
		if nodes := standing[name].Minus(taken); !nodes.Empty() {
			once = append(once, Category{name, nodes.Len(), nodes})
			taken = taken.Union(nodes)
		}
	}
	return once
}

// look returns all nodes of the phases that are looked at, and those of the categories. It
// returns none if all of them have been seen.
func (s *Session) look(a Aspect, seen NodeSet) (all, shown NodeSet) {
	fresh := false
	for _, p := range s.phases(a) {
		for _, c := range p.Categories {
			fresh = fresh || c.Nodes.Common(seen) < c.Nodes.Len()
		}
	}
	if !fresh {
		return all, shown
	}
	for _, p := range s.phases(a) {
		for _, c := range p.Categories {
			all = all.Union(c.Nodes)
			if a.Category(c.Name) {
				shown = shown.Union(c.Nodes)
			}
		}
	}
	return all, shown
}

// phases returns the phases that are looked at.
func (s *Session) phases(a Aspect) (phases []*Phase) {
	for b, p := range s.EachPhase() {
		if a.Takes(b, p) {
			phases = append(phases, p)
		}
	}
	return phases
}

// fatesIn returns what became of the nodes in what is looked at.
func (s *Session) fatesIn(a Aspect) Fates {
	var each []Fates
	if !a.Whole {
		for _, p := range s.phases(a) {
			each = append(each, p.Fates())
		}
		return worstFates(each)
	}
	for i := range s.BootSets {
		b := &s.BootSets[i]
		taken := func(p Phase) bool { return a.Takes(b, &p) }
		if slices.ContainsFunc(b.Phases, taken) {
			each = append(each, b.Fates())
		}
	}
	return worstFates(each)
}
