package inventory_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// Sessions beyond the maximum age have no series, but their outcomes are learned: each is
// read once, the newest first, and twenty in a sweep; in the first one four.
func TestOldSessionsAreReadLittleByLittle(t *testing.T) {
	const old = 50
	specs := []bossim.Spec{reboot("young", began.Add(-time.Hour))}
	for i := range old {
		specs = append(specs, reboot(fmt.Sprint("old-", i), began.Add(-200*time.Hour-time.Duration(i)*time.Hour)))
	}
	r := newRig(t, bossim.Scripted(specs...), bossim.EraC)
	for sweep, read := range []int{4, 24, 44, old, old} {
		s := r.sweep(time.Minute)
		wantAsked := map[string]int{"session": 1}
		if sweep == 0 {
			wantAsked["session/young"], wantAsked["session/young/status"], wantAsked["session/young/status/computes"] = 1, 1, 1
			for i := range old {
				wantAsked[fmt.Sprint("session/old-", i)] = 1
			}
		}
		for i := range old {
			e := r.session(fmt.Sprint("old-", i))
			wantState := bos.StateSucceeded
			if i >= read {
				wantState = bos.StateUnread
			}
			if e.Exposed || e.Verdict.State != wantState || e.Unread != (i >= read) || e.Operation != bos.Reboot {
				t.Errorf("sweep %d: %s is %s, exposed %t, unread %t; want %s", sweep, e.ID, e.Verdict.State, e.Exposed, e.Unread, wantState)
			}
			if i < read && i >= read-20 && (sweep < 3 || i >= 44) && sweep < 4 {
				wantAsked[fmt.Sprintf("session/old-%d", i)] = 1
				wantAsked[fmt.Sprintf("session/old-%d/status", i)] = 1
				wantAsked[fmt.Sprintf("session/old-%d/status/computes", i)] = 1
			}
		}
		maps.DeleteFunc(r.asked, func(path string, _ int) bool { return strings.HasPrefix(path, "sessiontemplate/") })
		if diff := cmp.Diff(wantAsked, r.asked); diff != "" {
			t.Errorf("sweep %d: requests (-want +got):\n%s", sweep, diff)
		}
		wantDropped := map[string]int{inventory.DroppedAge: read}
		if read < old {
			wantDropped[inventory.DroppedUnread] = old - read
		}
		if diff := cmp.Diff(wantDropped, s.Dropped); diff != "" || s.Listed != bos.Some(old+1) {
			t.Errorf("sweep %d: dropped (-want +got):\n%s", sweep, diff)
		}
	}
	if s := r.sweep(167 * time.Hour); s.Dropped[inventory.DroppedAge] != old+1 || r.session("young").Exposed {
		t.Error("the young one has not grown old")
	}
	all := newRig(t, bossim.Scripted(specs...), bossim.EraC, func(c *inventory.Config) { c.MaxAge, c.Linger = 0, 0 })
	if s := all.sweep(0); len(s.Dropped) != 0 {
		t.Errorf("without a maximum age, %v are dropped", s.Dropped)
	}
}

func TestBudget(t *testing.T) {
	r := newRig(t, bossim.Scripted(
		reboot("ended-old", began.Add(-5*time.Hour)),
		reboot("ended-new", began.Add(-time.Hour)),
		reboot("running-old", began.Add(-20*time.Minute)),
		reboot("running-new", began.Add(-5*time.Minute)),
	), bossim.EraC, func(c *inventory.Config) { c.MaxSessions = 3 })
	s := r.sweep(0)
	var exposed []string
	for _, e := range s.Sessions {
		if e.Exposed {
			exposed = append(exposed, e.ID)
		}
	}
	if want := []string{"ended-new", "running-new", "running-old"}; !slices.Equal(exposed, want) || s.Dropped[inventory.DroppedBudget] != 1 {
		t.Errorf("exposed %v, want %v; dropped %v", exposed, want, s.Dropped)
	}
}

// fingerprint is everything that a snapshot says.
func fingerprint(t *testing.T, s *inventory.Snapshot) string {
	t.Helper()
	var b strings.Builder
	for _, e := range s.Sessions {
		session, err := json.Marshal(e.Session)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %+v %v %t %t\n", session, e.Verdict, e.Err, e.Unread, e.Exposed)
		for _, set := range e.BootSets {
			for _, p := range set.Phases {
				for _, c := range p.Categories {
					fmt.Fprintln(&b, p.Name, c.Name, s.Nodes.Names(c.Nodes))
				}
			}
		}
	}
	fmt.Fprintf(&b, "%v %v", s.Dropped, s.Completions)
	return b.String()
}

func TestSnapshotIsNeverWritten(t *testing.T) {
	specs := []bossim.Spec{reboot("ages", began), reboot("ends", began.Add(160*time.Hour)), reboot("old", began.Add(-200*time.Hour))}
	specs[0].Agent.Killed = 7 * time.Minute // so that it is not settled when it comes of age
	inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
		r.Cfg().Limits.Abandoned = 1000 * time.Hour
		snapshots := make(map[*inventory.Snapshot]string)
		for _, step := range []time.Duration{8 * time.Minute, 159 * time.Hour, time.Hour, 2 * time.Hour, 5 * time.Hour, time.Hour, time.Hour} {
			done := make(chan struct{})
			go func() { // for the race detector
				defer close(done)
				for s := range snapshots {
					_ = fingerprint(t, s)
				}
			}()
			s := r.sweep(step)
			<-done
			snapshots[s] = fingerprint(t, s)
			r.Unsettle() // all are read again
		}
		if r.session("ages").Exposed {
			t.Error("the session has not come of age")
		}
		for s, before := range snapshots {
			if after := fingerprint(t, s); after != before {
				t.Errorf("a snapshot was written:\n got %s\nwant %s", after, before)
			}
		}
	})
}

func TestUndatedLeftoverIsNeverTheLatest(t *testing.T) {
	undated := func(id string, created time.Time) bossim.Spec {
		s := reboot(id, created)
		s.Agent.Never = true // in the earliest releases nothing dates it then
		return s
	}
	inBubble(t, bossim.Scripted(undated("leftover", began.Add(-300*24*time.Hour)), reboot("dated", began.Add(-2*time.Hour)), undated("appears", began.Add(time.Hour))),
		bossim.EraA, func(t *testing.T, r *rig) {
			newest := func() (ids []string) {
				sessions := slices.Clone(r.Snapshot().Sessions)
				slices.SortFunc(sessions, func(a, b inventory.Session) int { return inventory.NewestFirst(&a, &b) })
				for _, s := range sessions {
					ids = append(ids, s.ID)
				}
				return ids
			}
			r.sweep(0)
			if got, want := newest(), []string{"dated", "leftover"}; !slices.Equal(got, want) {
				t.Errorf("at the start %v, want %v", got, want)
			}
			r.sweep(61 * time.Minute)
			want := []string{"appears", "dated", "leftover"}
			if got := newest(); !slices.Equal(got, want) {
				t.Errorf("later %v, want %v", got, want)
			}
			r.replace("session", "[]") // a list that lacks sessions for a while makes none new
			r.sweep(30 * time.Second)
			r.replace("", "")
			r.sweep(30 * time.Second)
			if got := newest(); !slices.Equal(got, want) {
				t.Errorf("after an empty list %v, want %v", got, want)
			}
		})
}

// Sessions that have left the list are forgotten, whatever the maximum age.
func TestGoneSessionsAreForgotten(t *testing.T) {
	spec := reboot("s1", began.Add(time.Minute))
	spec.Deleted = began.Add(time.Hour)
	inBubble(t, bossim.Scripted(spec), bossim.EraC, func(t *testing.T, r *rig) {
		r.sweep(0)
		r.sweep(30 * time.Minute)
		r.sweep(time.Hour)
		if known, _, gone := r.Held(); known != 0 || gone != 1 || r.completed(bos.StateSucceeded) != 1 {
			t.Fatalf("%d known, %d gone, %d completed", known, gone, r.completed(bos.StateSucceeded))
		}
		r.sweep(25 * time.Hour)
		if _, _, n := r.Held(); n != 0 {
			t.Errorf("%d sessions are remembered", n)
		}
	}, func(c *inventory.Config) { c.MaxAge = 0 })
}
