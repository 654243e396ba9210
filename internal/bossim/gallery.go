package bossim

import (
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// GalleryTime is a time at which each session of Gallery is what it is there for.
var GalleryTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Gallery is a scenario with a few small sessions, one for each way in which
// sessions fare: well, in part, badly, stuck, at work and about to begin.
func Gallery() Scenario {
	nodes := Nodes(16)
	session := func(name, operation, template string, ago time.Duration, sets ...BootSetSpec) Spec {
		return Spec{ID: GalleryID(name), Operation: operation, Template: template, Created: GalleryTime.Add(-ago), BootSets: sets}
	}
	compute := func(from, to int, troubles ...Trouble) BootSetSpec {
		return BootSetSpec{Name: "compute", Nodes: nodes[from:to:to], Troubles: troubles}
	}
	neverReady := compute(0, 4, Trouble{Kind: NeverReady, Nodes: nodes[2:4]})
	neverReady.RetryPolicy = 2 // so that they fail before the next session takes them
	stuck := session("stuck", bos.Boot, "gpu-cos-2.5", time.Hour, BootSetSpec{Name: "gpu", Nodes: nodes[8:12:12]})
	stuck.Agent.Killed = 15 * time.Minute
	return Scripted(
		session("well", bos.Reboot, "compute-sles15sp4", 3*time.Hour, compute(0, 4)),
		session("never-ready", bos.Boot, "compute-sles15sp4", 150*time.Minute, neverReady),
		session("power-off", bos.Reboot, "compute-sles15sp4", 100*time.Minute,
			compute(0, 8,
				Trouble{ShutdownFails, nodes[3:4], "NodeBMC Communication Error"},
				Trouble{ForcedOff, nodes[5:6], "exceeded retries waiting for component to turn off"})),
		session("configuration", bos.Configure, "compute-sles15sp4", 80*time.Minute,
			compute(4, 8, Trouble{ConfigureFails, nodes[4:5], "cfs component exhausted all retries"})),
		session("still-ready", bos.Reboot, "compute-sles15sp4", 70*time.Minute,
			compute(0, 4, Trouble{Kind: StillReady, Nodes: nodes[:1]})),
		stuck,
		session("running", bos.Reboot, "full-sles15sp4", 20*time.Minute,
			compute(0, 8), BootSetSpec{Name: "login / uan", Nodes: LoginNodes(2),
				Troubles: []Trouble{{Kind: ReadyOnRetry, Nodes: LoginNodes(1)}}}),
		session("pending", bos.Shutdown, "compute-sles15sp4", 30*time.Second, compute(12, 16)),
	)
}

// GalleryID is the id of a session of Gallery.
func GalleryID(name string) string { return uuid("gallery " + name) }
