package dashboards

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// chosen is the selection of a variable.
type chosen struct {
	many     bool // whether it is a multi-value variable, whose values become patterns
	values   []string
	all      bool
	allValue string // what All stands for, if not every value
}

// variableUse matches the use of a variable as Grafana does.
var variableUse = regexp.MustCompile(`\$(\w+)|\$\{(\w+)(?:[.:][^}]*)?\}|\[\[(\w+)(?::\w+)?\]\]`)

// variablesIn returns the variables that a text uses, except for those of Grafana.
func variablesIn(text string) (names []string) {
	for _, m := range variableUse.FindAllStringSubmatch(text, -1) {
		if name := m[1] + m[2] + m[3]; !strings.HasPrefix(name, "__") && name != "1" { // $1 belongs to label_replace
			names = append(names, name)
		}
	}
	return names
}

// fillPromQL replaces the variables in an expression as the Prometheus datasource does.
func fillPromQL(expr string, vars map[string]chosen) string {
	return variableUse.ReplaceAllStringFunc(expr, func(use string) string {
		m := variableUse.FindStringSubmatch(use)
		name := m[1] + m[2] + m[3]
		switch name {
		case "__rate_interval":
			return "1m"
		case "__interval":
			return "5s" // there is little history in the end-to-end test
		case "__range":
			return "1h"
		}
		c, ok := vars[name]
		switch {
		case !ok:
			return use
		case c.all && c.allValue != "":
			return c.allValue
		case !c.many:
			return quote(strings.Join(c.values, ""))
		}
		var each []string
		for _, v := range c.values {
			each = append(each, quote(regexp.QuoteMeta(v)))
		}
		if len(each) == 1 {
			return each[0]
		}
		return "(" + strings.Join(each, "|") + ")"
	})
}

func quote(v string) string {
	return strings.ReplaceAll(strings.ReplaceAll(v, `\`, `\\`), `"`, `\"`)
}

// fillQuery replaces the variables in a query as the frontend of the BOS datasource does:
// a list entry may become several, All removes the filter, and an empty session filter
// selects no session.
func fillQuery(t *testing.T, raw json.RawMessage, vars map[string]chosen) json.RawMessage {
	t.Helper()
	var q map[string]any
	if err := json.Unmarshal(raw, &q); err != nil {
		t.Fatal(err)
	}
	for key, v := range q {
		switch v := v.(type) {
		case string:
			if key == "node" || key == "field" {
				for _, name := range variablesIn(v) {
					v = strings.Join(vars[name].values, ",")
				}
				q[key] = v
			}
		case []any:
			filled := []string{}
			all := false
			for _, e := range v {
				names := variablesIn(e.(string))
				if len(names) == 0 {
					filled = append(filled, e.(string))
				}
				for _, name := range names {
					all = all || vars[name].all
					filled = append(filled, vars[name].values...)
				}
			}
			switch {
			case all:
				delete(q, key)
			case key == "session" && len(filled) == 0:
				q[key] = []string{""}
			default:
				q[key] = filled
			}
		}
	}
	filled, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return filled
}

func TestFill(t *testing.T) {
	vars := map[string]chosen{
		"one":  {values: []string{"a.b"}},
		"some": {many: true, values: []string{"a.b"}},
		"two":  {many: true, values: []string{"a", "b c"}},
		"all":  {many: true, values: []string{"a", "b"}, all: true},
		"any":  {many: true, all: true, allValue: ".*"},
		"none": {},
	}
	const expr = `rate(m{x="$one",s=~"$some",y=~"${two:regex}",z=~"[[all]]",t=~"$any"}[$__rate_interval])`
	const want = `rate(m{x="a.b",s=~"a\\.b",y=~"(a|b c)",z=~"(a|b)",t=~".*"}[1m])`
	if got := fillPromQL(expr, vars); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, tt := range []struct{ name, query, want string }{
		{"several values", `{"session":["$two","c"]}`, `{"session":["a","b c","c"]}`},
		{"no session", `{"session":["$none"]}`, `{"session":[""]}`},
		{"no value of another filter", `{"bootset":["$none","x"]}`, `{"bootset":["x"]}`},
		{"all", `{"phase":["$all"]}`, `{}`},
		{"no node", `{"node":"$none"}`, `{"node":""}`},
		{"no variable", `{"queryType":"sessions"}`, `{"queryType":"sessions"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(fillQuery(t, json.RawMessage(tt.query), vars)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
