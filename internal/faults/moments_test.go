//go:build faults

package faults

import (
	"slices"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// reach is which requests of a cell a fault befalls.
type reach string

const (
	sessions   reach = "sessions"   // those for some sessions, while the list is good
	template   reach = "template"   // those for session templates
	list       reach = "list"       // those for the list
	everything reach = "everything" // all
)

// Sessions of every cell. A fault that befalls sessions befalls one session's
// description, the boot sets of another and all there is of a third.
const (
	describeHit = "describe-hit"
	bootSetHit  = "bootset-hit"
	allHit      = "all-hit"
	untouched   = "untouched"
	extra       = "extra" // there in some moments only
)

// moment is a point in the life of the sessions of a cell.
type moment struct {
	name string
	// at is how long the sessions have existed when the fault begins.
	at time.Duration
	// unknown is set if the programs have read no session by then.
	unknown bool
	// step is how much time passes by the clock of BOS while the fault lasts.
	step time.Duration
	// states are those that the sessions are in, before and after the step.
	states []bos.State
	// resting is set if nothing is to be read but the list: a fault of sessions
	// strikes no request then.
	resting bool
	// v2 is set if BOS speaks its v2 API, and v1 otherwise.
	v2 bool
	// extras are further sessions, that began so long after the others.
	extras  []bossim.Spec
	reaches []reach
}

var known = []reach{sessions, list, everything}

var moments = []moment{
	{name: "before the first list", at: 8 * time.Minute, unknown: true, states: []bos.State{bos.StateRunning}, reaches: []reach{list, everything}},
	{name: "first sweep", at: 8 * time.Minute, unknown: true, states: []bos.State{bos.StateRunning}, reaches: []reach{sessions, template}},
	{name: "first sweep after the end", at: time.Hour, unknown: true, resting: true, states: []bos.State{bos.StatePartial}, reaches: []reach{sessions, template}},
	{name: "pending", at: 30 * time.Second, states: []bos.State{bos.StatePending}, reaches: known},
	{name: "boot sets reported", at: 50 * time.Second, step: 20 * time.Second, states: []bos.State{bos.StatePending}, reaches: known},
	{name: "shutdown in progress", at: 3 * time.Minute, states: []bos.State{bos.StateRunning}, reaches: known},
	{name: "boot in progress", at: 6*time.Minute + 30*time.Second, step: 40 * time.Second, states: []bos.State{bos.StateRunning}, reaches: known},
	{name: "nodes become ready", at: 10 * time.Minute, states: []bos.State{bos.StateRunning}, reaches: known},
	{name: "configure in progress", at: 20 * time.Minute, step: 30 * time.Second, states: []bos.State{bos.StateRunning}, reaches: known},
	{name: "at the stop", at: 24*time.Minute + 50*time.Second, step: 30 * time.Second, states: []bos.State{bos.StateRunning, bos.StatePartial}, reaches: known},
	{name: "in the settle minute", at: 25*time.Minute + 20*time.Second, resting: true, states: []bos.State{bos.StatePartial}, reaches: []reach{list, everything}},
	{name: "last reading", at: 25*time.Minute + 20*time.Second, step: 70 * time.Second, states: []bos.State{bos.StatePartial}, reaches: known},
	{name: "settled", at: 30 * time.Minute, resting: true, states: []bos.State{bos.StatePartial}, reaches: known},
	{name: "list just grew", at: 9 * time.Minute, step: 20 * time.Second, states: []bos.State{bos.StateRunning}, reaches: known,
		extras: []bossim.Spec{{Created: after(9*time.Minute + 10*time.Second)}}},
	{name: "session deleted", at: 9 * time.Minute, step: 20 * time.Second, states: []bos.State{bos.StateRunning}, reaches: known,
		extras: []bossim.Spec{{Created: after(0), Deleted: after(9*time.Minute + 10*time.Second)}}},
	{name: "id used again", at: 9 * time.Minute, step: 20 * time.Second, states: []bos.State{bos.StateRunning}, reaches: known,
		extras: []bossim.Spec{
			{Created: after(0), Deleted: after(9*time.Minute + 10*time.Second)},
			{Created: after(9*time.Minute + 10*time.Second), Template: "other", BootSets: []bossim.BootSetSpec{{Name: "service", Nodes: bossim.LoginNodes(3)}}},
		}},

	// A few moments in the life of the same sessions on BOS v2.
	{name: "v2: before the first list", v2: true, at: 5 * time.Minute, unknown: true, states: []bos.State{bos.StateRunning}, reaches: []reach{list, everything}},
	{name: "v2: first sweep", v2: true, at: 5 * time.Minute, unknown: true, states: []bos.State{bos.StateRunning}, reaches: []reach{sessions, template}},
	{name: "v2: boot in progress", v2: true, at: 5 * time.Minute, step: 20 * time.Second, states: []bos.State{bos.StateRunning}, reaches: known},
	{name: "v2: at the end", v2: true, at: 17*time.Minute + 15*time.Second, step: time.Minute, states: []bos.State{bos.StateRunning, bos.StatePartial}, reaches: known},
}

// era is the release of BOS in which the sessions live.
func (m *moment) era() bossim.Era {
	if m.v2 {
		return bossim.EraD2
	}
	return bossim.EraC
}

// description is the resource that describes a session: v2 does so in the list, so that
// only its status is left to be asked for.
func (m *moment) description() bossim.Resource {
	if m.v2 {
		return bossim.Status
	}
	return bossim.Describe
}

// nodes is the resource that tells of the nodes of a session.
func (m *moment) nodes() bossim.Resource {
	if m.v2 {
		return bossim.Components
	}
	return bossim.BootSet
}

// reused reports whether an id is used again in the moment.
func (m *moment) reused() bool { return len(m.extras) > 1 }

// after is a time relative to the creation of the sessions, to be made absolute.
func after(d time.Duration) time.Time { return time.Time{}.Add(d) }

// specs are the sessions of a cell, created at base.
func (m *moment) specs(base time.Time) []bossim.Spec {
	nodes := bossim.Nodes(8)
	whole := func(s bossim.Spec) bossim.Spec {
		s.Operation = bos.Reboot
		if s.Template == "" {
			s.Template = "compute"
		}
		if s.BootSets == nil {
			s.BootSets = []bossim.BootSetSpec{
				{Name: "compute", Nodes: nodes, Troubles: []bossim.Trouble{{Kind: bossim.PowerOnRefused, Nodes: nodes[:2], Message: "BMC is unreachable"}}},
				{Name: "login / uan", Nodes: bossim.LoginNodes(2)},
			}
		}
		return s
	}
	var all []bossim.Spec
	for i, id := range []string{describeHit, bootSetHit, allHit, untouched} {
		s := whole(bossim.Spec{ID: id, Created: base})
		if m.v2 { // where a node belongs to one session, and boot sets of one image cannot be told apart
			nodes := bossim.Nodes(32)[8*i : 8*i+8]
			s.BootSets = []bossim.BootSetSpec{{Name: "compute", Nodes: nodes,
				Troubles: []bossim.Trouble{{Kind: bossim.PowerOnRefused, Nodes: nodes[:2], Message: "BMC is unreachable"}}}}
			if id == bootSetHit {
				s.Tenant = "blue"
			}
		}
		all = append(all, s)
	}
	for _, s := range m.extras {
		s.ID = extra
		s.Created = base.Add(s.Created.Sub(time.Time{}))
		if !s.Deleted.IsZero() {
			s.Deleted = base.Add(s.Deleted.Sub(time.Time{}))
		}
		all = append(all, whole(s))
	}
	return all
}

// cell is a fault at a moment.
type cell struct {
	fault  bossim.Fault
	moment *moment
	reach  reach
}

// reason is the one that the exporter gives.
func (c cell) reason() bos.Reason {
	if c.moment.v2 && c.fault == bossim.OddNodes {
		return bos.Malformed // a component of v2 without an id is none
	}
	return seenAs[c.fault]
}

func (c cell) harmless() bool { return c.reason() == "" }

// rules are how the fault comes about.
func (c cell) rules() []bossim.Rule {
	times := 0
	if c.fault == bossim.AbsurdDate {
		times = 1 // told twice in a row, it is the time
	}
	all := map[reach][]bossim.Rule{
		sessions: {
			{Session: describeHit, Resource: c.moment.description()},
			{Session: bootSetHit, Resource: c.moment.nodes()},
			{Session: allHit},
		},
		template:   {{Resource: bossim.Template}},
		list:       {{Resource: bossim.List}},
		everything: {{Resource: bossim.Everything}},
	}[c.reach]
	for i := range all {
		all[i].Fault, all[i].Times = c.fault, times
	}
	return all
}

// cells are all cells that make sense.
func cells() (all []cell) {
	for _, f := range allFaults {
		for i := range moments {
			m := &moments[i]
			for _, r := range m.reaches {
				if c := (cell{f, m, r}); c.sensible() && (m.v2 || slices.Contains(bossim.Faults, f)) {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

func (c cell) sensible() bool {
	if slices.Contains(costly, c.fault) && !slices.Contains([]string{"first sweep", "boot in progress", "last reading", "v2: boot in progress"}, c.moment.name) {
		return false
	}
	hits := map[reach][]bossim.Resource{
		sessions:   {c.moment.description(), c.moment.nodes()},
		template:   {bossim.Template},
		list:       {bossim.List},
		everything: {bossim.List, c.moment.description(), c.moment.nodes()},
	}[c.reach]
	switch {
	case c.moment.v2 && c.fault == bossim.Orphans:
		return false // v2 lists whole sessions, of which nobody can tell that they do not exist
	case c.moment.v2 && c.reach == sessions && c.moment.step > 30*time.Second && slices.Contains(absence, c.fault):
		return false // one that leaves the list of running sessions and is not found has been deleted
	case c.moment.v2 && (c.fault == bossim.Bulky || c.fault == bossim.Huge):
		return false // answers of this size are in order on v2: see internal/bosv2
	case c.fault == bossim.AbsurdDate && c.reach == sessions,
		c.fault == bossim.DeadConnections && c.reach != everything:
		return false // it befalls whatever comes next
	case c.fault == bossim.WrongTypes && c.reach == template:
		return false // all that is read of a template are the names in it
	case c.fault == bossim.NoPhases && (c.moment.unknown || c.moment.name == "boot sets reported"):
		return false // unless nodes are known already, the boot set may have none
	}
	return slices.ContainsFunc(hits, c.fault.Befalls)
}

// costly faults move much data, and are tried at a few moments.
var costly = []bossim.Fault{bossim.Bulky, bossim.LongString, bossim.Huge}

// absence faults say that a thing is not there, which for a boot set that was never
// read is the truth of a session that has just begun.
// On v2 it is the truth of a template, too, that was deleted: boot sets are concluded
// without it.
var absence = []bossim.Fault{bossim.NotFound, bossim.Gone, bossim.NeitherAPI}

// thin faults leave out what BOS v2 may leave out: such an answer is used as far as it goes.
var thin = []bossim.Fault{bossim.NoComponents, bossim.MissingKeys}
