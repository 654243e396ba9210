package datasource

import (
	"cmp"
	"slices"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

const usualDescription = "Median duration of the earlier sessions of this template and operation that succeeded or, if none did, that succeeded in part; empty if there are none"

// task is what sessions have in common that take about the same time.
type task struct{ tenant, template, operation string }

func taskOf(s *inventory.Session) task { return task{s.Tenant, s.Template, s.Operation} }

// usualDurations returns, for each session, the seconds that sessions like it had taken
// when it began.
func usualDurations(all []inventory.Session) map[bos.Key]*float64 {
	var sessions []*inventory.Session
	for i := range all {
		if all[i].Template != "" && !all[i].StartTime.IsZero() {
			sessions = append(sessions, &all[i])
		}
	}
	slices.SortFunc(sessions, func(s, t *inventory.Session) int { return inventory.NewestFirst(t, s) })
	known := make(map[task]*durations)
	usual := make(map[bos.Key]*float64)
	for _, s := range sessions {
		d := known[taskOf(s)]
		if d == nil {
			d = new(durations)
			known[taskOf(s)] = d
		}
		usual[s.Key()] = d.quantile(0.5)
		d.add(s)
	}
	return usual
}

// durations are how many seconds sessions took, in ascending order.
type durations struct{ well, inPart []float64 }

// add notes how long a session took, if it succeeded at least in part.
func (d *durations) add(s *inventory.Session) {
	took := lasted(s.StartTime, s.Verdict.End)
	if took == nil {
		return
	}
	switch s.Verdict.State {
	case bos.StateSucceeded:
		d.well = insert(d.well, *took)
	case bos.StatePartial:
		d.inPart = insert(d.inPart, *took)
	}
}

// quantile returns what a part of the durations of those that succeeded or, if none did, of
// those that succeeded in part, do not exceed.
func (d *durations) quantile(part float64) *float64 {
	return cmp.Or(quantile(d.well, part), quantile(d.inPart, part))
}

// insert puts a value in its place among sorted ones.
func insert(sorted []float64, value float64) []float64 {
	i, _ := slices.BinarySearch(sorted, value)
	return slices.Insert(sorted, i, value)
}

// quantile returns the value that a part of the sorted values do not exceed, interpolated
// between neighbors. There is none of no values.
func quantile(sorted []float64, part float64) *float64 {
	if len(sorted) == 0 {
		return nil
	}
	at := part * float64(len(sorted)-1)
	i := int(at)
	value := sorted[i]
	if i+1 < len(sorted) {
		value += (at - float64(i)) * (sorted[i+1] - value)
	}
	return &value
}
