package inventory

import (
	"maps"
	"slices"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// DurationBounds are the upper bounds of the duration buckets, in seconds: from the
// shutdown of a few nodes to a reboot that exhausts all waits, and twice that.
var DurationBounds = []float64{60, 120, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 14400}

// Completions counts ended sessions, each once. Sessions that had ended before the
// first list are left out: they may be deleted at any time, and a counter that falls
// looks like a restart, after which everything would count again.
type Completions struct {
	Counts    map[OperationState]int
	Durations map[string]Histogram // by operation
}

// OperationState is what sessions are counted by.
type OperationState struct {
	Operation string
	State     bos.State
}

// Histogram is a distribution of durations in seconds.
type Histogram struct {
	Count   uint64
	Sum     float64
	Buckets []uint64 // cumulative, by DurationBounds
}

// newCompletions returns zeros for everything that is likely to occur, so that the
// first session to end shows as an increase.
func newCompletions() Completions {
	c := Completions{Counts: make(map[OperationState]int), Durations: make(map[string]Histogram)}
	for _, operation := range bos.Operations {
		for _, state := range bos.States {
			if state.Ended() {
				c.Counts[OperationState{operation, state}] = 0
			}
		}
		c.Durations[operation] = Histogram{Buckets: make([]uint64, len(DurationBounds))}
	}
	return c
}

// add counts a session that has ended. Without a stop time, or with one before its start, it
// has no duration.
func (c Completions) add(s *bos.Session, state bos.State) {
	c.Counts[OperationState{s.Operation, state}]++
	if s.StartTime.IsZero() || s.StopTime.Before(s.StartTime) {
		return
	}
	seconds := s.StopTime.Sub(s.StartTime).Seconds()
	h := c.Durations[s.Operation]
	if h.Buckets == nil {
		h.Buckets = make([]uint64, len(DurationBounds))
	}
	h.Count++
	h.Sum += seconds
	for i, bound := range DurationBounds {
		if seconds <= bound {
			h.Buckets[i]++
		}
	}
	c.Durations[s.Operation] = h
}

func (c Completions) clone() Completions {
	d := Completions{Counts: maps.Clone(c.Counts), Durations: maps.Clone(c.Durations)}
	for operation, h := range d.Durations {
		h.Buckets = slices.Clone(h.Buckets)
		d.Durations[operation] = h
	}
	return d
}
