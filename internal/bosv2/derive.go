package bosv2

import (
	"strings"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Statuses and actions of components that the rules look at.
const (
	statusStable     = "stable"
	statusFailed     = "failed"
	statusOnHold     = "on_hold"
	statusOnPending  = "power_on_pending"
	statusOffPending = "power_off_pending"

	phaseOff       = "powering_off"
	phaseOn        = "powering_on"
	phaseConfigure = "configuring"

	actionSetup       = "session_setup"
	actionApplyStaged = "apply_staged"
)

// statuses that BOS computes itself for a node at work; any other is an override.
var working = map[string]bool{
	statusOnPending: true, "power_on_called": true,
	statusOffPending: true, "power_off_gracefully_called": true, "power_off_forcefully_called": true,
	phaseConfigure: true, "": true,
}

// Places of phases in a Standing.
const (
	inShutdown = iota
	inBoot
	inConfigure
	phaseCount
)

// Standing is the category of a node in each phase, in the order of bos.PhaseOrder; ""
// in phases that it does not go through.
type Standing [phaseCount]string

// nobody is the standing of a node that has not been seen.
var nobody Standing

// final reports whether the node had come to an end in the phase: nothing that happens to
// it later is the session's.
func final(category string) bool {
	switch category {
	case bos.Succeeded, bos.Failed, bos.OnHold, bos.Excluded, bos.Superseded:
		return true
	default:
		return false
	}
}

// Derive returns where a node stands in a session, given what BOS says of the node now and
// where it stood when it was last seen (nobody if it never was). It is the only place that
// maps components of v2 to the phases and categories of v1 (bos-v2.md, What is shown of
// v2); the first matching rule decides.
func Derive(c *bos.Component, session, operation string, last Standing) Standing {
	phases := phasesOf(c, operation, last)
	now := current(c)
	if now >= 0 && !phases[now] {
		now = inBoot // configuring though no configuration is wanted
	}
	switch {
	case c.Session != session && c.StagedSession != session: // 1: another session took it
		return superseded(phases, last)
	case c.Session != session: // 2: staged
		return phases.fill(inShutdown, "", bos.NotStarted)
	case c.Status == statusStable: // 3
		return phases.all(bos.Succeeded)
	case c.Status == statusFailed: // 4
		return phases.at(orSeen(now, phases, last), bos.Failed)
	case c.Status == statusOnHold && c.Enabled: // 5: before BOS has first looked at it
		if last != nobody {
			return last
		}
		return phases.all(bos.NotStarted)
	case c.Status == statusOnHold: // 6: BOS has given it up
		held := phases.at(orSeen(-1, phases, last), bos.OnHold)
		return held
	case !c.Enabled: // 7: disabled by hand
		return phases.at(orSeen(now, phases, last), bos.Excluded)
	case untouched(c): // 8
		return phases.at(orSeen(now, phases, last), bos.NotStarted)
	case working[c.Status]: // 9
		return phases.at(orSeen(now, phases, last), bos.InProgress)
	default: // 9: an override that is not known here is a category of its own
		return phases.at(orSeen(now, phases, last), strings.ToLower(c.Status))
	}
}

// untouched reports whether the next step of the node is due and BOS has done nothing
// for it yet.
func untouched(c *bos.Component) bool {
	switch c.Status {
	case statusOffPending:
		return c.PowerOns == 0 && (c.Action == actionSetup || c.Action == actionApplyStaged)
	case statusOnPending:
		return c.PowerOns == 0
	default:
		return false
	}
}

// current is the place of the phase that the node is in, or -1. A node that is powered
// off after it has been powered on once is being tried again: that is part of its boot.
func current(c *bos.Component) int {
	switch c.Phase {
	case phaseOff:
		if c.PowerOns == 0 {
			return inShutdown
		}
		return inBoot
	case phaseOn:
		return inBoot
	case phaseConfigure:
		return inConfigure
	default:
		return -1
	}
}

// goesThrough holds for each phase whether a node goes through it.
type goesThrough [phaseCount]bool

func phasesOf(c *bos.Component, operation string, last Standing) goesThrough {
	var p goesThrough
	p[inShutdown] = operation == bos.Shutdown || operation == bos.Reboot ||
		last[inShutdown] != "" || c.Phase == phaseOff && c.PowerOns == 0
	p[inBoot] = operation != bos.Shutdown
	if p[inBoot] {
		wanted := c.Configuration.Value != "" || !c.Configuration.Present && c.Phase == phaseConfigure
		p[inConfigure] = wanted || last[inConfigure] != ""
	}
	return p
}

// orSeen is the place of the phase a node is in: now if that is known, else the one in
// which it was last seen, else its first.
func orSeen(now int, phases goesThrough, last Standing) int {
	if now >= 0 {
		return now
	}
	for i := phaseCount - 1; i >= 0; i-- {
		if phases[i] && last[i] != "" && last[i] != bos.NotStarted && last[i] != bos.Superseded {
			return i
		}
	}
	for i := range phases {
		if phases[i] {
			return i
		}
	}
	return inShutdown
}

// at is the standing of a node in a category of one phase: it has succeeded in those
// before, and has not started those behind.
func (p goesThrough) at(phase int, category string) Standing {
	s := p.fill(phase, bos.Succeeded, bos.NotStarted)
	s[phase] = category
	return s
}

// all is the same category in all phases.
func (p goesThrough) all(category string) Standing { return p.fill(phaseCount, category, "") }

// fill puts one category into the phases before a place, and another from there on.
func (p goesThrough) fill(from int, before, after string) (s Standing) {
	for i := range p {
		switch {
		case !p[i]:
		case i < from:
			s[i] = before
		default:
			s[i] = after
		}
	}
	return s
}

// superseded is the standing of a node that another session has taken over: what it had
// come to an end in stands.
func superseded(p goesThrough, last Standing) Standing {
	if last == nobody {
		return p.all(bos.Superseded)
	}
	s := last
	for i := range s {
		if s[i] == bos.Failed || s[i] == bos.OnHold || s[i] == bos.Excluded {
			return last // it had been given up; later phases were never to come
		}
		if s[i] != "" && !final(s[i]) {
			s[i] = bos.Superseded
		}
	}
	return s
}
