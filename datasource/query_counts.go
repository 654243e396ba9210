package datasource

import (
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// counts has labels and one number, as alert rules and expressions of Grafana want
// it: the nodes that BOS lists in a category of a phase, zeros too. With a node
// pattern it counts those that match.
func counts(v *view) (data.Frames, error) {
	var ids, templates, operations, sets, phases, categories []string
	var numbers []int64
	rows := v.cut()
	add := func(s *inventory.Session, set, phase, category string, n int) {
		if !v.query.Category.hasName(category) || !rows.fits() {
			return
		}
		ids = append(ids, s.ID)
		templates = append(templates, s.Template)
		operations = append(operations, s.Operation)
		sets = append(sets, set)
		phases = append(phases, phase)
		categories = append(categories, category)
		numbers = append(numbers, int64(n))
	}
	if v.query.Node == "" {
		v.eachPhase(func(s *inventory.Session, b *bos.BootSet, p *bos.Phase, _ bos.State) {
			for _, c := range p.Categories {
				add(s, b.Name, p.Name, c.Name, c.Nodes)
			}
		})
	} else if err := v.eachPhaseRoster(func(w inventory.Whole, set string, p bos.PhaseRoster) {
		for _, c := range p.Categories {
			n := 0
			for _, node := range c.Nodes {
				if v.query.hasNode(node) {
					n++
				}
			}
			add(&w.Session, set, p.Name, c.Name, n)
		}
	}); err != nil {
		return nil, err
	}
	rows.told(v, "counts")
	frames := v.frame(
		v.sessionField(ids),
		field("template", "Template", "Session template", templates),
		field("operation", "Operation", "What the session does", operations),
		v.bootSetField(sets),
		v.phaseField(phases),
		mapped(field("category", "Category", "Where the nodes are in the phase", categories), categoryColours),
		field("nodes", "Nodes", "Number of nodes that BOS lists in the category", numbers),
	)
	frames[0].Meta.Type = data.FrameTypeNumericLong
	frames[0].Meta.TypeVersion = data.FrameTypeVersion{0, 1}
	return frames, nil
}
