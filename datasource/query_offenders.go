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

// offenders has one row for each node that failed, the one that failed in most
// sessions first.
func offenders(v *view) (data.Frames, error) {
	type offender struct {
		sessions, phases map[string]bool
		last, text       string // of the newest session
	}
	found := make(map[string]*offender)
	// Sessions come newest first. Those without a failure need not be read.
	v.sessions = slices.DeleteFunc(v.sessions, func(s *inventory.Session) bool { return s.Nodes.Failed == 0 })
	err := v.eachPhaseRoster(func(w inventory.Whole, _ string, p bos.PhaseRoster) {
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
	if err != nil {
		return nil, err
	}
	worst := slices.SortedFunc(maps.Keys(found), func(a, b string) int {
		return cmp.Or(len(found[b].sessions)-len(found[a].sessions), bos.CompareNodes(a, b))
	})
	worst = truncate(v, worst, "nodes")
	return v.table(
		v.nodeField(worst),
		field("sessions", "Sessions", "Number of sessions in which the node failed", column(worst, func(n string) int64 { return int64(len(found[n].sessions)) })),
		v.sessionFieldAs("last_session", "Last session", "The newest session in which the node failed", column(worst, func(n string) string { return found[n].last })),
		field("phases", "Phases", "The phases in which it failed", column(worst, func(n string) string { return strings.Join(slices.Sorted(maps.Keys(found[n].phases)), ", ") })),
		field("last_error", "Last error", "What BOS said in the newest session", column(worst, func(n string) string { return cmp.Or(found[n].text, noMessage) })),
	), nil
}
