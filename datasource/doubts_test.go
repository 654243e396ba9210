package datasource

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// atWorkNow is a session that began a minute ago.
func atWorkNow(id string) bos.Session {
	s := held("", id)
	s.StartTime, s.StopTime = bossim.GalleryTime.Add(-time.Minute), time.Time{}
	return s
}

// unavailable breaks the boot sets of a session.
func unavailable(id string) func(*bos.Session) error {
	return func(s *bos.Session) error {
		if s.ID != id {
			return nil
		}
		return &bos.Error{Reason: bos.Unavailable, Status: 500, URL: "http://bos.test/" + id}
	}
}

// inCategory puts nodes into a category of the boot phase.
func inCategory(s *bos.Session, r *bos.Recorder, category string, nodes ...string) {
	for _, n := range nodes {
		r.Category(0, category).Add([]byte(n))
	}
	b := bos.BootSet{Name: "compute", Reported: true, Phases: []bos.Phase{{Name: bos.Boot}}}
	r.EndBootSet(&b)
	s.BootSets = append(s.BootSets, b)
	s.Nodes = s.Fates().Tally()
}

// A session that BOS lists, and that it is believed not to have, spoils no query.
func TestSessionThatIsGone(t *testing.T) {
	inBubble(t, bossim.Gallery(), func(t *testing.T, w *world) {
		wait := func(d time.Duration) {
			time.Sleep(d)
			w.clock.Advance(d)
		}
		if r := w.query(`{"queryType":"phases","fresh":true}`); r.Error != nil {
			t.Fatal(r.Error)
		}
		w.sim.FailSession(running, bossim.NotFound)
		for range 40 {
			wait(30 * time.Second)
			w.query(`{"queryType":"sessions","fresh":true}`)
		}
		for name, q := range everyQuery() {
			r := w.query(q)
			if r.Error != nil {
				t.Errorf("%s: %v", name, r.Error)
			}
			for _, f := range r.Frames {
				c, _ := f.FieldByName("session")
				for i := 0; c != nil && i < c.Len(); i++ {
					if c.At(i) == running {
						t.Errorf("%s shows it", name)
					}
				}
			}
		}
		wait(time.Hour)
		if r := w.alert(`{"queryType":"counts","fresh":true}`); r.Error != nil {
			t.Errorf("an alert rule: %v", r.Error)
		}
		if r := w.query(`{"queryType":"sessions","session":["` + running + `"]}`); r.Error == nil || r.Status != backend.StatusNotFound {
			t.Errorf("asked for by its id: status %d, error %v", r.Status, r.Error)
		}
	})
}

// BOS v2 counts how the nodes of a session ended, although others had taken them over before
// it was seen: what is shown of the nodes is in doubt.
func TestRecountedNodesAreInDoubt(t *testing.T) {
	began := bossim.GalleryTime.Add(-6 * time.Hour)
	nodes := bossim.Nodes(6)
	w := newV2World(t, bossim.Scripted(takenOver("first", bos.Reboot, began, nodes, bossim.Trouble{Kind: bossim.NeverReady, Nodes: nodes[3:4]}),
		takenOver("second", bos.Boot, began.Add(2*time.Hour), nodes)), bossim.EraD2, began.Add(10*time.Minute))
	for _, later := range []time.Duration{0, 4 * time.Hour, 2 * time.Minute} { // nobody looks meanwhile
		w.clock.Advance(later)
		w.query(`{"queryType":"sessions","fresh":true}`)
	}
	const doubt = "Sessions whose nodes may have ended differently from what is shown: 1. The first is first: BOS tells how many"
	for _, tt := range []struct {
		query, field, want string
		sure               bool
	}{
		{`{"queryType":"sessions"`, "failed", "1", true},
		{`{"queryType":"sessions"`, "unfinished", "0", true},
		{`{"queryType":"sessions"`, "shares", "████████████████▄▄▄▄", true},
		{`{"queryType":"bootsets"`, "failed", "1", true},
		{`{"queryType":"sessions","node":"x*"`, "failed", "0", false},
		{`{"queryType":"phases"`, "failed", "0 0 0", false},
		{`{"queryType":"counts","category":["failed"]`, "nodes", "0 0 0", false},
		{`{"queryType":"places","field":"cabinet"`, "failed", "0", false},
		{`{"queryType":"errors"`, "nodes", "2 1", false},
		{`{"queryType":"offenders"`, "sessions", "0 0 0", false},
		{`{"queryType":"retry"`, "remark", maySucceeded, false},
	} {
		r := w.query(tt.query + `,"session":["first"]}`)
		if got := joined(rows(t, r), tt.field); r.Error != nil || got != tt.want {
			t.Errorf("%s: %s is %q, want %q; error %v", tt.query, tt.field, got, tt.want, r.Error)
		}
		if says := notices(r); strings.HasPrefix(says, doubt) == tt.sure {
			t.Errorf("%s says %q", tt.query, says)
		}
	}
	for _, q := range []string{
		`{"queryType":"nodes","node":"x9*"`, `{"queryType":"nodes","bootset":["uan"]`, `{"queryType":"overlaps"`,
		`{"queryType":"values","field":"node"`, `{"queryType":"values","field":"phase"`,
	} {
		if says := notices(w.query(q + `,"session":["first"]}`)); strings.Contains(says, "differently") {
			t.Errorf("%s, which is not about them, says %q", q, says)
		}
	}
	if r := w.alert(`{"queryType":"counts","session":["first"],"node":"x9*"}`); r.Error != nil {
		t.Errorf("an alert rule that is not about them: %v", r.Error)
	}
	if got := drawn(t, w, `{"queryType":"offenders_map","field":"cabinet/chassis","session":["first"]}`); !strings.Contains(got, "?") {
		t.Errorf("the map of offenders says that nodes failed in no session:\n%s", got)
	}
	if r := w.query(`{"queryType":"retry","session":["first"]}`); !strings.HasPrefix(joined(rows(t, r), "command"), "# "+maySucceeded+"\n") {
		t.Errorf("the command is %s", joined(rows(t, r), "command"))
	}
	if r := w.alert(`{"queryType":"counts","session":["first"],"category":["failed"]}`); r.Error == nil || r.Status != backend.StatusNotFound || !strings.HasPrefix(r.Error.Error(), doubt) {
		t.Errorf("an alert rule: status %d, error %v", r.Status, r.Error)
	}
}

// takenOver is a session of v2 on nodes that others may take.
func takenOver(id, operation string, at time.Time, nodes []string, troubles ...bossim.Trouble) bossim.Spec {
	return bossim.Spec{ID: id, Operation: operation, Template: "cle", Created: at, API: bossim.V2,
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: nodes, Troubles: troubles}}}
}

// That holds, too, if some of the nodes were taken over before the session ended, and the rest
// afterwards.
func TestRecountedNodesOfWhichSomeWereTakenEarly(t *testing.T) {
	began := bossim.GalleryTime.Add(-6 * time.Hour)
	nodes := bossim.Nodes(6)
	w := newV2World(t, bossim.Scripted(takenOver("first", bos.Reboot, began, nodes, bossim.Trouble{Kind: bossim.NeverReady, Nodes: nodes[3:4]}),
		takenOver("early", bos.Boot, began.Add(11*time.Minute), nodes[:1]), takenOver("second", bos.Boot, began.Add(2*time.Hour), nodes)), bossim.EraD2, began.Add(4*time.Minute))
	for _, later := range []time.Duration{0, 5 * time.Hour, 2 * time.Minute, time.Hour} {
		w.clock.Advance(later)
		w.query(`{"queryType":"sessions","fresh":true}`)
	}
	got := rows(t, w.query(`{"queryType":"sessions","session":["first"]}`))
	for column, want := range map[string]string{"state": "partial", "nodes": "6", "succeeded": "4", "failed": "1", "unfinished": "0", "excluded": "1"} {
		if value := joined(got, column); value != want {
			t.Errorf("%s is %s, want %s", column, value, want)
		}
	}
	if r := w.query(`{"queryType":"retry","session":["first"]}`); !strings.Contains(notices(r), "differently") || !strings.Contains(joined(rows(t, r), "remark"), maySucceeded) {
		t.Errorf("remark %q, notices %q", joined(rows(t, r), "remark"), notices(r))
	}
}

// A retry warns of sessions at work of which nobody knows the nodes, and of none that waits.
func TestRetryBesideSessionsAtWork(t *testing.T) {
	const unknown = "Other sessions may be at work on these nodes. Unfinished ones whose nodes are not known: 1."
	for _, tt := range []struct {
		other string
		says  string
	}{{"broken", unknown}, {"counted", unknown}, {"staged", ""}, {"gone", ""}} {
		t.Run(tt.other, func(t *testing.T) {
			w := newHeldWorld(t, heldAPI{
				sessions: []bos.Session{held("", "night"), atWorkNow(tt.other)},
				nodes: func(s *bos.Session, r *bos.Recorder) {
					switch s.ID {
					case "counted":
						s.Nodes = bos.Tally{Unfinished: 10}
						s.BootSets = []bos.BootSet{{Name: "compute", Reported: true, Nodes: s.Nodes}}
					case "staged":
						s.Staged, s.AwaitsApply = true, true
						inCategory(s, r, bos.NotStarted, "x1000c0s0b0n0")
					default:
						failedNode("x1000c0s0b0n0", "x1000c0s0b0n1")(s, r)
					}
				},
				broken: func(s *bos.Session) error {
					if s.ID == "gone" {
						return &bos.Error{Reason: bos.NotFound, Status: 404, URL: "http://bos.test/gone"}
					}
					return unavailable("broken")(s)
				},
			})
			w.query(`{"queryType":"sessions"}`)
			r := w.query(`{"queryType":"retry","session":["night"]}`)
			if remark := joined(rows(t, r), "remark"); notices(r) != tt.says || remark != "" {
				t.Errorf("notices %q, want %q; remark %q", notices(r), tt.says, remark)
			}
		})
	}
}

// What is shown is not missing, whatever else might have selected it; what is certain stays so.
func TestSelectedTwice(t *testing.T) {
	for _, session := range []string{`["one"]`, `["latest"]`, `["one","running"]`, `["latest","running"]`} {
		w := newHeldWorld(t, heldAPI{sessions: []bos.Session{atWorkNow("one")}, broken: unavailable("one")})
		for range 2 { // at first while it is being read
			r := w.query(`{"queryType":"sessions","session":` + session + `}`)
			if joined(rows(t, r), "session") != "one" || strings.Contains(notices(r), "missing") {
				t.Errorf("%s: error %v, notices %q", session, r.Error, notices(r))
			}
		}
	}
	notFound := func(s *bos.Session) error {
		if s.ID == "one" {
			return &bos.Error{Reason: bos.NotFound, Status: 404, URL: "http://bos.test/one"}
		}
		return nil
	}
	for _, session := range []string{`["one"]`, `["one","running"]`} {
		w := newHeldWorld(t, heldAPI{sessions: []bos.Session{atWorkNow("one"), held("", "two")}, nodes: failedNode("x1000c0s0b0n0", "x1000c0s0b0n1"), broken: notFound})
		if r := w.alert(`{"queryType":"counts","session":` + session + `,"state":["failed"]}`); r.Error == nil {
			t.Errorf("%s: no error in an alert rule", session)
		}
	}
}

// A server may answer, and have none of the APIs.
func TestNoAPI(t *testing.T) {
	w := newHeldWorld(t, heldAPI{absent: true})
	if r := w.query(`{"queryType":"sessions"}`); r.Error == nil || r.Status == backend.StatusInternal {
		t.Errorf("status %d, error %v", r.Status, r.Error)
	}
}

// An old session may be retried although newer ones have acted on its nodes since.
func TestRetryAfterNewerSessions(t *testing.T) {
	at := func(id string, age time.Duration) bos.Session {
		s := held("", id)
		s.StartTime, s.StopTime = bossim.GalleryTime.Add(-age), bossim.GalleryTime.Add(-age+time.Hour)
		return s
	}
	waiting := at("waiting", time.Hour)
	waiting.StopTime = time.Time{}
	const counted = "Newer sessions may have acted on these nodes. Ended ones whose nodes are not known: 1."
	for _, tt := range []struct {
		name         string
		others       []bos.Session
		remark, says string
	}{
		{"alone", nil, "", ""},
		{"others", []bos.Session{at("a", 3*time.Hour), at("z", 4*time.Hour)}, `newer sessions have acted on 1 of these nodes since, most recently "a": check how they ended there first`, ""},
		{"older ones", []bos.Session{at("a", 6*time.Hour)}, "", ""},
		{"one that began at the same time", []bos.Session{at("a", 5*time.Hour)}, "", ""},
		{"one that did not get to it", []bos.Session{at("untouched", 3*time.Hour)}, "", ""},
		{"one that is staged for others", []bos.Session{waiting}, `newer sessions have acted on 1 of these nodes since, most recently "waiting": check how they ended there first`, ""},
		{"one whose nodes are counted", []bos.Session{at("counted", 3*time.Hour)}, "", counted},
		{"an older one whose nodes are counted", []bos.Session{at("counted", 6*time.Hour)}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newHeldWorld(t, heldAPI{sessions: append(tt.others, at("night", 5*time.Hour)), nodes: func(s *bos.Session, r *bos.Recorder) {
				switch s.ID {
				case "night":
					failedNode("x1000c0s0b0n0", "x1000c0s0b0n1")(s, r)
				case "untouched":
					inCategory(s, r, bos.NotStarted, "x1000c0s0b0n0")
				case "counted":
					countedAlone(s, r)
				case "waiting":
					s.Staged, s.AwaitsApply = true, true
					fallthrough
				default:
					inCategory(s, r, bos.Succeeded, "x1000c0s0b0n0")
				}
			}})
			w.query(`{"queryType":"sessions"}`)
			r := w.query(`{"queryType":"retry","session":["night"]}`)
			if remark := joined(rows(t, r), "remark"); remark != tt.remark || notices(r) != tt.says {
				t.Errorf("remark %q, want %q; notices %q, want %q", remark, tt.remark, notices(r), tt.says)
			}
		})
	}
}

// The bar shows the numbers of BOS, whatever is known of the nodes.
func TestBarOfRecountedNodes(t *testing.T) {
	w := newHeldWorld(t, heldAPI{sessions: []bos.Session{held("", "one")}, nodes: func(s *bos.Session, r *bos.Recorder) {
		inCategory(s, r, bos.InProgress, "x1000c0s0b0n0", "x1000c0s0b0n1", "x1000c0s0b1n0", "x1000c0s0b1n1", "x1000c0s1b0n0")
		s.Nodes, s.Recounted = bos.Tally{Failed: 1, Succeeded: 2, Unfinished: 2}, true
	}})
	const want = "████████▓▓▓▓▓▓▓▓▄▄▄▄"
	if got := joined(rows(t, w.query(`{"queryType":"sessions"}`)), "shares"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A fault that passes is no error of an alert rule while what was known stands.
func TestAlertRuleOnAFaultThatPasses(t *testing.T) {
	w := newWorld(t, bossim.Gallery(), jsonData(`{"cacheSeconds":0}`))
	w.query(`{"queryType":"sessions"}`)
	w.sim.FailSession(pending, bossim.ServerError)
	if r := w.alert(`{"queryType":"counts","session":["` + pending + `"]}`); r.Error != nil {
		t.Error(r.Error)
	}
}

// A session that is asked for by its id, and that BOS does not tell of in time, is not said to
// await its turn.
func TestErrorOfASessionAskedForByItsID(t *testing.T) {
	api := heldAPI{silent: &bos.Error{Reason: bos.Unavailable, URL: "http://bos.test", Err: context.DeadlineExceeded}}
	for i := range 30 { // the sweep gives up before the last
		api.sessions = append(api.sessions, held("", fmt.Sprintf("s%02d", i)))
	}
	w := newHeldWorld(t, api)
	w.query(`{"queryType":"sessions"}`)
	r := w.query(`{"queryType":"sessions","session":["s29"]}`)
	if r.Error == nil || strings.Contains(r.Error.Error(), "little by little") || !strings.Contains(r.Error.Error(), "http://bos.test") {
		t.Errorf("status %d, error %v", r.Status, r.Error)
	}
}

// Each kind of reason has its own number and advice.
func TestReasonsAreToldApart(t *testing.T) {
	known := failedNode("x1000c0s0b0n0", "x1000c0s0b0n1")
	w := newHeldWorld(t, heldAPI{
		sessions: []bos.Session{held("", "a"), held("", "b"), held("", "c"), held("", "d")},
		nodes: func(s *bos.Session, r *bos.Recorder) {
			if s.ID == "d" {
				known(s, r)
			} else {
				countedAlone(s, r)
			}
		},
		broken: unavailable("b"),
	})
	says := notices(w.query(`{"queryType":"nodes"}`))
	for _, want := range []string{"missing from the answer: 1. Try again, and check the log of BOS if that does not help. The first is b: ", ". Sessions that are missing from the answer: 2. The first is a: its nodes are counted"} {
		if !strings.Contains(says, want) {
			t.Errorf("notices %q, want %q", says, want)
		}
	}
}

// Nobody knows how long a session took that may have ended at any time.
func TestDurationOfWhatMayHaveEnded(t *testing.T) {
	old, before := held("", "old"), held("", "before")
	old.StartTime, old.StopTime = bossim.GalleryTime.AddDate(0, 0, -10), time.Time{}
	before.StartTime = bossim.GalleryTime.AddDate(0, 0, -11)
	before.StopTime = before.StartTime.Add(20 * time.Minute)
	w := newHeldWorld(t, heldAPI{
		sessions: []bos.Session{old, before},
		nodes:    func(s *bos.Session, r *bos.Recorder) { inCategory(s, r, bos.Succeeded, "x1000c0s0b0n0") },
		broken:   unavailable("old"),
	})
	w.query(`{"queryType":"sessions","fresh":true}`)
	got := rows(t, w.query(`{"queryType":"sessions","session":["old"]}`))
	for column, want := range map[string]string{"state": "unknown", "usual": "1200", "duration": "<nil>", "slowdown": "<nil>"} {
		if value := joined(got, column); value != want {
			t.Errorf("%s is %s, want %s", column, value, want)
		}
	}
}

// The clock of BOS may be ahead of Grafana's.
func TestSessionsThatBeginBeforeGrafanasNow(t *testing.T) {
	ahead := time.Now().Add(2 * time.Minute)
	w := newV2World(t, bossim.Scripted(bossim.Spec{ID: "new", Operation: bos.Boot, Template: "cle", Created: ahead.Add(-30 * time.Second), API: bossim.V2,
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(2)}}}), bossim.EraD2, ahead)
	today := backend.TimeRange{From: time.Now().Add(-time.Hour), To: time.Now()}
	for _, session := range []string{`["running"]`, `["latest"]`, `[]`} {
		if got := joined(rows(t, w.queryIn(today, `{"queryType":"sessions","session":`+session+`}`)), "session"); got != "new" {
			t.Errorf("%s: %q", session, got)
		}
	}
	past := backend.TimeRange{From: today.From.Add(-time.Hour), To: today.From}
	if got := joined(rows(t, w.queryIn(past, `{"queryType":"sessions"}`)), "session"); got != "" {
		t.Errorf("a range that has passed: %q", got)
	}
}

// A boot set that BOS lost makes an alert rule an error, as its nodes may have failed.
func TestAlertRuleOnALostBootSet(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	w.sim.Substitute(func(r *http.Request) http.Handler {
		if !strings.Contains(r.URL.Path, configured+"/status/") {
			return nil
		}
		return http.NotFoundHandler()
	})
	if r := w.alert(`{"queryType":"counts","session":["` + configured + `"]}`); r.Error == nil || r.Status != backend.StatusNotFound {
		t.Errorf("status %d, error %v", r.Status, r.Error)
	}
}

// Links to the nodes of a place, or of a phase, keep what narrows the numbers.
func TestLinksKeepTheFilters(t *testing.T) {
	w := newHeldWorld(t, heldAPI{sessions: []bos.Session{held("", "night"), held("blue", "night")}, nodes: failedNode("x1000c0s0b0n0", "x1000c0s0b0n1"), components: fewNodes})
	for _, tt := range []struct {
		query, column, filter string
		want                  any
	}{
		{`{"queryType":"places","field":"slot","tenant":[""]}`, "place", "tenant", list{""}},
		{`{"queryType":"places","field":"slot","tenant":["blue"]}`, "place", "tenant", list{"blue"}},
		{`{"queryType":"places","field":"slot","state":["partial"]}`, "place", "state", list{"partial"}},
		{`{"queryType":"components_map","field":"slot/node","enabled":["true"]}`, "place", "enabled", list{"true"}},
		{`{"queryType":"nodes","tenant":["blue"]}`, "node", "tenant", list{"blue"}},
		{`{"queryType":"phases","node":"x1000c0s0b0n0"}`, "phase", "node", "x1000c0s0b0n0"},
	} {
		r := w.query(tt.query)
		f, _ := r.Frames[0].FieldByName(tt.column)
		if f == nil {
			t.Errorf("%s has no column %s: %v", tt.query, tt.column, r.Error)
			continue
		}
		link, _ := f.Config.Links[0].Internal.Query.(map[string]any)
		if got := link[tt.filter]; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: the filter %s of the link is %v, want %v", tt.query, tt.filter, got, tt.want)
		}
	}
}
