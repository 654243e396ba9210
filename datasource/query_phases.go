package datasource

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// phases has one row a phase, with the nodes that BOS lists in each category.
func phases(v *view) (data.Frames, error) {
	var ids, sets, names, states []string
	var starts, stops, moves []*time.Time
	var nodes []int64
	var errors []*int64
	categories := make(map[string][]int64)
	rows := v.cut()
	v.eachPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, state bos.State) {
		if !rows.fits() {
			return
		}
		ids = append(ids, s.ID)
		sets = append(sets, b.Name)
		names = append(names, p.Name)
		states = append(states, string(state))
		nodes = append(nodes, int64(p.Nodes.Nodes()))
		for _, c := range bos.CategoryOrder {
			categories[c] = append(categories[c], int64(p.Count(c)))
		}
		errors = append(errors, count(p.ErrorCount))
		starts = append(starts, stamp(p.StartTime))
		stops = append(stops, stamp(p.StopTime))
		moves = append(moves, stamp(p.LastProgress))
	})
	rows.told(v, "phases")
	const twice = ", as BOS lists them: a node may be in two categories"
	return v.frame(
		v.sessionField(ids),
		v.bootSetField(sets),
		v.phaseField(names),
		stateField(states),
		field("nodes", "Nodes", "Distinct nodes", nodes),
		field(bos.NotStarted, "Not started", "Nodes that have not started"+twice, categories[bos.NotStarted]),
		field(bos.InProgress, "In progress", "Nodes at work"+twice, categories[bos.InProgress]),
		field(bos.Succeeded, "Succeeded", "Nodes that made it; in boot, those whose power-on was accepted"+twice, categories[bos.Succeeded]),
		field(bos.Failed, "Failed", "Nodes that failed"+twice, categories[bos.Failed]),
		field(bos.Excluded, "Excluded", "Nodes that are excluded"+twice, categories[bos.Excluded]),
		field("error_count", "Errors", "Nodes that failed, as BOS counts them", errors),
		field("start", "Started", "Start time; for shutdown and configure, when BOS was told of the phase", starts),
		field("stop", "Stopped", "Stop time; BOS leaves it out for most phases", stops),
		field("last_progress", "Last move", "When a node last moved from one category to another, as far as is known", moves),
	), nil
}

// eachPhase calls each with the phases that the query takes.
func (v *view) eachPhase(each func(*inventory.Session, *bos.BootSet, *bos.Phase, bos.State)) {
	v.eachBootSet(func(s *inventory.Session, b *bos.BootSet, verdict bos.BootSetVerdict) {
		for i := range b.Phases {
			if v.query.Phase.hasName(b.Phases[i].Name) {
				each(s, b, &b.Phases[i], verdict.Phases[i])
			}
		}
	})
}
