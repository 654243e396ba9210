package datasource

import (
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// field returns a column: name is for queries and transformations, title and
// description are for people.
func field[T any](name, title, description string, values []T) *data.Field {
	f := data.NewField(name, nil, values)
	f.Config = &data.FieldConfig{DisplayNameFromDS: title, Description: description}
	f.Config.SetFilterable(true)
	return f
}

func unit(f *data.Field, unit string) *data.Field {
	f.Config.Unit = unit
	return f
}

// seconds marks a column of seconds, shown in days, hours, minutes and seconds: the units
// that are shorter leave out what is below an hour, or give it in tenths.
func seconds(f *data.Field) *data.Field { return unit(f, "dtdhms") }

func mapped(f *data.Field, m data.ValueMapper) *data.Field {
	f.Config.Mappings = data.ValueMappings{m}
	return f
}

func linked(f *data.Field, links ...data.DataLink) *data.Field {
	f.Config.Links = links
	return f
}

// Colours of states and categories. The same thing has the same colour everywhere.
const (
	green  = "green"
	blue   = "blue"
	red    = "red"
	orange = "orange"
	yellow = "yellow"
	purple = "purple"

	darkRed     = "dark-red"
	lightPurple = "light-purple"
	lightBlue   = "light-blue"
	grey        = "#8e8e8e"
)

var stateColours = mapper([]string{
	string(bos.StatePending), grey,
	string(bos.StateRunning), blue,
	string(bos.StateStuck), orange,
	string(bos.StateSucceeded), green,
	string(bos.StatePartial), yellow,
	string(bos.StateFailed), red,
	string(bos.StateAbandoned), purple,
	string(bos.StateUnknown), grey,
	string(bos.StateWaiting), lightBlue, // of phases
	string(bos.StateUnread), grey,
})

var categoryColours = mapper([]string{
	bos.NotStarted, grey,
	bos.InProgress, blue,
	bos.Succeeded, green,
	bos.Failed, red,
	bos.Excluded, purple,
	bos.OnHold, darkRed,
	bos.Superseded, lightPurple,
	bos.Unfinished, lightBlue, // no category, but stands where one could; apart from failed in greys too
})

// What the categories of nodes that are not done amount to once their session has ended:
// no one acts on these nodes any more.
const (
	leftInProgress = "left_in_progress"
	neverStarted   = "never_started"
)

// outcomeColours are those of categories, and of what they amount to.
var outcomeColours = func() data.ValueMapper {
	m := mapper([]string{leftInProgress, lightBlue, neverStarted, lightBlue})
	maps.Copy(m, categoryColours)
	return m
}()

// inTheEnd returns what a category of an ended session amounts to.
func inTheEnd(category string) string {
	switch category {
	case bos.InProgress:
		return leftInProgress
	case bos.NotStarted:
		return neverStarted
	default:
		return category
	}
}

// mapper returns a mapping of values to colours, given in pairs.
func mapper(pairs []string) data.ValueMapper {
	m := make(data.ValueMapper)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = data.ValueMappingResult{Text: strings.ReplaceAll(pairs[i], "_", " "), Color: pairs[i+1], Index: i / 2}
	}
	return m
}

// toDashboard links to a dashboard over a time range, with variables given in pairs of a
// name and a template of Grafana.
func (v *view) toDashboard(title, uid, within string, variables ...string) data.DataLink {
	var b strings.Builder
	b.WriteString("/d/" + uid + "?var-bos=" + url.QueryEscape(v.uid))
	if v.query.Prometheus != "" {
		b.WriteString("&var-prometheus=" + url.QueryEscape(v.query.Prometheus))
	}
	for i := 0; i < len(variables); i += 2 {
		b.WriteString("&var-" + variables[i] + "=" + variables[i+1])
	}
	b.WriteString("&" + within)
	return data.DataLink{Title: title, URL: b.String()}
}

// toNodes links to the dashboard of the nodes that match a pattern, for the same tenants.
func (v *view) toNodes(title, pattern string) data.DataLink {
	variables := []string{"node", pattern}
	for _, t := range v.query.Tenant {
		variables = append(variables, "tenant", url.QueryEscape(t))
	}
	return v.toDashboard(title, "bos-nodes", sameRange, variables...)
}

// toQuery links to a query of this datasource in Explore. Grafana 9 follows the URL
// even where there is an internal link, and fails without one.
func (v *view) toQuery(title string, q map[string]any) data.DataLink {
	left, err := json.Marshal(map[string]any{
		"datasource": v.uid,
		"queries":    []any{q},
		"range":      map[string]string{"from": "${__from}", "to": "${__to}"},
	})
	if err != nil {
		panic(err) // maps of strings can always be encoded
	}
	address := url.QueryEscape(string(left))
	for _, template := range []string{thisValue, rowPlace, rowSession, rowTenant, rowOtherTenant, rowBootSet, "${__from}", "${__to}"} {
		address = strings.ReplaceAll(address, url.QueryEscape(template), percentEncoded(template))
	}
	return data.DataLink{
		Title:    title,
		URL:      "/explore?left=" + address,
		Internal: &data.InternalDataLink{DatasourceUID: v.uid, DatasourceName: "BOS", Query: q},
	}
}

// percentEncoded returns a template that is filled in as a part of a URL.
func percentEncoded(template string) string {
	return strings.TrimSuffix(template, "}") + ":percentencode}"
}

const (
	thisValue  = "${__value.raw}"
	rowSession = "${__data.fields.session}"
	rowTenant  = "${__data.fields.tenant}"
	rowBootSet = "${__data.fields.bootset}"
	rowPlace   = "${__data.fields.place}"

	rowOtherTenant = "${__data.fields.other_tenant}"

	// Time ranges of links.
	sameRange     = "from=${__from}&to=${__to}"
	rowRange      = "${__data.fields.range}"
	rowOtherRange = "${__data.fields.other_range}"
)

// sessionField returns a column of session ids that link to their boot sets. The tenants
// are in the column of tenantField, the time ranges in that of rangeField.
func (v *view) sessionField(ids []string) *data.Field {
	return v.sessionFieldAs("session", "Session", "ID of the session", rowTenant, rowRange, ids)
}

// sessionFieldAs is sessionField of sessions whose tenant and time range are told by
// templates. Without one the tenant is not known.
func (v *view) sessionFieldAs(name, title, description, tenant, within string, ids []string) *data.Field {
	query := map[string]any{"queryType": "bootsets", "session": []string{thisValue}}
	variables := []string{"session", percentEncoded(thisValue)}
	if tenant != "" {
		query["tenant"] = []string{tenant}
		variables = append(variables, "tenant", percentEncoded(tenant))
	}
	return linked(field(name, title, description, ids),
		v.toQuery("Boot sets of this session", query),
		v.toDashboard("Dashboard of this session", "bos-session", within, variables...))
}

// apiField and tenantField return the columns that, with its id, tell a session from all
// others.
func apiField(apis []string) *data.Field {
	return field("api", "API", "Version of the BOS API that the session belongs to", apis)
}

func tenantField(tenants []string) *data.Field {
	return field("tenant", "Tenant", "Tenant that owns the session; empty if none does", tenants)
}

// rangeField returns a column of the time ranges that links to sessions set, which tables
// do not show. A link cannot make them of other columns: one without a value is NaN in it.
func rangeField(name string, ranges []string) *data.Field {
	f := aside(field(name, "Time range", "Time from the start of the session until its end is recorded, or to now, as links to dashboards take it", ranges))
	f.Config.Custom["hidden"] = true // before Grafana 12
	return f
}

// rangeOf returns the time range of a session as the parameters of a link.
func (v *view) rangeOf(s *inventory.Session) string {
	from, to := s.Began(), "now"
	if from.IsZero() {
		from = v.within.From
	}
	if s.Verdict.Ending == bos.Ended {
		if s.Verdict.End.Before(from) {
			from = s.Verdict.End
		}
		if end := s.Verdict.End.Add(untilRecorded); end.Before(v.now) {
			to = strconv.FormatInt(end.UnixMilli(), 10)
		}
	}
	return "from=" + strconv.FormatInt(from.UnixMilli(), 10) + "&to=" + to
}

// untilRecorded is how long it takes, at the usual intervals, until the exporter has read
// how a session ended, and Prometheus what the exporter says.
const untilRecorded = 2 * time.Minute

// idField returns a column of the IDs of sessions that a table shows whole, as text.
func idField(name, title string, ids []string) *data.Field {
	return field(name, title, "Whole ID of the session, without links, to be copied", ids)
}

// bootSetField returns a column of boot set names that link to their phases.
func (v *view) bootSetField(names []string) *data.Field {
	return linked(field("bootset", "Boot set", "Name of the boot set", names),
		v.toQuery("Phases of this boot set", map[string]any{"queryType": "phases", "session": []string{rowSession}, "tenant": []string{rowTenant}, "bootset": []string{thisValue}}))
}

// phaseField returns a column of phase names that link to their nodes.
func (v *view) phaseField(names []string) *data.Field {
	return linked(field("phase", "Phase", "Name of the phase", names),
		v.toQuery("Nodes of this phase", map[string]any{"queryType": "nodes", "session": []string{rowSession}, "tenant": []string{rowTenant}, "bootset": []string{rowBootSet}, "phase": []string{thisValue}}))
}

// nodeField returns a column of node names that link to all their sessions.
func (v *view) nodeField(names []string) *data.Field {
	return linked(field("node", "Node", "Xname of the node", names),
		v.toQuery("All sessions of this node", map[string]any{"queryType": "nodes", "node": thisValue}),
		v.toNodes("Dashboard of this node", percentEncoded(thisValue)))
}

// placeField returns a column of places of a level that link to their nodes, as far as a
// query of nodes applies the filters of this one.
func (v *view) placeField(level bos.Level, nodesType string, names []string) *data.Field {
	query := map[string]any{"queryType": nodesType, "node": level.Pattern(thisValue)}
	for _, filter := range []string{"session", "tenant", "bootset", "phase", "category", "template", "operation"} {
		if chosen := v.query.entries(filter); !chosen.empty() {
			query[filter] = chosen
		}
	}
	return linked(field("place", "Place", "Xname of the "+string(level), names),
		v.toQuery("Nodes here", query),
		v.toNodes("Dashboard of these nodes", level.Pattern(percentEncoded(thisValue))))
}

func templateField(templates []string) *data.Field {
	return field("template", "Template", "Session template", templates)
}

func operationField(operations []string) *data.Field {
	return field("operation", "Operation", "Operation that the session performs", operations)
}

// timesField returns a column of ratios.
func timesField(name, title, description string, ratios []*float64) *data.Field {
	f := unit(field(name, title, description, ratios), "suffix:×")
	f.Config.SetDecimals(1)
	return f
}

// categoryField returns a column of categories as BOS has them. Where all sessions have
// ended, it shows what they amount to.
func categoryField(description string, ended bool, categories []string) *data.Field {
	shown := categoryColours
	if ended {
		shown = make(data.ValueMapper)
		for category := range categoryColours {
			shown[category] = outcomeColours[inTheEnd(category)]
		}
	}
	return mapped(field("category", "Category", description, categories), shown)
}

// placeFields returns the columns that say where nodes are in the machine.
func placeFields(nodes []*bos.Node) (cabinet, chassis, slot, bmc, number *data.Field) {
	place := func(name, title, description string, get func(*bos.Place) string) *data.Field {
		return field(name, title, description, column(nodes, func(n *bos.Node) string { return get(&n.Place) }))
	}
	return place("cabinet", "Cabinet", "Xname of the cabinet", func(p *bos.Place) string { return p.Cabinet }),
		place("chassis", "Chassis", "Xname of the chassis", func(p *bos.Place) string { return p.Chassis }),
		place("slot", "Slot", "Xname of the slot or blade", func(p *bos.Place) string { return p.Slot }),
		place("bmc", "BMC", "Xname of the BMC", func(p *bos.Place) string { return p.BMC }),
		field("node_number", "Node number", "Number of the node on its BMC", nodeNumbers(nodes))
}

// nodeNumbers returns the numbers that nodes have on their BMCs.
func nodeNumbers(nodes []*bos.Node) []*int64 {
	values, numbers := make([]int64, len(nodes)), make([]*int64, len(nodes))
	for i, n := range nodes {
		if n.IsXname {
			values[i] = int64(n.Xname.Node)
			numbers[i] = &values[i]
		}
	}
	return numbers
}

func stateField(states []string) *data.Field {
	return mapped(field("state", "State", "Effective state, derived from the progress of the nodes", states), stateColours)
}

// column returns the values of a column, made from rows.
func column[R, T any](rows []R, get func(R) T) []T {
	values := make([]T, len(rows))
	for i, r := range rows {
		values[i] = get(r)
	}
	return values
}

// optionalTime returns a time, to the second, as a value that may be absent.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.Truncate(time.Second)
	return &t
}

// lasted returns the whole seconds between two times, if both are known.
func lasted(from, to time.Time) *float64 {
	if from.IsZero() || to.IsZero() {
		return nil
	}
	s := max(0, math.Floor(to.Sub(from).Seconds()))
	return &s
}

// count returns a number that BOS may omit.
func count(n bos.Optional[int]) *int64 {
	if !n.Present {
		return nil
	}
	i := int64(n.Value)
	return &i
}
