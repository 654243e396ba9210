package bos

import (
	"fmt"
	"slices"
	"strings"
)

// Fold abbreviates the names of the nodes in a set as a host list: x3000c0s19b1n0 to
// x3000c0s19b4n0 become x3000c0s19b[1-4]n0. Names that are not xnames follow unchanged.
func (t *NodeTable) Fold(s NodeSet) string {
	var tuples [][]int
	var others []string
	var last Xname
	for i := range s.All() {
		n := &t.nodes[i]
		x := n.Xname
		switch {
		case !n.IsXname:
			others = append(others, n.Name)
		case len(tuples) == 0 || x != last: // two spellings may be of one node
			last = x
			tuples = append(tuples, []int{x.Cabinet, x.Chassis, x.Slot, x.BMC, x.Node})
		}
	}
	return strings.Join(append(foldFields("xcsbn", tuples), others...), ",")
}

// foldFields folds sorted tuples of the fields that the letters introduce. Values of the
// first field whose remaining fields fold alike share a pattern.
func foldFields(letters string, tuples [][]int) []string {
	if letters == "" {
		return []string{""}
	}
	type group struct {
		values []int
		rests  []string
	}
	var groups []*group
	byRest := make(map[string]*group)
	for len(tuples) > 0 {
		value := tuples[0][0]
		n := slices.IndexFunc(tuples, func(t []int) bool { return t[0] != value })
		if n < 0 {
			n = len(tuples)
		}
		var rest [][]int
		for _, t := range tuples[:n] {
			rest = append(rest, t[1:])
		}
		tuples = tuples[n:]
		rests := foldFields(letters[1:], rest)
		key := strings.Join(rests, ",")
		g := byRest[key]
		if g == nil {
			g = &group{rests: rests}
			byRest[key] = g
			groups = append(groups, g)
		}
		g.values = append(g.values, value)
	}
	var folded []string
	for _, g := range groups {
		for _, rest := range g.rests {
			folded = append(folded, letters[:1]+ranges(g.values)+rest)
		}
	}
	return folded
}

// ranges formats sorted numbers as 7 or [1-4,7].
func ranges(values []int) string {
	if len(values) == 1 {
		return fmt.Sprint(values[0])
	}
	var parts []string
	for i := 0; i < len(values); {
		j := i
		for j+1 < len(values) && values[j+1] == values[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(values[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", values[i], values[j]))
		}
		i = j + 1
	}
	return "[" + strings.Join(parts, ",") + "]"
}
