// Package inventory keeps track of the sessions that BOS holds. It reads them in
// sweeps that cost BOS as little as possible, and publishes what it knows as
// immutable snapshots.
//
// A sweep lists the sessions, and reads the description and the boot sets of
// those that are not settled. A session is settled when it has stopped and been
// read once more a minute later, or when nothing in it has moved for a day: from
// then on it is verified every six to twelve hours. With A unsettled sessions of B boot
// sets each, a sweep makes 1 + A·(1+B) requests, however many sessions BOS holds.
// Sessions beyond the maximum age are read once, too, a few in each sweep.
package inventory

import (
	"hash/fnv"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Config says which sessions to follow, and how.
type Config struct {
	// APIs are those that are read. All sessions are of one of them.
	APIs []API
	// URL is the address of BOS, for people.
	URL string
	// Now is the time by the clock of BOS.
	Now func() time.Time
	// Concurrency is the maximum number of sessions that are read at once.
	Concurrency int
	Logger      *slog.Logger
	// Interval is the time between sweeps. A list that hangs is left alone for at
	// least twice as long.
	Interval time.Duration
	// MaxAge is how long ago a session may have started and still be exposed. Older ones
	// that are found at the start are read little by little. 0 is no maximum.
	MaxAge time.Duration
	// Linger is how long a session stays exposed after its end; 0 keeps it exposed
	// for as long as BOS lists it.
	Linger time.Duration
	// MaxSessions limits how many sessions are exposed; 0 exposes all.
	MaxSessions int
	// Limits say when a session counts as stuck and when as abandoned.
	Limits bos.Limits
}

// Defaults that all programs share.
const (
	// DefaultMaxAge is how long ago a session may have started to be exposed.
	DefaultMaxAge = 7 * 24 * time.Hour
	// DefaultStaleAfter is the age of the last good response from BOS from which what
	// is known of sessions is no longer worth telling.
	DefaultStaleAfter = 5 * time.Minute
)

// Inventory sweeps BOS. Sweep and Snapshot may be called concurrently.
type Inventory struct {
	cfg      Config
	board    board
	lastGood atomic.Pointer[time.Time]
	nodes    nodeKeeper
	begun    atomic.Int64  // number of sweeps that have begun
	follows  chan follower // received by a sweep under way

	turn    chan struct{} // holds an element during a sweep; guards what follows
	sources []*source
	records map[bos.Key]*record // all listed sessions
	// settled holds the keys of settled sessions until they are due to be verified.
	settled *cache.Cache
	// gone holds the records of sessions that have left the list.
	gone  *cache.Cache
	ended Completions
}

// source is an API, and how its list has fared.
type source struct {
	api     API
	err     error // of the last list
	backOff backOff
	at      time.Time // of the last good list, by our clock
	wholeAt time.Time // of the last list of all sessions that was good or timed out, by our clock
	since   time.Time // of the first good list, by the clock of BOS; zero before
	listed  bool      // whether this sweep has a good list
	asked   bool      // whether this sweep has asked for one
}

// New returns an inventory that has seen nothing yet.
func New(cfg Config) *Inventory {
	v := &Inventory{
		cfg:     cfg,
		follows: make(chan follower),
		turn:    make(chan struct{}, 1),
		nodes:   newNodeKeeper(maxNodeBytes),
		records: make(map[bos.Key]*record),
		settled: cache.New(verifyAfter, 0),
		gone:    cache.New(rememberFor, 0),
		ended:   newCompletions(),
	}
	for _, api := range cfg.APIs {
		v.sources = append(v.sources, &source{api: api})
	}
	v.board.put(&Snapshot{Nodes: v.nodes.table(), Completions: v.ended.clone()})
	return v
}

// Snapshot returns what the last sweep has found, or one under way so far. It never waits.
func (v *Inventory) Snapshot() *Snapshot { return v.board.snapshot.Load() }

// Address returns the URL of a session, or of BOS where its API is not known.
func (v *Inventory) Address(k bos.Key) string {
	if src := v.source(k); src != nil {
		return src.api.Address(k)
	}
	return v.cfg.URL
}

// source returns the one that the session is of, or nil. The sources never change.
func (v *Inventory) source(k bos.Key) *source {
	for _, src := range v.sources {
		if src.api.Name() == k.API {
			return src
		}
	}
	return nil
}

// LastGood is the time of the last good response from BOS, that of a sweep under way
// included, by our clock; zero before the first.
func (v *Inventory) LastGood() time.Time {
	if t := v.lastGood.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

func (v *Inventory) good() {
	now := time.Now()
	v.lastGood.Store(&now)
}

// keep takes over a record and settles it if nothing more is to be expected.
func (v *Inventory) keep(r *record, now time.Time) {
	key := r.session.Key()
	if before := v.records[key]; !r.session.SameAs(before.session) {
		v.complete(before, now) // its id is used again
	}
	v.records[key] = r
	if !v.settles(r, now) {
		return
	}
	v.complete(r, now)
	h := fnv.New32a()
	_, _ = h.Write([]byte(key.String())) // never fails
	v.settled.Set(key.String(), nil, verifyAfter+time.Duration(h.Sum32())*time.Second%verifyAfter)
}

// drop forgets a session that BOS no longer lists, but for what tells that it is not a
// new one if it turns up again.
func (v *Inventory) drop(r *record, now time.Time) {
	key := r.session.Key()
	v.complete(r, now) // it may have stopped and not yet settled
	delete(v.records, key)
	v.settled.Delete(key.String())
	if v.gone.ItemCount() == maxGone {
		return
	}
	left := r.withoutNodes()
	left.backOff = backOff{}
	v.gone.SetDefault(key.String(), left)
}

// complete counts a session as completed, once, if it ended while BOS was being
// watched.
func (v *Inventory) complete(r *record, now time.Time) {
	if r.counted || !r.known() || r.session.StopTime.IsZero() && !v.young(r.session, now) {
		return
	}
	verdict := bos.Judge(r.session, now, v.cfg.Limits)
	if verdict.Ending == bos.Ended && verdict.End.After(v.source(r.session.Key()).since) {
		v.ended.add(r.session, verdict.State)
		r.counted = true
	}
}

// logUp logs when BOS, or its list, comes or goes: once per change.
func (v *Inventory) logUp(before, after *Snapshot) {
	switch {
	case after.Err == nil && !before.ListUp:
		v.cfg.Logger.Info("BOS answers", "url", v.cfg.URL, "sessions", after.Listed.Value)
	case after.Err != nil && (before.Up != after.Up || !bos.SameCause(before.Err, after.Err)):
		v.cfg.Logger.Warn("the sessions of BOS cannot be listed", "err", after.Err, "sessions_still_read", after.Up)
	}
}

// change is a record and the one that replaces it.
type change struct{ before, after *record }

// logSessions logs when sessions can no longer be read, or can be read again: a line
// for each reason, not for each session.
func (v *Inventory) logSessions(changes []change) {
	const again bos.Reason = ""
	first := make(map[bos.Reason]*record)
	count := make(map[bos.Reason]int)
	for _, c := range changes {
		before, after := c.before.trouble(), c.after.trouble()
		if bos.SameCause(before, after) {
			continue
		}
		reason := again
		if after != nil {
			reason = bos.ReasonOf(after)
		}
		if count[reason]++; count[reason] == 1 {
			first[reason] = c.after
		}
	}
	for reason, n := range count {
		r := first[reason]
		if reason == again {
			v.cfg.Logger.Info("sessions can be read again", "sessions", n, "first", r.session.ID)
		} else {
			v.cfg.Logger.Warn("sessions cannot be read whole; their last good data stands", "sessions", n, "first", r.session.ID, "err", r.trouble())
		}
	}
}
