package bosv2_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// On a machine of 12,000 nodes, whatever BOS holds of old sessions, a sweep costs the two
// lists of unfinished sessions and the components of those that run: in requests and in
// bytes.
func TestCostOfASweepOnALargeMachine(t *testing.T) {
	t.Parallel()
	nodes := bossim.Nodes(12_000)
	cost := func(old int) (requests []string, bytes int64) {
		var specs []bossim.Spec
		for i := range old {
			s := spec(fmt.Sprintf("old-%d", i), bos.Reboot)
			s.Created = began.Add(-time.Duration(i)*5*time.Minute - 24*time.Hour)
			s.BootSets[0].Nodes = nodes[:6000:6000]
			if i > 0 {
				s.BootSets[0].Nodes = nodes[:60:60]
			}
			s.NoCFS = true
			specs = append(specs, s)
		}
		running := spec("running", bos.Reboot)
		running.BootSets[0].Nodes = nodes[6000:]
		staged := spec("staged", bos.Reboot)
		staged.Stage = true
		staged.BootSets[0].Nodes = nodes[:100]
		r := newRig(t, bossim.Scripted(append(specs, running, staged)...), bossim.EraD2, func(c *bosclient.Config) { c.Timeout = 5 * time.Minute })
		r.sweep(3 * time.Minute)
		for range 2 {
			r.sweep(2 * time.Minute)
		}
		if s := r.session(key("running")); s.Nodes.Nodes() != 6000 || s.Err != nil {
			t.Errorf("%d nodes; %v", s.Nodes.Nodes(), s.Err)
		}
		if n := len(r.Snapshot().Sessions); n < min(old, 100) {
			t.Errorf("%d sessions are known", n)
		}
		return slices.Sorted(slices.Values(r.requests())), r.bytes
	}
	few, fewBytes := cost(1)
	many, manyBytes := cost(1998)
	want := []string{
		"components?session=running",
		"components?session=running&start_after_id=" + pageEnd(nodes[6000:], 1),
		"components?session=running&start_after_id=" + pageEnd(nodes[6000:], 2),
		"components?session=staged", "components?staged_session=staged",
		"sessions?status=pending", "sessions?status=running"}
	for name, got := range map[string][]string{"1 old session": few, "1,998 old sessions": many} {
		if !slices.Equal(got, want) {
			t.Errorf("with %s a sweep asks for\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if manyBytes != fewBytes {
		t.Errorf("a sweep reads %d bytes with 1,998 old sessions, and %d with one", manyBytes, fewBytes)
	}
}

// pageEnd is the last node of a page.
func pageEnd(nodes []string, page int) string {
	sorted := slices.Sorted(slices.Values(nodes))
	return sorted[page*2800-1]
}

// Sessions beyond the maximum age are read a few in each sweep, and each once: what became
// of their nodes is told by the status, if others have taken these over.
func TestCostOfOldSessions(t *testing.T) {
	t.Parallel()
	const old = 50
	var specs []bossim.Spec
	for i := range old {
		s := spec(fmt.Sprintf("old-%d", i), bos.Boot)
		s.Created, s.NoCFS = began.Add(-300*time.Hour+time.Duration(i)*time.Hour), true
		s.Tenant = "blue" // BOS deletes the others after a week
		specs = append(specs, s)
	}
	r := newRig(t, bossim.Scripted(specs...), bossim.EraD2)
	for sweep, want := range []int{46, 26, 6, 0, 0} {
		unread := 0
		for _, s := range r.sweep(time.Minute).Sessions {
			switch {
			case s.Exposed || s.Err != nil:
				t.Errorf("%s: exposed %t, error %v", s.ID, s.Exposed, s.Err)
			case s.Unread:
				unread++
			case s.Verdict.State != bos.StateSucceeded || s.Nodes.Succeeded != 4:
				t.Errorf("%s: %s, %+v", s.ID, s.Verdict.State, s.Nodes)
			}
		}
		asked := make(map[string]int) // by session
		for _, path := range r.requests() {
			for i := range old {
				if id := fmt.Sprintf("old-%d", i); strings.HasSuffix(path, id) || strings.Contains(path, id+"/") {
					asked[id]++
				}
			}
		}
		if unread != want || len(asked) > 20 || sweep > 3 && len(asked) > 0 {
			t.Errorf("sweep %d: %d sessions are unread, want %d; asked about %v", sweep, unread, want, asked)
		}
		for id, n := range asked {
			if n > 4 {
				t.Errorf("sweep %d: %d requests for %s", sweep, n, id)
			}
		}
	}
}
