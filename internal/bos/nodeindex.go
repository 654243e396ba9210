package bos

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// nodeIndex finds the numbers of node names. It serves names of 8 to 16 bytes, as most are,
// several times as fast as a map, for it compares them as two words.
type nodeIndex struct {
	slots  []int32     // numbers and 1, by the hashes of names; 0 in an empty slot
	names  []shortName // by number
	others map[string]int32
	seed   uint64 // makes it impossible to choose names that collide
}

// shortName is a name of 8 to 16 bytes, padded with NUL.
type shortName struct{ head, tail uint64 }

func newNodeIndex(nodes []Node) nodeIndex {
	x := nodeIndex{
		slots:  make([]int32, 1<<bits.Len(uint(2*len(nodes)))), // at least half of them stay empty
		names:  make([]shortName, len(nodes)),
		others: make(map[string]int32),
		seed:   rand.Uint64(),
	}
	for i := range nodes {
		short, ok := shorten([]byte(nodes[i].Name))
		if !ok {
			x.others[nodes[i].Name] = int32(i)
			continue
		}
		x.names[i] = short
		_, slot := x.find(short)
		*slot = int32(i) + 1
	}
	return x
}

// number returns the number of a name.
func (x *nodeIndex) number(name []byte) (number int, known bool) {
	short, ok := shorten(name)
	if !ok || len(x.slots) == 0 {
		n, known := x.others[string(name)] // does not allocate
		return int(n), known
	}
	number, _ = x.find(short)
	return number, number >= 0
}

// find returns the number of a name, or -1, and its slot.
func (x *nodeIndex) find(name shortName) (number int, slot *int32) {
	high, low := bits.Mul64(name.head^x.seed, name.tail^bits.RotateLeft64(x.seed, 32))
	for at := high ^ low; ; at++ {
		slot = &x.slots[at&uint64(len(x.slots)-1)]
		number = int(*slot) - 1
		if number < 0 || x.names[number] == name {
			return number, slot
		}
	}
}

func shorten(name []byte) (short shortName, ok bool) {
	n := len(name)
	if n < 8 || n > 16 || name[n-1] == 0 {
		return short, false
	}
	return shortName{
		head: binary.LittleEndian.Uint64(name),
		tail: binary.LittleEndian.Uint64(name[n-8:]) >> (8 * (16 - n)),
	}, true
}
