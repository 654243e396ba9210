package bossim

import (
	"sync"
	"time"
)

// Clock tells the time of the simulated machine.
type Clock func() time.Time

// SteppedClock is a clock that stands still until it is advanced.
type SteppedClock struct {
	mu  sync.Mutex
	now time.Time
}

// NewSteppedClock returns a clock that stands at t.
func NewSteppedClock(t time.Time) *SteppedClock { return &SteppedClock{now: t} }

// Now is a [Clock].
func (c *SteppedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on by d.
func (c *SteppedClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
