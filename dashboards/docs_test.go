package dashboards

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// position matches the columns of a map by chassis and node.
var position = regexp.MustCompile(`^s\d+b\d+n\d+$`)

// The documentation says where every metric and every column comes from on each API, and
// which ones only one of them has.
func TestDocumentedSources(t *testing.T) {
	text, err := os.ReadFile("../docs/bos.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n## Where metrics and columns come from\n")
	if !found {
		t.Fatal("docs/bos.md has no section about where metrics and columns come from")
	}
	only := make(map[string]string) // the API that alone knows a metric or column, or "" for both
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 {
			continue
		}
		for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cells[0], -1) {
			switch {
			case strings.TrimSpace(cells[1]) == "–":
				only[name[1]] = bos.APIv2
			case strings.TrimSpace(cells[2]) == "–":
				only[name[1]] = bos.APIv1
			default:
				only[name[1]] = ""
			}
		}
	}
	for _, c := range collectors.All {
		for _, m := range c.Metrics {
			api, documented := only[m.Name]
			if !documented {
				t.Errorf("docs/bos.md does not say where %s comes from", m.Name)
			} else if c.Name != collectors.Components.Name && api != servedOnlyBy[m.Name] {
				t.Errorf("docs/bos.md says that %s is known to %q alone, want %q", m.Name, api, servedOnlyBy[m.Name])
			}
		}
	}
	ds, ask := gallery(t, bossim.EraD2)
	columns := 0
	for _, queryType := range queryTypes {
		for _, f := range ask(ds, anyOf(queryType)).Frames {
			for _, field := range f.Fields {
				columns++
				name := position.ReplaceAllString(field.Name, "s0b0n0") // one stands for all
				if _, documented := only[name]; !documented {
					t.Errorf("docs/bos.md does not say where the column %s of %s comes from", field.Name, queryType)
				}
			}
		}
	}
	if columns < 80 {
		t.Errorf("only %d columns were found", columns)
	}
}

// The documentation says which panel answers which question, and names panels that exist.
func TestDocumentedPanels(t *testing.T) {
	text, err := os.ReadFile("../docs/dashboards.md")
	if err != nil {
		t.Fatal(err)
	}
	panels := make(map[string][]string) // by dashboard
	for _, d := range load(t) {
		for _, p := range d.panels() {
			panels[d.Title] = append(panels[d.Title], p.Title)
		}
	}
	_, table, _ := strings.Cut(string(text), "| question | panel | clicks |")
	questions := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 {
			continue
		}
		questions++
		dashboard := ""
		for panel := range strings.SplitSeq(cells[1], "; ") {
			if title, rest, found := strings.Cut(panel, "*: "); found {
				dashboard, panel = strings.Trim(title, "* "), rest
			}
			if panel = strings.TrimSpace(panel); !slices.Contains(panels[dashboard], panel) {
				t.Errorf("docs/dashboards.md: %s has no panel %q", dashboard, panel)
			}
		}
	}
	if questions < 15 {
		t.Errorf("docs/dashboards.md answers %d questions", questions)
	}
}
