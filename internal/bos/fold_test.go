package bos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func fold(names []string) string {
	table := newTable(names...)
	return table.Fold(table.Where(func(*Node) bool { return true }))
}

func TestFold(t *testing.T) {
	for want, nodes := range map[string]string{
		"":                                "",
		"x3000c0s19b1n0":                  "x3000c0s19b1n0",
		"x3000c0s19b[1-4]n0":              "x3000c0s19b4n0 x3000c0s19b1n0 x3000c0s19b3n0 x3000c0s19b2n0",
		"x1000c0s[0-1,7]b[0-1]n0":         "x1000c0s0b0n0 x1000c0s0b1n0 x1000c0s1b0n0 x1000c0s1b1n0 x1000c0s7b0n0 x1000c0s7b1n0",
		"x1000c0s0b0n[0-1],x1000c0s1b0n0": "x1000c0s0b0n0 x1000c0s0b0n1 x1000c0s1b0n0",
		"x[1000-1001]c0s0b0n0":            "X1000c0s0b0n0 x1001c0s0b0n0 x1000c0s00b0n0",
		"x1c0s0b0n0,nid000001":            "nid000001 x1c0s0b0n0 nid000001",
	} {
		if got := fold(strings.Fields(nodes)); got != want {
			t.Errorf("%s: %s, want %s", nodes, got, want)
		}
	}
}

// unfold is the opposite of Fold for xnames.
func unfold(t *testing.T, folded string) []string {
	t.Helper()
	var names []string
	for len(folded) > 0 {
		// A pattern ends at a comma that is in no bracket.
		depth, end := 0, len(folded)
		for i, c := range folded {
			if c == '[' {
				depth++
			} else if c == ']' {
				depth--
			} else if c == ',' && depth == 0 {
				end = i
				break
			}
		}
		pattern := folded[:end]
		folded = strings.TrimPrefix(folded[end:], ",")
		expanded := []string{""}
		for pattern != "" {
			head, rest, bracket := strings.Cut(pattern, "[")
			for i := range expanded {
				expanded[i] += head
			}
			if !bracket {
				break
			}
			list, tail, _ := strings.Cut(rest, "]")
			pattern = tail
			var next []string
			for _, e := range expanded {
				for part := range strings.SplitSeq(list, ",") {
					from, to, isRange := strings.Cut(part, "-")
					if !isRange {
						to = from
					}
					a, err1 := strconv.Atoi(from)
					b, err2 := strconv.Atoi(to)
					if err1 != nil || err2 != nil {
						t.Fatalf("%s: %v %v", part, err1, err2)
					}
					for n := a; n <= b; n++ {
						next = append(next, e+strconv.Itoa(n))
					}
				}
			}
			expanded = next
		}
		names = append(names, expanded...)
	}
	return inOrder(names)
}

// inOrder returns the names in the order of a table, each once.
func inOrder(names []string) []string {
	table := newTable(names...)
	return table.Names(table.Where(func(*Node) bool { return true }))
}

func TestFoldKeepsEveryNode(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var nodes []string
		for range random.IntN(60) {
			nodes = append(nodes, fmt.Sprintf("x%dc%ds%db%dn%d", 1000+random.IntN(2), random.IntN(3), random.IntN(4), random.IntN(2), random.IntN(2)))
		}
		nodes = inOrder(nodes)
		if got := unfold(t, fold(nodes)); !slices.Equal(got, nodes) {
			t.Fatalf("%v folded to %s, which is %v", nodes, fold(nodes), got)
		}
	}
}
