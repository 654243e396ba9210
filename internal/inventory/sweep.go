package inventory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Sweep reads BOS and publishes a new snapshot, unless ctx ends first. What could not
// be read keeps its last good data. One sweep runs at a time.
//
// A sweep that takes long, as the first one may, also publishes what it has read so far:
// first the list, then the descriptions of new sessions, then their boot sets, those of
// unfinished sessions first and of each kind the newest. Sessions that somebody follows
// come before all others.
func (v *Inventory) Sweep(ctx context.Context) {
	v.turn <- struct{}{}
	defer func() { <-v.turn }()
	start := time.Now()
	w := &sweep{
		Inventory: v, number: v.begun.Add(1), before: v.Snapshot(),
		readers: make(map[string]Reader), toRead: make(map[bos.Key]bool), fresh: make(map[bos.Key]bool), followers: make(map[bos.Key][]chan<- error),
	}
	defer w.dismiss()
	v.settled.DeleteExpired()
	v.gone.DeleteExpired()

	listed, asked := false, false
	for _, src := range v.sources {
		v.relist(ctx, src)
		listed, asked = listed || src.listed, asked || src.asked
		w.readers[src.api.Name()] = src.api.Open()
	}
	w.up = listed
	v.nodes.shed(v.records)
	due := v.due()
	w.expect(due)
	w.publishEarly(ctx)
	w.readEach(ctx, undescribed(due), false)
	v.begin()
	turns := w.turns(due)
	w.expect(turns)
	w.publishEarly(ctx)
	w.readEach(ctx, turns, true)
	if ctx.Err() != nil {
		return
	}
	v.logSessions(w.changes)
	s := v.newSnapshot()
	s.sweep, s.during = w.number, w.number
	s.Swept = time.Now()
	s.SweepDuration = s.Swept.Sub(start)
	if asked || w.good+w.failed > 0 { // otherwise nothing has been learned
		s.Up = listed || w.good > 0
	}
	v.logUp(w.before, s)
	v.board.put(s)
}

// sweep is a sweep under way. All of it happens in one goroutine, but for the reading.
type sweep struct {
	*Inventory
	number       int64
	readers      map[string]Reader
	toRead       map[bos.Key]bool // the sessions that this sweep has yet to read
	fresh        map[bos.Key]bool // the sessions that this sweep was the first to describe
	followers    map[bos.Key][]chan<- error
	up           bool // BOS has given a good response
	good, failed int  // readings
	changes      []change
	before       *Snapshot // that BOS was last logged about
}

// expect takes down which sessions the sweep has yet to read.
func (w *sweep) expect(due []*record) {
	clear(w.toRead)
	for _, r := range due {
		w.toRead[r.session.Key()] = true
	}
}

// publishEarly publishes what is known if nothing was known before, or if somebody waits.
func (w *sweep) publishEarly(ctx context.Context) {
	if w.up && (w.Snapshot().Swept.IsZero() || w.board.awaited()) {
		w.publish(ctx)
	}
}

// publish publishes what the sweep has found so far.
func (w *sweep) publish(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	s := w.newSnapshot()
	s.during = w.number
	for i := range s.Sessions {
		s.Sessions[i].ToRead = w.toRead[s.Sessions[i].Key()]
	}
	s.Up = s.Up || w.up
	if !s.Swept.IsZero() {
		s.LastGood = w.Snapshot().LastGood // what is yet to be read is as old as the last sweep
	}
	if s.Err == nil {
		w.logUp(w.before, s)
		w.before = s
	}
	w.board.put(s)
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
		if r = w.records[r.session.Key()]; r.described && w.toRead[r.session.Key()] {
			turns = append(turns, r)
		}
	}
	late := func(r *record) bool { return !r.read && !w.young(r.session, now) }
	slices.SortFunc(turns, func(a, b *record) int {
		return cmp.Or(byFailure(a, b), order(late(a), late(b)),
			order(!a.session.StopTime.IsZero(), !b.session.StopTime.IsZero()), bos.NewestFirst(a.session, b.session), a.session.Key().Compare(b.session.Key()))
	})
	left := lateEach
	if w.Snapshot().Swept.IsZero() {
		left = w.cfg.Concurrency // the first sweep has enough to do
	}
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
type reading struct{ old, new *record }

// patience is how long to go on reading sessions.
type patience struct {
	// run is the number of sessions in a row that hang, or, while their list fails too,
	// that cannot be read: BOS is down, and no time-out is to be spent on every session.
	run, most int
}

// lost reports whether enough sessions were tried.
func (p *patience) lost() bool { return p.run >= p.most }

// readEach has these sessions read, several at once, and takes over what has come of each:
// whole, or their descriptions alone. Those that somebody follows come first, and whole.
func (w *sweep) readEach(ctx context.Context, queue []*record, whole bool) {
	p := &patience{most: max(2*w.cfg.Concurrency, 8)}
	readings := make(chan reading, w.cfg.Concurrency) // so that no reader ever waits
	underway := make(map[bos.Key]bool)
	tick := time.NewTicker(publishAwaited)
	defer tick.Stop()
	published, news := time.Now(), false
	for {
		for len(queue) > 0 && len(underway) < w.cfg.Concurrency && ctx.Err() == nil && !p.lost() {
			old := queue[0]
			queue = queue[1:]
			key := old.session.Key()
			underway[key] = true
			reader, read := w.readers[key.API], w.how(key, whole)
			go func() {
				readings <- reading{old, safely(old, func() *record { return read(ctx, reader, old) })}
			}()
		}
		if len(underway) == 0 {
			return
		}
		select {
		case r := <-readings:
			key := r.old.session.Key()
			delete(underway, key)
			if ctx.Err() != nil { // or it may have failed for that alone
				continue
			}
			w.take(r, w.judge(p, w.source(key), r.new.err))
			news = true
			switch {
			case w.followers[key] == nil:
			case !r.new.read && r.new.err == nil: // it was described before somebody asked
				queue = w.first(key, queue)
			default:
				w.publish(ctx)
				w.tell(key, r.new.err)
			}
		case f := <-w.follows:
			switch r := w.records[f.key]; {
			case r == nil:
				f.done <- w.unlisted(f.key)
			case r.read:
				w.publish(ctx)
				f.done <- nil
			default:
				w.followers[f.key] = append(w.followers[f.key], f.done)
				if !underway[f.key] {
					queue = w.first(f.key, queue)
				}
			}
		case <-tick.C:
			if news && (w.board.awaited() || time.Since(published) >= publishEvery) {
				w.publish(ctx)
				published, news = time.Now(), false
			}
		}
	}
}

// how returns the way to read a session: its description, or its boot sets, too, with the
// description that this sweep has read if it has.
func (w *sweep) how(key bos.Key, whole bool) func(context.Context, Reader, *record) *record {
	switch {
	case !whole && w.followers[key] == nil:
		return w.describe
	case w.fresh[key]:
		return func(ctx context.Context, reader Reader, old *record) *record {
			return w.readBootSets(ctx, reader, old, old)
		}
	default:
		return w.read
	}
}

// first puts a session at the head of a queue.
func (w *sweep) first(key bos.Key, queue []*record) []*record {
	rest := slices.DeleteFunc(slices.Clone(queue), func(r *record) bool { return r.session.Key() == key })
	return slices.Insert(rest, 0, w.records[key])
}

// tell tells those who follow a session what has come of reading it.
func (w *sweep) tell(key bos.Key, err error) {
	for _, done := range w.followers[key] {
		done <- err
	}
	delete(w.followers, key)
}

// dismiss tells those whose sessions the sweep has not read to read them themselves.
func (w *sweep) dismiss() {
	for key := range w.followers {
		w.tell(key, errNotRead)
	}
}

// judge takes down whether BOS still answers, and reports whether the error of a reading
// is about the session, rather than about BOS as a whole.
func (w *sweep) judge(p *patience, src *source, err error) bool {
	reason := bos.ReasonOf(err)
	if src.answered(err) {
		w.Inventory.good()
		p.run = 0
		return true
	}
	if !src.listed || bos.IsTimeout(err) {
		p.run++
	}
	return src.listed || reason != bos.ReasonOf(src.err) && reason != bos.NotFound
}

// answered reports whether BOS has given a good response: that it has no such session is
// one if it lists sessions.
func (src *source) answered(err error) bool {
	return err == nil || src.listed && bos.ReasonOf(err) == bos.NotFound
}

// take takes over what has been read. An error is about the session, or else about BOS as
// a whole.
func (w *sweep) take(r reading, about bool) {
	key := r.old.session.Key()
	src := w.source(key)
	if !r.old.described {
		w.fresh[key] = true
	}
	if r.new.read || r.new.err != nil {
		delete(w.toRead, key)
	}
	if src.answered(r.new.err) {
		w.good++
		w.up = true
	} else {
		w.failed++
	}
	switch {
	case !about:
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

// errNotRead is what has come of following a session in a sweep that ended before.
var errNotRead = errors.New("the sweep has ended")

// follower is somebody who wants to know a session whose turn has not come.
type follower struct {
	key  bos.Key
	done chan<- error // takes what has come of reading it, without waiting
}

// follow reads a session whose turn has not come, or has the sweep under way read it next,
// and publishes a snapshot that has it.
func (v *Inventory) follow(ctx context.Context, key bos.Key) error {
	for {
		done := make(chan error, 1)
		select {
		case v.turn <- struct{}{}:
			defer func() { <-v.turn }()
			return v.readNow(ctx, key)
		case v.follows <- follower{key, done}:
			if err := <-done; err != errNotRead {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readNow reads a session between sweeps. If it cannot be read, nothing of what is known
// changes.
func (v *Inventory) readNow(ctx context.Context, key bos.Key) error {
	old := v.records[key]
	switch {
	case old == nil:
		return v.unlisted(key)
	case old.read:
		return nil // somebody else has asked meanwhile
	}
	r := v.read(ctx, v.source(key).api.Open(), old)
	if r.err != nil {
		return r.err
	}
	v.keep(r, v.cfg.Now())
	v.board.put(v.newSnapshot())
	return nil
}

// unlisted is the error of following a session that is not in the list.
func (v *Inventory) unlisted(key bos.Key) error {
	return &bos.Error{Reason: bos.NotFound, URL: v.Address(bos.Key{API: key.API}), Detail: "BOS lists no session " + key.ID}
}
