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
	// clock of BOS.
	Time time.Time
	// Up tells whether BOS gave any good answer in the sweep.
	Up bool
	// ListUp tells whether the last list of sessions was answered.
	ListUp bool
	// Err is why the last list was not answered.
	Err error
	// LastGood is when BOS had last given a good answer by the end of the sweep,
	// by our clock; zero before the first.
	LastGood time.Time
	// Swept is when the sweep ended, good or not, by our clock; zero before the
	// first has.
	Swept time.Time
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
	roster       *bos.Roster // nil unless names are kept and it is not settled
	// Err is why the last reading was not good, or not whole.
	Err error
	// Followed tells whether its boot sets are read, unless Err says otherwise.
	Followed bool
	// Exposed tells whether the session has series of its own: it could be
	// read, is young enough, has not ended long ago and is within the budget.
	Exposed bool
}

// CompareInterest orders sessions for people: those at work first, and the newest
// first.
func (s *Session) CompareInterest(t *Session) int {
	atRest := func(s *Session) int {
		if s.Verdict.State.Ended() || s.Verdict.State == bos.StateAbandoned {
			return 1
		}
		return 0
	}
	return cmp.Or(atRest(s)-atRest(t), t.Began().Compare(s.Began()), cmp.Compare(s.ID, t.ID))
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
	if !v.list.since.IsZero() {
		s.Listed = bos.Some(v.list.count)
	}
	for _, r := range v.records {
		e := Session{Session: r.session, roster: r.roster, Err: r.trouble(), Followed: v.follows(r.session, now)}
		there := r.read && r.missing < 2
		if there {
			e.Verdict = bos.Judge(r.session, now, v.cfg.Limits)
		} else {
			e.Verdict.State = bos.StateUnknown
			e.Verdict.BootSets = make([]bos.BootSetVerdict, len(r.session.BootSets))
		}
		switch {
		case !there:
		case !e.Followed:
			s.Dropped[DroppedAge]++
		default:
			e.Exposed = v.lingers(&e, now)
		}
		s.Sessions = append(s.Sessions, e)
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
	return now.Sub(endOf(s.Session, s.Verdict.State, now)) <= v.cfg.Linger
}

// applyBudget leaves at most so many sessions exposed, the most interesting ones.
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
	slices.SortFunc(exposed, (*Session).CompareInterest)
	for _, e := range exposed[most:] {
		e.Exposed = false
	}
	s.Dropped[DroppedBudget] = len(exposed) - most
}
