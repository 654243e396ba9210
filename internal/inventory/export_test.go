package inventory

import "time"

// The inventory is tested through the adapters of its API, which import it. These are the
// few things inside that such tests look at or hurry along.

// Cfg returns the configuration, which may be changed between sweeps.
func (v *Inventory) Cfg() *Config { return &v.cfg }

// LimitNodes sets how many bytes may be kept of nodes.
func (v *Inventory) LimitNodes(bytes int) { v.nodes.maxBytes = bytes }

// Unsettle has all settled sessions verified by the next sweep.
func (v *Inventory) Unsettle() { v.settled.Flush() }

// EndWaits ends all back-off.
func (v *Inventory) EndWaits() {
	for _, src := range v.sources {
		src.backOff.next = time.Time{}
	}
	for _, r := range v.records {
		r.backOff = backOff{}
	}
}

// ListWaits reports whether a list is backed off.
func (v *Inventory) ListWaits() bool { return v.sources[0].backOff != (backOff{}) }

// Held returns how many sessions are known, settled, and remembered although gone.
func (v *Inventory) Held() (known, settled, gone int) {
	return len(v.records), v.settled.ItemCount(), v.gone.ItemCount()
}

// Number is that of the sweep.
func (s *Snapshot) Number() int64 { return s.sweep }

// During is the number of the sweep that has found the snapshot, ended or not.
func (s *Snapshot) During() int64 { return s.during }

// ForgetErrors has what failed a moment ago be tried again.
func (d *OnDemand) ForgetErrors() { d.refused.Flush() }
