package bos

import (
	"fmt"
	"slices"
	"time"
)

// Lost names what an earlier reading of the session knew and this one does not. A
// session keeps what it has: such a reading is a fragment, whatever its status code
// (bos.md, Fragments).
//
// Nodes may move, and some of them disappear. A boot agent that is replaced puts all
// of them back to not started, and begins its boot sets and phases anew, so that until
// the session stops those may lose their stop times.
func (s *Session) Lost(before *Session) []string {
	var l losses
	l.text("template", before.Template, s.Template)
	l.text("operation", before.Operation, s.Operation)
	l.text("job", before.Job, s.Job)
	l.metadata("", &before.Metadata, &s.Metadata)
	l.time("stop time", before.StopTime, s.StopTime)
	stopped := !s.StopTime.IsZero()
	for i := range before.BootSets {
		old := &before.BootSets[i]
		l.bootSet(old, s.bootSet(old.Name), stopped)
	}
	return l
}

// losses collects the names of what has been lost.
type losses []string

func (l *losses) add(lost bool, what string) {
	if lost {
		*l = append(*l, what)
	}
}

func (l *losses) text(what, before, after string) { l.add(before != "" && after == "", what) }

func (l *losses) time(what string, before, after time.Time) {
	l.add(!before.IsZero() && after.IsZero(), what)
}

// metadata compares all but the stop times. of follows the names of the values.
func (l *losses) metadata(of string, before, after *Metadata) {
	l.add(before.InProgress.Present && !after.InProgress.Present, "in_progress"+of)
	l.add(before.Complete.Present && !after.Complete.Present, "complete"+of)
	l.add(before.ErrorCount.Present && !after.ErrorCount.Present, "error_count"+of)
	l.time("start time"+of, before.StartTime, after.StartTime)
}

func (l *losses) bootSet(before, after *BootSet, stopped bool) {
	name := fmt.Sprintf("boot set %q", before.Name)
	of := " of " + name
	if !before.Reported {
		return // nothing was known of it
	}
	if after == nil || !after.Reported {
		l.add(true, name)
		return
	}
	for i := range before.Phases {
		old := &before.Phases[i]
		l.phase(old, after.phase(old.Name), of, stopped)
	}
	l.metadata(of, &before.Metadata, &after.Metadata)
	if stopped {
		l.time("stop time"+of, before.StopTime, after.StopTime)
	}
}

func (l *losses) phase(before, after *Phase, of string, stopped bool) {
	name := fmt.Sprintf("phase %q%s", before.Name, of)
	of = " of " + name
	if after == nil {
		l.add(true, name)
		return
	}
	l.metadata(of, &before.Metadata, &after.Metadata)
	if stopped {
		l.time("stop time"+of, before.StopTime, after.StopTime)
	}
	for _, c := range before.Categories {
		there := slices.ContainsFunc(after.Categories, func(d Category) bool { return d.Name == c.Name })
		l.add(!there, fmt.Sprintf("category %q%s", c.Name, of))
	}
	l.add(before.Nodes.Nodes() > 0 && after.Nodes.Nodes() == 0, "all nodes"+of)
}

// SameAs tells whether both can be readings of one session. BOS may use an id again,
// but nothing that is compared here ever changes in a session.
func (s *Session) SameAs(t *Session) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return !differ(s.Operation, t.Operation) && !differ(s.Template, t.Template) &&
		(s.StartTime.IsZero() || t.StartTime.IsZero() || s.StartTime.Equal(t.StartTime))
}
