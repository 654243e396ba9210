package faults

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"
)

// The table in the documentation has a row for each fault, in order, with what the
// simulator says of it and with the reason that the matrix demands.
func TestDocumentedFaults(t *testing.T) {
	text, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) == 4 && strings.HasPrefix(line, "| `") {
			got = append(got, strings.Join(cells[:3], " | ")+" |")
		}
	}
	for i, f := range allFaults {
		reason, known := seenAs[f]
		if !known {
			t.Errorf("the matrix does not know how %s is seen", f)
		}
		want := "| `" + f.String() + "` | " + f.Description() + " | " + cmp.Or(string(reason), "none") + " |"
		if i >= len(got) || got[i] != want {
			t.Errorf("row %d of the table in docs/reliability.md is\n%s\nwant\n%s", i+1, slices.Concat(got, make([]string, i+1))[i], want)
		}
	}
	if len(got) > len(allFaults) {
		t.Errorf("%d rows are more than the %d faults", len(got), len(allFaults))
	}
}
