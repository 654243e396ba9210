package datasource

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var (
	well       = bossim.GalleryID("well")
	neverReady = bossim.GalleryID("never-ready")
	powerOff   = bossim.GalleryID("power-off")
	configured = bossim.GalleryID("configuration")
	stillReady = bossim.GalleryID("still-ready")
	stuck      = bossim.GalleryID("stuck")
	running    = bossim.GalleryID("running")
	pending    = bossim.GalleryID("pending")
)

func TestFilters(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	for _, tt := range []struct{ query, field, want string }{
		{`{"queryType":"sessions","session":["latest"]}`, "session", pending},
		{`{"queryType":"sessions","session":["running"]}`, "session", pending + " " + running},
		{`{"queryType":"sessions","session":["unfinished"]}`, "session", pending + " " + running + " " + stuck},
		{`{"queryType":"sessions","session":["latest"],"operation":["Boot"]}`, "session", stuck},
		{`{"queryType":"sessions","session":"` + well + `"}`, "session", well},
		{`{"queryType":"sessions","session":["` + well + `","latest"]}`, "session", pending + " " + well},
		{`{"queryType":"sessions","session":["` + pending + `","latest"]}`, "session", pending},
		{`{"queryType":"nodes","session":["` + neverReady + `"],"phase":["configure"],"node":"x1000c0s0b[0,1]n0"}`, "node", "x1000c0s0b1n0 x1000c0s0b0n0"},
		{`{"queryType":"nodes","session":["` + neverReady + `"],"phase":["configure"],"category":["in_progress"],"node":", "}`, "node", "x1000c0s0b1n0 x1000c0s0b1n1"},
		{`{"queryType":"retry","session":["` + neverReady + `"],"phase":["boot"]}`, "nodes", "2"},
		{`{"queryType":"retry","session":["` + powerOff + `"],"phase":["configure"]}`, "limit", ""},
		{`{"queryType":"values","field":"session","bootset":["gpu"]}`, "value", stuck},
		{`{"queryType":"values","field":"session","category":["failed"]}`, "value", configured + " " + powerOff + " " + neverReady},
		{`{"queryType":"values","field":"template","phase":["shutdown"],"bootset":["login / uan"]}`, "value", "full-sles15sp4"},
		{`{"queryType":"values","field":"bootset","phase":["shutdown"]}`, "value", "compute login / uan"},
		{`{"queryType":"values","field":"category","session":[""]}`, "value", ""},
		{`{"queryType":"sessions","state":["Partial"]}`, "session", configured + " " + powerOff + " " + neverReady},
		{`{"queryType":"sessions","template":["full-sles15sp4"]}`, "session", running},
		{`{"queryType":"sessions","template":["FULL-sles15sp4"]}`, "session", ""},
		{`{"queryType":"sessions","operation":["boot","shutdown"],"template":[]}`, "session", pending + " " + stuck + " " + neverReady},
		{`{"queryType":"sessions","operation":["boot","shutdown"],"phase":[""],"state":[""]}`, "session", pending + " " + stuck + " " + neverReady},
		{`{"queryType":"sessions","template":[""]}`, "session", ""}, // as an empty variable leaves it
		{`{"queryType":"sessions","session":[""]}`, "session", ""},
		{`{"queryType":"sessions","session":null,"limit":1}`, "session", pending},
		{`{"queryType":"sessions","limit":2}`, "session", pending + " " + running},
		{`{"queryType":"bootsets","session":["` + running + `"]}`, "bootset", "compute login / uan"},
		{`{"queryType":"bootsets","session":["` + running + `"],"bootset":["login / uan"]}`, "nodes", "2"},
		{`{"queryType":"phases","session":["` + running + `"],"bootset":["compute"],"phase":["BOOT","configure"]}`, "phase", "boot configure"},
		{`{"queryType":"phases","session":["` + running + `"],"bootset":["../../../v1/session"]}`, "phase", ""},
		{`{"queryType":"phases","session":["` + powerOff + `"],"node":"x1000c0s0b1n1"}`, "phase", "shutdown boot configure"},
		{`{"queryType":"phases","session":["` + powerOff + `"],"node":"x1000c0s0b1n1"}`, "failed", "1 0 0"},
		{`{"queryType":"phases","session":["` + powerOff + `"],"node":"x1000c0s0b1n1"}`, "error_count", "1 0 0"},
		{`{"queryType":"phases","session":["` + powerOff + `"],"node":"x1000c0s0b*"}`, "nodes", "4 4 4"},
		{`{"queryType":"phases","session":["` + running + `"],"node":"x3000c0s11b0n0","phase":["boot"]}`, "bootset", "login / uan"},
		{`{"queryType":"nodes","session":["` + running + `"],"bootset":["a/b \"q\" ü","..","%2e%2e"]}`, "node", ""},
		{`{"queryType":"nodes","session":["` + neverReady + `"],"phase":["boot"],"category":["Failed"]}`, "node", "x1000c0s0b1n0 x1000c0s0b1n1"},
		{`{"queryType":"nodes","session":["` + neverReady + `"],"phase":["boot"],"node":"x1000c0s0b1n0"}`, "category", "failed succeeded"},
		{`{"queryType":"nodes","session":["` + neverReady + `"],"phase":["boot"],"node":"X1000C0S0B1*"}`, "also_in", "succeeded failed succeeded failed"},
		{`{"queryType":"nodes","session":["` + neverReady + `"],"phase":["configure"],"node":"x1000c0s0b0n0, *b1n1"}`, "node", "x1000c0s0b1n1 x1000c0s0b0n0"},
		{`{"queryType":"counts","session":["` + powerOff + `"],"phase":["shutdown"]}`, "nodes", "0 0 7 1 0"},
		{`{"queryType":"counts","session":["` + powerOff + `"],"phase":["shutdown"],"node":"*s0*"}`, "nodes", "0 0 3 1 0"},
		{`{"queryType":"errors","session":["` + neverReady + `"]}`, "error", noMessage},
		{`{"queryType":"errors","node":"x1000c0s1b0n1"}`, "error", "exceeded retries waiting for component to turn off"},
		{`{"queryType":"retry","session":["` + well + `"]}`, "limit", ""},
		{`{"queryType":"retry","session":["` + stuck + `"]}`, "nodes", "3"},
		{`{"queryType":"retry","session":["` + running + `"]}`, "limit", ""},
		{`{"queryType":"retry","session":["` + stillReady + `"]}`, "folded", "x1000c0s0b[0-1]n[0-1]"},
		{`{"queryType":"retry","session":["` + configured + `"]}`, "command", "# " + `session "46e82d42-07be-49b9-a489-96032f3c23d0" is at work on 3 of these nodes: wait for its end` + "\ncray bos v1 session create --template-uuid compute-sles15sp4 --operation configure --limit x1000c0s1b0n0,x1000c0s1b1n0,x1000c0s1b1n1"},
		{`{"queryType":"nodes","session":["` + powerOff + `"],"limit":1}`, "category", "failed"},
		{`{"queryType":"nodes","node":"x1000c0s0b1n1","phase":["shutdown"]}`, "session", running + " " + stillReady + " " + powerOff + " " + well},
		{`{"queryType":"nodes","node":"x1000c0s0b1n1","phase":["shutdown"]}`, "category", "succeeded succeeded failed succeeded"},
		{`{"queryType":"nodes","node":"x1000c0s0b0n0,x1000c0s0b1n1","phase":["shutdown"]}`, "node", strings.Repeat("x1000c0s0b1n1 ", 4) + "x1000c0s0b0n0 x1000c0s0b0n0 x1000c0s0b0n0 x1000c0s0b0n0"},
		{`{"queryType":"nodes","session":["` + powerOff + `"],"phase":["boot"],"node":"x1000c0s0b1n1"}`, "start", "2026-03-01 10:20:00 +0000 UTC"},
		{`{"queryType":"templates","template":["compute-sles15sp4"],"operation":["reboot"]}`, "sessions", "3"},
		{`{"queryType":"templates","template":["compute-sles15sp4"],"operation":["reboot"]}`, "success_rate", "0.333"},
		{`{"queryType":"templates","template":["compute-sles15sp4"],"operation":["reboot"]}`, "success", "0.687"}, // 11 of 16
		{`{"queryType":"templates","state":["succeeded"]}`, "last_session", well},
		{`{"queryType":"templates","session":["unfinished"]}`, "success_rate", "<nil> <nil> <nil>"},
		{`{"queryType":"retry","session":["` + configured + `"]}`, "of", "3"},
		{`{"queryType":"retry","session":["` + configured + `"]}`, "remark", `session "46e82d42-07be-49b9-a489-96032f3c23d0" is at work on 3 of these nodes: wait for its end`},
		{`{"queryType":"retry","session":["` + configured + `"],"node":"*b1*"}`, "remark", `session "46e82d42-07be-49b9-a489-96032f3c23d0" is at work on 2 of these nodes: wait for its end` + "; 2 of 3 nodes: narrowed by the filter node"},
		{`{"queryType":"retry","session":["` + configured + `"],"node":"*b1n0","phase":["configure"]}`, "remark", `session "46e82d42-07be-49b9-a489-96032f3c23d0" is at work on 1 of these nodes: wait for its end` + "; 1 of 3 nodes: narrowed by the filters phase, node"},
		{`{"queryType":"retry","session":["` + configured + `"],"phase":["configure"]}`, "remark", `session "46e82d42-07be-49b9-a489-96032f3c23d0" is at work on 3 of these nodes: wait for its end`},
		{`{"queryType":"retry","session":["` + stuck + `"]}`, "command", "# " + mayAct + "\ncray bos v1 session create --template-uuid gpu-cos-2.5 --operation boot --limit x1000c0s2b0n0,x1000c0s2b0n1,x1000c0s2b1n1"},
		{`{"queryType":"retry","session":["` + stuck + `"]}`, "remark", mayAct},
		{`{"queryType":"errors","session":["` + stillReady + `"]}`, "error", leftUnfinished("not_started")}, // not one of them failed
		{`{"queryType":"errors","session":["` + stillReady + `"]}`, "phase", "boot"},
		{`{"queryType":"errors","session":["` + stillReady + `"],"phase":["configure"]}`, "error", ""},
		{`{"queryType":"errors","session":["` + configured + `"],"node":"*b1n0"}`, "error", leftUnfinished("in_progress")},
		{`{"queryType":"errors","session":["` + stuck + `"]}`, "error", ""},
		{`{"queryType":"sessions","node":"x1000c0s0b1n1"}`, "outcome", "succeeded unfinished failed failed succeeded"},
		{`{"queryType":"sessions","session":["` + neverReady + `"],"node":"x1000c0s0b1*"}`, "shares", strings.Repeat("▄", barCells)},
		{`{"queryType":"sessions","session":["` + well + `"]}`, "outcome", "succeeded"},
		{`{"queryType":"sessions","session":["unfinished"]}`, "idle_limit", "600 2100 2100"},
		{`{"queryType":"sessions","session":["unfinished"]}`, "idle", "30 240 2910"},
		{`{"queryType":"sessions","session":["` + well + `"]}`, "id", well},
		{`{"queryType":"sessions","node":"x1000c0s0b1n1"}`, "session", running + " " + stillReady + " " + powerOff + " " + neverReady + " " + well},
		{`{"queryType":"sessions","node":"x1000c0s0b1n1"}`, "failed", "0 0 1 1 0"},
		{`{"queryType":"sessions","node":"x1000c0s0b1n*"}`, "nodes", "2 2 2 2 2"},
		{`{"queryType":"sessions","node":"x1000c0s0b1n*"}`, "error_count", "0 0 1 2 0"},
		{`{"queryType":"sessions","node":"x9*"}`, "session", ""},
		{`{"queryType":"sessions","category":["failed"]}`, "session", configured + " " + powerOff + " " + neverReady},
		{`{"queryType":"sessions","category":["failed"],"phase":["Boot"]}`, "session", neverReady},
		{`{"queryType":"sessions","bootset":["gpu"]}`, "session", stuck},
		{`{"queryType":"sessions","category":["failed"],"node":"x1000c0s0b1n0"}`, "session", neverReady},
		{`{"queryType":"sessions","category":["failed"],"node":"x1000c0s0b0n0"}`, "session", ""},
		{`{"queryType":"sessions","category":["excluded"]}`, "session", ""},
		{`{"queryType":"sessions","node":" , ","session":["` + well + `"]}`, "nodes", "4"},
		{`{"queryType":"overlaps","session":["unfinished"]}`, "session", ""},
		{`{"queryType":"overlaps","session":["` + powerOff + `","` + configured + `","` + stuck + `"]}`, "folded", "x1000c0s1b[0-1]n[0-1]"},
		{`{"queryType":"overlaps","session":["` + powerOff + `","` + configured + `"]}`, "other_session", powerOff},
		{`{"queryType":"overlaps","session":["` + powerOff + `","` + configured + `"],"node":"*n0"}`, "nodes", "2"},
		{`{"queryType":"overlaps","session":["` + powerOff + `","` + configured + `"],"bootset":["gpu"]}`, "nodes", ""},
		{`{"queryType":"overlaps","session":["` + well + `","` + stillReady + `"]}`, "other_session", ""}, // one after the other
		{`{"queryType":"places","field":"cabinet","session":["` + powerOff + `"]}`, "failed_share", "0.125"},
		{`{"queryType":"places","field":"slot","session":["` + powerOff + `"]}`, "failed", "1 0"},
		{`{"queryType":"places","field":"slot","session":["` + powerOff + `"]}`, "error", "NodeBMC Communication Error exceeded retries waiting for component to turn off"},
		{`{"queryType":"places","field":"slot","bootset":["gpu"]}`, "place", "x1000c0s2"},
		{`{"queryType":"places","field":"slot","session":["` + running + `"],"bootset":["login / uan"]}`, "place", "x3000c0s11 x3000c0s13"},
		{`{"queryType":"places","field":"cabinet","session":["` + powerOff + `"],"phase":["configure"]}`, "failed", "0"},
		{`{"queryType":"places","field":"node","session":["` + powerOff + `"],"category":["failed"]}`, "place", "x1000c0s0b1n1"},
		{`{"queryType":"map","field":"cabinet/slot","bootset":["gpu"]}`, "c0s2", "unfinished"},
		{`{"queryType":"offenders_map","field":"chassis/node","node":"x1000c0s0b1n1"}`, "s0b1n1", "2"},
		{`{"queryType":"offenders_map","field":"chassis/node","node":"x1000c0s0b1n1","phase":["shutdown"]}`, "s0b1n1", "1"},
		{`{"queryType":"offenders","limit":1}`, "node", "x1000c0s0b1n1"},
		{`{"queryType":"values","field":"bootset"}`, "value", "compute gpu login / uan"},
		{`{"queryType":"values","field":"bootset","session":["` + stuck + `"]}`, "value", "gpu"},
		{`{"queryType":"values","field":"phase"}`, "value", "shutdown boot configure"},
		{`{"queryType":"values","field":"category","session":["latest"]}`, "value", "not_started in_progress succeeded failed excluded"},
		{`{"queryType":"values","field":"template"}`, "value", "compute-sles15sp4 full-sles15sp4 gpu-cos-2.5"},
		{`{"queryType":"values","field":"node","session":["` + stuck + `"],"phase":["boot"]}`, "value", "x1000c0s2b0n0 x1000c0s2b0n1 x1000c0s2b1n0 x1000c0s2b1n1"},
		{`{"queryType":"values","field":"node","session":["` + powerOff + `"],"category":["failed"]}`, "value", "x1000c0s0b1n1"},
	} {
		if got := joined(rows(t, w.query(tt.query)), tt.field); got != tt.want {
			t.Errorf("%s: %s is %q, want %q", tt.query, tt.field, got, tt.want)
		}
	}
}

func TestTimeRange(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	at := func(ago time.Duration) backend.TimeRange {
		return backend.TimeRange{From: bossim.GalleryTime.Add(-ago - time.Second), To: bossim.GalleryTime.Add(-ago)}
	}
	for ago, want := range map[time.Duration]string{
		175 * time.Minute: well,
		140 * time.Minute: neverReady, // in the middle of it
		30 * time.Minute:  stuck,      // without an end
		10 * time.Hour:    "",
	} {
		if got := joined(rows(t, w.queryIn(at(ago), `{"queryType":"sessions"}`)), "session"); got != want {
			t.Errorf("%s ago: %s, want %s", ago, got, want)
		}
	}
	if got := joined(rows(t, w.queryIn(at(10*time.Hour), `{"queryType":"sessions","session":["`+well+`"]}`)), "session"); got != well {
		t.Errorf("an id is bound to the time range: %s", got)
	}
}

// The latest session is the one that began last before the end of the range, also
// if it has ended before its beginning while an older one goes on.
func TestLatestIsNotBoundToTheRange(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	r := backend.TimeRange{From: bossim.GalleryTime.Add(-45 * time.Minute), To: bossim.GalleryTime.Add(-35 * time.Minute)}
	for query, want := range map[string]string{
		`{"queryType":"sessions","session":["latest"]}`:                                  stuck,
		`{"queryType":"sessions","session":["latest"],"template":["compute-sles15sp4"]}`: stillReady,
		`{"queryType":"sessions"}`:                                                       stuck,
	} {
		if got := joined(rows(t, w.queryIn(r, query)), "session"); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// What befell nodes: two categories, errors without failures, failures without
// errors, and those that were left.
func TestNodeTruth(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	for _, tt := range []struct{ query, want string }{
		{`{"session":["` + neverReady + `"],"phase":["boot"],"category":["failed"],"node":"*b1n0"}`, noMessage},
		{`{"session":["` + powerOff + `"],"phase":["shutdown"],"node":"x1000c0s1b0n1"}`, "exceeded retries waiting for component to turn off"},
		{`{"session":["` + powerOff + `"],"phase":["shutdown"],"node":"x1000c0s0b1n1"}`, "NodeBMC Communication Error"},
		{`{"session":["` + configured + `"],"category":["in_progress"],"node":"*b1n0"}`, "unfinished: the session stopped while the node was in progress"},
		{`{"session":["` + running + `"],"phase":["configure"],"bootset":["login / uan"],"node":"x3000c0s11*"}`, ""},
	} {
		var q map[string]any
		if err := json.Unmarshal([]byte(tt.query), &q); err != nil {
			t.Fatal(err)
		}
		q["queryType"] = "nodes"
		raw, _ := json.Marshal(q)
		if got := joined(rows(t, w.query(string(raw))), "error"); got != tt.want {
			t.Errorf("%s: %q, want %q", raw, got, tt.want)
		}
	}
}

// The boot agent lists nodes as in progress in configure before it shuts them down.
func TestPhasesThatWait(t *testing.T) {
	w, settings := newBOSAt(t, bossim.Gallery(), bossim.EraC, bossim.GalleryTime.Add(-16*time.Minute))
	w.connect(settings)
	got := rows(t, w.query(`{"queryType":"phases","session":["`+running+`"],"bootset":["compute"]}`))
	if states := joined(got, "state"); states != "running pending waiting" {
		t.Errorf("the phases are %s", states)
	}
}

// A session without nodes has no outcome: none of them is excluded either.
func TestNoNodesHaveNoOutcome(t *testing.T) {
	for _, tt := range []struct {
		tally *bos.Tally
		want  string
	}{
		{nil, ""},
		{&bos.Tally{}, ""},
		{&bos.Tally{Excluded: 1}, bos.Excluded},
	} {
		got := ""
		if outcome := (sessionRow{Session: ended(&bos.Session{}), tally: tt.tally}).outcome(); outcome != nil {
			got = *outcome
		}
		if got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.tally, got, tt.want)
		}
	}
}

// badQueries are queries that cannot be answered, and what their askers are told.
var badQueries = []struct {
	query  string
	status backend.Status
	says   string
}{
	{`{"queryType":"everything"}`, 400, "choose one of bootsets, components, components_map, counts"},
	{`{"queryType":""}`, 400, "choose one of"},
	{`{"queryType":`, 400, "not valid JSON"},
	{`{"queryType":"nodes","session":7}`, 400, "list of strings"},
	{`{"queryType":"nodes","limit":-1}`, 400, "must be 1 or more"},
	{`{"queryType":"nodes","limit":"5"}`, 400, "limit must be a whole number"},
	{`{"queryType":"nodes","limit":1.5}`, 400, "limit must be a whole number"},
	{`{"queryType":"values","field":["node"]}`, 400, "field must be a string"},
	{`{"queryType":"nodes","fresh":"yes"}`, 400, "fresh must be true or false"},
	{`[]`, 400, "it must be an object"},
	{`{"queryType":"nodes","node":"x1000c[0"}`, 400, "is incomplete"},
	{`{"queryType":"nodes","session":["$session"]}`, 400, "$session in the filter session was not filled in"},
	{`{"queryType":"nodes","bootset":["${bootset:csv}"]}`, 400, "${bootset:csv}"},
	{`{"queryType":"nodes","phase":["[[phase]]"]}`, 400, "[[phase]]"},
	{`{"queryType":"sessions","state":["broken"]}`, 400, "choose from pending"},
	{`{"queryType":"sessions","enabled":["true"]}`, 400, "no filter enabled"},
	{`{"queryType":"components","enabled":["yes"]}`, 400, "choose true or false"},
	{`{"queryType":"components","session":["latest"]}`, 400, "no selector: replace latest"},
	{`{"queryType":"components","tenant":["blue"]}`, 400, "no filter tenant"},
	{`{"queryType":"components"}`, 404, "only BOS v2 knows what each node does now"},
	{`{"queryType":"values"}`, 400, "a query of type values needs a field: choose one of session, bootset"},
	{`{"queryType":"values","field":"xname"}`, 400, `unknown field "xname" of a query of type values`},
	{`{"queryType":"places"}`, 400, "choose one of cabinet, chassis, slot, bmc, node"},
	{`{"queryType":"places","field":"rack"}`, 400, `"rack"`},
	{`{"queryType":"map","field":"cabinet"}`, 400, "choose one of cabinet/chassis, cabinet/slot, chassis/slot"},
	{`{"queryType":"map","field":"${level}"}`, 400, "${level} in the filter field was not filled in"},
	{`{"queryType":"offenders_map","field":"cabinet/slot","category":["failed"]}`, 400, "no filter category"},
	{`{"queryType":"components_map","field":"cabinet/slot","session":["latest"]}`, 400, "no selector: replace latest"},
	{`{"queryType":"components_map","field":"cabinet/slot"}`, 404, "only BOS v2 knows what each node does now"},
	{`{"queryType":"nodes","field":"cabinet"}`, 400, "has no field"},
	{`{"queryType":"timeline","field":"node"}`, 400, "choose one of session, phase"},
	{`{"queryType":"nodes","session":["a/b \"q\" ü ..%2f"]}`, 404, "no session"},
	{`{"queryType":"nodes","session":["no-such-session"]}`, 404, "no session no-such-session"},
	{`{"queryType":"nodes","session":["../sessiontemplate/x"]}`, 404, "may have been deleted"},
	{`{"queryType":"nodes","session":["\u0000 \"ü/%2e%2e"]}`, 404, "no session"},
}

func TestBadQueries(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	for _, tt := range badQueries {
		r := w.query(tt.query)
		if got := r.Frames; len(got) != 1 || got[0].Rows() != 1 || got[0].Fields[0].At(0) != r.Error.Error() {
			t.Errorf("%s: the frames do not tell the error: %v", tt.query, got)
		}
		if r.Error == nil || r.Status != tt.status || !strings.Contains(r.Error.Error(), tt.says) || r.ErrorSource != backend.ErrorSourceDownstream {
			t.Errorf("%s: status %d, source %s, error %v, want %d with %q", tt.query, r.Status, r.ErrorSource, r.Error, tt.status, tt.says)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for path := range w.asked {
		for _, bad := range []string{"no-such", "%2e", "..", "ü"} {
			if strings.Contains(path, bad) {
				t.Errorf("BOS was asked for %s", path)
			}
		}
	}
}

// One missing session does not take the others away.
func TestSomeSessionsAreMissing(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	r := w.query(`{"queryType":"sessions","session":["gone","` + well + `"]}`)
	if got := joined(rows(t, r), "session"); got != well || !strings.Contains(notices(r), "no session gone") {
		t.Errorf("%s, notices %q", got, notices(r))
	}
}

func TestBOSInTrouble(t *testing.T) {
	for fault, status := range map[bossim.Fault]backend.Status{
		bossim.Forbidden:   backend.StatusForbidden,
		bossim.Unavailable: backend.StatusBadGateway,
		bossim.Reset:       backend.StatusBadGateway,
		bossim.NotJSON:     backend.StatusBadGateway,
		bossim.NotFound:    backend.StatusNotFound,
	} {
		t.Run(fault.String(), func(t *testing.T) {
			w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) {
				s.JSONData = json.RawMessage(`{"cacheSeconds":0}`)
			})
			w.sim.Fail(bossim.Everything, fault)
			r := w.query(`{"queryType":"sessions"}`)
			if r.Error == nil || r.Status != status || r.ErrorSource != backend.ErrorSourceDownstream {
				t.Errorf("status %d, source %s, error %v, want %d", r.Status, r.ErrorSource, r.Error, status)
			}
			w.sim.Heal()
			if n := len(rows(t, w.query(`{"queryType":"sessions"}`))); n != 8 {
				t.Errorf("%d sessions after", n)
			}
			// What is known stands, and says how old it is and why.
			w.sim.Fail(bossim.Everything, fault)
			r = w.query(`{"queryType":"sessions"}`)
			if n := len(rows(t, r)); n != 8 || !strings.Contains(notices(r), "This data is 0s old") || !strings.Contains(notices(r), "GET ") {
				t.Errorf("%d sessions, notices %q", n, notices(r))
			}
		})
	}
}

// The nodes of a session that can no longer be read stand as they were, with a notice
// where it is still at work.
func TestPartialFailure(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	for _, tt := range []struct {
		name, session, notice string
	}{
		{"at work", running, "the last good data is shown: 1. The first is " + running},
		{"settled", well, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			query := `{"queryType":"nodes","session":["` + tt.session + `"],"fresh":true}`
			before := len(rows(t, w.query(query)))
			w.sim.FailSession(tt.session, bossim.Unavailable)
			r := w.query(query)
			if n := len(rows(t, r)); n == 0 || n != before || !strings.Contains(notices(r), tt.notice) || (tt.notice == "") != (notices(r) == "") {
				t.Errorf("%d rows, %d before, notices %q", n, before, notices(r))
			}
		})
	}
}

func TestRowsAreCut(t *testing.T) {
	w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"maxRows":"3"}`) })
	for query, most := range map[string]int{`{"queryType":"nodes"}`: 3, `{"queryType":"nodes","limit":2}`: 2, `{"queryType":"nodes","limit":99}`: 3} {
		r := w.query(query)
		if n := len(rows(t, r)); n != most || !strings.Contains(notices(r), fmt.Sprintf("%d of ", most)) {
			t.Errorf("%s: %d rows, notices %q", query, n, notices(r))
		}
	}
}

// Ten panels that refresh at once cost BOS one sweep.
func TestTenPanelsCostOneSweep(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	var queries []backend.DataQuery
	for i, q := range []string{"sessions", "bootsets", "phases", "counts", "sessions", "nodes", "errors", "retry", "timeline", "phases"} {
		queries = append(queries, backend.DataQuery{RefID: string(rune('A' + i)), TimeRange: day,
			JSON: json.RawMessage(fmt.Sprintf(`{"queryType":%q,"session":["unfinished"]}`, q))})
	}
	resp, err := w.ds.QueryData(t.Context(), &backend.QueryDataRequest{Queries: queries})
	if err != nil {
		t.Fatal(err)
	}
	for id, r := range resp.Responses {
		if r.Error != nil {
			t.Errorf("%s: %v", id, r.Error)
		}
	}
	// A list, a description and a status of each of eight sessions, three
	// templates, and nine boot sets.
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked["session"] != 1 {
		t.Errorf("%d lists", w.asked["session"])
	}
	for path, n := range w.asked {
		if n != 1 && !strings.HasPrefix(path, "sessiontemplate/") { // which two at a time may ask for
			t.Errorf("%s was asked for %d times", path, n)
		}
	}
}

func TestCache(t *testing.T) {
	w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"cacheSeconds":3600}`) })
	nodes := `{"queryType":"nodes"}` // of all sessions, so that the answer waits for all of the sweep
	rows(t, w.query(nodes))
	before := w.requests()
	rows(t, w.query(nodes))
	if n := w.requests() - before; n != 0 {
		t.Errorf("%d requests for what is known", n)
	}
	w.query(`{"queryType":"sessions","fresh":true}`)
	if n := w.requests() - before; n < 1 {
		t.Error("fresh asks BOS for nothing")
	}
}

// Old sessions are read little by little, or when they are asked for.
func TestOldSession(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	w.clock.Advance(10 * 24 * time.Hour)
	span := backend.TimeRange{From: day.From, To: w.clock.Now()}
	r := w.queryIn(span, `{"queryType":"sessions"}`)
	if got, want := joined(rows(t, r), "state"), "succeeded succeeded abandoned failed unread unread unread unread"; got != want ||
		!strings.Contains(notices(r), "nothing but the description has been read yet: 4. BOS is read little by little") {
		t.Errorf("states %q, want %q; notices %q", got, want, notices(r))
	}
	for query, want := range map[string]string{
		`{"queryType":"nodes"}`:                             "have not been read yet and are missing from the answer: 4.",
		`{"queryType":"sessions","session":["unfinished"]}`: "",
		`{"queryType":"sessions","state":["failed"]}`:       "missing from the answer: 4.",
		`{"queryType":"timeline"}`:                          "missing from the answer: 4.",
	} {
		if got := notices(w.queryIn(span, query)); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: notices %q, want %q", query, got, want)
		}
	}
	for query, want := range map[string]string{"sessions": "succeeded", "phases": "succeeded succeeded succeeded"} {
		if got := joined(rows(t, w.queryIn(span, `{"queryType":"`+query+`","session":["`+well+`"]}`)), "state"); got != want {
			t.Errorf("%s of an old session: %q, want %q", query, got, want)
		}
	}
	if n := len(rows(t, w.queryIn(span, `{"queryType":"nodes","session":["`+well+`"]}`))); n != 12 {
		t.Errorf("%d rows of nodes", n)
	}
}

func TestPanicTouchesNoOtherQuery(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	queryTypes["panic"] = queryType{run: func(*view) (data.Frames, error) { panic("boom") }}
	defer delete(queryTypes, "panic")
	resp, err := w.ds.QueryData(t.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{
		{RefID: "A", TimeRange: day, JSON: json.RawMessage(`{"queryType":"sessions"}`)},
		{RefID: "B", TimeRange: day, JSON: json.RawMessage(`{"queryType":"panic"}`)},
	}})
	if b := resp.Responses["B"]; err != nil || resp.Responses["A"].Error != nil || b.Status != backend.StatusInternal || b.ErrorSource != backend.ErrorSourcePlugin {
		t.Errorf("%v %v %v", err, resp.Responses["A"].Error, resp.Responses["B"].Error)
	}
}

// Unfinished sessions go on beyond what is known of them.
func TestUnfinishedSessionsOverlapLaterRanges(t *testing.T) {
	w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"cacheSeconds":3600}`) })
	later := backend.TimeRange{From: bossim.GalleryTime.Add(10 * time.Minute), To: bossim.GalleryTime.Add(15 * time.Minute)}
	if got := joined(rows(t, w.queryIn(later, `{"queryType":"sessions"}`)), "session"); got != pending+" "+running+" "+stuck {
		t.Errorf("%s", got)
	}
}

// Annotations of Grafana find the parts of an event by the shown names of fields.
func TestTimelineMakesRegions(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	frames := w.query(`{"queryType":"timeline","session":["` + well + `"],"field":"session"}`).Frames
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	for _, name := range []string{"time", "timeEnd", "title", "text", "tags"} {
		f, _ := frames[0].FieldByName(name)
		if f == nil || f.Config.DisplayNameFromDS != name {
			t.Errorf("%s is shown as something else", name)
		}
	}
	if end, ok := frames[0].Fields[1].ConcreteAt(0); !ok || !end.(time.Time).After(frames[0].Fields[0].At(0).(time.Time)) {
		t.Errorf("the end is %v", end)
	}
	for _, f := range frames[0].Fields[2:] {
		lane := f.Name == "state"
		if hidden := f.Config.Custom["hideFrom"] != nil; hidden == lane {
			t.Errorf("in a state timeline %s is hidden: %t", f.Name, hidden)
		}
	}
}

// Nobody can tell when an undated session of the first list began.
func TestUndatedLeftoversHaveNoRegion(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	w.sim.Substitute(func(r *http.Request) http.Handler {
		if r.URL.Path != "/apis/bos/v1/session/"+well {
			return nil
		}
		return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, `{"operation":"boot","templateName":"compute-sles15sp4","start_time":"","stop_time":"","complete":"","in_progress":"","error_count":""}`)
		})
	})
	r := w.query(`{"queryType":"timeline","session":["` + well + `"],"field":"session"}`)
	if r.Error != nil || len(r.Frames) != 1 || r.Frames[0].Rows() != 0 {
		t.Errorf("error %v, frames %v, want no region", r.Error, r.Frames)
	}
	if notes := r.Frames[0].Meta.Notices; len(notes) == 0 || !strings.Contains(notes[0].Text, "BOS does not say when they started: 1.") {
		t.Errorf("notices %+v", notes)
	}
	values := rows(t, w.query(`{"queryType":"values","field":"session","session":["`+well+`"]}`))
	if text := fmt.Sprint(values[0]["text"]); !strings.HasPrefix(text, "undated boot") {
		t.Errorf("the label is %q", text)
	}
}

func TestBOSHangs(t *testing.T) {
	w := newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) { s.JSONData = json.RawMessage(`{"timeout":1}`) })
	w.sim.Fail(bossim.Everything, bossim.Hang)
	if r := w.query(`{"queryType":"sessions"}`); r.Status != backend.StatusTimeout || !strings.Contains(r.Error.Error(), "does not answer in time") {
		t.Errorf("status %d, %v", r.Status, r.Error)
	}
}

// An old session that cannot be read does not take others away.
func TestUnreadableOldSession(t *testing.T) {
	bad := bossim.GalleryID("power-off")
	w := newWorld(t, bossim.Gallery())
	w.clock.Advance(10 * 24 * time.Hour)
	w.query(`{"queryType":"sessions"}`)
	w.sim.FailSession(bad, bossim.Unavailable)
	both := `{"queryType":"sessions","session":["` + well + `","` + bad + `"]}`
	r := w.query(both)
	if got := joined(rows(t, r), "session"); got != well || !strings.Contains(notices(r), "The first is "+bad) {
		t.Errorf("%s, notices %q", got, notices(r))
	}
	if r := w.query(`{"queryType":"sessions","session":["` + bad + `"]}`); r.Status != backend.StatusBadGateway {
		t.Errorf("only that: status %d, %v", r.Status, r.Error)
	}
}

// The nodes of every session are known from its last reading.
func TestNodesOfSettledSessionsAreNotReadAgain(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	query := `{"queryType":"nodes","session":["` + well + `"]%s}`
	read := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.asked["session/"+well]
	}
	w.query(`{"queryType":"sessions"}`)
	before := read()
	for _, how := range []string{"", `,"node":"x1000*"`, `,"fresh":true`} {
		if n := len(rows(t, w.query(fmt.Sprintf(query, how)))); n == 0 || read() != before {
			t.Errorf("%d rows, read %d times", n, read()-before)
		}
	}
}

func TestLinksLeadOn(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	f := w.query(`{"queryType":"sessions"}`).Frames[0]
	links := f.Fields[0].Config.Links
	if len(links) != 2 || links[0].Internal.DatasourceUID != "bos-uid" || links[1].URL != "/d/bos-session?var-bos=bos-uid&var-session=${__value.raw:percentencode}&var-tenant=${__data.fields.tenant:percentencode}&${__data.fields.range}" {
		t.Errorf("%+v", links)
	}
}

// People know a session by the beginning of a UUID, and by all of a name that somebody gave.
func TestShortNames(t *testing.T) {
	for id, want := range map[string]string{
		"6A7C3931-57e3-41d2-a92f-68b737108394":   "6A7C3931",
		"nightly-reboot-012":                     "nightly-reboot-012",
		"deadbeef-reboot":                        "deadbeef-reboot",
		"6a7c3931-57e3-41d2-a92f-68b737108394-2": "6a7c3931-57e3-41d2-a92f-68b737108394-2",
	} {
		if got := short(id); got != want {
			t.Errorf("%s is shortened to %s, want %s", id, got, want)
		}
	}
}

// Links need no variable but those of the row and of the time range, which Explore has, too.
func TestLinksLeadToTheSamePrometheus(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	dashboards := 0
	for name, query := range goldenQueries() {
		for _, f := range w.query(strings.Replace(query, "{", `{"prometheus":"p&1",`, 1)).Frames {
			for _, field := range f.Fields {
				for _, l := range field.Config.Links {
					if variable := strings.ReplaceAll(l.URL, "${__", ""); strings.Contains(variable, "$") {
						t.Errorf("%s: %s has a variable that Explore lacks", name, l.URL)
					}
					if strings.HasPrefix(l.URL, "/d/") {
						dashboards++
						if !strings.Contains(l.URL, "&var-prometheus=p%261&") {
							t.Errorf("%s: %s leads to another Prometheus", name, l.URL)
						}
					}
				}
			}
		}
	}
	if dashboards < 20 {
		t.Errorf("only %d links to dashboards", dashboards)
	}
}

// A link to a session shows all of it and, while it is unfinished, what happens next.
func TestRangeOfSession(t *testing.T) {
	at := func(minute int) time.Time {
		return time.UnixMilli(1_764_000_000_000).Add(time.Duration(minute) * time.Minute)
	}
	v := &view{within: backend.TimeRange{From: at(0), To: at(60)}, now: at(60)}
	for name, c := range map[string]struct {
		start       time.Time
		preexisting bool
		end         time.Time
		want        string
	}{
		"ended":                           {start: at(10), end: at(20), want: "from=1764000600000&to=1764001320000"},
		"ended just now":                  {start: at(10), end: at(59), want: "from=1764000600000&to=now"},
		"unfinished":                      {start: at(10), want: "from=1764000600000&to=now"},
		"undated":                         {preexisting: true, want: "from=1764000000000&to=now"},
		"undated, ended before the range": {preexisting: true, end: at(-5), want: "from=1763999700000&to=1763999820000"},
		"starts after now":                {start: at(70), want: "from=1764003600000&to=now"},
		"starts and ends after now":       {start: at(70), end: at(75), want: "from=1764003600000&to=now"},
		"ended before it started":         {start: at(30), end: at(10), want: "from=1764000600000&to=1764000720000"},
		"ended at once":                   {start: at(10), end: at(10), want: "from=1764000600000&to=1764000720000"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &inventory.Session{Session: &bos.Session{Metadata: bos.Metadata{StartTime: c.start}, Preexisting: c.preexisting}}
			if !c.end.IsZero() {
				s.Verdict = bos.Verdict{Ending: bos.Ended, End: c.end}
			}
			if got := v.rangeOf(s); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// Panels show their sentence for no value only where there are no columns.
func TestNoRowsHaveNoColumns(t *testing.T) {
	w := newWorld(t, bossim.Scripted())
	for name, query := range goldenQueries() {
		f := w.query(query)
		keeps := name == "counts" || name == "values" // which alert rules and variables need
		if f.Error != nil || len(f.Frames) != 1 || (len(f.Frames[0].Fields) > 0) != keeps || !strings.Contains(notices(f), "No session matches") {
			t.Errorf("%s: %v, %d frames, notices %q", name, f.Error, len(f.Frames), notices(f))
		}
	}
}

// ended is a session that has ended.
func ended(s *bos.Session) *inventory.Session {
	return &inventory.Session{Session: s, Verdict: bos.Verdict{State: bos.StatePartial, Ending: bos.Ended}}
}

func TestCommandIsSafeInAShell(t *testing.T) {
	for template, want := range map[string]string{
		"cle-1.3.0":      "cle-1.3.0",
		"my template":    "'my template'",
		"$(reboot) 'x' ": `'$(reboot) '\''x'\'' '`,
	} {
		got := command(ended(&bos.Session{API: bos.APIv1, Operation: "reboot", Template: template}), []string{"x1000c0s0b0n0", "x1000c0s0b0n1"}, nil)
		if want = "cray bos v1 session create --template-uuid " + want + " --operation reboot --limit x1000c0s0b0n0,x1000c0s0b0n1"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A retry is a session of the same API, and includes what the session included.
func TestCommandSpeaksTheAPIOfTheSession(t *testing.T) {
	for _, tt := range []struct {
		name    string
		session bos.Session
		want    string
	}{
		{"v1", bos.Session{API: bos.APIv1}, "cray bos v1 session create --template-uuid t --operation boot --limit x1000c0s0b0n0"},
		{"v2", bos.Session{API: bos.APIv2}, "cray bos v2 sessions create --template-name t --operation boot --limit x1000c0s0b0n0"},
		{"v2 with disabled nodes", bos.Session{API: bos.APIv2, IncludeDisabled: true},
			"cray bos v2 sessions create --template-name t --operation boot --include-disabled true --limit x1000c0s0b0n0"},
		{"v2 of a tenant", bos.Session{API: bos.APIv2, Tenant: "blue\nreboot"},
			"# The cray CLI must be configured for the tenant of the session (core.tenant): \"blue\\nreboot\"\n" +
				"cray bos v2 sessions create --template-name t --operation boot --limit x1000c0s0b0n0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.session.Template, tt.session.Operation = "t", "boot"
			if got := command(ended(&tt.session), []string{"x1000c0s0b0n0"}, nil); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// What tells more about a session is its boot agent, or BOS itself in the API of the session.
func TestAsk(t *testing.T) {
	for _, tt := range []struct {
		name    string
		session bos.Session
		want    string
	}{
		{"v1", bos.Session{API: bos.APIv1, ID: "s", Job: "boa-s"}, "kubectl -n services logs -c boa job/boa-s"},
		{"v1 without a boot agent", bos.Session{API: bos.APIv1, ID: "s"}, "cray bos v1 session status list s"},
		{"v2", bos.Session{API: bos.APIv2, ID: "s"}, "cray bos v2 sessions status list s"},
		{"v2 of a tenant", bos.Session{API: bos.APIv2, ID: "s", Tenant: "blue"},
			"# The cray CLI must be configured for the tenant of the session (core.tenant): \"blue\"\ncray bos v2 sessions status list s"},
		{"names that a shell would run", bos.Session{API: bos.APIv2, ID: "s;reboot"}, "cray bos v2 sessions status list 's;reboot'"},
		{"a job that a shell would run", bos.Session{API: bos.APIv1, ID: "s", Job: "$(reboot)"}, "kubectl -n services logs -c boa 'job/$(reboot)'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (sessionRow{Session: ended(&tt.session)}).ask(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// The nodes of the largest machines do not fit into one argument of a program.
func TestCommandsAreShortEnough(t *testing.T) {
	if got := command(ended(&bos.Session{API: bos.APIv1, Operation: "boot"}), []string{"x1000c0s0b0n0"}, nil); got != "" {
		t.Errorf("without a template: %s", got)
	}
	nodes := bossim.Nodes(12_000)
	lines := strings.Split(command(ended(&bos.Session{API: bos.APIv1, Operation: "boot", Template: "all"}), nodes, nil), "\n")
	var all []string
	for _, line := range lines {
		words := strings.Fields(line)
		limit := words[len(words)-1]
		if len(limit) >= 128<<10 {
			t.Errorf("a limit of %d bytes", len(limit))
		}
		all = append(all, strings.Split(limit, ",")...)
	}
	if len(lines) != 2 || !slices.Equal(all, nodes) {
		t.Errorf("%d nodes in %d lines", len(all), len(lines))
	}
}

func TestCountsIsShapedForAlerting(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	f := w.query(`{"queryType":"counts"}`).Frames[0]
	numbers := 0
	for _, field := range f.Fields {
		if field.Type().Numeric() {
			numbers++
		} else if field.Type().ItemTypeString() != "string" {
			t.Errorf("%s is of type %s", field.Name, field.Type())
		}
	}
	if numbers != 1 || f.Meta.Type != "numeric-long" {
		t.Errorf("%d numbers, type %s", numbers, f.Meta.Type)
	}
}
