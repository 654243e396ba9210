package datasource

import (
	"cmp"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// record holds how the sessions of a task have fared.
type record struct {
	task
	last     *inventory.Session
	sessions int
	states   map[bos.State]int
	nodes    bos.Tally // of all that have ended, with a known outcome
	parts    [trendParts]bos.Tally
	durations
}

// templates has one row per template and operation, with how its sessions have fared: the
// one with the newest session first.
func templates(v *view) (data.Frames, error) {
	type row = *record
	rows := truncate(v, v.records(), "templates and operations")
	number := func(n func(row) int) []int64 { return column(rows, func(r row) int64 { return int64(n(r)) }) }
	in := func(states ...bos.State) []int64 {
		return number(func(r row) (n int) {
			for _, s := range states {
				n += r.states[s]
			}
			return n
		})
	}
	return v.table(
		templateField(column(rows, func(r row) string { return r.template })),
		operationField(column(rows, func(r row) string { return r.operation })),
		field("sessions", "Sessions", "Number of sessions", number(func(r row) int { return r.sessions })),
		field("succeeded", "Succeeded", "Sessions in which every node succeeded", in(bos.StateSucceeded)),
		field("partial", "Partial", "Sessions in which some nodes succeeded", in(bos.StatePartial)),
		field("failed", "Failed", "Sessions in which no node succeeded", in(bos.StateFailed)),
		field("unfinished", "Unfinished", "Sessions that are pending, running, stuck or abandoned", in(bos.StatePending, bos.StateRunning, bos.StateStuck, bos.StateAbandoned)),
		field("unknown", "Unknown", "Sessions of which nobody knows the outcome, or that have not been read yet", in(bos.StateUnknown, bos.StateUnread)),
		shareField("success_rate", "Success rate", "Share of the sessions in which every node succeeded, of those that have ended with a known outcome; empty if there are none", column(rows, func(r row) *float64 {
			return share(r.states[bos.StateSucceeded], r.states[bos.StateSucceeded]+r.states[bos.StatePartial]+r.states[bos.StateFailed])
		})),
		shareField("success", "Success", "Share of the nodes that succeeded, over all these sessions; excluded nodes do not count", column(rows, func(r row) *float64 { return success(r.nodes) })),
		field("trend", "Trend", trendDescription, column(rows, func(r row) string { return r.trend() })),
		seconds(field("usual", "Usual duration", "Median duration of the sessions that succeeded or, if none did, that succeeded in part", column(rows, func(r row) *float64 { return r.quantile(0.5) }))),
		seconds(field("p90", "90th percentile", "Duration that nine in ten of the sessions in the usual duration do not exceed", column(rows, func(r row) *float64 { return r.quantile(0.9) }))),
		v.sessionFieldAs("last_session", "Last session", "Newest session", rowTenant, rowRange, column(rows, func(r row) string { return r.last.ID })),
		field("start", "Started", "Start time of the newest session", column(rows, func(r row) *time.Time { return optionalTime(r.last.StartTime) })),
		stateField(column(rows, func(r row) string { return string(r.last.Verdict.State) })),
		apiField(column(rows, func(r row) string { return r.last.API })),
		tenantField(column(rows, func(r row) string { return r.tenant })),
		rangeField("range", column(rows, func(r row) string { return v.rangeOf(r.last) })),
		idField("id", "Session ID", column(rows, func(r row) string { return r.last.ID })),
	), nil
}

// records returns how the selected sessions have fared.
func (v *view) records() (records []*record) {
	known := make(map[task]*record)
	for _, s := range v.sessions { // the newest first
		r := known[taskOf(s)]
		if r == nil {
			r = &record{task: taskOf(s), last: s, states: make(map[bos.State]int)}
			known[taskOf(s)] = r
			records = append(records, r)
		}
		r.sessions++
		r.states[s.Verdict.State]++
		if s.Verdict.Ending != bos.Ended || s.Verdict.State == bos.StateUnknown || s.Unread {
			continue
		}
		r.add(s)
		r.nodes = r.nodes.Plus(s.Nodes)
		if !s.Began().IsZero() {
			part := &r.parts[v.trendPart(s.Began())]
			*part = part.Plus(s.Nodes)
		}
	}
	return records
}

// success is the share of the nodes that succeeded, of all but those excluded.
func success(t bos.Tally) *float64 { return share(t.Succeeded, t.Nodes()-t.Excluded) }

// trendParts is the number of equal parts of the time range that a trend shows.
const trendParts = 7

const trendDescription = "Success in each seventh of the time range, by when the sessions started: a day if the range is a week. █ all nodes succeeded, ▁ hardly any or none, · no session that has ended"

// heights are the marks of a trend, the best last.
var heights = []rune("▁▂▃▄▅▆▇█")

func (r *record) trend() string {
	var b strings.Builder
	for _, part := range r.parts {
		s := success(part)
		if s == nil {
			b.WriteRune('·')
			continue
		}
		b.WriteRune(heights[int(*s*float64(len(heights)-1))])
	}
	return b.String()
}

// trendPart returns the part of the time range in which a time lies, or the nearest one.
func (v *view) trendPart(t time.Time) int {
	length := cmp.Or(v.within.To.Sub(v.within.From), 1)
	return min(max(0, int(trendParts*float64(t.Sub(v.within.From))/float64(length))), trendParts-1)
}
