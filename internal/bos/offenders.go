package bos

import (
	"cmp"
	"iter"
	"slices"
)

// Offender is a node that failed in sessions, or was left unfinished when they ended.
type Offender struct {
	Node       int
	Sessions   int      // in how many it failed
	Unfinished int      // in how many others it was left unfinished
	Phases     []string // in which it failed, or which it had not completed, in any of them, by name
	Last       int      // the index of the first session given in which it failed or, if it failed in none, was left
}

// Offenders returns the nodes that failed in the sessions, or were left unfinished by those
// that have ended, in phases that take accepts: the one that failed in the most sessions
// first. All sessions are of one table.
func Offenders(sessions []*Session, ended func(i int) bool, take func(*BootSet, *Phase) bool) []Offender {
	type entry struct {
		failed, unfinished, last int
		phases                   phaseSet
	}
	var entries []entry // by the numbers of nodes
	var names []string  // of phases, by their place in a phaseSet
	collect := func(troubled iter.Seq2[string, NodeSet]) NodeSet {
		var all NodeSet // in any phase of the session
		for phase, nodes := range troubled {
			place := slices.Index(names, phase)
			if place < 0 {
				place = len(names)
				names = append(names, phase)
			}
			for n := range nodes.All() {
				if n >= len(entries) {
					entries = append(entries, make([]entry, n+1-len(entries))...)
				}
				entries[n].phases = entries[n].phases.with(place)
			}
			all = all.Union(nodes)
		}
		return all
	}
	for i, s := range sessions {
		for n := range collect(s.failures(take)).All() {
			e := &entries[n]
			if e.failed++; e.failed == 1 {
				e.last = i
			}
		}
		if s.Nodes.Unfinished == 0 && !s.Recounted || !ended(i) {
			continue
		}
		for n := range collect(s.leftovers(take)).All() {
			e := &entries[n]
			if e.unfinished++; e.failed == 0 && e.unfinished == 1 {
				e.last = i
			}
		}
	}
	var offenders []Offender
	for n, e := range entries {
		if e.failed+e.unfinished > 0 {
			offenders = append(offenders, Offender{n, e.failed, e.unfinished, e.phases.names(names), e.last})
		}
	}
	slices.SortStableFunc(offenders, func(a, b Offender) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(b.Unfinished, a.Unfinished))
	})
	return offenders
}

// failures yields the nodes that failed in each phase that take accepts, by its name.
func (s *Session) failures(take func(*BootSet, *Phase) bool) iter.Seq2[string, NodeSet] {
	return func(yield func(string, NodeSet) bool) {
		for b, p := range s.EachPhase() {
			if nodes := p.Failed(); !nodes.Empty() && take(b, p) && !yield(p.Name, nodes) {
				return
			}
		}
	}
}

// leftovers yields the nodes that are unfinished in the session, with the name of the first
// phase that they have not completed, if take accepts it.
func (s *Session) leftovers(take func(*BootSet, *Phase) bool) iter.Seq2[string, NodeSet] {
	return func(yield func(string, NodeSet) bool) {
		unfinished := s.Fates().Unfinished
		for b, p := range s.EachPhase() {
			if !take(b, p) {
				continue
			}
			if nodes := b.Halted(p).Intersect(unfinished); !nodes.Empty() && !yield(p.Name, nodes) {
				return
			}
		}
	}
}

// phaseSet is a set of phases, a bit for each; those beyond the last bit share it.
type phaseSet uint64

func (s phaseSet) bit(place int) phaseSet { return 1 << min(place, 63) }

func (s phaseSet) with(place int) phaseSet { return s | s.bit(place) }

// names returns the names of the phases in the set, sorted.
func (s phaseSet) names(all []string) (names []string) {
	for place, name := range all {
		if s&s.bit(place) != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
