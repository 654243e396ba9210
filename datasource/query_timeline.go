package datasource

import (
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// timelineFields are what the lanes of a timeline may be: sessions, phases, or
// both.
var timelineFields = []string{"", "session", "phase"}

// timeline has a frame for each session and phase, with its start, its end and its
// state: regions for annotations, and lanes for a state timeline, which shows the
// state alone.
func timeline(v *view) (data.Frames, error) {
	var frames data.Frames
	rows := v.cut()
	lane := func(name string, s *inventory.Session, set, phase string, state bos.State, from, to time.Time, ended bool) {
		if from.IsZero() || !rows.fits() {
			return
		}
		var end *time.Time
		if ended {
			if to.Before(from) {
				to = from
			}
			end = &to
		}
		states := mapped(field("state", name, "Effective state", []string{string(state)}), stateColours)
		f := data.NewFrame(name,
			field("time", "Start", "Start time", []time.Time{from}),
			field("timeEnd", "End", "End; none while unfinished", []*time.Time{end}),
			states,
			aside(field("title", "Title", "What the region is of", []string{name})),
			aside(field("text", "Text", "State and nodes", []string{describe(s, state)})),
			aside(field("tags", "Tags", "Operation, template and state", []string{fmt.Sprintf("%s,%s,%s", s.Operation, s.Template, state)})),
			aside(v.sessionField([]string{s.ID})),
			aside(field("bootset", "Boot set", "Name of the boot set", []string{set})),
			aside(field("phase", "Phase", "Name of the phase", []string{phase})),
		)
		f.Meta = &data.FrameMeta{}
		frames = append(frames, f)
	}
	if v.query.Field != "phase" {
		for _, s := range v.sessions {
			name := fmt.Sprintf("%s %s %s", s.Operation, s.Template, short(s.ID))
			lane(name, s, "", "", s.Verdict.State, s.Began(), ending(s, v.now), s.Verdict.State.Ended())
		}
	}
	if v.query.Field != "session" {
		v.eachPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, state bos.State) {
			end := p.StopTime
			if end.IsZero() {
				end = p.LastProgress
			}
			lane(fmt.Sprintf("%s / %s %s", b.Name, p.Name, short(s.ID)), s, b.Name, p.Name, state, p.StartTime, end, state.Ended())
		})
	}
	rows.told(v, "regions")
	if len(frames) == 0 {
		return v.frame(field("time", "Start", "Start time", []time.Time{})), nil
	}
	return frames, nil
}

// aside keeps a column out of a state timeline, where it would be a lane.
func aside(f *data.Field) *data.Field {
	f.Config.Custom = map[string]any{"hideFrom": map[string]bool{"viz": true, "legend": true, "tooltip": true}}
	return f
}

// short is what people call a session by.
func short(id string) string { return id[:min(8, len(id))] }

func describe(s *inventory.Session, state bos.State) string {
	return fmt.Sprintf("%s: %d of %d nodes succeeded, %d failed", state, s.Nodes.Succeeded, s.Nodes.Nodes(), s.Nodes.Failed)
}
