package inventory

import (
	"maps"
	"slices"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// DurationBounds are the upper bounds of the duration buckets, in seconds: from
// a shutdown of a few nodes to a reboot with all waits spent, and twice that.
var DurationBounds = []float64{60, 120, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 14400}

// ending counts sessions that end, each once.
type ending struct {
	Completions
	counted *cache.Cache // ids
}

func newEnding(maxAge time.Duration) *ending {
	remember := time.Duration(cache.NoExpiration)
	if maxAge > 0 {
		remember = 2 * maxAge // none is counted that is older
	}
	return &ending{newCompletions(), cache.New(remember, 0)}
}

func (e *ending) count(s *bos.Session, state bos.State) {
	e.counted.DeleteExpired()
	if e.counted.Add(s.ID, nil, cache.DefaultExpiration) == nil {
		e.add(s, state)
	}
}

// Completions counts ended sessions. Sessions that had ended before the first
// list are not in it: BOS may delete them at any time, and a number that falls
// would look like a restart and be counted again.
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

// newCompletions has a zero for everything that is likely to come, so that the
// first session to end is an increase.
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

// add counts a session that has ended. Without a stop time it has no duration.
func (c Completions) add(s *bos.Session, state bos.State) {
	c.Counts[OperationState{s.Operation, state}]++
	if s.StartTime.IsZero() || s.StopTime.IsZero() {
		return
	}
	seconds := max(0, s.StopTime.Sub(s.StartTime).Seconds())
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
