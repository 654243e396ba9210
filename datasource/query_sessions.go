package datasource

import (
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// sessions has one row a session, the newest first.
func sessions(v *view) (data.Frames, error) {
	type row = *inventory.Session
	rows := fit(v, v.sessions, "sessions")
	tallied := func(n func(bos.Tally) int) []*int64 {
		return of(rows, func(s row) *int64 {
			if !slices.ContainsFunc(s.BootSets, func(b bos.BootSet) bool { return b.Reported }) {
				return nil // no node is known
			}
			i := int64(n(s.Nodes))
			return &i
		})
	}
	return v.frame(
		v.sessionField(of(rows, func(s row) string { return s.ID })),
		field("template", "Template", "Session template", of(rows, func(s row) string { return s.Template })),
		field("operation", "Operation", "What the session does", of(rows, func(s row) string { return s.Operation })),
		stateField(of(rows, func(s row) string { return string(s.Verdict.State) })),
		field("start", "Started", "Start time", of(rows, func(s row) *time.Time { return stamp(s.StartTime) })),
		field("stop", "Stopped", "Stop time; BOS leaves it out for some that have ended", of(rows, func(s row) *time.Time { return stamp(s.StopTime) })),
		unit(field("duration", "Duration", "From the start to the stop, to the last move of a node, or until now",
			of(rows, func(s row) *float64 { return lasted(s.StartTime, v.ending(s)) })), "s"),
		field("nodes", "Nodes", "Distinct nodes", tallied(bos.Tally.Nodes)),
		field("succeeded", "Succeeded", "Distinct nodes that made it", tallied(func(t bos.Tally) int { return t.Succeeded })),
		field("failed", "Failed", "Distinct nodes that failed in any phase", tallied(func(t bos.Tally) int { return t.Failed })),
		field("unfinished", "Unfinished", "Distinct nodes that are not started or in progress", tallied(func(t bos.Tally) int { return t.Unfinished })),
		field("error_count", "Errors", "Failed nodes, a node once for each phase in which it failed", of(rows, errorCount)),
		field("bootsets", "Boot sets", "Number of boot sets", of(rows, func(s row) int64 { return int64(len(s.BootSets)) })),
		field("boa_job", "BOA job", "Kubernetes job of the boot agent, whose log tells more", of(rows, func(s row) string { return s.Job })),
	), nil
}
