package datasource

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
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
// matches everything, except that a session filter of nothing but empty strings,
// which is what an empty variable leaves behind, matches nothing, and a tenant or template
// filter of them the sessions without a tenant or template.
type Query struct {
	QueryType string `json:"queryType"`
	// Field is what a values query lists, what the lanes of a timeline are, or the kind of
	// place that has a row.
	Field   string `json:"field,omitempty"`
	Session list   `json:"session,omitempty"` // ids and selectors
	// Tenant narrows the sessions. An empty string stands for those without a tenant.
	Tenant    list `json:"tenant,omitempty"`
	BootSet   list `json:"bootset,omitempty"`
	Phase     list `json:"phase,omitempty"`
	Category  list `json:"category,omitempty"`
	Template  list `json:"template,omitempty"`
	Operation list `json:"operation,omitempty"`
	State     list `json:"state,omitempty"` // of sessions; of nodes in a components query
	// Node holds comma-separated glob patterns, or folded lists of nodes.
	Node  string          `json:"node,omitempty"`
	names map[string]bool // in Node
	globs []string        // the other patterns in it
	// Enabled narrows components to those that BOS acts on, true, or does not, false.
	Enabled list `json:"enabled,omitempty"`
	// Search holds words that each value of a values query must contain.
	Search string `json:"search,omitempty"`
	// Limit is the maximum number of rows; 0 leaves it to the settings.
	Limit int `json:"limit,omitempty"`
	// Fresh bypasses the cache.
	Fresh bool `json:"fresh,omitempty"`
	// Prometheus is the datasource that the dashboard shows, for links to other dashboards.
	// A variable in the links would not do: Explore drops links with one that it lacks.
	Prometheus string `json:"prometheus,omitempty"`
}

// list is a JSON array of strings; a single string is accepted as well.
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

// queryType is a kind of question.
type queryType struct {
	run func(*view) (data.Frames, error)
	// filters are the filters that the type applies, in the order of the editor.
	// Every type knows limit and fresh.
	filters []string
	// fields are the values that field may have; nil if the type has no field.
	fields []string
	// ofMachine is set if the type is about the machine as it is now, not about sessions.
	ofMachine bool
}

// queryTypes holds every query type by its name. The frontend reads the filters and
// fields from a copy of this table, src/queryTypes.json, which a test keeps current.
var queryTypes = map[string]queryType{
	"sessions":       {run: sessions, filters: filters("session", "bootset", "phase", "category", "node")},
	"templates":      {run: templates, filters: filters("session")},
	"bootsets":       {run: bootsets, filters: filters("session", "bootset")},
	"phases":         {run: phases, filters: filters("session", "bootset", "phase", "node")},
	"nodes":          {run: nodes, filters: filters("session", "bootset", "phase", "category", "node")},
	"counts":         {run: counts, filters: filters("session", "bootset", "phase", "category", "node")},
	"errors":         {run: errorTexts, filters: filters("session", "bootset", "phase", "node")},
	"retry":          {run: retry, filters: filters("session", "bootset", "phase", "node")},
	"offenders":      {run: offenders, filters: filters("session", "bootset", "phase", "node")},
	"overlaps":       {run: overlaps, filters: filters("session", "bootset", "node")},
	"places":         {run: places, filters: filters("session", "bootset", "phase", "category", "node"), fields: placeLevels},
	"map":            {run: sessionsMap, filters: filters("session", "bootset", "phase", "category", "node"), fields: mapLevels},
	"offenders_map":  {run: offendersMap, filters: filters("session", "bootset", "phase", "node"), fields: mapLevels},
	"components_map": {run: componentsMap, filters: []string{"session", "node", "state", "enabled"}, fields: mapLevels, ofMachine: true},
	"timeline":       {run: timeline, filters: filters("session", "bootset", "phase"), fields: timelineFields},
	"components":     {run: components, filters: []string{"session", "node", "state", "enabled"}, ofMachine: true},
	"values":         {run: values, filters: append(filters("session", "bootset", "phase", "category", "node"), "search"), fields: valueFields},
}

// alertType is the only query type with frames that alert rules can evaluate: labels
// and a single number.
const alertType = "counts"

// filters appends the filters that choose whole sessions, which every type has.
func filters(own ...string) []string { return append(own, "tenant", "template", "operation", "state") }

// entries returns what stands in a filter, or in the field, by its name.
func (q *Query) entries(name string) list {
	switch name {
	case "field":
		return list{q.Field}
	case "session":
		return q.Session
	case "tenant":
		return q.Tenant
	case "bootset":
		return q.BootSet
	case "phase":
		return q.Phase
	case "category":
		return q.Category
	case "template":
		return q.Template
	case "operation":
		return q.Operation
	case "state":
		return q.State
	case "node":
		return list{q.Node}
	case "enabled":
		return q.Enabled
	case "search":
		return list{q.Search}
	default:
		panic("no filter " + name)
	}
}

// allFilters lists the filters of all query types.
var allFilters = []string{"session", "bootset", "phase", "category", "node", "tenant", "template", "operation", "state", "enabled", "search"}

// parseQuery reads and checks a query; its type may be given apart from it. The errors
// are for the person who wrote the query.
func parseQuery(raw []byte, typeName string) (Query, error) {
	var q Query
	if err := json.Unmarshal(raw, &q); err != nil {
		if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
			return q, badRequest("the query cannot be read: %s must be %s", cmp.Or(wrong.Field, "it"), wanted[wrong.Type.Kind()])
		}
		return q, badRequest("the query is not valid JSON of a BOS query: %v", err)
	}
	if q.QueryType == "" {
		q.QueryType = typeName
	}
	known, ok := queryTypes[q.QueryType]
	if !ok {
		return q, badRequest("unknown query type %q: choose one of %s", q.QueryType, strings.Join(slices.Sorted(maps.Keys(queryTypes)), ", "))
	}
	for _, check := range []func(queryType) error{q.checkVariables, q.checkNode, q.checkFilters, q.checkField, q.checkValues} {
		if err := check(known); err != nil {
			return q, err
		}
	}
	return q, nil
}

// wanted says what a query, and each value in it, must be.
var wanted = map[reflect.Kind]string{
	reflect.Struct: "an object", reflect.String: "a string", reflect.Int: "a whole number", reflect.Bool: "true or false",
}

// checkVariables refuses variables that Grafana has not filled in.
func (q *Query) checkVariables(queryType) error {
	for _, name := range append([]string{"field"}, allFilters...) {
		for _, v := range q.entries(name) {
			if variable := uninterpolated.FindString(v); variable != "" {
				return badRequest("the variable %s in the filter %s was not filled in: Grafana has no variables in alert rules and public dashboards, so enter the value itself, or a selector such as latest", variable, name)
			}
		}
	}
	return nil
}

// uninterpolated finds a variable that Grafana has left in a query.
var uninterpolated = regexp.MustCompile(`\$[A-Za-z_]\w*|\$\{[^}]*\}|\[\[\w+(:\w+)?\]\]`)

// checkFilters refuses filters that the query type does not apply: without them the
// answer would be about more than was asked for.
func (q *Query) checkFilters(known queryType) error {
	for _, name := range allFilters {
		if !slices.Contains(known.filters, name) && !q.entries(name).empty() {
			return badRequest("a query of type %s has no filter %s: remove it, or choose a query type that has it; the filters of %s are %s",
				q.QueryType, name, q.QueryType, strings.Join(known.filters, ", "))
		}
	}
	return nil
}

// checkField refuses fields that the query type does not have.
func (q *Query) checkField(known queryType) error {
	switch {
	case known.fields == nil && q.Field != "":
		return badRequest("a query of type %s has no field: remove %q, or choose a query type that has one, such as values or places", q.QueryType, q.Field)
	case known.fields != nil && !slices.Contains(known.fields, q.Field):
		problem := fmt.Sprintf("unknown field %q of a query of type %s", q.Field, q.QueryType)
		if q.Field == "" {
			problem = fmt.Sprintf("a query of type %s needs a field", q.QueryType)
		}
		named := slices.DeleteFunc(slices.Clone(known.fields), func(f string) bool { return f == "" })
		return badRequest("%s: choose one of %s", problem, strings.Join(named, ", "))
	default:
		return nil
	}
}

// checkValues refuses values that no filter can match.
func (q *Query) checkValues(known queryType) error {
	if q.Limit < 0 {
		return badRequest("the limit is %d: it must be 1 or more, or left out", q.Limit)
	}
	for _, e := range q.Enabled {
		if e != "" && e != "true" && e != "false" {
			return badRequest("unknown value %q of the filter enabled: choose true or false", e)
		}
	}
	if known.ofMachine {
		return q.checkOfMachine()
	}
	for _, s := range q.State {
		if s != "" && !slices.Contains(bos.States, bos.State(strings.ToLower(s))) {
			return badRequest("unknown state %q: choose from %s", s, joinStates())
		}
	}
	return nil
}

// checkNode takes the node patterns apart.
func (q *Query) checkNode(queryType) error {
	q.names = make(map[string]bool)
	for _, glob := range split(q.Node) {
		if _, err := path.Match(glob, ""); err != nil {
			return badRequest("the node pattern %q is incomplete: close its [ with ], or write \\[ for the character itself", glob)
		}
		for _, g := range unfold(glob) {
			if strings.ContainsAny(g, wildcards) {
				q.globs = append(q.globs, g)
			} else {
				q.names[g] = true
			}
		}
		if len(q.globs) > maxGlobs || len(q.names) > maxNames {
			return badRequest("the node patterns expand to more than %d patterns or %d names: use * in place of some numbers", maxGlobs, maxNames)
		}
	}
	if len(q.globs)+len(q.names) == 0 {
		q.Node = "" // only blanks and commas
	}
	return nil
}

// checkOfMachine refuses sessions that BOS does not name in what it says of nodes. What
// their states are called is up to BOS.
func (q *Query) checkOfMachine() error {
	for _, s := range q.Session {
		if slices.Contains(selectors, s) {
			return badRequest("a query of type %s takes the names of sessions, which BOS notes down for each node, and no selector: replace %s", q.QueryType, s)
		}
	}
	return nil
}

func joinStates() string {
	var names []string
	for _, s := range bos.States {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// nothing tells whether the session filter is what an empty variable leaves behind.
func (q *Query) nothing() bool { return len(q.Session) > 0 && q.Session.empty() }

// ofTenant tells whether the query is about sessions of a tenant, or about those of none.
func (q *Query) ofTenant(tenant string) bool {
	return q.Tenant.takes(tenant)
}

// takes tells whether a filter matches a value exactly, where an empty string stands for
// sessions without one.
func (l list) takes(value string) bool { return len(l) == 0 || slices.Contains(l, value) }

// has tells whether a filter matches a value exactly.
func (l list) has(value string) bool { return l.empty() || slices.Contains(l, value) }

// hasName tells whether a filter matches a name that BOS gives in any case.
func (l list) hasName(name string) bool {
	return l.empty() || slices.ContainsFunc(l, func(s string) bool { return strings.EqualFold(s, name) })
}

// empty tells whether the filter has no entry but empty strings.
func (l list) empty() bool {
	return !slices.ContainsFunc(l, func(s string) bool { return s != "" })
}

// hasNode tells whether the node patterns match a node.
func (q *Query) hasNode(node string) bool {
	node = strings.ToLower(strings.TrimSpace(node))
	return q.Node == "" || q.names[node] || slices.ContainsFunc(q.globs, func(glob string) bool {
		ok, _ := path.Match(glob, node) // checkNode has checked it
		return ok
	})
}

// split splits node patterns at their commas, except for those in brackets.
func split(patterns string) (parts []string) {
	depth := 0
	for _, part := range strings.FieldsFunc(strings.ToLower(patterns), func(r rune) bool {
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

// Every node is compared with each pattern, while names are looked up: those of a machine, and
// some more.
const (
	maxGlobs = 256
	maxNames = 1 << 16
)

// wildcards are what makes a pattern of a name.
const wildcards = `*?[\`

// inBrackets matches what may be numbers and ranges of numbers, as in a folded list of nodes.
var inBrackets = regexp.MustCompile(`\[([\d\s]+(?:[-,][\d\s]+)+)\]`)

// unfold returns the names or patterns that a pattern with numbers in brackets stands for, or
// some more than there may be. In a pattern, [1-12] would stand for one of the characters 1
// and 2.
func unfold(pattern string) []string {
	// Brackets around single characters do the same in a pattern, of which there may be fewer.
	single := !strings.ContainsAny(inBrackets.ReplaceAllString(pattern, ""), wildcards)
	all, end := []string{""}, 0
	for _, at := range inBrackets.FindAllStringSubmatchIndex(pattern, -1) {
		if at[0] > 0 && (pattern[at[0]-1] == '\\' || pattern[at[0]-1] == '[') {
			continue
		}
		numbers := numbersIn(pattern[at[2]:at[3]], single)
		if numbers == nil {
			continue
		}
		before := pattern[end:at[0]]
		var longer []string
		for _, a := range all {
			for _, n := range numbers {
				if longer = append(longer, a+before+n); len(longer) > maxNames {
					return longer
				}
			}
		}
		all, end = longer, at[1]
	}
	for i := range all {
		all[i] += pattern[end:]
	}
	return all
}

// numbersIn returns the numbers of a list such as 1-12,15, or some more than there may be; nil
// if it is none. A list of single digits is one only if single is set.
func numbersIn(list string, single bool) (numbers []string) {
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		first, last = strings.TrimSpace(first), strings.TrimSpace(last)
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || from > to {
			return nil
		}
		width := 0
		if len(first) == len(last) {
			width = len(first) // of numbers with leading zeros
		}
		single = single || len(first) > 1 || len(last) > 1
		for n := from; n <= to && len(numbers) <= maxNames; n++ {
			numbers = append(numbers, fmt.Sprintf("%0*d", width, n))
		}
	}
	if !single {
		return nil
	}
	return numbers
}
