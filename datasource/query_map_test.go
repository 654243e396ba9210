package datasource

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// drawn writes a map as people see it: positions, and for each place a letter in each.
func drawn(t *testing.T, w *world, query string) string {
	t.Helper()
	r := w.query(query)
	if r.Error != nil {
		t.Fatalf("%s: %v", query, r.Error)
	}
	var lines []string
	fields := r.Frames[0].Fields
	head := ""
	for _, f := range fields[min(1, len(fields)):] {
		head += " " + f.Name
	}
	lines = append(lines, head)
	for row := range r.Frames[0].Rows() {
		line := fmt.Sprint(fields[0].At(row))
		for _, f := range fields[1:] {
			value, there := f.ConcreteAt(row)
			text := fmt.Sprint(value)
			if mapping := f.Config.Mappings[0].(data.ValueMapper)[text]; mapping.Text != "" {
				text = mapping.Text
			}
			if !there {
				text = "_"
			}
			line += " " + text
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestMap(t *testing.T) {
	w := twoNights(t)
	for _, tt := range []struct{ query, want string }{
		{`"map","field":"cabinet/chassis"`, " c0 c7\nx1000 F _\nx1001 _ F"},
		{`"map","field":"cabinet/slot"`, " c0s0 c0s2 c0s10 c7s2 c7s3\nx1000 · U F _ _\nx1001 _ _ _ F E"},
		{`"map","field":"chassis/slot"`, " s0 s2 s3 s10\nx1000c0 · U _ F\nx1001c7 _ F E _"},
		{`"map","field":"chassis/node"`, " s0b0n0 s2b0n0 s2b0n1 s3b0n0 s10b1n1\nx1000c0 · U _ _ F\nx1001c7 _ · F E _"},
		{`"map","field":"slot/node","node":"x1001*"`, " b0n0 b0n1\nx1001c7s2 · F\nx1001c7s3 E _"},
		{`"map","field":"slot/node","session":["second"]`, " b0n0\nx1000c0s0 ·\nx1000c0s2 U"},
		{`"map","field":"slot/node","session":["second"],"phase":["boot"]`, " b0n0\nx1000c0s0 ·\nx1000c0s2 U"},
		{`"map","field":"slot/node","session":["second"],"phase":["shutdown"]`, ""},
		{`"map","field":"slot/node","limit":1`, " b0n0 b0n1 b1n1\nx1000c0s0 · _ _"},
		{`"offenders_map","field":"chassis/node"`, " s0b0n0 s2b0n0 s2b0n1 s3b0n0 s10b1n1\nx1000c0 1 · _ _ 1\nx1001c7 _ · 1 · _"},
		{`"offenders_map","field":"chassis/node","session":["second"]`, " s0b0n0 s2b0n0\nx1000c0 · ·"},
	} {
		if got := drawn(t, w, `{"queryType":`+tt.query+`}`); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.query, got, tt.want)
		}
	}
}

func TestMapOfComponents(t *testing.T) {
	w := newHeldWorld(t, heldAPI{components: fewNodes})
	for query, want := range map[string]string{
		`"field":"chassis/slot"`:                           " s2 s3 s4 s10\nx1000c0 B F H ·",
		`"field":"slot/node","session":["gone"]`:           " b0n1\nx1000c0s4 H",
		`"field":"cabinet/chassis"`:                        " c0\nx1000 F",
		`"field":"cabinet/chassis","enabled":["true"]`:     " c0\nx1000 B",
		`"field":"chassis/node","state":["on_hold","odd"]`: " s4b0n1\nx1000c0 H",
		`"field":"chassis/node","session":[""]`:            "",
	} {
		if got := drawn(t, w, `{"queryType":"components_map",`+query+`}`); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", query, got, want)
		}
	}
	if got, want := notices(w.query(`{"queryType":"components_map","field":"chassis/slot"}`)), "names are not xnames: 1."; !strings.Contains(got, want) {
		t.Errorf("notices %q, want %q", got, want)
	}
}

// Every category and status has a letter of its own, or a color would be all that tells
// them apart.
func TestLettersTellApart(t *testing.T) {
	for name, tt := range map[string]struct {
		colors  data.ValueMapper
		letters map[string]string
	}{"categories": {categoryColors, categoryLetters}, "statuses": {statusColors, statusLetters}} {
		seen := make(map[string]string) // colors by letter
		for value, m := range tt.colors {
			letter := tt.letters[value]
			if other, taken := seen[letter]; letter == "" || taken && other != m.Color {
				t.Errorf("%s: %s has the letter %q, which another color has too", name, value, letter)
			}
			seen[letter] = m.Color
		}
	}
}

// Whatever names BOS gives, a map has no more columns than a table can show.
func TestMapIsBounded(t *testing.T) {
	w := newHeldWorld(t, heldAPI{components: func(context.Context) (all []bos.Component, _ error) {
		for i := range maxPositions + 3 {
			all = append(all, bos.Component{ID: fmt.Sprintf("x1000c0s%db0n0", i), Status: "stable"})
		}
		return all, nil
	}})
	r := w.query(`{"queryType":"components_map","field":"chassis/slot"}`)
	if got, want := notices(r), fmt.Sprintf("Only %d of %d columns of the map fit", maxPositions, maxPositions+3); r.Error != nil || len(r.Frames[0].Fields) != maxPositions+1 || !strings.Contains(got, want) {
		t.Errorf("%d fields, notices %q, want %q", len(r.Frames[0].Fields), got, want)
	}
}

func BenchmarkMap(b *testing.B) {
	for _, n := range []int{128, 2688, 12_000} {
		w := bigMachine(b, n)
		for _, field := range mapLevels {
			b.Run(fmt.Sprintf("nodes=%d/%s", n, strings.ReplaceAll(field, "/", "-")), func(b *testing.B) {
				benchmarkKnown(b, w, fmt.Sprintf(`{"queryType":"map","field":%q}`, field))
			})
		}
	}
}
