package inventory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
	"golang.org/x/sync/singleflight"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// OnDemand is an inventory that sweeps when it is asked. It must be closed.
type OnDemand struct {
	*Inventory
	flights singleflight.Group
	life    context.Context // ends with Close
	end     context.CancelFunc
	work    sync.WaitGroup

	mu sync.Mutex // guards the end of life
	// refused holds the errors with which BOS asked to be left alone about a session,
	// by its key, until that is over.
	refused *cache.Cache
}

// NewOnDemand returns an inventory that has seen nothing yet.
func NewOnDemand(cfg Config) *OnDemand {
	d := &OnDemand{Inventory: New(cfg), refused: cache.New(maxOrphanWait, 0)}
	d.life, d.end = context.WithCancel(context.Background())
	return d
}

// URL returns the address of BOS.
func (d *OnDemand) URL() string { return d.cfg.URL }

// Close ends all work and waits for it to finish. Later calls fail.
func (d *OnDemand) Close() {
	d.mu.Lock()
	d.end()
	d.mu.Unlock()
	d.work.Wait()
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
		err := d.together(ctx, "sweep", func() error {
			d.Sweep(d.life)
			return d.life.Err()
		})
		if err != nil {
			return d.Snapshot(), err
		}
	}
}

// Follow reads a session whose turn has not come, as that of old ones may take long to do.
// Concurrent callers share a reading.
func (d *OnDemand) Follow(ctx context.Context, key bos.Key) error {
	d.refused.DeleteExpired()
	if err, ok := d.refused.Get(key.String()); ok {
		return err.(error)
	}
	return d.together(ctx, "session "+key.String(), func() error {
		err := d.follow(d.life, key)
		if wait := retryAfter(err); wait > 0 {
			d.refused.Set(key.String(), err, wait)
		}
		return err
	})
}

// Do does work that outlives ctx, once for all who ask for it under the same key at the same
// time. The context that the work is given ends with Close.
func (d *OnDemand) Do(ctx context.Context, key string, work func(context.Context) error) error {
	return d.together(ctx, "do "+key, func() error { return work(d.life) })
}

// together does work that outlives ctx, once for all who ask for it at the same time.
func (d *OnDemand) together(ctx context.Context, key string, work func() error) error {
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
		return nil, work()
	})
	select {
	case r := <-result:
		return r.Err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
