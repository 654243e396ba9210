package datasource

import (
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// countedAlone adds a boot set of which BOS has kept no more than numbers.
func countedAlone(s *bos.Session, _ *bos.Recorder) {
	s.Nodes = bos.Tally{Failed: 3, Succeeded: 7}
	s.BootSets = []bos.BootSet{{Name: "compute", Derived: "template", Reported: true, Nodes: s.Nodes}}
}

// Nodes that are known by their number alone are counted, and are never said not to exist.
func TestCountedNodesAreNeverZero(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		field, want string // of the answer; a notice that says want if there is no field
	}{
		{"sessions", `{"queryType":"sessions"}`, "nodes", "10"},
		{"failed nodes of sessions", `{"queryType":"sessions"}`, "failed", "3"},
		{"sessions by their boot set", `{"queryType":"sessions","bootset":["compute"]}`, "failed", "3"},
		{"sessions by another boot set", `{"queryType":"sessions","bootset":["uan"]}`, "failed", ""},
		{"sessions by category", `{"queryType":"sessions","category":["failed"]}`, "", "not by phase"},
		{"sessions by node", `{"queryType":"sessions","node":"x*"}`, "", "not known by name"},
		{"boot sets", `{"queryType":"bootsets"}`, "succeeded", "7"},
		{"what boot sets are derived from", `{"queryType":"bootsets"}`, "derived", "template"},
		{"phases", `{"queryType":"phases"}`, "", "not by phase"},
		{"phases by node", `{"queryType":"phases","node":"x*"}`, "", "not known by name"},
		{"phases of another boot set", `{"queryType":"phases","bootset":["uan"]}`, "phase", ""},
		{"counts", `{"queryType":"counts"}`, "", "not by phase"},
		{"counts by node", `{"queryType":"counts","node":"x*"}`, "", "not known by name"},
		{"nodes", `{"queryType":"nodes"}`, "", "not known by name"},
		{"errors", `{"queryType":"errors"}`, "", "not known by name"},
		{"retry", `{"queryType":"retry"}`, "", "not known by name"},
		{"offenders", `{"queryType":"offenders"}`, "", "not known by name"},
		{"values of boot sets", `{"queryType":"values","field":"bootset"}`, "value", "compute"},
		{"values of nodes", `{"queryType":"values","field":"node"}`, "", "not known by name"},
		{"no values of nodes", `{"queryType":"values","field":"node"}`, "value", ""},
		{"values of boot sets by phase", `{"queryType":"values","field":"bootset","phase":["boot"]}`, "", "not by phase"},
		{"values of categories of a boot set", `{"queryType":"values","field":"category","bootset":["compute"]}`, "", "not by phase"},
		{"no counts", `{"queryType":"counts"}`, "nodes", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newHeldWorld(t, heldAPI{sessions: []bos.Session{held("", "frozen")}, nodes: countedAlone})
			r := w.query(tt.query)
			if tt.field != "" {
				if got := joined(rows(t, r), tt.field); got != tt.want {
					t.Errorf("%s is %q, want %q", tt.field, got, tt.want)
				}
				return
			}
			// No fault, but a table must not look as if there were no nodes. Variables and bar
			// charts take any text for a value.
			says := "Session frozen is missing from the answer: its nodes are counted, but " + tt.want
			if !strings.HasPrefix(notices(r), says) {
				t.Errorf("notices %q, want %q", notices(r), says)
			}
			if shown := joined(rows(t, r), "not_known"); len(r.Frames[0].Fields) == 1 && !strings.HasPrefix(shown, "Nothing that is known. "+says) {
				t.Errorf("it shows %q, want %q", shown, says)
			}
			if r := w.alert(tt.query); r.Error == nil || strings.Contains(tt.query, alertType) && (r.Status != backend.StatusNotFound || !strings.HasPrefix(r.Error.Error(), says)) {
				t.Errorf("in an alert rule: status %d, error %v, want %q", r.Status, r.Error, says)
			}
		})
	}
}

// Beside sessions whose nodes are known, those whose nodes are only counted are a warning.
func TestCountedNodesBesideNamedOnesAreAWarning(t *testing.T) {
	known := failedNode("x1000c0s0b0n0", "x1000c0s0b0n1")
	w := newHeldWorld(t, heldAPI{
		sessions: []bos.Session{held("", "frozen"), held("", "night")},
		nodes: func(s *bos.Session, r *bos.Recorder) {
			if s.ID == "frozen" {
				countedAlone(s, r)
			} else {
				known(s, r)
			}
		},
	})
	for _, queryType := range []string{"phases", "counts", "nodes", "errors", "retry", "offenders"} {
		t.Run(queryType, func(t *testing.T) {
			r := w.query(`{"queryType":"` + queryType + `"}`)
			if n := len(rows(t, r)); n == 0 || !strings.Contains(notices(r), "Session frozen is missing from the answer: its nodes are counted") {
				t.Errorf("%d rows, notices %q", n, notices(r))
			}
		})
	}
}

// What only some APIs say is in columns of its own.
func TestColumnsOfWhatAnAPISays(t *testing.T) {
	staged := held("blue", "staged")
	staged.Limit, staged.Staged, staged.IncludeDisabled = "Compute,!x1000c0s0b0n7", true, true
	broken := held("", "broken")
	broken.SetupError = "No nodes were found to act upon."
	w := newHeldWorld(t, heldAPI{
		sessions: []bos.Session{broken, staged},
		nodes: func(s *bos.Session, r *bos.Recorder) {
			if s.ID == "broken" {
				return
			}
			r.Category(0, bos.OnHold).Add([]byte("x1000c0s0b0n2"))
			r.Category(0, bos.Superseded).Add([]byte("x1000c0s0b0n3"))
			failedNode("x1000c0s0b0n0", "x1000c0s0b0n1")(s, r)
		},
	})
	for _, tt := range []struct{ name, query, field, want string }{
		{"the limit", `{"queryType":"sessions","session":["staged"]}`, "limit", "Compute,!x1000c0s0b0n7"},
		{"staged or not", `{"queryType":"sessions"}`, "stage", "false true"},
		{"the set-up error", `{"queryType":"sessions","session":["broken"]}`, "setup_error", "No nodes were found to act upon."},
		{"no nodes at all", `{"queryType":"sessions","session":["broken"]}`, "nodes", "<nil>"},
		{"attempts", `{"queryType":"nodes","category":["failed","succeeded"]}`, "attempts", "3 <nil>"},
		{"nodes on hold", `{"queryType":"phases"}`, "on_hold", "1"},
		{"superseded nodes", `{"queryType":"phases"}`, "superseded", "1"},
		{"the worst first", `{"queryType":"nodes"}`, "category", "failed on_hold succeeded superseded"},
		{"a node on hold without a message", `{"queryType":"nodes","category":["on_hold"]}`, "error", noMessage},
		{"an offender on hold", `{"queryType":"offenders"}`, "last_error", "no power " + noMessage},
		{"the command", `{"queryType":"retry"}`, "command",
			"# The cray CLI must be configured for the tenant of the session (core.tenant): \"blue\"\n" +
				"cray bos v2 sessions create --template-name compute-25.3 --operation reboot --include-disabled true --limit x1000c0s0b0n0,x1000c0s0b0n2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := joined(rows(t, w.query(tt.query)), tt.field); got != tt.want {
				t.Errorf("%s is %q, want %q", tt.field, got, tt.want)
			}
		})
	}
}
