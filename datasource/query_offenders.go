package datasource

import (
	"cmp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// offenders has one row per node that failed, or was left unfinished when a session ended,
// ordered by the number of sessions in which it failed, then of those that left it.
func offenders(v *view) (data.Frames, error) {
	hasEnded := func(s *inventory.Session) bool { return s.Verdict.Ending == bos.Ended }
	// Sessions come newest first. Those known to have no such node need not be looked at.
	v.sessions = slices.DeleteFunc(v.sessions, func(s *inventory.Session) bool {
		return s.Nodes.Failed == 0 && (s.Nodes.Unfinished == 0 || !hasEnded(s)) && !blind(s) && !s.Recounted
	})
	var named []*inventory.Session
	var sessions []*bos.Session
	v.eachNamed(func(s *inventory.Session) {
		named = append(named, s)
		sessions = append(sessions, s.Session)
	})
	worst := bos.Offenders(sessions, func(i int) bool { return hasEnded(named[i]) }, v.takes)
	if v.query.Node != "" {
		worst = slices.DeleteFunc(worst, func(o bos.Offender) bool { return v.matching(bos.NodeSetOf(o.Node)).Empty() })
	}
	worst = truncate(v, worst, "nodes")
	return v.table(
		v.nodeField(column(worst, func(o bos.Offender) string { return v.snapshot.Nodes.Node(o.Node).Name })),
		field("sessions", "Sessions", "Number of sessions in which the node failed", column(worst, func(o bos.Offender) int64 { return int64(o.Sessions) })),
		v.sessionFieldAs("last_session", "Last session", "Newest session in which the node failed or, if it failed in none, was left unfinished", rowTenant, rowRange, column(worst, func(o bos.Offender) string { return named[o.Last].ID })),
		field("phases", "Phases", "Phases in which the node failed, or which it had not completed when a session ended", column(worst, func(o bos.Offender) string { return strings.Join(o.Phases, ", ") })),
		field("last_error", "Last error", "Error message from BOS in that session, or a note that BOS gives none for a failure or that the session stopped before the node was done", column(worst, func(o bos.Offender) string { return v.lastError(named[o.Last], o.Node) })),
		apiField(column(worst, func(o bos.Offender) string { return named[o.Last].API })),
		tenantField(column(worst, func(o bos.Offender) string { return named[o.Last].Tenant })),
		rangeField("range", column(worst, func(o bos.Offender) string { return v.rangeOf(named[o.Last]) })),
		idField("id", "Session ID", column(worst, func(o bos.Offender) string { return named[o.Last].ID })),
		field("unfinished", "Left unfinished", "Number of sessions that ended before the node was done, and in which it had not failed", column(worst, func(o bos.Offender) int64 { return int64(o.Unfinished) })),
	), nil
}

// lastError joins the error messages of a node in the phases in which it failed. For one
// that failed in none it tells of the first phase that it had not completed.
func (v *view) lastError(s *inventory.Session, node int) string {
	var texts []string
	failed, unfinished := false, ""
	for b, p := range s.EachPhase() {
		switch {
		case !v.takes(b, p):
		case p.Failed().Has(node):
			failed = true
			for _, text := range p.Messages(node) {
				if len(texts) < maxText && !slices.Contains(texts, text) {
					texts = append(texts, text)
				}
			}
		case unfinished == "":
			unfinished = whyUnfinished(p, node)
		}
	}
	if !failed && unfinished != "" {
		return unfinished
	}
	return cmp.Or(errorText(texts), noMessage)
}

// whyUnfinished has the error messages of a node that is unfinished in a phase, or a note
// that the session stopped; nothing of any other node.
func whyUnfinished(p *bos.Phase, node int) string {
	for _, category := range p.CategoriesOf(node) {
		if category == bos.InProgress || category == bos.NotStarted {
			return cmp.Or(errorText(p.Messages(node)), leftUnfinished(category))
		}
	}
	return ""
}
