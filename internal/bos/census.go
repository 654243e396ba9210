package bos

import "hash/maphash"

// MaxPhases is the largest number of phases of a boot set that a Census can
// tell apart. BOS has three.
const MaxPhases = 16

// Census counts the distinct nodes of a session while its boot sets are being
// read, without keeping their names: nodes are told apart by a 64-bit hash. A
// Census may be used for any number of sessions, one after the other.
type Census struct {
	ranks  map[uint64]uint64 // node -> its rank in each phase of the boot set, 4 bits a phase
	prints [MaxPhases]uint64
	fates  map[uint64]fate // node -> the worst fate in the boot sets ended so far
}

// NewCensus returns an empty census.
func NewCensus() *Census {
	return &Census{ranks: make(map[uint64]uint64), fates: make(map[uint64]fate)}
}

var seed = maphash.MakeSeed()

// Node takes down that a node is in a category (lower case) of the phase with
// this index, which must be below MaxPhases.
func (c *Census) Node(phase int, category string, node []byte) {
	r := rankOf(category)
	h := maphash.Bytes(seed, node)
	c.prints[phase] += h * (2*uint64(r) + 1)

	shift := 4 * uint(phase)
	ranks := c.ranks[h]
	if old := rank(ranks >> shift & 0xf); r > old {
		c.ranks[h] = ranks&^(0xf<<shift) | uint64(r)<<shift
	}
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
		// A node has failed if it failed anywhere; else the last phase that
		// lists it tells, for phases are worked through in lock step.
		worst, last := rankAbsent, rankAbsent
		for _, i := range order {
			r := rank(ranks >> (4 * uint(i)) & 0xf)
			if r == rankAbsent {
				continue
			}
			b.Phases[i].Nodes.add(r.fate())
			worst = max(worst, r)
			if i != skip {
				last = r
			}
		}
		f := last.fate()
		if worst == rankFailed {
			f = fateFailed
		}
		b.Nodes.add(f)
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
		t.add(f)
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
