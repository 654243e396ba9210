package bos

import (
	"cmp"
	"time"
)

// Observe dates the last progress of every phase of s, which was read at now
// (by the clock of BOS). prev is the reading of the same session before, nil if
// there is none.
//
// A phase progresses when a node changes its category between two readings, or when BOS
// acts on a node. Before the first observation, the newest time that BOS gives for the
// phase counts, otherwise that of its boot set or session, otherwise now. Times in the
// future count as now, because clocks differ. A move that is seen together with the stop of
// the session came before it.
func (s *Session) Observe(prev *Session, now time.Time) {
	s.FirstSeen = now
	if prev != nil {
		s.FirstSeen = prev.FirstSeen
	}
	moved := now // when a node moved that stood elsewhere in prev, at the latest
	if !s.StopTime.IsZero() && (prev == nil || prev.StopTime.IsZero()) {
		moved = newest(now, s.StopTime)
	}
	for i := range s.BootSets {
		b := &s.BootSets[i]
		before := prev.bootSet(b.Name)
		for j := range b.Phases {
			p := &b.Phases[j]
			old := before.phase(p.Name)
			switch {
			case old != nil && p.sameAs(old):
				p.LastProgress = newest(now, old.LastProgress, p.Moved)
			case old != nil: // a node moved
				p.LastProgress = newest(now, old.LastProgress, moved)
			case before != nil: // the phase is new
				p.LastProgress = moved
			default:
				p.LastProgress = newest(now, p.Moved, p.StartTime, p.StopTime)
				if p.LastProgress.IsZero() {
					p.LastProgress = newest(now, b.StartTime, s.StartTime)
				}
				if p.LastProgress.IsZero() {
					p.LastProgress = moved
				}
			}
		}
	}
}

// NewestTime is the newest time that BOS gives for the session, its boot sets
// and phases, not after now; zero if it gives none.
func (s *Session) NewestTime(now time.Time) time.Time {
	t := newest(now, s.StartTime, s.StopTime)
	for i := range s.BootSets {
		b := &s.BootSets[i]
		t = newest(now, t, b.StartTime, b.StopTime)
		for j := range b.Phases {
			t = newest(now, t, b.Phases[j].StartTime, b.Phases[j].StopTime)
		}
	}
	return t
}

// LastProgress is when a node of the session last changed its category, by the
// clock of BOS; while no node is known, when the session began or was first read.
func (s *Session) LastProgress(now time.Time) time.Time {
	var t time.Time
	for i := range s.BootSets {
		t = newest(now, t, s.lastProgress(&s.BootSets[i], now))
	}
	if t.IsZero() {
		t = newest(now, s.since())
	}
	return t
}

// lastProgress is when a node of the boot set last changed its category; while
// none is known, when the boot set or its session began, or was first read.
func (s *Session) lastProgress(b *BootSet, now time.Time) time.Time {
	t := newest(now, b.StartTime)
	for i := range b.Phases {
		t = newest(now, t, b.Phases[i].LastProgress)
	}
	if t.IsZero() {
		t = newest(now, s.since())
	}
	return t
}

// since is the time from which the session is expected to progress: its start or, if BOS
// gives none, its first reading.
func (s *Session) since() time.Time {
	if s.StartTime.IsZero() {
		return s.FirstSeen
	}
	return s.StartTime
}

// Began is when the session started. If BOS does not say, it is when the session was
// first read, provided that it appeared while BOS was being watched. Otherwise the start
// is unknown and Began is zero, which sorts before all others.
func (s *Session) Began() time.Time {
	if s.StartTime.IsZero() && s.Preexisting {
		return time.Time{}
	}
	return s.since()
}

// NewestFirst orders sessions by when they began, the newest first. Those whose start is
// unknown come last.
func NewestFirst(a, b *Session) int {
	return cmp.Or(b.Began().Compare(a.Began()), cmp.Compare(a.ID, b.ID))
}

// newest returns the newest of the times, taking those after now for now.
func newest(now time.Time, times ...time.Time) time.Time {
	var t time.Time
	for _, u := range times {
		if u.After(now) {
			u = now
		}
		if u.After(t) {
			t = u
		}
	}
	return t
}

func (s *Session) bootSet(name string) *BootSet {
	if s == nil {
		return nil
	}
	for i := range s.BootSets {
		if s.BootSets[i].Name == name {
			return &s.BootSets[i]
		}
	}
	return nil
}

func (b *BootSet) phase(name string) *Phase {
	if b == nil {
		return nil
	}
	for i := range b.Phases {
		if b.Phases[i].Name == name {
			return &b.Phases[i]
		}
	}
	return nil
}
