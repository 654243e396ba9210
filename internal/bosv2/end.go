package bosv2

import (
	"context"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// end reads a session that has ended: its nodes once more, as long as they bear its name,
// and the numbers that BOS has kept. Its nodes may be taken over at any time from then on,
// which is not to change what has become of them.
func (g *reading) end(ctx context.Context) error {
	s := g.session
	status, err := g.client.status(ctx, s.Key())
	if err != nil && bos.ReasonOf(err) != bos.NotFound {
		return err
	}
	// The status is saved a moment after the session has ended. It is then read once more.
	finish := func() {
		if g.memo.final = status.final || g.memo.merged; g.memo.final {
			g.memo.sets = nil // their lists of nodes may be long, and none is placed anymore
		}
		g.memo.merged = true
	}
	if g.memo.merged {
		keep(s, g.last)
		g.memo.exact = g.agrees(status)
		finish()
		return nil
	}
	met := len(g.last.BootSets) > 0 // while it was running
	if !met && status.known && status.managed == 0 {
		g.memo.exact = true // others took over all of its nodes, or it never had any
		finish()
		return nil
	}
	if err := g.prepare(ctx); err != nil {
		return err
	}
	if err := g.readComponents(ctx); err != nil {
		return err
	}
	if !met && status.known && g.found != (counts{managed: status.managed, stable: status.stable, failed: status.failed}) {
		g.countAlone(status)
		finish()
		return nil
	}
	g.decideLost(status)
	g.memo.exact = g.agrees(status)
	finish()
	return nil
}

// countAlone shows the numbers of BOS without the names of nodes: other sessions have taken
// over some of them, and nobody can say how those ended.
func (g *reading) countAlone(status counts) {
	s := g.session
	p := placeOf(&bos.Component{}, s, g.memo.sets)
	t := bos.Tally{
		Succeeded: status.stable,
		Failed:    status.failed,
		// On hold, or disabled by hand: the status does not say which.
		Unfinished: max(0, status.managed-status.stable-status.failed),
		// Taken over by other sessions before it ended.
		Excluded: max(0, len(g.members)-status.managed),
	}
	b := bos.BootSet{Name: p.name, Derived: p.derived, Reported: true, Nodes: t}
	b.ErrorCount = bos.Some(status.failed)
	s.BootSets, s.Nodes, s.ErrorCount = []bos.BootSet{b}, t, b.ErrorCount
	g.memo.exact = true
}

// decideLost adds the nodes that other sessions have taken over since they were last seen.
// That may have been before the end of the session, so that they were superseded, or after
// it. The numbers of BOS decide where they leave only one possibility; otherwise the nodes
// stay as they were last seen.
func (g *reading) decideLost(status counts) {
	lost := g.lost()
	var open, succeeded, failed int // of those that are lost
	for _, id := range lost {
		switch s := g.of(id).standing; {
		case s == nobody || !s.final():
			open++
		case s[s.at()] == bos.Succeeded:
			succeeded++
		case s[s.at()] == bos.Failed:
			failed++
		}
	}
	after := status.managed - g.found.managed // how many were taken over after the end
	category := ""
	switch {
	case status.known && after <= 0:
		category = bos.Superseded
	case status.known && after >= len(lost) && status.stable-g.found.stable-succeeded == open:
		category = bos.Succeeded
	case status.known && after >= len(lost) && status.failed-g.found.failed-failed == open:
		category = bos.Failed
	}
	for _, id := range lost {
		g.addLost(id, func(before nodeBefore) Standing {
			s := before.standing
			switch {
			case s == nobody || category == bos.Superseded:
				return g.takenOver(before)
			case s.final() || category == "":
			case category == bos.Succeeded:
				for i := range s {
					if s[i] != "" {
						s[i] = bos.Succeeded
					}
				}
			default:
				s[s.at()] = category
			}
			return s
		})
	}
	g.assemble()
	if t := &g.session.Nodes; category == "" && status.known && len(lost) > 0 {
		// How many have succeeded and failed is known all the same, and how many were taken
		// over before the end.
		taken := max(0, len(lost)-after)
		held := t.Failed - g.failed()
		left := t.Failed + t.Succeeded + t.Unfinished
		t.Succeeded, t.Failed = status.stable, status.failed+held
		t.Unfinished, t.Excluded = max(0, left-taken-t.Succeeded-t.Failed), t.Excluded+taken
		if b := g.session.BootSets; len(b) == 1 {
			b[0].Nodes = *t
		}
		g.session.Recounted = *t != g.session.Fates().Tally()
	}
}

// final reports whether a node has come to an end in the session.
func (s Standing) final() bool {
	category := s[s.at()]
	return final(category)
}

// agrees reports whether what is known of the nodes has the numbers that BOS has kept.
func (g *reading) agrees(status counts) bool {
	if !status.known {
		return false
	}
	return g.session.Nodes.Succeeded == status.stable && g.failed() == status.failed
}

// failed is the number of nodes that have failed. Those that are on hold are not among them.
func (g *reading) failed() int {
	n := 0
	for i := range g.session.BootSets {
		var nodes bos.NodeSet
		b := &g.session.BootSets[i]
		for j := range b.Phases {
			nodes = nodes.Union(b.Phases[j].In(bos.Failed))
		}
		n += nodes.Len()
	}
	return n
}
