package bos

import (
	"cmp"
	"slices"
)

// NodeTable numbers node names from 0, xnames first and in numerical order, then all other
// names as text. It also holds what a name says about its node. Whatever is known about
// nodes is a NodeSet over these numbers. A NodeTable never changes: Add and Keep return
// another one, and a Renumbering leads from one to the other. The zero value is empty.
type NodeTable struct {
	nodes []Node
	index nodeIndex
}

// Node is an entry of a NodeTable.
type Node struct {
	Name string // as BOS spells it
	// Xname and Place are zero unless IsXname.
	Xname   Xname
	Place   Place
	IsXname bool
}

// Renumbering holds, for each number of one table, the number of the same name in
// another, or -1 where the other lacks the name.
type Renumbering []int32

// Len is the number of names.
func (t *NodeTable) Len() int { return len(t.nodes) }

// Node returns the entry with this number.
func (t *NodeTable) Node(number int) *Node { return &t.nodes[number] }

// Number returns the number of a name.
func (t *NodeTable) Number(name []byte) (int, bool) {
	return t.index.number(name)
}

// Names returns the names of the nodes in a set, in order.
func (t *NodeTable) Names(s NodeSet) []string {
	if s.Empty() {
		return nil
	}
	names := make([]string, 0, s.Len())
	for n := range s.All() {
		names = append(names, t.nodes[n].Name)
	}
	return names
}

// Where returns the set of the nodes for which holds returns true.
func (t *NodeTable) Where(holds func(*Node) bool) NodeSet {
	var numbers []int
	for i := range t.nodes {
		if holds(&t.nodes[i]) {
			numbers = append(numbers, i)
		}
	}
	return NodeSetOf(numbers...)
}

// NodeBytes estimates the memory that a table takes for each of its nodes.
const NodeBytes = 256

// Add returns a table that also has these names, or the same table if it has them all.
func (t *NodeTable) Add(names []string) *NodeTable {
	var added []Node
	for _, name := range names {
		if _, known := t.Number([]byte(name)); !known {
			added = append(added, newNode(name))
		}
	}
	if len(added) == 0 {
		return t
	}
	slices.SortFunc(added, compareEntries)
	added = slices.CompactFunc(added, func(a, b Node) bool { return a.Name == b.Name })
	merged := make([]Node, 0, len(t.nodes)+len(added))
	rest := t.nodes
	for _, n := range added {
		i, _ := slices.BinarySearchFunc(rest, n, compareEntries)
		merged = append(append(merged, rest[:i]...), n)
		rest = rest[i:]
	}
	return newNodeTable(append(merged, rest...))
}

// Keep returns a table of only the nodes in the set.
func (t *NodeTable) Keep(s NodeSet) *NodeTable {
	nodes := make([]Node, 0, s.Len())
	for n := range s.All() {
		nodes = append(nodes, t.nodes[n])
	}
	return newNodeTable(nodes)
}

// To returns the renumbering from this table to another.
func (t *NodeTable) To(other *NodeTable) Renumbering {
	r := make(Renumbering, len(t.nodes))
	for i := range t.nodes {
		r[i] = other.number(t.nodes[i].Name)
	}
	return r
}

// number is the number of a name, or -1.
func (t *NodeTable) number(name string) int32 {
	if n, ok := t.Number([]byte(name)); ok {
		return int32(n)
	}
	return -1
}

func newNodeTable(sorted []Node) *NodeTable {
	return &NodeTable{nodes: sorted, index: newNodeIndex(sorted)}
}

func newNode(name string) Node {
	x, ok := ParseXname(name)
	if !ok {
		return Node{Name: name}
	}
	n := Node{Name: name, Xname: x, Place: x.Place(), IsXname: true}
	if n.Place.Node == name {
		n.Name = n.Place.Node // one string in memory, not two
	}
	return n
}

// compareEntries defines the order of a table.
func compareEntries(a, b Node) int {
	switch {
	case a.IsXname && b.IsXname:
		return cmp.Or(a.Xname.Compare(b.Xname), cmp.Compare(a.Name, b.Name))
	case a.IsXname:
		return -1
	case b.IsXname:
		return 1
	default:
		return cmp.Compare(a.Name, b.Name)
	}
}
