package bos

import (
	"slices"
	"strings"
)

// MaxPhases is the largest number of phases of a boot set. BOS has three.
const MaxPhases = 16

// MaxNodes is the maximum number of nodes that are known by name, three times as many as
// the largest known machines have.
const MaxNodes = 1 << 15

// Recorder collects the nodes of a session in node sets while its boot sets are being
// read. It serves a single reading of a single session.
//
// Names that the table lacks get higher numbers, in the order in which they turn up.
// Extend and To lead to a table that has them all.
type Recorder struct {
	table   *NodeTable
	unknown []string
	numbers map[string]int32 // of unknown
	phases  []phaseRecord
	sets    map[uint64]NodeSet // that the session has, by their hashes, to share those that are equal
}

type phaseRecord struct {
	categories []*record // few
	errors     map[string]*record
	attempts   []nodeCollector
	counted    bool // Tried has been called
}

// record is a category or an error message and its nodes.
type record struct {
	name  string
	count int
	nodes nodeCollector
}

// NewRecorder returns a recorder over a table.
func NewRecorder(t *NodeTable) *Recorder { return &Recorder{table: t} }

// Nodes collects the nodes of a category or of an error message.
type Nodes struct {
	recorder *Recorder
	into     *record
}

// Category returns where to add the nodes of a category (lower case) of the phase with
// this index, which must be below MaxPhases. The category exists even if no node is added.
func (r *Recorder) Category(phase int, name string) Nodes {
	p := r.phase(phase)
	for _, known := range p.categories {
		if known.name == name {
			return Nodes{r, known}
		}
	}
	made := &record{name: name}
	p.categories = append(p.categories, made)
	return Nodes{r, made}
}

// Error returns where to add the nodes that an error message of a phase is about. The
// message exists even if no node is added.
func (r *Recorder) Error(phase int, message string) Nodes {
	p := r.phase(phase)
	known := p.errors[message]
	if known == nil {
		if p.errors == nil {
			p.errors = make(map[string]*record)
		}
		known = &record{name: message}
		p.errors[message] = known
	}
	return Nodes{r, known}
}

func (r *Recorder) phase(index int) *phaseRecord {
	for len(r.phases) <= index {
		r.phases = append(r.phases, phaseRecord{})
	}
	return &r.phases[index]
}

// Add adds a node. The bytes need only be valid during the call.
func (n Nodes) Add(name []byte) { n.AddNumber(n.recorder.Number(name)) }

// AddNumber adds the node that has this number in the recorder.
func (n Nodes) AddNumber(number int) {
	n.into.count++
	n.into.nodes.add(number)
}

// Number returns the number of a node, and gives it one if it has none yet. The bytes need
// only be valid during the call.
func (r *Recorder) Number(name []byte) int {
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

// Tried records how often the node that has this number was tried in the phase with this
// index.
func (r *Recorder) Tried(phase, node, times int) {
	p := r.phase(phase)
	p.counted = true
	for i := range min(times, maxTries) - 1 {
		if i == len(p.attempts) {
			p.attempts = append(p.attempts, nodeCollector{})
		}
		p.attempts[i].add(node)
	}
}

// maxTries is the maximum number of attempts that are counted.
const maxTries = 100

// EndBootSet fills in what has been recorded since the last call: the categories, errors
// and tallies of the phases and of the boot set. The phases must stand at the indexes
// given to Category and Error; they are put in the order of work.
func (r *Recorder) EndBootSet(b *BootSet) {
	for i := range b.Phases {
		p, recorded := &b.Phases[i], r.phase(i)
		for _, c := range recorded.categories {
			p.Categories = append(p.Categories, Category{c.name, c.count, r.share(c.nodes.set())})
		}
		slices.SortStableFunc(p.Categories, func(x, y Category) int {
			return PlaceIn(CategoryOrder, x.Name) - PlaceIn(CategoryOrder, y.Name)
		})
		p.Errors = slices.Grow(p.Errors, len(recorded.errors))
		for _, e := range recorded.errors {
			p.Errors = append(p.Errors, PhaseError{e.name, r.share(e.nodes.set())})
		}
		slices.SortFunc(p.Errors, func(x, y PhaseError) int { return strings.Compare(x.Message, y.Message) })
		for i := range recorded.attempts {
			p.Attempts = append(p.Attempts, r.share(recorded.attempts[i].set()))
		}
		p.Counted = recorded.counted
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

// smallest is how many bytes a set must take to be worth sharing: to remember one takes
// as many as one of a few nodes, and every node may have an error message of its own.
const smallest = 64

// share returns a set of the same nodes. Equal sets of a session share memory.
func (r *Recorder) share(s NodeSet) NodeSet {
	if s.bytes() < smallest {
		return s
	}
	hash := s.hash()
	if known, ok := r.sets[hash]; ok && known.Equal(s) {
		return known
	}
	if r.sets == nil {
		r.sets = make(map[uint64]NodeSet)
	}
	r.sets[hash] = s
	return s
}

// Table returns the table that the recorder was made for.
func (r *Recorder) Table() *NodeTable { return r.table }

// Unknown is the number of names that the table lacks.
func (r *Recorder) Unknown() int { return len(r.unknown) }

// Extend returns t with the names that have turned up here added.
func (r *Recorder) Extend(t *NodeTable) *NodeTable { return t.Add(r.unknown) }

// To returns the renumbering from the numbers of the recorder to a table.
func (r *Recorder) To(t *NodeTable) Renumbering {
	to := r.table.To(t)
	for _, name := range r.unknown {
		to = append(to, t.number(name))
	}
	return to
}

// Settled reports whether the numbers of the recorder are those of t.
func (r *Recorder) Settled(t *NodeTable) bool { return r.table == t && len(r.unknown) == 0 }
