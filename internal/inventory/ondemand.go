package inventory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
	"golang.org/x/sync/singleflight"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// wholeTTL is how long the names of a settled session are kept after they were
// asked for.
const wholeTTL = time.Hour

// OnDemand is an inventory that sweeps when it is asked, and knows the names of
// nodes. It must be closed.
type OnDemand struct {
	*Inventory
	flights singleflight.Group
	life    context.Context // ends with Close
	end     context.CancelFunc
	work    sync.WaitGroup

	mu     sync.Mutex   // guards the end of life, and names
	wholes *cache.Cache // id -> Whole, of settled sessions
	names  int          // in wholes, at most
}

// Whole is a session with the names of its nodes.
type Whole struct {
	Session
	Roster *bos.Roster
	// of is the reading in the snapshot that it was made for. It is of no use for
	// a later one.
	of *bos.Session
}

// NewOnDemand returns an inventory that has seen nothing yet.
func NewOnDemand(cfg Config) *OnDemand {
	cfg.KeepNames = true
	d := &OnDemand{Inventory: New(cfg), wholes: cache.New(wholeTTL, 0)}
	d.life, d.end = context.WithCancel(context.Background())
	return d
}

// URL is the address of BOS.
func (d *OnDemand) URL() string { return d.cfg.Client.URL() }

// Concurrency is how many requests to BOS may be under way at once.
func (d *OnDemand) Concurrency() int { return d.cfg.Client.Concurrency() }

// Close ends all work and waits for it. What is asked for later fails.
func (d *OnDemand) Close() {
	d.mu.Lock()
	d.end()
	d.mu.Unlock()
	d.work.Wait()
	d.cfg.Client.CloseIdleConnections()
}

// Fresh returns a snapshot of a sweep that ended at most so long ago. Whoever asks
// at the same time shares a sweep. If ctx ends first, the sweep goes on, and the
// latest snapshot is returned with the error of ctx.
func (d *OnDemand) Fresh(ctx context.Context, age time.Duration) (*Snapshot, error) {
	if s := d.Snapshot(); !s.Swept.IsZero() && time.Since(s.Swept) <= age {
		return s, nil
	}
	_, err := d.together(ctx, "sweep", func() (any, error) {
		d.Sweep(d.life)
		return nil, d.life.Err()
	})
	return d.Snapshot(), err
}

// Whole returns a session of the snapshot with the names of its nodes. Those of
// sessions whose names the sweeps do not keep, settled ones above all, are read when they are asked for, and kept for a while unless
// they are to be fresh.
func (d *OnDemand) Whole(ctx context.Context, s *Snapshot, id string, fresh bool) (Whole, error) {
	i, ok := slices.BinarySearchFunc(s.Sessions, id, func(e Session, id string) int { return cmp.Compare(e.ID, id) })
	if !ok {
		return Whole{}, &bosclient.Error{Reason: bosclient.NotFound, URL: d.cfg.Client.URL() + "/v1/session", Detail: "BOS lists no session " + id}
	}
	session := s.Sessions[i]
	if session.roster != nil {
		return Whole{session, session.roster, session.Session}, nil
	}
	if w, ok := d.wholes.Get(id); ok && !fresh && w.(Whole).of == session.Session {
		return w.(Whole), nil
	}
	w, err := d.together(ctx, "session "+id, func() (any, error) {
		always := func(*bos.Session, time.Time) bool { return true }
		r := d.readIf(d.life, &record{session: &bos.Session{ID: id, API: session.API}}, always)
		if r.err != nil {
			return nil, r.err
		}
		now := d.cfg.Client.Now()
		w := Whole{Session{Session: r.session, Verdict: bos.Judge(r.session, now, d.cfg.Limits), Err: r.gap, Followed: true, Exposed: session.Exposed}, r.roster, session.Session}
		d.remember(w)
		return w, nil
	})
	if err != nil {
		return Whole{}, err
	}
	return w.(Whole), nil
}

// remember keeps the names of a session. When there are too many, all others go:
// they can be read again.
func (d *OnDemand) remember(w Whole) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wholes.DeleteExpired()
	size := w.Roster.Size()
	if d.wholes.ItemCount() == 0 {
		d.names = 0
	}
	if d.names += size; d.names > d.maxNames {
		d.wholes.Flush()
		d.names = size
	}
	d.wholes.SetDefault(w.ID, w)
}

// together does work that outlasts ctx, once for all who ask for it at a time.
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
