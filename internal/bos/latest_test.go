package bos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A node counts by the newest session that has it in what is looked at.
func TestLatestOf(t *testing.T) {
	newer := reading(Reboot, 0,
		reported("compute",
			testPhase{name: Shutdown, nodes: in{Succeeded: {1, 2}, Failed: {3}}},
			testPhase{name: Boot, nodes: in{Succeeded: {1}, InProgress: {2}, NotStarted: {3}}}),
		reported("login", testPhase{name: Shutdown, nodes: in{"odd": {8}}}))
	older := reading(Boot, 0, reported("compute", testPhase{name: Boot, nodes: in{Failed: {1, 4}, Succeeded: {1, 5}, Excluded: {6}}}))
	newer.BootSets[0].Phases[0].Errors = []PhaseError{{"no power", numbers(3)}, {"forced", numbers(1)}}
	older.BootSets[0].Phases[0].Errors = []PhaseError{{"no power", numbers(1)}}
	all := func(*BootSet, *Phase) bool { return true }
	anything := func(string) bool { return true }
	every := func(s NodeSet) NodeSet { return s }
	ended := func(*Session) bool { return false }
	isNewer := func(s *Session) bool { return s == newer }
	only := func(phase string) func(*BootSet, *Phase) bool {
		return func(_ *BootSet, p *Phase) bool { return p.Name == phase }
	}
	for _, tt := range []struct {
		name     string
		aspect   Aspect
		standing string
		fates    Tally
		errors   string
	}{
		{"altogether", Aspect{all, anything, every, true, ended}, "failed: 3 4; unfinished: 2 8; succeeded: 1 5; excluded: 6", Tally{2, 2, 2, 1}, ": 4; forced: 1; no power: 3"},
		{"while a session is at work", Aspect{all, anything, every, true, isNewer}, "failed: 3 4; in_progress: 2; unfinished: 8; succeeded: 1 5; excluded: 6", Tally{2, 2, 2, 1}, ": 4; forced: 1; no power: 3"},
		{"by phase", Aspect{all, anything, every, false, ended}, "failed: 3 4; unfinished: 2; odd: 8; succeeded: 1 5; excluded: 6", Tally{2, 2, 2, 1}, ": 4; forced: 1; no power: 3"},
		{"in a phase", Aspect{only(Boot), anything, every, false, nil}, "failed: 4; unfinished: 2 3; succeeded: 1 5; excluded: 6", Tally{1, 2, 2, 1}, ": 4"},
		{"in a phase while a session is at work", Aspect{only(Boot), anything, every, false, isNewer}, "failed: 4; in_progress: 2; not_started: 3; succeeded: 1 5; excluded: 6", Tally{1, 2, 2, 1}, ": 4"},
		{"in a phase that only the newer session has", Aspect{only(Shutdown), anything, every, false, ended}, "failed: 3; odd: 8; succeeded: 1 2", Tally{1, 1, 2, 0}, "forced: 1; no power: 3"},
		{"in a boot set", Aspect{func(b *BootSet, _ *Phase) bool { return b.Name == "login" }, anything, every, true, ended}, "unfinished: 8", Tally{0, 1, 0, 0}, ""},
		{"in a category of the newest session", Aspect{all, func(name string) bool { return name == Failed }, every, true, ended}, "failed: 3 4", Tally{2, 0, 0, 0}, ": 4; no power: 3"},
		{"of some nodes", Aspect{all, anything, func(s NodeSet) NodeSet { return s.Intersect(numbers(1, 4)) }, true, ended}, "failed: 4; succeeded: 1", Tally{1, 0, 1, 0}, ": 4; forced: 1"},
		{"nothing", Aspect{only(Configure), anything, every, true, ended}, "", Tally{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := LatestOf([]*Session{newer, older}, tt.aspect)
			var standing, errors []string
			for _, c := range l.Standing {
				standing = append(standing, c.Name+": "+numbersOf(c.Nodes))
			}
			for _, e := range l.Errors {
				errors = append(errors, e.Message+": "+numbersOf(e.Nodes))
			}
			if got := strings.Join(standing, "; "); got != tt.standing || l.Fates.Tally() != tt.fates || strings.Join(errors, "; ") != tt.errors {
				t.Errorf("nodes stand %s, want %s\nfates %+v, want %+v\nerrors %s, want %s", got, tt.standing, l.Fates.Tally(), tt.fates, strings.Join(errors, "; "), tt.errors)
			}
		})
	}
}

// numbersOf is the opposite of numbers.
func numbersOf(s NodeSet) string {
	var all []int
	for n := range s.All() {
		all = append(all, testTable.Node(n).Xname.Slot)
	}
	slices.Sort(all)
	return strings.Trim(fmt.Sprint(all), "[]")
}
