package inventory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"
	"golang.org/x/sync/singleflight"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// wholeTTL is how long the node names of a settled session are kept once they have been
// asked for.
const wholeTTL = time.Hour

// incompleteTTL is the same for a session of which BOS says that a part does not exist.
const incompleteTTL = time.Minute

// OnDemand is an inventory that sweeps when it is asked, and knows the names of nodes.
// It must be closed.
type OnDemand struct {
	*Inventory
	flights singleflight.Group
	life    context.Context // ends with Close
	end     context.CancelFunc
	work    sync.WaitGroup

	mu   sync.Mutex   // guards the end of life, and changes of kept
	kept *cache.Cache // id -> *keptWhole
	uses atomic.Int64 // of what is kept
	// refused holds the errors with which BOS asked to be left alone about a session,
	// by its id, until that is over.
	refused *cache.Cache
}

// Whole is a session with the names of its nodes.
type Whole struct {
	Session
	Roster *bos.Roster
}

// keptWhole is a whole session that is kept for those who ask for it again.
type keptWhole struct {
	Whole
	of   *bos.Session // the reading in the snapshot that it was made for; useless for a later one
	size int
	used atomic.Int64 // number of the use
}

// NewOnDemand returns an inventory that has seen nothing yet.
func NewOnDemand(cfg Config) *OnDemand {
	cfg.KeepNames = true
	d := &OnDemand{Inventory: New(cfg), kept: cache.New(wholeTTL, 0), refused: cache.New(wholeTTL, 0)}
	d.life, d.end = context.WithCancel(context.Background())
	return d
}

// URL returns the address of BOS.
func (d *OnDemand) URL() string { return d.cfg.Client.URL() }

// Concurrency returns the maximum number of concurrent requests to BOS.
func (d *OnDemand) Concurrency() int { return d.cfg.Client.Concurrency() }

// Close ends all work and waits for it to finish. Later calls fail.
func (d *OnDemand) Close() {
	d.mu.Lock()
	d.end()
	d.mu.Unlock()
	d.work.Wait()
	d.cfg.Client.CloseIdleConnections()
}

// Fresh returns the snapshot of a sweep that ended at most age ago, or that began
// after the call. Concurrent callers share a sweep. If ctx ends first, the sweep goes
// on, and the latest snapshot is returned with the error of ctx.
func (d *OnDemand) Fresh(ctx context.Context, age time.Duration) (*Snapshot, error) {
	begun := d.begun.Load()
	for {
		s := d.Snapshot()
		if s.sweep > begun || age > 0 && !s.Swept.IsZero() && time.Since(s.Swept) <= age {
			return s, nil
		}
		_, err := d.together(ctx, "sweep", func() (any, error) {
			d.Sweep(d.life)
			return nil, d.life.Err()
		})
		if err != nil {
			return d.Snapshot(), err
		}
	}
}

// Whole returns a session of the snapshot with the names of its nodes. Names that the
// sweeps do not keep, those of settled sessions above all, are read when they are asked
// for, and kept for a while unless they are to be fresh.
func (d *OnDemand) Whole(ctx context.Context, s *Snapshot, id string, fresh bool) (Whole, error) {
	i, ok := slices.BinarySearchFunc(s.Sessions, id, func(e Session, id string) int { return cmp.Compare(e.ID, id) })
	if !ok {
		return Whole{}, &bosclient.Error{Reason: bosclient.NotFound, URL: d.cfg.Client.URL() + "/v1/session", Detail: "BOS lists no session " + id}
	}
	session := s.Sessions[i]
	if session.roster != nil {
		return Whole{session, session.roster}, nil
	}
	if time.Now().Before(session.notBefore) {
		return Whole{}, session.Err
	}
	if err, ok := d.refused.Get(id); ok {
		return Whole{}, err.(error)
	}
	if w := d.recall(id); w != nil && !fresh && w.of == session.Session {
		known := w.Whole
		known.AsOf = session.AsOf
		return known, nil
	}
	// A reading for another snapshot may have begun before this one was asked for.
	w, err := d.together(ctx, fmt.Sprintf("session %s for sweep %d", id, s.sweep), func() (any, error) {
		w, err := d.readWhole(&session)
		if err == nil {
			d.remember(w, session.Session)
		} else if wait := retryAfter(err); wait > 0 {
			d.refused.Set(id, err, wait)
		}
		return w, err
	})
	if err != nil {
		return Whole{}, err
	}
	return w.(Whole), nil
}

// readWhole reads a session of a snapshot once more, for the names of its nodes. The
// reading continues the one in the snapshot, so that both are judged alike.
func (d *OnDemand) readWhole(session *Session) (Whole, error) {
	old := &record{session: session.Session, read: !session.FirstSeen.IsZero()}
	for i := range session.BootSets {
		old.names = append(old.names, session.BootSets[i].Name)
	}
	old.namesFinal = len(old.names) > 0
	always := func(*bos.Session, time.Time) bool { return true }
	r := d.read(d.life, old, always)
	if r.err != nil {
		return Whole{}, r.err
	}
	gap := r.gap
	if r.absent.of != theTemplate && session.Followed && session.Err == nil {
		gap = nil // the sweeps have found that the boot set was never reported
	}
	verdict := bos.Judge(r.session, d.cfg.Client.Now(), d.cfg.Limits)
	return Whole{Session{Session: r.session, Verdict: verdict, Err: gap, AsOf: r.asOf, Followed: true, Exposed: session.Exposed}, r.roster}, nil
}

// recall returns a session that is kept, or nil.
func (d *OnDemand) recall(id string) *keptWhole {
	w, ok := d.kept.Get(id)
	if !ok {
		return nil
	}
	kept := w.(*keptWhole)
	kept.used.Store(d.uses.Add(1))
	return kept
}

// remember keeps a session with its names. Those that have not been used for the
// longest make room for it.
func (d *OnDemand) remember(w Whole, of *bos.Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := &keptWhole{Whole: w, of: of, size: w.Roster.Size()}
	kept.used.Store(d.uses.Add(1))
	ttl := wholeTTL
	if w.Err != nil {
		ttl = incompleteTTL
	}
	d.kept.Set(w.ID, kept, ttl)

	d.kept.DeleteExpired()
	d.refused.DeleteExpired()
	var all []*keptWhole
	names := 0
	for _, item := range d.kept.Items() {
		k := item.Object.(*keptWhole)
		all = append(all, k)
		names += k.size
	}
	slices.SortFunc(all, func(a, b *keptWhole) int { return cmp.Compare(a.used.Load(), b.used.Load()) })
	for _, k := range all {
		if names <= d.maxNames {
			return
		}
		d.kept.Delete(k.ID)
		names -= k.size
	}
}

// together does work that outlives ctx, once for all who ask for it at the same time.
func (d *OnDemand) together(ctx context.Context, key string, work func() (any, error)) (any, error) {
	result := d.flights.DoChan(key, func() (_ any, err error) {
		d.mu.Lock()
		if err := d.life.Err(); err != nil {
			d.mu.Unlock()
			return nil, err
		}
		d.work.Add(1)
		d.mu.Unlock()
		defer d.work.Done()
		defer func() {
			if r := recover(); r != nil { // or it would end the program
				err = fmt.Errorf("reading BOS: %v", r)
			}
		}()
		return work()
	})
	select {
	case r := <-result:
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
