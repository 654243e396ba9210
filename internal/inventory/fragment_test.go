package inventory_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

func TestFragmentKeepsLastGoodData(t *testing.T) {
	const bootSet, description = "session/s1/status/computes", "session/s1"
	for _, tt := range []struct {
		name, path, body string
		lacks            string
	}{
		{"boot set: an id", bootSet, `{"id":"x"}`, "no phases"},
		{"boot set: a name", bootSet, `{"name":"Not Found"}`, "no phases"},
		{"boot set: null for phases", bootSet, `{"name":"computes","phases":null}`, "/phases"},
		{"boot set: no phases", bootSet, `{"name":"computes","phases":[]}`, `phase "shutdown" of boot set "computes"`},
		{"boot set: a phase is missing", bootSet, `{"metadata":{"complete":false,"in_progress":true,"error_count":1,"start_time":"2026-03-01 08:01:05"},
			"phases":[{"name":"boot","categories":[{"name":"failed","node_list":["x1000c0s0b0n0"]}]}]}`, `phase "shutdown" of boot set "computes"`},
		{"description: nulls", description, `{"templateName":null,"operation":null,"job":null,"start_time":null,"stop_time":null}`, "no value"},
		{"description: a job", description, `{"job":"x"}`, "no value"},
		{"description: a job and a time", description, `{"job":"x","start_time":"2026-03-01T08:00:00Z"}`, "template, operation"},
		{"description: no job", description, `{"templateName":"cle","operation":"reboot","complete":false,"in_progress":true,"error_count":0,"start_time":"2026-03-01T08:00:00Z"}`, "job"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, bossim.Scripted(reboot("s1", began, bossim.Trouble{Kind: bossim.ShutdownFails, Nodes: computes[:1]})), bossim.EraC, func(t *testing.T, r *rig) {
				r.sweep(12 * time.Minute)
				before := r.session("s1")
				if before.Nodes.Failed != 1 || before.Err != nil {
					t.Fatalf("before: %d nodes failed, error %v", before.Nodes.Failed, before.Err)
				}
				r.replace(tt.path, tt.body)
				r.sweep(30 * time.Second)
				during := r.session("s1")
				if during.Session != before.Session || !during.Exposed {
					t.Errorf("the last good data is gone: template %q, %d failed", during.Template, during.Nodes.Failed)
				}
				if bos.ReasonOf(during.Err) != bos.Malformed || !strings.Contains(during.Err.Error(), tt.lacks) {
					t.Errorf("error %v, want a malformed one with %q", during.Err, tt.lacks)
				}
				r.replace("", "")
				if r.sweep(30 * time.Second); r.session("s1").Err != nil || r.session("s1").Session == before.Session {
					t.Errorf("after: error %v", r.session("s1").Err)
				}
			})
		})
	}
}

// An end that was known is not undone, nor is that of a settled session.
func TestFragmentDoesNotUndoAStop(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began.Add(-2*time.Hour))), bossim.EraC, func(t *testing.T, r *rig) {
		r.sweep(0)
		r.Unsettle() // to be verified
		r.replace("session/s1", `{"templateName":"cle","operation":"reboot","job":"boa-s1","complete":false,"in_progress":true,"error_count":0,
			"start_time":"2026-03-01T06:00:00Z","stop_time":null}`)
		r.sweep(30 * time.Second)
		r.wantState("s1", bos.StateSucceeded)
		if err := r.session("s1").Err; err == nil || !strings.Contains(err.Error(), "stop time") {
			t.Errorf("error %v, want one about the stop time", err)
		}
	})
}

// Of a session that has stopped, the description alone is verified, and may be a fragment.
func TestFragmentKeepsTheDescriptionOfASettledSession(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began.Add(-200*time.Hour))), bossim.EraC, func(t *testing.T, r *rig) {
		r.sweep(0)
		before := r.session("s1")
		r.Unsettle() // to be verified
		r.replace("session/s1", `{"job":"boa-s1","start_time":"2026-02-21T00:00:00Z"}`)
		r.sweep(30 * time.Second)
		after := r.session("s1")
		if before.Template == "" || after.Session != before.Session || bos.ReasonOf(after.Err) != bos.Malformed {
			t.Errorf("template %q, then %q, error %v", before.Template, after.Template, after.Err)
		}
	})
}

// An agent that is replaced puts all nodes back to not started, which loses nothing.
func TestReplacedAgentIsNoFragment(t *testing.T) {
	for _, era := range []bossim.Era{bossim.EraA, bossim.EraB1, bossim.EraB2, bossim.EraC} {
		t.Run(era.String(), func(t *testing.T) {
			spec := reboot("s1", began.Add(time.Second))
			spec.Agent.Killed, spec.Agent.Replaced = 18*time.Minute, 20*time.Minute
			inBubble(t, bossim.Scripted(spec), era, func(t *testing.T, r *rig) {
				back := false
				for range 150 {
					r.sweep(30 * time.Second)
					if len(r.Snapshot().Sessions) == 0 {
						continue
					}
					s := r.session("s1")
					if s.Err != nil {
						t.Fatalf("%s: %v", s.Verdict.State, s.Err)
					}
					if len(s.BootSets[0].Phases) > 0 && s.BootSets[0].Phases[0].Count(bos.NotStarted) == 4 && s.FirstSeen.Before(r.Snapshot().Time.Add(-19*time.Minute)) {
						back = true
					}
				}
				if !back {
					t.Error("the nodes never went back")
				}
				r.wantState("s1", bos.StateSucceeded)
			})
		})
	}
}

// A session whose first reading is a fragment has no template, and says so until the
// next one has.
func TestFragmentAtTheFirstReading(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(t *testing.T, r *rig) {
		r.replace("session/s1", `{"job":"x"}`)
		r.sweep(8 * time.Minute)
		if s := r.session("s1"); s.Err == nil || s.Verdict.State != bos.StateUnknown {
			t.Errorf("%s, error %v", s.Verdict.State, s.Err)
		}
		r.replace("", "")
		r.sweep(30 * time.Second)
		r.wantState("s1", bos.StateRunning)
		if err := r.session("s1").Err; err != nil {
			t.Error(err)
		}
	})
}

func TestSessionWithoutTemplateSaysSoOnce(t *testing.T) {
	spec := reboot("s1", began)
	spec.Template = ""
	inBubble(t, bossim.Scripted(spec), bossim.EraC, func(t *testing.T, r *rig) {
		for range 5 {
			r.sweep(30 * time.Second)
			if err := r.session("s1").Err; err == nil || !strings.Contains(err.Error(), "BOS names no session template for it, so its boot sets cannot be known") {
				t.Errorf("error %v", err)
			}
			if want := map[string]int{"session": 1, "session/s1": 1, "session/s1/status": 1}; !maps.Equal(r.asked, want) {
				t.Errorf("asked %v, want %v", r.asked, want)
			}
		}
		if n := strings.Count(r.log.String(), "names no session template"); n != 1 {
			t.Errorf("logged %d times: %s", n, r.log)
		}
	})
}

// Another session under an old id is a new session.
func TestIDUsedAgain(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began.Add(time.Minute))), bossim.EraC, func(t *testing.T, r *rig) {
		r.sweep(0)
		r.sweep(30 * time.Minute)
		r.sweep(2 * time.Minute)
		if n := r.completed(bos.StateSucceeded); n != 1 {
			t.Fatalf("%d completions, want 1", n)
		}
		other := reboot("s1", began.Add(40*time.Minute))
		other.Template = "uan"
		other.BootSets = []bossim.BootSetSpec{{Name: "uans", Nodes: []string{"x3000c0s1b0n0"}}}
		start := time.Now().Add(-r.Cfg().Now().Sub(began))
		r.sim = bossim.New(bossim.Scripted(other), bossim.EraC, func() time.Time { return began.Add(time.Since(start)) })
		r.Unsettle() // to be verified
		r.sweep(20 * time.Minute)
		s := r.session("s1")
		if len(s.BootSets) != 1 || s.BootSets[0].Name != "uans" || s.Template != "uan" || s.Err != nil {
			t.Errorf("template %s, boot sets %v, error %v", s.Template, s.BootSets, s.Err)
		}
		if !s.FirstSeen.After(began.Add(40 * time.Minute)) {
			t.Errorf("first seen at %s, which was another session", s.FirstSeen)
		}
		r.wantState("s1", bos.StateRunning)
		r.sweep(30 * time.Minute)
		r.sweep(2 * time.Minute)
		if n := r.completed(bos.StateSucceeded); n != 2 {
			t.Errorf("%d completions of two sessions with one id", n)
		}
	})
}
