package datasource

import (
	"encoding/json"
	"os"
	"testing"
)

// The frontend offers the filters and fields of a copy of the table of query types.
func TestFrontendKnowsTheQueryTypes(t *testing.T) {
	const file = "frontend/src/queryTypes.json"
	type known struct {
		Filters   []string `json:"filters"`
		Fields    []string `json:"fields,omitempty"`
		OfMachine bool     `json:"ofMachine,omitempty"`
	}
	table := make(map[string]known)
	for name, q := range queryTypes {
		table[name] = known{q.filters, q.fields, q.ofMachine}
	}
	got, err := json.MarshalIndent(table, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is not the table of query types; to write it anew, run: go test ./datasource -update\ngot  %s\nwant %s", file, want, got)
	}
}
