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
//
// Over v2 every node goes its own way, as the operators of BOS lead it:
//
//	 0:15  the nodes are taken, 2,800 every two seconds: on hold
//	 0:17  the session is running
//	 0:30  powering off: pending, and at 0:35 called
//	 1:00  the first nodes are off, the last ones at 2:15: powering on
//	       and 5 seconds later called
//	 2:25  the first nodes are ready, the last ones at 11:40: configuring
//	       (never ready: powered off and on again after 20 minutes, three times)
//	17:30  the last nodes are configured: stable and disabled
//
// A session is complete 10 seconds after its last node has been disabled or taken by
// another session. BOS v2 has no operation configure: it is told as a boot of nodes that
// are on, with the right image.
type Spec struct {
	ID        string // "" for one made from the place in the scenario; the name in v2
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
	// which BOS v1 accepts and echoes.
	MixedCase bool

	// API is the one that knows the session.
	API API
	// Limit restricts the session to some nodes of its boot sets: names, "all" and "*",
	// each of which may have a "!" or "&" before it. Only v2 shows it.
	Limit string

	// The fields below matter in v2 alone. A session that has a tenant or is staged does not
	// exist in v1.

	// Tenant owns the session and all of its nodes. Sessions of different tenants may have
	// the same ID.
	Tenant string
	// Stage makes it a staged session: it does nothing until it is applied to its nodes.
	Stage bool
	// Applied is when a staged session is applied, and to which nodes.
	Applied []Act
	// ClearStage turns on the option clear_stage of BOS: nodes stop being staged for a
	// session that is applied to them. Without it a staged session never completes.
	ClearStage      bool
	IncludeDisabled bool
	// SetupError is why the set-up of the session fails.
	SetupError string
	// Disabled is when nodes are disabled by hand.
	Disabled []Act
}

// API is one of the two APIs of BOS.
type API int

// A session exists in one API only. ByEra means v1 in the eras that serve it, else v2.
const (
	ByEra API = iota
	V1
	V2
)

// Act is something that an administrator does to nodes.
type Act struct {
	After time.Duration // since the creation of the session, at pace 1
	Nodes []string      // nil for all nodes of the session
}

// BootSetSpec is a boot set of a Spec. It may be empty, and nodes may be in
// several boot sets.
type BootSetSpec struct {
	Name     string
	Nodes    []string
	Troubles []Trouble

	// The fields below matter in v2 alone.

	// NodeList makes the template list the nodes instead of their role.
	NodeList bool
	// Image and Configuration are what the nodes boot and are configured with; ""
	// stands for those of the template.
	Image, Configuration string
	// RetryPolicy is how often BOS tries each action on the nodes; 0 stands for its default.
	RetryPolicy int
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
// end of the phase, and nothing gets a stop time then. In v2 all messages but those of
// PowerOnRefused are lost.
const (
	// ShutdownFails: the power-off fails. Message optional. In v2 it has no effect, and
	// the node fails after one graceful try and three forceful ones.
	ShutdownFails Kind = iota
	// ForcedOff: the power-off had to be forced. The message is reported, yet
	// the node succeeds.
	ForcedOff
	// StillReady: after the shutdown of a reboot the node does not leave the
	// state Ready, which ends the boot set with no failed node and no message.
	// In v2 it is as ShutdownFails, and other nodes go on.
	StillReady
	// PowerOnRefused: the power-on fails. Message optional. In v2 it has no effect, and
	// the node fails after three tries.
	PowerOnRefused
	// NeverReady: the node is powered on but does not become ready in 30
	// minutes. It is then failed, and still succeeded too; never a message. In v2 it is
	// powered off and on again every 20 minutes and fails after three tries.
	NeverReady
	// AlreadyOn: all nodes were on before the boot. They stay in progress in
	// boot, and in configure too. In v2 they are powered off first, as their image is
	// another one, and succeed.
	AlreadyOn
	// ConfigureFails: the configuration fails. Message optional. The first
	// failure ends the phase, which leaves other nodes in progress.
	ConfigureFails
	// NeverConfigured: the configuration does not end in 30 minutes, nor ever in v2.
	NeverConfigured

	// ReadyOnRetry: the node does not become ready until it is powered on for the second
	// time. In v1 all is well.
	ReadyOnRetry
	// NotInPCS: the power control service does not know the node, so v2 holds and
	// disables it. In v1 all is well.
	NotInPCS
	// NotInCFS is the same with the configuration service.
	NotInCFS

	kindCount
)

// Agent says what becomes of the boot agent (BOA). Durations are since the
// creation of the session, at pace 1. BOS v2 has operators in place of agents: if the
// agent never starts, its session stays pending in v2, and while the agent is dead or its
// reports are lost, no operator acts on the nodes of the session.
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

// v2Only reports whether only v2 can know the session.
func (s *Spec) v2Only() bool { return s.API == V2 || s.Tenant != "" || s.Stage }

// limited is the spec with the nodes that the limit leaves.
func (s Spec) limited() Spec {
	if s.Limit == "" {
		return s
	}
	s.BootSets = slices.Clone(s.BootSets)
	for i := range s.BootSets {
		b := &s.BootSets[i]
		b.Nodes = limitNodes(s.Limit, b.Nodes)
		left := make(map[string]bool, len(b.Nodes))
		for _, node := range b.Nodes {
			left[node] = true
		}
		b.Troubles = slices.Clone(b.Troubles)
		for j := range b.Troubles {
			if nodes := b.Troubles[j].Nodes; nodes != nil {
				b.Troubles[j].Nodes = slices.DeleteFunc(slices.Clone(nodes), func(node string) bool { return !left[node] })
			}
		}
	}
	return s
}

// limitNodes are the nodes that a limit leaves, its terms taken one after the other as
// BOS does.
func limitNodes(limit string, nodes []string) []string {
	in := make(map[string]bool)
	for term := range strings.SplitSeq(limit, ",") {
		name := strings.TrimLeft(term, "!&")
		meant := func(node string) bool { return name == "all" || name == "*" || name == node }
		for _, node := range nodes {
			switch {
			case strings.HasPrefix(term, "!"):
				in[node] = in[node] && !meant(node)
			case strings.HasPrefix(term, "&"):
				in[node] = in[node] && meant(node)
			default:
				in[node] = in[node] || meant(node)
			}
		}
	}
	left := []string{} // not nil, which would stand for all nodes
	for _, node := range nodes {
		if in[node] {
			left = append(left, node)
		}
	}
	return left
}

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
	if s.v2Only() && s.API == V1 {
		complain("a tenant or a stage in v1")
	}
	if s.Stage && s.operation() == bos.Configure {
		complain("a staged configure")
	}
	for _, act := range slices.Concat(s.Applied, s.Disabled) {
		for _, node := range act.Nodes {
			if !slices.ContainsFunc(s.BootSets, func(b BootSetSpec) bool { return slices.Contains(b.Nodes, node) }) {
				complain("%s is not in it, but somebody acts on it", node)
			}
		}
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
