// Package inventory knows the sessions that BOS holds. It reads them in sweeps
// that cost BOS as little as possible, and publishes what it knows as immutable
// snapshots.
//
// A sweep lists the sessions, and reads the description and the boot sets of
// those that are not settled. A session is settled when it has stopped and been
// read once more a minute later, or when nothing in it has moved for a day: from
// then on it is read every six to twelve hours. With A sessions of B boot sets
// each that are not settled, a sweep makes 1 + A·(1+B) requests, however many BOS
// holds.
package inventory

import (
	"cmp"
	"context"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"
	"golang.org/x/sync/errgroup"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// Config says what to follow, and how.
type Config struct {
	Client *bosclient.Client
	Logger *slog.Logger
	// Interval is the time between sweeps, the unit of all back-off.
	Interval time.Duration
	// MaxAge is how long ago a session may have started to be followed: of
	// older ones only the description is read. 0 follows all.
	MaxAge time.Duration
	// Linger is how long a session stays exposed after its end; 0 is for ever.
	Linger time.Duration
	// MaxSessions bounds how many sessions are exposed; 0 exposes all.
	MaxSessions int
	// KeepNames keeps the names of the nodes of sessions that are not settled.
	KeepNames bool
	// Limits say when a session is stuck and when abandoned.
	Limits bos.Limits
}

// Defaults that all programs share.
const (
	// DefaultMaxAge is how long ago a session may have started to be followed.
	DefaultMaxAge = 7 * 24 * time.Hour
	// DefaultStaleAfter is the age of the last good response from BOS from which what
	// is known of sessions is no longer worth telling.
	DefaultStaleAfter = 5 * time.Minute
)

const (
	// settleAfter is how long after its stop a session is read a last time:
	// BOS writes the stop time before the last moves of nodes may be in.
	settleAfter = time.Minute
	// verifyAfter is how long a settled session is taken to stay as it is; up
	// to as much again is added, so that sessions settled together part.
	verifyAfter = 6 * time.Hour
	// maxNames bounds how many names of nodes are kept of sessions at work, and as
	// many of settled ones: the three phases of 50 sessions of the largest known
	// machine.
	maxNames = 2_000_000
	// hangAfter is how long a list may take to fail without being a hang.
	hangAfter = 5 * time.Second
	// orphanAfter is how long a session that is listed and not found is left alone.
	orphanAfter = 10 * time.Minute
	// maxBackOff bounds the wait between lists that hang, maxRetry that between
	// readings of a session that fail.
	maxBackOff = 15 * time.Minute
	maxRetry   = 5 * time.Minute
)

// Inventory sweeps BOS. Sweep and Snapshot may be called concurrently.
type Inventory struct {
	cfg      Config
	snapshot atomic.Pointer[Snapshot]
	lastGood atomic.Pointer[time.Time]
	censuses sync.Pool
	maxNames int // names of nodes that a sweep may keep

	mu      sync.Mutex         // held during a sweep; guards what follows
	records map[string]*record // all listed sessions, by id
	// settled holds the ids of settled sessions until they are to be verified.
	settled *cache.Cache
	list    listHealth
	ended   *ending
	// templates holds what the templates read in this sweep say: a template
	// may be edited between two sessions that use it.
	templates *cache.Cache // name -> templateEntry
}

// listHealth is how the list request has fared.
type listHealth struct {
	err   error     // of the last one
	hangs int       // in a row
	next  time.Time // not before then, by our clock
	count int       // sessions listed by the last good one
	since time.Time // of the first good one, by the clock of BOS; zero before
}

// New returns an inventory that has seen nothing yet.
func New(cfg Config) *Inventory {
	v := &Inventory{
		cfg:       cfg,
		maxNames:  maxNames,
		censuses:  sync.Pool{New: func() any { return bos.NewCensus() }},
		records:   make(map[string]*record),
		settled:   cache.New(verifyAfter, 0),
		ended:     newEnding(cfg.MaxAge),
		templates: cache.New(cache.NoExpiration, 0),
	}
	v.snapshot.Store(&Snapshot{Completions: v.ended.clone()})
	return v
}

// Snapshot returns what the last sweep has found. It never waits.
func (v *Inventory) Snapshot() *Snapshot { return v.snapshot.Load() }

// LastGood is when BOS last gave a good answer, also in a sweep that goes on, by
// our clock; zero before the first.
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

// Sweep reads BOS and publishes a new snapshot, unless ctx ends before. What
// could not be read keeps its last good data. One sweep runs at a time.
func (v *Inventory) Sweep(ctx context.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	start := time.Now()
	v.templates.Flush()
	v.settled.DeleteExpired()

	listed, asked := v.relist(ctx)
	if listed && v.Snapshot().Swept.IsZero() {
		// The first sweep may take minutes. That BOS is up need not wait.
		first := *v.Snapshot()
		first.Up, first.ListUp, first.Listed = true, true, bos.Some(v.list.count)
		v.snapshot.Store(&first)
	}
	good, tried := v.reread(ctx, listed)
	if ctx.Err() != nil {
		return
	}
	before, after := v.Snapshot(), v.newSnapshot()
	after.Swept = time.Now()
	after.SweepDuration = after.Swept.Sub(start)
	after.Up, after.LastGood = before.Up, v.LastGood()
	if asked || tried > 0 { // else nothing has been learnt
		after.Up = listed || good > 0
	}
	v.logUp(before, after)
	v.snapshot.Store(after)
}

// relist lists the sessions and takes up new ones and forgets gone ones. A list
// that hangs holds a thread of BOS: after one, wait longer and longer.
func (v *Inventory) relist(ctx context.Context) (listed, asked bool) {
	start := time.Now()
	if start.Before(v.list.next) {
		return false, false
	}
	ids, err := v.cfg.Client.Sessions(ctx)
	if ctx.Err() != nil {
		return false, true
	}
	if err != nil {
		v.list.err = err
		if bosclient.IsTimeout(err) || time.Since(start) >= hangAfter {
			v.list.hangs++
			v.list.next = time.Now().Add(backOff(v.cfg.Interval, v.list.hangs))
		}
		return false, true
	}
	v.good()
	v.list = listHealth{count: len(ids), since: v.list.since}

	present := make(map[string]bool, len(ids))
	for _, id := range ids {
		present[id] = true
		if v.records[id] == nil {
			v.records[id] = &record{session: &bos.Session{ID: id, API: bos.APIv1}}
		}
	}
	now := v.cfg.Client.Now()
	for id, r := range v.records {
		if !present[id] {
			v.complete(r, now) // it may have stopped and not yet settled
			delete(v.records, id)
			v.settled.Delete(id)
		}
	}
	return true, true
}

// backOff is how long to leave alone what has failed so many times in a row.
func backOff(interval time.Duration, times int) time.Duration {
	wait := interval
	for range times {
		if wait >= maxBackOff {
			break
		}
		wait *= 2
	}
	return min(wait, maxBackOff)
}

// reread reads the sessions that are due, and settles those that can be.
func (v *Inventory) reread(ctx context.Context, listed bool) (good, tried int) {
	now := v.cfg.Client.Now()
	var due []*record
	for id, r := range v.records {
		if _, settled := v.settled.Get(id); !settled && v.due(r, now) {
			due = append(due, r)
		}
	}
	// Those that failed last come last, where they hold up nobody.
	slices.SortFunc(due, func(a, b *record) int {
		return cmp.Or(a.failures-b.failures, cmp.Compare(a.session.ID, b.session.ID))
	})
	records := make([]*record, len(due))
	var read, failed, run, names atomic.Int64
	// A run of sessions that hang, or, while the list fails too, that cannot be
	// read, means that BOS is down: do not spend a time-out on every session.
	giveUp := int64(max(2*v.cfg.Client.Concurrency(), 8))
	g := new(errgroup.Group)
	g.SetLimit(v.cfg.Client.Concurrency())
	for i, old := range due {
		g.Go(func() error {
			if ctx.Err() != nil || run.Load() >= giveUp {
				return nil
			}
			r := v.readSafely(ctx, old)
			if v.settles(r, v.cfg.Client.Now()) {
				r.roster = nil // not to hold all until the end
			}
			if r.roster != nil && names.Add(int64(r.roster.Size())) > int64(v.maxNames) {
				r.roster = nil // to be read again by who asks for it
			}
			if r.err == nil || listed && bosclient.ReasonOf(r.err) == bosclient.NotFound {
				v.good()
				read.Add(1)
				run.Store(0)
			} else {
				failed.Add(1)
				if !listed || bosclient.IsTimeout(r.err) {
					run.Add(1)
				}
				reason := bosclient.ReasonOf(r.err)
				if !listed && (reason == bosclient.ReasonOf(v.list.err) || reason == bosclient.NotFound) {
					return nil // the trouble is not the session's
				}
			}
			records[i] = r
			return nil
		})
	}
	_ = g.Wait() // no function returns an error
	if ctx.Err() != nil {
		return 0, 0
	}
	now = v.cfg.Client.Now()
	if listed && v.list.since.IsZero() {
		v.list.since = now
	}
	var changes []change
	for i, old := range due {
		if r := records[i]; r != nil {
			changes = append(changes, change{old, r})
			v.keep(r, now)
		}
	}
	v.logSessions(changes)
	return int(read.Load()), int(read.Load() + failed.Load())
}

// keep takes over a record and settles it if nothing more is to be expected.
func (v *Inventory) keep(r *record, now time.Time) {
	id := r.session.ID
	v.records[id] = r
	if !v.settles(r, now) {
		return
	}
	v.complete(r, now)
	r.roster = nil
	rest := orphanAfter
	if r.missing == 0 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(id)) // never fails
		rest = verifyAfter + time.Duration(h.Sum32())*time.Second%verifyAfter
	}
	v.settled.Set(id, nil, rest)
}

// complete counts a session among the completions if it ended under our eyes.
func (v *Inventory) complete(r *record, now time.Time) {
	if !r.read || r.missing > 0 || !v.follows(r.session, now) {
		return
	}
	state := bos.Judge(r.session, now, v.cfg.Limits).State
	if r.session.StopTime.IsZero() && (!state.Ended() || r.session.Obscure) {
		return
	}
	if endOf(r.session, state, now).After(v.list.since) {
		v.ended.count(r.session, state)
	}
}

// endOf is when a session in an ended state ended.
func endOf(s *bos.Session, state bos.State, now time.Time) time.Time {
	if s.StopTime.IsZero() && state.Ended() {
		return s.LastProgress(now)
	}
	return s.StopTime
}

// follows tells whether the session is young enough to be followed.
func (v *Inventory) follows(s *bos.Session, now time.Time) bool {
	return v.cfg.MaxAge == 0 || s.StartTime.IsZero() || now.Sub(s.StartTime) <= v.cfg.MaxAge
}

// logUp says when BOS, or its list, has come or gone: once per change.
func (v *Inventory) logUp(before, after *Snapshot) {
	switch {
	case after.Err == nil && (before.Err != nil || before.Swept.IsZero()):
		v.cfg.Logger.Info("BOS answers", "url", v.cfg.Client.URL(), "sessions", v.list.count)
	case after.Err != nil && (before.Up != after.Up || !bosclient.SameCause(before.Err, after.Err)):
		v.cfg.Logger.Warn("the sessions of BOS cannot be listed", "err", after.Err, "sessions_still_read", after.Up)
	}
}

// change is a record and the one that replaces it.
type change struct{ before, after *record }

// logSessions says when sessions can no longer be read or can be again: a line
// for each reason, not for each session.
func (v *Inventory) logSessions(changes []change) {
	const again bosclient.Reason = ""
	first := make(map[bosclient.Reason]*record)
	count := make(map[bosclient.Reason]int)
	for _, c := range changes {
		before, after := c.before.trouble(), c.after.trouble()
		if bosclient.SameCause(before, after) {
			continue
		}
		reason := again
		if after != nil {
			reason = bosclient.ReasonOf(after)
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
