package datasource

import (
	"cmp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// placeLevels are the kinds of places that can be told apart.
var placeLevels = column(bos.Levels, func(l bos.Level) string { return string(l) })

// within has, for each level, that of the places in which its own have a position.
var within = map[bos.Level]bos.Level{bos.AtChassis: bos.AtCabinet, bos.AtSlot: bos.AtChassis, bos.AtBMC: bos.AtSlot, bos.AtNode: bos.AtSlot}

// place is a part of the machine and what became of its nodes.
type place struct {
	node    *bos.Node // any of them
	name    string    // "" for nodes that bear no xname
	tally   bos.Tally
	state   string
	error   string
	because int // number of nodes with the error
}

// incomplete is the number of nodes that have not done what they should.
func (p *place) incomplete() int { return p.tally.Failed + p.tally.Unfinished }

// places has one row per cabinet, chassis, slot, BMC or node with what became of all its
// nodes. Those with the most failed nodes come first, then those with the most unfinished
// ones; nodes come in the order of xnames.
func places(v *view) (data.Frames, error) {
	level := bos.Level(v.query.Field)
	latest := v.latest()
	at := make([]*place, v.snapshot.Nodes.Len()) // by the numbers of nodes
	var found []*place
	odd := 0
	for n := range latest.Fates.All().All() {
		node := v.snapshot.Nodes.Node(n)
		name := node.Place.At(level)
		if !node.IsXname {
			odd++
			if level == bos.AtNode {
				name = node.Name
			}
		}
		if len(found) == 0 || found[len(found)-1].name != name {
			found = append(found, &place{node: node, name: name})
		}
		at[n] = found[len(found)-1]
	}
	if odd > 0 && level != bos.AtNode {
		v.inform("Nodes whose names are not xnames: %d. They are in a row without a place.", odd)
	}
	tell(at, latest)
	found = v.worstPlaces(level, found)
	tally := func(get func(bos.Tally) int) []int64 {
		return column(found, func(p *place) int64 { return int64(get(p.tally)) })
	}
	shares := func(get func(*place) int) []*float64 {
		return column(found, func(p *place) *float64 { return share(get(p), p.tally.Nodes()) })
	}
	outer := func(p *place) string { return p.node.Place.At(within[level]) }
	if within[level] == "" {
		outer = func(*place) string { return "" }
	}
	return v.table(
		v.placeField(level, "nodes", column(found, func(p *place) string { return p.name })),
		field("within", "Within", "Xname of the place that this one is a part of; empty for cabinets", column(found, outer)),
		field("position", "Position", "Where the place is in that one", column(found, func(p *place) string { return strings.TrimPrefix(p.name, outer(p)) })),
		field("nodes", "Nodes", "Number of nodes in the place, each counted once, by the newest of the sessions that has it", tally(bos.Tally.Nodes)),
		field("succeeded", "Succeeded", "Number of nodes that succeeded", tally(func(t bos.Tally) int { return t.Succeeded })),
		field("failed", "Failed", "Number of nodes that failed", tally(func(t bos.Tally) int { return t.Failed })),
		field("unfinished", "Unfinished", "Number of nodes that are neither done nor known to have failed", tally(func(t bos.Tally) int { return t.Unfinished })),
		field("excluded", "Excluded", "Number of nodes that left the session", tally(func(t bos.Tally) int { return t.Excluded })),
		shareField("failed_share", "Failed share", "Nodes that failed, as a share of the nodes in the place", shares(func(p *place) int { return p.tally.Failed })),
		shareField("incomplete_share", "Incomplete share", "Nodes that failed or are unfinished, as a share of the nodes in the place", shares((*place).incomplete)),
		mapped(field("state", "State", "Worst of what became of the nodes, or how far they are while the session is at work; of chosen phases, the worst category", column(found, func(p *place) string { return p.state })), categoryColors),
		field("error", "Error", "Error message that most nodes of the place have", column(found, func(p *place) string { return p.error })),
	), nil
}

// latest returns where the selected nodes stand: in the phases that the query asks for, or
// altogether if it asks for none.
func (v *view) latest() bos.Latest {
	var sessions []*bos.Session
	moves := make(map[*bos.Session]bool)
	v.eachNamed(func(s *inventory.Session) {
		sessions = append(sessions, s.Session)
		moves[s.Session] = atWork(s)
	})
	return bos.LatestOf(sessions, bos.Aspect{
		Takes: v.takes, Category: v.query.Category.hasName, Nodes: v.matching, Whole: v.query.Phase.empty(),
		AtWork: func(s *bos.Session) bool { return moves[s] },
	})
}

// tell notes down in each place what became of its nodes.
func tell(at []*place, latest bos.Latest) {
	each := func(nodes bos.NodeSet, note func(*place)) {
		for n := range nodes.All() {
			note(at[n])
		}
	}
	each(latest.Fates.Failed, func(p *place) { p.tally.Failed++ })
	each(latest.Fates.Unfinished, func(p *place) { p.tally.Unfinished++ })
	each(latest.Fates.Succeeded, func(p *place) { p.tally.Succeeded++ })
	each(latest.Fates.Excluded, func(p *place) { p.tally.Excluded++ })
	for _, c := range latest.Standing { // the most urgent first
		each(c.Nodes, func(p *place) { p.state = cmp.Or(p.state, c.Name) })
	}
	for _, e := range latest.Errors {
		with := make(map[*place]int)
		each(e.Nodes, func(p *place) { with[p]++ })
		for p, nodes := range with {
			if nodes > p.because {
				p.because, p.error = nodes, cmp.Or(errorText([]string{e.Message}), noMessage)
			}
		}
	}
}

// worstPlaces returns the places that may be shown, and gives notice of those left out: the
// worst first, but nodes in their order.
func (v *view) worstPlaces(level bos.Level, found []*place) []*place {
	kept := slices.Clone(found)
	slices.SortStableFunc(kept, func(a, b *place) int {
		return cmp.Or(cmp.Compare(b.tally.Failed, a.tally.Failed), cmp.Compare(b.incomplete(), a.incomplete()))
	})
	kept = truncate(v, kept, "places")
	if level != bos.AtNode {
		return kept
	}
	chosen := make(map[*place]bool, len(kept))
	for _, p := range kept {
		chosen[p] = true
	}
	return slices.DeleteFunc(found, func(p *place) bool { return !chosen[p] })
}
