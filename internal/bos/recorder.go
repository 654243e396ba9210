package bos

import (
	"slices"
	"strings"

	"github.com/bits-and-blooms/bitset"
)

// MaxPhases is the largest number of phases of a boot set. BOS has three.
const MaxPhases = 16

// MaxNodes is the largest number of nodes that are told apart by name, three times
// that of the largest known machines.
const MaxNodes = 1 << 15

// Recorder takes down the nodes of a session while its boot sets are being read, and
// makes node sets of them. It serves one reading of one session.
//
// Names that the table lacks get numbers above its own, in the order in which they turn
// up; Extend and Renumber lead to a table that has them all.
type Recorder struct {
	table   *NodeTable
	unknown []string
	numbers map[string]int32 // of unknown
	phases  []phaseRecord
	sets    []NodeSet // that the session has, to share those that are equal
}

type phaseRecord struct {
	categories []*record
	errors     []*record
	attempts   []*bitset.BitSet
}

// record is a category or an error message and its nodes.
type record struct {
	name  string
	count int
	nodes bitset.BitSet
}

// NewRecorder returns a recorder over a table.
func NewRecorder(t *NodeTable) *Recorder { return &Recorder{table: t} }

// Nodes takes down the nodes of a category or of an error message.
type Nodes struct {
	recorder *Recorder
	into     *record
}

// Category returns where to put the nodes of a category (lower case) of the phase with
// this index, which must be below MaxPhases. The category exists from then on, if only
// with no nodes.
func (r *Recorder) Category(phase int, name string) Nodes {
	return Nodes{r, recordOf(&r.phase(phase).categories, name)}
}

// Error returns where to put the nodes that an error message of a phase is about. The
// message exists from then on, if only about no node.
func (r *Recorder) Error(phase int, message string) Nodes {
	return Nodes{r, recordOf(&r.phase(phase).errors, message)}
}

func (r *Recorder) phase(index int) *phaseRecord {
	for len(r.phases) <= index {
		r.phases = append(r.phases, phaseRecord{})
	}
	return &r.phases[index]
}

func recordOf(records *[]*record, name string) *record {
	for _, known := range *records {
		if known.name == name {
			return known
		}
	}
	made := &record{name: name}
	*records = append(*records, made)
	return made
}

// Add takes down a node. The bytes need only be valid during the call.
func (n Nodes) Add(name []byte) {
	n.into.count++
	n.into.nodes.Set(uint(n.recorder.number(name)))
}

func (r *Recorder) number(name []byte) int {
	if n, ok := r.table.Number(name); ok {
		return n
	}
	if n, ok := r.numbers[string(name)]; ok {
		return int(n)
	}
	if r.numbers == nil {
		r.numbers = make(map[string]int32)
	}
	n := r.table.Len() + len(r.unknown)
	s := string(name)
	r.unknown = append(r.unknown, s)
	r.numbers[s] = int32(n)
	return n
}

// Tried takes down how often a node was tried in the phase with this index. Beyond a
// number that nobody counts, it does not matter how often.
func (r *Recorder) Tried(phase int, node []byte, times int) {
	p := r.phase(phase)
	for i := range min(times, maxTries) - 1 {
		if i == len(p.attempts) {
			p.attempts = append(p.attempts, new(bitset.BitSet))
		}
		p.attempts[i].Set(uint(r.number(node)))
	}
}

// maxTries bounds how many attempts are told apart.
const maxTries = 100

// EndBootSet fills in what has been recorded since the last call: the categories, errors
// and tallies of the phases and of the boot set. The phases must stand at the indexes
// given to Category and Error; they are put in the order of work.
func (r *Recorder) EndBootSet(b *BootSet) {
	for i := range b.Phases {
		p, recorded := &b.Phases[i], r.phase(i)
		for _, c := range recorded.categories {
			p.Categories = append(p.Categories, Category{c.name, c.count, r.share(&c.nodes)})
		}
		slices.SortStableFunc(p.Categories, func(x, y Category) int {
			return PlaceIn(CategoryOrder, x.Name) - PlaceIn(CategoryOrder, y.Name)
		})
		for _, e := range recorded.errors {
			p.Errors = append(p.Errors, PhaseError{e.name, r.share(&e.nodes)})
		}
		slices.SortFunc(p.Errors, func(x, y PhaseError) int { return strings.Compare(x.Message, y.Message) })
		for _, nodes := range recorded.attempts {
			p.Attempts = append(p.Attempts, r.share(nodes))
		}
		if len(p.Attempts) > 0 {
			p.Retried = p.Attempts[0].Len()
		}
		p.Nodes = p.Fates().Tally()
	}
	order := b.workOrder()
	sorted := make([]Phase, len(order))
	for i, j := range order {
		sorted[i] = b.Phases[j]
	}
	b.Phases = sorted
	b.Nodes = b.Fates().Tally()
	r.phases = nil
}

// share returns the set of these nodes: the same one in memory for all places in the
// session that hold them.
func (r *Recorder) share(nodes *bitset.BitSet) NodeSet {
	s := newNodeSet(nodes)
	for _, known := range r.sets {
		if known.Equal(s) {
			return known
		}
	}
	r.sets = append(r.sets, s)
	return s
}

// Table is the table that the recorder was made for.
func (r *Recorder) Table() *NodeTable { return r.table }

// Unknown is the number of names that the table lacks.
func (r *Recorder) Unknown() int { return len(r.unknown) }

// Extend returns a table with the names that have turned up here, and those of t.
func (r *Recorder) Extend(t *NodeTable) *NodeTable { return t.Add(r.unknown) }

// To returns the renumbering from the numbers of the recorder to a table.
func (r *Recorder) To(t *NodeTable) Renumbering {
	to := r.table.To(t)
	for _, name := range r.unknown {
		to = append(to, t.number(name))
	}
	return to
}

// Settled reports whether the sets of the recorder are those of t as they are.
func (r *Recorder) Settled(t *NodeTable) bool { return r.table == t && len(r.unknown) == 0 }
