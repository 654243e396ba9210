//go:build faults

package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// pluginInterval is the time in which the datasource backs off from lists.
const pluginInterval = 10 * time.Second

// pluginMoments are those at which the datasource is asked.
var pluginMoments = []string{"before the first list", "first sweep", "first sweep after the end", "boot in progress", "settled", "session deleted",
	"v2: first sweep", "v2: boot in progress"}

// slow faults are those after which the list is left alone for a while.
var slow = []bossim.Fault{bossim.Hang, bossim.DeadConnections, bossim.Crawl, bossim.GatewayTimeout, bossim.LongString, bossim.Huge, bossim.Bulky}

var instances atomic.Int64

// pluginRig is a rig with an instance of the datasource that looks at it.
type pluginRig struct {
	*rig
	plugin   programs.Plugin
	settings backend.DataSourceInstanceSettings
}

func (r *pluginRig) ask(queryType string) backend.DataResponse {
	r.t.Helper()
	now := time.Now().Add(time.Hour)
	begin := time.Now()
	resp, err := r.plugin.Data.QueryData(r.t.Context(), backend.ToProto().QueryDataRequest(&backend.QueryDataRequest{
		PluginContext: backend.PluginContext{PluginID: "bosexporter-bos-datasource", DataSourceInstanceSettings: &r.settings},
		Queries: []backend.DataQuery{{RefID: "A", TimeRange: backend.TimeRange{From: now.Add(-48 * time.Hour), To: now},
			JSON: json.RawMessage(fmt.Sprintf(`{"queryType":%q}`, queryType))}},
	}))
	if err != nil {
		r.t.Fatalf("QueryData returns an error: %v", err)
	}
	if took := time.Since(begin); took > 2*patience {
		r.fail("queries are answered", took.String(), (2 * patience).String())
	}
	back, err := backend.FromProto().QueryDataResponse(resp)
	if err != nil {
		r.t.Fatal(err)
	}
	return back.Responses["A"]
}

// rows returns the rows of an answer, by the names of its fields, without pointers.
func rows(r backend.DataResponse) (all []map[string]string) {
	for _, f := range r.Frames {
		n, _ := f.RowLen()
		for i := range n {
			row := make(map[string]string)
			for _, field := range f.Fields {
				if v, ok := field.ConcreteAt(i); ok {
					row[field.Name] = fmt.Sprint(v)
				}
			}
			all = append(all, row)
		}
	}
	return all
}

func warnings(r backend.DataResponse) (all []string) {
	for _, f := range r.Frames {
		if f.Meta == nil {
			continue
		}
		for _, n := range f.Meta.Notices {
			if n.Severity != data.NoticeSeverityInfo {
				all = append(all, n.Text)
			}
		}
	}
	return all
}

// say writes what an answer says beside its rows.
func say(r backend.DataResponse) string {
	if r.Error != nil {
		return fmt.Sprintf("status %d: %v", r.Status, r.Error)
	}
	return fmt.Sprintf("%d rows, warnings %q", len(rows(r)), warnings(r))
}

// mismatch returns the first difference between the answers and what BOS holds now, or
// "".
func (r *pluginRig) mismatch() string {
	want := r.oracle.now()
	s := r.ask("sessions")
	if s.Error != nil || len(warnings(s)) > 0 {
		return "sessions: " + say(s)
	}
	missing := maps.Clone(want)
	for _, row := range rows(s) {
		id := row["session"]
		delete(missing, id)
		if amiss := r.wrong(row, []map[string]session{want}); amiss != "" {
			return amiss
		}
		if id != extra && row["state"] != string(r.state) {
			return fmt.Sprintf("%s is %q instead of %q", id, row["state"], r.state)
		}
	}
	if len(missing) > 0 {
		return fmt.Sprintf("there are no rows for %v", slices.Sorted(maps.Keys(missing)))
	}
	n := r.ask("nodes")
	if n.Error != nil || len(warnings(n)) > 0 {
		return "nodes: " + say(n)
	}
	got := nodeRows(n)
	for id := range want {
		if diff := missingRows(want[id].rows, got[id]); diff != "" {
			return "there is no row for " + id + " " + diff
		}
		if diff := missingRows(got[id], want[id].rows); diff != "" {
			return "there is a row for " + id + " " + diff
		}
	}
	return ""
}

// wrong returns what a row of a session says that BOS never held, or "".
func (r *pluginRig) wrong(row map[string]string, times []map[string]session) string {
	id := row["session"]
	var held []map[string]float64
	for _, t := range times {
		if h, ok := t[id]; ok {
			held = append(held, h.series)
		}
	}
	if len(held) == 0 {
		return "there is a row for " + id + ", which BOS does not know"
	}
	for column, family := range map[string]string{"nodes": "bos_session_nodes", "failed": "bos_session_failed_nodes"} {
		got, ok := row[column]
		series := fmt.Sprintf("%s{session=%q,tenant=%q}", family, id, row["tenant"])
		if ok && !slices.ContainsFunc(held, func(h map[string]float64) bool { return format(h, series) == got }) {
			return fmt.Sprintf("%s of %s is %s instead of %s", column, id, got, format(held[0], series))
		}
	}
	return ""
}

// nodeRows are the rows of nodes as "boot set/phase/category/node", by session.
func nodeRows(r backend.DataResponse) map[string]map[string]bool {
	all := make(map[string]map[string]bool)
	for _, row := range rows(r) {
		id := row["session"]
		if all[id] == nil {
			all[id] = make(map[string]bool)
		}
		all[id][strings.Join([]string{row["bootset"], row["phase"], row["category"], row["node"]}, "/")] = true
	}
	return all
}

// missingRows returns the first row that is not there, or "".
func missingRows(want, got map[string]bool) string {
	for _, row := range slices.Sorted(maps.Keys(want)) {
		if !got[row] {
			return row
		}
	}
	return ""
}

// truthful checks an answer under the fault.
func (r *pluginRig) truthful(queryType string, times []map[string]session, since time.Time) {
	a := r.ask(queryType)
	struck := r.missing(times, since)
	if a.Error != nil {
		if a.Error.Error() == "" || a.Status < 400 {
			r.fail("errors are plain", say(a), "a status and what to do")
		}
		if r.reach == sessions || r.harmless() {
			r.fail("some bad sessions are no error", queryType+": "+say(a), "the rows of the others")
		}
		return
	}
	if struck && !r.harmless() && !(r.moment.v2 && slices.Contains(thin, r.fault)) && len(warnings(a)) == 0 {
		r.fail("stale or missing data is reported", queryType+": "+say(a), "a warning or an error")
	}
	switch queryType {
	case "sessions":
		there := make(map[string]bool)
		for _, row := range rows(a) {
			there[row["session"]] = true
			if amiss := r.wrong(row, times); amiss != "" {
				r.fail("values are true", amiss, "what BOS holds, or held when it was last read")
			}
			ok := slices.Contains(r.moment.states, bos.State(row["state"])) || row["session"] == extra ||
				r.moment.unknown && (row["state"] == string(bos.StateUnknown) || slices.Contains(absence, r.fault) || slices.Contains(thin, r.fault))
			if !ok {
				r.fail("states are true", fmt.Sprintf("%s is %q", row["session"], row["state"]), fmt.Sprint(r.moment.states))
			}
		}
		if r.reach == sessions && !there[untouched] {
			r.fail("other sessions stay", "no row of "+untouched, "one")
		}
	case "nodes":
		if r.fault == bossim.OddNodes {
			return // other names are no lie
		}
		got := nodeRows(a)
		for id, found := range got {
			held := make(map[string]bool)
			for _, t := range times {
				maps.Copy(held, t[id].rows)
			}
			if row := missingRows(found, held); row != "" {
				r.fail("values are true", id+" "+row, "no such row")
			}
		}
		if row := missingRows(times[len(times)-1][untouched].rows, got[untouched]); r.reach == sessions && row != "" {
			r.fail("other sessions stay", "no row for "+untouched+" "+row, "one")
		}
	}
}

// missing reports whether the fault has kept the datasource from something that BOS
// holds.
func (r *pluginRig) missing(times []map[string]session, since time.Time) bool {
	now := times[len(times)-1]
	return slices.ContainsFunc(r.asked(since), func(q request) bool {
		switch q.resource {
		case bossim.Template:
			return r.reach == template && !(r.moment.v2 && slices.Contains(absence, r.fault))
		case bossim.List:
			return r.fault.Befalls(bossim.List) && (r.reach == list || r.reach == everything)
		}
		b, there := now[q.session]
		return there && r.loses(q.asked, b)
	})
}

var xname = regexp.MustCompile(`^x\d+c\d+s\d+b\d+n\d+$`)

func (c cell) runPlugin(t *testing.T, p programs.Plugin) {
	n := instances.Add(1)
	r := &pluginRig{rig: newRig(t, c), plugin: p}
	r.settings = backend.DataSourceInstanceSettings{ID: n, UID: fmt.Sprint("bos-", n), Name: "BOS", Updated: time.Now(),
		Type: "bosexporter-bos-datasource", URL: r.url, JSONData: json.RawMessage(fmt.Sprintf(`{"cacheSeconds":0,"timeout":%d}`, max(1, c.timeout()/time.Second)))}
	times := []map[string]session{r.oracle.now()}
	if !c.moment.unknown {
		if amiss := r.until(2*noise, r.mismatch); amiss != "" {
			r.fail("everything is right before the fault", amiss, "what BOS holds")
			return
		}
	}
	r.inject()
	since := time.Now()
	if c.moment.step > 0 {
		r.clock.Advance(c.moment.step)
		r.state = c.moment.states[len(c.moment.states)-1]
		times = append(times, r.oracle.now())
	}
	r.truthful("sessions", times, since)
	r.truthful("nodes", times, since)
	if c.fault == bossim.OddNodes {
		for _, row := range rows(r.ask("retry")) {
			if row["not_known"] != "" {
				continue // it says why there is no limit
			}
			for name := range strings.SplitSeq(row["limit"], ",") {
				if !xname.MatchString(name) {
					r.fail("a retry takes xnames only", fmt.Sprintf("%q", row["limit"]), "xnames")
				}
			}
		}
	}
	r.sim.Heal()
	if c.fault == bossim.OddNodes && c.moment.resting {
		return // it has settled with these names, and is read again hours later
	}
	recovery := noise
	if slices.Contains(slow, c.fault) {
		recovery += 2*pluginInterval + 2*time.Second
	}
	healed := time.Now()
	if amiss := r.until(recovery, r.mismatch); amiss != "" {
		r.fail("everything is right after the fault", amiss, "what BOS holds within "+recovery.String())
	}
	pluginResults.healed(c, time.Since(healed))
	for _, q := range r.asked(since) {
		if q.method != http.MethodGet {
			r.fail("nothing is sent but GET", q.method+" "+q.path, "GET")
		}
		if strings.HasPrefix(q.path, bossim.RedirectTarget) {
			r.fail("redirects are not followed", q.path, "no such request")
		}
	}
}

// TestDatasource asks the plugin over gRPC, as Grafana does.
func TestDatasource(t *testing.T) {
	t.Parallel()
	p := programs.StartPlugin(t, pluginBinary)
	t.Cleanup(func() { pluginResults.print("Datasource") })
	for _, c := range cells() {
		if !slices.Contains(pluginMoments, c.moment.name) {
			continue
		}
		t.Run(fmt.Sprintf("%s/%s/%s", c.fault, c.moment.name, c.reach), func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() { pluginResults.done(c, t.Failed()) })
			c.runPlugin(t, p)
		})
	}
}
