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
	found = fit(v, found, "values")
	return v.frame(
		field("text", "Text", "What to show", of(found, func(c value) string { return c.text })),
		field("value", "Value", "What to use", of(found, func(c value) string { return c.value })),
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
			found = append(found, value{s.ID, sessionLabel(s)})
		}
	case "template":
		for _, s := range v.sessions {
			if s.Template != "" {
				add(s.Template)
			}
		}
		slices.SortFunc(found, func(a, b value) int { return strings.Compare(a.value, b.value) })
	case "bootset":
		v.eachBootSet(func(_ *inventory.Session, b *bos.BootSet, _ bos.BootSetVerdict) { add(b.Name) })
		slices.SortFunc(found, func(a, b value) int { return strings.Compare(a.value, b.value) })
	case "phase":
		for _, known := range []string{bos.Shutdown, bos.Boot, bos.Configure} {
			v.eachPhase(func(_ *inventory.Session, _ *bos.BootSet, p *bos.Phase, _ bos.State) {
				if p.Name == known {
					add(p.Name)
				}
			})
		}
		v.eachPhase(func(_ *inventory.Session, _ *bos.BootSet, p *bos.Phase, _ bos.State) { add(p.Name) })
	case "category":
		for _, known := range bos.CategoryOrder {
			add(known)
		}
		v.eachPhase(func(_ *inventory.Session, _ *bos.BootSet, p *bos.Phase, _ bos.State) {
			for _, c := range p.Categories {
				add(c.Name)
			}
		})
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

// sessionLabel is what people choose a session by.
func sessionLabel(s *inventory.Session) string {
	return fmt.Sprintf("%s %s %s, %s (%s)", s.Began().UTC().Format("2006-01-02 15:04"), s.Operation, s.Template, s.Verdict.State, short(s.ID))
}
