// Package bos is the domain of the Boot Orchestration Service: sessions, their
// boot sets, phases and categories, and what can be told from them. It does no
// I/O and knows nothing of wire formats.
//
// The behaviour of BOS that the rules here rest on is written down in
// docs/bos.md; "bos.md, NAME" in a comment points to a section of it.
package bos

import (
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

// PhaseOrder is the order in which phases are worked through. They bear the names
// of operations.
var PhaseOrder = []string{Shutdown, Boot, Configure}

// PlaceIn is where a name stands in an order, such as PhaseOrder or CategoryOrder;
// names that do not stand in it come behind.
func PlaceIn(order []string, name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// APIv1 is the value of Session.API for sessions of the BOS v1 API.
const APIv1 = "v1"

// Optional is a value that BOS may leave out.
type Optional[T any] struct {
	Value   T
	Present bool
}

// Some is a present value.
func Some[T any](v T) Optional[T] { return Optional[T]{Value: v, Present: true} }

// Metadata is what BOS says itself of a session, boot set or phase, kept as it
// was said: servers contradict the documentation and themselves (bos.md, Flags),
// so nothing is corrected here.
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
	// Obscure is set when its boot sets cannot be known, or when nothing dates it:
	// until it stops there is nothing to tell its state from.
	Obscure bool
	// FirstSeen is when the session was first read, by the clock of BOS. It
	// dates a session for which BOS gives no time at all.
	FirstSeen time.Time
	// Preexisting is set when the first list already held the session. Unless BOS
	// gives a start time, nobody can tell how old it is.
	Preexisting bool
}

// BootSet is the part of a session that boots one set of nodes alike.
type BootSet struct {
	Name string
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
	Categories []Category // each name once, known ones first and in CategoryOrder
	// Nodes counts the distinct nodes of the phase by what became of them.
	Nodes Tally
	// Fingerprint changes whenever a node changes its category. It can only be
	// compared within one process.
	Fingerprint uint64
	// LastProgress is when a node last changed its category, by the clock of
	// BOS: see Session.Observe.
	LastProgress time.Time
}

// Category is the set of nodes that are at one point of a phase.
type Category struct {
	Name  string // lower case
	Nodes int    // as BOS lists them: a node may also be in another category
}

// Count is the number of nodes that BOS lists in a category of the phase.
func (p *Phase) Count(category string) int {
	for _, c := range p.Categories {
		if c.Name == category {
			return c.Nodes
		}
	}
	return 0
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

// untouchedConfigure returns the index of the configure phase if none of its
// nodes has started and there are other phases, else -1. BOS lists that phase
// for every boot and reboot, also where no configuration is to be done, and it
// then stays so for ever (bos.md, Configure without CFS).
func (b *BootSet) untouchedConfigure() int {
	i := slices.IndexFunc(b.Phases, func(p Phase) bool { return p.Name == Configure })
	if i >= 0 && len(b.Phases) > 1 && b.Phases[i].untouched() {
		return i
	}
	return -1
}

// untouched tells whether the phase has nodes and all of them are not started.
func (p *Phase) untouched() bool {
	for _, c := range p.Categories {
		if c.Name != NotStarted && c.Nodes > 0 {
			return false
		}
	}
	return p.Count(NotStarted) > 0
}

// waiting tells whether the phase waits for nodes to become ready: a node counts
// as succeeded in the boot phase as soon as its power-on is accepted, and only
// the stop time of the phase says that the wait is over (bos.md, Boot phase).
func (p *Phase) waiting() bool {
	return p.Name == Boot && p.Nodes.Succeeded > 0 && p.StopTime.IsZero()
}

// active tells whether work goes on in the phase.
func (p *Phase) active() bool { return p.Count(InProgress) > 0 || p.waiting() }
