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
	meets := make(map[bos.Key]bool)
	v.eachPair(func(newer, older *inventory.Session) { meets[newer.Key()], meets[older.Key()] = true, true })
	// Sessions that overlap with no other need not be looked at.
	v.sessions = slices.DeleteFunc(v.sessions, func(s *inventory.Session) bool { return !meets[s.Key()] })
	held := make(map[bos.Key]bos.NodeSet) // by each session
	v.eachNamed(func(s *inventory.Session) {
		held[s.Key()] = v.matching(s.Held(func(b *bos.BootSet) bool { return v.query.BootSet.has(b.Name) }))
	})
	type row struct {
		newer, older *inventory.Session
		nodes        bos.NodeSet
	}
	var rows []row
	v.eachPair(func(newer, older *inventory.Session) {
		if both := held[newer.Key()].Intersect(held[older.Key()]); !both.Empty() {
			rows = append(rows, row{newer, older, both})
		}
	})
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.nodes.Len(), a.nodes.Len()) })
	rows = truncate(v, rows, "pairs of sessions")
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.newer.ID })),
		v.sessionFieldAs("other_session", "Other session", "Older session that held the same nodes", rowOtherTenant, column(rows, func(r row) string { return r.older.ID })),
		field("nodes", "Nodes", "Number of nodes that both sessions held", column(rows, func(r row) int64 { return int64(r.nodes.Len()) })),
		field("folded", "Which", "The nodes as a folded list", column(rows, func(r row) string { return v.fold(r.nodes) })),
		apiField(column(rows, func(r row) string { return r.newer.API })),
		tenantField(column(rows, func(r row) string { return r.newer.Tenant })),
		field("other_api", "Other API", "Version of the BOS API that the other session belongs to", column(rows, func(r row) string { return r.older.API })),
		field("other_tenant", "Other tenant", "Tenant that owns the other session; empty if none does", column(rows, func(r row) string { return r.older.Tenant })),
	), nil
}

// eachPair calls each with the pairs of selected sessions that ran at the same time.
func (v *view) eachPair(each func(newer, older *inventory.Session)) {
	for i, newer := range v.sessions { // the newest first
		for _, older := range v.sessions[i+1:] {
			// Of two sessions without a start time, one that has ended may have done so
			// before the other began.
			unknown := newer.Began().IsZero() && (newer.Verdict.Ending == bos.Ended || older.Verdict.Ending == bos.Ended)
			if !unknown && newer.Began().Before(v.ending(older)) {
				each(newer, older)
			}
		}
	}
}
