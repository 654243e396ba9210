package bos

import (
	"iter"
	"slices"

	"github.com/bits-and-blooms/bitset"
)

// NodeSet is a set of nodes: numbers of a NodeTable. The zero value is the empty set. A
// NodeSet never changes, so that it can be shared; the operations return new sets, which
// are only meaningful for sets of the same table.
type NodeSet struct{ nodes *nodes }

// nodes are the numbers in a set. Which of the two forms they take depends on the numbers
// alone: a set of one node of a large machine would take more than a kilobyte of bits, and
// every node may have an error message of its own.
type nodes struct {
	few  []int32        // ascending; nil if there are many
	bits *bitset.BitSet // nil if there are few
}

// areFew reports whether so many numbers are kept as such. They take a quarter of the
// memory of bits, or less.
func areFew(count int, highest int32) bool { return count <= int(highest)/128 }

// NodeSetOf returns the set of the nodes with these numbers.
func NodeSetOf(nodes ...int) NodeSet {
	var c nodeCollector
	for _, n := range nodes {
		c.add(n)
	}
	return c.set()
}

// newNodeSet takes ownership of bits, which must not change afterwards.
func newNodeSet(bits *bitset.BitSet) NodeSet {
	count := int(bits.Count())
	if count == 0 {
		return NodeSet{}
	}
	bits = bits.Compact()
	if highest, _ := bits.PreviousSet(bits.Len() - 1); !areFew(count, int32(highest)) {
		return NodeSet{&nodes{bits: bits}}
	}
	few := make([]int32, 0, count)
	for n := range bits.EachSet() {
		few = append(few, int32(n))
	}
	return NodeSet{&nodes{few: few}}
}

// nodeSetOf takes ownership of ascending numbers, which must not change afterwards.
func nodeSetOf(numbers []int32) NodeSet {
	if len(numbers) == 0 {
		return NodeSet{}
	}
	highest := numbers[len(numbers)-1]
	if areFew(len(numbers), highest) {
		return NodeSet{&nodes{few: numbers}}
	}
	bits := bitset.New(uint(highest) + 1)
	for _, n := range numbers {
		bits.Set(uint(n))
	}
	return NodeSet{&nodes{bits: bits}}
}

// nodeCollector collects the numbers of a set in any order, each once or more often. The
// zero value is ready for use.
type nodeCollector struct {
	numbers []int32
	bits    *bitset.BitSet // nil while there are few numbers
}

// maxNumbers is how many numbers are collected before there are bits, so that many small
// sets of a large machine take little memory.
const maxNumbers = 256

func (c *nodeCollector) add(number int) {
	switch {
	case c.bits != nil:
		c.bits.Set(uint(number))
	case len(c.numbers) < maxNumbers:
		c.numbers = append(c.numbers, int32(number))
	default:
		c.bits = bitset.New(uint(max(number, int(slices.Max(c.numbers)))) + 1)
		for _, n := range c.numbers {
			c.bits.Set(uint(n))
		}
		c.bits.Set(uint(number))
		c.numbers = nil
	}
}

// set returns the set of the numbers. Nothing can be added afterwards.
func (c *nodeCollector) set() NodeSet {
	if c.bits != nil {
		return newNodeSet(c.bits)
	}
	slices.Sort(c.numbers)
	return nodeSetOf(slices.Compact(c.numbers))
}

// Len is the number of nodes in the set.
func (s NodeSet) Len() int {
	switch {
	case s.nodes == nil:
		return 0
	case s.nodes.bits == nil:
		return len(s.nodes.few)
	default:
		return int(s.nodes.bits.Count())
	}
}

// Empty reports whether the set has no node.
func (s NodeSet) Empty() bool { return s.nodes == nil }

// Has reports whether the set has the node with this number.
func (s NodeSet) Has(node int) bool {
	switch {
	case s.nodes == nil:
		return false
	case s.nodes.bits == nil:
		_, found := slices.BinarySearch(s.nodes.few, int32(node))
		return found
	default:
		return s.nodes.bits.Test(uint(node))
	}
}

// All yields the numbers of the nodes in ascending order, which is that of their names.
func (s NodeSet) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		if s.nodes == nil {
			return
		}
		for _, n := range s.nodes.few {
			if !yield(int(n)) {
				return
			}
		}
		if s.nodes.bits == nil {
			return
		}
		for n := range s.nodes.bits.EachSet() {
			if !yield(int(n)) {
				return
			}
		}
	}
}

// Union returns the nodes that are in any of the sets.
func (s NodeSet) Union(others ...NodeSet) NodeSet {
	all := s
	var bits *bitset.BitSet // of the union, once it is none of the sets
	for _, t := range others {
		switch {
		case t.nodes == nil || t.nodes == all.nodes:
		case all.nodes == nil:
			all = t
		case bits == nil:
			bits = all.nodes.copyBits(t.nodes.end())
			t.nodes.addTo(bits)
		default:
			t.nodes.addTo(bits)
		}
	}
	if bits == nil {
		return all
	}
	return newNodeSet(bits)
}

// end is above all numbers.
func (n *nodes) end() uint {
	if n.bits == nil {
		return uint(n.few[len(n.few)-1]) + 1
	}
	return n.bits.Len()
}

// copyBits returns new bits, with room for those below end.
func (n *nodes) copyBits(end uint) *bitset.BitSet {
	if n.bits != nil && n.bits.Len() >= end {
		return n.bits.Clone()
	}
	bits := bitset.New(max(n.end(), end))
	n.addTo(bits)
	return bits
}

func (n *nodes) addTo(bits *bitset.BitSet) {
	if n.bits != nil {
		bits.InPlaceUnion(n.bits)
	}
	for _, number := range n.few {
		bits.Set(uint(number))
	}
}

// Intersect returns the nodes that are in both sets.
func (s NodeSet) Intersect(t NodeSet) NodeSet {
	switch {
	case s.nodes == nil || t.nodes == nil:
		return NodeSet{}
	case s.nodes.bits == nil:
		return s.filter(t.Has)
	case t.nodes.bits == nil:
		return t.filter(s.Has)
	default:
		return newNodeSet(s.nodes.bits.Intersection(t.nodes.bits))
	}
}

// filter returns the nodes of a set of few that are wanted.
func (s NodeSet) filter(want func(int) bool) NodeSet {
	var wanted []int32
	for _, n := range s.nodes.few {
		if want(int(n)) {
			wanted = append(wanted, n)
		}
	}
	return nodeSetOf(wanted)
}

// Common is the number of nodes that are in both sets.
func (s NodeSet) Common(t NodeSet) int {
	if s.nodes == nil || t.nodes == nil || s.nodes.bits == nil || t.nodes.bits == nil {
		return s.Intersect(t).Len()
	}
	return int(s.nodes.bits.IntersectionCardinality(t.nodes.bits))
}

// Minus returns the nodes of s that are not in t.
func (s NodeSet) Minus(t NodeSet) NodeSet {
	switch {
	case s.nodes == nil || t.nodes == nil:
		return s
	case s.nodes.bits == nil:
		return s.filter(func(n int) bool { return !t.Has(n) })
	case t.nodes.bits == nil:
		bits := s.nodes.bits.Clone()
		for _, n := range t.nodes.few {
			bits.Clear(uint(n))
		}
		return newNodeSet(bits)
	default:
		return newNodeSet(s.nodes.bits.Difference(t.nodes.bits))
	}
}

// Equal reports whether both sets have the same nodes.
func (s NodeSet) Equal(t NodeSet) bool {
	switch {
	case s.nodes == t.nodes:
		return true
	case s.nodes == nil || t.nodes == nil || (s.nodes.bits == nil) != (t.nodes.bits == nil):
		return false
	case s.nodes.bits == nil:
		return slices.Equal(s.nodes.few, t.nodes.few)
	default:
		return s.nodes.bits.SymmetricDifferenceCardinality(t.nodes.bits) == 0
	}
}

// hash is the same for sets of the same nodes.
func (s NodeSet) hash() uint64 {
	if s.nodes == nil {
		return 0
	}
	const prime = 1_099_511_628_211 // of FNV
	var h uint64
	for _, n := range s.nodes.few {
		h = (h ^ uint64(n)) * prime
	}
	if s.nodes.bits != nil {
		for _, word := range s.nodes.bits.Words() {
			h = (h ^ word) * prime
		}
	}
	return h
}

// bytes estimates the memory that the set takes.
func (s NodeSet) bytes() int {
	switch {
	case s.nodes == nil:
		return 0
	case s.nodes.bits == nil:
		return 32 + 4*len(s.nodes.few)
	default:
		return 64 + 8*len(s.nodes.bits.Words())
	}
}

// Renumber returns the set of the same nodes in another table, without those that the
// other table lacks.
func (s NodeSet) Renumber(r Renumbering) NodeSet {
	var c nodeCollector
	for n := range s.All() {
		if n < len(r) && r[n] >= 0 {
			c.add(int(r[n]))
		}
	}
	return c.set()
}
