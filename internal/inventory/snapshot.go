package inventory

import (
	"cmp"
	"slices"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Reasons why a session is listed but not exposed. Each session has one at most: the first
// of these that fits.
const (
	DroppedUnread = "unread"  // it has not been read yet, or cannot be
	DroppedAge    = "max_age" // it started too long ago
	DroppedLinger = "linger"  // it ended too long ago
	// DroppedDuplicate: a newer session of the other API has the same name and tenant, and
	// series are told apart by these alone.
	DroppedDuplicate = "duplicate"
	DroppedBudget    = "max" // it is beyond the number of sessions that may be exposed
)

// DroppedReasons lists these reasons.
var DroppedReasons = []string{DroppedUnread, DroppedAge, DroppedLinger, DroppedDuplicate, DroppedBudget}

// Snapshot is what is known after a sweep, or, if Swept says so, during one that takes
// long. Nothing in it is ever written again.
type Snapshot struct {
	// Time is when the snapshot was made and its sessions were judged, by the
	// clock of BOS.
	Time time.Time
	// Up tells whether BOS gave any good response during the last sweep, or during the one
	// under way.
	Up bool
	// ListUp tells whether the last request for the list succeeded.
	ListUp bool
	// Err is why the last request for the list failed.
	Err error
	// LastGood is the time of the last good response from BOS by the end of the last sweep, or
	// so far in the first one, by our clock; zero before the first.
	LastGood time.Time
	// ListedAt is the time since which BOS has answered the lists of all its APIs, by our
	// clock; zero until it has answered each of them.
	ListedAt time.Time
	// Swept is when the last sweep ended, well or not, by our clock; zero before the
	// first has ended.
	Swept time.Time
	// SweepDuration is how long that sweep took.
	SweepDuration time.Duration
	// Listed is the number of sessions of the last good list.
	Listed bos.Optional[int]
	// Nodes names the nodes in the node sets of the sessions.
	Nodes *bos.NodeTable
	// Sessions holds every listed session, ordered by key.
	Sessions []Session
	// Dropped counts the sessions that are not exposed, by reason.
	Dropped map[string]int
	// Machine counts the nodes of BOS v2; nil unless somebody reads them: see WithMachine.
	Machine *bos.Machine
	// Completions counts the sessions that have ended while BOS was being watched.
	Completions Completions

	sweep  int64 // number of the last sweep that has ended
	during int64 // number of the sweep that has found this, ended or not
}

// Sweeping reports whether the sweep that has found this was still under way.
func (s *Snapshot) Sweeping() bool { return s.during > s.sweep }

// Session is a listed session.
type Session struct {
	*bos.Session // as last read well; only its id if it never was
	Verdict      bos.Verdict
	// Err is why the last reading failed or is incomplete.
	Err error
	// AsOf is when what is shown was last known to hold, by our clock: the last good
	// reading or, as long as nothing more is expected of the session, the last sweep.
	// It is zero if the session was never read.
	AsOf time.Time
	// Unread is set before its boot sets have been read for the first time. Err says so if
	// that was tried.
	Unread bool
	// Gone is set when BOS lists the session, but has said often enough that there is none.
	Gone bool
	// ToRead is set while a sweep is under way that has yet to read the session.
	ToRead bool
	// Unnamed is set when its nodes are counted, but not known by name: what is kept of
	// nodes is limited, and an API may have kept no more than their number.
	Unnamed bool
	// Exposed tells whether the session has series of its own: it could be
	// read, is young enough, has not ended long ago and is within the budget.
	Exposed bool
}

// Session returns the session with this key, if it is listed.
func (s *Snapshot) Session(key bos.Key) (e *Session, listed bool) {
	i, listed := slices.BinarySearchFunc(s.Sessions, key, func(e Session, key bos.Key) int { return e.Key().Compare(key) })
	if !listed {
		return &Session{Session: &bos.Session{}}, false
	}
	return &s.Sessions[i], true
}

// NewestFirst orders sessions as bos.NewestFirst does.
func NewestFirst(s, t *Session) int { return bos.NewestFirst(s.Session, t.Session) }

// CompareInterest orders sessions for people: those at work first, and of each kind
// the newest first.
func (s *Session) CompareInterest(t *Session) int {
	atRest := func(s *Session) int {
		if s.Verdict.State.Ended() || s.Verdict.State == bos.StateAbandoned {
			return 1
		}
		return 0
	}
	return cmp.Or(atRest(s)-atRest(t), NewestFirst(s, t))
}

// WithoutSessions returns the snapshot without what goes stale.
func (s *Snapshot) WithoutSessions() *Snapshot {
	t := *s
	t.Listed, t.Sessions, t.Dropped, t.Machine = bos.Optional[int]{}, nil, nil, nil
	return &t
}

// WithMachine returns the snapshot with what has been read of the nodes.
func (s *Snapshot) WithMachine(m *bos.Machine) *Snapshot {
	t := *s
	t.Machine = m
	return &t
}

// newSnapshot returns a snapshot of what is known now, as of the last sweep.
func (v *Inventory) newSnapshot() *Snapshot {
	now, last := v.cfg.Now(), v.Snapshot()
	s := &Snapshot{
		Time:          now,
		Up:            last.Up,
		ListUp:        true,
		LastGood:      v.LastGood(),
		Swept:         last.Swept,
		SweepDuration: last.SweepDuration,
		Dropped:       make(map[string]int),
		Completions:   v.ended.clone(),
		sweep:         last.sweep,
		during:        last.sweep,
	}
	for i, src := range v.sources {
		if src.err != nil {
			s.ListUp, s.Err = false, cmp.Or(s.Err, src.err)
		}
		if i == 0 || src.at.Before(s.ListedAt) {
			s.ListedAt = src.at
		}
		if src.listed || !src.since.IsZero() {
			s.Listed = bos.Some(len(v.records))
		}
	}
	s.Nodes = v.nodes.unite(v.records)
	for _, r := range v.records {
		e := Session{Session: r.session, Verdict: v.verdict(r, now), Err: r.trouble(), AsOf: r.asOf, Unread: !r.read, Gone: r.letGo, Unnamed: r.unnamed()}
		switch {
		case !r.known():
			s.Dropped[DroppedUnread]++
		case !v.young(r.session, now):
			s.Dropped[DroppedAge]++
		case !v.lingers(&e, now):
			s.Dropped[DroppedLinger]++
		default:
			e.Exposed = true
		}
		s.Sessions = append(s.Sessions, e)
	}
	slices.SortFunc(s.Sessions, func(a, b Session) int { return a.Key().Compare(b.Key()) })
	s.dropDuplicates()
	if v.cfg.MaxSessions > 0 {
		s.applyBudget(v.cfg.MaxSessions)
	}
	return s
}

// verdict judges a session.
func (v *Inventory) verdict(r *record, now time.Time) bos.Verdict {
	if r.known() {
		return bos.Judge(r.session, now, v.cfg.Limits)
	}
	unknown := bos.Verdict{State: bos.StateUnknown}
	for i := range r.session.BootSets {
		b := bos.BootSetVerdict{State: bos.StateUnknown}
		for range r.session.BootSets[i].Phases {
			b.Phases = append(b.Phases, bos.StateUnknown)
		}
		unknown.BootSets = append(unknown.BootSets, b)
	}
	if !r.read && r.trouble() == nil {
		unknown.State = bos.StateUnread
	}
	if r.there() && !r.session.StopTime.IsZero() {
		unknown.Ending, unknown.End = bos.Ended, r.session.StopTime
	}
	return unknown
}

// lingers tells whether the session is unfinished or ended recently enough. One of
// which that cannot be known goes by the last that is known of it.
func (v *Inventory) lingers(s *Session, now time.Time) bool {
	if v.cfg.Linger == 0 || s.Verdict.Ending == bos.NotEnded {
		return true
	}
	end := s.Verdict.End
	if s.Verdict.Ending == bos.Unknowable {
		end = s.LastProgress(now)
	}
	return now.Sub(end) <= v.cfg.Linger
}

// dropDuplicates leaves one session exposed of those that have the same name and tenant:
// the newest. They stand side by side.
func (s *Snapshot) dropDuplicates() {
	var kept *Session
	for i := range s.Sessions {
		e := &s.Sessions[i]
		switch {
		case !e.Exposed:
			continue
		case kept == nil || kept.ID != e.ID || kept.Tenant != e.Tenant:
			kept = e
			continue
		case NewestFirst(e, kept) < 0:
			kept, e = e, kept
		}
		e.Exposed = false
		s.Dropped[DroppedDuplicate]++
	}
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
