package bossim

import (
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// state is what BOS has recorded of a session at one time.
type state struct {
	recorded    bool // whether there is a status record
	start, stop time.Time
	bootSets    []bootSetState
	moves       int // how often something has changed
}

type bootSetState struct {
	name        string
	nodes       []string
	reported    bool // false until the agent has reported the boot set
	start, stop time.Time
	phases      []phaseState
}

type phaseState struct {
	name        string
	in          []categories // of each node of the boot set
	errors      map[string][]string
	start, stop time.Time
}

// categories is a set of categories, one bit for each of categoryNames: a node
// may be in several.
type categories uint8

// categoryNames are in the order in which BOS sends them.
var categoryNames = [...]string{bos.NotStarted, bos.Succeeded, bos.Failed, bos.Excluded, bos.InProgress}

const (
	notStarted categories = 1 << iota
	succeeded
	failed
	_ // no agent ever excludes a node
	inProgress
)

// newState is the state of a session of which nothing has been reported yet.
func newState(spec *Spec, phases []string) *state {
	st := &state{bootSets: make([]bootSetState, len(spec.BootSets))}
	for i, b := range spec.BootSets {
		set := &st.bootSets[i]
		set.name, set.nodes = b.Name, b.Nodes
		set.phases = make([]phaseState, len(phases))
		for j, name := range phases {
			set.phases[j] = phaseState{name: name, in: make([]categories, len(b.Nodes))}
		}
	}
	return st
}

// reported tells whether all boot sets are.
func (st *state) reported() bool {
	for i := range st.bootSets {
		if !st.bootSets[i].reported {
			return false
		}
	}
	return true
}

// report sets all nodes to not started, as every agent does that starts.
func (b *bootSetState) report(now time.Time) {
	for i := range b.phases {
		p := &b.phases[i]
		if !b.reported {
			p.start = now
		}
		for node := range p.in {
			p.in[node] = notStarted
		}
	}
	if !b.reported {
		b.reported, b.start = true, now
	}
}

func (b *bootSetState) phase(name string) *phaseState {
	for i := range b.phases {
		if b.phases[i].name == name {
			return &b.phases[i]
		}
	}
	return nil
}

// flags are the values that BOS computes.
type flags struct {
	complete, inProgress bool
	errorCount           int
}

func (p *phaseState) flags() flags {
	f := flags{complete: true}
	for _, in := range p.in {
		if in&(notStarted|inProgress) != 0 {
			f.complete = false
		}
		if in&inProgress != 0 {
			f.inProgress = true
		}
		if in&failed != 0 {
			f.errorCount++
		}
	}
	return f
}

func (b *bootSetState) flags() flags {
	f := flags{complete: true}
	for i := range b.phases {
		f.sum(b.phases[i].flags())
	}
	return f
}

func (st *state) flags() flags {
	f := flags{complete: true}
	for i := range st.bootSets {
		f.sum(st.bootSets[i].flags())
	}
	return f
}

func (f *flags) sum(part flags) {
	f.complete = f.complete && part.complete
	f.inProgress = f.inProgress || part.inProgress
	f.errorCount += part.errorCount
}
