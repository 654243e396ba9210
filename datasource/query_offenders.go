package datasource

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// offenders has one row per node that failed, ordered by the number of sessions in
// which it did.
func offenders(v *view) (data.Frames, error) {
	type offender struct {
		sessions, phases map[string]bool
		last, text       string // of the newest session
	}
	found := make(map[string]*offender)
	// Sessions come newest first. Those known to have no failure need not be read.
	v.sessions = slices.DeleteFunc(v.sessions, func(s *inventory.Session) bool { return s.Nodes.Failed == 0 && !blind(s) })
	v.eachPhaseRoster(func(w inventory.Whole, _ string, p bos.PhaseRoster) {
		messages := p.Messages()
		for _, c := range p.Categories {
			if c.Name != bos.Failed {
				continue
			}
			for _, n := range v.matching(c.Nodes) {
				o := found[n]
				if o == nil {
					o = &offender{sessions: make(map[string]bool), phases: make(map[string]bool), last: w.ID}
					found[n] = o
				}
				o.sessions[w.ID], o.phases[p.Name] = true, true
				if text := messages[n]; o.last == w.ID && !strings.Contains(o.text, text) {
					o.text = strings.TrimPrefix(o.text+"; "+text, "; ")
				}
			}
		}
	})
	worst := slices.SortedFunc(maps.Keys(found), func(a, b string) int {
		return cmp.Or(len(found[b].sessions)-len(found[a].sessions), bos.CompareNodes(a, b))
	})
	worst = truncate(v, worst, "nodes")
	return v.table(
		v.nodeField(worst),
		field("sessions", "Sessions", "Number of sessions in which the node failed", column(worst, func(n string) int64 { return int64(len(found[n].sessions)) })),
		v.sessionFieldAs("last_session", "Last session", "Newest session in which the node failed", column(worst, func(n string) string { return found[n].last })),
		field("phases", "Phases", "Phases in which the node failed", column(worst, func(n string) string { return strings.Join(slices.Sorted(maps.Keys(found[n].phases)), ", ") })),
		field("last_error", "Last error", "Error message from BOS in that session", column(worst, func(n string) string { return cmp.Or(found[n].text, noMessage) })),
	), nil
}
