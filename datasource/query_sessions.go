package datasource

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// sessions has one row a session, the newest first.
func sessions(v *view) (data.Frames, error) {
	var ids, templates, operations, states, jobs []string
	var starts, stops []*time.Time
	var durations []*float64
	var nodes, succeeded, failed, unfinished, sets []int64
	var errors []*int64
	rows := v.cut()
	for _, s := range v.sessions {
		if !rows.fits() {
			continue
		}
		ids = append(ids, s.ID)
		templates = append(templates, s.Template)
		operations = append(operations, s.Operation)
		states = append(states, string(s.Verdict.State))
		starts = append(starts, stamp(s.StartTime))
		stops = append(stops, stamp(s.StopTime))
		durations = append(durations, lasted(s.StartTime, ending(s, v.now)))
		nodes = append(nodes, int64(s.Nodes.Nodes()))
		succeeded = append(succeeded, int64(s.Nodes.Succeeded))
		failed = append(failed, int64(s.Nodes.Failed))
		unfinished = append(unfinished, int64(s.Nodes.Unfinished))
		errors = append(errors, errorCount(s))
		sets = append(sets, int64(len(s.BootSets)))
		jobs = append(jobs, s.Job)
	}
	rows.told(v, "sessions")
	return v.frame(
		v.sessionField(ids),
		wide(field("template", "Template", "Session template", templates), 200),
		field("operation", "Operation", "What the session does", operations),
		stateField(states),
		wide(field("start", "Started", "Start time", starts), 180),
		wide(field("stop", "Stopped", "Stop time; BOS leaves it out for some that have ended", stops), 180),
		unit(field("duration", "Duration", "From the start to the stop, to the last move of a node, or until now", durations), "s"),
		field("nodes", "Nodes", "Distinct nodes", nodes),
		field("succeeded", "Succeeded", "Distinct nodes that made it", succeeded),
		field("failed", "Failed", "Distinct nodes that failed in any phase", failed),
		field("unfinished", "Unfinished", "Distinct nodes that are not started or in progress", unfinished),
		field("error_count", "Errors", "Failed nodes, a node once for each phase in which it failed", errors),
		field("bootsets", "Boot sets", "Number of boot sets", sets),
		wide(field("boa_job", "BOA job", "Kubernetes job of the boot agent, whose log tells more", jobs), 330),
	), nil
}
