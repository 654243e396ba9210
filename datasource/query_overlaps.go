package datasource

import (
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// overlaps has one row per pair of sessions that held the same nodes at the same time,
// ordered by the number of nodes. BOS v1 does not keep two sessions from acting on a
// node at once (docs/bos.md, Shapes).
func overlaps(v *view) (data.Frames, error) {
	meets := make([]bool, len(v.sessions))
	v.eachPair(func(newer, older int) { meets[newer], meets[older] = true, true })
	var some []*inventory.Session // those that overlap with no other need not be looked at
	for i, s := range v.sessions {
		if meets[i] {
			some = append(some, s)
		}
	}
	v.sessions = some
	known := make(map[*inventory.Session]bos.NodeSet)
	v.eachNamed(func(s *inventory.Session) {
		known[s] = v.matching(s.Held(func(b *bos.BootSet) bool { return v.query.BootSet.has(b.Name) }))
	})
	held := column(v.sessions, func(s *inventory.Session) bos.NodeSet { return known[s] })

	type pair struct{ newer, older int }
	found := make([][]pair, v.snapshot.Nodes.Len()+1) // by the number of nodes, no more of each than can be shown
	total := 0
	v.eachPair(func(newer, older int) {
		n := held[newer].Common(held[older])
		if n == 0 {
			return
		}
		total++
		if len(found[n]) < v.max {
			found[n] = append(found[n], pair{newer, older})
		}
	})
	v.noteCut(total, "pairs of sessions")
	type row struct {
		newer, older *inventory.Session
		nodes        int
		folded       string
	}
	var rows []row
	var last bos.NodeSet
	for n, pairs := range slices.Backward(found) {
		for _, p := range pairs[:min(len(pairs), v.max-len(rows))] {
			r := row{newer: v.sessions[p.newer], older: v.sessions[p.older], nodes: n}
			if both := held[p.newer].Intersect(held[p.older]); len(rows) > 0 && both.Equal(last) {
				r.folded = rows[len(rows)-1].folded // as when all of them are for the whole machine
			} else {
				r.folded, last = v.fold(both), both
			}
			rows = append(rows, r)
		}
	}
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.newer.ID })),
		v.sessionFieldAs("other_session", "Other session", "Older session that held the same nodes", rowOtherTenant, rowOtherRange, column(rows, func(r row) string { return r.older.ID })),
		field("nodes", "Nodes", "Number of nodes that both sessions held", column(rows, func(r row) int64 { return int64(r.nodes) })),
		field("folded", "Which", "The nodes as a folded list", column(rows, func(r row) string { return r.folded })),
		apiField(column(rows, func(r row) string { return r.newer.API })),
		tenantField(column(rows, func(r row) string { return r.newer.Tenant })),
		rangeField("range", column(rows, func(r row) string { return v.rangeOf(r.newer) })),
		field("other_api", "Other API", "Version of the BOS API that the other session belongs to", column(rows, func(r row) string { return r.older.API })),
		field("other_tenant", "Other tenant", "Tenant that owns the other session; empty if none does", column(rows, func(r row) string { return r.older.Tenant })),
		rangeField("other_range", column(rows, func(r row) string { return v.rangeOf(r.older) })),
		idField("id", "Session ID", column(rows, func(r row) string { return r.newer.ID })),
		idField("other_id", "Other session ID", column(rows, func(r row) string { return r.older.ID })),
	), nil
}

// eachPair calls each with the indexes of the pairs of selected sessions that ran at the
// same time.
func (v *view) eachPair(each func(newer, older int)) {
	endings := column(v.sessions, v.ending)
	for i, newer := range v.sessions { // the newest first
		began := newer.Began()
		for j := i + 1; j < len(v.sessions); j++ {
			// Of two sessions without a start time, one that has ended may have done so
			// before the other began.
			unknown := began.IsZero() && (newer.Verdict.Ending == bos.Ended || v.sessions[j].Verdict.Ending == bos.Ended)
			if !unknown && began.Before(endings[j]) {
				each(i, j)
			}
		}
	}
}
