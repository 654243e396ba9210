package bosv2_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// A session costs a reading of its components in each sweep, a few requests at its start
// and at its end, and nothing after that.
func TestRequestsOfASession(t *testing.T) {
	lists := []string{"sessions?status=pending", "sessions?status=running"}
	r := newRig(t, bossim.Scripted(spec("s1", bos.Reboot)), bossim.EraD2)
	for _, step := range []struct {
		name  string
		after time.Duration
		want  []string
	}{
		{"first sweep: pending", 5 * time.Second, []string{"sessions", "options"}},
		{"first reading of its nodes", 30 * time.Second, append(slices.Clone(lists), "sessiontemplates/cle", "sessions/s1", "components?session=s1")},
		{"at work", 5 * time.Minute, append(slices.Clone(lists), "components?session=s1")},
		{"complete", 13 * time.Minute, append(slices.Clone(lists), "sessions/s1", "sessions/s1/status", "components?session=s1")},
		{"just ended", 30 * time.Second, lists},
		{"last reading", time.Minute, append(slices.Clone(lists), "sessions/s1")},
		{"settled", time.Minute, lists},
	} {
		r.sweep(step.after)
		if diff := cmp.Diff(step.want, r.requests()); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", step.name, diff)
		}
	}
	if s := r.session(key("s1")); s.Verdict.State != bos.StateSucceeded || s.Nodes != (bos.Tally{Succeeded: 4}) {
		t.Errorf("state %s, nodes %+v; want all 4 succeeded", s.Verdict.State, s.Nodes)
	}
}
