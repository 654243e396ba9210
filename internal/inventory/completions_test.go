package inventory_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

func TestCompletionsCountOnce(t *testing.T) {
	long := reboot("long-ago", began.Add(-48*time.Hour))
	brief := reboot("brief", began.Add(time.Minute))
	r := newRig(t, bossim.Scripted(long, brief), bossim.EraC)
	r.sim.FailSession("long-ago", bossim.Unavailable)
	r.sweep(0)
	r.sim.Heal()
	r.sweep(time.Second)
	if got := r.completed(bos.StateSucceeded); got != 0 {
		t.Errorf("a session that ended two days before counts, as it is read late: %d", got)
	}
	r.sweep(time.Hour) // in which the brief one came and went
	if got := r.completed(bos.StateSucceeded); got != 1 {
		t.Errorf("a session that began and ended between two sweeps: %d, want 1", got)
	}
	h := r.Snapshot().Completions.Durations[bos.Reboot]
	if want := (25*time.Minute + 10*time.Second).Seconds(); h.Count != 1 || h.Sum < want-60 || h.Sum > want+60 {
		t.Errorf("%d durations of %v seconds in all, want one of about %v", h.Count, h.Sum, want)
	}
	if want := []uint64{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}; !slices.Equal(h.Buckets, want) {
		t.Errorf("buckets %v, want %v", h.Buckets, want)
	}
	for range 2 { // the list is empty for a while: nothing counts again
		r.replace("session", "[]")
		if s := r.sweep(time.Minute); len(s.Sessions) != 0 {
			t.Fatalf("%d sessions in an empty list", len(s.Sessions))
		}
		r.replace("session", "")
		r.sweep(time.Minute)
		r.sweep(2 * time.Minute)
	}
	if got := r.completed(bos.StateSucceeded); got != 1 {
		t.Errorf("counted again after the list was empty: %d", got)
	}
}

func TestCompletionOfASessionDeletedAtOnce(t *testing.T) {
	spec := reboot("s1", began)
	r := newRig(t, bossim.Scripted(spec), bossim.EraC)
	r.sweep(20 * time.Minute)
	for r.session("s1").StopTime.IsZero() {
		r.sweep(5 * time.Second)
	}
	spec.Deleted = r.clock.Now().Add(time.Second)
	r.sim = bossim.New(bossim.Scripted(spec), bossim.EraC, r.clock.Now)
	if r.sweep(30 * time.Second); r.completed(bos.StateSucceeded) != 1 || len(r.Snapshot().Sessions) != 0 {
		t.Errorf("%d completions, sessions %v", r.completed(bos.StateSucceeded), r.Snapshot().Sessions)
	}
}

// A session that stopped before it started took nobody knows how long.
func TestCompletionBeforeItsStart(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began)), bossim.EraC)
	r.sweep(time.Minute)
	r.sweep(10 * time.Minute)
	stop := r.clock.Now().Add(-time.Minute)
	r.replace("session/s1", fmt.Sprintf(`{"templateName":"cle","operation":"reboot","job":"boa-s1","start_time":%q,"stop_time":%q,"in_progress":false,"complete":true,"error_count":0}`,
		r.clock.Now().Format(time.RFC3339), stop.Format(time.RFC3339)))
	for range 4 {
		r.sweep(time.Minute)
	}
	counted := 0
	for _, n := range r.Snapshot().Completions.Counts {
		counted += n
	}
	if h := r.Snapshot().Completions.Durations[bos.Reboot]; counted != 1 || h.Count != 0 {
		t.Errorf("%d completions, %+v; session %+v, %v", counted, h, r.session("s1").Metadata, r.session("s1").Err)
	}
}

func TestCompletionWithoutStopTime(t *testing.T) {
	r := newRig(t, bossim.Scripted(reboot("s1", began.Add(time.Minute), bossim.Trouble{Kind: bossim.ShutdownFails})), bossim.EraA)
	r.sweep(0)
	r.sweep(30 * time.Minute)
	r.wantState("s1", bos.StateFailed)
	r.sweep(12 * time.Hour)
	if !r.session("s1").Exposed {
		t.Error("not exposed within the linger")
	}
	r.sweep(13 * time.Hour)
	if r.session("s1").Exposed {
		t.Error("exposed after the linger: it has an end without a stop time")
	}
	if h := r.Snapshot().Completions; r.completed(bos.StateFailed) != 1 || h.Durations[bos.Reboot].Count != 0 {
		t.Errorf("%+v", h)
	}
}
