//go:build promtool

package dashboards

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"

	"github.com/bos-exporter/bos-exporter/exporter"
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// alertCase is a scenario, and all alerts that fire at certain moments of it.
type alertCase struct {
	name     string
	sessions []bossim.Spec // whose Created counts from the zero time, which stands for the start
	minutes  int
	change   func(*exporter.Config)
	act      func(sim *bossim.Server, at time.Duration)
	scraped  func(at time.Duration) scraped
	want     []moment
	// onV2 is what is wanted on BOS v2, where that differs: the differences are listed in
	// alertsDiffer. It is empty for a story that v2 cannot tell, as want is for one that v1
	// cannot.
	onV2 []moment
	// sessionsOnV2 are the sessions on BOS v2, where they have to differ as well.
	sessionsOnV2 []bossim.Spec
}

// wanted returns the moments of the case on a server, or none if it cannot be told there.
func (c *alertCase) wanted(s server) []moment {
	if _, differs := alertsDiffer[c.name]; differs && s.api == bos.APIv2 {
		return c.onV2
	}
	return c.want
}

// scraped is the result of a scrape.
type scraped int

const (
	well       scraped = iota
	failed             // the target is down
	notAtAll           // there is no target
	minute     = time.Minute
	grafanaURL = "https://grafana.test"
)

// moment is a time and the alerts that fire at it. All others are silent.
type moment struct {
	at     time.Duration
	alerts []firing
}

type firing struct {
	name, summary string
	labels        map[string]string
	value         float64 // where an annotation other than the summary depends on it
}

func at(m time.Duration, alerts ...firing) moment { return moment{m, alerts} }

// ofSession returns an alert about a session.
func ofSession(name, session, operation, template, summary string) firing {
	return firing{name: name, summary: summary, value: 1, labels: map[string]string{"job": "bos", "instance": "exporter:9936",
		"session": session, "operation": operation, "template": template}}
}

// ofTenant returns the alert about a session of a tenant.
func ofTenant(tenant string, f firing) firing {
	f.labels["tenant"] = tenant
	return f
}

// ofExporter returns an alert about BOS or the exporter. More labels are given in pairs.
func ofExporter(name, summary string, more ...string) firing {
	labels := map[string]string{"job": "bos", "instance": "exporter:9936"}
	for i := 0; i < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	return firing{name: name, summary: summary, labels: labels}
}

func session(id, operation string, after time.Duration, nodes int, troubles ...bossim.Trouble) bossim.Spec {
	return bossim.Spec{ID: id, Operation: operation, Template: "compute", Created: time.Time{}.Add(after),
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(nodes), Troubles: troubles}}}
}

func with(s bossim.Spec, change func(*bossim.Spec)) bossim.Spec {
	change(&s)
	return s
}

func several(n int, spec bossim.Spec) (all []bossim.Spec) {
	for i := range n {
		all = append(all, with(spec, func(s *bossim.Spec) { s.ID += strconv.Itoa(i) }))
	}
	return all
}

// apart gives each session nodes of its own, as BOS v2 has a node act for one session only.
func apart(specs []bossim.Spec) []bossim.Spec {
	from := 0
	for i := range specs {
		b := &specs[i].BootSets[0]
		n := len(b.Nodes)
		b = &bossim.BootSetSpec{Name: b.Name, Nodes: bossim.Nodes(from + n)[from:]}
		specs[i].BootSets = []bossim.BootSetSpec{*b}
		from += n
	}
	return specs
}

// once calls do at the given time.
func once(when time.Duration, do func(*bossim.Server)) func(*bossim.Server, time.Duration) {
	return func(sim *bossim.Server, now time.Duration) {
		if now == when {
			do(sim)
		}
	}
}

func fail(r bossim.Resource, f bossim.Fault) func(*bossim.Server) {
	return func(sim *bossim.Server) { sim.Fail(r, f) }
}

// withoutBootSet makes BOS answer as if the boot agent had never reported a boot set.
func withoutBootSet(name string) func(*bossim.Server) {
	return func(sim *bossim.Server) {
		sim.Substitute(func(r *http.Request) http.Handler {
			if strings.HasSuffix(r.URL.Path, "/status/"+name) {
				return http.NotFoundHandler()
			}
			return nil
		})
	}
}

// slow delays every response of BOS.
func slow(d time.Duration) func(*bossim.Server) {
	return func(sim *bossim.Server) { sim.Observe(func(*http.Request) { time.Sleep(d) }) }
}

func since(start time.Duration, what scraped) func(time.Duration) scraped {
	return func(at time.Duration) scraped {
		if at >= start {
			return what
		}
		return well
	}
}

var alertCases = []alertCase{
	{name: "all is well", minutes: 40,
		sessions: []bossim.Spec{session("s", bos.Reboot, 0, 8)},
		want:     []moment{at(5 * minute), at(12 * minute), at(24 * minute), at(39 * minute)}},

	{name: "one node fails, and the session goes on", minutes: 40,
		sessions: []bossim.Spec{session("s", bos.Reboot, 0, 8, bossim.Trouble{Kind: bossim.PowerOnRefused, Nodes: bossim.Nodes(1), Message: "NodeBMC Communication Error"})},
		want: []moment{
			at(6 * minute),
			at(11*minute, ofSession("BOSSessionErrors", "s", "reboot", "compute", "BOS reboot of compute has an error count of 1 and is still running")),
			at(16*minute, ofSession("BOSSessionErrors", "s", "reboot", "compute", "BOS reboot of compute has an error count of 1 and is still running")),
			at(35*minute, ofSession("BOSSessionPartial", "s", "reboot", "compute", "BOS reboot of compute succeeded only in part: 1 of 8 nodes failed")),
		}},

	{name: "no node succeeds", minutes: 40,
		sessions: []bossim.Spec{session("s", bos.Shutdown, 0, 4, bossim.Trouble{Kind: bossim.ShutdownFails, Message: "NodeBMC Communication Error"})},
		want: []moment{
			at(5 * minute),
			at(35*minute, ofSession("BOSSessionFailed", "s", "shutdown", "compute", "BOS shutdown of compute failed: 0 of 4 nodes succeeded")),
		}},

	{name: "some nodes are left unfinished", minutes: 30,
		sessions: []bossim.Spec{with(session("s", bos.Reboot, 0, 4), func(s *bossim.Spec) {
			s.BootSets = append(s.BootSets, bossim.BootSetSpec{Name: "other", Nodes: bossim.LoginNodes(2), Troubles: []bossim.Trouble{{Kind: bossim.StillReady, Nodes: bossim.LoginNodes(1)}}})
		})},
		want: []moment{
			at(20 * minute),
			at(29*minute, ofSession("BOSSessionPartial", "s", "reboot", "compute", "BOS reboot of compute succeeded only in part: 0 of 6 nodes failed, but some were left unfinished")),
		},
		onV2: []moment{at(29*minute, ofSession("BOSSessionPartial", "s", "reboot", "compute", "BOS reboot of compute succeeded only in part: 1 of 6 nodes failed"))}},

	{name: "a session ends without touching a node", minutes: 30,
		sessions: []bossim.Spec{session("s", bos.Boot, 0, 0)},
		want: []moment{
			at(3 * minute),
			at(20*minute, ofSession("BOSSessionOutcomeUnknown", "s", "boot", "compute", "BOS boot of compute ended without touching a node")),
		},
		onV2: []moment{at(20*minute, firing{name: "BOSSessionFailed", summary: "BOS boot of compute failed: it could not be set up, and acted on no node",
			labels: ofSession("", "s", "boot", "compute", "").labels})}},

	{name: "a staged session of a tenant waits", minutes: 4 * 60,
		sessionsOnV2: []bossim.Spec{with(session("s", bos.Reboot, 0, 4), func(s *bossim.Spec) { s.Tenant, s.Stage = "blue", true })},
		onV2:         []moment{at(minute), at(60 * minute), at(239 * minute)}},

	{name: "a session of a tenant fails in part", minutes: 40,
		sessionsOnV2: []bossim.Spec{with(session("s", bos.Reboot, 0, 8, bossim.Trouble{Kind: bossim.PowerOnRefused, Nodes: bossim.Nodes(1)}), func(s *bossim.Spec) { s.Tenant = "blue" })},
		onV2: []moment{at(35*minute, ofTenant("blue", ofSession("BOSSessionPartial", "s", "reboot", "compute",
			"BOS reboot of compute succeeded only in part: 1 of 8 nodes failed")))}},

	{name: "the agent ends before it reports a boot set", minutes: 60,
		sessions: []bossim.Spec{session("s", bos.Shutdown, 0, 4)},
		act:      once(0, withoutBootSet("compute")),
		want: []moment{
			at(4 * minute),
			at(30*minute, ofSession("BOSSessionOutcomeUnknown", "s", "shutdown", "compute", "BOS shutdown of compute ended with an unknown outcome: nothing is known about its nodes")),
		}},

	{name: "the agent ends before it reports the other boot set", minutes: 60,
		sessions: []bossim.Spec{with(session("s", bos.Shutdown, 0, 4), func(s *bossim.Spec) {
			s.BootSets = append(s.BootSets, bossim.BootSetSpec{Name: "other", Nodes: bossim.LoginNodes(2)})
		})},
		act: once(0, withoutBootSet("other")),
		want: []moment{
			at(4 * minute),
			at(30*minute, ofSession("BOSSessionOutcomeUnknown", "s", "shutdown", "compute", "BOS shutdown of compute ended with an unknown outcome: only some of its boot sets are known (nodes: 4)")),
		}},

	{name: "the template is gone, so nothing is known about the session", minutes: 60,
		sessions: []bossim.Spec{with(session("s", bos.Boot, 0, 4), func(s *bossim.Spec) { s.TemplateDeleted = true })},
		want: []moment{
			at(8 * minute), // it runs
			at(59*minute, ofSession("BOSSessionOutcomeUnknown", "s", "boot", "compute", "BOS boot of compute ended with an unknown outcome: nothing is known about its nodes")),
		}},

	{name: "the agent is killed", minutes: 26 * 60,
		sessions: []bossim.Spec{with(session("s", bos.Boot, 0, 4), func(s *bossim.Spec) { s.Agent.Killed = 15 * minute })},
		want: []moment{
			at(54 * minute),
			at(60*minute, ofSession("BOSSessionStuck", "s", "boot", "compute", "BOS boot of compute is stuck: no progress for 45m 10s")),
			at(24*60*minute, ofSession("BOSSessionStuck", "s", "boot", "compute", "BOS boot of compute is stuck: no progress for 23h 45m 10s")),
			at(25*60*minute + 30*minute),
		},
		onV2: []moment{
			at(30 * minute),
			at(60*minute, ofSession("BOSSessionStuck", "s", "boot", "compute", "BOS boot of compute is stuck: no progress for 47m 40s")),
			at(24*60*minute, ofSession("BOSSessionStuck", "s", "boot", "compute", "BOS boot of compute is stuck: no progress for 23h 47m 40s")),
			at(25*60*minute + 30*minute),
		}},

	{name: "the agent is killed after nodes have failed", minutes: 90,
		sessions: []bossim.Spec{with(session("s", bos.Reboot, 0, 4, bossim.Trouble{Kind: bossim.PowerOnRefused, Nodes: bossim.Nodes(1)}), func(s *bossim.Spec) { s.Agent.Killed = 15 * minute })},
		want: []moment{
			at(14*minute, ofSession("BOSSessionErrors", "s", "reboot", "compute", "BOS reboot of compute has an error count of 1 and is still running")),
			at(80*minute, ofSession("BOSSessionStuck", "s", "reboot", "compute", "BOS reboot of compute is stuck: no progress for 1h 12m 40s, 1 failed")),
		},
		onV2: []moment{
			at(14*minute, ofSession("BOSSessionErrors", "s", "reboot", "compute", "BOS reboot of compute has an error count of 1 and is still running")),
			at(80*minute, ofSession("BOSSessionStuck", "s", "reboot", "compute", "BOS reboot of compute is stuck: no progress for 1h 6m 10s, 1 failed")),
		}},

	{name: "nodes fail in two boot sets", minutes: 20,
		sessions: []bossim.Spec{with(session("s", bos.Reboot, 0, 4, bossim.Trouble{Kind: bossim.PowerOnRefused, Nodes: bossim.Nodes(2)}), func(s *bossim.Spec) {
			s.BootSets = append(s.BootSets, bossim.BootSetSpec{Name: "other", Nodes: bossim.LoginNodes(2), Troubles: []bossim.Trouble{{Kind: bossim.PowerOnRefused, Nodes: bossim.LoginNodes(1)}}})
		})},
		want: []moment{at(15*minute, ofSession("BOSSessionErrors", "s", "reboot", "compute", "BOS reboot of compute has an error count of 3 and is still running"))}},

	{name: "the agent never starts", minutes: 30,
		sessions: []bossim.Spec{with(session("s", bos.Boot, 0, 4), func(s *bossim.Spec) { s.Agent.Never = true })},
		want: []moment{
			at(14 * minute),
			at(18*minute, ofSession("BOSSessionStuck", "s", "boot", "compute", "BOS boot of compute is stuck: no progress for 18m 0s")),
		}},

	{name: "far slower than before", minutes: 150,
		sessions: []bossim.Spec{
			session("before", bos.Reboot, 0, 8),
			with(session("s", bos.Reboot, 30*minute, 8), func(s *bossim.Spec) { s.Pace = 0.4 }),
			with(session("new", bos.Reboot, 30*minute, 8), func(s *bossim.Spec) { s.Pace, s.Template = 0.4, "without-history" }),
		},
		want: []moment{
			at(78 * minute),
			at(88*minute, ofSession("BOSSessionSlow", "s", "reboot", "compute", "BOS reboot of compute has been running for 58m 0s, more than twice as long as any in the past week")),
			at(149 * minute),
		},
		sessionsOnV2: apart([]bossim.Spec{
			session("before", bos.Reboot, 0, 8),
			with(session("s", bos.Reboot, 30*minute, 8), func(s *bossim.Spec) { s.Pace = 0.4 }),
			with(session("new", bos.Reboot, 30*minute, 8), func(s *bossim.Spec) { s.Pace, s.Template = 0.4, "without-history" }),
		}),
		onV2: []moment{
			at(64 * minute),
			at(70*minute, ofSession("BOSSessionSlow", "s", "reboot", "compute", "BOS reboot of compute has been running for 40m 0s, more than twice as long as any in the past week")),
			at(149 * minute),
		}},

	{name: "slow, and then stuck", minutes: 140,
		sessions: []bossim.Spec{
			session("before", bos.Reboot, 0, 8),
			with(session("s", bos.Reboot, 30*minute, 8), func(s *bossim.Spec) { s.Pace, s.Agent.Killed = 0.4, 22*minute }),
		},
		want: []moment{
			at(88*minute, ofSession("BOSSessionSlow", "s", "reboot", "compute", "BOS reboot of compute has been running for 58m 0s, more than twice as long as any in the past week")),
			at(130*minute, ofSession("BOSSessionStuck", "s", "reboot", "compute", "BOS reboot of compute is stuck: no progress for 47m 10s")),
		},
		sessionsOnV2: apart([]bossim.Spec{
			session("before", bos.Reboot, 0, 8),
			with(session("s", bos.Reboot, 30*minute, 8), func(s *bossim.Spec) { s.Pace, s.Agent.Killed = 0.4, 15*minute }),
		}),
		onV2: []moment{
			at(68*minute, ofSession("BOSSessionSlow", "s", "reboot", "compute", "BOS reboot of compute has been running for 38m 0s, more than twice as long as any in the past week")),
			at(130*minute, ofSession("BOSSessionStuck", "s", "reboot", "compute", "BOS reboot of compute is stuck: no progress for 1h 6m 10s")),
		}},

	{name: "BOS is down", minutes: 30,
		sessions: []bossim.Spec{session("s", bos.Reboot, 0, 4, bossim.Trouble{Kind: bossim.PowerOnRefused, Nodes: bossim.Nodes(1)})},
		act: func(sim *bossim.Server, now time.Duration) {
			once(3*minute, fail(bossim.Everything, bossim.Unavailable))(sim, now)
			once(14*minute, (*bossim.Server).Heal)(sim, now)
		},
		want: []moment{
			at(7 * minute),
			at(13*minute, ofExporter("BOSDown", "BOS is down: its last successful response was 10m 10s ago")),
			at(16*minute, ofSession("BOSSessionErrors", "s", "reboot", "compute", "BOS reboot of compute has an error count of 1 and is still running")),
		}},

	{name: "BOS has never answered", minutes: 20,
		act: once(0, fail(bossim.Everything, bossim.Reset)),
		want: []moment{
			at(4 * minute),
			at(10*minute, ofExporter("BOSDown", "BOS is down: it has not answered since bos_exporter started, at least 5 minutes ago")),
		}},

	{name: "the exporter is down", minutes: 20, scraped: since(3*minute, failed),
		want: []moment{
			at(7 * minute),
			at(10*minute, ofExporter("BOSExporterDown", "bos_exporter exporter:9936 has not been scraped for 5 minutes")),
		}},

	{name: "the exporter is no longer a target", minutes: 20, scraped: since(3*minute, notAtAll),
		want: []moment{
			at(7 * minute),
			at(10*minute, firing{name: "BOSExporterDown", summary: "bos_exporter has not been scraped for 5 minutes", labels: map[string]string{}}),
		}},

	{name: "BOS is so slow that a sweep takes long", minutes: 30,
		sessions: apart(several(200, session("s", bos.Reboot, 0, 2))),
		act:      once(5*minute, slow(9*time.Second)),
		want: []moment{
			at(9 * minute),
			at(12*minute, ofExporter("BOSViewStale", "The data about BOS sessions is 7m 10s old")),
		}},

	{name: "BOS is slow, but sweeps end in time", minutes: 30,
		sessions: apart(several(100, session("s", bos.Reboot, 0, 2))),
		act:      once(5*minute, slow(3*time.Second)),
		want:     []moment{at(9 * minute), at(12 * minute), at(20 * minute)}},

	{name: "the list hangs", minutes: 24,
		sessions: []bossim.Spec{session("s", bos.Reboot, 0, 4)},
		act:      once(3*minute, fail(bossim.List, bossim.Hang)),
		want: []moment{
			at(7 * minute),
			at(12*minute, ofExporter("BOSListUnhealthy", "BOS does not return its list of sessions; the last one held 1")),
		}},

	{name: "the list nears its limit", minutes: 70,
		sessions: several(8, with(session("s", bos.Reboot, 0, 9000), func(s *bossim.Spec) { s.Pace = 100 })),
		change:   func(c *exporter.Config) { c.Linger = 30 * minute },
		want: []moment{
			at(12 * minute),
			at(20*minute, ofExporter("BOSListNearLimit", "Session data fills about 82% of what BOS can list")),
			at(65*minute, ofExporter("BOSListNearLimit", "Session data fills about 82% of what BOS can list")), // without series
		}},

	{name: "the list is below its limit", minutes: 30,
		sessions: several(7, with(session("s", bos.Reboot, 0, 9000), func(s *bossim.Spec) { s.Pace = 100 })),
		want:     []moment{at(20 * minute)}},

	{name: "sessions are dropped", minutes: 20,
		sessions: apart(several(3, session("s", bos.Reboot, 0, 2))),
		change:   func(c *exporter.Config) { c.MaxSessions = 1 },
		want: []moment{
			at(3 * minute),
			at(10*minute, ofExporter("BOSSessionsDropped", "BOS sessions without series of their own: 2", "reason", "max")),
		}},

	{name: "the budget is just enough", minutes: 20,
		sessions: apart(several(3, session("s", bos.Reboot, 0, 2))),
		change:   func(c *exporter.Config) { c.MaxSessions = 3 },
		want:     []moment{at(10 * minute)}},
}

// TestAlertRules checks the rules with the real promtool, and tests them on what an
// exporter serves while it watches a simulated BOS.
func TestAlertRules(t *testing.T) {
	promtool := os.Getenv("PROMTOOL")
	if promtool == "" {
		t.Fatal("PROMTOOL must be the path of promtool: run make check-rules")
	}
	files, err := filepath.Glob("rules/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if files[i], err = filepath.Abs(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(promtool, append([]string{"check", "rules"}, files...)...).CombinedOutput(); err != nil {
		t.Fatalf("promtool check rules: %v\n%s", err, out)
	}
	alerts := make(map[string]rule)
	for _, r := range loadRules(t) {
		if r.Alert != "" {
			alerts[r.Alert] = r
		}
	}
	fired := make(map[string]bool)
	for _, c := range alertCases {
		for _, m := range c.want {
			for _, f := range m.alerts {
				fired[f.name] = true
			}
		}
	}
	for name := range alerts {
		if !fired[name] {
			t.Errorf("%s does not fire in any case", name)
		}
	}
	for _, s := range servers {
		for _, c := range alertCases {
			want := c.wanted(s)
			if len(want) == 0 {
				continue
			}
			t.Run(s.api+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				test := promtoolTest{Interval: "1m", Series: c.series(t, s.era), External: map[string]string{"grafana": grafanaURL}}
				for _, m := range want {
					for _, name := range slices.Sorted(maps.Keys(alerts)) {
						expect := expectation{At: m.at.String(), Alert: name}
						for _, f := range m.alerts {
							if f.name == name {
								expect.Alerts = append(expect.Alerts, f.expected(t, alerts[name], s.api, test.Series))
							}
						}
						test.Alerts = append(test.Alerts, expect)
					}
				}
				text, err := yaml.Marshal(map[string]any{"rule_files": files, "evaluation_interval": "1m", "tests": []promtoolTest{test}})
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(t.TempDir(), "alerts.yml")
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.Command(promtool, "test", "rules", file).CombinedOutput(); err != nil {
					t.Errorf("promtool test rules: %v\n%s", err, out)
				}
			})
		}
	}
}

// Each difference between the APIs is that of a story.
func TestAlertsDiffer(t *testing.T) {
	for name := range alertsDiffer {
		if !slices.ContainsFunc(alertCases, func(c alertCase) bool { return c.name == name }) {
			t.Errorf("there is no story %q", name)
		}
	}
	for _, c := range alertCases {
		if c.onV2 != nil && alertsDiffer[c.name] == "" {
			t.Errorf("%q differs on v2, but alertsDiffer does not say why", c.name)
		}
	}
}

// The file format of promtool test rules.
type (
	promtoolTest struct {
		Interval string            `yaml:"interval"`
		Series   []inputSeries     `yaml:"input_series"`
		External map[string]string `yaml:"external_labels"`
		Alerts   []expectation     `yaml:"alert_rule_test"`
	}
	inputSeries struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	expectation struct {
		At     string          `yaml:"eval_time"`
		Alert  string          `yaml:"alertname"`
		Alerts []expectedAlert `yaml:"exp_alerts"`
	}
	expectedAlert struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	}
)

// expected returns the alert of a session on an API, or of BOS, with the annotations of
// its rule, except for the summary, which the case gives, and the link to a session, which
// begins when it started according to the series.
func (f firing) expected(t *testing.T, r rule, api string, series []inputSeries) expectedAlert {
	t.Helper()
	e := expectedAlert{Labels: maps.Clone(f.labels), Annotations: maps.Clone(r.Annotations)}
	e.Labels["severity"] = r.Labels["severity"]
	if e.Labels["session"] != "" {
		e.Labels["api"] = api
	}
	for name, text := range e.Annotations {
		if name != "summary" && (name != "dashboard" || e.Labels["session"] == "") {
			e.Annotations[name] = fillAnnotation(t, text, e.Labels, f.value)
		}
	}
	if session := e.Labels["session"]; session != "" {
		tenant := ""
		if of := e.Labels["tenant"]; of != "" {
			tenant = "&var-tenant=" + of
		}
		e.Annotations["dashboard"] = grafanaURL + "/d/bos-session?var-session=" + session + tenant + "&from=" + startOf(t, session, series) + "000&to=now"
	}
	e.Annotations["summary"] = f.summary
	return e
}

// fillAnnotation fills in an annotation as Prometheus does.
func fillAnnotation(t *testing.T, text string, labels map[string]string, value float64) string {
	t.Helper()
	filled, err := template.New("").Option("missingkey=zero").Parse(`{{$labels := .Labels}}{{$externalLabels := .External}}{{$value := .Value}}` + text)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := filled.Execute(&b, map[string]any{"Labels": labels, "External": map[string]string{"grafana": grafanaURL}, "Value": value}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// startOf returns when a session started, in seconds.
func startOf(t *testing.T, session string, all []inputSeries) string {
	t.Helper()
	for _, s := range all {
		if strings.HasPrefix(s.Series, "bos_session_start_time_seconds{") && strings.Contains(s.Series, fmt.Sprintf("session=%q", session)) {
			if m := regexp.MustCompile(`(?:^| )(-?\d+)(?:x\d+)?(?: stale|$)`).FindStringSubmatch(s.Values); m != nil {
				return m[1]
			}
		}
	}
	t.Fatalf("no series tells when session %s started", session)
	return ""
}

// series returns what Prometheus stores of an exporter that watches the scenario, one
// sample a minute, in promtool's notation.
func (c *alertCase) series(t *testing.T, era bossim.Era) (all []inputSeries) {
	samples := make(map[string][]string)
	n := 0
	add := func(series, value string) {
		for len(samples[series]) < n {
			samples[series] = append(samples[series], "_")
		}
		samples[series] = append(samples[series], value)
	}
	var start time.Time
	watch(t, func(now time.Time) bossim.Scenario {
		start = now
		specs := slices.Clone(c.sessions)
		if era.ServesV2() && c.sessionsOnV2 != nil {
			specs = slices.Clone(c.sessionsOnV2)
		}
		for i := range specs {
			specs[i].Created = now.Add(specs[i].Created.Sub(time.Time{}))
		}
		return bossim.Scripted(specs...)
	}, era, c.change, c.minutes, c.act, func(at time.Duration, families map[string]*dto.MetricFamily) {
		what := well
		if c.scraped != nil {
			what = c.scraped(at)
		}
		switch what {
		case well:
			add(`up{job="bos",instance="exporter:9936"}`, "1")
			for name, f := range families {
				if !strings.HasPrefix(name, "bos_") || f.GetType() == dto.MetricType_HISTOGRAM {
					continue
				}
				for _, m := range f.Metric {
					value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
					if strings.HasSuffix(name, "_time_seconds") || strings.HasSuffix(name, "_timestamp_seconds") {
						value -= float64(start.Unix()) // promtool's time begins at 0
					}
					labels := `job="bos",instance="exporter:9936"`
					for _, l := range m.Label {
						labels += fmt.Sprintf(",%s=%q", l.GetName(), l.GetValue())
					}
					add(name+"{"+labels+"}", strconv.FormatFloat(value, 'f', -1, 64))
				}
			}
		case failed:
			add(`up{job="bos",instance="exporter:9936"}`, "0")
		}
		n++
		for series, values := range samples { // as Prometheus marks the end of a series
			if last := values[len(values)-1]; len(values) < n && last != "_" && last != "stale" {
				samples[series] = append(values, "stale")
			}
		}
	})
	all = append(all, inputSeries{`up{job="other",instance="other:80"}`, fmt.Sprintf("0x%d", c.minutes)}) // must not matter
	for _, series := range slices.Sorted(maps.Keys(samples)) {
		all = append(all, inputSeries{series, runs(samples[series])})
	}
	return all
}

// runs abbreviates repeated values in the notation of promtool, in which 1x2 is 1 1 1.
func runs(values []string) string {
	var parts []string
	for i := 0; i < len(values); {
		n := 1
		for i+n < len(values) && values[i+n] == values[i] {
			n++
		}
		switch {
		case values[i] == "_":
			parts = append(parts, fmt.Sprintf("_x%d", n))
		case n == 1 || values[i] == "stale":
			parts = append(parts, values[i])
		default:
			parts = append(parts, fmt.Sprintf("%sx%d", values[i], n-1))
		}
		i += n
	}
	return strings.Join(parts, " ")
}
