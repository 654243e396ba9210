package datasource

import (
	"cmp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// offenders has one row per node that failed, ordered by the number of sessions in
// which it did.
func offenders(v *view) (data.Frames, error) {
	// Sessions come newest first. Those known to have no failure need not be looked at.
	v.sessions = slices.DeleteFunc(v.sessions, func(s *inventory.Session) bool { return s.Nodes.Failed == 0 && !blind(s) })
	var named []*inventory.Session
	var sessions []*bos.Session
	v.eachNamed(func(s *inventory.Session) {
		named = append(named, s)
		sessions = append(sessions, s.Session)
	})
	worst := bos.Offenders(sessions, v.takes)
	if v.query.Node != "" {
		worst = slices.DeleteFunc(worst, func(o bos.Offender) bool { return v.matching(bos.NodeSetOf(o.Node)).Empty() })
	}
	worst = truncate(v, worst, "nodes")
	return v.table(
		v.nodeField(column(worst, func(o bos.Offender) string { return v.snapshot.Nodes.Node(o.Node).Name })),
		field("sessions", "Sessions", "Number of sessions in which the node failed", column(worst, func(o bos.Offender) int64 { return int64(o.Sessions) })),
		v.sessionFieldAs("last_session", "Last session", "Newest session in which the node failed", rowTenant, column(worst, func(o bos.Offender) string { return named[o.Last].ID })),
		field("phases", "Phases", "Phases in which the node failed", column(worst, func(o bos.Offender) string { return strings.Join(o.Phases, ", ") })),
		field("last_error", "Last error", "Error message from BOS in that session", column(worst, func(o bos.Offender) string { return v.lastError(named[o.Last], o.Node) })),
		apiField(column(worst, func(o bos.Offender) string { return named[o.Last].API })),
		tenantField(column(worst, func(o bos.Offender) string { return named[o.Last].Tenant })),
	), nil
}

// lastError joins the error messages of a node in the phases in which it failed.
func (v *view) lastError(s *inventory.Session, node int) string {
	var texts []string
	for i := range s.BootSets {
		for j := range s.BootSets[i].Phases {
			p := &s.BootSets[i].Phases[j]
			if !v.takes(&s.BootSets[i], p) || !p.Failed().Has(node) {
				continue
			}
			for _, text := range p.Messages(node) {
				if len(texts) < maxText && !slices.Contains(texts, text) {
					texts = append(texts, text)
				}
			}
		}
	}
	return cmp.Or(errorText(texts), noMessage)
}
