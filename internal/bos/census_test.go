package bos

import "testing"

func TestCensusCountsDistinctNodes(t *testing.T) {
	s := reading(Reboot, 0,
		reported("a",
			// Not the order of work: configure first.
			testPhase{name: Configure, nodes: in{NotStarted: {1}, InProgress: {2, 3}, Succeeded: {4}}},
			testPhase{name: Boot, nodes: in{Succeeded: {2, 3, 4, 5}, Failed: {3}}},
			testPhase{name: Shutdown, nodes: in{Failed: {1}, Succeeded: {2, 3, 4, 5}}}),
		reported("b",
			testPhase{name: Shutdown, nodes: in{Succeeded: {4, 6}, Failed: {5}, Excluded: {7}}}))
	a, b := s.BootSets[0], s.BootSets[1]
	for i, want := range []string{Shutdown, Boot, Configure} {
		if a.Phases[i].Name != want {
			t.Errorf("phase %d is %s, want %s", i, a.Phases[i].Name, want)
		}
	}
	for _, c := range []struct {
		what      string
		got, want Tally
	}{
		{"shutdown", a.Phases[0].Nodes, Tally{Failed: 1, Succeeded: 4}},
		{"boot", a.Phases[1].Nodes, Tally{Failed: 1, Succeeded: 3}},
		{"configure", a.Phases[2].Nodes, Tally{Unfinished: 3, Succeeded: 1}},
		{"boot set a", a.Nodes, Tally{Failed: 2, Unfinished: 1, Succeeded: 2}},
		{"boot set b", b.Nodes, Tally{Failed: 1, Succeeded: 2, Excluded: 1}},
		{"session", s.Nodes, Tally{Failed: 3, Unfinished: 1, Succeeded: 2, Excluded: 1}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, c.got, c.want)
		}
	}
	if s.Nodes.Nodes() != 7 {
		t.Errorf("%d nodes, want 7", s.Nodes.Nodes())
	}
}

func TestCensusReset(t *testing.T) {
	c := NewCensus()
	c.Node(0, Failed, []byte("x1c0s0b0n0"))
	c.Reset()
	b := BootSet{Reported: true, Phases: []Phase{{Name: Boot}}}
	c.EndBootSet(&b)
	if got := c.EndSession(); got != (Tally{}) || b.Phases[0].Fingerprint != 0 {
		t.Errorf("%+v and fingerprint %d are left over", got, b.Phases[0].Fingerprint)
	}
}
