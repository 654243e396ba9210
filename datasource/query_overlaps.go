package datasource

import (
	"cmp"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// overlaps has one row per pair of sessions that held the same nodes at the same time,
// ordered by the number of nodes. BOS v1 does not keep two sessions from acting on a
// node at once (docs/bos.md, Shapes).
func overlaps(v *view) (data.Frames, error) {
	type pair struct{ newer, older string }
	var pairs []pair
	meets := make(map[string]bool)
	for i, newer := range v.sessions { // the newest first
		for _, older := range v.sessions[i+1:] {
			// Of two sessions without a start time, one that has ended may have done so
			// before the other began.
			unknown := newer.Began().IsZero() && (newer.Verdict.Ending == bos.Ended || older.Verdict.Ending == bos.Ended)
			if !unknown && newer.Began().Before(v.ending(older)) {
				pairs = append(pairs, pair{newer.ID, older.ID})
				meets[newer.ID], meets[older.ID] = true, true
			}
		}
	}
	// Sessions that overlap with no other need not be read.
	v.sessions = slices.DeleteFunc(v.sessions, func(s *inventory.Session) bool { return !meets[s.ID] })
	nodes := make(map[string]map[string]bool) // of each session
	v.eachDetail(func(w inventory.Whole) { nodes[w.ID] = v.held(w) })
	type row struct {
		pair
		nodes []string
	}
	var rows []row
	total := 0
	for _, p := range pairs {
		if err := v.ctx.Err(); err != nil {
			return nil, err
		}
		var both []string
		for n := range nodes[p.newer] {
			if nodes[p.older][n] {
				both = append(both, n)
			}
		}
		if total += len(both); total > maxShared {
			return nil, badRequest("the pairs of sessions share more than %d nodes in total: narrow the query by session, boot set or node, or shorten the time range", maxShared)
		}
		if len(both) > 0 {
			slices.SortFunc(both, bos.CompareNodes)
			rows = append(rows, row{p, both})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(len(b.nodes), len(a.nodes)) })
	rows = truncate(v, rows, "pairs of sessions")
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.newer })),
		v.sessionFieldAs("other_session", "Other session", "Older session that held the same nodes", column(rows, func(r row) string { return r.older })),
		field("nodes", "Nodes", "Number of nodes that both sessions held", column(rows, func(r row) int64 { return int64(len(r.nodes)) })),
		field("folded", "Which", "The nodes as a folded list", column(rows, func(r row) string { return bos.Fold(r.nodes) })),
	), nil
}

// maxShared bounds the number of node names in the answer.
const maxShared = 1_000_000

// held returns the nodes that a session acts on and that the query selects.
func (v *view) held(w inventory.Whole) map[string]bool {
	nodes := make(map[string]bool)
	for _, b := range w.Roster.BootSets {
		if !v.query.BootSet.has(b.Name) {
			continue
		}
		for _, p := range b.Phases {
			for _, c := range p.Categories {
				if c.Name == bos.Excluded {
					continue
				}
				for _, n := range v.matching(c.Nodes) {
					nodes[n] = true
				}
			}
		}
	}
	return nodes
}
