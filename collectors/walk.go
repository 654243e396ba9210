package collectors

import (
	"iter"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// exposed iterates over the sessions that have series of their own.
func exposed(s *inventory.Snapshot) iter.Seq[*inventory.Session] {
	return func(yield func(*inventory.Session) bool) {
		for i := range s.Sessions {
			if s.Sessions[i].Exposed && !yield(&s.Sessions[i]) {
				return
			}
		}
	}
}

// bootSets iterates over the boot sets of exposed sessions that the boot agent has
// reported.
func bootSets(s *inventory.Snapshot) iter.Seq2[*inventory.Session, *bos.BootSet] {
	return func(yield func(*inventory.Session, *bos.BootSet) bool) {
		for e := range exposed(s) {
			for i := range e.BootSets {
				if b := &e.BootSets[i]; b.Reported && !yield(e, b) {
					return
				}
			}
		}
	}
}
