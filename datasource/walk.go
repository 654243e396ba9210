package datasource

import (
	"errors"
	"slices"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// eachBootSet calls each with the boot sets that the query selects.
func (v *view) eachBootSet(each func(*inventory.Session, *bos.BootSet, bos.BootSetVerdict)) {
	for _, s := range v.sessions {
		if blind(s) {
			v.miss(s, whyUnread(s), true)
		}
		for i := range s.BootSets {
			if v.query.BootSet.has(s.BootSets[i].Name) {
				each(s, &s.BootSets[i], s.Verdict.BootSets[i])
			}
		}
	}
}

// eachPhase calls each with the phases that the query selects.
func (v *view) eachPhase(each func(*inventory.Session, *bos.BootSet, *bos.Phase, bos.State)) {
	v.eachBootSet(func(s *inventory.Session, b *bos.BootSet, verdict bos.BootSetVerdict) {
		v.distrust(s)
		for i := range b.Phases {
			if v.query.Phase.hasName(b.Phases[i].Name) {
				each(s, b, &b.Phases[i], verdict.Phases[i])
			}
		}
	})
}

// takes reports whether the query selects a phase of a boot set.
func (v *view) takes(b *bos.BootSet, p *bos.Phase) bool {
	return v.query.BootSet.has(b.Name) && v.query.Phase.hasName(p.Name)
}

// holds tells whether the session has nodes in the boot sets, phases and categories
// that the query asks for.
func (v *view) holds(s *inventory.Session) bool {
	if v.query.BootSet.empty() && v.query.Phase.empty() && v.query.Category.empty() {
		return true
	}
	if blind(s) {
		v.miss(s, whyUnread(s), true)
	}
	for i := range s.BootSets {
		b := &s.BootSets[i]
		switch {
		case !unphased(b) || !v.query.BootSet.has(b.Name):
		case v.query.Phase.empty() && v.query.Category.empty():
			return true
		default:
			v.miss(s, errUnphased, true)
		}
	}
	return v.anyCategory(s, func(c *bos.Category) bool { return c.Count > 0 })
}

// atWork reports whether the session is pending or running: it may still move all of its
// nodes.
func atWork(s *inventory.Session) bool {
	return s.Verdict.State == bos.StatePending || s.Verdict.State == bos.StateRunning
}

// anyCategory tells whether holds is true of any category that the query asks for.
func (v *view) anyCategory(s *inventory.Session, holds func(*bos.Category) bool) bool {
	for b, p := range s.EachPhase() {
		if !v.takes(b, p) {
			continue
		}
		for k := range p.Categories {
			if c := &p.Categories[k]; v.query.Category.hasName(c.Name) && holds(c) {
				return true
			}
		}
	}
	return false
}

// eachHolder calls each with the selected sessions, in order, that hold nodes in the
// boot sets, phases and categories, and of the names, that the query asks for.
func (v *view) eachHolder(each func(*inventory.Session)) {
	if v.query.Node != "" {
		v.sessions = slices.DeleteFunc(v.sessions, func(s *inventory.Session) bool { return !v.holds(s) })
		v.eachNamed(func(s *inventory.Session) {
			if v.anyCategory(s, func(c *bos.Category) bool { return !v.matching(c.Nodes).Empty() }) {
				each(s)
			}
		})
		return
	}
	for _, s := range v.sessions {
		if v.holds(s) {
			each(s)
		}
	}
}

// eachPlace calls each with the places that the query selects: boot sets, their phases
// and the categories of these. With a node pattern, those where such nodes are.
func (v *view) eachPlace(each func(bootSet, phase, category string)) {
	walk := v.eachPhase
	if v.query.Node != "" {
		walk = v.eachNamedPhase
	}
	walk(func(_ *inventory.Session, b *bos.BootSet, p *bos.Phase, _ bos.State) {
		for i := range p.Categories {
			c := &p.Categories[i]
			if v.query.Category.hasName(c.Name) && (v.query.Node == "" || !v.matching(c.Nodes).Empty()) {
				each(b.Name, p.Name, c.Name)
			}
		}
	})
}

// Why the nodes of a session are not known, although they are counted.
var (
	errUnnamed  = errors.New("its nodes are counted, but not known by name: BOS holds more than is kept, or other sessions had taken its nodes over before it was first read; see how many there are in the query types sessions and bootsets")
	errUnphased = errors.New("its nodes are counted, but not by phase: other sessions had taken them over before it was first read; see how many there are in the query types sessions and bootsets")
)

// errRecounted is why some nodes of a session may have ended differently from what is shown.
var errRecounted = errors.New("BOS tells how many of its nodes succeeded and failed, but not which: other sessions had taken some of them over, and those are shown as they were last seen. The query types sessions and bootsets have the numbers")

// unphased tells whether the nodes of a boot set are counted, but not by phase.
func unphased(b *bos.BootSet) bool { return len(b.Phases) == 0 && b.Nodes.Nodes() > 0 }

// missUnphased records the sessions whose phases are not known, although their nodes are
// counted.
func (v *view) missUnphased() {
	v.eachBootSet(func(s *inventory.Session, b *bos.BootSet, _ bos.BootSetVerdict) {
		if unphased(b) {
			v.miss(s, errUnphased, true)
		}
	})
}

// eachNamed calls each with the selected sessions, in order, whose nodes are known by
// name.
func (v *view) eachNamed(each func(*inventory.Session)) {
	for _, s := range v.sessions {
		switch {
		case blind(s):
			v.miss(s, whyUnread(s), true)
		case s.Unnamed:
			v.miss(s, errUnnamed, true)
		default:
			v.distrust(s)
			each(s)
		}
	}
}

// distrust records a session if some of the nodes that the query is about may have ended
// differently from what is shown.
func (v *view) distrust(s *inventory.Session) {
	if !s.Recounted || v.query.QueryType == "overlaps" || v.query.QueryType == "values" {
		return // which nodes it held is known all the same
	}
	for b, p := range s.EachPhase() {
		if v.takes(b, p) && !v.matching(p.All()).Empty() {
			v.recounted[s.Key()] = true
			return
		}
	}
}

// eachNamedPhase is eachPhase of the sessions whose nodes are known by name.
func (v *view) eachNamedPhase(each func(*inventory.Session, *bos.BootSet, *bos.Phase, bos.State)) {
	v.eachNamed(func(s *inventory.Session) {
		one := *v
		one.sessions = []*inventory.Session{s}
		one.eachPhase(each)
	})
}

// matching returns the nodes of a set that match the query's node patterns.
func (v *view) matching(nodes bos.NodeSet) bos.NodeSet {
	if v.query.Node == "" {
		return nodes
	}
	if v.pattern == nil {
		some := v.snapshot.Nodes.Where(func(n *bos.Node) bool { return v.query.hasNode(n.Name) })
		v.pattern = &some
	}
	return nodes.Intersect(*v.pattern)
}

// fold returns the names of nodes as a folded list.
func (v *view) fold(nodes bos.NodeSet) string { return v.snapshot.Nodes.Fold(nodes) }
