package collectors

import (
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var (
	up = gauge("bos_up",
		"Whether BOS gave a good answer in the last sweep (1) or not (0).")
	listUp = gauge("bos_list_up",
		"Whether the last list of sessions was answered (1) or not (0). The list hangs when BOS holds too many sessions, while known ones can still be read.")
	sessionsListed = gauge("bos_sessions_listed",
		"Number of sessions in the last list that was answered.")
	sessionsStored = gauge("bos_sessions_stored_bytes",
		"Estimated size of what BOS stores of its sessions: 2400 bytes for each, and 16 for each of its nodes in each phase; one whose nodes are not known counts as the average of the others. At 4 MiB their list begins to hang.")
	sweepDuration = gauge("bos_exporter_sweep_duration_seconds",
		"How long the last sweep took, in seconds.")
	lastSweep = gauge("bos_exporter_last_sweep_timestamp_seconds",
		"When a sweep last had a good answer of BOS, in seconds since 1970.")
	sessionErrors = gauge("bos_exporter_session_errors",
		"Number of sessions whose last reading failed, by reason; their last good data stands. While BOS as a whole does not answer, bos_up tells.", "reason")
	sessionsDropped = gauge("bos_exporter_sessions_dropped",
		"Number of listed sessions that have no series of their own, by reason: max_age (--sessions.max-age) or max (--sessions.max).", "reason")
)

var sweep = Collector{
	Name:    "sweep",
	Help:    "health of BOS and of the view of it",
	Metrics: []*Metric{up, listUp, sessionsListed, sessionsStored, sweepDuration, lastSweep, sessionErrors, sessionsDropped},
	collect: func(s *inventory.Snapshot, out families) {
		if s.Up || !s.Swept.IsZero() { // else nothing is known yet
			out.add(up, truth(s.Up))
			out.add(listUp, truth(s.ListUp))
		}
		if s.Listed.Present {
			out.add(sessionsListed, float64(s.Listed.Value))
			if !s.Swept.IsZero() {
				out.add(sessionsStored, stored(s))
			}
		}
		if !s.Swept.IsZero() {
			out.add(sweepDuration, s.SweepDuration.Seconds())
		}
		if !s.LastGood.IsZero() {
			out.add(lastSweep, seconds(s.LastGood))
		}
		if s.Swept.IsZero() || !s.Listed.Present {
			return
		}
		failed := make(map[bosclient.Reason]int)
		for i := range s.Sessions {
			if err := s.Sessions[i].Err; err != nil {
				failed[bosclient.ReasonOf(err)]++
			}
		}
		for _, reason := range bosclient.Reasons {
			out.add(sessionErrors, float64(failed[reason]), string(reason))
		}
		for _, reason := range []string{inventory.DroppedAge, inventory.DroppedBudget} {
			out.add(sessionsDropped, float64(s.Dropped[reason]), reason)
		}
	},
}

// stored estimates what BOS stores of its sessions, in bytes (docs/bos.md, The list
// that hangs).
func stored(s *inventory.Snapshot) float64 {
	known, nodes := 0, 0
	for i := range s.Sessions {
		reported := false
		for _, b := range s.Sessions[i].BootSets {
			reported = reported || b.Reported
			for _, p := range b.Phases {
				for _, c := range p.Categories {
					nodes += c.Nodes
				}
			}
		}
		if reported {
			known++
		}
	}
	if known == 0 {
		return 2400 * float64(s.Listed.Value)
	}
	return float64(s.Listed.Value) * (2400 + 16*float64(nodes)/float64(known))
}
