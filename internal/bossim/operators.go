package bossim

import (
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// The timetable of BOS v2 at pace 1. Every operator polls every 15 seconds; the limits are
// the defaults of BOS.
const (
	operatorsPoll = 15 * time.Second
	actingAfter   = 5 * time.Second  // the acting operators poll this much after the status operator
	endingAfter   = 10 * time.Second // and the one that completes sessions this much
	untilSetup    = 15 * time.Second // from the creation of a session
	batchTakes    = 2 * time.Second
	batchSize     = 2800

	powerOnLimit  = 120 * time.Second
	powerOffLimit = 300 * time.Second
	bootLimit     = 20 * time.Minute
	actualLimit   = 4 * time.Hour
	retries       = 3

	poweringOn  = 20 * time.Second // from the call until the node is on ...
	forcedOff   = 20 * time.Second // ... or off by force
	reportEvery = time.Hour        // how often a healthy node reports what it runs
)

// groups is the number of groups that a boot set is divided into. The nodes of a group take
// equally long.
const groups = 16

// group returns the group of a node, by its position among the nodes of the boot set.
func group(node, nodes int) int { return max((node+1)*groups/nodes-1, 0) }

func offTakes(group int) time.Duration { return time.Duration(15+5*group) * time.Second }

func readyTakes(group int) time.Duration { return time.Duration(60+32*group) * time.Second }

func configuringTakes(group int) time.Duration {
	return time.Duration(60+20*((5*group+3)%groups)) * time.Second
}

const (
	retryLimitHit  = "The retry limit has been hit for this component, but no services have reported specific errors"
	cfsFailed      = "cfs configuration failed"
	notInPCS       = "Component information was not returned by pcs"
	notInCFS       = "Component information was not returned by cfs"
	powerOnFailure = "Error encountered calling CAPMC to power on: "
)

// node is a node: the record that BOS has of it, and the hardware.
type node struct {
	component

	isOn      bool
	switches  time.Time // when isOn changes; zero for never
	reports   time.Time // when it is up and tells BOS what it runs; zero for never
	set       string    // the configuration that CFS has for it
	configure time.Time // when CFS has configured it; zero for never
}

// change is the state of a node from some time on.
type change struct {
	at time.Time
	node
}

// assignment is what a session wants of a node, and what goes wrong.
type assignment struct {
	spec    *Spec
	target  bootState // zero to switch the node off
	retries int
	suffers [kindCount]bool
	message string // of a PowerOnRefused
	group   int
	by      time.Time // when it is disabled by hand; zero for never
}

// course returns everything that happens to a node that the session took at start, as if no
// other session ever took it over.
func (d *assignment) course(start time.Time, n node) []change {
	w := &replay{assignment: d, node: n, changes: []change{{start, n}}}
	w.work(start)
	return w.changes
}

// replay runs the operators of BOS on one node.
type replay struct {
	*assignment
	node
	changes []change
}

func (w *replay) record(at time.Time) { w.changes = append(w.changes, change{at, w.node}) }

// tick returns the number of the first poll at or after t.
func (w *replay) tick(t time.Time) int {
	every := w.spec.paced(operatorsPoll)
	n := int(t.Sub(w.spec.Created) / every)
	for w.poll(n, 0).Before(t) {
		n++
	}
	return n
}

// poll returns the time of a poll, by an operator that polls late by some time.
func (w *replay) poll(n int, late time.Duration) time.Time {
	return w.spec.Created.Add(w.spec.paced(time.Duration(n)*operatorsPoll + late))
}

func (w *replay) in(now time.Time, d time.Duration) time.Time { return now.Add(w.spec.paced(d)) }

// work runs all polls, but for those at which nothing can happen.
func (w *replay) work(start time.Time) {
	for n := w.tick(start.Add(1)); ; n++ {
		changed := false
		for _, turn := range []struct {
			at  time.Time
			run func(now time.Time) bool
		}{{w.poll(n, 0), w.look}, {w.poll(n, actingAfter), w.act}} {
			w.advance(turn.at)
			if !w.enabled {
				w.expire()
				return
			}
			if w.spec.pausedAt(turn.at) {
				continue
			}
			if before := w.component; turn.run(turn.at) && w.component != before {
				w.record(turn.at)
				changed = true
			}
		}
		if changed {
			continue
		}
		wake := w.wake(w.poll(n, actingAfter))
		if wake.IsZero() {
			return
		}
		n = max(n, w.tick(wake)-1)
	}
}

// advance lets the hardware, and people, do what is due by t.
func (w *replay) advance(t time.Time) {
	for {
		next := earliest(w.switches, w.reports, w.by)
		if next.IsZero() || next.After(t) {
			return
		}
		switch next {
		case w.by:
			w.by = time.Time{}
			w.enabled = false
			w.record(next)
			return
		case w.switches:
			w.switches = time.Time{}
			w.isOn = !w.isOn
		case w.reports:
			w.reports = time.Time{}
			w.actual, w.actualUpdated = bootState{image: w.desired.image, token: w.desired.token}, next
			w.record(next)
		}
	}
}

// pausedAt reports whether no operator acts for the session at t.
func (s *Spec) pausedAt(t time.Time) bool {
	within := func(from, to time.Duration) bool {
		return !t.Before(s.Created.Add(s.paced(from))) && (to == 0 || t.Before(s.Created.Add(s.paced(to))))
	}
	a := s.Agent
	return a.Killed > 0 && within(a.Killed, a.Replaced) || a.LostTo > 0 && within(a.LostFrom, a.LostTo)
}

// wake returns the next time at which a poll can find something to do; zero means never.
func (w *replay) wake(now time.Time) time.Time {
	times := []time.Time{w.switches, w.reports, w.by, w.configure}
	for _, limit := range []time.Duration{powerOnLimit, powerOffLimit, bootLimit} {
		times = append(times, w.in(w.acted, limit).Add(1))
	}
	for _, d := range []time.Duration{w.spec.Agent.Replaced, w.spec.Agent.LostTo} {
		if d > 0 {
			times = append(times, w.in(w.spec.Created, d))
		}
	}
	var next time.Time
	for _, t := range times {
		if t.After(now) {
			next = earliest(next, t)
		}
	}
	return next
}

func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// waited reports whether more than d has passed since the last action.
func (w *replay) waited(now time.Time, d time.Duration) bool { return now.After(w.in(w.acted, d)) }

// look is the status operator: it sets the phase, and disables nodes that are done.
func (w *replay) look(now time.Time) bool {
	phase, override, disable, err, actionFailed := "", "", false, "", false
	switch {
	case w.suffers[NotInPCS]:
		override, disable, err = statusOnHold, true, notInPCS
	case w.suffers[NotInCFS]:
		override, disable, err = statusOnHold, true, notInCFS
	default:
		if w.status() == statusFailed {
			override, disable = statusFailed, true
		}
		switch {
		case !w.isOn && w.target.image == "":
			disable = true
		case !w.isOn:
			phase = phaseOn
			actionFailed = w.action == actionOn && w.waited(now, powerOnLimit)
		case w.target.image == "":
			phase = phaseOff
		case w.actual.image == w.target.image:
			switch {
			case w.set != w.target.configuration:
				phase = phaseConfiguring
			case w.target.configuration == "":
				disable = true
			case w.configure.IsZero() || now.Before(w.configure):
				phase = phaseConfiguring
			case w.suffers[ConfigureFails]:
				phase, override, disable, err = phaseConfiguring, statusFailed, true, cfsFailed
			default:
				disable = true
			}
		case w.action == actionOn && !w.waited(now, bootLimit):
			phase = phaseOn
		default:
			phase = phaseOff
		}
	}
	if phase != w.phase {
		if phase == "" {
			w.on, w.off, w.forced = 0, 0, 0
		}
		if w.phase == phaseOff {
			w.actual, w.actualUpdated = bootState{}, now
		}
		w.phase, w.phaseKnown = phase, true
	}
	w.override = override
	if disable {
		w.enabled = false
	}
	if err != "" {
		w.err = err
	}
	if actionFailed && !w.failed {
		w.failed, w.acted = true, now
	}
	return true
}

// act is the operator that the status calls for: power on, power off gracefully or by force,
// or configure.
func (w *replay) act(now time.Time) bool {
	switch w.status() {
	case "power_on_pending":
		if w.exhausted(w.on) {
			return true
		}
		w.on++
		w.took(actionOn, now)
		w.desired.token = uuid(w.target.image + " " + now.UTC().Format(v2Layout))
		w.set, w.configure = w.target.configuration, time.Time{}
		if w.suffers[PowerOnRefused] {
			if w.message != "" {
				w.err = powerOnFailure + w.message
			}
			return true
		}
		w.switches = w.in(now, poweringOn)
		if w.suffers[NeverReady] || w.suffers[ReadyOnRetry] && w.on == 1 {
			return true
		}
		w.reports = w.in(now, poweringOn+readyTakes(w.group))
		if w.set != "" && !w.suffers[NeverConfigured] {
			w.configure = w.in(w.reports, configuringTakes(w.group))
		}
	case "power_off_pending":
		if w.exhausted(w.off) {
			return true
		}
		w.off++
		w.took(actionOff, now)
		w.reports = time.Time{}
		if !w.suffers[ShutdownFails] && !w.suffers[StillReady] && !w.suffers[ForcedOff] {
			w.switches = w.in(now, offTakes(w.group))
		}
	case "power_off_gracefully_called", "power_off_forcefully_called":
		if !w.waited(now, powerOffLimit) {
			return false
		}
		if w.exhausted(w.forced) {
			return true
		}
		w.forced++
		w.took(actionForced, now)
		if !w.suffers[ShutdownFails] && !w.suffers[StillReady] {
			w.switches = w.in(now, forcedOff)
		}
	case "configuring":
		if w.set == w.target.configuration {
			return false
		}
		w.err = ""
		w.set = w.target.configuration
		if !w.suffers[NeverConfigured] {
			w.configure = w.in(now, configuringTakes(w.group))
		}
	default:
		return false
	}
	return true
}

// took records an action. That also clears the error.
func (w *replay) took(action string, now time.Time) {
	w.action, w.failed, w.acted, w.err = action, false, now, ""
}

// exhausted fails the node if it has no attempts left.
func (w *replay) exhausted(attempts int) bool {
	if attempts < w.retries {
		return false
	}
	w.override = statusFailed
	if w.err == "" {
		w.err = retryLimitHit
	}
	return true
}

// expire lets BOS forget what a failed node runs, as such a node no longer reports it. That
// clears the error as well.
func (w *replay) expire() {
	if w.override != statusFailed || w.actual.image == "" {
		return
	}
	now := w.in(w.actualUpdated, actualLimit)
	w.took(actionCleanup, now)
	w.actual, w.actualUpdated = bootState{}, now
	w.record(now)
}

// taken returns the node after the session has taken it at now. A node that nobody was
// working on is in the state in which the operation expects to find it.
func (d *assignment) taken(n node, now time.Time, applied bool) node {
	if !n.enabled {
		n.switches, n.reports, n.configure = time.Time{}, time.Time{}, time.Time{}
		n.actual, n.actualUpdated, n.set = bootState{}, d.spec.Created, ""
		n.isOn = d.spec.operation() != bos.Boot || d.suffers[AlreadyOn]
		if n.isOn {
			n.actual.image = uuid("another image")
		}
		if d.spec.operation() == bos.Configure {
			n.actual.image = d.target.image
		}
	}
	if d.spec.operation() == bos.Reboot {
		n.actual, n.actualUpdated = bootState{}, now
	}
	n.reports = time.Time{} // BOS refuses reports until it has powered the node on itself
	n.enabled, n.err, n.session, n.override = true, "", d.spec.ID, statusOnHold
	n.retryPolicy = d.retries
	if d.retries == retries {
		n.retryPolicy = 0
	}
	n.action, n.failed, n.acted = actionSetup, false, now
	if applied {
		n.action = actionApply
	}
	n.desired, n.desiredAfter = d.target, now
	n.on, n.off, n.forced, n.counted = 0, 0, 0, true
	return n
}

// discovered returns a node that no session has taken yet.
func discovered(at time.Time) node {
	return node{component: component{action: actionDiscovered, acted: at, actualUpdated: at, desiredAfter: at}}
}
