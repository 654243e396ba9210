package bosv2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// Whatever BOS answers, what was known stands until it answers well again.
func TestEveryFaultLeavesWhatIsKnown(t *testing.T) {
	endless := []bossim.Fault{bossim.Bulky, bossim.Huge, bossim.LongString, bossim.Crawl, bossim.DeadConnections}
	resources := map[string]bossim.Resource{"list": bossim.List, "components": bossim.Components, "session": bossim.Describe,
		"status": bossim.Status, "template": bossim.Template, "options": bossim.Options}
	known := spec("s1", bos.Reboot, bossim.Trouble{Kind: bossim.NeverReady, Nodes: computes[:1]})
	fresh := spec("s2", bos.Reboot)
	fresh.Created = began.Add(10 * time.Minute)
	fresh.BootSets[0].Nodes = bossim.Nodes(12)[6:]
	for name, resource := range resources {
		for _, f := range slices.Concat(bossim.Faults, bossim.V2Faults) {
			if !f.Befalls(resource) || slices.Contains(endless, f) {
				continue
			}
			t.Run(name+"/"+f.String(), func(t *testing.T) {
				t.Parallel()
				inBubble(t, bossim.Scripted(known, fresh), bossim.EraD2, func(t *testing.T, r *rig) {
					r.sweep(5 * time.Minute)
					before := r.session(key("s1")).Session
					r.sim.Fail(resource, f)
					r.sweep(10 * time.Minute)
					r.sweep(30 * time.Second)
					during := r.session(key("s1"))
					if during.Nodes.Nodes() != before.Nodes.Nodes() || during.Err != nil && during.Nodes != before.Nodes {
						t.Errorf("nodes %+v, want %+v; %v", during.Nodes, before.Nodes, during.Err)
					}
					r.sim.Heal()
					for range 20 {
						r.sweep(5 * time.Minute)
					}
					for id, want := range map[string]bos.State{"s1": bos.StatePartial, "s2": bos.StateSucceeded} {
						if s := r.session(key(id)); s.Err != nil || s.Verdict.State != want {
							t.Errorf("in the end %s is %s, want %s; %v", id, s.Verdict.State, want, s.Err)
						}
					}
				})
			})
		}
	}
}

func TestErrorsOfComponents(t *testing.T) {
	for _, tt := range []struct {
		fault  bossim.Fault
		reason bos.Reason
		text   string
	}{
		{bossim.NoComponents, bos.Malformed, "BOS lists none of them"},
		{bossim.MissingKeys, bos.Malformed, "BOS lists none of them"},
		{bossim.RedisDown, bos.Unavailable, "Error 111 connecting to cray-bos-db:6379"},
		{bossim.Killed, bos.Unavailable, "closed before the response was complete"},
		{bossim.ServerError, bos.Unavailable, "status 500"},
		{bossim.WrongTypes, bos.Malformed, "/0/"},
		{bossim.OddNodes, bos.Malformed, "a component has no id"},
		{bossim.Unauthorized, bos.Unauthorized, ""},
	} {
		t.Run(tt.fault.String(), func(t *testing.T) {
			s := spec("s1", bos.Reboot)
			s.BootSets[0].Nodes = bossim.Nodes(8)
			r := newRig(t, bossim.Scripted(s), bossim.EraD2)
			r.sweep(3 * time.Minute)
			before := line(r.session(key("s1")))
			r.sim.Fail(bossim.Components, tt.fault)
			r.sweep(10 * time.Minute)
			got := r.session(key("s1"))
			if got.Err == nil || bos.ReasonOf(got.Err) != tt.reason || !strings.Contains(got.Err.Error(), tt.text) {
				t.Errorf("error %v, want one that is %s and says %q", got.Err, tt.reason, tt.text)
			}
			if tt.text == "BOS lists none of them" && strings.Contains(got.Err.Error(), "check the URL") {
				t.Errorf("error %v, which blames the URL", got.Err)
			}
			if line(got) != before {
				t.Errorf("phases\n got %s\nwant %s", line(got), before)
			}
		})
	}
}

// The components of a tenant cannot be told without the service that knows the tenants.
func TestTenantServiceDown(t *testing.T) {
	s := spec("s1", bos.Reboot)
	s.Tenant = "blue"
	r := newRig(t, bossim.Scripted(s, spec("s2", bos.Shutdown)), bossim.EraD2)
	r.sim.Fail(bossim.Components, bossim.TAPMSDown)
	r.sweep(3 * time.Minute)
	if err := r.session(bos.Key{API: bos.APIv2, Tenant: "blue", ID: "s1"}).Err; bos.ReasonOf(err) != bos.Unavailable {
		t.Errorf("that of a tenant: %v", err)
	}
	if err := r.session(key("s2")).Err; err != nil {
		t.Errorf("the other: %v", err)
	}
}

func TestUnknownTenant(t *testing.T) {
	r := newRig(t, bossim.Scripted(spec("s1", bos.Reboot)), bossim.EraD2, func(c *bosclient.Config) { c.Tenant = "nope" })
	if n := len(r.sweep(time.Minute).Sessions); n != 0 {
		t.Errorf("%d sessions", n)
	}
	_, err := r.api.Components(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Data not found for tenant nope") {
		t.Errorf("components: %v", err)
	}
}

func TestNoV2AtTheAddress(t *testing.T) {
	r := newRig(t, bossim.Scripted(spec("s1", bos.Reboot)), bossim.EraC)
	if err := r.sweep(time.Minute).Err; bos.ReasonOf(err) != bos.NotFound || !strings.Contains(err.Error(), "there is no BOS v2 API at this address") {
		t.Errorf("error %v", err)
	}
}

// A session of which nothing but the name is listed has lost what was known.
func TestBareRecords(t *testing.T) {
	r := newRig(t, bossim.Scripted(spec("s1", bos.Reboot)), bossim.EraD2)
	r.sim.Fail(bossim.List, bossim.MissingKeys)
	r.sweep(3 * time.Minute)
	if err := r.session(key("s1")).Err; bos.ReasonOf(err) != bos.Malformed {
		t.Errorf("new: %v", err)
	}
	r.sim.Heal()
	r.sweep(time.Minute)
	if s := r.session(key("s1")); s.Err != nil || s.Operation != bos.Reboot {
		t.Errorf("healed: %v", s.Err)
	}
	r.sim.Fail(bossim.List, bossim.MissingKeys)
	r.sweep(time.Minute)
	if s := r.session(key("s1")); s.Err == nil || s.Operation != bos.Reboot {
		t.Errorf("once known: %v", s.Err)
	}
}

// Servers without paging send all nodes, in any order, whatever is asked for.
func TestPages(t *testing.T) {
	for _, tt := range []struct {
		name  string
		era   bossim.Era
		fault bossim.Fault
		nodes int
		want  int // requests
	}{
		{"paging", bossim.EraD2, bossim.None, 6000, 3},
		{"a full last page", bossim.EraD2, bossim.None, 5600, 3},
		{"less than a page", bossim.EraD2, bossim.None, 100, 1},
		{"no paging", bossim.EraD1, bossim.None, 6000, 1},
		{"no paging beside v1", bossim.EraBoth, bossim.None, 6000, 1},
		{"paging ignored", bossim.EraD2, bossim.IgnoresPaging, 6000, 1},
		{"paging ignored, as many as a page", bossim.EraD2, bossim.IgnoresPaging, 2800, 2},
		{"paging ignored, less than a page", bossim.EraD2, bossim.IgnoresPaging, 100, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := spec("s1", bos.Reboot)
			s.BootSets[0].Nodes = bossim.Nodes(tt.nodes)
			r := newRig(t, bossim.Scripted(s), tt.era)
			r.sim.Fail(bossim.Components, tt.fault)
			r.sweep(5 * time.Minute)
			if got := r.session(key("s1")); got.Nodes.Nodes() != tt.nodes {
				t.Errorf("%d nodes, want %d; %v", got.Nodes.Nodes(), tt.nodes, got.Err)
			}
			r.sweep(time.Minute)
			if got := len(r.requests()) - 2; got != tt.want {
				t.Errorf("%d requests for components, want %d", got, tt.want)
			}
			nodes, err := r.api.Components(t.Context())
			slices.SortFunc(nodes, func(a, b bos.Component) int { return strings.Compare(a.ID, b.ID) })
			nodes = slices.CompactFunc(nodes, func(a, b bos.Component) bool { return a.ID == b.ID })
			if err != nil || len(nodes) != tt.nodes {
				t.Errorf("%d components of the machine, want %d; %v", len(nodes), tt.nodes, err)
			}
		})
	}
}

func TestComponentsAreCanceled(t *testing.T) {
	r := newRig(t, bossim.Scripted(spec("s1", bos.Reboot)), bossim.EraD2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.api.Components(ctx); err == nil {
		t.Error("no error")
	}
}

// answer has the simulator give one answer for a path below /v2.
func (r *rig) answer(path, body string) {
	r.sim.Substitute(func(req *http.Request) http.Handler {
		if req.URL.Path != "/v2/"+path {
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		})
	})
}

func TestAbsentKeysOfComponents(t *testing.T) {
	r := newRig(t, bossim.Scripted(), bossim.EraD2)
	r.answer("components", `[{"id":"x1"},{"id":"x2","status":null,"last_action":null,"event_stats":null,"desired_state":null,"staged_state":null,
		"enabled":null,"error":null,"session":null,"retry_policy":null},{"id":"x3","retry_policy":-1,"enabled":true,"error":" a \n",
		"status":{"phase":"","status":"new word"},"desired_state":{"configuration":""},"last_action":{"last_updated":"2026-03-02T09:00:20"},"unheard_of":{"a":[1]}}]`)
	got, err := r.api.Components(t.Context())
	want := []bos.Component{{ID: "x1"}, {ID: "x2"}, {ID: "x3", RetryPolicy: bos.Some(-1), Enabled: true, Error: "a", Status: "new word",
		Configuration: bos.Some(""), ActionTime: time.Date(2026, 3, 2, 9, 0, 20, 0, time.UTC)}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v; %v", got, want, err)
	}
}

func TestWrongTypesSayWhere(t *testing.T) {
	r := newRig(t, bossim.Scripted(), bossim.EraD2)
	for body, want := range map[string]string{
		`{}`:                                  "the whole response: want an array, got an object",
		`[7]`:                                 "want an object, got a number",
		`[{"id":"x","status":7}]`:             "/0/status: want an object, got a number",
		`[{"id":"x","enabled":"maybe"}]`:      `/0/enabled: "maybe" is neither true nor false`,
		`[{"id":"x","status":{"phase":[]}}]`:  "/0/status/phase: want a string, got an array",
		`[{"id":"x","retry_policy":"often"}]`: `/0/retry_policy: "often" is not a whole number`,
		`[{"id":"x","last_action":{"last_updated":"soon"}}]`:  `/0/last_action/last_updated: "soon" is not a time of BOS`,
		`[{"id":"x","event_stats":{"power_on_attempts":-1}}]`: `/0/event_stats/power_on_attempts: "-1" is not a count`,
		`[{"enabled":true}]`: "a component has no id",
	} {
		r.answer("components", body)
		if _, err := r.api.Components(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", body, err, want)
		}
	}
}

func TestTooManyNodes(t *testing.T) {
	r := newRig(t, bossim.Scripted(), bossim.EraD2)
	var b strings.Builder
	for i := range bos.MaxNodes + 1 {
		fmt.Fprintf(&b, `,{"id":"n%d"}`, i)
	}
	r.answer("components", "["+b.String()[1:]+"]")
	if _, err := r.api.Components(t.Context()); bos.ReasonOf(err) != bos.Malformed || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

// Of a list with many long texts the later ones are cut shorter, which shows. No session
// is left out.
func TestLongTextsOfAList(t *testing.T) {
	const sessions = 2000
	r := newRig(t, bossim.Scripted(), bossim.EraD2)
	list := make([]string, sessions)
	for i := range list {
		list[i] = fmt.Sprintf(`{"name":"s%d","operation":"boot","limit":%q}`, i, strings.Repeat("n", 5000))
	}
	r.answer("sessions", "["+strings.Join(list, ",")+"]")
	listing, err := r.api.List(t.Context(), true)
	if err != nil || len(listing.Sessions) != sessions {
		t.Fatalf("%d sessions, error %v; want %d", len(listing.Sessions), err, sessions)
	}
	for place, want := range map[int]int{0: 4096, sessions - 1: 100} {
		if got := listing.Sessions[place].Description.Limit; got != strings.Repeat("n", want)+"…" {
			t.Errorf("the limit of session %d has %d bytes, want %d and an ellipsis", place, len(got), want)
		}
	}
}

// The errors of the nodes of a session are bounded in bytes. Every node keeps one.
func TestLongErrorsOfManyNodes(t *testing.T) {
	all := bossim.Nodes(5000)
	s := spec("s1", bos.Reboot)
	s.BootSets[0].Nodes = all
	r := newRig(t, bossim.Scripted(s), bossim.EraD2)
	var b strings.Builder
	for i, id := range all {
		fmt.Fprintf(&b, `,{"id":%q,"session":"s1","error":"%d%s","status":{"status":"failed"},"last_action":{"action":"power_on"},"event_stats":{"power_on_attempts":3}}`, id, i, strings.Repeat("e", 1000))
	}
	r.answer("components", "["+b.String()[1:]+"]")
	r.sweep(3 * time.Minute)
	nodes, size := 0, 0
	for _, set := range r.session(key("s1")).BootSets {
		for _, p := range set.Phases {
			for _, e := range p.Errors {
				nodes += e.Nodes.Len()
				size += len(e.Message)
			}
		}
	}
	if most := 3 << 20; nodes != len(all) || size > most {
		t.Errorf("%d nodes have errors of %d bytes, want %d and %d bytes at most", nodes, size, len(all), most)
	}
}

// A session with a value that makes no sense takes no other one out of the list: it is read by
// itself, and its error names it and the value.
func TestSessionThatMakesNoSenseAmongOthers(t *testing.T) {
	r := newRig(t, bossim.Scripted(spec("good", bos.Reboot)), bossim.EraD2)
	const odd = `{"name":"odd","tenant":"","operation":"reboot","template_name":"cle","stage":"maybe",
		"status":{"start_time":"yesterday","status":"running"}}`
	r.sim.Substitute(func(req *http.Request) http.Handler {
		body := odd
		switch req.URL.Path {
		case "/v2/sessions":
			body = "[" + odd + `,{"name":"good","operation":"reboot","template_name":"cle","status":{"start_time":"` + began.Format(time.RFC3339) + `","status":"running"}}]`
		case "/v2/sessions/odd":
		default:
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		})
	})
	s := r.sweep(time.Minute)
	if !s.ListUp || len(s.Sessions) != 2 || r.session(key("good")).Err != nil {
		t.Fatalf("%d sessions, error %v; that of the good one: %v", len(s.Sessions), s.Err, r.session(key("good")).Err)
	}
	err := r.session(key("odd")).Err
	if e := new(bos.Error); !errors.As(err, &e) || !e.Unusable() || !strings.HasSuffix(e.URL, "/v2/sessions/odd") || !strings.Contains(e.Detail, `/stage: "maybe" is neither true nor false`) {
		t.Errorf("got error %v, want one that names the session and the value", err)
	}
}
