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
//
// A sweep that takes long, as the first one may, also publishes what it has read so far:
// first the list, then the descriptions of new sessions, then their boot sets, those of
// unfinished sessions first and of each kind the newest.
func (v *Inventory) Sweep(ctx context.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	start := time.Now()
	w := &sweep{Inventory: v, readers: make(map[string]Reader), fresh: make(map[bos.Key]bool), before: v.Snapshot()}
	number := v.begun.Add(1)
	v.settled.DeleteExpired()
	v.gone.DeleteExpired()

	listed, asked := false, false
	for _, src := range v.sources {
		v.relist(ctx, src)
		listed, asked = listed || src.listed, asked || src.asked
		w.readers[src.api.Name()] = src.api.Open()
	}
	w.up = listed
	w.publishFirst(ctx)
	v.nodes.shed(v.records)
	due := v.due()
	unknown := undescribed(due)
	w.readEach(ctx, unknown, v.describe)
	for _, r := range unknown {
		w.fresh[r.session.Key()] = true
	}
	v.begin()
	w.publishFirst(ctx)
	w.readEach(ctx, w.turns(due), w.readInTurn)
	if ctx.Err() != nil {
		return
	}
	v.logSessions(w.changes)
	s := v.newSnapshot()
	s.sweep = number
	s.Swept = time.Now()
	s.SweepDuration = s.Swept.Sub(start)
	if asked || w.good+w.failed > 0 { // otherwise nothing has been learnt
		s.Up = listed || w.good > 0
	}
	v.logUp(w.before, s)
	v.snapshot.Store(s)
}

// sweep is a sweep under way. All of it happens in one goroutine, but for the reading.
type sweep struct {
	*Inventory
	readers      map[string]Reader
	fresh        map[bos.Key]bool // the sessions that this sweep was the first to describe
	up           bool             // BOS has given a good response
	good, failed int              // readings
	changes      []change
	before       *Snapshot // that BOS was last logged about
}

// publishFirst publishes what is known, unless an earlier sweep has published more.
func (w *sweep) publishFirst(ctx context.Context) {
	if w.Snapshot().Swept.IsZero() && w.up {
		w.publish(ctx)
	}
}

// publish publishes what the sweep has found so far.
func (w *sweep) publish(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	s := w.newSnapshot()
	s.Up = s.Up || w.up
	if s.Err == nil {
		w.logUp(w.before, s)
		w.before = s
	}
	w.snapshot.Store(s)
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

// due returns the records of the sessions that are to be read, in no particular order.
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
	return due
}

// byFailure orders records by how long they are to be left alone. Those that fail come
// last, where they hold up no others, and of these first the one that has been left alone
// for the longest.
func byFailure(a, b *record) int { return a.backOff.next.Compare(b.backOff.next) }

// undescribed returns those of the records that hold nothing but the key of a session.
func undescribed(due []*record) []*record {
	unknown := slices.DeleteFunc(slices.Clone(due), func(r *record) bool { return r.described })
	slices.SortFunc(unknown, func(a, b *record) int {
		return cmp.Or(byFailure(a, b), a.session.Key().Compare(b.session.Key()))
	})
	return unknown
}

// turns returns the records of those of the sessions whose turn it is to have their boot
// sets read, in that order: unfinished ones, then the newest. Sessions beyond the maximum
// age are read once, a few in each sweep.
func (w *sweep) turns(due []*record) []*record {
	now := w.cfg.Now()
	var turns []*record
	for _, r := range due {
		if r = w.records[r.session.Key()]; r.described {
			turns = append(turns, r)
		}
	}
	late := func(r *record) bool { return !r.read && !w.young(r.session, now) }
	slices.SortFunc(turns, func(a, b *record) int {
		return cmp.Or(byFailure(a, b), order(late(a), late(b)),
			order(!a.session.StopTime.IsZero(), !b.session.StopTime.IsZero()), bos.NewestFirst(a.session, b.session), a.session.Key().Compare(b.session.Key()))
	})
	left := w.cfg.Concurrency
	return slices.DeleteFunc(turns, func(r *record) bool {
		if late(r) {
			left--
			return left < 0
		}
		return false
	})
}

// order puts what is true last.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// reading is what has come of reading a session.
type reading struct {
	old, new *record
	about    bool // it is about the session, rather than about BOS as a whole
}

// patience is how long to go on reading sessions.
type patience struct {
	// run is the number of sessions in a row that hang, or, while their list fails too,
	// that cannot be read: BOS is down, and no time-out is to be spent on every session.
	run  atomic.Int64
	most int64
}

// lost reports whether enough sessions were tried.
func (p *patience) lost() bool { return p.run.Load() >= p.most }

// readEach has these sessions read, several at once, and takes over what has come of each.
func (w *sweep) readEach(ctx context.Context, due []*record, read func(context.Context, Reader, *record) *record) {
	p := &patience{most: int64(max(2*w.cfg.Concurrency, 8))}
	readings := make(chan reading, len(due)) // so that no reader ever waits
	go func() {
		defer close(readings)
		var g errgroup.Group
		g.SetLimit(w.cfg.Concurrency)
		for _, old := range due {
			g.Go(func() error {
				if ctx.Err() == nil && !p.lost() {
					key := old.session.Key()
					r := safely(old, func() *record { return read(ctx, w.readers[key.API], old) })
					readings <- reading{old, r, w.judge(p, w.source(key), r.err)}
				}
				return nil
			})
		}
		_ = g.Wait() // no function returns an error
	}()
	publish := time.NewTicker(publishEvery)
	defer publish.Stop()
	news := false
	for {
		select {
		case r, more := <-readings:
			switch {
			case !more:
				return
			case ctx.Err() == nil: // or it may have failed for that alone
				w.take(r)
				news = true
			}
		case <-publish.C:
			if news {
				w.publish(ctx)
				news = false
			}
		}
	}
}

// judge takes down whether BOS still answers, and reports whether the error of a reading
// is about the session, rather than about BOS as a whole.
func (w *sweep) judge(p *patience, src *source, err error) bool {
	reason := bos.ReasonOf(err)
	if src.answered(err) {
		w.Inventory.good()
		p.run.Store(0)
		return true
	}
	if !src.listed || bos.IsTimeout(err) {
		p.run.Add(1)
	}
	return src.listed || reason != bos.ReasonOf(src.err) && reason != bos.NotFound
}

// answered reports whether BOS has given a good response: that it has no such session is
// one if it lists sessions.
func (src *source) answered(err error) bool {
	return err == nil || src.listed && bos.ReasonOf(err) == bos.NotFound
}

// take takes over what has been read.
func (w *sweep) take(r reading) {
	key := r.old.session.Key()
	src := w.source(key)
	if src.answered(r.new.err) {
		w.good++
		w.up = true
	} else {
		w.failed++
	}
	switch {
	case !r.about:
		w.records[key].backOff.heed(r.new.err)
		return
	case r.new.vanished():
		src.wholeAt = time.Time{} // the list of all sessions decides whether it was deleted
	default:
		w.changes = append(w.changes, change{r.old, r.new})
	}
	w.keep(r.new, w.cfg.Now())
}

// begin takes down when BOS has begun to be watched: once the first descriptions have
// told what its clock says.
func (v *Inventory) begin() {
	for _, src := range v.sources {
		if src.listed && src.since.IsZero() {
			src.since = v.cfg.Now()
		}
	}
}

// readInTurn reads a session, with the description that this sweep has read if it has.
func (w *sweep) readInTurn(ctx context.Context, reader Reader, old *record) *record {
	if w.fresh[old.session.Key()] {
		return w.readBootSets(ctx, reader, old, old)
	}
	return w.read(ctx, reader, old)
}

// follow reads a session whose turn has not come, and publishes a snapshot that has it. If
// it cannot be read, nothing of what is known changes.
func (v *Inventory) follow(ctx context.Context, key bos.Key) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.records[key]
	if old == nil {
		return &bos.Error{Reason: bos.NotFound, URL: v.Address(bos.Key{API: key.API}), Detail: "BOS lists no session " + key.ID}
	}
	if old.read {
		return nil // somebody else has asked meanwhile
	}
	r := v.read(ctx, v.source(key).api.Open(), old)
	if r.err != nil {
		return r.err
	}
	v.keep(r, v.cfg.Now())
	v.snapshot.Store(v.newSnapshot())
	return nil
}
