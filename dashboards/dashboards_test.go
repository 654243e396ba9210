// Package dashboards checks the dashboards, rules and provisioning files of this
// folder.
package dashboards

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "format the dashboards")

// dashboard is the part of a dashboard that the tests check.
type dashboard struct {
	file string
	raw  map[string]any

	UID, Title, Description, Refresh string
	SchemaVersion                    int
	Tags                             []string
	Panels                           []panel
	Templating                       struct{ List []variable }
	Annotations                      struct{ List []annotation }
	Links                            []struct {
		Type                  string
		Tags                  []string
		IncludeVars, KeepTime bool
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Collapsed                bool
	Repeat                   string
	Panels                   []panel // of a collapsed row
	Datasource               datasourceRef
	Targets                  []json.RawMessage
	Options                  json.RawMessage
	Transformations          []struct {
		ID      string
		Options json.RawMessage
	}
	FieldConfig struct {
		Defaults  fieldConfig
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
}

// asks reports whether the panel has a query of a name.
func (p panel) asks(t *testing.T, refID string) bool {
	t.Helper()
	return slices.ContainsFunc(p.Targets, func(raw json.RawMessage) bool {
		var target struct{ RefID string }
		if err := json.Unmarshal(raw, &target); err != nil {
			t.Fatal(err)
		}
		return target.RefID == refID
	})
}

type fieldConfig struct {
	NoValue  string
	Unit     string
	Decimals *int // nil where Grafana chooses
	Mappings []mapping
	// Without a color or thresholds Grafana shows everything in green.
	Color, Thresholds json.RawMessage
}

// mapping is a value mapping: of values to results, or of a pattern or range to one.
type mapping struct {
	Type    string
	Options map[string]json.RawMessage
}

// results returns what the mapping shows.
func (m mapping) results(t *testing.T) (all []mapped) {
	t.Helper()
	for name, raw := range m.Options {
		if m.Type != "value" && name != "result" {
			continue
		}
		var r mapped
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		all = append(all, r)
	}
	return all
}

type mapped struct{ Text, Color string }

type datasourceRef struct{ Type, UID string }

type variable struct {
	Name, Label, Type, AllValue string
	Datasource                  datasourceRef
	Query                       json.RawMessage
	Multi, IncludeAll           bool
}

type annotation struct {
	Name       string
	BuiltIn    int
	Datasource datasourceRef
	Target     json.RawMessage
}

const (
	prometheusType = "prometheus"
	bosType        = "bosexporter-bos-datasource"
)

// load returns all dashboards.
func load(t *testing.T) []dashboard {
	t.Helper()
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := make([]dashboard, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[i].file = file
		for _, into := range []any{&all[i], &all[i].raw} {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
	}
	return all
}

// panels returns all panels of a dashboard, including those in collapsed rows.
func (d *dashboard) panels() []panel {
	var all []panel
	for _, p := range d.Panels {
		all = append(append(all, p), p.Panels...)
	}
	return all
}

// variable returns a variable of the dashboard, and whether it exists.
func (d *dashboard) variable(name string) (variable, bool) {
	for _, v := range d.Templating.List {
		if v.Name == name {
			return v, true
		}
	}
	return variable{}, false
}
