package bosv2_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// The sessions of the documentation, each as it is to be shown.
func TestDocumentedSessions(t *testing.T) {
	r := newRigAt(t, bossim.DocumentedV2Time, bossim.DocumentedV2(), bossim.EraD2)
	r.sweep(0)
	for _, tt := range []struct {
		name  string
		key   bos.Key
		state bos.State
		nodes bos.Tally
		line  string
		err   string
	}{
		{"pending", key("uan-boot-0302"), bos.StatePending, bos.Tally{}, "", ""},
		{"set-up error", key("typo-0302"), bos.StateFailed, bos.Tally{}, "", ""},
		{"its nodes moved on", key("compute-boot-0301"), bos.StatePartial, bos.Tally{Succeeded: 3, Failed: 1}, "", ""},
		{"a tenant's, whose nodes are not listed", bos.Key{API: bos.APIv2, Tenant: "vcluster-blue", ID: "compute-reboot-0302"}, bos.StateUnknown, bos.Tally{}, "", "BOS lists none of them"},
		{"running", key("compute-reboot-0302"), bos.StateRunning, bos.Tally{Succeeded: 1, Failed: 3, Unfinished: 6, Excluded: 1},
			"shutdown +not_started +in_progress +++++++succeeded +on_hold +superseded " +
				"boot +++not_started +++in_progress +++succeeded +failed +superseded ** configure +not_started +in_progress +failed", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := r.session(tt.key)
			if s.Verdict.State != tt.state || s.Nodes != tt.nodes {
				t.Errorf("%s, nodes %+v; want %s, %+v", s.Verdict.State, s.Nodes, tt.state, tt.nodes)
			}
			if line(s) != tt.line {
				t.Errorf("phases %s, want %s", line(s), tt.line)
			}
			if got := s.Err; (got != nil) != (tt.err != "") || got != nil && !strings.Contains(got.Error(), tt.err) {
				t.Errorf("error %v, want %q", got, tt.err)
			}
		})
	}
	s := r.session(key("compute-reboot-0302"))
	_, want := r.told(key("compute-reboot-0302"))
	got := ours(s)
	got.managed -= s.Nodes.Excluded // another session took it
	if got != want {
		t.Errorf("managed, stable, failed, staged: %v, want %v", got, want)
	}
	if limit := r.session(key("stage-0303")); limit.Limit != "Compute,!x3000c0s25b4n0" || !limit.Staged || !limit.IncludeDisabled {
		t.Errorf("limit %q, staged %t, include_disabled %t", limit.Limit, limit.Staged, limit.IncludeDisabled)
	}
	var messages []string
	for _, p := range s.BootSets[0].Phases {
		for _, e := range p.Errors {
			messages = append(messages, p.Name+": "+e.Message)
		}
	}
	slices.Sort(messages)
	if len(messages) != 4 {
		t.Errorf("errors:\n%s", strings.Join(messages, "\n"))
	}
}
