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
	// refused holds the errors with which BOS asked to be left alone, and those of sessions
	// that could not be read, by the key of the work that met them, until it may be tried again.
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
// after the call. One of a sweep that is still under way will do once it is enough; where
// age is 0, that sweep must have begun after the call. Concurrent callers share a sweep.
// If ctx ends first, the sweep goes on, and the latest snapshot is returned with the error
// of ctx.
func (d *OnDemand) Fresh(ctx context.Context, age time.Duration, enough func(*Snapshot) bool) (*Snapshot, error) {
	begun := d.begun.Load()
	swept := func(s *Snapshot) bool {
		return s.sweep > begun || age > 0 && !s.Swept.IsZero() && time.Since(s.Swept) <= age
	}
	var sweep <-chan singleflight.Result
	for {
		if s := d.Snapshot(); swept(s) {
			return s, nil
		}
		if sweep == nil {
			sweep = d.start("sweep", func() error {
				if swept(d.Snapshot()) {
					return nil // another sweep has come first
				}
				d.Sweep(d.life)
				return d.life.Err()
			})
		}
		next := d.board.wait()
		if s := d.Snapshot(); (s.during > begun || age > 0 && s.Sweeping()) && enough(s) {
			return s, nil
		}
		select {
		case <-next:
		case r := <-sweep:
			if r.Err != nil {
				return d.Snapshot(), r.Err
			}
			sweep = nil
		case <-ctx.Done():
			return d.Snapshot(), context.Cause(ctx)
		}
	}
}

// Follow reads a session whose turn has not come, as that of old ones may take long to do.
// Concurrent callers share a reading. An error stands for as long as sweeps are apart.
func (d *OnDemand) Follow(ctx context.Context, key bos.Key) error {
	return d.together(ctx, "session "+key.String(), d.cfg.Interval, func() error { return d.follow(d.life, key) })
}

// Do does work that outlives ctx, once for all who ask for it under the same key at the same
// time, and not while BOS asks to be left alone about it: its error stands until then. The
// context that the work is given ends with Close.
func (d *OnDemand) Do(ctx context.Context, key string, work func(context.Context) error) error {
	return d.together(ctx, "do "+key, 0, func() error { return work(d.life) })
}

// together does work that outlives ctx, once for all who ask for it at the same time, unless
// it has failed a moment ago, or BOS asks to be left alone about it.
func (d *OnDemand) together(ctx context.Context, key string, moment time.Duration, work func() error) error {
	d.refused.DeleteExpired()
	if err, ok := d.refused.Get(key); ok {
		return err.(error)
	}
	polite := func() error {
		err := work()
		if wait := max(bos.RetryAfter(err), moment); err != nil && wait > 0 && d.life.Err() == nil {
			d.refused.Set(key, err, wait)
		}
		return err
	}
	select {
	case r := <-d.start(key, polite):
		return r.Err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start has work done once for all who ask for it at the same time, and returns where what
// comes of it is told.
func (d *OnDemand) start(key string, work func() error) <-chan singleflight.Result {
	return d.flights.DoChan(key, func() (_ any, err error) {
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
}
