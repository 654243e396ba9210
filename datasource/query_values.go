package datasource

import (
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// valueFields are the fields whose values can be listed.
var valueFields = []string{"session", "bootset", "phase", "category", "template", "node", "tenant"}

// value is a choice: what it stands for and what people read.
type value struct{ value, text string }

// values lists the values of a field within the other filters, as dashboard variables
// take them.
func values(v *view) (data.Frames, error) {
	found := truncate(v, v.values(), "values")
	return v.frame(
		field("text", "Text", "What to show", column(found, func(c value) string { return c.text })),
		field("value", "Value", "What to use", column(found, func(c value) string { return c.value })),
	), nil
}

// values lists the values of the query's field that contain every word of the search,
// each once and in the order of the field.
func (v *view) values() []value {
	var found []value
	seen := make(map[string]bool)
	add := func(s string) {
		if !seen[s] {
			seen[s] = true
			found = append(found, value{s, s})
		}
	}
	switch v.query.Field {
	case "session":
		v.eachHolder(func(s *inventory.Session) { found = append(found, value{s.ID, sessionLabel(s)}) })
	case "tenant":
		v.eachHolder(func(s *inventory.Session) {
			if s.Tenant != "" {
				add(s.Tenant)
			}
		})
		slices.SortFunc(found, byValue)
	case "template":
		v.eachHolder(func(s *inventory.Session) {
			if s.Template != "" {
				add(s.Template)
			}
		})
		slices.SortFunc(found, byValue)
	case "bootset":
		v.eachPlace(func(set, _, _ string) { add(set) })
		if !v.query.Phase.empty() || !v.query.Category.empty() {
			v.missUnphased()
		} else if v.query.Node == "" {
			v.eachBootSet(func(_ *inventory.Session, b *bos.BootSet, _ bos.BootSetVerdict) {
				if unphased(b) {
					add(b.Name)
				}
			})
		}
		slices.SortFunc(found, byValue)
	case "phase":
		v.missUnphased()
		v.eachPlace(func(_, phase, _ string) { add(phase) })
		inOrderOf(found, bos.PhaseOrder)
	case "category":
		anyNode := v.query.Node == "" && v.query.BootSet.empty() && v.query.Phase.empty()
		if len(v.sessions) > 0 && anyNode { // also before the first node is known
			for _, known := range bos.CommonCategories {
				if v.query.Category.hasName(known) {
					add(known)
				}
			}
		}
		v.missUnphased()
		v.eachPlace(func(_, _, category string) { add(category) })
		inOrderOf(found, bos.CategoryOrder)
	case "node":
		var nodes bos.NodeSet
		v.eachNamedPhase(func(_ *inventory.Session, _ *bos.BootSet, p *bos.Phase, _ bos.State) {
			for _, c := range p.Categories {
				if v.query.Category.hasName(c.Name) {
					nodes = nodes.Union(v.matching(c.Nodes))
				}
			}
		})
		for _, name := range v.snapshot.Nodes.Names(nodes) {
			add(name)
		}
	}
	words := strings.Fields(strings.ToLower(v.query.Search))
	return slices.DeleteFunc(found, func(c value) bool {
		text := strings.ToLower(c.value + " " + c.text)
		return slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
	})
}

func byValue(a, b value) int { return strings.Compare(a.value, b.value) }

// inOrderOf sorts values by their places in an order.
func inOrderOf(found []value, order []string) {
	slices.SortStableFunc(found, func(a, b value) int { return bos.PlaceIn(order, a.value) - bos.PlaceIn(order, b.value) })
}

// sessionLabel returns the text by which people choose a session.
func sessionLabel(s *inventory.Session) string {
	began := "undated"
	if t := s.Began(); !t.IsZero() {
		began = t.UTC().Format("2006-01-02 15:04")
	}
	return fmt.Sprintf("%s %s %s, %s (%s)", began, s.Operation, s.Template, s.Verdict.State, shortName(s))
}
