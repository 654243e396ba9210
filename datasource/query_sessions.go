package datasource

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// sessionRow is a session and the numbers to show for it; nil where no node is known.
type sessionRow struct {
	*inventory.Session
	tally  *bos.Tally
	errors *int64
}

// sessions has one row per session, the newest first. Filters for boot sets, phases or
// categories select the sessions with nodes there. A node pattern selects the sessions
// that hold such nodes, and only these nodes are counted.
func sessions(v *view) (data.Frames, error) {
	type row = sessionRow
	rows := truncate(v, v.sessionRows(), "sessions")
	tallied := func(n func(bos.Tally) int) []*int64 {
		return column(rows, func(r row) *int64 {
			if r.tally == nil {
				return nil
			}
			i := int64(n(*r.tally))
			return &i
		})
	}
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.ID })),
		templateField(column(rows, func(r row) string { return r.Template })),
		operationField(column(rows, func(r row) string { return r.Operation })),
		stateField(column(rows, func(r row) string { return string(r.Verdict.State) })),
		field("start", "Started", "Start time", column(rows, func(r row) *time.Time { return optionalTime(r.StartTime) })),
		field("stop", "Stopped", "Stop time; BOS omits it for some sessions that have ended", column(rows, func(r row) *time.Time { return optionalTime(r.StopTime) })),
		unit(field("duration", "Duration", "Time from the start to the stop or, if BOS omits it, to the last move of a node; to now while unfinished",
			column(rows, func(r row) *float64 { return lasted(r.StartTime, v.ending(r.Session)) })), "s"),
		field("nodes", "Nodes", "Distinct nodes", tallied(bos.Tally.Nodes)),
		field("succeeded", "Succeeded", "Distinct nodes that succeeded", tallied(func(t bos.Tally) int { return t.Succeeded })),
		field("failed", "Failed", "Distinct nodes that failed in any phase", tallied(func(t bos.Tally) int { return t.Failed })),
		field("unfinished", "Unfinished", "Distinct nodes that have not started or are in progress", tallied(func(t bos.Tally) int { return t.Unfinished })),
		field("error_count", "Errors", "Failed nodes; a node counts once for each phase in which it failed", column(rows, func(r row) *int64 { return r.errors })),
		field("bootsets", "Boot sets", "Number of boot sets", column(rows, func(r row) int64 { return int64(len(r.BootSets)) })),
		field("boa_job", "BOA job", "Kubernetes job of the boot agent; its log has the details", column(rows, func(r row) string { return r.Job })),
		apiField(column(rows, func(r row) string { return r.API })),
		tenantField(column(rows, func(r row) string { return r.Tenant })),
		field("limit", "Limit", "Limit that narrows the nodes of the session template, as given when the session was created", column(rows, func(r row) string { return r.Limit })),
		field("stage", "Staged", "Whether the session is staged: it acts on a node only once it is applied to it", column(rows, func(r row) bool { return r.Staged })),
		field("setup_error", "Set-up error", "Why the session ended before it acted on any node", column(rows, func(r row) string { return r.SetupError })),
	), nil
}

func (v *view) sessionRows() (rows []sessionRow) {
	v.eachHolder(func(s *inventory.Session) {
		r := sessionRow{Session: s, errors: errorCount(s)}
		switch {
		case v.query.Node != "":
			r.tally, r.errors = v.ofMatching(s)
		case s.Nodes.Nodes() > 0 || s.Reported():
			r.tally = &s.Nodes
		}
		rows = append(rows, r)
	})
	return rows
}

// ofMatching counts the nodes of a session that match the query's patterns, and their
// failures, one for each phase in which a node failed.
func (v *view) ofMatching(s *inventory.Session) (*bos.Tally, *int64) {
	fates := s.Fates()
	tally := fates.Within(v.matching(fates.All())).Tally()
	var failures int64
	for i := range s.BootSets {
		for j := range s.BootSets[i].Phases {
			failures += int64(v.matching(s.BootSets[i].Phases[j].In(bos.Failed)).Len())
		}
	}
	return &tally, &failures
}
