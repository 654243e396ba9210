package bos

import (
	"path"
	"testing"
)

func TestParseXname(t *testing.T) {
	for name, want := range map[string]string{
		"x3000c0s19b4n0":                "x3000c0s19b4n0",
		" X1000C7S07B01N001\n":          "x1000c7s7b1n1",
		"x0c0s0b0n0":                    "x0c0s0b0n0",
		"x9999c7s12345b99n12345":        "x9999c7s12345b99n12345",
		"":                              "",
		"x3000c0s19b4":                  "", // a BMC
		"x3000c0s19b4n0a0":              "", // an accelerator
		"x3000c0s19b4n":                 "",
		"x30000c0s19b4n0":               "",
		"x3000c8s19b4n0":                "",
		"nid000001":                     "",
		"x3000c0s19b4n-1":               "",
		"x3000 c0s19b4n0":               "",
		"x1c1s99999999999999999999b0n0": "",
	} {
		x, ok := ParseXname(name)
		if ok != (want != "") || ok && x.String() != want {
			t.Errorf("%q: %s %t, want %q", name, x, ok, want)
		}
	}
	x, _ := ParseXname("x3000c0s19b4n2")
	if x != (Xname{3000, 0, 19, 4, 2}) {
		t.Errorf("fields %+v", x)
	}
	if got, want := x.Place(), (Place{"x3000", "x3000c0", "x3000c0s19", "x3000c0s19b4", "x3000c0s19b4n2"}); got != want {
		t.Errorf("place %v, want %v", got, want)
	}
}

func TestLevels(t *testing.T) {
	const name = "x3000c1s19b4n2"
	x, _ := ParseXname(name)
	for _, tt := range []struct {
		level          Level
		place, pattern string
		inCabinet      Xname
	}{
		{AtCabinet, "x3000", "x3000c*", Xname{}},
		{AtChassis, "x3000c1", "x3000c1s*", Xname{Chassis: 1}},
		{AtSlot, "x3000c1s19", "x3000c1s19b*", Xname{Chassis: 1, Slot: 19}},
		{AtBMC, "x3000c1s19b4", "x3000c1s19b4n*", Xname{Chassis: 1, Slot: 19, BMC: 4}},
		{AtNode, name, name, Xname{Chassis: 1, Slot: 19, BMC: 4, Node: 2}},
	} {
		place := x.Place().At(tt.level)
		if pattern := tt.level.Pattern(place); place != tt.place || pattern != tt.pattern {
			t.Errorf("%s: place %s, pattern %s, want %s and %s", tt.level, place, pattern, tt.place, tt.pattern)
		}
		if matches, err := path.Match(tt.pattern, name); !matches || err != nil {
			t.Errorf("%s: the pattern %s does not match", tt.level, tt.pattern)
		}
		if got := x.Between(AtCabinet, tt.level); got != tt.inCabinet {
			t.Errorf("%s: in the cabinet it is at %+v, want %+v", tt.level, got, tt.inCabinet)
		}
	}
	if got, want := x.Between(AtChassis, AtNode), (Xname{Slot: 19, BMC: 4, Node: 2}); got != want {
		t.Errorf("in the chassis the node is at %+v, want %+v", got, want)
	}
}

func FuzzParseXname(f *testing.F) {
	f.Add("x3000c0s19b4n0")
	f.Add("x1c")
	f.Fuzz(func(t *testing.T, name string) {
		x, ok := ParseXname(name)
		if !ok {
			return
		}
		if y, ok := ParseXname(x.String()); !ok || x != y {
			t.Errorf("%q became %s, which reads as %+v", name, x, y)
		}
	})
}
