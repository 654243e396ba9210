package inventory

import (
	"cmp"
	"slices"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Reasons why a session is listed but not exposed.
const (
	DroppedAge    = "max_age" // it started too long ago to be followed
	DroppedBudget = "max"     // more sessions than may be exposed
)

// Snapshot is what one sweep has found. It is never changed.
type Snapshot struct {
	// Time is when the snapshot was made and its sessions were judged, by the
	// clock of BOS; zero before the first sweep.
	Time time.Time
	// Up tells whether BOS gave any good answer in the sweep.
	Up bool
	// ListUp tells whether the last list of sessions was answered.
	ListUp bool
	// Err is why the last list was not answered.
	Err error
	// LastGood is when a sweep last had a good answer, by our clock; zero
	// before the first.
	LastGood time.Time
	// SweepDuration is how long the sweep took.
	SweepDuration time.Duration
	// Listed is the number of sessions of the last good list.
	Listed bos.Optional[int]
	// Sessions holds every listed session, ordered by id.
	Sessions []Session
	// Dropped counts the sessions that are not exposed, by reason.
	Dropped map[string]int
	// Completions counts the sessions that have ended under our eyes.
	Completions Completions
}

// Session is a listed session.
type Session struct {
	*bos.Session // as last read well; only its id if it never was
	Verdict      bos.Verdict
	// Err is why the last reading was not good, or not whole.
	Err error
	// Exposed tells whether the session has series of its own: it could be
	// read, is young enough, has not ended long ago and is within the budget.
	Exposed bool
}

// WithoutSessions is the snapshot less all that goes stale.
func (s *Snapshot) WithoutSessions() *Snapshot {
	t := *s
	t.Listed, t.Sessions, t.Dropped = bos.Optional[int]{}, nil, nil
	return &t
}

// newSnapshot makes a snapshot of what is known now.
func (v *Inventory) newSnapshot() *Snapshot {
	now := v.cfg.Client.Now()
	s := &Snapshot{
		Time:        now,
		ListUp:      v.list.err == nil,
		Err:         v.list.err,
		Dropped:     map[string]int{DroppedAge: 0, DroppedBudget: 0},
		Completions: v.ended.clone(),
	}
	if v.listed {
		s.Listed = bos.Some(v.list.count)
	}
	add := func(r *record) {
		e := Session{Session: r.session, Err: cmp.Or(r.err, r.gap)}
		if r.read {
			e.Verdict = bos.Judge(r.session, now, v.cfg.Limits)
		} else {
			e.Verdict.State = bos.StateUnknown
		}
		switch {
		case !r.read:
		case !v.follows(r.session, now):
			s.Dropped[DroppedAge]++
		default:
			e.Exposed = v.lingers(&e, now)
		}
		s.Sessions = append(s.Sessions, e)
	}
	v.settled.DeleteExpired() // into open: none is to be missed
	for _, r := range v.open {
		add(r)
	}
	for _, item := range v.settled.Items() {
		add(item.Object.(*record))
	}
	slices.SortFunc(s.Sessions, func(a, b Session) int { return cmp.Compare(a.ID, b.ID) })
	if v.cfg.MaxSessions > 0 {
		s.applyBudget(v.cfg.MaxSessions)
	}
	return s
}

// lingers tells whether the session is unfinished or has not ended too long ago.
func (v *Inventory) lingers(s *Session, now time.Time) bool {
	if v.cfg.Linger == 0 || s.StopTime.IsZero() && !s.Verdict.State.Ended() {
		return true
	}
	end := s.StopTime
	if end.IsZero() {
		end = s.LastProgress(now)
	}
	return now.Sub(end) <= v.cfg.Linger
}

// applyBudget leaves at most so many sessions exposed: those at work first, the
// newest first.
func (s *Snapshot) applyBudget(most int) {
	var exposed []*Session
	for i := range s.Sessions {
		if s.Sessions[i].Exposed {
			exposed = append(exposed, &s.Sessions[i])
		}
	}
	if len(exposed) <= most {
		return
	}
	atRest := func(s *Session) int {
		if s.Verdict.State.Ended() || s.Verdict.State == bos.StateAbandoned {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(exposed, func(a, b *Session) int {
		return cmp.Or(atRest(a)-atRest(b), b.Began().Compare(a.Began()))
	})
	for _, e := range exposed[most:] {
		e.Exposed = false
	}
	s.Dropped[DroppedBudget] = len(exposed) - most
}
