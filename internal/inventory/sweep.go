package inventory

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Sweep reads BOS and publishes a new snapshot, unless ctx ends first. What could not
// be read keeps its last good data. One sweep runs at a time.
func (v *Inventory) Sweep(ctx context.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	number := v.begun.Add(1)
	start := time.Now()
	v.settled.DeleteExpired()
	v.gone.DeleteExpired()

	listed, asked := false, false
	for _, src := range v.sources {
		v.relist(ctx, src)
		listed, asked = listed || src.listed, asked || src.asked
	}
	if listed && v.Snapshot().Swept.IsZero() {
		// The first sweep may take minutes. The news that BOS is up need not wait.
		first := *v.Snapshot()
		first.Up, first.ListUp, first.Listed = true, true, bos.Some(len(v.records))
		v.snapshot.Store(&first)
	}
	due := v.due()
	outcome := v.readAll(ctx, due)
	if ctx.Err() != nil {
		return
	}
	v.keepAll(due, outcome.records)
	before, after := v.Snapshot(), v.newSnapshot()
	after.sweep = number
	after.Swept = time.Now()
	after.SweepDuration = after.Swept.Sub(start)
	after.Up, after.LastGood = before.Up, v.LastGood()
	if good := outcome.good.Load(); asked || good+outcome.failed.Load() > 0 { // otherwise nothing has been learnt
		after.Up = listed || good > 0
	}
	v.logUp(before, after)
	v.snapshot.Store(after)
}

// relist lists the sessions, takes up new ones and drops those that have gone. A list
// that hangs holds a thread of BOS: after one, wait longer and longer.
func (v *Inventory) relist(ctx context.Context, src *source) {
	start := time.Now()
	src.listed, src.asked = false, false
	if !src.backOff.over() || ctx.Err() != nil {
		return
	}
	src.asked = true
	all := start.Sub(src.wholeAt) >= listAllEvery
	listing, err := src.api.List(ctx, all)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		src.err = err
		v.outdate(src)
		if all && bos.IsTimeout(err) {
			src.wholeAt = start // a list without ended sessions may be short enough
		}
		if bos.IsTimeout(err) || time.Since(start) >= hangAfter {
			src.backOff.failed(2*v.cfg.Interval, maxHangWait)
		} else {
			src.backOff = backOff{}
		}
		src.backOff.heed(err)
		return
	}
	src.err, src.backOff, src.at = nil, backOff{}, time.Now()
	if listing.Absent {
		src.asked, src.wholeAt = false, time.Time{}
		v.take(src, Listing{})
		return
	}
	v.good()
	src.listed = true
	if !listing.Partial {
		src.wholeAt = src.at
	}
	v.take(src, listing)
}

// outdate drops what the last list told about its sessions: without a new one, each is to
// be described by itself.
func (v *Inventory) outdate(src *source) {
	for key, r := range v.records {
		if key.API == src.api.Name() {
			r.listed.Description = nil
		}
	}
}

// take enters the sessions of a list into the records.
func (v *Inventory) take(src *source, listing Listing) {
	present := make(map[bos.Key]bool, len(listing.Sessions))
	for _, l := range listing.Sessions {
		present[l.Key] = true
		if r := v.records[l.Key]; r != nil {
			r.listed, r.left = l, false
			continue
		}
		r := newRecord(l)
		r.session.Preexisting = src.since.IsZero()
		if known, ok := v.gone.Get(l.Key.String()); ok {
			r = known.(*record)
			r.listed, r.left = l, false
			v.gone.Delete(l.Key.String())
		}
		v.records[l.Key] = r
	}
	now := v.cfg.Now()
	for key, r := range v.records {
		switch {
		case key.API != src.api.Name() || present[key]:
		case listing.Partial:
			r.listed, r.left = Listed{Key: key}, true // it has ended, or has gone
		default:
			v.drop(r, now)
		}
	}
}

// due returns the records of the sessions that are to be read. Those that fail come
// last, where they hold up no others, and of these first the one that has been left
// alone for the longest.
func (v *Inventory) due() []*record {
	now := v.cfg.Now()
	var due []*record
	for key, r := range v.records {
		_, settled := v.settled.Get(key.String())
		settled = settled && v.settles(r, now) // or it settled by a clock that was wrong
		switch {
		case bos.ReasonOf(v.source(key).err) == bos.Unauthorized:
			// Everything would be refused, at the price of a new token each time.
		case !settled && r.due(now):
			due = append(due, r)
		case settled || r.trouble() == nil && r.backOff.over():
			r.asOf = time.Now() // nothing more is expected of it for now
		}
	}
	slices.SortFunc(due, func(a, b *record) int {
		return cmp.Or(a.backOff.next.Compare(b.backOff.next), a.session.Key().Compare(b.session.Key()))
	})
	return due
}

// outcome is what has come of reading sessions.
type outcome struct {
	records      []*record // those that replace the ones that were due; nil for those that stand
	good, failed atomic.Int64
	// run is the number of sessions in a row that hang, or, while their list fails too,
	// that cannot be read: BOS is down, and no time-out is to be spent on every session.
	run    atomic.Int64
	giveUp int64
	alive  func() // is called when BOS has given a good response
}

// readAll reads the sessions of these records.
func (v *Inventory) readAll(ctx context.Context, due []*record) *outcome {
	o := &outcome{records: make([]*record, len(due)), giveUp: int64(max(2*v.cfg.Concurrency, 8)), alive: v.good}
	readers := make(map[string]Reader)
	for _, src := range v.sources {
		readers[src.api.Name()] = src.api.Open()
	}
	g := new(errgroup.Group)
	g.SetLimit(v.cfg.Concurrency)
	for i, old := range due {
		g.Go(func() error {
			if ctx.Err() == nil && o.run.Load() < o.giveUp {
				key := old.session.Key()
				r := v.readSafely(ctx, readers[key.API], old)
				if o.counts(v.source(key), r.err) {
					o.records[i] = r
				} else {
					old.backOff.heed(r.err)
				}
			}
			return nil
		})
	}
	_ = g.Wait() // no function returns an error
	return o
}

// counts takes down what has come of reading a session, and reports whether that is
// about the session, rather than about BOS as a whole.
func (o *outcome) counts(src *source, err error) bool {
	reason := bos.ReasonOf(err)
	if err == nil || src.listed && reason == bos.NotFound {
		o.alive()
		o.good.Add(1)
		o.run.Store(0)
		return true
	}
	o.failed.Add(1)
	if !src.listed || bos.IsTimeout(err) {
		o.run.Add(1)
	}
	return src.listed || reason != bos.ReasonOf(src.err) && reason != bos.NotFound
}

// keepAll takes over what has been read, and settles what can be.
func (v *Inventory) keepAll(due, records []*record) {
	now := v.cfg.Now()
	for _, src := range v.sources {
		if src.listed && src.since.IsZero() {
			src.since = now
		}
	}
	var changes []change
	for i, old := range due {
		r := records[i]
		switch {
		case r == nil:
		case r.vanished():
			// The list of all sessions decides whether it was deleted.
			v.source(r.session.Key()).wholeAt = time.Time{}
			v.keep(r, now)
		default:
			changes = append(changes, change{old, r})
			v.keep(r, now)
		}
	}
	v.logSessions(changes)
}

// follow reads a session with its boot sets, whatever its age, and publishes a snapshot
// that has them. If it cannot be read, nothing of what is known changes.
func (v *Inventory) follow(ctx context.Context, key bos.Key) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.records[key]
	if old == nil {
		return &bos.Error{Reason: bos.NotFound, URL: v.Address(bos.Key{API: key.API}), Detail: "BOS lists no session " + key.ID}
	}
	if old.asked && old.table != nil {
		return nil // somebody else has asked meanwhile
	}
	always := func(*bos.Session, time.Time) bool { return true }
	r := v.read(ctx, v.source(key).api.Open(), old, always)
	if r.err != nil {
		return r.err
	}
	r.asked = true
	v.keep(r, v.cfg.Now())
	before, after := v.Snapshot(), v.newSnapshot()
	after.Up, after.LastGood, after.Swept, after.SweepDuration, after.sweep = before.Up, v.LastGood(), before.Swept, before.SweepDuration, before.sweep
	v.snapshot.Store(after)
	return nil
}
