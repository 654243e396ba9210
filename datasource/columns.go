package datasource

import (
	"math"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
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

// sessionField returns a column of session ids that link to their boot sets. The tenants
// are in the column of tenantField, the time ranges in that of rangeField.
func (v *view) sessionField(ids []string) *data.Field {
	return v.sessionFieldAs("session", "Session", "ID of the session", rowTenant, rowRange, ids)
}

// sessionFieldAs is sessionField of sessions whose tenant and time range are told by
// templates; the tenant is "" where it is not known.
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
// do not show. A link cannot be made of the start and the stop instead: Grafana fills in NaN
// for a time that is missing.
func rangeField(name string, ranges []string) *data.Field {
	f := aside(field(name, "Time range", "Time from the start of the session until its end is recorded, or to now, as the parameters from and to of a link to a dashboard", ranges))
	f.Config.Custom["hidden"] = true // before Grafana 12
	return f
}

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
	query := map[string]any{"queryType": "nodes", "session": []string{rowSession}, "tenant": []string{rowTenant}, "bootset": []string{rowBootSet}, "phase": []string{thisValue}}
	if v.query.Node != "" {
		query["node"] = v.query.Node
	}
	return linked(field("phase", "Phase", "Name of the phase", names), v.toQuery("Nodes of this phase", query))
}

// nodeField returns a column of node names that link to all their sessions.
func (v *view) nodeField(names []string) *data.Field {
	query := map[string]any{"queryType": "nodes", "node": thisValue}
	if len(v.query.Tenant) > 0 {
		query["tenant"] = v.query.Tenant
	}
	return linked(field("node", "Node", "Xname of the node", names),
		v.toQuery("All sessions of this node", query),
		v.toNodes("Dashboard of this node", percentEncoded(thisValue)))
}

// placeField returns a column of places of a level that link to their nodes, as far as a
// query of nodes applies the filters of this one.
func (v *view) placeField(level bos.Level, nodesType string, names []string) *data.Field {
	query := map[string]any{"queryType": nodesType, "node": level.Pattern(thisValue)}
	for _, filter := range []string{"session", "tenant", "bootset", "phase", "category", "template", "operation", "state", "enabled"} {
		if chosen := v.query.entries(filter); len(chosen) > 0 {
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
	shown := categoryColors
	if ended {
		shown = make(data.ValueMapper)
		for category := range categoryColors {
			shown[category] = outcomeColors[inTheEnd(category)]
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
	return mapped(field("state", "State", "Effective state, derived from the progress of the nodes", states), stateColors)
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

// lasted returns the whole seconds between two times, if both are known and in this order.
func lasted(from, to time.Time) *float64 {
	if from.IsZero() || to.Before(from) {
		return nil
	}
	s := math.Floor(to.Sub(from).Seconds())
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
