package datasource

import (
	"fmt"
	"regexp"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// timelineFields are what the lanes of a timeline may be: sessions, phases or, without
// a field, both.
var timelineFields = []string{"", "session", "phase"}

// timeline has one frame per session and phase, with its start, end and state: regions
// for annotations, and lanes for a state timeline, which shows only the state.
func timeline(v *view) (data.Frames, error) {
	type lane struct {
		*inventory.Session
		name, bootSet, phase string
		state                bos.State
		nodes                bos.Tally
		from, to             time.Time
	}
	var lanes []lane
	if v.query.Field != "phase" {
		undated := 0
		for _, s := range v.sessions {
			if !v.holds(s) {
				continue
			}
			if s.Began().IsZero() {
				undated++
				continue
			}
			lanes = append(lanes, lane{s, fmt.Sprintf("%s %s %s", s.Operation, s.Template, shortName(s)), "", "",
				s.Verdict.State, s.Nodes, s.Began(), v.ending(s)})
		}
		if undated > 0 {
			v.inform("Sessions that are not shown, because BOS does not say when they started: %d.", undated)
		}
	}
	if v.query.Field != "session" {
		v.missUnphased()
		undated := 0
		v.eachPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, state bos.State) {
			if p.StartTime.IsZero() {
				undated++
				return
			}
			end := p.StopTime
			if end.IsZero() {
				end = p.LastProgress
			}
			if !end.After(p.StartTime) { // nobody saw it end
				end = v.endedBy(s, b, p)
			}
			lanes = append(lanes, lane{s, fmt.Sprintf("%s / %s %s", b.Name, p.Name, shortName(s)), b.Name, p.Name,
				state, p.Nodes, p.StartTime, end})
		})
		if undated > 0 {
			v.inform("Phases that are not shown, because BOS does not say when they started: %d.", undated)
		}
	}
	lanes = truncate(v, lanes, "regions")
	if len(lanes) == 0 {
		return v.table(field("time", "time", "Start time", []time.Time{})), nil
	}
	frames := make(data.Frames, len(lanes))
	for i, l := range lanes {
		end := l.to
		if !l.state.Ended() && l.state != bos.StateUnread {
			end = v.now.Truncate(time.Second) // Grafana draws no region at all once one of them has no end
		}
		if end.Before(l.from) {
			end = l.from
		}
		f := data.NewFrame(l.name,
			// Annotations find these by the names that are shown.
			field("time", "time", "Start time", []time.Time{l.from}),
			field("timeEnd", "timeEnd", "End; now while unfinished", []time.Time{end}),
			mapped(field("state", l.name, "Effective state", []string{string(l.state)}), stateColors),
			aside(field("title", "title", "Session or phase that the region stands for", []string{l.name})),
			aside(field("text", "text", "State and nodes", []string{describe(l.state, l.nodes)})),
			aside(field("tags", "tags", "Operation, template and state", []string{fmt.Sprintf("%s,%s,%s", l.Operation, l.Template, l.state)})),
			aside(v.sessionField([]string{l.ID})),
			aside(field("bootset", "Boot set", "Name of the boot set", []string{l.bootSet})),
			aside(field("phase", "Phase", "Name of the phase", []string{l.phase})),
			aside(apiField([]string{l.API})),
			aside(tenantField([]string{l.Tenant})),
			rangeField("range", []string{v.rangeOf(l.Session)}),
		)
		f.Meta = &data.FrameMeta{}
		frames[i] = f
	}
	return frames, nil
}

// endedBy returns the earliest time by which a phase must have ended: the start of a
// later phase, or the end of the session.
func (v *view) endedBy(s *inventory.Session, b *bos.BootSet, p *bos.Phase) time.Time {
	by := v.ending(s).Truncate(time.Second)
	for i := range b.Phases {
		if t := b.Phases[i].StartTime; t.Sub(p.StartTime) > time.Second && t.Before(by) {
			by = t
		}
	}
	return by
}

// aside keeps a column out of state timelines, where it would be a lane.
func aside(f *data.Field) *data.Field {
	f.Config.Custom = map[string]any{"hideFrom": map[string]bool{"viz": true, "legend": true, "tooltip": true}}
	return f
}

// shortName names a session for people, apart from its namesakes in other tenants.
func shortName(s *inventory.Session) string {
	k := s.Key()
	k.ID = short(k.ID)
	return fullName(k)
}

// fullName tells a session from its namesakes in other tenants.
func fullName(k bos.Key) string {
	if k.Tenant == "" {
		return k.ID
	}
	return k.ID + ", tenant " + k.Tenant
}

// short returns the part of an id that people use: the beginning of a UUID, and all of a
// name that somebody gave.
func short(id string) string {
	if uuid.MatchString(id) {
		return id[:8]
	}
	return id
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func describe(state bos.State, nodes bos.Tally) string {
	return fmt.Sprintf("%s, nodes succeeded: %d of %d, failed: %d", state, nodes.Succeeded, nodes.Nodes(), nodes.Failed)
}
