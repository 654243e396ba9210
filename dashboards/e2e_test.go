//go:build e2e

package dashboards

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// situation is a state of BOS that all programs observe together.
type situation struct {
	sessions func(now time.Time, s server) []bossim.Spec
	alerts   []string // that reach Alertmanager, sorted
	pending  []string // that are still pending in Prometheus
}

// ago returns a session that began the given time ago.
func ago(now time.Time, id, operation string, began time.Duration, nodes []string, troubles ...bossim.Trouble) bossim.Spec {
	return bossim.Spec{ID: id, Operation: operation, Template: "compute-1.2", Created: now.Add(-began),
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: nodes, Troubles: troubles}}}
}

// atWork is how long ago a reboot began that is still running.
const atWork = 14 * time.Minute

// earlier are the nodes of a session that is over before anybody looks. No other session
// takes them: BOS v2 would no longer tell what became of them.
var earlier = bossim.Nodes(24)[16:]

var situations = map[string]situation{
	"quiet": {sessions: func(now time.Time, s server) []bossim.Spec {
		ends := ago(now, "ends", bos.Shutdown, s.shutdown-20*time.Second, bossim.Nodes(8)) // in twenty seconds
		return []bossim.Spec{ago(now, "well", bos.Reboot, 2*time.Hour, earlier), ends}
	}},
	"running": {sessions: func(now time.Time, s server) []bossim.Spec {
		all := []bossim.Spec{ago(now, "well", bos.Reboot, 2*time.Hour, earlier), ago(now, "running", bos.Reboot, atWork, bossim.Nodes(8))}
		if s.api == bos.APIv2 {
			staged := ago(now, "staged", bos.Reboot, time.Hour, bossim.Nodes(12)[8:])
			staged.Stage = true
			all = append(all, staged)
		}
		return all
	}},
	"failing": {
		sessions: func(now time.Time, _ server) []bossim.Spec {
			trouble := bossim.Trouble{Kind: bossim.PowerOnRefused, Nodes: bossim.Nodes(1), Message: "NodeBMC Communication Error"}
			before := trouble
			before.Nodes = earlier[:1]
			return []bossim.Spec{ago(now, "partial", bos.Reboot, 2*time.Hour, earlier, before), ago(now, "failing", bos.Reboot, atWork, bossim.Nodes(8), trouble)}
		},
		alerts: []string{"BOSSessionErrors failing", "BOSSessionPartial partial"},
	},
	"stuck": {
		sessions: func(now time.Time, _ server) []bossim.Spec {
			killed := ago(now, "stuck", bos.Boot, time.Hour, bossim.Nodes(12)[4:])
			killed.Agent.Killed = 10 * time.Minute
			return []bossim.Spec{ago(now, "well", bos.Reboot, 2*time.Hour, earlier), killed, ago(now, "running", bos.Reboot, atWork, bossim.Nodes(8))}
		},
		pending: []string{"BOSSessionStuck stuck"},
	},
}

// TestEndToEnd runs the built exporter on a simulated BOS, with a real Prometheus that
// scrapes it and a real Alertmanager that receives its alerts. It runs the queries of
// every panel of every dashboard against Prometheus and the built plugin.
func TestEndToEnd(t *testing.T) {
	folder := t.TempDir()
	build := func(pkg string) string {
		binary, err := programs.Build(folder, pkg)
		if err != nil {
			t.Fatal(err)
		}
		return binary
	}
	exporter, plugin := build("../cmd/bos_exporter"), programs.StartPlugin(t, build("../cmd/gpx_bos_datasource"))
	instance := int64(0)
	for _, server := range servers {
		for _, name := range slices.Sorted(maps.Keys(situations)) {
			instance++
			number := instance
			t.Run(server.api+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := start(t, exporter, server, situations[name], number)
				s.plugin = plugin
				for _, d := range load(t) {
					vars := s.choose(d)
					for _, p := range d.panels() {
						if len(p.Targets) == 0 || p.Datasource.Type == bosType && server.lacks(p) {
							continue // the datasource says that it cannot be asked on this API
						}
						panel := d.Title + ": " + p.Title
						want := !server.lacks(p) && server.rowsIn(panel, name)
						programs.Eventually(t, func() string {
							if n := s.rows(p, vars); (n > 0) != want {
								return fmt.Sprintf("%s has %d rows", panel, n)
							}
							return ""
						})
					}
				}
				s.checkAlerts(situations[name])
			})
		}
	}
}

// stack is a simulated BOS and the programs that observe it.
type stack struct {
	t                        *testing.T
	plugin                   programs.Plugin
	datasource               backend.DataSourceInstanceSettings
	prometheus, alertmanager *programs.Program
}

func start(t *testing.T, exporter string, on server, s situation, instance int64) *stack {
	t.Helper()
	folder := t.TempDir()
	file := func(name, format string, args ...any) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules, err := filepath.Abs("rules/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	sim := httptest.NewServer(bossim.New(bossim.Scripted(s.sessions(time.Now(), on)...), on.era, time.Now))
	t.Cleanup(sim.Close)
	bosExporter := programs.Start(t, exporter, "--bos.url="+sim.URL, "--bos.interval=1s", "--web.listen-address=127.0.0.1:0")
	bosExporter.Ready()
	alertmanager := programs.Start(t, "../build/alertmanager", "--config.file="+file("alertmanager.yml", "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"),
		"--storage.path="+folder, "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
	prometheus := programs.Start(t, "../build/prometheus", "--config.file="+file("prometheus.yml", `
global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {grafana: "https://grafana.test"}}
rule_files: [%q]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: bos, static_configs: [{targets: [%q]}]}]
`, rules, strings.TrimPrefix(alertmanager.URL, "http://"), strings.TrimPrefix(bosExporter.URL, "http://")),
		"--storage.tsdb.path="+filepath.Join(folder, "tsdb"), "--web.listen-address=127.0.0.1:0")
	prometheus.Ready()
	return &stack{t: t, prometheus: prometheus, alertmanager: alertmanager, datasource: backend.DataSourceInstanceSettings{
		ID: instance, UID: "bos", Name: "BOS", Type: bosType, URL: sim.URL, JSONData: json.RawMessage(`{"cacheSeconds":1}`), Updated: time.Now(),
	}}
}

// choose returns the selections of the variables when a dashboard is first opened: All
// where it is offered, otherwise the first value.
func (s *stack) choose(d dashboard) map[string]chosen {
	vars := make(map[string]chosen)
	for _, v := range d.Templating.List {
		switch {
		case v.Type == "custom":
			var values string
			if err := json.Unmarshal(v.Query, &values); err != nil {
				s.t.Fatal(err)
			}
			vars[v.Name] = chosen{values: strings.Split(values, ",")[:1]}
		case v.Type != "query":
			vars[v.Name] = chosen{}
		case v.Datasource.Type == prometheusType:
			vars[v.Name] = chosen{many: true, all: true, allValue: v.AllValue}
		default:
			r := s.ask(fillQuery(s.t, v.Query, vars))
			var values []string
			for i := range r.Frames[0].Fields[1].Len() {
				values = append(values, r.Frames[0].Fields[1].At(i).(string))
			}
			if len(values) == 0 {
				s.t.Fatalf("%s: the variable %s has no values", d.Title, v.Name)
			}
			if !v.IncludeAll {
				values = values[:1]
			}
			vars[v.Name] = chosen{many: v.Multi || v.IncludeAll, values: values, all: v.IncludeAll}
		}
	}
	return vars
}

// rows returns the number of rows that a panel shows.
func (s *stack) rows(p panel, vars map[string]chosen) (n int) {
	if p.Repeat != "" { // one panel for each value
		first := vars[p.Repeat].values[:1]
		vars = maps.Clone(vars)
		vars[p.Repeat] = chosen{many: true, values: first}
	}
	for _, raw := range p.Targets {
		if p.Datasource.Type == bosType {
			for _, f := range s.ask(fillQuery(s.t, raw, vars)).Frames {
				if len(f.Fields) > 0 {
					n += f.Rows()
				}
			}
			continue
		}
		var target struct {
			Expr    string
			Instant bool
		}
		if err := json.Unmarshal(raw, &target); err != nil {
			s.t.Fatal(err)
		}
		query := url.Values{"query": {fillPromQL(target.Expr, vars)}}
		path := "/api/v1/query?"
		if !target.Instant {
			now := time.Now().Unix()
			query.Set("start", strconv.FormatInt(now-300, 10))
			query.Set("end", strconv.FormatInt(now, 10))
			query.Set("step", "1")
			path = "/api/v1/query_range?"
		}
		var answer struct {
			Status, Error string
			Data          struct {
				Result []struct {
					Value  [2]any
					Values [][2]any
				}
			}
		}
		get(s.t, s.prometheus, path+query.Encode(), &answer)
		if answer.Status != "success" {
			s.t.Fatalf("%s: %s", p.Title, answer.Error)
		}
		for _, r := range answer.Data.Result {
			if slices.ContainsFunc(append(r.Values, r.Value), func(v [2]any) bool { return v[1] != nil && v[1] != "NaN" }) {
				n++
			}
		}
	}
	return n
}

func get(t *testing.T, p *programs.Program, path string, into any) {
	t.Helper()
	_, body := p.Get(path)
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%s: %v in %s", path, err, body)
	}
}

// ask queries the plugin over gRPC, as Grafana does.
func (s *stack) ask(query json.RawMessage) backend.DataResponse {
	s.t.Helper()
	now := time.Now()
	resp, err := s.plugin.Data.QueryData(s.t.Context(), backend.ToProto().QueryDataRequest(&backend.QueryDataRequest{
		PluginContext: backend.PluginContext{PluginID: bosType, DataSourceInstanceSettings: &s.datasource},
		Queries:       []backend.DataQuery{{RefID: "A", TimeRange: backend.TimeRange{From: now.Add(-6 * time.Hour), To: now}, JSON: query}},
	}))
	if err != nil {
		s.t.Fatal(err)
	}
	answers, err := backend.FromProto().QueryDataResponse(resp)
	if err != nil {
		s.t.Fatal(err)
	}
	r := answers.Responses["A"]
	if r.Error != nil {
		s.t.Fatalf("%s: %v", query, r.Error)
	}
	return r
}

// checkAlerts waits until exactly the alerts of the situation have reached Alertmanager,
// and checks that no others are pending and that all rules are healthy.
func (s *stack) checkAlerts(want situation) {
	s.t.Helper()
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Name, Health, LastError string
					LastEvaluation          time.Time
				}
			}
		}
	}
	begin := time.Now() // the panels have shown that everything has been scraped by now
	programs.Eventually(s.t, func() string {
		get(s.t, s.prometheus, "/api/v1/rules", &rules)
		for _, g := range rules.Data.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" || r.LastEvaluation.Before(begin) {
					return fmt.Sprintf("rule %s is %s, evaluated at %s: %s", r.Name, r.Health, r.LastEvaluation, r.LastError)
				}
			}
		}
		return ""
	})
	programs.Eventually(s.t, func() string {
		var alerts []struct{ Labels, Annotations map[string]string }
		get(s.t, s.alertmanager, "/api/v2/alerts", &alerts)
		var got []string
		for _, a := range alerts {
			got = append(got, a.Labels["alertname"]+" "+a.Labels["session"])
			if link := "https://grafana.test/d/bos-session?var-session=" + a.Labels["session"]; !strings.HasPrefix(a.Annotations["dashboard"], link) || a.Annotations["summary"] == "" {
				s.t.Errorf("%s: annotations %v", got, a.Annotations)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want.alerts) {
			return fmt.Sprintf("Alertmanager has the alerts %q, want %q", got, want.alerts)
		}
		return ""
	})
	var active struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	get(s.t, s.prometheus, "/api/v1/alerts", &active)
	var pending []string
	for _, a := range active.Data.Alerts {
		if a.State == "pending" {
			pending = append(pending, a.Labels["alertname"]+" "+a.Labels["session"])
		}
	}
	if !slices.Equal(pending, want.pending) {
		s.t.Errorf("the alerts %q are pending, want %q", pending, want.pending)
	}
}
