package datasource

import (
	"cmp"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// overlaps has one row for each two sessions that held the same nodes at the same
// time, those that share the most first. BOS v1 keeps no two sessions from acting on
// a node at once (docs/bos.md, Shapes).
func overlaps(v *view) (data.Frames, error) {
	type pair struct{ newer, older *inventory.Session }
	holders := make(map[string][]*inventory.Session) // by node, the newest first
	err := v.wholes(func(w inventory.Whole) {
		for _, b := range w.Roster.BootSets {
			if !v.query.BootSet.has(b.Name) {
				continue
			}
			for _, p := range b.Phases {
				for _, c := range p.Categories {
					for _, n := range v.matching(c.Nodes) {
						if of := holders[n]; len(of) == 0 || of[len(of)-1].ID != w.ID {
							holders[n] = append(of, &w.Session)
						}
					}
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	shared := make(map[pair][]string)
	total := 0
	for n, sessions := range holders {
		for i, newer := range sessions {
			for _, older := range sessions[i+1:] {
				if !newer.Began().Before(v.ending(older)) {
					continue
				}
				if total++; total > maxShared {
					return nil, badRequest("more than %d times two sessions shared a node: narrow the query by session, boot set or node, or shorten the time range", maxShared)
				}
				p := pair{newer, older}
				shared[p] = append(shared[p], n)
			}
		}
	}
	type row struct {
		pair
		nodes []string
	}
	var rows []row
	for p, nodes := range shared {
		slices.SortFunc(nodes, bos.CompareNodes)
		rows = append(rows, row{p, nodes})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(len(b.nodes)-len(a.nodes), b.newer.Began().Compare(a.newer.Began()), cmp.Compare(a.newer.ID, b.newer.ID), cmp.Compare(a.older.ID, b.older.ID))
	})
	rows = fit(v, rows, "pairs of sessions")
	return v.frame(
		v.sessionField(of(rows, func(r row) string { return r.newer.ID })),
		v.sessionFieldAs("other_session", "Other session", "The older session that holds the same nodes", of(rows, func(r row) string { return r.older.ID })),
		field("nodes", "Nodes", "Number of nodes that both sessions hold", of(rows, func(r row) int64 { return int64(len(r.nodes)) })),
		field("folded", "Which", "The nodes, folded", of(rows, func(r row) string { return bos.Fold(r.nodes) })),
	), nil
}

// maxShared bounds the names that are held for pairs of sessions.
const maxShared = 1_000_000
