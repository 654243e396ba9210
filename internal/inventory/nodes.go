package inventory

import (
	"slices"
	"sync"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// nodeKeeper keeps the table of all nodes. It grows as readings turn up new names, and
// sheds those that no session has anymore, so that it grows with the machine and not
// with its history.
type nodeKeeper struct {
	mu       sync.Mutex
	current  *bos.NodeTable
	maxBytes int // of the table and of the node sets of all sessions
}

func newNodeKeeper(maxBytes int) nodeKeeper {
	return nodeKeeper{current: new(bos.NodeTable), maxBytes: maxBytes}
}

func (k *nodeKeeper) table() *bos.NodeTable {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// adopt enters the names that a reading has turned up, and returns the reading with its
// sets over the table that has them. Beyond the most nodes that are told apart, the
// reading has numbers of nodes alone.
func (k *nodeKeeper) adopt(r *bos.Recorder, s *bos.Session) (*bos.Session, *bos.NodeTable) {
	k.mu.Lock()
	defer k.mu.Unlock()
	extended := r.Extend(k.current)
	if extended.Len() > bos.MaxNodes {
		return s.Renumber(nil), nil
	}
	k.current = extended
	if r.Settled(k.current) {
		return s, k.current
	}
	return s.Renumber(r.To(k.current)), k.current
}

// unite brings the node sets of all records over one table, which it returns. Beyond the
// limit the nodes of sessions are dropped, those that began first.
func (k *nodeKeeper) unite(records map[bos.Key]*record) *bos.NodeTable {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bring(records)
	k.limit(records)
	return k.current
}

// shed drops the names that no session has. Nothing may be read meanwhile: what is read
// over a table that has a name is not to come back to one that lacks it.
func (k *nodeKeeper) shed(records map[bos.Key]*record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bring(records)
	var used bos.NodeSet
	for _, r := range records {
		if r.table != nil {
			used = used.Union(r.session.All())
		}
	}
	if unused := k.current.Len() - used.Len(); unused > k.current.Len()/4 {
		k.current = k.current.Keep(used)
		k.bring(records)
	}
}

// bring replaces the records whose sets are over another table than the current one.
func (k *nodeKeeper) bring(records map[bos.Key]*record) {
	for key, r := range records {
		records[key] = r.over(k.current)
	}
}

// limit drops the nodes of sessions beyond the limit.
func (k *nodeKeeper) limit(records map[bos.Key]*record) {
	var named []*record
	for _, r := range records {
		if r.table != nil {
			named = append(named, r)
		}
	}
	slices.SortFunc(named, func(a, b *record) int { return bos.NewestFirst(a.session, b.session) })
	left := k.maxBytes
	var used bos.NodeSet
	for _, r := range named {
		with := used.Union(r.session.All())
		size := r.session.SetBytes() + bos.NodeBytes*(with.Len()-used.Len())
		if size > left {
			records[r.session.Key()] = r.withoutNodes()
			continue
		}
		left -= size
		used = with
	}
}

// over returns the record with its node sets over a table; without one, with numbers of
// nodes alone.
func (r *record) over(t *bos.NodeTable) *record {
	switch {
	case r.table == nil || r.table == t:
		return r
	case t == nil:
		return r.withoutNodes()
	}
	moved := *r
	moved.session, moved.table = r.session.Renumber(r.table.To(t)), t
	return &moved
}

// withoutNodes returns the record with numbers of nodes alone.
func (r *record) withoutNodes() *record {
	counted := *r
	counted.session, counted.table = r.session.Renumber(nil), nil
	return &counted
}

// unnamed reports whether the session has nodes that are not known by name.
func (r *record) unnamed() bool {
	return r.session.Nodes.Nodes() > 0 && (r.table == nil || !r.session.Named())
}
