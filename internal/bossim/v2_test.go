package bossim

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// The shapes that v2 answers in, as a client may read them.
type (
	wireSession struct {
		Components, Limit, Name, Operation, Tenant string
		Stage                                      bool
		Disabled                                   bool   `json:"include_disabled"`
		Template                                   string `json:"template_name"`
		Status                                     struct {
			Start  string  `json:"start_time"`
			End    *string `json:"end_time"`
			Status string
			Error  *string
		}
	}
	wireStatus struct {
		Errors map[string]struct {
			Count int
			List  string
		} `json:"error_summary"`
		Managed    int     `json:"managed_components_count"`
		Failed     float64 `json:"percent_failed"`
		Staged     float64 `json:"percent_staged"`
		Successful float64 `json:"percent_successful"`
		Phases     struct {
			Complete    float64 `json:"percent_complete"`
			On          float64 `json:"percent_powering_on"`
			Off         float64 `json:"percent_powering_off"`
			Configuring float64 `json:"percent_configuring"`
		}
		Status string
		Timing struct {
			Start    string  `json:"start_time"`
			End      *string `json:"end_time"`
			Duration string
		}
	}
	wireComponent struct {
		ID, Session, Error string
		Enabled            bool
		Retries            *int `json:"retry_policy"`
		Status             struct {
			Phase, Status string
			Override      string `json:"status_override"`
		}
		Action struct {
			Action  string
			Failed  bool
			Updated string `json:"last_updated"`
		} `json:"last_action"`
		Stats struct {
			On     int `json:"power_on_attempts"`
			Off    int `json:"power_off_graceful_attempts"`
			Forced int `json:"power_off_forceful_attempts"`
		} `json:"event_stats"`
		Desired struct {
			Configuration string
			Artifacts     struct{ Kernel string } `json:"boot_artifacts"`
		} `json:"desired_state"`
		Staged struct{ Session string } `json:"staged_state"`
	}
)

func (r *rig) sessions(query string, header ...string) []wireSession {
	r.t.Helper()
	_, body := r.get(200, "/v2/sessions"+query, header...)
	return decode[[]wireSession](r.t, body)
}

func (r *rig) names(query string, header ...string) string {
	r.t.Helper()
	var names []string
	for _, s := range r.sessions(query, header...) {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (r *rig) session2(name string, header ...string) wireSession {
	r.t.Helper()
	_, body := r.get(200, "/v2/sessions/"+name, header...)
	return decode[wireSession](r.t, body)
}

func (r *rig) status2(name string, header ...string) wireStatus {
	r.t.Helper()
	_, body := r.get(200, "/v2/sessions/"+name+"/status", header...)
	return decode[wireStatus](r.t, body)
}

func (r *rig) node(id string) wireComponent {
	r.t.Helper()
	_, body := r.get(200, "/v2/components/"+id)
	return decode[wireComponent](r.t, body)
}

func (r *rig) nodes(query string, header ...string) []wireComponent {
	r.t.Helper()
	_, body := r.get(200, "/v2/components"+query, header...)
	return decode[[]wireComponent](r.t, body)
}

func (r *rig) ids(query string, header ...string) string {
	r.t.Helper()
	var ids []string
	for _, c := range r.nodes(query, header...) {
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, " ")
}

// String writes a component in short: phase, status, whether it is disabled, and the
// attempts to switch off, force off and switch on.
func (c wireComponent) String() string {
	words := []string{"-", c.Status.Status, fmt.Sprintf("%d/%d/%d", c.Stats.Off, c.Stats.Forced, c.Stats.On)}
	if c.Status.Phase != "" {
		words[0] = c.Status.Phase
	}
	if !c.Enabled {
		words = append(words, "disabled")
	}
	if c.Action.Failed {
		words = append(words, "action failed")
	}
	if c.Error != "" {
		words = append(words, "("+c.Error+")")
	}
	return strings.Join(words, " ")
}

// String writes the numbers of a status in short.
func (s wireStatus) String() string {
	return fmt.Sprintf("%d: S%v F%v on%v off%v conf%v done%v", s.Managed, s.Successful, s.Failed, s.Phases.On, s.Phases.Off, s.Phases.Configuring, s.Phases.Complete)
}

// The courses that nodes take, as the operators of BOS 2.50 were measured to lead them.
func TestCoursesOfV2(t *testing.T) {
	type look struct{ at, node, status string }
	const limit = " (" + retryLimitHit + ")"
	nodes := Nodes(2)
	well, bad := nodes[0], nodes[1]
	tests := []struct {
		name      string
		operation string
		kind      Kind
		message   string
		looks     []look
		end       string // when the session is complete
	}{
		{"reboot that goes well", bos.Reboot, -1, "", []look{
			{"0:15", "- on_hold 0/0/0", "2: S0 F0 on0 off0 conf0 done0"},
			{"0:30", "powering_off power_off_pending 0/0/0", "2: S0 F0 on0 off100 conf0 done0"},
			{"0:35", "powering_off power_off_gracefully_called 1/0/0", "2: S0 F0 on0 off100 conf0 done0"},
			{"2:15", "powering_on power_on_pending 1/0/0", "2: S0 F0 on100 off0 conf0 done0"},
			{"2:20", "powering_on power_on_called 1/0/1", "2: S0 F0 on100 off0 conf0 done0"},
			{"11:45", "configuring configuring 1/0/1", "2: S50 F0 on0 off0 conf50 done50"},
			{"17:30", "- stable 0/0/0 disabled", "2: S100 F0 on0 off0 conf0 done100"},
		}, "17:40"},
		{"boot from off that goes well", bos.Boot, -1, "", []look{
			{"0:30", "powering_on power_on_pending 0/0/0", "2: S0 F0 on100 off0 conf0 done0"},
			{"0:35", "powering_on power_on_called 0/0/1", "2: S0 F0 on100 off0 conf0 done0"},
		}, "15:55"},
		{"shutdown that goes well", bos.Shutdown, -1, "", []look{
			{"2:15", "- stable 0/0/0 disabled", "2: S100 F0 on0 off0 conf0 done100"},
		}, "2:25"},
		{"configure", bos.Configure, -1, "", []look{
			{"0:30", "configuring configuring 0/0/0", "2: S0 F0 on0 off0 conf100 done0"},
			{"6:15", "- stable 0/0/0 disabled", "2: S100 F0 on0 off0 conf0 done100"},
		}, "6:25"},
		{"reboot that never becomes ready", bos.Reboot, NeverReady, "", []look{
			{"2:20", "powering_on power_on_called 1/0/1", "2: S0 F0 on100 off0 conf0 done0"},
			{"22:20", "powering_on power_on_called 1/0/1", "2: S50 F0 on50 off0 conf0 done50"},
			{"22:30", "powering_off power_off_pending 1/0/1", "2: S50 F0 on0 off50 conf0 done50"},
			{"22:35", "powering_off power_off_gracefully_called 2/0/1", "2: S50 F0 on0 off50 conf0 done50"},
			{"44:35", "powering_off power_off_gracefully_called 3/0/2", "2: S50 F0 on0 off50 conf0 done50"},
			{"66:30", "powering_off power_off_pending 3/0/3", "2: S50 F0 on0 off50 conf0 done50"},
			{"66:35", "powering_off failed 3/0/3" + limit, "2: S50 F50 on0 off50 conf0 done100"},
			{"66:45", "powering_off failed 3/0/3 disabled" + limit, "2: S50 F50 on0 off0 conf0 done100"},
			{"600:00", "powering_off failed 3/0/3 disabled" + limit, "2: S50 F50 on0 off0 conf0 done100"},
		}, "66:55"},
		{"boot from off that never becomes ready", bos.Boot, NeverReady, "", []look{
			{"20:45", "powering_off power_off_pending 0/0/1", "2: S50 F0 on0 off50 conf0 done50"},
			{"66:45", "powering_on failed 3/0/3 disabled" + limit, "2: S50 F50 on0 off0 conf0 done100"},
		}, "66:55"},
		{"boot that becomes ready on a retry", bos.Boot, ReadyOnRetry, "", []look{
			{"22:35", "powering_on power_on_called 1/0/2", "2: S50 F0 on50 off0 conf0 done50"},
			{"60:00", "- stable 0/0/0 disabled", "2: S100 F0 on0 off0 conf0 done100"},
		}, "37:55"},
		{"power-on without effect", bos.Boot, PowerOnRefused, "", []look{
			{"0:35", "powering_on power_on_called 0/0/1", "2: S0 F0 on100 off0 conf0 done0"},
			{"2:45", "powering_on power_on_pending 0/0/1 action failed", "2: S0 F0 on100 off0 conf0 done0"},
			{"2:50", "powering_on power_on_called 0/0/2", "2: S0 F0 on100 off0 conf0 done0"},
			{"7:20", "powering_on failed 0/0/3 action failed" + limit, "2: S0 F50 on50 off0 conf50 done50"},
			{"7:30", "powering_on failed 0/0/3 disabled action failed" + limit, "2: S0 F50 on0 off0 conf50 done50"},
		}, "8:55"},
		{"power-on that fails with a message", bos.Boot, PowerOnRefused, "HTTPError: 503", []look{
			{"0:30", "powering_on power_on_pending 0/0/0", "2: S0 F0 on100 off0 conf0 done0"},
			{"0:35", "powering_on power_on_called 0/0/1 (" + powerOnFailure + "HTTPError: 503)", "2: S0 F0 on100 off0 conf0 done0"},
			{"7:30", "powering_on failed 0/0/3 disabled action failed (" + powerOnFailure + "HTTPError: 503)", "2: S0 F50 on0 off0 conf50 done50"},
		}, "8:55"},
		{"power-off without effect", bos.Shutdown, ShutdownFails, "the text is lost", []look{
			{"5:50", "powering_off power_off_forcefully_called 1/1/0", "2: S50 F0 on0 off50 conf0 done50"},
			{"21:30", "powering_off power_off_forcefully_called 1/3/0", "2: S50 F0 on0 off50 conf0 done50"},
			{"21:35", "powering_off failed 1/3/0" + limit, "2: S50 F50 on0 off50 conf0 done100"},
			{"21:45", "powering_off failed 1/3/0 disabled" + limit, "2: S50 F50 on0 off0 conf0 done100"},
		}, "21:55"},
		{"reboot of a node that stays ready", bos.Reboot, StillReady, "", []look{
			{"21:45", "powering_off failed 1/3/0 disabled" + limit, "2: S50 F50 on0 off0 conf0 done100"},
		}, "21:55"},
		{"power-off that is forced", bos.Shutdown, ForcedOff, "", []look{
			{"5:50", "powering_off power_off_forcefully_called 1/1/0", "2: S50 F0 on0 off50 conf0 done50"},
			{"6:15", "- stable 0/0/0 disabled", "2: S100 F0 on0 off0 conf0 done100"},
		}, "6:25"},
		{"boot of a node that is on", bos.Boot, AlreadyOn, "", []look{
			{"0:35", "powering_off power_off_gracefully_called 1/0/0", "2: S0 F0 on50 off50 conf0 done0"},
			{"60:00", "- stable 0/0/0 disabled", "2: S100 F0 on0 off0 conf0 done100"},
		}, "17:40"},
		{"configuration that fails", bos.Boot, ConfigureFails, "the text is lost", []look{
			{"10:00", "configuring configuring 0/0/1", "2: S50 F0 on0 off0 conf50 done50"},
			{"15:45", "configuring failed 0/0/1 disabled (" + cfsFailed + ")", "2: S50 F50 on0 off0 conf0 done100"},
			{"249:54", "configuring failed 0/0/1 disabled (" + cfsFailed + ")", "2: S50 F50 on0 off0 conf0 done100"},
			{"249:55", "configuring failed 0/0/1 disabled", "2: S50 F50 on0 off0 conf0 done100"}, // actual_state_cleanup
		}, "15:55"},
		{"configuration that never ends", bos.Boot, NeverConfigured, "", []look{
			{"6000:00", "configuring configuring 0/0/1", "2: S50 F0 on0 off0 conf50 done50"},
		}, ""},
		{"node that PCS does not know", bos.Reboot, NotInPCS, "", []look{
			{"0:15", "- on_hold 0/0/0", "2: S0 F0 on0 off0 conf0 done0"},
			{"0:30", "- on_hold 0/0/0 disabled (" + notInPCS + ")", "2: S0 F0 on0 off50 conf0 done0"},
			{"60:00", "- on_hold 0/0/0 disabled (" + notInPCS + ")", "2: S50 F0 on0 off0 conf0 done50"},
		}, "9:55"},
		{"node that CFS does not know", bos.Reboot, NotInCFS, "", []look{
			{"0:30", "- on_hold 0/0/0 disabled (" + notInCFS + ")", "2: S0 F0 on0 off50 conf0 done0"},
		}, "9:55"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := Spec{ID: "s", Operation: test.operation, Template: "t", Created: created,
				BootSets: []BootSetSpec{{Name: "compute", Nodes: nodes}}}
			if test.kind >= 0 {
				spec.BootSets[0].Troubles = []Trouble{{test.kind, []string{bad}, test.message}}
			}
			for _, l := range test.looks {
				r := start(t, Scripted(spec), EraD2, created.Add(minutes(l.at)))
				if got := r.node(bad).String(); got != l.node {
					t.Errorf("at %s the node is\n%q, want\n%q", l.at, got, l.node)
				}
				if got := r.status2("s").String(); got != l.status {
					t.Errorf("at %s the status is\n%q, want\n%q", l.at, got, l.status)
				}
			}
			if test.end == "" {
				r := start(t, Scripted(spec), EraD2, created.Add(6*24*time.Hour))
				if s := r.session2("s"); s.Status.Status != sessionRunning {
					t.Errorf("the session is %s", s.Status.Status)
				}
				return
			}
			r := start(t, Scripted(spec), EraD2, created.Add(minutes(test.end)-time.Second))
			if s := r.session2("s"); s.Status.Status != sessionRunning || s.Status.End != nil {
				t.Errorf("just before the end the session is %s", s.Status.Status)
			}
			r.clock.Advance(time.Second)
			s := r.session2("s")
			end := "none"
			if s.Status.End != nil {
				end = *s.Status.End
			}
			if want := created.Add(minutes(test.end)).Format(v2Layout); s.Status.Status != sessionComplete || end != want {
				t.Errorf("the session is %s with end %s, want %s", s.Status.Status, end, want)
			}
			if n := r.node(well); n.Status.Status != statusStable || n.Enabled {
				t.Errorf("the other node is %s", n)
			}
		})
	}
}

// A component with every key that it can have, before it was ever worked on, when a
// session has just taken it, and in a session that is staged too.
func TestComponentShape(t *testing.T) {
	spec := reboot("s")
	spec.BootSets[0].RetryPolicy = 5
	staged := reboot("later")
	staged.Stage, staged.Created = true, created.Add(time.Minute)
	id := Nodes(1)[0]
	r := start(t, Scripted(spec, staged), EraD2, created)
	if got, want := keys(r.object(200, "/v2/components/"+id)), "actual_state desired_state enabled error id last_action session staged_state status"; got != want {
		t.Errorf("never worked on: got %s, want %s", got, want)
	}
	if got := r.node(id); got.Action.Action != actionDiscovered || got.Status.Status != statusStable || got.Enabled {
		t.Errorf("never worked on: %s after %s", got, got.Action.Action)
	}
	r.clock.Advance(15 * time.Second)
	taken := r.object(200, "/v2/components/"+id)
	if got, want := keys(taken), "actual_state desired_state enabled error event_stats id last_action retry_policy session staged_state status"; got != want {
		t.Errorf("taken: got %s, want %s", got, want)
	}
	if got := keys(taken["status"].(map[string]any)); got != "status status_override" {
		t.Errorf("a node that was never worked on has a phase: %s", got)
	}
	r.clock.Advance(20 * time.Minute)
	_, body := r.get(200, "/v2/components/"+id)
	if len(body) < 2200 || len(body) > 3600 {
		t.Errorf("a component staged and booted takes %d bytes", len(body))
	}
	c := decode[wireComponent](t, body)
	if c.Staged.Session != "later" || c.Session != "s" || *c.Retries != 5 || !strings.HasPrefix(c.Desired.Artifacts.Kernel, "s3://boot-images/") {
		t.Errorf("staged and booted: %s", body)
	}
}

func TestSessionShape(t *testing.T) {
	spec := reboot("s")
	spec.Limit, spec.IncludeDisabled = "all,!"+Nodes(1)[0], true
	r := start(t, Scripted(spec), EraD2, created.Add(16*time.Second))
	const want = `{
  "components": "",
  "include_disabled": true,
  "limit": "all,!x1000c0s0b0n0",
  "name": "s",
  "operation": "reboot",
  "stage": false,
  "status": {
    "end_time": null,
    "error": null,
    "start_time": "2024-03-05T09:00:00",
    "status": "pending"
  },
  "template_name": "t",
  "tenant": null
}
`
	if _, body := r.get(200, "/v2/sessions/s"); body != want {
		t.Errorf("got %s\nwant %s", body, want)
	}
	if n := r.node(Nodes(2)[1]); n.Session != "s" || n.Status.Status != statusOnHold {
		t.Errorf("nodes should be taken before the session leaves pending: %s", n)
	}
	r.clock.Advance(time.Second)
	if s := r.session2("s"); s.Status.Status != sessionRunning || s.Components != strings.Join(Nodes(4)[1:], ",") {
		t.Errorf("once it runs it is %+v", s)
	}
}

func TestLimits(t *testing.T) {
	nodes := []string{"a", "b", "c", "d"}
	for limit, want := range map[string]string{
		"":           "a b c d",
		"b":          "b",
		"b,d,x":      "b d",
		"all,!b":     "a c d",
		"*,!b,!c":    "a d",
		"a,b,&b":     "b",
		"!b":         "",
		"a,!all,c":   "c",
		"compute":    "",
		"all,&a,d,b": "a b d",
	} {
		spec := Spec{Limit: limit, BootSets: []BootSetSpec{{Nodes: nodes}}}
		if got := strings.Join(spec.limited().BootSets[0].Nodes, " "); got != want {
			t.Errorf("%q leaves %q, want %q", limit, got, want)
		}
	}
}

func TestSetupErrors(t *testing.T) {
	nobody, refused := reboot("nobody"), reboot("refused")
	nobody.Limit = "x9c0s0b0n0"
	refused.SetupError = "KeyError: 'kernel'\n"
	r := start(t, Scripted(nobody, refused), EraD2, created.Add(17*time.Second))
	for name, want := range map[string]string{"nobody": "No nodes were found to act upon.", "refused": refused.SetupError} {
		s := r.session2(name)
		if s.Status.Status != sessionComplete || s.Status.Error == nil || *s.Status.Error != want || s.Components != "" || *s.Status.End != "2024-03-05T09:00:17" {
			t.Errorf("%s is %+v", name, s)
		}
		if st := r.status2(name); st.Managed != 0 || st.Phases.Complete != 0 || st.Timing.Duration != "0:00:17" {
			t.Errorf("%s has status %+v", name, st)
		}
	}
	if n := r.node(Nodes(1)[0]); n.Session != "" || n.Enabled {
		t.Errorf("a session that was not set up has taken a node: %s", n)
	}
}

func TestSessionFilters(t *testing.T) {
	var specs []Spec
	add := func(id string, ago time.Duration) *Spec {
		s := Spec{ID: id, Operation: bos.Shutdown, Template: "t", Created: created.Truncate(time.Second).Add(-ago), BootSets: one("compute", Nodes(4))}
		specs = append(specs, s)
		return &specs[len(specs)-1]
	}
	add("pending", 0)
	add("running", time.Minute).BootSets = one("compute", Nodes(8)[4:], Trouble{Kind: ShutdownFails})
	add("hour", time.Hour)
	add("day", 24*time.Hour)
	add("week", 7*24*time.Hour-time.Second)
	for era, ages := range map[Era]map[string]string{EraD2: {}, EraD1: {}, EraBoth: {}} {
		for i := range specs {
			specs[i].API = V2
		}
		r := start(t, Scripted(specs...), era, created.Truncate(time.Second))
		maps.Copy(ages, map[string]string{
			"":                                 "day hour pending running week",
			"?status=pending":                  "pending",
			"?status=running":                  "running",
			"?status=complete":                 "day hour week",
			"?max_age=60m":                     "hour pending running",
			"?max_age=1H":                      "hour pending running",
			"?max_age=59m":                     "pending running",
			"?min_age=1h":                      "day hour week",
			"?min_age=0":                       "day hour pending running week",
			"?max_age=0":                       "pending",
			"?min_age=1h&max_age=1d":           "day hour",
			"?max_age=1w":                      "day hour pending running week",
			"?max_age=168h&status=complete":    "day hour week",
			"?max_age=1d&status=running":       "running",
			"?max_age=0w":                      "pending",
			"?unknown=1&page_size=1":           "day hour pending running week",
			"?max_age=999999d&status=complete": "day hour week",
		})
		for query, want := range ages {
			if got := r.names(query); got != want {
				t.Errorf("era %s, %q: got %q, want %q", era, query, got, want)
			}
		}
		for _, query := range []string{"?max_age=1d6h", "?max_age=junk", "?min_age=", "?min_age=01h", "?max_age=1", "?max_age=1y",
			"?min_age=12345678m", "?status=failed", "?status=", "?status=Running"} {
			if resp, _ := r.get(400, "/v2/sessions"+query); resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("era %s, %s: type %s", era, query, resp.Header.Get("Content-Type"))
			}
		}
	}
}

func TestSessionsOfV2InOrder(t *testing.T) {
	var specs []Spec
	for range 50 {
		s := reboot("")
		s.API = V2
		specs = append(specs, s)
	}
	order := func(era Era) string { return fmt.Sprint(start(t, Scripted(specs...), era, created).sessions("")) }
	if one, two := order(EraD2), order(EraD2); one != two {
		t.Error("the order of the newest releases should be that of a hash")
	}
	if one, two := order(EraD1), order(EraD1); one == two {
		t.Error("the order of older releases should differ")
	}
}

func TestComponentFilters(t *testing.T) {
	nodes := Nodes(12)
	a := Spec{ID: "a", Operation: bos.Reboot, Template: "t", Created: created, BootSets: one("compute", nodes[:6],
		Trouble{Kind: NotInPCS, Nodes: nodes[:1]}, Trouble{Kind: ShutdownFails, Nodes: nodes[1:2]})}
	b := Spec{ID: "b", Operation: bos.Boot, Template: "t", Created: created, BootSets: one("compute", nodes[6:10])}
	c := Spec{ID: "c", Operation: bos.Boot, Template: "t", Created: created, Stage: true, BootSets: one("compute", nodes[5:12])}
	list := func(some ...string) string { return strings.Join(some, " ") }
	r := start(t, Scripted(a, b, c), EraD2, created.Add(minutes("3:00")))
	for query, want := range map[string]string{
		"":                             list(nodes...),
		"?session=a":                   list(nodes[:6]...),
		"?session=b":                   list(nodes[6:10]...),
		"?session=other":               "",
		"?staged_session=c":            list(nodes[5:]...),
		"?session=a&staged_session=c":  nodes[5],
		"?session=a&enabled=false":     nodes[0],
		"?session=a&enabled=true":      list(nodes[1:6]...),
		"?enabled=true":                list(nodes[1:10]...),
		"?enabled=false":               list(nodes...), // nobody heeds it alone
		"?phase=powering_off":          nodes[1],
		"?phase=powering_on":           list(nodes[2:10]...),
		"?phase=powering_on&session=a": list(nodes[2:6]...),
		"?status=on_hold":              nodes[0],
		"?status=on_hold,power_off_gracefully_called": list(nodes[:2]...),
		"?status=stable":                                    list(nodes[10:]...),
		"?session=a&status=stable":                          "",
		"?ids=" + nodes[3] + "," + nodes[1]:                 list(nodes[1], nodes[3]),
		"?ids=" + nodes[3] + "&session=b":                   "",
		"?page_size=3":                                      list(nodes[:3]...),
		"?page_size=0":                                      list(nodes...),
		"?page_size=12":                                     list(nodes...),
		"?start_after_id=" + nodes[9]:                       list(nodes[10:]...),
		"?start_after_id=x1000c0s1":                         list(nodes[4:]...),
		"?start_after_id=" + nodes[11]:                      "",
		"?session=b&page_size=2":                            list(nodes[6:8]...),
		"?session=b&page_size=2&start_after_id=" + nodes[7]: list(nodes[8:10]...),
	} {
		if got := r.ids(query); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	long := strings.Join(nodes, ",")
	for _, query := range []string{"?ids=" + long, "?enabled=maybe", "?enabled=", "?page_size=-1", "?page_size=x", "?page_size=1048577",
		"?phase=booting", "?session=" + url.QueryEscape("a b"), "?status=" + strings.Repeat("x", 513), "?start_after_id=" + strings.Repeat("x", 128)} {
		r.get(400, "/v2/components"+query)
	}
	r.get(200, "/v2/components?ids="+long[:127])

	old := start(t, Scripted(a, b, c), EraD1, created.Add(minutes("3:00")))
	all := func(query string) string {
		ids := strings.Fields(old.ids(query))
		slices.Sort(ids)
		return list(ids...)
	}
	for query, want := range map[string]string{
		"?page_size=3":                  list(nodes...),
		"?page_size=x":                  list(nodes...),
		"?start_after_id=" + nodes[9]:   list(nodes...),
		"?session=b&page_size=1":        list(nodes[6:10]...),
		"?enabled=false":                list(nodes[0], nodes[10], nodes[11]),
		"?session=a&enabled=false":      nodes[0],
		"?start_after_id=x&page_size=2": list(nodes...),
	} {
		if got := all(query); got != want {
			t.Errorf("without paging, %q: got %q, want %q", query, got, want)
		}
	}
	if old.ids("") == list(nodes...) {
		t.Error("older releases should not list components in order")
	}
}

func TestTenantsOfV2(t *testing.T) {
	const header = "Cray-Tenant-Name"
	nodes := Nodes(12)
	spec := func(tenant string, from, to int, troubles ...Trouble) Spec {
		return Spec{ID: "twin", Tenant: tenant, Operation: bos.Shutdown, Template: "t-" + tenant, Created: created, BootSets: one("compute", nodes[from:to:to], troubles...)}
	}
	other := Spec{ID: "other", Operation: bos.Shutdown, Template: "t", Created: created, BootSets: one("compute", nodes[8:12:12])}
	r := start(t, Scripted(spec("blue", 0, 4, Trouble{Kind: ShutdownFails}), spec("red", 4, 8), other), EraD2, created.Add(minutes("10:00")))

	seen := make(map[string]string)
	for _, s := range r.sessions("") {
		seen[s.Tenant+"/"+s.Name] = s.Status.Status
	}
	if want := map[string]string{"blue/twin": "running", "red/twin": "complete", "/other": "complete"}; !maps.Equal(seen, want) {
		t.Errorf("listed without a tenant: %v, want %v", seen, want)
	}
	for _, test := range []struct{ tenant, path, want string }{
		{"blue", "", "twin"}, {"red", "", "twin"}, {"red", "?status=running", ""}, {"nope", "", ""}, {"", "", "other twin twin"},
	} {
		if got := r.names(test.path, header, test.tenant); got != test.want {
			t.Errorf("%s lists %q, want %q", test.tenant, got, test.want)
		}
	}
	if got := r.session2("twin", header, "red"); got.Tenant != "red" || got.Components != strings.Join(nodes[4:8], ",") {
		t.Errorf("that of red is %+v", got)
	}
	for tenant, want := range map[string]string{"blue": "4: S0 F0 on0 off100 conf0 done0", "red": "4: S100 F0 on0 off0 conf0 done100"} {
		if got := r.status2("twin", header, tenant).String(); got != want {
			t.Errorf("the status of %s is %s, want %s", tenant, got, want)
		}
	}
	for _, test := range []struct {
		code                 int
		path, tenant, detail string
	}{
		{404, "/v2/sessions/twin", "", "Session 'twin' does not exist"},
		{404, "/v2/sessions/twin/status", "", "Session 'twin' does not exist"},
		{404, "/v2/sessions/other", "red", "Session for tenant 'red' 'other' does not exist"},
		{404, "/v2/sessions/twin", "nope", "Session for tenant 'nope' 'twin' does not exist"},
		{404, "/v2/sessiontemplates/t-red", "", "Session template 't-red' does not exist"},
		{404, "/v2/components/" + nodes[0], "red", "Component '" + nodes[0] + "' does not exist"},
		{400, "/v2/components", "nope", "Data not found for tenant nope"},
		{400, "/v2/components?page_size=1", "nope", "Data not found for tenant nope"},
	} {
		_, body := r.get(test.code, test.path, header, test.tenant)
		if got := decode[map[string]any](t, body)["detail"]; got != test.detail {
			t.Errorf("%s of %q: got %v, want %s", test.path, test.tenant, got, test.detail)
		}
	}
	r.get(200, "/v2/components/"+nodes[4], header, "red")
	r.get(200, "/v2/sessiontemplates/t-red", header, "red")
	r.get(200, "/v2/options", header, "red")
	r.get(403, "/apis/bos/v2/options", header, "red")
	if got := r.ids("?session=twin", header, "red"); got != strings.Join(nodes[4:8], " ") {
		t.Errorf("red has %s", got)
	}
	if got := r.ids("?session=twin"); got != strings.Join(nodes[:8], " ") {
		t.Errorf("namesakes should mix without a tenant: %s", got)
	}
}

// A session without a tenant is kept running by the nodes of a namesake.
func TestNamesakeKeepsSessionRunning(t *testing.T) {
	for name, tt := range map[string]struct {
		later time.Duration // of the namesake
		want  string
	}{
		"namesake from before":           {-time.Hour, sessionRunning},
		"namesake while it runs":         {10 * time.Minute, sessionRunning},
		"namesake after it was complete": {time.Hour, sessionComplete},
	} {
		t.Run(name, func(t *testing.T) {
			own, blue := reboot("twin"), reboot("twin")
			own.BootSets = one("compute", Nodes(8)[4:])
			blue.Tenant, blue.Created, blue.BootSets[0].Troubles = "blue", created.Add(tt.later), []Trouble{{Kind: NeverConfigured}}
			r := start(t, Scripted(own, blue), EraD2, created.Add(2*time.Hour))
			if s := r.session2("twin"); s.Status.Status != tt.want {
				t.Errorf("the session without a tenant is %s, want %s", s.Status.Status, tt.want)
			}
			if s := r.session2("twin", "Cray-Tenant-Name", "blue"); s.Status.Status != sessionRunning {
				t.Errorf("that of the tenant is %s", s.Status.Status)
			}
		})
	}
}

func TestStagedSessions(t *testing.T) {
	nodes := Nodes(4)
	spec := Spec{ID: "s", Operation: bos.Reboot, Template: "t", Created: created, Stage: true, BootSets: one("compute", nodes)}
	r := start(t, Scripted(spec), EraD2, created.Add(time.Hour))
	if got := r.status2("s"); got.Managed != 4 || got.Staged != 100 || got.Status != sessionRunning {
		t.Errorf("waiting: %+v", got)
	}
	if n := r.node(nodes[0]); n.Session != "" || n.Staged.Session != "s" || n.Enabled {
		t.Errorf("waiting: %s", n)
	}

	spec.Applied = []Act{{time.Hour, nodes[:2]}}
	r = start(t, Scripted(spec), EraD2, created.Add(time.Hour))
	if n := r.node(nodes[0]); n.Session != "s" || n.Staged.Session != "s" || n.Action.Action != actionApply || n.Status.Status != statusOnHold {
		t.Errorf("applied: %s after %s", n, n.Action.Action)
	}
	if got := r.status2("s"); got.Managed != 6 || got.Staged != 66.67 {
		t.Errorf("nodes that are applied and not cleared should count twice: %+v", got)
	}
	r.clock.Advance(5 * 24 * time.Hour)
	if got := r.status2("s"); got.Successful != 33.33 || got.Status != sessionRunning {
		t.Errorf("a staged session that is not cleared should never complete: %+v", got)
	}

	spec.ClearStage, spec.Applied = true, []Act{{time.Hour, nodes[:2]}, {2 * time.Hour, nodes[2:]}}
	r = start(t, Scripted(spec), EraD2, created.Add(90*time.Minute))
	if got := r.status2("s"); got.Managed != 4 || got.Staged != 50 || got.Successful != 50 {
		t.Errorf("half applied and cleared: %+v", got)
	}
	if r.object(200, "/v2/options")["clear_stage"] != true {
		t.Error("the option clear_stage should be on")
	}
	r.clock.Advance(time.Hour)
	if got := r.status2("s"); got.Managed != 4 || got.Staged != 0 || got.Successful != 100 || got.Status != sessionComplete {
		t.Errorf("applied and cleared: %+v", got)
	}

	spec.Operation = bos.Shutdown
	r = start(t, Scripted(spec), EraD2, created.Add(time.Minute))
	if got := r.status2("s"); got.Managed != 0 || got.Status != sessionComplete {
		t.Errorf("a staged shutdown should complete at once: %+v", got)
	}
	if n := r.node(nodes[0]); n.Staged.Session != "" {
		t.Errorf("a staged shutdown should stage nothing: %+v", n.Staged)
	}
}

func TestTakenOver(t *testing.T) {
	nodes := Nodes(4)
	first := Spec{ID: "first", Operation: bos.Reboot, Template: "t", Created: created, BootSets: one("compute", nodes)}
	second := Spec{ID: "second", Operation: bos.Boot, Template: "t", Created: created.Add(10 * time.Minute), BootSets: one("compute", nodes[2:])}
	third := Spec{ID: "third", Operation: bos.Reboot, Template: "t", Created: created.Add(2 * time.Hour), BootSets: one("compute", nodes)}
	r := start(t, Scripted(first, second, third), EraD2, created.Add(10*time.Minute+15*time.Second))
	if s := r.session2("second"); s.Status.Status != sessionPending || r.node(nodes[3]).Session != "second" {
		t.Errorf("a session should take its nodes before it leaves pending: %s", s.Status.Status)
	}
	if got := r.status2("first"); got.Managed != 2 {
		t.Errorf("after its nodes were taken, the first manages %d", got.Managed)
	}
	r.clock.Advance(time.Hour)
	if s := r.session2("first"); s.Status.Status != sessionComplete || strings.Count(s.Components, ",") != 3 {
		t.Errorf("the first is %+v", s)
	}
	if n := r.node(nodes[0]); n.Session != "first" {
		t.Errorf("a node should keep its session after that is complete: %s", n.Session)
	}
	frozen := r.status2("first")
	r.clock.Advance(2 * time.Hour)
	if r.ids("?session=first") != "" {
		t.Error("the first should have no node left")
	}
	if got := r.status2("first"); !reflect.DeepEqual(got, frozen) || got.Managed != 2 || got.Successful != 100 {
		t.Errorf("the status of a complete session should stay: %+v, want %+v", got, frozen)
	}
}

func TestNodesAreTakenInBatches(t *testing.T) {
	spec := reboot("s")
	spec.BootSets[0].Nodes = Nodes(6000)
	r := start(t, Scripted(spec), EraD2, created)
	for second, want := range map[int]int{14: 0, 15: 2800, 16: 2800, 17: 5600, 19: 6000} {
		r := start(t, Scripted(spec), EraD2, created.Add(time.Duration(second)*time.Second))
		if got := len(r.nodes("?session=s")); got != want {
			t.Errorf("after %d s %d nodes are taken, want %d", second, got, want)
		}
	}
	r.clock.Advance(20 * time.Second)
	if s := r.session2("s"); s.Status.Status != sessionPending {
		t.Errorf("before all is taken the session is %s", s.Status.Status)
	}
	r.clock.Advance(time.Second)
	if s := r.session2("s"); s.Status.Status != sessionRunning {
		t.Errorf("once all is taken the session is %s", s.Status.Status)
	}
}

func TestDeletedAndCleanedUp(t *testing.T) {
	deleted, old, kept, twin, stuck := reboot("deleted"), reboot("old"), reboot("kept"), reboot("kept"), reboot("stuck")
	deleted.Deleted = created.Add(time.Minute)
	all := Nodes(24)
	early := reboot("early")
	early.BootSets, early.Deleted = one("compute", all[20:]), created.Add(10*time.Second)
	old.BootSets = one("compute", all[4:8])
	kept.BootSets, kept.Tenant = one("compute", all[8:12]), "blue"
	twin.BootSets = one("compute", all[12:16], Trouble{Kind: NeverConfigured})
	stuck.BootSets = one("compute", all[16:20], Trouble{Kind: NeverConfigured})
	r := start(t, Scripted(deleted, old, kept, twin, stuck, early), EraD2, created.Add(2*time.Minute))
	if got, want := r.names(""), "kept kept old stuck"; got != want {
		t.Errorf("listed are %q, want %q", got, want)
	}
	r.get(404, "/v2/sessions/deleted")
	if n := r.node(all[0]); n.Session != "deleted" || !n.Enabled {
		t.Errorf("deleting a session should stop nothing: %s", n)
	}
	if n := r.node(all[20]); n.Session != "" {
		t.Errorf("a session that is deleted while pending should take no node: %s", n)
	}
	r.clock.Advance(time.Hour)
	if n := r.node(all[0]); n.Session != "deleted" || n.Status.Status != statusStable {
		t.Errorf("deleting a session should stop nothing: %s", n)
	}
	r = start(t, Scripted(deleted, old, kept, twin, stuck, early), EraD2, created.Add(7*24*time.Hour-time.Second))
	if got, want := r.names(""), "kept kept old stuck"; got != want {
		t.Errorf("just before a week listed are %q, want %q", got, want)
	}
	r.clock.Advance(time.Second)
	if got, want := r.names(""), "kept stuck"; got != want {
		t.Errorf("after a week listed are %q, want %q", got, want)
	}
	if got := r.session2("kept", "Cray-Tenant-Name", "blue"); got.Tenant != "blue" {
		t.Errorf("the session that is kept is %+v", got)
	}
	r.get(404, "/v2/sessions/kept") // deleted in its place, running or not
}

func TestDisabledByHand(t *testing.T) {
	nodes := Nodes(4)
	spec := reboot("s")
	spec.BootSets[0].Troubles = []Trouble{{Kind: NeverConfigured, Nodes: nodes[:1]}}
	spec.Disabled = []Act{{20 * time.Minute, nodes[:1]}}
	r := start(t, Scripted(spec), EraD2, created.Add(20*time.Minute))
	if got := r.node(nodes[0]).String(); got != "configuring configuring 1/0/1 disabled" {
		t.Errorf("the node is %s", got)
	}
	if got := r.status2("s").String(); got != "4: S75 F0 on0 off0 conf0 done75" {
		t.Errorf("the status is %s", got)
	}
	r.clock.Advance(10 * time.Second)
	if s := r.session2("s"); s.Status.Status != sessionComplete {
		t.Errorf("a node that is disabled should not keep the session running: %s", s.Status.Status)
	}
}

func TestAgentsOfV2(t *testing.T) {
	never, killed, replaced := reboot("never"), reboot("killed"), reboot("replaced")
	never.Agent = Agent{Never: true}
	killed.BootSets, killed.Agent = one("compute", Nodes(8)[4:]), Agent{Killed: 5 * time.Minute}
	replaced.BootSets, replaced.Agent = one("compute", Nodes(12)[8:]), Agent{Killed: time.Minute, Replaced: 30 * time.Minute}
	r := start(t, Scripted(never, killed, replaced), EraD2, created.Add(minutes("29:00")))
	if s := r.session2("never"); s.Status.Status != sessionPending || r.node(Nodes(1)[0]).Session != "" {
		t.Errorf("what is never begun is %s", s.Status.Status)
	}
	if got := r.status2("replaced").String(); got != "4: S0 F0 on0 off100 conf0 done0" {
		t.Errorf("without operators: %s", got)
	}
	r.clock.Advance(time.Minute)
	if got := r.status2("replaced").String(); got != "4: S0 F0 on100 off0 conf0 done0" {
		t.Errorf("with operators again: %s", got)
	}
	r.clock.Advance(5 * 24 * time.Hour)
	if got := r.status2("killed"); got.Status != sessionRunning || got.Phases.On == 0 {
		t.Errorf("what is given up is %+v", got)
	}
	if got := r.status2("replaced"); got.Status != sessionComplete || got.Successful != 100 {
		t.Errorf("what is taken up again is %+v", got)
	}
}

func TestSeveralBootSetsOfV2(t *testing.T) {
	nodes := Nodes(6)
	spec := Spec{ID: "s", Operation: bos.Reboot, Template: "t", Created: created, BootSets: []BootSetSpec{
		{Name: "gpu", Nodes: nodes[:4], Image: "gpu", Troubles: []Trouble{{Kind: NeverConfigured, Nodes: nodes[3:4]}}},
		{Name: "cpu / all", Nodes: nodes[3:], NodeList: true, Configuration: "cpu-25"},
	}}
	r := start(t, Scripted(spec), EraD2, created.Add(time.Hour))
	d := decode[struct {
		BootSets map[string]struct {
			Path  string
			CFS   struct{ Configuration string }
			Nodes []string `json:"node_list"`
			Roles []string `json:"node_roles_groups"`
		} `json:"boot_sets"`
	}](t, func() string { _, body := r.get(200, "/v2/sessiontemplates/t"); return body }())
	gpu, cpu := d.BootSets["gpu"], d.BootSets["cpu / all"]
	if gpu.Path == cpu.Path || gpu.CFS.Configuration != "t" || cpu.CFS.Configuration != "cpu-25" || len(gpu.Nodes) != 0 || len(gpu.Roles) != 1 || !slices.Equal(cpu.Nodes, nodes[3:]) {
		t.Errorf("the template is %+v", d)
	}
	for node, want := range map[string]string{nodes[0]: gpu.Path, nodes[3]: cpu.Path, nodes[5]: cpu.Path} { // the last boot set wins
		if got := r.node(node).Desired.Artifacts.Kernel; strings.TrimSuffix(got, "kernel") != strings.TrimSuffix(want, "manifest.json") {
			t.Errorf("%s boots %s, want that of %s", node, got, want)
		}
	}
	if s := r.session2("s"); s.Status.Status != sessionComplete || strings.Count(s.Components, ",") != 5 {
		t.Errorf("the session is %+v", s)
	}
	if _, body := r.get(200, "/v2/sessiontemplates"); len(decode[[]any](t, body)) != 1 {
		t.Errorf("templates are %s", body)
	}
}

func TestErrorListsAreCut(t *testing.T) {
	spec := reboot("s")
	spec.BootSets = one("compute", Nodes(23), Trouble{Kind: NotInPCS, Nodes: Nodes(11)}, Trouble{Kind: NotInCFS, Nodes: Nodes(21)[11:]})
	r := start(t, Scripted(spec), EraD2, created.Add(time.Hour))
	got := r.status2("s").Errors
	if e := got[notInPCS]; e.Count != 11 || strings.Count(e.List, ",") != 9 || !strings.HasSuffix(e.List, "...") || strings.Contains(e.List, ",...") {
		t.Errorf("11 nodes: %+v", e)
	}
	if e := got[notInCFS]; e.Count != 10 || strings.Count(e.List, ",") != 9 || strings.Contains(e.List, "...") {
		t.Errorf("10 nodes: %+v", e)
	}
}

// The server's own percentages are those of the nodes that it lists, at every moment.
func TestPercentagesAreOfTheNodes(t *testing.T) {
	nodes := Nodes(21)
	spec := reboot("s")
	spec.BootSets = one("compute", nodes,
		Trouble{Kind: NeverReady, Nodes: nodes[:3]}, Trouble{Kind: ShutdownFails, Nodes: nodes[4:6]},
		Trouble{Kind: ConfigureFails, Nodes: nodes[7:11]}, Trouble{Kind: NotInPCS, Nodes: nodes[12:13]})
	r := start(t, Scripted(spec), EraD2, created)
	for range 300 {
		r.clock.Advance(17 * time.Second)
		count := make(map[string]int)
		all := r.nodes("?session=s")
		for _, n := range all {
			count[n.Status.Status]++
			if n.Enabled && n.Status.Override != statusOnHold {
				count[n.Status.Phase]++
			}
		}
		s := r.status2("s")
		for name, got := range map[string]float64{statusStable: s.Successful, statusFailed: s.Failed,
			phaseOn: s.Phases.On, phaseOff: s.Phases.Off} {
			want := 0.0
			if len(all) > 0 {
				want = float64(count[name]) * 100 / float64(len(all))
			}
			if math.Abs(got-want) > 0.005 {
				t.Fatalf("at %s %s is %v%%, want %v%%", r.clock.Now().Sub(created), name, got, want)
			}
		}
		if s.Managed != len(all) {
			t.Fatalf("managed are %d of %d", s.Managed, len(all))
		}
	}
}

// Both tellings of a spec agree on what became of the nodes wherever both have an outcome.
func TestBothTellingsAgree(t *testing.T) {
	nodes := Nodes(8)
	differs := map[Kind]string{
		StillReady:      "v1 ends the boot set without a failure, v2 fails the node",
		AlreadyOn:       "v1 leaves the nodes in progress, v2 boots them again",
		NeverConfigured: "v1 leaves the node in progress and ends, v2 never ends",
		NotInPCS:        "v2 alone holds the node",
		NotInCFS:        "v2 alone holds the node",
	}
	for _, operation := range []string{bos.Boot, bos.Reboot, bos.Shutdown, bos.Configure} {
		for kind := range kindCount {
			if _, ok := differs[kind]; ok {
				continue
			}
			t.Run(fmt.Sprint(operation, " ", kind), func(t *testing.T) {
				spec := Spec{ID: "s", Operation: operation, Template: "t", Created: created, BootSets: one("compute", nodes, Trouble{Kind: kind, Nodes: nodes[:3]})}
				at := created.Add(6 * time.Hour)
				v1, v2 := start(t, Scripted(spec), EraC, at), start(t, Scripted(spec), EraD2, at)
				d := decode[bootSetDocument](t, func() string { _, body := v1.get(200, "/v1/session/s/status/compute"); return body }())
				failed := make(map[string]bool)
				for i := range d.Phases {
					c, _ := d.Phases[i].category("failed")
					for _, node := range c.NodeList {
						failed[node] = true
					}
				}
				for _, n := range v2.nodes("?session=s") {
					if bad := n.Status.Status == statusFailed; bad != failed[n.ID] || !bad && n.Status.Status != statusStable {
						t.Errorf("%s is %s, and failed in v1: %t", n.ID, n, failed[n.ID])
					}
				}
			})
		}
	}
}

func TestGalleryInV2(t *testing.T) {
	r := start(t, Gallery(), EraD2, GalleryTime)
	for name, want := range map[string]string{
		"well":          "complete 4: S100 F0 on0 off0 conf0 done100",
		"never-ready":   "complete 4: S50 F50 on0 off0 conf0 done100",
		"configuration": "complete 4: S75 F25 on0 off0 conf0 done100",
		"still-ready":   "complete 4: S75 F25 on0 off0 conf0 done100",
		"stuck":         "running 4: S75 F0 on0 off0 conf25 done75",
		"running":       "running 10: S90 F0 on10 off0 conf0 done90",
		"pending":       "running 4: S0 F0 on0 off100 conf0 done0",
	} {
		s := r.status2(GalleryID(name))
		if got := s.Status + " " + s.String(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// What a machine shows is a pure function of time: whoever asks, in whatever order.
func TestV2RunsBothWays(t *testing.T) {
	for name, scenario := range map[string]func() Scenario{
		"gallery": Gallery,
		"live":    func() Scenario { return Live(GalleryTime.Add(-time.Hour), 10) },
	} {
		t.Run(name, func(t *testing.T) {
			picture := func(s Scenario, at time.Time) string {
				r := start(t, s, EraD2, at)
				_, components := r.get(200, "/v2/components")
				_, sessions := r.get(200, "/v2/sessions")
				for _, s := range r.sessions("") {
					_, status := r.get(200, "/v2/sessions/"+s.Name+"/status")
					sessions += status
				}
				return sessions + components
			}
			forth := scenario()
			var pictures []string
			for i := range 5 {
				pictures = append(pictures, picture(forth, GalleryTime.Add(time.Duration(i)*11*time.Minute)))
			}
			back := scenario()
			for i := 4; i >= 0; i-- {
				at := GalleryTime.Add(time.Duration(i) * 11 * time.Minute)
				if got := picture(back, at); got != pictures[i] {
					t.Errorf("after %s another is shown on the way back", at.Sub(GalleryTime))
				}
			}
			if pictures[0] == pictures[1] {
				t.Error("nothing moves")
			}
		})
	}
}

// The sessions of a live machine are the same in every epoch that sees them.
func TestLiveEpochsAgree(t *testing.T) {
	const pace = 10
	scenario := Live(created, pace)
	interval := 5 * time.Minute / pace
	frozen := make(map[string]string)
	states := make(map[string]int)
	for i := range 4 * epoch {
		now := created.Add(time.Duration(i)*interval + time.Second)
		m := scenario.system(now, EraD2)
		for _, s := range m.sessions(now) {
			states[s.status]++
			if s.status != sessionComplete {
				continue
			}
			text := string(m.status(s, now, false))
			if before, ok := frozen[s.name]; ok && before != text {
				t.Fatalf("after %s a session that is complete has changed: %s\nwas %s", now.Sub(created), text, before)
			}
			frozen[s.name] = text
		}
	}
	failures := 0
	for _, text := range frozen {
		if !strings.Contains(text, `"percent_failed": 0.0`) {
			failures++
		}
	}
	if states[sessionPending] == 0 || states[sessionRunning] < 4*epoch || failures < len(frozen)/5 || failures > len(frozen)*3/5 {
		t.Errorf("not varied: %v, %d of %d have failures", states, failures, len(frozen))
	}
}

// Nodes that are alike are looked at once when the end of a session is worked out.
func TestEndsAreThoseOfTheSlowestNode(t *testing.T) {
	nodes := Nodes(6000)
	var specs []Spec
	for i := range 6 {
		troubles := []Trouble{{Kind: NeverReady, Nodes: nodes[i : 3*i]}, {Kind: ShutdownFails, Nodes: nodes[5000+i : 5000+2*i]}, {Kind: PowerOnRefused, Nodes: nodes[2:4], Message: "no"}}
		specs = append(specs, Spec{Operation: []string{bos.Reboot, bos.Boot}[i%2], Template: "t", Created: created.Add(time.Duration(i*i) * 9 * time.Minute), BootSets: one("compute", nodes, troubles...)})
	}
	for _, a := range Scripted(specs...).system(created, EraD2).(*cluster).started {
		last := a.runs
		for _, name := range a.nodes {
			last = latest(last, a.leaves(name))
		}
		if wait := a.ends().Sub(last); wait < 0 || wait > operatorsPoll {
			t.Errorf("the session of %s ends %s after its slowest node", a.spec.Created.Sub(created), wait)
		}
	}
}

func TestDocumentedV2(t *testing.T) {
	same := func(what, body string, want json.RawMessage) {
		t.Helper()
		if !reflect.DeepEqual(decode[any](t, body), decode[any](t, string(want))) {
			t.Errorf("%s: got %s\nwant %s", what, body, want)
		}
	}
	file := func(name string) string {
		text, err := os.ReadFile("documented/v2/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	r := start(t, DocumentedV2(), EraD2, DocumentedV2Time)
	sessions := decode[[]json.RawMessage](t, file("sessions"))
	if len(sessions) != 6 || len(r.sessions("")) != 6 {
		t.Errorf("%d sessions are listed, want %d and 6", len(r.sessions("")), len(sessions))
	}
	for _, record := range sessions {
		s := decode[wireSession](t, string(record))
		_, body := r.get(200, "/v2/sessions/"+s.Name, "Cray-Tenant-Name", s.Tenant)
		same(s.Name, body, record)
	}
	for name, status := range decode[map[string]json.RawMessage](t, file("statuses")) {
		_, body := r.get(200, "/v2/sessions/"+name+"/status")
		same(name, body, status)
	}
	for _, record := range decode[[]json.RawMessage](t, file("components")) {
		id := decode[wireComponent](t, string(record)).ID
		_, body := r.get(200, "/v2/components/"+id)
		same(id, body, record)
	}
	_, body := r.get(200, "/v2/sessiontemplates")
	same("templates", body, json.RawMessage(file("templates")))
	if got := r.status2("uan-boot-0302"); got.Managed != 0 || got.Status != sessionPending || got.Timing.Duration != "0:00:07" {
		t.Errorf("a status that is not printed is %+v", got)
	}
	if got := len(r.nodes("?session=compute-reboot-0302")); got != 10 {
		t.Errorf("the running session has %d nodes, want 10", got)
	}
	if got := r.ids("?staged_session=stage-0303"); got != "x3000c0s25b2n0" {
		t.Errorf("staged are %s", got)
	}
	if got := r.ids("?session=compute-reboot-0302&status=failed&enabled=false"); got != "x3000c0s21b2n0 x3000c0s23b2n0" {
		t.Errorf("failed are %s", got)
	}
	r.get(400, "/v2/components", "Cray-Tenant-Name", "nope")
	r.get(200, "/v2/components", "Cray-Tenant-Name", "vcluster-blue")
}

func TestErasOfV2(t *testing.T) {
	both, v1, v2 := reboot("both"), reboot("v1"), reboot("v2")
	v1.BootSets, v1.API = one("compute", Nodes(8)[4:]), V1
	v2.BootSets, v2.API = one("compute", Nodes(12)[8:]), V2
	scenario := Scripted(both, v1, v2)
	for era, want := range map[Era]struct{ v1, v2 string }{
		EraA:    {"both v1", "404"},
		EraC:    {"both v1", "404"},
		EraBoth: {"both v1", "v2"},
		EraD1:   {"404", "both v2"},
		EraD2:   {"404", "both v2"},
	} {
		r := start(t, scenario, era, created.Add(time.Minute))
		if want.v1 == "404" {
			_, body := r.get(404, "/v1/session")
			r.get(404, "/v1/version")
			r.get(404, "/v1/session/v1")
			if keys(decode[map[string]any](t, body)) != "detail status title type" {
				t.Errorf("era %s: %s", era, body)
			}
		} else {
			_, body := r.get(200, "/v1/session")
			ids := decode[[]string](t, body)
			slices.Sort(ids)
			if got := strings.Join(ids, " "); got != want.v1 {
				t.Errorf("era %s: v1 lists %q, want %q", era, got, want.v1)
			}
		}
		if want.v2 == "404" {
			for _, path := range []string{"/v2", "/v2/version", "/v2/sessions", "/v2/components", "/v2/sessions/v2"} {
				r.get(404, path)
			}
			continue
		}
		if got := r.names(""); got != want.v2 {
			t.Errorf("era %s: v2 lists %q, want %q", era, got, want.v2)
		}
		for _, path := range []string{"/v2", "/v2/version", "/apis/bos/v2/version"} {
			v := r.object(200, path)
			if keys(v) != "links major minor patch" || v["major"] != "2" {
				t.Errorf("era %s: %s is %v", era, path, v)
			}
		}
		apis := map[bool]int{true: 1, false: 2}[want.v1 == "404"]
		if _, body := r.get(200, "/"); len(decode[[]any](t, body)) != apis {
			t.Errorf("era %s: %s", era, body)
		}
		if got := len(r.nodes("")); got != 12 {
			t.Errorf("era %s: %d nodes are known", era, got)
		}
		r.get(200, "/v2/healthz")
		for _, method := range []string{"POST", "DELETE", "PATCH", "PUT"} {
			for _, path := range []string{"/v2/sessions", "/v2/sessions/v2", "/v2/components", "/v2/options"} {
				resp, _, err := r.do(method, path)
				if err != nil || resp.StatusCode != 405 {
					t.Errorf("%s %s: %v %v", method, path, resp, err)
				}
			}
		}
		for _, path := range []string{"/v2/", "/v2/sessions/", "/v2/session", "/v2/sessions/v2/other", "/v2/sessions/v2/status/more", "/v2/components/a/b", "/v2/other"} {
			r.get(404, path)
		}
		r.get(400, "/v2/sessions/"+strings.Repeat("x", 128))
		r.get(400, "/v2/sessions/a%20b")
		long := map[bool]int{true: 400, false: 404}[eras[era].shortNames]
		r.get(long, "/v2/sessions/"+strings.Repeat("x", 46))
		r.get(long, "/v2/sessions/Upper")
	}
	if got := start(t, scenario, EraBoth, created).object(404, "/v2/sessions/nix")["title"]; got != "Session could not found." {
		t.Errorf("title of old releases: %v", got)
	}
}

func TestUpgradeAndDowngrade(t *testing.T) {
	r := start(t, Scripted(reboot("s")), EraC, created.Add(time.Minute))
	r.get(200, "/v1/session/s")
	r.get(404, "/v2/version")
	r.SetEra(EraD2)
	r.get(404, "/v1/session/s")
	if got := r.session2("s").Status.Status; got != sessionRunning {
		t.Errorf("after the upgrade the session is %s", got)
	}
	r.SetEra(EraBoth)
	r.get(200, "/v1/session/s")
	r.get(200, "/v2/version")
	r.SetEra(EraB2)
	r.get(404, "/v2/version")
}

// Every fault changes the answers of v2 to whatever it befalls.
func TestEveryFaultOfV2(t *testing.T) {
	type answer struct {
		code   int
		date   string
		body   string
		length int64
		broken bool
	}
	spec, second := reboot("s"), reboot("twin")
	spec.Tenant = "blue"
	spec.BootSets = one("compute", Nodes(30), Trouble{Kind: ShutdownFails, Nodes: Nodes(15)})
	second.BootSets = one("compute", Nodes(40)[30:])
	tenant := "blue"
	r := start(t, Scripted(spec, second), EraD2, created.Add(time.Hour))
	ask := func(path string) answer {
		resp, body, err := r.do("GET", path, "Cray-Tenant-Name", tenant)
		if resp == nil {
			return answer{broken: true}
		}
		return answer{resp.StatusCode, resp.Header.Get("Date"), body, resp.ContentLength, err != nil}
	}
	paths := map[string]Resource{"/v2/sessions": List, "/v2/sessions/s": Describe, "/v2/sessions/s/status": Status,
		"/v2/components?session=s&page_size=10": Components, "/v2/components/" + Nodes(1)[0]: Component, "/v2/sessiontemplates/t": Template,
		"/v2/sessiontemplates": Templates, "/v2/options": Options, "/v2/version": Version, "/v2/healthz": Health}
	truth := make(map[string]answer)
	for path := range paths {
		if truth[path] = ask(path); truth[path].code != 200 {
			t.Fatalf("%s: %+v", path, truth[path])
		}
	}
	r.Close() // so that no fault lasts
	for _, f := range slices.Concat(Faults, V2Faults) {
		if f.String() == "" || f.Description() == "" || strings.Contains(f.Description(), "\n") {
			t.Errorf("fault %d is %q, %q", f, f, f.Description())
		}
		r.Fail(Everything, f)
		for path, resource := range paths {
			if f == NoComponents { // unless a tenant is named
				tenant = ""
				if resource == Components && ask(path).body == "[]\n" {
					tenant = "blue"
					continue
				}
				tenant = "blue"
			}
			if changed := ask(path) != truth[path]; changed != f.Befalls(resource) {
				t.Errorf("%s changes the answer to %s: %t, want %t", f, path, changed, f.Befalls(resource))
			}
		}
	}
}

func TestFaultyDocumentsOfV2(t *testing.T) {
	for name, tt := range map[string]struct {
		fault    Fault
		path     string
		header   []string
		code     int
		has, not []string
	}{
		"paging is ignored":             {IgnoresPaging, "/v2/components?page_size=2", nil, 200, []string{Nodes(4)[3]}, nil},
		"start_after_id is ignored":     {IgnoresPaging, "/v2/components?start_after_id=" + Nodes(4)[3], nil, 200, []string{Nodes(1)[0]}, nil},
		"no component is listed":        {NoComponents, "/v2/components", nil, 200, []string{"[]"}, []string{"x"}},
		"components of a tenant":        {NoComponents, "/v2/components", []string{"Cray-Tenant-Name", "blue"}, 200, []string{Nodes(20)[15]}, nil},
		"status of before the end":      {LateStatus, "/v2/sessions/s/status", nil, 200, []string{`"status": "running"`, `"end_time": null`}, []string{`"complete"`}},
		"errors are wiped":              {WipedErrors, "/v2/components", nil, 200, []string{`"error": ""`, `"status": "failed"`}, []string{cfsFailed}},
		"lists are cut":                 {CutLists, "/v2/sessions/s/status", nil, 200, []string{`..."`, `"count": 2`}, []string{",x1000"}},
		"components have nothing":       {MissingKeys, "/v2/components", nil, 200, []string{`"id"`}, []string{"status", "enabled", "session"}},
		"sessions have nothing":         {MissingKeys, "/v2/sessions", nil, 200, []string{`"name": "s"`}, []string{"status", "components"}},
		"a status has no numbers":       {MissingKeys, "/v2/sessions/s/status", nil, 200, []string{`"timing"`}, []string{"percent", `"status"`}},
		"tenants are unknown":           {TAPMSDown, "/v2/components", []string{"Cray-Tenant-Name", "blue"}, 500, []string{"Internal Server Error"}, nil},
		"tenants are of no interest":    {TAPMSDown, "/v2/components", nil, 200, []string{Nodes(1)[0]}, nil},
		"the database is down":          {RedisDown, "/v2/sessions", nil, 503, []string{"Unable to connect to the Redis database", "Error 111"}, nil},
		"health tells of the database":  {RedisDown, "/v2/healthz", nil, 200, []string{"not_available"}, nil},
		"version needs no database":     {RedisDown, "/v2/version", nil, 200, []string{`"major": "2"`}, nil},
		"another server, asked for v2":  {NeitherAPI, "/v2/version", nil, 404, []string{"<html>"}, nil},
		"another server, asked for v1":  {NeitherAPI, "/v1/version", nil, 404, []string{"<html>"}, nil},
		"sessions that are not found":   {Orphans, "/v2/sessions", nil, 200, []string{uuid("orphan 0"), `"name"`}, nil},
		"a session without times":       {Undated, "/v2/sessions/s", nil, 200, []string{`"start_time": null`}, []string{"stop_time"}},
		"half a pair in an error":       {LoneSurrogate, "/v2/components", nil, 200, []string{`"error": "fan \ud800 stands still"`}, nil},
		"odd names of components":       {OddNodes, "/v2/components", nil, 200, []string{`"id": ""`, `"id": "all"`}, nil},
		"a list with every entry twice": {Repeated, "/v2/sessions", nil, 200, []string{`"s"`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			spec, blue := reboot("s"), reboot("b")
			spec.BootSets = one("compute", Nodes(10), Trouble{Kind: ConfigureFails, Nodes: Nodes(2)})
			blue.Tenant, blue.BootSets = "blue", one("compute", Nodes(20)[10:])
			r := start(t, Scripted(spec, blue), EraD2, created.Add(time.Hour))
			r.Fail(Everything, tt.fault)
			_, body := r.get(tt.code, tt.path, tt.header...)
			for _, text := range tt.has {
				if !strings.Contains(body, text) {
					t.Errorf("lacks %q:\n%s", text, body)
				}
			}
			for _, text := range tt.not {
				if strings.Contains(body, text) {
					t.Errorf("has %q:\n%s", text, body)
				}
			}
		})
	}
}

// A status that is late is so for as many reads as the rule says.
func TestLateStatusForOneRead(t *testing.T) {
	r := start(t, Scripted(reboot("s")), EraD2, created.Add(time.Hour))
	r.Inject(Rule{Fault: LateStatus, Resource: Status, Session: "s", Times: 1})
	if got := r.status2("s"); got.Status != sessionRunning {
		t.Errorf("the first read is %s", got.Status)
	}
	if got := r.status2("s"); got.Status != sessionComplete {
		t.Errorf("the second read is %s", got.Status)
	}
}

// The components of a session are below it, so a fault of the session befalls them.
func TestFaultOfASessionBefallsItsComponents(t *testing.T) {
	r := start(t, Scripted(reboot("s")), EraD2, created.Add(time.Hour))
	r.FailSession("s", ServerError)
	r.get(500, "/v2/components?session=s")
	r.get(500, "/v2/components?staged_session=s")
	r.get(500, "/v2/sessions/s/status")
	r.get(200, "/v2/components")
	r.get(200, "/v2/sessions")
}

// The answer of a large machine has a length, and is what it would be in one piece.
func TestLargeAnswersAreWhole(t *testing.T) {
	spec := reboot("s")
	spec.BootSets[0].Nodes = Nodes(12_000)
	r := start(t, Scripted(spec), EraD2, created.Add(8*time.Minute))
	resp, body := r.get(200, "/v2/components?session=s")
	if resp.ContentLength != int64(len(body)) || len(body) < 25<<20 || len(body) > 40<<20 {
		t.Errorf("%d bytes came, %d were announced", len(body), resp.ContentLength)
	}
	if got := len(decode[[]struct{ ID string }](t, body)); got != 12_000 {
		t.Errorf("%d components came", got)
	}
	if !strings.HasSuffix(body, "\n]\n") || !strings.HasPrefix(body, "[\n  {\n    \"actual_state\": {\n      \"boot_artifacts\": {\n") {
		t.Errorf("the text is not indented as BOS does it: %.100s", body)
	}
	resp, err := http.Head(r.url + "/v2/components?session=s")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.ContentLength != int64(len(body)) {
		t.Errorf("%d bytes are announced without a body, want %d", resp.ContentLength, len(body))
	}
}

func TestManySessionsOfV2(t *testing.T) {
	nodes := Nodes(12_000)
	specs := make([]Spec, 2000)
	for i := range specs {
		specs[i] = Spec{Operation: bos.Shutdown, Template: "t", Created: created.Add(-time.Duration(i) * 4 * time.Minute), BootSets: one("compute", nodes[6*i:6*i+6:6*i+6])}
	}
	r := start(t, Scripted(specs...), EraD2, created)
	if got := len(r.sessions("")); got != 2000 {
		t.Errorf("%d sessions", got)
	}
	if got := len(r.sessions("?status=pending")) + len(r.sessions("?status=running")); got != 1 {
		t.Errorf("%d sessions are not complete", got)
	}
}

func TestTimedelta(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0:00:00":               0,
		"0:21:05":               21*time.Minute + 5*time.Second,
		"12:00:00.000100":       12*time.Hour + 100*time.Microsecond,
		"1 day, 2:00:00":        26 * time.Hour,
		"6 days, 23:59:59":      7*24*time.Hour - time.Second,
		"-1 day, 23:59:59":      -time.Second,
		"0:01:37.131708":        97*time.Second + 131708*time.Microsecond,
		"41 days, 16:00:00":     1000 * time.Hour,
		"1 day, 0:00:00.500000": 24*time.Hour + time.Second/2,
	} {
		if got := timedelta(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, test := range []struct {
		part, of int
		want     string
	}{{0, 0, "0.0"}, {1, 3, "33.33"}, {2, 3, "66.67"}, {1, 4, "25.0"}, {1, 1, "100.0"}, {1, 8, "12.5"}, {9999, 10000, "99.99"}, {1, 11136, "0.01"}} {
		w := new(text)
		w.percent("", test.part, test.of)
		if string(w.buf) != test.want {
			t.Errorf("%d of %d: got %s, want %s", test.part, test.of, w.buf, test.want)
		}
	}
}

func TestSpecsThatMakeNoSenseInV2(t *testing.T) {
	staged := Spec{ID: "a", Operation: bos.Boot, Stage: true}
	for name, specs := range map[string][]Spec{
		"a tenant in v1":     {{Operation: bos.Boot, Tenant: "blue", API: V1}},
		"a staged configure": {{Operation: bos.Configure, Stage: true}},
		"twice":              {staged, staged},
		"an act on others":   {{Operation: bos.Boot, Disabled: []Act{{time.Minute, Nodes(1)}}}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			Scripted(specs...)
		})
	}
}
