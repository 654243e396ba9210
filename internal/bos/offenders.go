package bos

import (
	"cmp"
	"iter"
	"slices"
)

// Offender is a node that failed in sessions.
type Offender struct {
	Node     int
	Sessions int      // in how many it failed
	Phases   []string // in which it failed in any of them, by name
	Last     int      // the index of the first session given in which it failed
}

// Offenders returns the nodes that failed in the sessions, in phases that take accepts,
// the one that failed in the most sessions first. All sessions are of one table.
func Offenders(sessions []*Session, take func(*BootSet, *Phase) bool) []Offender {
	type entry struct {
		sessions, last int
		phases         phaseSet
	}
	var entries []entry // by the numbers of nodes
	var names []string  // of phases, by their place in a phaseSet
	for i, s := range sessions {
		var failed NodeSet // in any phase of the session
		for phase, nodes := range s.failures(take) {
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
			failed = failed.Union(nodes)
		}
		for n := range failed.All() {
			if entries[n].sessions++; entries[n].sessions == 1 {
				entries[n].last = i
			}
		}
	}
	var offenders []Offender
	for n, e := range entries {
		if e.sessions > 0 {
			offenders = append(offenders, Offender{n, e.sessions, e.phases.names(names), e.last})
		}
	}
	slices.SortStableFunc(offenders, func(a, b Offender) int { return cmp.Compare(b.Sessions, a.Sessions) })
	return offenders
}

// failures yields the nodes that failed in each phase that take accepts, by its name.
func (s *Session) failures(take func(*BootSet, *Phase) bool) iter.Seq2[string, NodeSet] {
	return func(yield func(string, NodeSet) bool) {
		for i := range s.BootSets {
			b := &s.BootSets[i]
			for j := range b.Phases {
				p := &b.Phases[j]
				if nodes := p.Failed(); !nodes.Empty() && take(b, p) && !yield(p.Name, nodes) {
					return
				}
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
