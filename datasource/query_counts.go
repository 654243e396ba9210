package datasource

import (
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// counts has labels and a single number, the shape that Grafana's alert rules and
// expressions need: the nodes that BOS lists in each category of a phase, including
// zeros. With a node pattern it counts those that match.
func counts(v *view) (data.Frames, error) {
	type row struct {
		*inventory.Session
		bootSet, phase, category string
		nodes                    int64
	}
	var rows []row
	add := func(s *inventory.Session, set, phase, category string, n int) {
		if v.query.Category.hasName(category) {
			rows = append(rows, row{s, set, phase, category, int64(n)})
		}
	}
	if v.query.Node == "" {
		v.missUnphased()
		v.eachPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, _ bos.State) {
			for _, c := range p.Categories {
				add(s, b.Name, p.Name, c.Name, c.Count)
			}
		})
	} else {
		v.eachNamedPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, _ bos.State) {
			for _, c := range p.Categories {
				add(s, b.Name, p.Name, c.Name, v.matching(c.Nodes).Len())
			}
		})
	}
	rows = truncate(v, rows, "counts")
	ended := !slices.ContainsFunc(rows, func(r row) bool { return r.Verdict.Ending != bos.Ended })
	frames := v.frame(
		// A time range that ends now until the session has ended would be another label, and
		// with the end another alert.
		v.sessionFieldAs("session", "Session", "ID of the session", rowTenant, sameRange, column(rows, func(r row) string { return r.ID })),
		templateField(column(rows, func(r row) string { return r.Template })),
		operationField(column(rows, func(r row) string { return r.Operation })),
		v.bootSetField(column(rows, func(r row) string { return r.bootSet })),
		v.phaseField(column(rows, func(r row) string { return r.phase })),
		categoryField("How far the nodes are in the phase or, if all sessions of the answer have ended, what became of them there", ended, column(rows, func(r row) string { return r.category })),
		field("nodes", "Nodes", "Number of nodes that BOS lists in the category", column(rows, func(r row) int64 { return r.nodes })),
		apiField(column(rows, func(r row) string { return r.API })),
		tenantField(column(rows, func(r row) string { return r.Tenant })),
	)
	frames[0].Meta.Type = data.FrameTypeNumericLong
	frames[0].Meta.TypeVersion = data.FrameTypeVersion{0, 1}
	return frames, nil
}
