// Package bos is the domain of the Boot Orchestration Service: sessions, their
// boot sets, phases and categories, and what follows from them. It does no I/O and
// knows nothing of wire formats.
//
// The rules here rest on how BOS behaves, which is described in docs/bos.md;
// "bos.md, NAME" in a comment refers to a section of it.
package bos

import (
	"iter"
	"slices"
	"time"
)

// Operations that BOS knows. Other names pass through.
const (
	Boot      = "boot"
	Configure = "configure"
	Reboot    = "reboot"
	Shutdown  = "shutdown"
)

// Operations lists the operations, by name.
var Operations = []string{Boot, Configure, Reboot, Shutdown}

// PhaseOrder is the order in which phases are worked through. Each is named after an
// operation.
var PhaseOrder = []string{Shutdown, Boot, Configure}

// PlaceIn returns the position of a name in an order such as PhaseOrder or
// CategoryOrder; names that are not in it come last.
func PlaceIn(order []string, name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// Values of Session.API, for sessions of the BOS v1 and v2 APIs.
const (
	APIv1 = "v1"
	APIv2 = "v2"
)

// Optional is a value that BOS may leave out.
type Optional[T any] struct {
	Value   T
	Present bool
}

// Some is a present value.
func Some[T any](v T) Optional[T] { return Optional[T]{Value: v, Present: true} }

// Metadata is what BOS itself says about a session, boot set or phase, unchanged: servers
// contradict the documentation and themselves (bos.md, Flags), so nothing is corrected
// here.
type Metadata struct {
	InProgress Optional[bool]
	Complete   Optional[bool]
	// ErrorCount is the number of failed nodes per phase, summed over phases
	// and boot sets: a node that failed in two phases counts twice.
	ErrorCount Optional[int]
	StartTime  time.Time // zero when absent
	StopTime   time.Time // zero when absent
}

// Session is one run of an operation on the nodes of a session template.
type Session struct {
	ID        string
	Tenant    string // "" when BOS names none, as always on v1
	Operation string // lower case; "" when unknown
	Template  string
	Job       string // the Kubernetes job of the boot agent (BOA)
	API       string
	Metadata
	BootSets []BootSet
	// Nodes counts the distinct nodes of all boot sets.
	Nodes Tally
	// Recounted is set where BOS tells how many nodes ended how, but not which: Nodes has
	// these numbers, while the node sets have some nodes as they were last seen.
	Recounted bool
	// Obscure is set when its boot sets cannot be known, or when nothing dates it. Its
	// state is then unknown until it stops.
	Obscure bool
	// FirstSeen is when the session was first read, by the clock of BOS. It
	// dates a session for which BOS gives no time at all.
	FirstSeen time.Time
	// Limit narrows the nodes of the template, as its creator wrote it; "" for all. v1
	// does not say.
	Limit string
	// IncludeDisabled is set if the session acts on disabled nodes, too. v1 never does.
	IncludeDisabled bool
	// Staged is set for a session that acts on its nodes only once it is applied to them.
	// StagedNodes is the number of nodes that still wait.
	Staged      bool
	StagedNodes int
	// SetupError is why the session ended before it acted on any node.
	SetupError string
	// StopTold is set if BOS always gives the stop time of an ended session, so that a
	// session without one has not ended.
	StopTold bool
	// AwaitsApply is set while all nodes of a staged session that are not done wait, which
	// they may do for any length of time.
	AwaitsApply bool
	// Limits are the waits that BOS is configured with; zero where it does not say.
	Limits Limits
	// Preexisting is set when the first list already held the session. Unless BOS
	// gives a start time, nobody can tell how old it is.
	Preexisting bool
}

// BootSet is the part of a session that boots one set of nodes alike.
type BootSet struct {
	Name string
	// Derived says what the nodes of the boot set were inferred from; "" if BOS itself
	// assigns them.
	Derived string
	// Reported is false until the boot agent has told BOS the nodes of the
	// boot set; such a boot set has no phases.
	Reported bool
	Metadata
	Phases []Phase // in the order of work
	// Nodes counts the distinct nodes of all phases by what became of them.
	Nodes Tally
}

// Phase is a step that every node of a boot set goes through.
type Phase struct {
	Name string // lower case
	Metadata
	Categories []Category   // each name once, known ones first and in CategoryOrder
	Errors     []PhaseError // each message once, by message
	// Attempts holds the nodes that were tried at least twice, at least three times, and
	// so on. Retried is the number of nodes tried more than once. v1 does not say.
	Attempts []NodeSet
	Retried  int
	// Counted is set if BOS says how often nodes were tried.
	Counted bool
	// Nodes counts the distinct nodes of the phase by what became of them.
	Nodes Tally
	// Waiting is set while nodes that count as succeeded may still fail.
	Waiting bool
	// Moved is when BOS last acted on a node of the phase, by its own clock; zero where it
	// does not say.
	Moved time.Time
	// LastProgress is when a node last changed its category or was acted on, by the clock
	// of BOS: see Session.Observe.
	LastProgress time.Time
}

// Category holds the nodes that have got equally far in a phase.
type Category struct {
	Name  string  // lower case
	Count int     // as BOS lists them: a node may also be in another category
	Nodes NodeSet // empty where the names of the nodes are not kept
}

// PhaseError is an error message of a phase and the nodes that it is about. These have
// not necessarily failed, and nodes may fail without a message.
type PhaseError struct {
	Message string
	Nodes   NodeSet
}

// category returns the category of this name, or nil.
func (p *Phase) category(name string) *Category {
	for i := range p.Categories {
		if p.Categories[i].Name == name {
			return &p.Categories[i]
		}
	}
	return nil
}

// Count is the number of nodes that BOS lists in a category of the phase.
func (p *Phase) Count(category string) int {
	if c := p.category(category); c != nil {
		return c.Count
	}
	return 0
}

// In returns the nodes in a category of the phase.
func (p *Phase) In(category string) NodeSet {
	if c := p.category(category); c != nil {
		return c.Nodes
	}
	return NodeSet{}
}

// All returns the nodes in any category of the phase.
func (p *Phase) All() NodeSet {
	var all NodeSet
	for i := range p.Categories {
		all = all.Union(p.Categories[i].Nodes)
	}
	return all
}

// Failed returns the nodes that failed in the phase, or were given up in it.
func (p *Phase) Failed() NodeSet { return p.In(Failed).Union(p.In(OnHold)) }

// Tries is how often the node was tried in the phase, as far as is known: 1 at least.
func (p *Phase) Tries(node int) int {
	tries := 1
	for _, more := range p.Attempts {
		if !more.Has(node) {
			break
		}
		tries++
	}
	return tries
}

// Silent returns the nodes that failed in the phase without an error message.
func (p *Phase) Silent() NodeSet { return p.Unmentioned(p.Failed()) }

// Unmentioned returns the nodes of a set that no error message of the phase is about.
func (p *Phase) Unmentioned(nodes NodeSet) NodeSet {
	for _, e := range p.Errors {
		nodes = nodes.Minus(e.Nodes)
	}
	return nodes
}

// Messages returns the error messages of the phase that are about a node, by message.
func (p *Phase) Messages(node int) (messages []string) {
	for _, e := range p.Errors {
		if e.Nodes.Has(node) {
			messages = append(messages, e.Message)
		}
	}
	return messages
}

// CategoriesOf returns the names of the categories of the phase that the node is in.
func (p *Phase) CategoriesOf(node int) (names []string) {
	for _, c := range p.Categories {
		if c.Nodes.Has(node) {
			names = append(names, c.Name)
		}
	}
	return names
}

// workOrder returns the indexes of the phases in the order of work: shutdown,
// boot, configure, then phases that are not known here, as BOS lists them.
func (b *BootSet) workOrder() []int {
	order := make([]int, len(b.Phases))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return PlaceIn(PhaseOrder, b.Phases[i].Name) - PlaceIn(PhaseOrder, b.Phases[j].Name)
	})
	return order
}

// untouchedConfigure returns the index of the configure phase if none of its nodes has
// started and there are other phases, otherwise -1. BOS lists that phase for every boot
// and reboot, even if nothing is to be configured, and it then stays like that (bos.md,
// Configure without CFS).
func (b *BootSet) untouchedConfigure() int {
	i := slices.IndexFunc(b.Phases, func(p Phase) bool { return p.Name == Configure })
	if i >= 0 && len(b.Phases) > 1 && b.Phases[i].untouched() {
		return i
	}
	return -1
}

// untouched reports whether the phase has nodes and none of them has started.
func (p *Phase) untouched() bool {
	for _, c := range p.Categories {
		if c.Name != NotStarted && c.Count > 0 {
			return false
		}
	}
	return p.Count(NotStarted) > 0
}

// active reports whether work is under way in the phase.
func (p *Phase) active() bool { return p.Count(InProgress) > 0 || p.Waiting }

// Renumber returns the session with its node sets over another table. An empty
// renumbering leaves only the numbers of nodes, and no error messages, which are about
// nodes. s itself does not change.
func (s *Session) Renumber(r Renumbering) *Session {
	moved := make(map[NodeSet]NodeSet) // sets that share memory still do afterwards
	move := func(set *NodeSet) {
		to, known := moved[*set]
		if !known {
			to = set.Renumber(r)
			moved[*set] = to
		}
		*set = to
	}
	t := *s
	t.BootSets = slices.Clone(s.BootSets)
	for i := range t.BootSets {
		b := &t.BootSets[i]
		b.Phases = slices.Clone(b.Phases)
		for j := range b.Phases {
			p := &b.Phases[j]
			if len(r) == 0 {
				p.Errors, p.Attempts = nil, nil
			}
			p.Categories, p.Errors = slices.Clone(p.Categories), slices.Clone(p.Errors)
			for k := range p.Categories {
				move(&p.Categories[k].Nodes)
			}
			for k := range p.Errors {
				move(&p.Errors[k].Nodes)
			}
			p.Attempts = slices.Clone(p.Attempts)
			for k := range p.Attempts {
				move(&p.Attempts[k])
			}
		}
	}
	return &t
}

// EachPhase iterates over the phases of the session, boot set by boot set.
func (s *Session) EachPhase() iter.Seq2[*BootSet, *Phase] {
	return func(yield func(*BootSet, *Phase) bool) {
		for i := range s.BootSets {
			b := &s.BootSets[i]
			for j := range b.Phases {
				if !yield(b, &b.Phases[j]) {
					return
				}
			}
		}
	}
}

// All returns the nodes that the session or its errors name.
func (s *Session) All() NodeSet { return NodeSet{}.Union(s.sets()...) }

// Reported reports whether BOS has told the nodes of any boot set, if only their number.
func (s *Session) Reported() bool {
	return slices.ContainsFunc(s.BootSets, func(b BootSet) bool { return b.Reported })
}

// Named reports whether any node of the session is known by name.
func (s *Session) Named() bool {
	for _, p := range s.EachPhase() {
		for _, c := range p.Categories {
			if !c.Nodes.Empty() {
				return true
			}
		}
	}
	return false
}

// SetBytes estimates the memory that the node sets of the session take, and the error
// messages that some of them are about.
func (s *Session) SetBytes() (n int) {
	counted := make(map[NodeSet]bool)
	for _, set := range s.sets() {
		if !counted[set] {
			counted[set] = true
			n += set.bytes()
		}
	}
	for _, p := range s.EachPhase() {
		for _, e := range p.Errors {
			n += len(e.Message)
		}
	}
	return n
}

func (s *Session) sets() (sets []NodeSet) {
	for _, p := range s.EachPhase() {
		for _, c := range p.Categories {
			sets = append(sets, c.Nodes)
		}
		for _, e := range p.Errors {
			sets = append(sets, e.Nodes)
		}
		sets = append(sets, p.Attempts...)
	}
	return sets
}
