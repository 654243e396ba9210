package bossim

import (
	"maps"
	"slices"
	"time"
)

// tally counts the nodes of a session by state.
type tally struct {
	managed, staged, successful, failed int
	phases                              map[string]int
	errors                              map[string][]string
}

// tally counts the nodes of a session at t as BOS does: by its name, so that namesakes mix
// unless there is a tenant.
func (m *cluster) tally(a *v2Session, t time.Time) tally {
	sum := tally{phases: make(map[string]int), errors: make(map[string][]string)}
	tenant := m.owned[a.spec.Tenant]
	for name, h := range m.components(t, a.spec.ID, "") {
		if a.spec.Tenant != "" && !tenant[name] {
			continue
		}
		if h.staged.session == a.spec.ID {
			sum.managed++
			sum.staged++
		}
		if h.session != a.spec.ID {
			continue
		}
		sum.managed++
		switch h.status() {
		case statusStable:
			sum.successful++
		case statusFailed:
			sum.failed++
		}
		if h.err != "" {
			sum.errors[h.err] = append(sum.errors[h.err], name)
		}
		if h.enabled && h.override != statusOnHold {
			sum.phases[h.phase]++
		}
	}
	return sum
}

// listedErrors is how many nodes the status lists for each error.
const listedErrors = 10

func (m *cluster) status(s sessionRecord, t time.Time, late bool) []byte {
	a := s.v2Session
	state := s.status
	var sum tally
	var end time.Time
	switch {
	case state != sessionComplete:
		sum = m.tally(a, t)
	case late:
		state = sessionRunning
		sum = m.tally(a, a.ends().Add(-1))
	default:
		end, sum = a.ends(), a.frozen()
	}
	return statusText(s, state, sum, end, t)
}

// statusText returns the status document of a session at t. The end of a session that is
// not complete is zero.
func statusText(s sessionRecord, state string, sum tally, end, t time.Time) []byte {
	return object(func(w *text) {
		w.open("error_summary", '{')
		for _, message := range slices.Sorted(maps.Keys(sum.errors)) {
			nodes := slices.Clone(sum.errors[message])
			count := len(nodes)
			shuffle(nodes, s.name, message)
			if count > listedErrors {
				nodes = nodes[:listedErrors]
				nodes[listedErrors-1] += "..."
			}
			w.open(message, '{')
			w.int("count", count)
			w.list("list", nodes)
			w.close('}')
		}
		w.close('}')
		w.int("managed_components_count", sum.managed)
		w.percent("percent_failed", sum.failed, sum.managed)
		w.percent("percent_staged", sum.staged, sum.managed)
		w.percent("percent_successful", sum.successful, sum.managed)
		w.open("phases", '{')
		w.percent("percent_complete", sum.successful+sum.failed, sum.managed)
		w.percent("percent_configuring", sum.phases[phaseConfiguring], sum.managed)
		w.percent("percent_powering_off", sum.phases[phaseOff], sum.managed)
		w.percent("percent_powering_on", sum.phases[phaseOn], sum.managed)
		w.close('}')
		w.string("status", state)
		w.open("timing", '{')
		start := s.start.UTC().Truncate(time.Second)
		if end.IsZero() {
			w.string("duration", timedelta(t.Sub(start)))
			w.stringOrNull("end_time", "")
		} else {
			w.string("duration", timedelta(end.UTC().Truncate(time.Second).Sub(start)))
			w.time("end_time", end)
		}
		w.time("start_time", s.start)
		w.close('}')
	})
}
