package bos

import (
	"iter"

	"github.com/bits-and-blooms/bitset"
)

// NodeSet is a set of nodes: a bit for each number of a NodeTable. The zero value is the
// empty set. A NodeSet never changes, so that it can be shared; the operations return
// new sets, which are only meaningful for sets of the same table.
type NodeSet struct{ bits *bitset.BitSet }

// NodeSetOf returns the set of the nodes with these numbers.
func NodeSetOf(nodes ...int) NodeSet {
	bits := new(bitset.BitSet)
	for _, n := range nodes {
		bits.Set(uint(n))
	}
	return newNodeSet(bits)
}

// newNodeSet takes ownership of bits, which must not change afterwards.
func newNodeSet(bits *bitset.BitSet) NodeSet {
	if bits == nil || bits.None() {
		return NodeSet{}
	}
	return NodeSet{bits.Compact()}
}

// Len is the number of nodes in the set.
func (s NodeSet) Len() int {
	if s.bits == nil {
		return 0
	}
	return int(s.bits.Count())
}

// Empty reports whether the set has no node.
func (s NodeSet) Empty() bool { return s.bits == nil }

// Has reports whether the set has the node with this number.
func (s NodeSet) Has(node int) bool { return s.bits != nil && s.bits.Test(uint(node)) }

// All yields the numbers of the nodes in ascending order, which is that of their names.
func (s NodeSet) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		if s.bits == nil {
			return
		}
		for n := range s.bits.EachSet() {
			if !yield(int(n)) {
				return
			}
		}
	}
}

// Union returns the nodes that are in any of the sets.
func (s NodeSet) Union(others ...NodeSet) NodeSet {
	all, ours := s.bits, false
	for _, t := range others {
		switch {
		case t.bits == nil || t.bits == all:
		case all == nil:
			all = t.bits
		case ours:
			all.InPlaceUnion(t.bits)
		default:
			all, ours = all.Union(t.bits), true
		}
	}
	if !ours {
		return NodeSet{all}
	}
	return newNodeSet(all)
}

// Intersect returns the nodes that are in both sets.
func (s NodeSet) Intersect(t NodeSet) NodeSet {
	if s.bits == nil || t.bits == nil {
		return NodeSet{}
	}
	return newNodeSet(s.bits.Intersection(t.bits))
}

// Common is the number of nodes that are in both sets.
func (s NodeSet) Common(t NodeSet) int {
	if s.bits == nil || t.bits == nil {
		return 0
	}
	return int(s.bits.IntersectionCardinality(t.bits))
}

// Minus returns the nodes of s that are not in t.
func (s NodeSet) Minus(t NodeSet) NodeSet {
	if s.bits == nil || t.bits == nil {
		return s
	}
	return newNodeSet(s.bits.Difference(t.bits))
}

// Equal reports whether both sets have the same nodes.
func (s NodeSet) Equal(t NodeSet) bool {
	if s.bits == nil || t.bits == nil {
		return s.bits == t.bits
	}
	return s.bits == t.bits || s.bits.SymmetricDifferenceCardinality(t.bits) == 0
}

// hash is the same for sets of the same nodes.
func (s NodeSet) hash() uint64 {
	if s.bits == nil {
		return 0
	}
	const prime = 1_099_511_628_211 // of FNV
	var h uint64
	for _, word := range s.bits.Words() {
		h = (h ^ word) * prime
	}
	return h
}

// bytes estimates the memory that the set takes.
func (s NodeSet) bytes() int {
	if s.bits == nil {
		return 0
	}
	const overhead = 48 // of the bit set's own fields
	return overhead + 8*len(s.bits.Words())
}

// Renumber returns the set of the same nodes in another table, without those that the
// other table lacks.
func (s NodeSet) Renumber(r Renumbering) NodeSet {
	if s.bits == nil {
		return s
	}
	bits := bitset.New(s.bits.Len())
	for n := range s.All() {
		if n < len(r) && r[n] >= 0 {
			bits.Set(uint(r[n]))
		}
	}
	return newNodeSet(bits)
}
