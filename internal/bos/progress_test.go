package bos

import (
	"slices"
	"testing"
	"time"
)

func TestObserve(t *testing.T) {
	boot := func(nodes in, started, stopped time.Duration) *Session {
		return reading(Boot, 0, reported("computes",
			testPhase{name: Boot, nodes: nodes, started: started, stopped: stopped},
			testPhase{name: Configure, nodes: in{InProgress: span(1, 4)}}))
	}
	progress := func(s *Session) time.Duration { return s.BootSets[0].Phases[0].LastProgress.Sub(start) }

	first := boot(in{InProgress: span(1, 4)}, 2*time.Minute, 0)
	first.Observe(nil, start.Add(5*time.Minute))
	if got := progress(first); got != 2*time.Minute {
		t.Errorf("first reading: %s, want the start of the phase", got)
	}
	same := boot(in{InProgress: {4, 3, 2, 1}}, 2*time.Minute, 0)
	same.Observe(first, start.Add(6*time.Minute))
	if got := progress(same); got != 2*time.Minute {
		t.Errorf("same nodes in another order: %s, want no progress", got)
	}
	moved := boot(in{InProgress: span(1, 3), Succeeded: {4}}, 2*time.Minute, 0)
	moved.Observe(same, start.Add(7*time.Minute))
	if got := progress(moved); got != 7*time.Minute {
		t.Errorf("a node moved: %s, want now", got)
	}
	swapped := boot(in{InProgress: {1, 2, 4}, Succeeded: {3}}, 2*time.Minute, 0)
	swapped.Observe(moved, start.Add(8*time.Minute))
	if got := progress(swapped); got != 8*time.Minute {
		t.Errorf("two nodes changed places, counts did not: %s, want now", got)
	}
	reset := boot(in{NotStarted: span(1, 4)}, 2*time.Minute, 0)
	reset.Observe(swapped, start.Add(9*time.Minute))
	if got := progress(reset); got != 9*time.Minute {
		t.Errorf("all nodes jumped back: %s, want now", got)
	}
	if got := reset.BootSets[0].Phases[1].LastProgress.Sub(start); got != time.Second {
		t.Errorf("the other phase: %s, want the start of the boot set", got)
	}
	if !reset.FirstSeen.Equal(start.Add(5 * time.Minute)) {
		t.Errorf("first seen %s", reset.FirstSeen)
	}

	unreported := reading(Boot, 0, testBootSet{name: "computes"})
	unreported.Observe(nil, start)
	appeared := boot(in{NotStarted: span(1, 4)}, 0, 0)
	appeared.Observe(unreported, start.Add(3*time.Minute))
	if got := progress(appeared); got != 3*time.Minute {
		t.Errorf("the boot set appeared: %s, want now", got)
	}
}

// readAt returns the reading of a boot so many minutes after its start, after another one.
func readAt(minutes int, stopped time.Duration, nodes in, prev *Session) *Session {
	s := reading(Boot, stopped, reported("computes", testPhase{name: Boot, nodes: nodes}))
	s.Observe(prev, start.Add(time.Duration(minutes)*time.Minute))
	return s
}

// Nodes that moved before the session stopped are often seen to have moved only later.
func TestMovesSeenWithTheStopCameBeforeIt(t *testing.T) {
	running := readAt(1, 0, in{InProgress: span(1, 4)}, nil)
	ended := readAt(20, 9*time.Minute, in{Succeeded: span(1, 4)}, running)
	if got := ended.LastProgress(start.Add(time.Hour)).Sub(start); got != 9*time.Minute {
		t.Errorf("last progress after %s, want the stop", got)
	}
	again := readAt(30, 9*time.Minute, in{InProgress: span(1, 4)}, ended)
	if got := again.LastProgress(start.Add(time.Hour)).Sub(start); got != 30*time.Minute {
		t.Errorf("a node moved after the stop: last progress after %s, want its reading", got)
	}
}

// A stop that is told late may lie before moves that have been seen.
func TestLastProgressNeverGoesBack(t *testing.T) {
	running := readAt(1, 0, in{InProgress: span(1, 4)}, nil)
	moved := readAt(15, 0, in{InProgress: span(1, 2), Succeeded: span(3, 4)}, running)
	ended := readAt(20, 9*time.Minute, in{Succeeded: span(1, 4)}, moved)
	if got := ended.LastProgress(start.Add(time.Hour)).Sub(start); got != 15*time.Minute {
		t.Errorf("last progress after %s, want that of the move that was seen", got)
	}
}

// What is first seen once the session has stopped came before the stop, but never after now.
func TestFirstProgressOfAnUndatedPhase(t *testing.T) {
	now := start.Add(20 * time.Minute)
	for _, tt := range []struct {
		name          string
		stopped, want time.Duration
	}{
		{"a session at work", 0, 20 * time.Minute},
		{"one that has stopped", 9 * time.Minute, 9 * time.Minute},
		{"one that stops in the future", 30 * time.Minute, 20 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := reading(Boot, tt.stopped, reported("computes", testPhase{name: Boot, nodes: in{Succeeded: span(1, 4)}}))
			s.StartTime, s.BootSets[0].StartTime = time.Time{}, time.Time{}
			s.Observe(nil, now)
			if got := s.BootSets[0].Phases[0].LastProgress.Sub(start); got != tt.want {
				t.Errorf("last progress after %s, want %s", got, tt.want)
			}
		})
	}
}

func TestProgressKeepsRunning(t *testing.T) {
	// A trickle of nodes keeps a session running however long it takes.
	prev := reading(Configure, 0, reported("a", testPhase{name: Configure, nodes: in{InProgress: span(1, 10)}}))
	prev.Observe(nil, start)
	for n := 1; n < 10; n++ {
		now := start.Add(time.Duration(n) * 30 * time.Minute)
		s := reading(Configure, 0, reported("a", testPhase{name: Configure, nodes: in{Succeeded: span(1, n), InProgress: span(n+1, 10)}}))
		s.Observe(prev, now)
		if got := Judge(s, now, limits).State; got != StateRunning {
			t.Fatalf("after %d nodes: %s, want running", n, got)
		}
		prev = s
	}
}

func TestUndatedLeftoversSortAsTheOldest(t *testing.T) {
	session := func(id string, started time.Time, preexisting bool) *Session {
		s := &Session{ID: id, Preexisting: preexisting, FirstSeen: start.Add(time.Hour)}
		s.StartTime = started
		return s
	}
	sessions := []*Session{
		session("undated-b", time.Time{}, true),
		session("undated-a", time.Time{}, true),
		session("old", start.Add(-time.Hour), true),
		session("recent", start, true),
		session("appeared", time.Time{}, false),
		session("newest", start.Add(2*time.Hour), false),
	}
	slices.SortFunc(sessions, NewestFirst)
	var got []string
	for _, s := range sessions {
		got = append(got, s.ID)
	}
	if want := []string{"newest", "appeared", "recent", "old", "undated-a", "undated-b"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// That nobody can tell when a session began does not make it an abandoned one.
func TestUndatedLeftoverIsTimedFromItsFirstReading(t *testing.T) {
	s := reading(Reboot, 0, testBootSet{name: "computes"})
	s.StartTime, s.Preexisting = time.Time{}, true
	s.Observe(nil, start)
	if !s.Began().IsZero() {
		t.Errorf("it began at %s, want an unknown time", s.Began())
	}
	if got := Judge(s, start.Add(9*time.Minute), limits).State; got != StatePending {
		t.Errorf("nine minutes after its first reading: %s, want pending", got)
	}
}
