package bos

import (
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
