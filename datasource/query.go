package datasource

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Selectors stand in the session filter for sessions that are not named.
const (
	selectLatest     = "latest"     // the one that started last before the end of the time range
	selectRunning    = "running"    // pending or running
	selectUnfinished = "unfinished" // pending, running, stuck or abandoned
)

var selectors = []string{selectLatest, selectRunning, selectUnfinished}

// Query is what a panel, an alert rule or a variable asks for. An empty filter
// takes everything, but a session filter of nothing but empty strings, which is
// what an empty variable leaves, takes nothing.
type Query struct {
	QueryType string `json:"queryType"`
	// Field is what values and timeline are of.
	Field     string `json:"field,omitempty"`
	Session   list   `json:"session,omitempty"` // ids and selectors
	BootSet   list   `json:"bootset,omitempty"`
	Phase     list   `json:"phase,omitempty"`
	Category  list   `json:"category,omitempty"`
	Template  list   `json:"template,omitempty"`
	Operation list   `json:"operation,omitempty"`
	State     list   `json:"state,omitempty"`
	Node      string `json:"node,omitempty"` // globs with commas between
	// Limit is the most rows wanted; 0 leaves it to the settings.
	Limit int `json:"limit,omitempty"`
	// Fresh has BOS read anew, whatever the age of what is known.
	Fresh bool `json:"fresh,omitempty"`
}

// list is an array of strings; a single string will do, too.
type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if string(b) != "null" && json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return fmt.Errorf("%s is not a list of strings", b)
	}
	*l = many
	return nil
}

// queryTypes lists what can be asked for.
var queryTypes = map[string]func(*view) (data.Frames, error){
	"sessions":  sessions,
	"bootsets":  bootsets,
	"phases":    phases,
	"nodes":     nodes,
	"counts":    counts,
	"errors":    errorTexts,
	"retry":     retry,
	"offenders": offenders,
	"overlaps":  overlaps,
	"timeline":  timeline,
	"values":    values,
}

// parseQuery reads and checks a query. Its errors are for the person who wrote it.
func parseQuery(raw []byte, queryType string) (Query, error) {
	var q Query
	if err := json.Unmarshal(raw, &q); err != nil {
		if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
			return q, badRequest("the query cannot be read: %s cannot be a %s", wrong.Field, wrong.Value)
		}
		return q, badRequest("the query is not valid JSON of a BOS query: %v", err)
	}
	if q.QueryType == "" {
		q.QueryType = queryType
	}
	if queryTypes[q.QueryType] == nil {
		return q, badRequest("the query type %q is not known: choose one of %s", q.QueryType, strings.Join(queryTypeNames(), ", "))
	}
	if q.Limit < 0 {
		return q, badRequest("the limit is %d: it must be 1 or more, or left out", q.Limit)
	}
	for name, values := range map[string][]string{
		"session": q.Session, "bootset": q.BootSet, "phase": q.Phase, "category": q.Category,
		"template": q.Template, "operation": q.Operation, "state": q.State, "node": {q.Node}, "field": {q.Field},
	} {
		for _, v := range values {
			if variable := uninterpolated.FindString(v); variable != "" {
				return q, badRequest("the variable %s in the filter %s was not filled in: Grafana has no variables in alert rules and public dashboards, so write the value itself, or a selector such as latest", variable, name)
			}
		}
	}
	if len(globs(q.Node)) == 0 {
		q.Node = "" // only blanks and commas
	}
	for _, glob := range globs(q.Node) {
		if _, err := path.Match(glob, ""); err != nil {
			return q, badRequest("the node pattern %q is not complete: close its [ with ], or write \\[ for the character itself", glob)
		}
	}
	for _, s := range q.State {
		if s != "" && !slices.Contains(bos.States, bos.State(strings.ToLower(s))) {
			return q, badRequest("the state %q is not known: choose among %s", s, joinStates())
		}
	}
	fields := map[string][]string{"values": valueFields, "timeline": timelineFields}[q.QueryType]
	if fields != nil && !slices.Contains(fields, q.Field) {
		return q, badRequest("the field %q of a %s query is not known: choose one of %s", q.Field, q.QueryType, strings.Join(slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == "" }), ", "))
	}
	return q, nil
}

// uninterpolated finds a variable that Grafana has left in a query.
var uninterpolated = regexp.MustCompile(`\$[A-Za-z_]\w*|\$\{[^}]*\}|\[\[\w+(:\w+)?\]\]`)

func queryTypeNames() []string {
	var names []string
	for name := range queryTypes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func joinStates() string {
	var names []string
	for _, s := range bos.States {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// nothing tells whether the session filter is what an empty variable leaves.
func (q *Query) nothing() bool {
	return len(q.Session) > 0 && !slices.ContainsFunc(q.Session, func(s string) bool { return s != "" })
}

// has tells whether a filter takes a value as it is.
func (l list) has(value string) bool { return l.empty() || slices.Contains(l, value) }

// hasName tells whether a filter takes a name that BOS gives in any case.
func (l list) hasName(name string) bool {
	return l.empty() || slices.ContainsFunc(l, func(s string) bool { return strings.EqualFold(s, name) })
}

func (l list) empty() bool {
	return !slices.ContainsFunc(l, func(s string) bool { return s != "" })
}

// hasNode tells whether the node pattern takes a node.
func (q *Query) hasNode(node string) bool {
	some := globs(q.Node)
	return len(some) == 0 || slices.ContainsFunc(some, func(glob string) bool {
		ok, _ := path.Match(glob, strings.ToLower(node)) // parseQuery has checked it
		return ok
	})
}

// globs parts a node pattern at its commas, but for those in brackets.
func globs(pattern string) (parts []string) {
	depth := 0
	for _, part := range strings.FieldsFunc(strings.ToLower(pattern), func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		return r == ',' && depth <= 0
	}) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
