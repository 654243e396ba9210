package datasource

import (
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// valueFields are what values can be asked of.
var valueFields = []string{"session", "bootset", "phase", "category", "template", "node"}

// value is a choice: what is meant and what people read.
type value struct{ value, text string }

// values has the values of a field within the other filters, as template variables
// take them.
func values(v *view) (data.Frames, error) {
	found, err := v.values()
	if err != nil {
		return nil, err
	}
	found = truncate(v, found, "values")
	return v.frame(
		field("text", "Text", "What to show", column(found, func(c value) string { return c.text })),
		field("value", "Value", "What to use", column(found, func(c value) string { return c.value })),
	), nil
}

// values lists the values of the query's field, each once, in the order of the
// field.
func (v *view) values() ([]value, error) {
	var found []value
	add := func(s string) {
		if !slices.ContainsFunc(found, func(o value) bool { return o.value == s }) {
			found = append(found, value{s, s})
		}
	}
	switch v.query.Field {
	case "session":
		for _, s := range v.sessions {
			if v.holds(s) {
				found = append(found, value{s.ID, sessionLabel(s)})
			}
		}
	case "template":
		for _, s := range v.sessions {
			if s.Template != "" && v.holds(s) {
				add(s.Template)
			}
		}
		slices.SortFunc(found, byValue)
	case "bootset":
		v.eachPlace(func(b *bos.BootSet, _ *bos.Phase, _ bos.Category) { add(b.Name) })
		slices.SortFunc(found, byValue)
	case "phase":
		v.eachPlace(func(_ *bos.BootSet, p *bos.Phase, _ bos.Category) { add(p.Name) })
		inOrderOf(found, bos.PhaseOrder)
	case "category":
		if len(v.sessions) > 0 { // also before the first node is known
			for _, known := range bos.CategoryOrder {
				if v.query.Category.hasName(known) {
					add(known)
				}
			}
		}
		v.eachPlace(func(_ *bos.BootSet, _ *bos.Phase, c bos.Category) { add(c.Name) })
		inOrderOf(found, bos.CategoryOrder)
	case "node":
		seen := make(map[string]bool)
		err := v.eachPhaseRoster(func(_ inventory.Whole, _ string, p bos.PhaseRoster) {
			for _, c := range p.Categories {
				if !v.query.Category.hasName(c.Name) {
					continue
				}
				for _, n := range v.matching(c.Nodes) {
					if !seen[n] {
						seen[n] = true
						found = append(found, value{n, n})
					}
				}
			}
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(found, func(a, b value) int { return bos.CompareNodes(a.value, b.value) })
	}
	return found, nil
}

func byValue(a, b value) int { return strings.Compare(a.value, b.value) }

// inOrderOf sorts values as they stand in an order.
func inOrderOf(found []value, order []string) {
	slices.SortStableFunc(found, func(a, b value) int { return bos.PlaceIn(order, a.value) - bos.PlaceIn(order, b.value) })
}

// eachPlace calls each with the places where nodes may be that the query takes:
// boot sets, their phases and the categories of these.
func (v *view) eachPlace(each func(*bos.BootSet, *bos.Phase, bos.Category)) {
	v.eachPhase(func(_ *inventory.Session, b *bos.BootSet, p *bos.Phase, _ bos.State) {
		for _, c := range p.Categories {
			if v.query.Category.hasName(c.Name) {
				each(b, p, c)
			}
		}
	})
}

// holds tells whether the session has nodes in the boot sets, phases and categories
// that the query takes.
func (v *view) holds(s *inventory.Session) bool {
	if v.query.BootSet.empty() && v.query.Phase.empty() && v.query.Category.empty() {
		return true
	}
	one, found := *v, false
	one.sessions = []*inventory.Session{s}
	one.eachPlace(func(_ *bos.BootSet, _ *bos.Phase, c bos.Category) { found = found || c.Nodes > 0 })
	return found
}

// sessionLabel is what people choose a session by.
func sessionLabel(s *inventory.Session) string {
	return fmt.Sprintf("%s %s %s, %s (%s)", s.Began().UTC().Format("2006-01-02 15:04"), s.Operation, s.Template, s.Verdict.State, short(s.ID))
}
