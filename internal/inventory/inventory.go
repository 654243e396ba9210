// Package inventory knows the sessions that BOS holds. It reads them in sweeps
// that cost BOS as little as possible, and publishes what it knows as immutable
// snapshots.
//
// A sweep lists the sessions, and reads the description and the boot sets of
// those that are not settled. A session is settled when it has stopped and been
// read once more a minute later, or when nothing in it has moved for a day: from
// then on it costs nothing. With A sessions of B boot sets each that are not
// settled, a sweep makes 1 + A·(1+B) requests, however many BOS holds.
package inventory

import (
	"context"
	"hash/fnv"
	"log/slog"
	"maps"
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
	// Interval is the time between sweeps, the unit of the list's back-off.
	Interval time.Duration
	// Concurrency is how many requests may be under way at once.
	Concurrency int
	// MaxAge is how long ago a session may have started to be followed: of
	// older ones only the description is read, once. 0 follows all.
	MaxAge time.Duration
	// Linger is how long a session stays exposed after its end; 0 is for ever.
	Linger time.Duration
	// MaxSessions bounds how many sessions are exposed; 0 exposes all.
	MaxSessions int
	// Limits say when a session is stuck and when abandoned.
	Limits bos.Limits
}

const (
	// settleAfter is how long after its stop a session is read a last time:
	// BOS writes the stop time before the last moves of nodes may be in.
	settleAfter = time.Minute
	// verifyAfter is how long a settled session is taken to stay as it is; up
	// to as much again is added, so that sessions settled together part.
	verifyAfter = 6 * time.Hour
	// templateTTL is how long the boot set names of a template are remembered.
	templateTTL = 10 * time.Minute
	// maxListBackOff bounds the wait between lists that time out.
	maxListBackOff = 15 * time.Minute
)

// Inventory sweeps BOS. Sweep and Snapshot may be called concurrently.
type Inventory struct {
	cfg       Config
	snapshot  atomic.Pointer[Snapshot]
	templates *cache.Cache // template name -> templateEntry
	censuses  sync.Pool

	mu      sync.Mutex         // held during a sweep; guards what follows
	open    map[string]*record // sessions that are not settled, by id
	settled *cache.Cache       // id -> *record; what expires goes back to open
	list    listHealth
	ended   Completions
	listed  bool // there has been a good list
}

// listHealth is how the list request has fared.
type listHealth struct {
	err      error     // of the last one
	timeouts int       // in a row
	next     time.Time // not before then, by our clock
	count    int       // sessions listed by the last good one
}

// New returns an inventory that has seen nothing yet.
func New(cfg Config) *Inventory {
	v := &Inventory{
		cfg:       cfg,
		templates: cache.New(templateTTL, 0),
		censuses:  sync.Pool{New: func() any { return bos.NewCensus() }},
		open:      make(map[string]*record),
		settled:   cache.New(verifyAfter, 0),
		ended:     newCompletions(),
	}
	v.settled.OnEvicted(func(id string, r any) { v.open[id] = r.(*record) })
	v.snapshot.Store(&Snapshot{Completions: v.ended.clone()})
	return v
}

// Snapshot returns what the last sweep has found. It never waits.
func (v *Inventory) Snapshot() *Snapshot { return v.snapshot.Load() }

// Sweep reads BOS and publishes a new snapshot, unless ctx ends before. What
// could not be read keeps its last good data. One sweep runs at a time.
func (v *Inventory) Sweep(ctx context.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	start := time.Now()
	v.templates.DeleteExpired()
	listed, asked := v.relist(ctx)
	good, tried := v.reread(ctx, listed)
	if ctx.Err() != nil {
		return
	}
	v.listed = v.listed || listed
	before, after := v.Snapshot(), v.newSnapshot()
	after.SweepDuration = time.Since(start)
	after.Up, after.LastGood = before.Up, before.LastGood
	if asked || tried > 0 { // else nothing has been learnt
		after.Up = listed || good > 0
	}
	if listed || good > 0 {
		after.LastGood = time.Now()
	}
	v.logUp(before, after)
	v.snapshot.Store(after)
}

// relist lists the sessions and takes up new ones and forgets gone ones. A list
// that hangs holds a thread of BOS: after one, wait longer and longer.
func (v *Inventory) relist(ctx context.Context) (listed, asked bool) {
	if time.Now().Before(v.list.next) {
		return false, false
	}
	ids, err := v.cfg.Client.Sessions(ctx)
	if ctx.Err() != nil {
		return false, true
	}
	if err != nil {
		v.list.err = err
		if bosclient.IsTimeout(err) {
			v.list.next = time.Now().Add(listBackOff(v.cfg.Interval, v.list.timeouts))
			v.list.timeouts++
		}
		return false, true
	}
	v.list = listHealth{count: len(ids)}

	v.settled.DeleteExpired()
	present := make(map[string]bool, len(ids))
	for _, id := range ids {
		present[id] = true
		if _, ok := v.settled.Get(id); !ok && v.open[id] == nil {
			v.open[id] = &record{session: &bos.Session{ID: id, API: bos.APIv1}}
		}
	}
	for id := range v.settled.Items() {
		if !present[id] {
			v.settled.Delete(id) // into open, and out of it below
		}
	}
	maps.DeleteFunc(v.open, func(id string, _ *record) bool { return !present[id] })
	return true, true
}

// listBackOff is how long to leave the list alone after so many time-outs before
// the present one.
func listBackOff(interval time.Duration, timeouts int) time.Duration {
	wait := 2 * interval
	for range timeouts {
		if wait >= maxListBackOff {
			break
		}
		wait *= 2
	}
	return min(wait, maxListBackOff)
}

// reread reads the sessions that are due, and settles those that can be.
func (v *Inventory) reread(ctx context.Context, listed bool) (good, tried int) {
	now := v.cfg.Client.Now()
	var due []string
	for id, r := range v.open {
		if r.due(now) {
			due = append(due, id)
		}
	}
	slices.Sort(due)
	records := make([]*record, len(due))
	var read, failed atomic.Int64
	// While the list fails, too, a run of failures without a success means that
	// BOS is down: do not spend a time-out on every session.
	giveUp := int64(max(2*v.cfg.Concurrency, 8))
	g := new(errgroup.Group)
	g.SetLimit(v.cfg.Concurrency)
	for i, id := range due {
		g.Go(func() error {
			if ctx.Err() != nil || !listed && read.Load() == 0 && failed.Load() >= giveUp {
				return nil
			}
			r := v.read(ctx, v.open[id])
			if r.err == nil || listed && bosclient.ReasonOf(r.err) == bosclient.NotFound {
				read.Add(1)
			} else {
				failed.Add(1)
				if !listed && bosclient.ReasonOf(r.err) == bosclient.ReasonOf(v.list.err) {
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
	var changes []change
	for i, id := range due {
		if r := records[i]; r != nil {
			changes = append(changes, change{v.open[id], r})
			v.keep(r, now)
		}
	}
	v.logSessions(changes)
	return int(read.Load()), int(read.Load() + failed.Load())
}

// change is a record and the one that replaces it.
type change struct{ before, after *record }

// keep takes over a record and settles it if nothing more is to be expected.
func (v *Inventory) keep(r *record, now time.Time) {
	id := r.session.ID
	if !v.settles(r, now) {
		v.open[id] = r
		return
	}
	if !r.counted && !r.stopSeen.IsZero() && v.follows(r.session, now) {
		r.counted = true
		v.ended.add(r.session, bos.Judge(r.session, now, v.cfg.Limits).State)
	}
	delete(v.open, id)
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	v.settled.Set(id, r, verifyAfter+time.Duration(h.Sum32())*time.Second%verifyAfter)
}

// follows tells whether the session is young enough to be followed.
func (v *Inventory) follows(s *bos.Session, now time.Time) bool {
	return v.cfg.MaxAge == 0 || s.StartTime.IsZero() || now.Sub(s.StartTime) <= v.cfg.MaxAge
}

// logUp says when BOS, or its list, has come or gone: once per change.
func (v *Inventory) logUp(before, after *Snapshot) {
	switch {
	case after.Err == nil && (before.Err != nil || before.Time.IsZero()):
		v.cfg.Logger.Info("BOS answers", "url", v.cfg.Client.URL(), "sessions", v.list.count)
	case after.Err != nil && (before.Err == nil || before.Up != after.Up || bosclient.ReasonOf(before.Err) != bosclient.ReasonOf(after.Err)):
		v.cfg.Logger.Warn("the sessions of BOS cannot be listed", "err", after.Err, "sessions_still_read", after.Up)
	}
}

// logSessions says when sessions can no longer be read or can be again: a line
// for each reason, not for each session.
func (v *Inventory) logSessions(changes []change) {
	const again bosclient.Reason = ""
	first := make(map[bosclient.Reason]change)
	count := make(map[bosclient.Reason]int)
	for _, c := range changes {
		was, is := again, again
		if c.before.err != nil {
			was = bosclient.ReasonOf(c.before.err)
		}
		if c.after.err != nil {
			is = bosclient.ReasonOf(c.after.err)
		}
		if was == is {
			continue
		}
		if count[is]++; count[is] == 1 {
			first[is] = c
		}
	}
	for reason, n := range count {
		id := first[reason].after.session.ID
		if reason == again {
			v.cfg.Logger.Info("sessions can be read again", "sessions", n, "first", id)
		} else {
			v.cfg.Logger.Warn("sessions cannot be read; their last good data stands", "sessions", n, "first", id, "err", first[reason].after.err)
		}
	}
}
