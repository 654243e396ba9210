package bos

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

var (
	start  = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	limits = DefaultLimits
)

// in lists nodes of a category; nodes are numbers.
type in map[string][]int

func span(from, to int) []int {
	var s []int
	for n := from; n <= to; n++ {
		s = append(s, n)
	}
	return s
}

type testPhase struct {
	name    string
	nodes   in
	started time.Duration // after start; 0 is absent
	stopped time.Duration
}

// reported is a boot set that the boot agent has reported.
func reported(name string, phases ...testPhase) testBootSet {
	return testBootSet{name: name, reported: true, phases: phases}
}

type testBootSet struct {
	name     string
	reported bool
	phases   []testPhase
}

func at(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return start.Add(d)
}

// testTable has the nodes of all tests, so that their numbers can be compared.
var testTable = sync.OnceValue(func() *NodeTable {
	var names []string
	for n := range 100 {
		names = append(names, testNode(n))
	}
	return newTable(names...)
})()

func testNode(n int) string { return fmt.Sprintf("x1000c0s%db0n0", n) }

// reading makes a session as a reading of BOS would, less the wire.
func reading(operation string, stopped time.Duration, bootSets ...testBootSet) *Session {
	s := &Session{ID: "id", Operation: operation, API: APIv1}
	s.StartTime, s.StopTime = start, at(stopped)
	r := NewRecorder(testTable)
	for _, t := range bootSets {
		b := BootSet{Name: t.name, Reported: t.reported}
		if t.reported {
			b.StartTime = start.Add(time.Second)
		}
		for i, p := range t.phases {
			phase := Phase{Name: p.name}
			phase.StartTime, phase.StopTime = at(p.started), at(p.stopped)
			for category, nodes := range p.nodes {
				into := r.Category(i, category)
				for _, n := range nodes {
					into.Add([]byte(testNode(n)))
				}
			}
			b.Phases = append(b.Phases, phase)
		}
		r.EndBootSet(&b)
		for i := range b.Phases { // as for BOS v1
			p := &b.Phases[i]
			p.Waiting = p.Name == Boot && p.Nodes.Succeeded > 0 && p.StopTime.IsZero()
		}
		s.BootSets = append(s.BootSets, b)
	}
	s.Nodes = s.Fates().Tally()
	return s
}

func obscure(s *Session) *Session {
	s.Obscure = true
	return s
}

// The cases are the shapes in which sessions of BOS v1 are met: how they get
// stuck and fail (bos.md, Shapes), and where the flags of BOS mislead (bos.md,
// Flags).
func TestJudge(t *testing.T) {
	all := span(1, 4)
	cases := []struct {
		name    string
		session *Session
		age     time.Duration // of the session when it is judged
		want    State
		sets    []State
		phases  []State // of the first boot set
	}{
		{
			name:    "just created: no boot set is known",
			session: reading(Reboot, 0),
			age:     5 * time.Minute,
			want:    StatePending,
		},
		{
			name:    "the boot agent has not reported yet",
			session: reading(Reboot, 0, testBootSet{name: "computes"}),
			age:     9 * time.Minute,
			want:    StatePending, sets: []State{StatePending},
		},
		{
			name:    "the boot agent never started",
			session: reading(Reboot, 0, testBootSet{name: "computes"}),
			age:     11 * time.Minute,
			want:    StateStuck, sets: []State{StateStuck},
		},
		{
			name:    "no template tells the boot sets: not to see nodes is not to see them rest",
			session: obscure(reading(Reboot, 0)),
			age:     11 * time.Minute,
			want:    StateUnknown,
		},
		{
			name: "the boot agent was replaced: all nodes jumped back",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{NotStarted: all}},
				testPhase{name: Boot, nodes: in{NotStarted: all}, started: 8 * time.Minute},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  12 * time.Minute,
			want: StateRunning, sets: []State{StateRunning},
			phases: []State{StatePending, StatePending, StateWaiting},
		},
		{
			name: "stuck to the very limit",
			session: reading(Shutdown, 0, reported("a",
				testPhase{name: Shutdown, nodes: in{InProgress: all}, started: time.Minute})),
			age:  24*time.Hour + 11*time.Minute,
			want: StateStuck, sets: []State{StateStuck},
			phases: []State{StateStuck},
		},
		{
			name:    "the boot agent never started, a day and ten minutes ago",
			session: reading(Reboot, 0, testBootSet{name: "computes"}),
			age:     24*time.Hour + 11*time.Minute,
			want:    StateAbandoned, sets: []State{StateAbandoned},
		},
		{
			name: "reported, nothing begun",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{NotStarted: all}},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  time.Minute,
			want: StatePending, sets: []State{StatePending},
			phases: []State{StatePending, StatePending, StatePending},
		},
		{
			name: "configure is in progress before anything else happens",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{NotStarted: all}},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  time.Minute,
			want: StateRunning, sets: []State{StateRunning},
			phases: []State{StatePending, StatePending, StateWaiting},
		},
		{
			name: "shutting down",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{InProgress: all}},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  9 * time.Minute,
			want: StateRunning, sets: []State{StateRunning},
			phases: []State{StateRunning, StatePending, StateWaiting},
		},
		{
			name: "killed during shutdown: stuck after that phase's limit",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{InProgress: all}},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  11 * time.Minute,
			want: StateStuck, sets: []State{StateStuck},
			phases: []State{StateStuck, StatePending, StateWaiting},
		},
		{
			name: "boot complete without stop time: waiting for nodes to become ready",
			session: reading(Boot, 0, reported("computes",
				testPhase{name: Boot, nodes: in{Succeeded: all}, started: time.Minute},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  30 * time.Minute,
			want: StateRunning, sets: []State{StateRunning},
			phases: []State{StateRunning, StateWaiting},
		},
		{
			name: "the same without a configuration to come",
			session: reading(Boot, 0, reported("computes",
				testPhase{name: Boot, nodes: in{Succeeded: all}, started: time.Minute},
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  30 * time.Minute,
			want: StateRunning, sets: []State{StateRunning},
			phases: []State{StateRunning, StatePending},
		},
		{
			name: "the same in the earliest releases, which leave configure out",
			session: reading(Boot, 0, reported("computes",
				testPhase{name: Boot, nodes: in{Succeeded: all}, started: time.Minute})),
			age:  30 * time.Minute,
			want: StateRunning, sets: []State{StateRunning},
			phases: []State{StateRunning},
		},
		{
			name: "power-on refused for one node while the others wait to become ready: not halted",
			session: reading(Boot, 0, reported("computes",
				testPhase{name: Boot, nodes: in{Succeeded: span(2, 4), Failed: {1}}, started: time.Minute},
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  30 * time.Minute,
			want: StateRunning, sets: []State{StateRunning},
			phases: []State{StateRunning, StatePending},
		},
		{
			name: "killed in the middle of boot",
			session: reading(Boot, 0, reported("computes",
				testPhase{name: Boot, nodes: in{InProgress: all}, started: time.Minute},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  37 * time.Minute,
			want: StateStuck, sets: []State{StateStuck},
			phases: []State{StateStuck, StateWaiting},
		},
		{
			name: "killed in the middle of boot, long ago",
			session: reading(Boot, 0, reported("computes",
				testPhase{name: Boot, nodes: in{InProgress: all}, started: time.Minute},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  25 * time.Hour,
			want: StateAbandoned, sets: []State{StateAbandoned},
			phases: []State{StateAbandoned, StateWaiting},
		},
		{
			name: "killed between shutdown and boot",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{Succeeded: all}},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  36 * time.Minute,
			want: StateStuck, sets: []State{StateStuck},
			phases: []State{StateSucceeded, StatePending, StateWaiting},
		},
		{
			name: "updates were lost: some nodes moved, the rest did not",
			session: reading(Configure, 0, reported("computes",
				testPhase{name: Configure, nodes: in{Succeeded: {1}, NotStarted: span(2, 4)}})),
			age:  36 * time.Minute,
			want: StateStuck, sets: []State{StateStuck},
			phases: []State{StateStuck},
		},
		{
			name: "the document's example: all nodes failed shutdown and all flags say not started",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{Failed: all}, started: time.Second, stopped: 14 * time.Minute},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  14*time.Minute + time.Second,
			want: StateFailed, sets: []State{StateFailed},
			phases: []State{StateFailed, StateUnknown, StateUnknown},
		},
		{
			name: "all nodes failed shutdown and the session stopped",
			session: reading(Reboot, 15*time.Minute, reported("computes",
				testPhase{name: Shutdown, nodes: in{Failed: all}},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  time.Hour,
			want: StateFailed, sets: []State{StateFailed},
			phases: []State{StateFailed, StateUnknown, StateFailed},
		},
		{
			name: "an early agent halted after one failure: still running within the shutdown limit",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{Failed: {1}, Succeeded: span(2, 4)}, stopped: 14 * time.Minute},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  20 * time.Minute,
			want: StateRunning, sets: []State{StateRunning},
			phases: []State{StatePartial, StatePending, StatePending},
		},
		{
			name: "an early agent halted after one failure",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{Failed: {1}, Succeeded: span(2, 4)}, stopped: 14 * time.Minute},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  25 * time.Minute,
			want: StateFailed, sets: []State{StateFailed},
			phases: []State{StatePartial, StateUnknown, StateUnknown},
		},
		{
			name: "one node stayed ready after shutdown: stopped without any error",
			session: reading(Reboot, 15*time.Minute, reported("computes",
				testPhase{name: Shutdown, nodes: in{Succeeded: all}},
				testPhase{name: Boot, nodes: in{NotStarted: all}},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  time.Hour,
			want: StateFailed, sets: []State{StateFailed},
			phases: []State{StateSucceeded, StateUnknown, StateFailed},
		},
		{
			name: "no configuration wanted: configure stays untouched forever",
			session: reading(Reboot, 20*time.Minute, reported("computes",
				testPhase{name: Shutdown, nodes: in{Succeeded: all}},
				testPhase{name: Boot, nodes: in{Succeeded: all}, stopped: 19 * time.Minute},
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  time.Hour,
			want: StateSucceeded, sets: []State{StateSucceeded},
			phases: []State{StateSucceeded, StateSucceeded, StateUnknown},
		},
		{
			name: "no configuration wanted, just before the stop time is written",
			session: reading(Reboot, 0, reported("computes",
				testPhase{name: Shutdown, nodes: in{Succeeded: all}},
				testPhase{name: Boot, nodes: in{Succeeded: all}, stopped: 19 * time.Minute},
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  20 * time.Minute,
			want: StateRunning, sets: []State{StateRunning},
			phases: []State{StateSucceeded, StateSucceeded, StatePending},
		},
		{
			name: "a configure session that did nothing is no success",
			session: reading(Configure, 20*time.Minute, reported("computes",
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  time.Hour,
			want: StateFailed, sets: []State{StateFailed},
			phases: []State{StateUnknown},
		},
		{
			name: "two nodes did not become ready: they are in succeeded, too",
			session: reading(Boot, 40*time.Minute, reported("computes",
				testPhase{name: Boot, nodes: in{Succeeded: all, Failed: {3, 4}}, stopped: 39 * time.Minute},
				testPhase{name: Configure, nodes: in{Succeeded: {1, 2}, InProgress: {3, 4}}})),
			age:  time.Hour,
			want: StatePartial, sets: []State{StatePartial},
			phases: []State{StatePartial, StatePartial},
		},
		{
			name: "no node became ready, though all are in succeeded",
			session: reading(Boot, 40*time.Minute, reported("computes",
				testPhase{name: Boot, nodes: in{Succeeded: all, Failed: all}, stopped: 39 * time.Minute},
				testPhase{name: Configure, nodes: in{InProgress: all}})),
			age:  time.Hour,
			want: StateFailed, sets: []State{StateFailed},
			phases: []State{StateFailed, StateFailed},
		},
		{
			name: "a configuration failed and the wait was given up: the rest stays in progress",
			session: reading(Reboot, 40*time.Minute, reported("computes",
				testPhase{name: Shutdown, nodes: in{Succeeded: all}},
				testPhase{name: Boot, nodes: in{Succeeded: all}, stopped: 20 * time.Minute},
				testPhase{name: Configure, nodes: in{Succeeded: {1}, Failed: {2}, InProgress: {3, 4}}})),
			age:  time.Hour,
			want: StatePartial, sets: []State{StatePartial},
			phases: []State{StateSucceeded, StateSucceeded, StatePartial},
		},
		{
			name: "all nodes were on already, then configured: boot stays in progress",
			session: reading(Boot, 40*time.Minute, reported("computes",
				testPhase{name: Boot, nodes: in{InProgress: all}},
				testPhase{name: Configure, nodes: in{Succeeded: all}})),
			age:  time.Hour,
			want: StateSucceeded, sets: []State{StateSucceeded},
			phases: []State{StateFailed, StateSucceeded},
		},
		{
			name: "all nodes were on already and nothing was done",
			session: reading(Boot, 40*time.Minute, reported("computes",
				testPhase{name: Boot, nodes: in{InProgress: all}},
				testPhase{name: Configure, nodes: in{NotStarted: all}})),
			age:  time.Hour,
			want: StateFailed, sets: []State{StateFailed},
			phases: []State{StateFailed, StateUnknown},
		},
		{
			name: "stopped, all well, and flags of era B or C do not matter",
			session: reading(Reboot, 40*time.Minute, reported("computes",
				testPhase{name: Shutdown, nodes: in{Succeeded: all}},
				testPhase{name: Boot, nodes: in{Succeeded: all}, stopped: 19 * time.Minute},
				testPhase{name: Configure, nodes: in{Succeeded: all}})),
			age:  time.Hour,
			want: StateSucceeded, sets: []State{StateSucceeded},
			phases: []State{StateSucceeded, StateSucceeded, StateSucceeded},
		},
		{
			name: "stopped without a word from the boot agent",
			session: reading(Reboot, 3*time.Minute,
				testBootSet{name: "computes"}),
			age:  time.Hour,
			want: StateUnknown, sets: []State{StateUnknown},
		},
		{
			name: "one boot set was never heard of: no success without its nodes",
			session: reading(Shutdown, 9*time.Minute,
				reported("computes", testPhase{name: Shutdown, nodes: in{Succeeded: all}}),
				testBootSet{name: "gone from the template"}),
			age:  time.Hour,
			want: StateUnknown, sets: []State{StateSucceeded, StateUnknown},
			phases: []State{StateSucceeded},
		},
		{
			name: "an empty boot set beside a good one",
			session: reading(Shutdown, 9*time.Minute,
				reported("computes", testPhase{name: Shutdown, nodes: in{Succeeded: all}}),
				reported("empty", testPhase{name: Shutdown, nodes: in{NotStarted: nil, Succeeded: nil}})),
			age:  time.Hour,
			want: StateSucceeded, sets: []State{StateSucceeded, StateUnknown},
			phases: []State{StateSucceeded},
		},
		{
			name: "a session without any node did nothing, which is no success",
			session: reading(Shutdown, 9*time.Minute,
				reported("empty", testPhase{name: Shutdown, nodes: in{NotStarted: nil}})),
			age:  time.Hour,
			want: StateUnknown, sets: []State{StateUnknown},
			phases: []State{StateUnknown},
		},
		{
			name: "one boot set stuck, the other at work",
			session: reading(Shutdown, 0,
				reported("a", testPhase{name: Shutdown, nodes: in{InProgress: all}}),
				reported("b", testPhase{name: Shutdown, nodes: in{InProgress: span(5, 8)}, started: 11 * time.Minute})),
			age:  12 * time.Minute,
			want: StateRunning, sets: []State{StateStuck, StateRunning},
			phases: []State{StateStuck},
		},
		{
			name: "one boot set stuck, the other ended",
			session: reading(Shutdown, 0,
				reported("a", testPhase{name: Shutdown, nodes: in{InProgress: all}}),
				reported("b", testPhase{name: Shutdown, nodes: in{Succeeded: span(5, 8)}})),
			age:  12 * time.Minute,
			want: StateStuck, sets: []State{StateStuck, StateSucceeded},
			phases: []State{StateStuck},
		},
		{
			name: "one boot set ended, the other yet to be reported",
			session: reading(Shutdown, 0,
				reported("a", testPhase{name: Shutdown, nodes: in{Succeeded: all}}),
				testBootSet{name: "b"}),
			age:  5 * time.Minute,
			want: StateRunning, sets: []State{StateSucceeded, StatePending},
			phases: []State{StateSucceeded},
		},
		{
			name: "a node in two boot sets counts once, with the worst",
			session: reading(Shutdown, 9*time.Minute,
				reported("a", testPhase{name: Shutdown, nodes: in{Succeeded: {1}}}),
				reported("b", testPhase{name: Shutdown, nodes: in{Failed: {1}}})),
			age:  time.Hour,
			want: StateFailed, sets: []State{StateSucceeded, StateFailed},
			phases: []State{StateSucceeded},
		},
		{
			name: "excluded nodes neither succeed nor fail",
			session: reading(Shutdown, 9*time.Minute,
				reported("a", testPhase{name: Shutdown, nodes: in{Excluded: {1}, Succeeded: {2}}})),
			age:  time.Hour,
			want: StateSucceeded, sets: []State{StateSucceeded},
			phases: []State{StateSucceeded},
		},
		{
			name: "a category nobody knows is no success",
			session: reading(Shutdown, 9*time.Minute,
				reported("a", testPhase{name: Shutdown, nodes: in{"on_hold": {1}, Succeeded: {2}}})),
			age:  time.Hour,
			want: StatePartial, sets: []State{StatePartial},
			phases: []State{StatePartial},
		},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			now := start.Add(tt.age)
			tt.session.Observe(nil, now)
			got := Judge(tt.session, now, limits)
			if got.State != tt.want {
				t.Errorf("state %s, want %s", got.State, tt.want)
			}
			checkDue(t, got, now)
			for i, set := range got.BootSets {
				if set.State != tt.sets[i] {
					t.Errorf("boot set %s: state %s, want %s", tt.session.BootSets[i].Name, set.State, tt.sets[i])
				}
			}
			if len(got.BootSets) != len(tt.sets) {
				t.Fatalf("%d boot sets, want %d", len(got.BootSets), len(tt.sets))
			}
			if len(tt.sets) == 0 {
				return
			}
			for i, state := range got.BootSets[0].Phases {
				if state != tt.phases[i] {
					t.Errorf("phase %s: state %s, want %s", tt.session.BootSets[0].Phases[i].Name, state, tt.phases[i])
				}
			}
		})
	}
}

// checkDue checks that an unfinished session is stuck from when it was due.
func checkDue(t *testing.T, v Verdict, now time.Time) {
	t.Helper()
	if v.Ending != NotEnded {
		if !v.Due.IsZero() {
			t.Errorf("%s, yet due at %s", v.State, v.Due)
		}
		return
	}
	stands := v.State == StateStuck || v.State == StateAbandoned
	if v.Due.IsZero() || now.After(v.Due) != stands {
		t.Errorf("%s at %s, due at %s", v.State, now, v.Due)
	}
}

// A phase whose nodes are listed as in progress too early waits; one that works on some of
// them does not.
func TestWaiting(t *testing.T) {
	for _, tt := range []struct {
		name   string
		phases []testPhase
		want   State // of the last phase
	}{
		{"behind shutdown", []testPhase{{name: Shutdown, nodes: in{InProgress: span(1, 4)}}, {name: Configure, nodes: in{InProgress: span(1, 4)}}}, StateWaiting},
		{"behind a phase that has not begun", []testPhase{{name: Boot, nodes: in{NotStarted: span(1, 4)}}, {name: Configure, nodes: in{InProgress: span(1, 4)}}}, StateWaiting},
		{"behind nodes that become ready", []testPhase{{name: Boot, nodes: in{Succeeded: span(1, 4)}}, {name: Configure, nodes: in{InProgress: span(1, 4)}}}, StateWaiting},
		{"ready", []testPhase{{name: Boot, nodes: in{Succeeded: span(1, 4)}, stopped: time.Minute}, {name: Configure, nodes: in{InProgress: span(1, 4)}}}, StateRunning},
		{"one failed before", []testPhase{{name: Boot, nodes: in{Failed: {1}, Succeeded: span(2, 4)}, stopped: time.Minute}, {name: Configure, nodes: in{InProgress: span(1, 4)}}}, StateRunning},
		{"all but one failed before, and that one is still booting", []testPhase{{name: Boot, nodes: in{Failed: span(1, 3), InProgress: {4}}}, {name: Configure, nodes: in{InProgress: span(1, 4)}}}, StateWaiting},
		{"node by node", []testPhase{{name: Boot, nodes: in{InProgress: span(1, 3), Succeeded: {4}}, stopped: time.Minute}, {name: Configure, nodes: in{NotStarted: span(1, 3), InProgress: {4}}}}, StateRunning},
		{"not begun", []testPhase{{name: Boot, nodes: in{InProgress: span(1, 4)}}, {name: Configure, nodes: in{NotStarted: span(1, 4)}}}, StatePending},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := reading(Boot, 0, reported("a", tt.phases...))
			s.Observe(nil, start.Add(2*time.Minute))
			if got := Judge(s, start.Add(2*time.Minute), limits).BootSets[0].Phases; got[len(got)-1] != tt.want {
				t.Errorf("phases %s, want the last %s", got, tt.want)
			}
			nameless := s.Renumber(nil)
			if got := Judge(nameless, start.Add(2*time.Minute), limits).BootSets[0].Phases; got[len(got)-1] == StateWaiting {
				t.Errorf("phases %s, although nobody knows which nodes they hold", got)
			}
		})
	}
}

// The nodes that a session has begun to work on are not those that only wait.
func TestBegun(t *testing.T) {
	s := reading(Reboot, 0,
		reported("a",
			testPhase{name: Shutdown, nodes: in{Succeeded: {1}, InProgress: {2}, NotStarted: {3}}},
			testPhase{name: Boot, nodes: in{NotStarted: span(1, 3)}},
			testPhase{name: Configure, nodes: in{InProgress: span(1, 3)}}),
		reported("b", testPhase{name: Shutdown, nodes: in{NotStarted: {4}}}))
	if got := fmt.Sprint(testTable.Names(s.Begun())); got != fmt.Sprint([]string{testNode(1), testNode(2)}) {
		t.Errorf("begun: %s", got)
	}
}

func TestNoTimeAtAll(t *testing.T) {
	// Before the earliest agents start, BOS gives no time: the first reading dates
	// the session.
	s := &Session{ID: "id"}
	s.Observe(nil, start)
	if got := Judge(s, start.Add(9*time.Minute), limits).State; got != StatePending {
		t.Errorf("after nine minutes: %s", got)
	}
	again := &Session{ID: "id"}
	again.Observe(s, start.Add(11*time.Minute))
	if got := Judge(again, start.Add(11*time.Minute), limits).State; got != StateStuck {
		t.Errorf("after eleven minutes: %s", got)
	}
}

func TestTimesInTheFuture(t *testing.T) {
	s := reading(Shutdown, 0, reported("a", testPhase{name: Shutdown, nodes: in{InProgress: span(1, 2)}, started: time.Hour}))
	s.Observe(nil, start)
	if got := s.BootSets[0].Phases[0].LastProgress; !got.Equal(start) {
		t.Errorf("last progress %s, want %s", got, start)
	}
	if got := Judge(s, start.Add(11*time.Minute), limits).State; got != StateStuck {
		t.Errorf("state %s, want stuck", got)
	}
}

// Whether a session has ended and what came of it are two things.
func TestEnding(t *testing.T) {
	stopped := func(s *Session) *Session {
		s.StopTime = at(time.Hour)
		return s
	}
	for _, tt := range []struct {
		name    string
		session *Session
		age     time.Duration // of the session when it is judged
		state   State
		ending  Ending
		end     time.Duration // after the start of the session
	}{
		{"no boot set known yet", reading(Reboot, 0), time.Minute, StatePending, NotEnded, 0},
		{"at work", reading(Shutdown, 0, reported("a", testPhase{name: Shutdown, nodes: in{InProgress: span(1, 4)}})),
			time.Minute, StateRunning, NotEnded, 0},
		{"stuck", reading(Shutdown, 0, reported("a", testPhase{name: Shutdown, nodes: in{InProgress: span(1, 4)}})),
			time.Hour, StateStuck, NotEnded, 0},
		{"abandoned", reading(Shutdown, 0, reported("a", testPhase{name: Shutdown, nodes: in{InProgress: span(1, 4)}})),
			48 * time.Hour, StateAbandoned, NotEnded, 0},
		{"nothing to tell it from", obscure(reading(Reboot, 0)), time.Hour, StateUnknown, Unknowable, 0},
		{"stopped", reading(Shutdown, time.Hour, reported("a", testPhase{name: Shutdown, nodes: in{Succeeded: span(1, 4)}})),
			2 * time.Hour, StateSucceeded, Ended, time.Hour},
		{"stopped, boot sets not known", stopped(obscure(reading(Reboot, 0))), 2 * time.Hour, StateUnknown, Ended, time.Hour},
		{"stopped without any node", reading(Reboot, time.Hour, reported("a")), 2 * time.Hour, StateUnknown, Ended, time.Hour},
		{"no node left to move, and no stop time", reading(Shutdown, 0,
			reported("a", testPhase{name: Shutdown, nodes: in{Succeeded: span(1, 4)}, started: 2 * time.Minute})),
			time.Hour, StateSucceeded, Ended, 2 * time.Minute},
		{"halted after a failure, and no stop time", reading(Reboot, 0,
			reported("a", testPhase{name: Shutdown, nodes: in{Failed: span(1, 4)}, started: 2 * time.Minute},
				testPhase{name: Boot, nodes: in{NotStarted: span(1, 4)}})),
			time.Hour, StateFailed, Ended, 2 * time.Minute},
		{"ended without any node, and no stop time", reading(Reboot, 0, reported("a")), time.Hour, StateUnknown, Ended, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.session.Observe(nil, start.Add(tt.age))
			v := Judge(tt.session, start.Add(tt.age), limits)
			if v.State != tt.state || v.Ending != tt.ending || !v.End.Equal(at(tt.end)) {
				t.Errorf("%s, ending %d at %s; want %s, ending %d at %s", v.State, v.Ending, v.End, tt.state, tt.ending, at(tt.end))
			}
		})
	}
}

// TestJudgeToldStops has sessions of an API that is sure to give stop times, and says how
// long BOS waits.
func TestJudgeToldStops(t *testing.T) {
	told := func(s *Session) *Session {
		s.API, s.StopTold = APIv2, true
		s.Limits = Limits{Shutdown: 6 * time.Minute, Boot: 21 * time.Minute, Report: 10 * time.Minute, Closing: 45 * time.Second}
		for i := range s.BootSets {
			for j := range s.BootSets[i].Phases {
				s.BootSets[i].Phases[j].Waiting = false
			}
		}
		return s
	}
	moved := func(s *Session, ago time.Duration) *Session {
		for i := range s.BootSets {
			for j := range s.BootSets[i].Phases {
				s.BootSets[i].Phases[j].Moved = start.Add(ago)
			}
		}
		return s
	}
	setupError := told(reading(Boot, time.Minute))
	setupError.SetupError = "No nodes were found to act upon."
	staged := told(reading(Reboot, 0, reported("a", testPhase{name: Boot, nodes: in{NotStarted: span(1, 4)}})))
	staged.Staged, staged.StagedNodes, staged.AwaitsApply = true, 4, true
	boot := func(stopped time.Duration, nodes in) *Session {
		return told(reading(Boot, stopped, reported("a", testPhase{name: Boot, nodes: nodes})))
	}
	for _, tt := range []struct {
		name    string
		session *Session
		limits  Limits // that the administrator sets
		age     time.Duration
		want    State
		ended   bool
	}{
		{"not set up yet", told(reading(Boot, 0)), Limits{}, 9 * time.Minute, StatePending, false},
		{"not set up for long", told(reading(Boot, 0)), Limits{}, 11 * time.Minute, StateStuck, false},
		{"set-up failed", setupError, Limits{}, time.Hour, StateFailed, true},
		{"staged for weeks", staged, Limits{}, 500 * time.Hour, StatePending, false},
		{"booting within the wait of BOS", boot(0, in{InProgress: span(1, 4)}), Limits{}, 20 * time.Minute, StateRunning, false},
		{"booting beyond the wait of BOS", boot(0, in{InProgress: span(1, 4)}), Limits{}, 22 * time.Minute, StateStuck, false},
		{"booting again and again", moved(boot(0, in{InProgress: span(1, 4)}), 50*time.Minute), Limits{}, 60 * time.Minute, StateRunning, false},
		{"the administrator's wait goes before that of BOS", boot(0, in{InProgress: span(1, 4)}), Limits{Other: 2 * time.Hour}, 100 * time.Minute, StateRunning, false},
		{"all nodes done, not yet ended", moved(boot(0, in{Succeeded: span(1, 4)}), 10*time.Minute), Limits{}, 10*time.Minute + 30*time.Second, StateRunning, false},
		{"all nodes done, and it does not end", moved(boot(0, in{Succeeded: span(1, 4)}), 10*time.Minute), Limits{}, 11 * time.Minute, StateStuck, false},
		{"ended well", boot(time.Hour, in{Succeeded: span(1, 4)}), Limits{}, time.Hour, StateSucceeded, true},
		{"ended with nodes given up", boot(time.Hour, in{Succeeded: span(1, 3), OnHold: {4}}), Limits{}, time.Hour, StatePartial, true},
		{"ended with all nodes given up", boot(time.Hour, in{OnHold: span(1, 4)}), Limits{}, time.Hour, StateFailed, true},
		{"ended well, but for nodes taken over", boot(time.Hour, in{Succeeded: span(1, 3), Superseded: {4}}), Limits{}, time.Hour, StateSucceeded, true},
		{"ended with all nodes taken over", boot(time.Hour, in{Superseded: span(1, 4)}), Limits{}, time.Hour, StateUnknown, true},
		{"ended without a node", boot(time.Hour, nil), Limits{}, time.Hour, StateUnknown, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := start.Add(tt.age)
			tt.session.Observe(nil, now)
			v := Judge(tt.session, now, tt.limits)
			if v.State != tt.want || (v.Ending == Ended) != tt.ended {
				t.Errorf("%s, ending %d; want %s, ended %t", v.State, v.Ending, tt.want, tt.ended)
			}
			if !tt.session.AwaitsApply {
				checkDue(t, v, now)
			} else if !v.Due.IsZero() {
				t.Errorf("staged, yet due at %s", v.Due)
			}
		})
	}
}
