package datasource

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

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

// toNodes links to the dashboard of the nodes that match a pattern, for the same tenants. It
// tells what holds the nodes now, so its time range is not that of a session in the past.
func (v *view) toNodes(title, pattern string) data.DataLink {
	variables := []string{"node", pattern}
	for _, t := range v.query.Tenant {
		variables = append(variables, "tenant", url.QueryEscape(t))
	}
	return v.toDashboard(title, "bos-nodes", lastWeek, variables...)
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
	lastWeek      = "from=now-7d&to=now"
	rowRange      = "${__data.fields.range}"
	rowOtherRange = "${__data.fields.other_range}"
)

// rangeOf returns the time range of a session as the parameters of a link.
func (v *view) rangeOf(s *inventory.Session) string {
	from, to := s.Began(), "now"
	switch {
	case from.IsZero():
		from = v.within.From
	case from.After(v.now): // the clocks differ
		from = v.now
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
