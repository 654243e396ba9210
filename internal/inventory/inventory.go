// Package inventory keeps track of the sessions that BOS holds. It reads them in
// sweeps that cost BOS as little as possible, and publishes what it knows as
// immutable snapshots.
//
// A sweep lists the sessions, and reads the description and the boot sets of
// those that are not settled. A session is settled when it has stopped and been
// read once more a minute later, or when nothing in it has moved for a day: from
// then on it is read every six to twelve hours. With A unsettled sessions of B boot
// sets each, a sweep makes 1 + A·(1+B) requests, however many sessions BOS holds.
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

// Config says which sessions to follow, and how.
type Config struct {
	Client *bosclient.Client
	Logger *slog.Logger
	// Interval is the time between sweeps. A list that hangs is left alone for at
	// least twice as long.
	Interval time.Duration
	// MaxAge is how long ago a session may have started and still be followed: of
	// older ones only the description is read. 0 follows all.
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
	// DefaultMaxAge is how long ago a session may have started to be followed.
	DefaultMaxAge = 7 * 24 * time.Hour
	// DefaultStaleAfter is the age of the last good response from BOS from which what
	// is known of sessions is no longer worth telling.
	DefaultStaleAfter = 5 * time.Minute
)

const (
	// settleAfter is how long after its stop a session is read for the last time:
	// BOS may write the stop time before it has recorded the last moves of nodes.
	settleAfter = time.Minute
	// verifyAfter is how long a settled session is trusted to stay as it is; up to
	// as much again is added, so that sessions settled together drift apart.
	verifyAfter = 6 * time.Hour
	// maxNodeBytes limits what is kept of the nodes of all sessions: 1,000 sessions of
	// 12,000 nodes take a third of it.
	maxNodeBytes = 64 << 20
	// hangAfter is the time from which a list that fails counts as one that hangs.
	hangAfter = 5 * time.Second
	// believeAfter is how long BOS must keep saying that a session it lists, or a part
	// of an ended one, does not exist before it is believed.
	believeAfter = 10 * time.Minute
	// rememberFor is how long a session that has left the list is remembered: lists
	// that lack some sessions for a while make none of them new.
	rememberFor = 24 * time.Hour
	// maxHangWait limits the wait between lists that hang, maxRetryWait that between
	// failed readings of a session, and maxOrphanWait that between readings of a
	// session that is listed but does not exist.
	maxHangWait   = 15 * time.Minute
	maxRetryWait  = 5 * time.Minute
	maxOrphanWait = 10 * time.Minute
)

// Inventory sweeps BOS. Sweep and Snapshot may be called concurrently.
type Inventory struct {
	cfg      Config
	snapshot atomic.Pointer[Snapshot]
	lastGood atomic.Pointer[time.Time]
	nodes    nodeKeeper
	begun    atomic.Int64 // number of sweeps that have begun

	mu      sync.Mutex         // held during a sweep; guards what follows
	records map[string]*record // all listed sessions, by id
	// settled holds the ids of settled sessions until they are due to be verified.
	settled *cache.Cache
	// gone holds the records of sessions that have left the list, by id.
	gone  *cache.Cache
	list  listHealth
	ended Completions
	// templates holds the templates read in this sweep: one may be edited between
	// two sessions that use it.
	templates *cache.Cache // name -> templateEntry
}

// listHealth is how the list request has fared.
type listHealth struct {
	err     error // of the last one
	backOff backOff
	count   int       // sessions listed by the last good one
	at      time.Time // of the last good one, by our clock
	since   time.Time // of the first good one, by the clock of BOS; zero before
}

// New returns an inventory that has seen nothing yet.
func New(cfg Config) *Inventory {
	v := &Inventory{
		cfg:       cfg,
		nodes:     newNodeKeeper(maxNodeBytes),
		records:   make(map[string]*record),
		settled:   cache.New(verifyAfter, 0),
		gone:      cache.New(rememberFor, 0),
		ended:     newCompletions(),
		templates: cache.New(cache.NoExpiration, 0),
	}
	v.snapshot.Store(&Snapshot{Completions: v.ended.clone()})
	return v
}

// Snapshot returns what the last sweep has found. It never waits.
func (v *Inventory) Snapshot() *Snapshot { return v.snapshot.Load() }

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

// Sweep reads BOS and publishes a new snapshot, unless ctx ends first. What could not
// be read keeps its last good data. One sweep runs at a time.
func (v *Inventory) Sweep(ctx context.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	number := v.begun.Add(1)
	start := time.Now()
	v.templates.Flush()
	v.settled.DeleteExpired()
	v.gone.DeleteExpired()

	listed, asked := v.relist(ctx)
	if listed && v.Snapshot().Swept.IsZero() {
		// The first sweep may take minutes. The news that BOS is up need not wait.
		first := *v.Snapshot()
		first.Up, first.ListUp, first.Listed = true, true, bos.Some(v.list.count)
		v.snapshot.Store(&first)
	}
	var good, tried int
	if bosclient.ReasonOf(v.list.err) != bosclient.Unauthorized {
		good, tried = v.reread(ctx, listed)
	} // else everything would be refused, at the price of a new token each time
	if ctx.Err() != nil {
		return
	}
	before, after := v.Snapshot(), v.newSnapshot()
	after.sweep = number
	after.Swept = time.Now()
	after.SweepDuration = after.Swept.Sub(start)
	after.Up, after.LastGood = before.Up, v.LastGood()
	if asked || tried > 0 { // otherwise nothing has been learnt
		after.Up = listed || good > 0
	}
	v.logUp(before, after)
	v.snapshot.Store(after)
}

// relist lists the sessions, takes up new ones and drops those that have gone. A list
// that hangs holds a thread of BOS: after one, wait longer and longer.
func (v *Inventory) relist(ctx context.Context) (listed, asked bool) {
	start := time.Now()
	if !v.list.backOff.over() {
		return false, false
	}
	ids, err := v.cfg.Client.Sessions(ctx)
	if ctx.Err() != nil {
		return false, true
	}
	if err != nil {
		v.list.err = err
		if bosclient.IsTimeout(err) || time.Since(start) >= hangAfter {
			v.list.backOff.failed(2*v.cfg.Interval, maxHangWait)
		} else {
			v.list.backOff = backOff{}
		}
		v.list.backOff.heed(err)
		return false, true
	}
	v.good()
	v.list = listHealth{count: len(ids), at: time.Now(), since: v.list.since}

	present := make(map[string]bool, len(ids))
	for _, id := range ids {
		present[id] = true
		if v.records[id] != nil {
			continue
		}
		r := newRecord(id)
		r.session.Preexisting = v.list.since.IsZero()
		if known, ok := v.gone.Get(id); ok {
			r = known.(*record)
			v.gone.Delete(id)
		}
		v.records[id] = r
	}
	now := v.cfg.Client.Now()
	for id, r := range v.records {
		if !present[id] {
			v.complete(r, now) // it may have stopped and not yet settled
			delete(v.records, id)
			v.settled.Delete(id)
			left := r.withoutNodes()
			left.backOff = backOff{}
			v.gone.SetDefault(id, left)
		}
	}
	return true, true
}

// reread reads the sessions that are due, and settles those that can be.
func (v *Inventory) reread(ctx context.Context, listed bool) (good, tried int) {
	now := v.cfg.Client.Now()
	var due []*record
	for id, r := range v.records {
		_, settled := v.settled.Get(id)
		switch {
		case !settled && r.due(now):
			due = append(due, r)
		case settled || r.trouble() == nil && r.backOff.over():
			r.asOf = time.Now() // nothing more is expected of it for now
		}
	}
	// Those that fail come last, where they hold up no others, and of these first the
	// one that has been left alone for the longest.
	slices.SortFunc(due, func(a, b *record) int {
		return cmp.Or(a.backOff.next.Compare(b.backOff.next), cmp.Compare(a.session.ID, b.session.ID))
	})
	records := make([]*record, len(due))
	var read, failed, run atomic.Int64
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
					old.backOff.heed(r.err)
					return nil // the trouble is not with the session
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

// follow reads a session with its boot sets, whatever its age, and publishes a snapshot
// that has them. If it cannot be read, nothing of what is known changes.
func (v *Inventory) follow(ctx context.Context, id string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.records[id]
	if old == nil {
		return &bosclient.Error{Reason: bosclient.NotFound, URL: v.cfg.Client.URL() + "/v1/session", Detail: "BOS lists no session " + id}
	}
	if old.asked && old.table != nil {
		return nil // somebody else has asked meanwhile
	}
	always := func(*bos.Session, time.Time) bool { return true }
	r := v.read(ctx, old, always)
	if r.err != nil {
		return r.err
	}
	r.asked = true
	v.keep(r, v.cfg.Client.Now())
	before, after := v.Snapshot(), v.newSnapshot()
	after.Up, after.LastGood, after.Swept, after.SweepDuration, after.sweep = before.Up, v.LastGood(), before.Swept, before.SweepDuration, before.sweep
	v.snapshot.Store(after)
	return nil
}

// keep takes over a record and settles it if nothing more is to be expected.
func (v *Inventory) keep(r *record, now time.Time) {
	id := r.session.ID
	if before := v.records[id]; !r.session.SameAs(before.session) {
		v.complete(before, now) // its id is used again
	}
	v.records[id] = r
	if !v.settles(r, now) {
		return
	}
	v.complete(r, now)
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	v.settled.Set(id, nil, verifyAfter+time.Duration(h.Sum32())*time.Second%verifyAfter)
}

// complete counts a session as completed, once, if it ended while BOS was being
// watched.
func (v *Inventory) complete(r *record, now time.Time) {
	if r.counted || !r.there() || !v.follows(r.session, now) {
		return
	}
	verdict := bos.Judge(r.session, now, v.cfg.Limits)
	if verdict.Ending == bos.Ended && verdict.End.After(v.list.since) {
		v.ended.add(r.session, verdict.State)
		r.counted = true
	}
}

// follows tells whether the session is young enough to be followed.
func (v *Inventory) follows(s *bos.Session, now time.Time) bool {
	return v.cfg.MaxAge == 0 || s.StartTime.IsZero() || now.Sub(s.StartTime) <= v.cfg.MaxAge
}

// logUp logs when BOS, or its list, comes or goes: once per change.
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

// logSessions logs when sessions can no longer be read, or can be read again: a line
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
