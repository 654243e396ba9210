package inventory

import (
	"sync"
	"sync/atomic"
)

// board is where snapshots are published.
type board struct {
	snapshot atomic.Pointer[Snapshot]

	mu   sync.Mutex
	next chan struct{} // closed by the next snapshot; nil while nobody waits for it
}

// put publishes a snapshot.
func (b *board) put(s *Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snapshot.Store(s)
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// wait returns a channel that is closed by the next snapshot.
func (b *board) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

// awaited reports whether somebody has waited since the last snapshot.
func (b *board) awaited() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next != nil
}
