package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The dashboards are formatted uniformly, however Grafana exported them.
func TestFormat(t *testing.T) {
	for _, d := range load(t) {
		got, err := os.ReadFile(d.file)
		if err != nil {
			t.Fatal(err)
		}
		want := format(t, d.raw, "") + "\n"
		if *update {
			if err := os.WriteFile(d.file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if string(got) != want {
			t.Errorf("%s is not formatted: run go test ./dashboards -run TestFormat -update", d.file)
		}
	}
}

const lineWidth = 100

// format returns JSON with sorted keys, in which values that fit on one line are on one.
func format(t *testing.T, v any, indent string) string {
	t.Helper()
	if line := oneLine(t, v); len(indent)+len(line) <= lineWidth {
		return line
	}
	var parts []string
	open, end := "[", "]"
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			parts = append(parts, format(t, e, indent+"  "))
		}
	case map[string]any:
		open, end = "{", "}"
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, oneLine(t, k)+": "+format(t, v[k], indent+"  "))
		}
	default:
		return oneLine(t, v)
	}
	return open + "\n" + indent + "  " + strings.Join(parts, ",\n"+indent+"  ") + "\n" + indent + end
}

func oneLine(t *testing.T, v any) string {
	t.Helper()
	var parts []string
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			parts = append(parts, oneLine(t, e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, fmt.Sprintf("%q: %s", k, oneLine(t, v[k])))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestFormatKeepsContent(t *testing.T) {
	const text = `{"z":[1,2.5,{"a":"<b> \"q\" ü"}],"a":null,"long":["` + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + `",true]}`
	var before, after any
	if err := json.Unmarshal([]byte(text), &before); err != nil {
		t.Fatal(err)
	}
	formatted := format(t, before, "")
	if err := json.Unmarshal([]byte(formatted), &after); err != nil {
		t.Fatalf("%v in %s", err, formatted)
	}
	if a, b := oneLine(t, before), oneLine(t, after); a != b {
		t.Errorf("%s became %s", a, b)
	}
	if want := "{\n  \"a\": null,\n  \"long\": [\n"; formatted[:len(want)] != want {
		t.Errorf("got %s", formatted)
	}
}
