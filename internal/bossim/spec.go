package bossim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Spec says what a simulated session is and what goes wrong in it. The zero
// value of every field but Operation means that all is well.
//
// At pace 1 a happy reboot goes like this (minutes and seconds after Created):
//
//	 1:00  the boot agent starts; in era A it makes the status record
//	 1:05  it reports its boot sets: all nodes not started
//	 1:20  configuration staged: configure in progress (not in era A)
//	 1:30  shutdown in progress
//	 5:30  shutdown succeeded (9:30 if a power-off fails)
//	 6:00  boot in progress; 6:20 the start time of boot is set
//	 7:00  power-on accepted: boot succeeded (in era A one by one, as nodes
//	       become ready, until 16:00)
//	16:00  all nodes ready: stop time of boot (37:00 if one never is)
//	17:00  from now on nodes are configured, one by one at regular intervals
//	25:00  the last one is (at 21:00 all ends if the configuration of some fails)
//	25:10  stop time of the session
//
// A boot goes from 1:30 as a reboot does from 6:00; a shutdown ends at 5:40; a
// configure goes from 1:30 as a reboot does from 16:00. Boot sets run side by
// side.
type Spec struct {
	ID        string // "" for one made from the place in the scenario
	Operation string // in any case, as its creator wrote it
	Template  string
	// Created is when the session comes to be. If it has no fraction of a
	// second then no time in the session has one, at pace 1.
	Created time.Time
	Deleted time.Time // zero for never
	// Pace divides all durations; 0 counts as 1.
	Pace     float64
	BootSets []BootSetSpec
	// NoCFS leaves configuration out, as a template with enable_cfs false does.
	NoCFS bool
	Agent Agent
	// Orphan is a session of which only a remnant is left: it is listed, but
	// not found.
	Orphan bool
	// TemplateDeleted is set if the template is gone by now.
	TemplateDeleted bool
	// MixedCase spells phases and categories as in "Boot" and "In_Progress",
	// which BOS accepts and echoes.
	MixedCase bool
}

// BootSetSpec is a boot set of a Spec. It may be empty, and nodes may be in
// several boot sets.
type BootSetSpec struct {
	Name     string
	Nodes    []string
	Troubles []Trouble
}

// Trouble is what some nodes of a boot set suffer.
type Trouble struct {
	Kind    Kind
	Nodes   []string // nil for all nodes of the boot set
	Message string   // what the agent reports, for the kinds that have a message
}

// Kind is a kind of trouble.
type Kind int

// What can befall nodes. In era A any node that fails halts its boot set at the
// end of the phase, and nothing gets a stop time then.
const (
	// ShutdownFails: the power-off fails. Message optional.
	ShutdownFails Kind = iota
	// ForcedOff: the power-off had to be forced. The message is reported, yet
	// the node succeeds.
	ForcedOff
	// StillReady: after the shutdown of a reboot the node does not leave the
	// state Ready, which ends the boot set with no failed node and no message.
	StillReady
	// PowerOnRefused: the power-on fails. Message optional.
	PowerOnRefused
	// NeverReady: the node is powered on but does not become ready in 30
	// minutes. It is then failed, and still succeeded too; never a message.
	NeverReady
	// AlreadyOn: all nodes were on before the boot. They stay in progress in
	// boot, and in configure too.
	AlreadyOn
	// ConfigureFails: the configuration fails. Message optional. The first
	// failure ends the phase, which leaves other nodes in progress.
	ConfigureFails
	// NeverConfigured: the configuration does not end in 30 minutes.
	NeverConfigured
)

// Agent says what becomes of the boot agent (BOA). Durations are since the
// creation of the session, at pace 1.
type Agent struct {
	// Never: it never starts, so no boot set is ever reported.
	Never bool
	// Killed is when it is killed, 0 for never: all stays as it is then, and
	// nothing gets a stop time.
	Killed time.Duration
	// Replaced is when another agent begins all over after that, 0 for never.
	Replaced time.Duration
	// What it reports from LostFrom until LostTo does not reach BOS.
	LostFrom, LostTo time.Duration
}

// phases are the phases of each operation, in the order of work.
var phases = map[string][]string{
	bos.Boot:      {bos.Boot, bos.Configure},
	bos.Reboot:    {bos.Shutdown, bos.Boot, bos.Configure},
	bos.Shutdown:  {bos.Shutdown},
	bos.Configure: {bos.Configure},
}

// operation is what the session does, in lower case.
func (s *Spec) operation() string { return strings.ToLower(s.Operation) }

func (s *Spec) bootSetNames() []string {
	names := make([]string, len(s.BootSets))
	for i, b := range s.BootSets {
		names[i] = b.Name
	}
	return names
}

// validate panics if the spec contradicts itself: only tests and scenarios
// written in Go make specs.
func (s *Spec) validate() {
	complain := func(format string, args ...any) {
		panic(fmt.Sprintf("bossim: session %s: ", s.ID) + fmt.Sprintf(format, args...))
	}
	if phases[s.operation()] == nil {
		complain("unknown operation %q", s.Operation)
	}
	if s.Agent.Replaced != 0 && (s.Agent.Killed == 0 || s.Agent.Replaced < s.Agent.Killed) {
		complain("the agent is replaced before it is killed")
	}
	for _, b := range s.BootSets {
		for _, trouble := range b.Troubles {
			for _, node := range trouble.Nodes {
				if !slices.Contains(b.Nodes, node) {
					complain("trouble befalls %s, which is not in boot set %q", node, b.Name)
				}
			}
		}
	}
}
