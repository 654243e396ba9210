package bos

import "hash/maphash"

// MaxPhases is the largest number of phases of a boot set that a Census can
// tell apart. BOS has three.
const MaxPhases = 16

// Census counts the distinct nodes of a session while its boot sets are being
// read, without keeping their names: nodes are told apart by a 64-bit hash. A
// Census may be used for any number of sessions, one after the other.
type Census struct {
	ranks  map[uint64]ranks
	prints [MaxPhases]uint64
	fates  map[uint64]Fate // node -> the worst fate in the boot sets ended so far
}

// NewCensus returns an empty census.
func NewCensus() *Census {
	return &Census{ranks: make(map[uint64]ranks), fates: make(map[uint64]Fate)}
}

var seed = maphash.MakeSeed()

// Node takes down that a node is in a category (lower case) of the phase with
// this index, which must be below MaxPhases.
func (c *Census) Node(phase int, category string, node []byte) {
	r := rankOf(category)
	h := maphash.Bytes(seed, node)
	c.prints[phase] += h * (2*uint64(r) + 1)

	c.ranks[h] = c.ranks[h].with(phase, r)
}

// ranks is the rank of a node in each phase of a boot set, four bits a phase.
type ranks uint64

func (rs ranks) in(phase int) rank { return rank(rs >> (4 * uint(phase)) & 0xf) }

// with takes down a rank in a phase, unless there is a higher one.
func (rs ranks) with(phase int, r rank) ranks {
	if r <= rs.in(phase) {
		return rs
	}
	shift := 4 * uint(phase)
	return rs&^(0xf<<shift) | ranks(r)<<shift
}

// fate is what became of the node in a boot set whose phases are worked through
// in this order, the phase with the index skip left out of account. It has failed
// if it failed anywhere; else the last phase that lists it tells.
func (rs ranks) fate(order []int, skip int) Fate {
	last := rankAbsent
	for _, i := range order {
		switch r := rs.in(i); {
		case r == rankFailed:
			return FateFailed
		case r != rankAbsent && i != skip:
			last = r
		}
	}
	return last.fate()
}

// EndBootSet fills in what the census knows of a boot set whose nodes it has
// taken down since the last call: the tallies of the boot set and of its phases
// and their fingerprints. The phases must stand at the indexes given to Node;
// they are put in the order of work.
func (c *Census) EndBootSet(b *BootSet) {
	order := b.workOrder()
	skip := b.untouchedConfigure()
	for i := range b.Phases {
		b.Phases[i].Fingerprint = c.prints[i]
		b.Phases[i].Nodes = Tally{}
	}
	b.Nodes = Tally{}
	for node, ranks := range c.ranks {
		for i := range b.Phases {
			if r := ranks.in(i); r != rankAbsent {
				b.Phases[i].Nodes.Add(r.fate())
			}
		}
		f := ranks.fate(order, skip)
		b.Nodes.Add(f)
		if old, seen := c.fates[node]; !seen || f > old {
			c.fates[node] = f
		}
	}
	sorted := make([]Phase, len(order))
	for i, j := range order {
		sorted[i] = b.Phases[j]
	}
	b.Phases = sorted
	clear(c.ranks)
	c.prints = [MaxPhases]uint64{}
}

// EndSession returns the tally of the distinct nodes of all boot sets ended
// since the last call. A node that is in several boot sets counts once, with the
// worst that became of it.
func (c *Census) EndSession() Tally {
	var t Tally
	for _, f := range c.fates {
		t.Add(f)
	}
	c.Reset()
	return t
}

// Reset forgets everything, as after a boot set that could not be read whole.
func (c *Census) Reset() {
	clear(c.ranks)
	clear(c.fates)
	c.prints = [MaxPhases]uint64{}
}
