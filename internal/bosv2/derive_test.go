package bosv2

import (
	"strings"
	"testing"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// standing reads "succeeded failed not_started": shutdown, boot, configure; - for none.
func standing(text string) (s Standing) {
	for i, word := range strings.Fields(text) {
		if word != "-" {
			s[i] = word
		}
	}
	return s
}

func (s Standing) String() string {
	var words []string
	for _, category := range s {
		if category == "" {
			category = "-"
		}
		words = append(words, category)
	}
	return strings.Join(words, " ")
}

const (
	x        = "x" // the session
	withCFS  = "compute-25.3"
	onCalled = "power_on_called"
)

// TestDeriveRules has a case or more for each rule.
func TestDeriveRules(t *testing.T) {
	cfs := bos.Some(withCFS)
	none := bos.Some("")
	for _, tt := range []struct {
		name      string
		operation string
		node      bos.Component
		last      string
		want      string
	}{
		{"1: taken over before it was seen", bos.Reboot,
			bos.Component{Enabled: true, Session: "y", Phase: phaseOn, Status: onCalled, Configuration: cfs}, "- - -", "superseded superseded superseded"},
		{"1: taken over while it booted", bos.Reboot,
			bos.Component{Enabled: true, Session: "y", Phase: phaseOff, Configuration: cfs}, "succeeded in_progress not_started", "succeeded superseded superseded"},
		{"1: taken over after it had succeeded", bos.Reboot,
			bos.Component{Enabled: true, Session: "y", Phase: phaseOff, Configuration: cfs}, "succeeded succeeded succeeded", "succeeded succeeded succeeded"},
		{"1: taken over after it had failed", bos.Reboot,
			bos.Component{Enabled: true, Session: "y", Phase: phaseOff, Configuration: cfs}, "succeeded failed not_started", "succeeded failed not_started"},
		{"1: taken over after it had been given up", bos.Reboot,
			bos.Component{Enabled: true, Session: "y"}, "on_hold not_started -", "on_hold not_started -"},
		{"2: staged, and at work for another", bos.Reboot,
			bos.Component{Enabled: true, Session: "y", StagedSession: x, Phase: phaseOn, Status: onCalled, Configuration: none}, "- - -", "not_started not_started -"},
		{"2: staged, and applied", bos.Reboot,
			bos.Component{Enabled: true, Session: x, StagedSession: x, Phase: phaseOn, Status: onCalled, PowerOns: 1, Configuration: none}, "- - -", "succeeded in_progress -"},
		{"3: stable", bos.Reboot,
			bos.Component{Session: x, Status: statusStable, Configuration: cfs}, "succeeded succeeded in_progress", "succeeded succeeded succeeded"},
		{"3: stable without a configuration", bos.Boot,
			bos.Component{Session: x, Status: statusStable, Configuration: none}, "- in_progress -", "- succeeded -"},
		{"3: stable again after the session counted it as failed", bos.Shutdown,
			bos.Component{Session: x, Status: statusStable}, "failed - -", "succeeded - -"},
		{"4: failed at its power-off", bos.Reboot,
			bos.Component{Session: x, Phase: phaseOff, Status: statusFailed, PowerOffs: 4, Configuration: cfs}, "in_progress not_started not_started", "failed not_started not_started"},
		{"4: failed, and its phase is gone", bos.Reboot,
			bos.Component{Session: x, Status: statusFailed, Configuration: cfs}, "succeeded in_progress not_started", "succeeded failed not_started"},
		{"4: failed, still enabled for one poll", bos.Boot,
			bos.Component{Enabled: true, Session: x, Phase: phaseOn, Status: statusFailed, PowerOns: 3, Configuration: none}, "- in_progress -", "- failed -"},
		{"5: on hold before BOS has looked at it", bos.Reboot,
			bos.Component{Enabled: true, Session: x, Phase: phaseConfigure, Status: statusOnHold, Configuration: cfs}, "- - -", "not_started not_started not_started"},
		{"5: on hold in the middle", bos.Reboot,
			bos.Component{Enabled: true, Session: x, Status: statusOnHold, Configuration: cfs}, "succeeded in_progress not_started", "succeeded in_progress not_started"},
		{"6: given up", bos.Reboot,
			bos.Component{Session: x, Status: statusOnHold, Configuration: cfs}, "succeeded in_progress not_started", "succeeded on_hold not_started"},
		{"6: given up before it was seen", bos.Reboot,
			bos.Component{Session: x, Status: statusOnHold, Configuration: cfs}, "- - -", "on_hold not_started not_started"},
		{"7: disabled by hand", bos.Reboot,
			bos.Component{Session: x, Phase: phaseOn, Status: onCalled, PowerOns: 1, Configuration: cfs}, "succeeded in_progress not_started", "succeeded excluded not_started"},
		{"8: nothing done yet", bos.Reboot,
			bos.Component{Enabled: true, Session: x, Phase: phaseOff, Status: statusOffPending, Action: actionSetup, Configuration: cfs}, "- - -", "not_started not_started not_started"},
		{"8: staged and applied, nothing done yet", bos.Shutdown,
			bos.Component{Enabled: true, Session: x, Phase: phaseOff, Status: statusOffPending, Action: actionApplyStaged}, "- - -", "not_started - -"},
		{"8: off, and not yet powered on", bos.Reboot,
			bos.Component{Enabled: true, Session: x, Phase: phaseOn, Status: statusOnPending, PowerOffs: 1, Configuration: cfs}, "in_progress not_started not_started", "succeeded not_started not_started"},
		{"9: powering off", bos.Reboot,
			bos.Component{Enabled: true, Session: x, Phase: phaseOff, Status: "power_off_forcefully_called", PowerOffs: 2, Configuration: cfs}, "- - -", "in_progress not_started not_started"},
		{"9: a power-off that is due again", bos.Reboot,
			bos.Component{Enabled: true, Session: x, Phase: phaseOff, Status: statusOffPending, Action: "powering_off_gracefully", PowerOffs: 1, Configuration: cfs}, "- - -", "in_progress not_started not_started"},
		{"9: a power-on that is due again", bos.Boot,
			bos.Component{Enabled: true, Session: x, Phase: phaseOn, Status: statusOnPending, PowerOns: 2, Configuration: none}, "- - -", "- in_progress -"},
		{"9: a boot that powers off first", bos.Boot,
			bos.Component{Enabled: true, Session: x, Phase: phaseOff, Status: "power_off_gracefully_called", PowerOffs: 1, Configuration: cfs}, "- - -", "in_progress not_started not_started"},
		{"9: that boot, powered on", bos.Boot,
			bos.Component{Enabled: true, Session: x, Phase: phaseOn, Status: onCalled, PowerOns: 1, Configuration: cfs}, "in_progress not_started not_started", "succeeded in_progress not_started"},
		{"9: configured", bos.Reboot,
			bos.Component{Enabled: true, Session: x, Phase: phaseConfigure, Status: phaseConfigure, PowerOns: 1, Configuration: cfs}, "- - -", "succeeded succeeded in_progress"},
		{"9: configured, with no key that says so", bos.Reboot,
			bos.Component{Enabled: true, Session: x, Phase: phaseConfigure, Status: phaseConfigure, PowerOns: 1}, "- - -", "succeeded succeeded in_progress"},
		{"9: configured though nothing is to be", bos.Reboot,
			bos.Component{Enabled: true, Session: x, Phase: phaseConfigure, Status: phaseConfigure, PowerOns: 1, Configuration: none}, "- - -", "succeeded in_progress -"},
		{"9: an override that nobody knows", bos.Boot,
			bos.Component{Enabled: true, Session: x, Phase: phaseOn, Status: "Quarantined", PowerOns: 1, Configuration: none}, "- - -", "- quarantined -"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Derive(&tt.node, x, tt.operation, standing(tt.last)); got != standing(tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestDeriveCourses follows nodes through sessions, as BOS 2.50 was seen to move them.
func TestDeriveCourses(t *testing.T) {
	cfs := bos.Some(withCFS)
	node := func(phase, status string, ons, offs int) bos.Component {
		return bos.Component{Enabled: true, Session: x, Phase: phase, Status: status, PowerOns: ons, PowerOffs: offs, Configuration: cfs}
	}
	disabled := func(c bos.Component) bos.Component {
		c.Enabled = false
		return c
	}
	begun := func(c bos.Component) bos.Component {
		c.Action = actionSetup
		return c
	}
	type step struct {
		node bos.Component
		want string
	}
	for _, tt := range []struct {
		name, operation string
		steps           []step
	}{
		{"a reboot that never becomes ready is a failed boot", bos.Reboot, []step{
			{begun(node("", statusOnHold, 0, 0)), "not_started not_started not_started"},
			{begun(node(phaseOff, statusOffPending, 0, 0)), "not_started not_started not_started"},
			{node(phaseOff, "power_off_gracefully_called", 0, 1), "in_progress not_started not_started"},
			{node(phaseOn, statusOnPending, 0, 1), "succeeded not_started not_started"},
			{node(phaseOn, onCalled, 1, 1), "succeeded in_progress not_started"},
			{node(phaseOff, statusOffPending, 1, 1), "succeeded in_progress not_started"},
			{node(phaseOff, "power_off_gracefully_called", 1, 2), "succeeded in_progress not_started"},
			{node(phaseOn, onCalled, 2, 2), "succeeded in_progress not_started"},
			{node(phaseOff, "power_off_gracefully_called", 2, 3), "succeeded in_progress not_started"},
			{node(phaseOn, onCalled, 3, 3), "succeeded in_progress not_started"},
			{node(phaseOff, statusFailed, 3, 3), "succeeded failed not_started"},
			{disabled(node(phaseOff, statusFailed, 3, 3)), "succeeded failed not_started"},
		}},
		{"a boot from off that never becomes ready", bos.Boot, []step{
			{begun(node(phaseOn, statusOnPending, 0, 0)), "- not_started not_started"},
			{node(phaseOn, onCalled, 1, 0), "- in_progress not_started"},
			{node(phaseOff, "power_off_gracefully_called", 1, 1), "- in_progress not_started"},
			{node(phaseOn, onCalled, 3, 2), "- in_progress not_started"},
			{disabled(node(phaseOn, statusFailed, 3, 3)), "- failed not_started"},
		}},
		{"a power-on without effect", bos.Boot, []step{
			{node(phaseOn, onCalled, 1, 0), "- in_progress not_started"},
			{node(phaseOn, statusOnPending, 1, 0), "- in_progress not_started"},
			{node(phaseOn, onCalled, 3, 0), "- in_progress not_started"},
			{disabled(node(phaseOn, statusFailed, 3, 0)), "- failed not_started"},
		}},
		{"a power-off without effect", bos.Reboot, []step{
			{node(phaseOff, "power_off_gracefully_called", 0, 1), "in_progress not_started not_started"},
			{node(phaseOff, "power_off_forcefully_called", 0, 4), "in_progress not_started not_started"},
			{disabled(node(phaseOff, statusFailed, 0, 4)), "failed not_started not_started"},
		}},
		{"a configuration that fails", bos.Reboot, []step{
			{node(phaseConfigure, phaseConfigure, 1, 1), "succeeded succeeded in_progress"},
			{disabled(node(phaseConfigure, statusFailed, 1, 1)), "succeeded succeeded failed"},
		}},
		{"a node of which the power service says nothing", bos.Reboot, []step{
			{node(phaseOn, onCalled, 1, 1), "succeeded in_progress not_started"},
			{disabled(node("", statusOnHold, 0, 0)), "succeeded on_hold not_started"},
		}},
		{"a node that makes it", bos.Reboot, []step{
			{begun(node("", statusOnHold, 0, 0)), "not_started not_started not_started"},
			{node(phaseOff, "power_off_gracefully_called", 0, 1), "in_progress not_started not_started"},
			{node(phaseOn, onCalled, 1, 1), "succeeded in_progress not_started"},
			{node(phaseConfigure, phaseConfigure, 1, 1), "succeeded succeeded in_progress"},
			{disabled(node("", statusStable, 0, 0)), "succeeded succeeded succeeded"},
			{bos.Component{Enabled: true, Session: "y", Phase: phaseOff, Configuration: cfs}, "succeeded succeeded succeeded"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var last Standing
			for i, s := range tt.steps {
				last = Derive(&s.node, x, tt.operation, last)
				if last != standing(s.want) {
					t.Fatalf("step %d: got %s, want %s", i, last, s.want)
				}
			}
		})
	}
}
