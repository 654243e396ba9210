package bos

import (
	"cmp"
	"time"
)

// State is the effective state of a session, boot set or phase. BOS itself does not give
// it: its flags mean different things in different releases and are often wrong (bos.md,
// Flags).
type State string

const (
	// StatePending: no node has started yet.
	StatePending State = "pending"
	// StateRunning: work is under way.
	StateRunning State = "running"
	// StateStuck: unfinished, and no node has moved for longer than the phase may take.
	StateStuck State = "stuck"
	// StateSucceeded: ended, and every node succeeded.
	StateSucceeded State = "succeeded"
	// StatePartial: ended, and only some nodes succeeded.
	StatePartial State = "partial"
	// StateFailed: ended or halted, and no node succeeded.
	StateFailed State = "failed"
	// StateAbandoned: stuck for so long that nobody will finish it.
	StateAbandoned State = "abandoned"
	// StateUnknown: nothing in BOS reveals the state or the outcome.
	StateUnknown State = "unknown"

	// StateWaiting is of phases alone: BOS lists nodes as in progress, but an earlier phase
	// is not done with any of them.
	StateWaiting State = "waiting"
	// StateUnread is of sessions that have not been looked at yet.
	StateUnread State = "unread"
)

// States lists every state that a session can have once it has been looked at.
var States = []State{StatePending, StateRunning, StateStuck, StateSucceeded, StatePartial, StateFailed, StateAbandoned, StateUnknown}

// Ended reports whether the state is an outcome, so that nothing more is to be expected.
func (s State) Ended() bool {
	switch s {
	case StateSucceeded, StatePartial, StateFailed, StateUnknown:
		return true
	default:
		return false
	}
}

// Limits say how long unfinished work may stand still. A limit of zero is not set: see For.
type Limits struct {
	// Shutdown is how long no node may move while the shutdown phase is in progress.
	Shutdown time.Duration
	// Other is how long no node may move otherwise: the waits for nodes to become ready
	// and to be configured take half an hour each.
	Other time.Duration
	// Abandoned is how long a session may be stuck.
	Abandoned time.Duration

	// Report is how long it may take until the nodes are known; Shutdown by default.
	Report time.Duration
	// Boot is how long no node may move while the boot phase is in progress; Other by
	// default.
	Boot time.Duration
	// Closing is how long BOS may take to end a session that has no node left to move;
	// Other by default.
	Closing time.Duration
}

// MinLimit is the shortest limit that makes sense: BOS looks at its nodes every few seconds.
const MinLimit = time.Second

// DefaultLimits fit the default waits of BOS v1: eight minutes for a shutdown, and half an
// hour for nodes to become ready or to be configured (bos.md, Flags).
var DefaultLimits = Limits{Shutdown: 10 * time.Minute, Other: 35 * time.Minute, Abandoned: 24 * time.Hour}

// or fills in limits that are not set from others. Setting a limit also sets those that
// default to it.
func (l Limits) or(m Limits) Limits {
	l.Report = cmp.Or(l.Report, l.Shutdown, m.Report)
	l.Boot = cmp.Or(l.Boot, l.Other, m.Boot)
	l.Closing = cmp.Or(l.Closing, l.Other, m.Closing)
	l.Shutdown, l.Other, l.Abandoned = cmp.Or(l.Shutdown, m.Shutdown), cmp.Or(l.Other, m.Other), cmp.Or(l.Abandoned, m.Abandoned)
	return l
}

// For returns the limits that apply to a session, all of them set: these where they are
// set, otherwise those that BOS is configured with, otherwise the defaults.
func (l Limits) For(s *Session) Limits {
	l = l.or(s.Limits).or(DefaultLimits)
	return l.or(Limits{Report: l.Shutdown, Boot: l.Other, Closing: l.Other})
}

// Ending says whether a session has ended.
type Ending uint8

// The endings. A session that has ended may still be in StateUnknown: an unknown outcome
// is not an unknown end.
const (
	// Unknowable: nothing in BOS reveals whether the session has ended.
	Unknowable Ending = iota
	// NotEnded: the session is unfinished.
	NotEnded
	// Ended: the session has ended, at Verdict.End.
	Ended
)

// Verdict holds the effective states of a session and of its parts.
type Verdict struct {
	State  State
	Ending Ending
	End    time.Time // zero unless Ending is Ended
	// Due is when the session counts as stuck unless a node moves first, or since when it
	// has; zero if it has ended or may wait for any length of time.
	Due      time.Time
	BootSets []BootSetVerdict // like Session.BootSets
}

// BootSetVerdict holds the effective states of a boot set and of its phases.
type BootSetVerdict struct {
	State  State
	Phases []State // like BootSet.Phases
}

// Judge derives the effective states of a session and its parts at now, by the
// clock of BOS. The session must have been through Observe.
//
//   - A session has ended when it has a stop time. What became of its nodes then
//     tells the outcome, not its flags.
//   - A boot set without a stop time of its session has ended when no node is
//     left to move, or when a phase failed on some nodes, nothing is in progress
//     and nothing has moved for the shutdown limit: early agents halt there
//     without saying so.
//   - A session in which only some boot sets have ended takes the most active
//     state of the others.
//   - A session without a stop time whose boot sets have all ended did so when a node
//     last moved.
//   - Where BOS always gives the stop time, nothing else ends a session.
func Judge(s *Session, now time.Time, l Limits) Verdict {
	stopped := !s.StopTime.IsZero()
	l = l.For(s)
	v := Verdict{BootSets: make([]BootSetVerdict, len(s.BootSets))}
	count, due := make(map[State]int), make(map[State]time.Time)
	unreported := false
	for i := range s.BootSets {
		b := &s.BootSets[i]
		moved := s.lastProgress(b, now)
		bv := b.judge(stopped, s.StopTold, now.Sub(moved), l)
		v.BootSets[i] = bv
		count[bv.State]++
		unreported = unreported || !b.Reported
		if until := moved.Add(b.limit(l)); !bv.State.Ended() && until.After(due[bv.State]) {
			due[bv.State] = until
		}
	}
	open := count[StatePending] + count[StateRunning] + count[StateStuck] + count[StateAbandoned]
	switch {
	case stopped:
		v.Ending, v.End = Ended, s.StopTime
	case s.Obscure:
		v.Ending = Unknowable
	case len(s.BootSets) == 0 || open > 0:
		v.Ending = NotEnded
	default:
		v.Ending, v.End = Ended, s.LastProgress(now)
	}
	switch {
	case stopped && s.SetupError != "":
		v.State = StateFailed
	case !stopped && s.Obscure:
		v.State = StateUnknown
	case !stopped && s.AwaitsApply:
		v.State = StatePending
	case !stopped && len(s.BootSets) == 0:
		v.State = unfinishedState(StatePending, now.Sub(s.LastProgress(now)), l.Report, l.Abandoned)
		due[v.State] = s.LastProgress(now).Add(l.Report)
	case stopped || open == 0:
		v.State = outcome(s.Nodes)
		if unreported && v.State == StateSucceeded {
			v.State = StateUnknown
		}
	case count[StateRunning] > 0:
		v.State = StateRunning
	case count[StateStuck] > 0:
		v.State = StateStuck
	case count[StatePending] == len(s.BootSets):
		v.State = StatePending
	case count[StatePending] > 0:
		v.State = StateRunning
	default:
		v.State = StateAbandoned
	}
	if v.Ending == NotEnded && !s.AwaitsApply {
		v.Due = due[v.State]
		if v.Due.IsZero() { // some boot sets are done, the others have yet to begin
			v.Due = due[StatePending]
		}
	}
	return v
}

func (b *BootSet) judge(stopped, told bool, idle time.Duration, l Limits) BootSetVerdict {
	v := BootSetVerdict{State: b.state(stopped, told, idle, l), Phases: make([]State, len(b.Phases))}
	for i := range b.Phases {
		v.Phases[i] = b.Phases[i].state(v.State)
		if !v.State.Ended() && b.waits(i) {
			v.Phases[i] = StateWaiting
		}
	}
	return v
}

func (b *BootSet) state(stopped, told bool, idle time.Duration, l Limits) State {
	if stopped || !told && (b.ended() || b.halted(idle, l)) {
		return outcome(b.Nodes)
	}
	activeState := StatePending
	for i := range b.Phases {
		if !b.Phases[i].untouched() {
			activeState = StateRunning
		}
	}
	return unfinishedState(activeState, idle, b.limit(l), l.Abandoned)
}

// limit is how long no node of the unfinished boot set may move.
func (b *BootSet) limit(l Limits) time.Duration {
	switch {
	case !b.Reported:
		return l.Report
	case b.inProgress(Shutdown):
		return l.Shutdown
	case b.Nodes.Unfinished == 0:
		return l.Closing
	case b.inProgress(Boot):
		return l.Boot
	default:
		return l.Other
	}
}

// waits reports whether the nodes in progress in the phase with this index are all still
// in the hands of an earlier one: the boot agent of v1 lists the nodes of configure as in
// progress before it begins with the first phase (bos.md, Configure without CFS).
func (b *BootSet) waits(phase int) bool {
	var held, failed NodeSet // in earlier phases
	for i := range phase {
		p := &b.Phases[i]
		fates := p.Fates()
		held, failed = held.Union(fates.Unfinished), failed.Union(fates.Failed)
		if p.Waiting {
			held = held.Union(fates.Succeeded)
		}
	}
	work := b.Phases[phase].In(InProgress).Minus(failed)
	return !work.Empty() && work.Minus(held).Empty()
}

// inProgress reports whether work is under way in a phase.
func (b *BootSet) inProgress(phase string) bool {
	for i := range b.Phases {
		if b.Phases[i].Name == phase && b.Phases[i].active() {
			return true
		}
	}
	return false
}

// ended reports whether no node of the boot set is left to move.
func (b *BootSet) ended() bool {
	if !b.Reported || b.Nodes.Unfinished > 0 {
		return false
	}
	if len(b.Phases) > 0 && b.Phases[len(b.Phases)-1].Waiting {
		return false
	}
	// Until the session stops, a configuration may still be to come.
	return b.untouchedConfigure() < 0 || b.Nodes.Succeeded == 0
}

// halted reports whether the boot set stands still after failures.
func (b *BootSet) halted(idle time.Duration, l Limits) bool {
	for i := range b.Phases {
		if b.Phases[i].active() {
			return false
		}
	}
	return b.Nodes.Failed > 0 && idle > l.Shutdown
}

func (p *Phase) state(bootSet State) State {
	switch {
	case p.Nodes.Nodes() == 0:
		return StateUnknown
	case bootSet.Ended() && p.untouched():
		return StateUnknown // it was not needed, or never began
	case bootSet.Ended(), p.Nodes.Unfinished == 0 && !p.Waiting:
		return outcome(p.Nodes)
	case p.untouched():
		return StatePending
	case bootSet == StateStuck, bootSet == StateAbandoned:
		return bootSet
	default:
		return StateRunning
	}
}

// outcome is the state of something that has ended.
func outcome(t Tally) State {
	switch t.Nodes() - t.Excluded {
	case 0:
		return StateUnknown
	case t.Succeeded:
		return StateSucceeded
	}
	if t.Succeeded == 0 {
		return StateFailed
	}
	return StatePartial
}

// unfinishedState is the state of something unfinished in which nothing has moved for
// idle: activeState until that exceeds the limit.
func unfinishedState(activeState State, idle, limit, abandoned time.Duration) State {
	switch {
	case idle > limit+abandoned:
		return StateAbandoned
	case idle > limit:
		return StateStuck
	default:
		return activeState
	}
}
