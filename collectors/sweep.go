package collectors

import (
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var (
	up = gauge("bos_up",
		"Whether BOS answered successfully in the last sweep (1) or not (0).")
	listUp = gauge("bos_list_up",
		"Whether BOS answered the last request for its list of sessions (1) or not (0). The list hangs when BOS holds too many sessions; known sessions can still be read.")
	sessionsListed = gauge("bos_sessions_listed",
		"Number of sessions in the last list that BOS returned.")
	sessionsStored = gauge("bos_sessions_stored_bytes",
		"Estimated size in bytes of the session data that BOS v1 stores: 2400 for each session and 16 for each of its nodes in each phase. A session whose nodes are unknown counts as the average of the others. Beyond 4 MiB the list of sessions hangs. Absent if there are no v1 sessions: BOS v2 has no such limit.")
	sweepDuration = gauge("bos_exporter_sweep_duration_seconds",
		"Duration of the last sweep in seconds.")
	lastSweep = gauge("bos_exporter_last_sweep_timestamp_seconds",
		"Time of the last successful response from BOS, as a Unix timestamp in seconds.")
	sessionErrors = gauge("bos_exporter_session_errors",
		"Number of sessions whose last reading failed, by reason; their last good data is kept. If BOS does not answer at all, see bos_up.", "reason")
	sessionsDropped = gauge("bos_exporter_sessions_dropped",
		"Number of listed sessions without series of their own, by reason: unread (not read yet, or not readable: see bos_exporter_session_errors), max_age (older than --sessions.max-age), linger (ended longer ago than --sessions.linger), duplicate (older than a session of the other API that has the same name and tenant) or max (beyond --sessions.max).", "reason")
)

var sweep = Collector{
	Name:    "sweep",
	Help:    "the health of BOS and the freshness of the data",
	Metrics: []*Metric{up, listUp, sessionsListed, sessionsStored, sweepDuration, lastSweep, sessionErrors, sessionsDropped},
	collect: func(s *inventory.Snapshot, out *family) {
		if s.Up || !s.Swept.IsZero() { // otherwise nothing is known yet
			out.add(up, boolValue(s.Up))
			out.add(listUp, boolValue(s.ListUp))
		}
		if s.Listed.Present {
			out.add(sessionsListed, float64(s.Listed.Value))
			if size, ok := storedBytes(s); ok && !s.Swept.IsZero() {
				out.add(sessionsStored, size)
			}
		}
		if !s.Swept.IsZero() {
			out.add(sweepDuration, s.SweepDuration.Seconds())
		}
		if !s.LastGood.IsZero() {
			out.add(lastSweep, seconds(s.LastGood))
		}
		if !s.Listed.Present {
			return
		}
		failed := make(map[bos.Reason]int)
		for i := range s.Sessions {
			if err := s.Sessions[i].Err; err != nil {
				failed[bos.ReasonOf(err)]++
			}
		}
		for _, reason := range bos.Reasons {
			out.add(sessionErrors, float64(failed[reason]), string(reason))
		}
		for _, reason := range inventory.DroppedReasons {
			out.add(sessionsDropped, float64(s.Dropped[reason]), reason)
		}
	},
}

// stored is what BOS stores of a session in bytes, by API: so much for itself, and so much
// for each of its nodes in each phase (docs/bos.md, The list that hangs). APIs whose list
// does not hang are not in it.
var stored = map[string]struct{ session, node float64 }{
	bos.APIv1: {2400, 16},
}

// storedBytes estimates the size of the session data that BOS stores. It reports false if
// there are no sessions whose size matters.
func storedBytes(s *inventory.Snapshot) (size float64, ok bool) {
	var sessions, nodes float64 // bytes
	listed, known := 0, 0
	for i := range s.Sessions {
		each, matters := stored[s.Sessions[i].API]
		if !matters {
			continue
		}
		listed++
		sessions += each.session
		for _, p := range s.Sessions[i].EachPhase() {
			for _, c := range p.Categories {
				nodes += each.node * float64(c.Count)
			}
		}
		if s.Sessions[i].Reported() {
			known++
		}
	}
	if known > 0 {
		nodes *= float64(listed) / float64(known)
	}
	return sessions + nodes, listed > 0
}
