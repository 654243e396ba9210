package datasource

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// bootsets has one row a boot set. Its counts are of distinct nodes, by what has
// become of them so far.
func bootsets(v *view) (data.Frames, error) {
	var ids, names, states []string
	var starts, stops []*time.Time
	var nodes, succeeded, failed, unfinished, excluded []int64
	var errors []*int64
	rows := v.cut()
	v.eachBootSet(func(s *inventory.Session, b *bos.BootSet, verdict bos.BootSetVerdict) {
		if !rows.fits() {
			return
		}
		ids = append(ids, s.ID)
		names = append(names, b.Name)
		states = append(states, string(verdict.State))
		nodes = append(nodes, int64(b.Nodes.Nodes()))
		succeeded = append(succeeded, int64(b.Nodes.Succeeded))
		failed = append(failed, int64(b.Nodes.Failed))
		unfinished = append(unfinished, int64(b.Nodes.Unfinished))
		excluded = append(excluded, int64(b.Nodes.Excluded))
		errors = append(errors, count(b.ErrorCount))
		starts = append(starts, stamp(b.StartTime))
		stops = append(stops, stamp(b.StopTime))
	})
	rows.told(v, "boot sets")
	return v.frame(
		v.sessionField(ids),
		v.bootSetField(names),
		stateField(states),
		field("nodes", "Nodes", "Distinct nodes", nodes),
		field("succeeded", "Succeeded", "Distinct nodes that made it", succeeded),
		field("failed", "Failed", "Distinct nodes that failed in any phase", failed),
		field("unfinished", "Unfinished", "Distinct nodes that are not started or in progress", unfinished),
		field("excluded", "Excluded", "Distinct nodes that are excluded", excluded),
		field("error_count", "Errors", "Failed nodes, a node once for each phase in which it failed", errors),
		field("start", "Started", "Start time", starts),
		field("stop", "Stopped", "Stop time; BOS leaves it out for many that have ended", stops),
	), nil
}

// eachBootSet calls each with the boot sets that the query takes.
func (v *view) eachBootSet(each func(*inventory.Session, *bos.BootSet, bos.BootSetVerdict)) {
	for _, s := range v.sessions {
		for i := range s.BootSets {
			if v.query.BootSet.has(s.BootSets[i].Name) {
				each(s, &s.BootSets[i], s.Verdict.BootSets[i])
			}
		}
	}
}

// errorCount is the error count of a session: that of its boot sets together, for
// most releases of BOS give 0 for the session itself.
func errorCount(s *inventory.Session) *int64 {
	sum := count(s.ErrorCount)
	var ofSets int64
	for i := range s.BootSets {
		if n := count(s.BootSets[i].ErrorCount); n != nil {
			ofSets += *n
			if sum == nil || ofSets > *sum {
				total := ofSets
				sum = &total
			}
		}
	}
	return sum
}
