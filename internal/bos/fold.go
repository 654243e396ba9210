package bos

import (
	"slices"
	"strconv"
	"strings"
)

// Fold abbreviates the names of the nodes in a set as a host list: x3000c0s19b1n0 to
// x3000c0s19b4n0 become x3000c0s19b[1-4]n0. Names that are not xnames follow unchanged.
func (t *NodeTable) Fold(s NodeSet) string {
	tuples := make([]tuple, 0, s.Len())
	var others []string
	for i := range s.All() {
		n := &t.nodes[i]
		x := tuple{n.Xname.Cabinet, n.Xname.Chassis, n.Xname.Slot, n.Xname.BMC, n.Xname.Node}
		switch {
		case !n.IsXname:
			others = append(others, n.Name)
		case len(tuples) == 0 || x != tuples[len(tuples)-1]: // two spellings may be of one node
			tuples = append(tuples, x)
		}
	}
	return strings.Join(append(foldFrom(0, tuples), others...), ",")
}

// tuple holds the fields of an xname, which the letters introduce.
type tuple [len(letters)]int

const letters = "xcsbn"

// foldFrom folds the fields of sorted tuples from one on; those before it are the same in
// all of them. Values of this field whose remaining fields fold alike share a pattern.
func foldFrom(field int, tuples []tuple) []string {
	if field == len(letters) {
		return []string{""}
	}
	type group struct {
		values []int
		first  []tuple // those of the first value
		rests  []string
	}
	var groups []*group
	byRest := make(map[string]*group)
	var last *group
	for len(tuples) > 0 {
		value := tuples[0][field]
		n := slices.IndexFunc(tuples, func(t tuple) bool { return t[field] != value })
		if n < 0 {
			n = len(tuples)
		}
		run := tuples[:n]
		tuples = tuples[n:]
		if last == nil || !sameFrom(field+1, run, last.first) { // most of a machine is regular
			rests := foldFrom(field+1, run)
			key := strings.Join(rests, ",")
			if last = byRest[key]; last == nil {
				last = &group{first: run, rests: rests}
				byRest[key] = last
				groups = append(groups, last)
			}
		}
		last.values = append(last.values, value)
	}
	var folded []string
	for _, g := range groups {
		for _, rest := range g.rests {
			folded = append(folded, letters[field:field+1]+ranges(g.values)+rest)
		}
	}
	return folded
}

// sameFrom reports whether tuples are the same in the fields from one on.
func sameFrom(field int, a, b []tuple) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		for f := field; f < len(letters); f++ {
			if a[i][f] != b[i][f] {
				return false
			}
		}
	}
	return true
}

// ranges formats sorted numbers as 7 or [1-4,7].
func ranges(values []int) string {
	if len(values) == 1 {
		return strconv.Itoa(values[0])
	}
	var parts []string
	for i := 0; i < len(values); {
		j := i
		for j+1 < len(values) && values[j+1] == values[j]+1 {
			j++
		}
		part := strconv.Itoa(values[i])
		if i < j {
			part += "-" + strconv.Itoa(values[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return "[" + strings.Join(parts, ",") + "]"
}
