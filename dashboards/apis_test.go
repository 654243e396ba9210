package dashboards

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// server is a release of BOS that serves one API alone. Every test of this package that
// watches a BOS watches each of them.
type server struct {
	api string
	era bossim.Era
	// shutdown is how long a shutdown takes there that goes well.
	shutdown time.Duration
}

var servers = []server{
	{api: bos.APIv1, era: bossim.EraC, shutdown: 5*time.Minute + 40*time.Second},
	{api: bos.APIv2, era: bossim.EraD2, shutdown: 2*time.Minute + 25*time.Second},
}

// What differs between the APIs stands below, and nowhere else: all other panels, alerts
// and metrics are held to the same on both. docs/bos.md says why.

// servedOnlyBy holds the metrics that one API alone gives.
var servedOnlyBy = map[string]string{
	"bos_sessions_stored_bytes": bos.APIv1, // the list of v2 has no such limit

	// v2 says of boot sets and phases only what becomes of their nodes.
	"bos_bootset_in_progress":        bos.APIv1,
	"bos_bootset_complete":           bos.APIv1,
	"bos_bootset_start_time_seconds": bos.APIv1,
	"bos_bootset_stop_time_seconds":  bos.APIv1,
	"bos_phase_in_progress":          bos.APIv1,
	"bos_phase_complete":             bos.APIv1,
	"bos_phase_start_time_seconds":   bos.APIv1,
	"bos_phase_stop_time_seconds":    bos.APIv1,

	"bos_phase_retried_nodes":  bos.APIv2, // v1 does not count attempts
	"bos_session_staged_nodes": bos.APIv2, // v1 stages nothing
}

// componentsTypes are the query types that are about the components of BOS v2.
var componentsTypes = []string{"components", "components_map"}

// queryTypes are all query types whose frames have columns of their own.
var queryTypes = append([]string{"sessions", "templates", "bootsets", "phases", "nodes", "counts", "errors", "retry", "offenders", "overlaps", "places", "map", "offenders_map", "timeline"}, componentsTypes...)

// anyOf returns a query of a type, with a field if it needs one.
func anyOf(queryType string) string {
	switch {
	case queryType == "places":
		return `{"queryType":"places","field":"chassis"}`
	case strings.HasSuffix(queryType, "map"):
		return fmt.Sprintf(`{"queryType":%q,"field":"chassis/node"}`, queryType)
	default:
		return fmt.Sprintf(`{"queryType":%q}`, queryType)
	}
}

var metricName = regexp.MustCompile(`\bbos_\w+`)

// lacks reports whether a panel has nothing to show on the server, whatever happens there:
// all its queries are about what only the other API tells.
func (s server) lacks(p panel) bool {
	return len(p.Targets) > 0 && !slices.ContainsFunc(p.Targets, func(target json.RawMessage) bool {
		var q struct{ QueryType, Expr string }
		if json.Unmarshal(target, &q) != nil {
			return true
		}
		if slices.Contains(componentsTypes, q.QueryType) {
			return s.api == bos.APIv2
		}
		names := metricName.FindAllString(q.Expr, -1)
		return len(names) == 0 || slices.ContainsFunc(names, func(name string) bool {
			only := servedOnlyBy[name]
			return only == s.api || only == ""
		})
	})
}

// rowsOnlyIn lists the situations of the end-to-end test in which a panel has rows. All
// other panels always do.
var rowsOnlyIn = map[string][]string{
	"BOS overview: Running sessions":                {"running", "failing", "stuck"},
	"BOS overview: Sessions in trouble":             {"failing", "stuck"},
	"BOS overview: Alerts that fire":                {"failing"},
	"BOS overview: Error counts over time":          {"failing"},
	"BOS session: Retry":                            {"failing"},
	"BOS session: Errors":                           {"failing"},
	"BOS overview: Nodes held by two sessions":      {"stuck"},
	"BOS nodes: Nodes held by two sessions at once": {"stuck"},
	"BOS nodes: Repeat offenders":                   {"failing"},
	"BOS nodes: Repeated errors":                    {"failing"},
	"BOS nodes: Failed or held now":                 {"failing"}, // of v2 alone
	"BOS overview: Staged nodes":                    {"running"}, // of v2 alone
}

// rowsOnlyInOnV2 lists them for the panels that differ on BOS v2.
var rowsOnlyInOnV2 = map[string][]string{
	"BOS overview: Nodes held by two sessions":      {},        // a node belongs to the session that took it last
	"BOS nodes: Nodes held by two sessions at once": {},        // a node belongs to the session that took it last
	"BOS session: Time until each phase was done":   {"quiet"}, // only of a session that was seen at work
}

// rowsIn reports whether a panel has rows in a situation of the end-to-end test.
func (s server) rowsIn(panel, situation string) bool {
	only, some := rowsOnlyIn[panel]
	if differs, listed := rowsOnlyInOnV2[panel]; listed && s.api == bos.APIv2 {
		only, some = differs, true
	}
	return !some || slices.Contains(only, situation)
}

// Every panel that the end-to-end test treats apart exists.
func TestRowsOnlyIn(t *testing.T) {
	panels := make(map[string]bool)
	for _, d := range load(t) {
		for _, p := range d.panels() {
			panels[d.Title+": "+p.Title] = true
		}
	}
	for _, list := range []map[string][]string{rowsOnlyIn, rowsOnlyInOnV2} {
		for panel := range list {
			if !panels[panel] {
				t.Errorf("there is no panel %q", panel)
			}
		}
	}
}

// alertsDiffer says why a story of alerts is another one on BOS v2.
var alertsDiffer = map[string]string{
	"some nodes are left unfinished":                              "a node that is still ready fails, while others go on",
	"a session ends without touching a node":                      "BOS says that it could not set the session up",
	"the agent ends before it reports a boot set":                 "no agent reports boot sets",
	"the agent ends before it reports the other boot set":         "no agent reports boot sets",
	"the template is gone, so nothing is known about the session": "the nodes are known without the template",
	"the agent is killed":                                         "nodes move at other times, and BOS says how long it waits",
	"the agent is killed after nodes have failed":                 "nodes move at other times",
	"far slower than before":                                      "a reboot takes 18 minutes in place of 25",
	"slow, and then stuck":                                        "a reboot takes 18 minutes in place of 25",
	"the list nears its limit":                                    "the list has no such limit",
	"the list is below its limit":                                 "the list has no such limit",
	"a staged session of a tenant waits":                          "v1 has neither tenants nor staged sessions",
	"a session of a tenant fails in part":                         "v1 has no tenants",
}
