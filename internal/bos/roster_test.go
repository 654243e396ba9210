package bos

import (
	"slices"
	"testing"
)

func TestRollCall(t *testing.T) {
	r := NewRollCall()
	// Configure stands before boot in the document.
	r.Node(0, InProgress, []byte("x1c0s10b0n0"))
	r.Node(0, InProgress, []byte("x1c0s2b0n0"))
	r.Node(1, Succeeded, []byte("x1c0s2b0n0"))
	r.Node(1, Succeeded, []byte("x1c0s10b0n0"))
	r.Node(1, Failed, []byte("x1c0s10b0n0"))
	r.Error(1, "b", nil)
	r.Error(1, "b", []byte("x1c0s10b0n0"))
	r.Error(1, "a", nil)
	b := BootSet{Name: "computes", Reported: true, Phases: []Phase{
		{Name: Configure, Categories: []Category{{InProgress, 2}}},
		{Name: Boot, Categories: []Category{{NotStarted, 0}, {Succeeded, 2}, {Failed, 1}}},
	}}
	r.EndBootSet(&b)
	roster := r.Roster()
	if len(roster.BootSets) != 1 || len(roster.BootSets[0].Phases) != 2 || roster.Size() != 6 {
		t.Fatalf("%+v, size %d", roster, roster.Size())
	}
	boot := roster.BootSets[0].Phases[0]
	if boot.Name != Boot || len(boot.Categories) != 3 || !slices.Equal(boot.Categories[1].Nodes, []string{"x1c0s2b0n0", "x1c0s10b0n0"}) {
		t.Errorf("%+v", boot)
	}
	if len(boot.Errors) != 2 || boot.Errors[0].Message != "a" || boot.Errors[0].Nodes != nil || !slices.Equal(boot.Errors[1].Nodes, []string{"x1c0s10b0n0"}) {
		t.Errorf("%+v", boot.Errors)
	}
}

func TestFatesAreThoseOfTheCensus(t *testing.T) {
	c, r := NewCensus(), NewRollCall()
	for phase, categories := range []in{
		{Succeeded: {1, 2, 3}, Failed: {4}},
		{Succeeded: {1, 2, 3}, Failed: {3}, NotStarted: {4}},
		{Succeeded: {1}, InProgress: {2, 3, 4}},
	} {
		for category, nodes := range categories {
			for _, n := range nodes {
				name := []byte{'x', byte('0' + n)}
				c.Node(phase, category, name)
				r.Node(phase, category, name)
			}
		}
	}
	b := BootSet{Name: "a", Phases: []Phase{{Name: Shutdown}, {Name: Boot}, {Name: Configure}}}
	for i := range b.Phases {
		for _, category := range CategoryOrder {
			b.Phases[i].Categories = append(b.Phases[i].Categories, Category{Name: category})
		}
	}
	r.EndBootSet(&b)
	c.EndBootSet(&b)
	s := &Session{BootSets: []BootSet{b}, Nodes: c.EndSession()}
	var tally Tally
	for _, fate := range r.Roster().Fates(s) {
		tally.Add(fate)
	}
	if want := (Tally{Succeeded: 1, Unfinished: 1, Failed: 2}); tally != want || s.Nodes != want {
		t.Errorf("names tell %+v, counts %+v, want %+v", tally, s.Nodes, want)
	}
}
