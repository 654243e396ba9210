package bos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestNodeTableIsInTheOrderOfXnames(t *testing.T) {
	table := newTable("nid000002", "x1c0s10b0n0", "x3000c0s1b0n0", "x1c0s2b0n0", "x1c0s2b0n0", "", "X1C0S2B0N0", "x999c0s0b0n0")
	want := []string{"X1C0S2B0N0", "x1c0s2b0n0", "x1c0s10b0n0", "x999c0s0b0n0", "x3000c0s1b0n0", "", "nid000002"}
	if got := table.Names(table.Where(func(*Node) bool { return true })); !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	for i, name := range want {
		if n, ok := table.Number([]byte(name)); !ok || n != i {
			t.Errorf("number of %q is %d, %v, want %d", name, n, ok, i)
		}
	}
	if n := table.Node(2); n.Place.Slot != "x1c0s10" || !n.IsXname {
		t.Errorf("%+v", *n)
	}
	if _, ok := table.Number([]byte("x1c0s3b0n0")); ok {
		t.Error("a name that was never added has a number")
	}
}

// Names that differ in little, or are unusually long or short, are told apart.
func TestNodeTableKnowsSimilarNames(t *testing.T) {
	var names []string
	for _, base := range []string{"aaaaaaaaaaaaaaaaaaaa", "x1000c0s0b0n0x1000c0s0b0n0"} {
		for length := range len(base) {
			names = append(names, base[:length], base[:length]+"\x00", base[:length]+"b")
		}
	}
	table := newTable(names...)
	for _, name := range names {
		if n, ok := table.Number([]byte(name)); !ok || table.Node(n).Name != name {
			t.Errorf("%q is found: %v, as %d", name, ok, n)
		}
		if n, ok := table.Number([]byte(name + "!")); ok {
			t.Errorf("%q is found as %q", name+"!", table.Node(n).Name)
		}
	}
}

func TestNodeTableGrowsAndShrinks(t *testing.T) {
	small := newTable("x1c0s1b0n0", "x1c0s3b0n0")
	set := NodeSetOf(0, 1)
	large := small.Add([]string{"x1c0s2b0n0", "x1c0s0b0n0", "x1c0s1b0n0"})
	if large.Len() != 4 || small.Len() != 2 {
		t.Fatalf("tables of %d and %d names, want 4 and 2", large.Len(), small.Len())
	}
	if same := large.Add([]string{"x1c0s2b0n0"}); same != large {
		t.Error("adding a known name made another table")
	}
	moved := set.Renumber(small.To(large))
	if got, want := large.Names(moved), small.Names(set); !slices.Equal(got, want) {
		t.Errorf("in the larger table: %q, want %q", got, want)
	}
	kept := large.Keep(NodeSetOf(3))
	if got := kept.Names(moved.Renumber(large.To(kept))); !slices.Equal(got, []string{"x1c0s3b0n0"}) {
		t.Errorf("in the table that was cut: %q", got)
	}
}

func TestNodeSetAlgebra(t *testing.T) {
	a, b, none := NodeSetOf(1, 2, 3, 70), NodeSetOf(3, 4, 200), NodeSet{}
	for _, tt := range []struct {
		name string
		got  NodeSet
		want []int
	}{
		{"union", a.Union(b), []int{1, 2, 3, 4, 70, 200}},
		{"union with nothing", none.Union(a), []int{1, 2, 3, 70}},
		{"union of many", none.Union(a, none, b, a, NodeSetOf(0, 300)), []int{0, 1, 2, 3, 4, 70, 200, 300}},
		{"a set of which a union was made", a, []int{1, 2, 3, 70}},
		{"intersection", a.Intersect(b), []int{3}},
		{"intersection with nothing", a.Intersect(none), nil},
		{"difference", a.Minus(b), []int{1, 2, 70}},
		{"difference of a longer set", b.Minus(a), []int{4, 200}},
		{"difference with itself", a.Minus(a), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := slices.Collect(tt.got.All()); !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if tt.got.Len() != len(tt.want) || tt.got.Empty() != (len(tt.want) == 0) {
				t.Errorf("length %d and empty %v, want %d", tt.got.Len(), tt.got.Empty(), len(tt.want))
			}
		})
	}
	if a.Common(b) != 1 || b.Common(a) != 1 || a.Common(none) != 0 || none.Common(a) != 0 || a.Common(a) != a.Len() {
		t.Error("Common does not count the nodes of the intersection")
	}
	if !a.Equal(NodeSetOf(70, 3, 2, 1)) || a.Equal(b) || a.Equal(none) || !none.Equal(a.Minus(a)) {
		t.Error("Equal does not compare nodes")
	}
	if short := b.Minus(NodeSetOf(200)); !short.Equal(NodeSetOf(3, 4)) {
		t.Error("sets of unequal length are not compared by their nodes")
	}
}

// Few nodes and many are kept in different ways, which no operation lets show.
func TestNodeSetsOfFewAndManyNodes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type model = map[int]bool
	sample := func() (NodeSet, model) {
		var numbers []int
		m := make(model)
		highest := 1 << (3 + random.IntN(11))
		for range random.IntN(1 << random.IntN(11)) {
			n := random.IntN(highest)
			numbers = append(numbers, n)
			m[n] = true
		}
		return NodeSetOf(numbers...), m
	}
	kinds := make(map[[2]bool]bool) // which were met: whether the sets have few nodes
	for range 200 {
		a, inA := sample()
		b, inB := sample()
		if !a.Empty() && !b.Empty() {
			kinds[[2]bool{a.nodes.bits == nil, b.nodes.bits == nil}] = true
		}
		shift := make(Renumbering, 1<<13)
		for i := range shift {
			shift[i] = int32(i+len(shift)/2) % int32(len(shift))
			if i%5 == 0 {
				shift[i] = -1
			}
		}
		for name, op := range map[string]struct {
			got  NodeSet
			want func(n int) bool
		}{
			"set":                  {a, func(n int) bool { return inA[n] }},
			"union":                {a.Union(b), func(n int) bool { return inA[n] || inB[n] }},
			"union of more":        {NodeSet{}.Union(b, a, b), func(n int) bool { return inA[n] || inB[n] }},
			"intersection":         {a.Intersect(b), func(n int) bool { return inA[n] && inB[n] }},
			"difference":           {a.Minus(b), func(n int) bool { return inA[n] && !inB[n] }},
			"renumbered":           {a.Renumber(shift), func(n int) bool { back := (n + len(shift)/2) % len(shift); return inA[back] && back%5 != 0 }},
			"symmetric difference": {a.Minus(b).Union(b.Minus(a)), func(n int) bool { return inA[n] != inB[n] }},
		} {
			var want []int
			for n := range 1 << 13 {
				if op.got.Has(n) != op.want(n) {
					t.Fatalf("%s: has %d: %v", name, n, op.got.Has(n))
				}
				if op.want(n) {
					want = append(want, n)
				}
			}
			if got := slices.Collect(op.got.All()); !slices.Equal(got, want) || op.got.Len() != len(want) || op.got.Empty() != (len(want) == 0) {
				t.Fatalf("%s: %v, want %v", name, got, want)
			}
			if same := NodeSetOf(want...); !same.Equal(op.got) || same.hash() != op.got.hash() {
				t.Fatalf("%s differs from a set of the same nodes, %v", name, want)
			}
		}
		if a.Common(b) != a.Intersect(b).Len() || a.Equal(b) != maps.Equal(inA, inB) {
			t.Fatalf("%v and %v have %d in common, and are equal: %v", inA, inB, a.Common(b), a.Equal(b))
		}
	}
	if len(kinds) != 4 {
		t.Errorf("only %d of 4 pairs of kinds were met", len(kinds))
	}
}

// A node of a large machine takes little memory by itself.
func TestSmallNodeSetsAreSmall(t *testing.T) {
	var dense []int
	for n := range 12_000 {
		dense = append(dense, n)
	}
	for _, tt := range []struct {
		nodes []int
		most  int
	}{{[]int{11_999}, 50}, {dense, 1600}} {
		if got := NodeSetOf(tt.nodes...).bytes(); got > tt.most {
			t.Errorf("a set of %d nodes takes %d bytes, want %d at most", len(tt.nodes), got, tt.most)
		}
	}
}

func TestRecorder(t *testing.T) {
	table := newTable("x1c0s2b0n0")
	r := NewRecorder(table)
	add := func(into Nodes, names ...string) {
		for _, n := range names {
			into.Add([]byte(n))
		}
	}
	// Configure stands before boot in the document.
	add(r.Category(0, InProgress), "x1c0s10b0n0", "x1c0s2b0n0")
	add(r.Category(1, Succeeded), "x1c0s2b0n0", "x1c0s10b0n0", "x1c0s10b0n0")
	add(r.Category(1, NotStarted))
	add(r.Category(1, Failed), "x1c0s10b0n0")
	add(r.Error(1, "b"), "x1c0s10b0n0")
	add(r.Error(1, "a"))
	s := &Session{BootSets: []BootSet{{Name: "computes", Phases: []Phase{{Name: Configure}, {Name: Boot}}}}}
	r.EndBootSet(&s.BootSets[0])

	if r.Settled(table) {
		t.Error("the recorder claims to know only names of the table")
	}
	full := r.Extend(table)
	s = s.Renumber(r.To(full))
	boot := &s.BootSets[0].Phases[0]
	if boot.Name != Boot {
		t.Fatalf("the first phase is %s, want boot", boot.Name)
	}
	for i, want := range []struct {
		category string
		count    int
		nodes    []string
	}{
		{NotStarted, 0, nil},
		{Succeeded, 3, []string{"x1c0s2b0n0", "x1c0s10b0n0"}},
		{Failed, 1, []string{"x1c0s10b0n0"}},
	} {
		c := boot.Categories[i]
		if got := full.Names(c.Nodes); c.Name != want.category || c.Count != want.count || !slices.Equal(got, want.nodes) {
			t.Errorf("category %s has %d nodes, %q, want %+v", c.Name, c.Count, got, want)
		}
	}
	if len(boot.Errors) != 2 || boot.Errors[0].Message != "a" || !boot.Errors[0].Nodes.Empty() {
		t.Fatalf("errors %+v", boot.Errors)
	}
	if got := full.Names(boot.Errors[1].Nodes); !slices.Equal(got, []string{"x1c0s10b0n0"}) {
		t.Errorf("error b is about %q", got)
	}
	if want := (Tally{Failed: 1, Unfinished: 1}); s.BootSets[0].Nodes != want {
		t.Errorf("tally %+v, want %+v", s.BootSets[0].Nodes, want)
	}
	if got := full.Names(s.All()); len(got) != 2 {
		t.Errorf("all nodes: %q", got)
	}
}

func TestFatesCountEachNodeOnce(t *testing.T) {
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
	for _, tt := range []struct {
		name      string
		got, want Tally
	}{
		{"shutdown", a.Phases[0].Nodes, Tally{Failed: 1, Succeeded: 4}},
		{"boot", a.Phases[1].Nodes, Tally{Failed: 1, Succeeded: 3}},
		{"configure", a.Phases[2].Nodes, Tally{Unfinished: 3, Succeeded: 1}},
		{"boot set a", a.Nodes, Tally{Failed: 2, Unfinished: 1, Succeeded: 2}},
		{"boot set b", b.Nodes, Tally{Failed: 1, Succeeded: 2, Excluded: 1}},
		{"session", s.Nodes, Tally{Failed: 3, Unfinished: 1, Succeeded: 2, Excluded: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("%+v, want %+v", tt.got, tt.want)
			}
		})
	}
}

// TestFatesAreThoseOfEachNode compares the sets with rules for single nodes.
func TestFatesAreThoseOfEachNode(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	categories := append([]string{"odd"}, CommonCategories...)
	for round := range 300 {
		var phases []testPhase
		where := make(map[int]map[string][]string) // node -> phase -> categories
		for _, name := range []string{Boot, Shutdown, "odd"}[:1+random.IntN(3)] {
			p := testPhase{name: name, nodes: in{}}
			for n := range 8 {
				for range random.IntN(3) {
					c := categories[random.IntN(len(categories))]
					if slices.Contains(p.nodes[c], n) {
						continue
					}
					p.nodes[c] = append(p.nodes[c], n)
					if where[n] == nil {
						where[n] = make(map[string][]string)
					}
					where[n][name] = append(where[n][name], c)
				}
			}
			phases = append(phases, p)
		}
		s := reading(Reboot, 0, reported("a", phases...))
		fates := s.Fates()
		for n := range 8 {
			number, _ := testTable.Number([]byte(testNode(n)))
			if got, want := fateIn(fates, number), fateOf(where[n]); got != want {
				t.Fatalf("round %d: node %d in %v: %q, want %q", round, n, where[n], got, want)
			}
		}
		if got, want := fates.Tally().Nodes(), len(where); got != want {
			t.Fatalf("round %d: %d nodes, want %d", round, got, want)
		}
	}
}

// fateIn names the set that a node is in.
func fateIn(f Fates, node int) (fate string) {
	for name, set := range map[string]NodeSet{"failed": f.Failed, "unfinished": f.Unfinished, "succeeded": f.Succeeded, "excluded": f.Excluded} {
		if set.Has(node) {
			fate += name
		}
	}
	return fate
}

// fateOf is what became of one node, given its categories by phase.
func fateOf(where map[string][]string) string {
	fate, gone := "", false
	for _, phase := range append(slices.Clone(PhaseOrder), "odd") {
		in := where[phase]
		switch {
		case len(in) == 0:
		case slices.Contains(in, Failed):
			return "failed"
		case slices.Contains(in, InProgress):
			fate, gone = "unfinished", false
		case slices.Contains(in, NotStarted):
			fate = "unfinished"
			if gone {
				fate = "excluded"
			}
		case slices.Contains(in, Succeeded):
			fate, gone = "succeeded", false
		case slices.Contains(in, Excluded):
			fate, gone = "excluded", true
		default:
			fate, gone = "unfinished", false
		}
	}
	return fate
}

func newTable(names ...string) *NodeTable { return new(NodeTable).Add(names) }

func everyPhase(*BootSet, *Phase) bool { return true }

func numbers(nodes ...int) (s NodeSet) {
	for _, n := range nodes {
		number, _ := testTable.Number([]byte(testNode(n)))
		s = s.Union(NodeSetOf(number))
	}
	return s
}

func TestToRetry(t *testing.T) {
	s := reading(Reboot, 0,
		reported("a",
			testPhase{name: Shutdown, nodes: in{Succeeded: {1, 2, 3}, Failed: {4}}},
			testPhase{name: Boot, nodes: in{Succeeded: {1, 2}, Failed: {2}, InProgress: {3}, NotStarted: {4}}}),
		reported("b", testPhase{name: Boot, nodes: in{NotStarted: {6}, Excluded: {7}, "odd": {8}}}))
	for _, tt := range []struct {
		name       string
		unfinished bool
		take       func(*BootSet, *Phase) bool
		want       NodeSet
	}{
		{"while it runs, those that failed", false, everyPhase, numbers(2, 4)},
		{"once it is over, those that are unfinished, too", true, everyPhase, numbers(2, 3, 4, 6, 8)},
		{"of one phase", true, func(_ *BootSet, p *Phase) bool { return p.Name == Shutdown }, numbers(4)},
		{"of one boot set", true, func(b *BootSet, _ *Phase) bool { return b.Name == "b" }, numbers(6, 8)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.ToRetry(tt.unfinished, tt.take); !got.Equal(tt.want) {
				t.Errorf("%q, want %q", testTable.Names(got), testTable.Names(tt.want))
			}
		})
	}
}

// Whoever stops to look is not shown the phases of the next boot set.
func TestEachPhaseCanBeLeft(t *testing.T) {
	phases := []testPhase{{name: Shutdown}, {name: Boot}}
	s := reading(Reboot, 0, reported("a", phases...), reported("b", phases...))
	var seen []string
	for b, p := range s.EachPhase() {
		seen = append(seen, b.Name+" "+p.Name)
		if len(seen) == 1 {
			break
		}
	}
	if want := []string{"a " + Shutdown}; !slices.Equal(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
}

func TestHeldLeavesOutExcludedNodes(t *testing.T) {
	s := reading(Boot, 0,
		reported("a", testPhase{name: Boot, nodes: in{Succeeded: {1}, Excluded: {2}}}),
		reported("b", testPhase{name: Boot, nodes: in{Failed: {3}}}))
	if got := s.Held(func(*BootSet) bool { return true }); !got.Equal(numbers(1, 3)) {
		t.Errorf("%q", testTable.Names(got))
	}
	if got := s.Held(func(b *BootSet) bool { return b.Name == "b" }); !got.Equal(numbers(3)) {
		t.Errorf("of one boot set: %q", testTable.Names(got))
	}
}

func TestMessagesOfNodes(t *testing.T) {
	s := reading(Boot, 0, reported("a", testPhase{name: Boot, nodes: in{Failed: {1, 2}, Succeeded: {2}}}))
	p := &s.BootSets[0].Phases[0]
	p.Errors = []PhaseError{{"no power", numbers(1, 3)}, {"no route", numbers(1)}}
	n1, _ := testTable.Number([]byte(testNode(1)))
	n2, _ := testTable.Number([]byte(testNode(2)))
	if got := p.Messages(n1); !slices.Equal(got, []string{"no power", "no route"}) {
		t.Errorf("messages %q", got)
	}
	if got := p.Silent(); !got.Equal(numbers(2)) {
		t.Errorf("failed without a message: %q", testTable.Names(got))
	}
	if got := p.InSeveral(); !got.Equal(numbers(2)) {
		t.Errorf("in two categories: %q", testTable.Names(got))
	}
	if got := p.CategoriesOf(n2); !slices.Equal(got, []string{Succeeded, Failed}) {
		t.Errorf("categories %q", got)
	}
}

func TestOffenders(t *testing.T) {
	failing := func(phases map[string][]int) *Session {
		var all []testPhase
		for name, nodes := range phases {
			all = append(all, testPhase{name: name, nodes: in{Failed: nodes, Succeeded: {9}}})
		}
		return reading(Reboot, 0, reported("a", all...))
	}
	sessions := []*Session{
		failing(map[string][]int{Boot: {1}}),
		failing(map[string][]int{Boot: {2}, Shutdown: {2, 1}}),
		failing(map[string][]int{Configure: {3}}),
		reading(Reboot, 0, reported("a", // the last three are at work, or were left there
			testPhase{name: Shutdown, nodes: in{Succeeded: {3, 4, 5, 9}}},
			testPhase{name: Boot, nodes: in{Succeeded: {4, 9}, InProgress: {3, 5}}},
			testPhase{name: Configure, nodes: in{NotStarted: {3, 4, 5}, Succeeded: {9}}})),
	}
	listed := func(ended bool, take func(*BootSet, *Phase) bool) (got []string) {
		for _, o := range Offenders(sessions, func(int) bool { return ended }, take) {
			got = append(got, fmt.Sprint(testTable.Node(o.Node).Name, " ", o.Sessions, " ", o.Unfinished, " ", o.Phases, " ", o.Last))
		}
		return got
	}
	got := listed(false, everyPhase)
	want := []string{
		testNode(1) + " 2 0 [boot shutdown] 0",
		testNode(2) + " 1 0 [boot shutdown] 1",
		testNode(3) + " 1 0 [configure] 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	got = listed(true, everyPhase)
	want = []string{
		want[0],
		testNode(3) + " 1 1 [boot configure] 2",
		want[1],
		testNode(4) + " 0 1 [configure] 3",
		testNode(5) + " 0 1 [boot] 3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("with unfinished ones: got  %q\nwant %q", got, want)
	}
	if some := listed(true, func(_ *BootSet, p *Phase) bool { return p.Name == Configure }); len(some) != 2 {
		t.Errorf("of one phase: %q, want a failed node and one that was left there", some)
	}
}

// A node that leaves a session in one phase was never to start in the later ones.
func TestFatesOfNodesThatLeave(t *testing.T) {
	s := reading(Reboot, 0, reported("a",
		testPhase{name: Shutdown, nodes: in{Succeeded: {1, 2, 3, 4, 6}, OnHold: {5}}},
		testPhase{name: Boot, nodes: in{Excluded: {1}, Superseded: {2}, InProgress: {3}, Succeeded: {4}, NotStarted: {5, 6}}},
		testPhase{name: Configure, nodes: in{NotStarted: {1, 3, 5, 6}, Superseded: {2}, Succeeded: {4}}}))
	fates := s.Fates()
	for _, tt := range []struct {
		name      string
		got, want NodeSet
	}{
		{"failed: given up", fates.Failed, numbers(5)},
		{"excluded: disabled or taken over", fates.Excluded, numbers(1, 2)},
		{"unfinished", fates.Unfinished, numbers(3, 6)},
		{"succeeded", fates.Succeeded, numbers(4)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.got.Equal(tt.want) {
				t.Errorf("%q, want %q", testTable.Names(tt.got), testTable.Names(tt.want))
			}
		})
	}
}

func TestTries(t *testing.T) {
	r := NewRecorder(testTable)
	for n, times := range map[int]int{1: 1, 2: 2, 3: 4, 4: 1_000_000} {
		r.Category(0, InProgress).Add([]byte(testNode(n)))
		r.Tried(0, r.Number([]byte(testNode(n))), times)
	}
	b := BootSet{Phases: []Phase{{Name: Boot}}}
	r.EndBootSet(&b)
	p := &b.Phases[0]
	for n, want := range map[int]int{1: 1, 2: 2, 3: 4, 4: maxTries, 5: 1} {
		number, _ := testTable.Number([]byte(testNode(n)))
		if got := p.Tries(number); got != want {
			t.Errorf("node %d: %d tries, want %d", n, got, want)
		}
	}
	if p.Retried != 3 {
		t.Errorf("%d nodes retried, want 3", p.Retried)
	}
}

// What is kept of nodes is limited in bytes, and messages can be longer than all sets.
func TestMessagesGoWithTheirNodes(t *testing.T) {
	session := func(message string) *Session {
		return &Session{BootSets: []BootSet{{Phases: []Phase{{
			Categories: []Category{{Name: Failed, Count: 1, Nodes: NodeSetOf(1)}},
			Errors:     []PhaseError{{message, NodeSetOf(1)}},
			Attempts:   []NodeSet{NodeSetOf(1)},
		}}}}}
	}
	short, long := session("no power"), session(strings.Repeat("no power ", 1000))
	if more := long.SetBytes() - short.SetBytes(); more != 9000-8 {
		t.Errorf("a message of 9,000 bytes counts as %d more than one of 8", more)
	}
	counted := long.Renumber(nil)
	if p := counted.BootSets[0].Phases[0]; p.Categories[0].Count != 1 || p.Errors != nil || p.Attempts != nil || counted.SetBytes() != 0 {
		t.Errorf("without names there are %+v of %d bytes", p, counted.SetBytes())
	}
	if len(long.BootSets[0].Phases[0].Errors) != 1 {
		t.Error("the session itself has lost its messages")
	}
}

// Every node of a large machine may have an error message of its own.
func BenchmarkManyErrors(b *testing.B) {
	const nodes = 12_000
	names := make([]string, nodes)
	for i := range names {
		names[i] = fmt.Sprintf("x%dc%ds%db%dn%d", 1000+i>>9, i>>6&7, i>>3&7, i>>1&1, i&1)
	}
	table := new(NodeTable).Add(names)
	for b.Loop() {
		r := NewRecorder(table)
		for n, name := range names {
			r.Error(0, name).AddNumber(n)
		}
		r.EndBootSet(&BootSet{Phases: []Phase{{Name: Boot}}})
	}
}

// Sets with the same hash are still two.
func TestSharedSetsAreEqual(t *testing.T) {
	var r Recorder
	var even, odd []int
	for n := range 500 {
		even, odd = append(even, 2*n), append(odd, 2*n+1)
	}
	s := NodeSetOf(even...)
	r.sets = map[uint64]NodeSet{s.hash(): NodeSetOf(odd...)}
	if !r.share(s).Equal(s) {
		t.Error("another set is shared")
	}
	if again := NodeSetOf(even...); r.share(again).nodes != s.nodes {
		t.Error("equal sets take memory twice")
	}
}
