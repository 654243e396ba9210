package bossim

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// held is a claim on a node.
type held struct {
	*claim
	index int // of the node in its set
	at    time.Time
}

// after reports whether h comes after other in the history of a node.
func (h held) after(other held) bool {
	return cmp.Or(h.at.Compare(other.at), cmp.Compare(h.place, other.place), cmp.Compare(h.bootSet, other.bootSet)) > 0
}

// holder returns the last claim on a node at t, or the last one before another claim.
func (m *cluster) holder(node string, t time.Time, before *held) (last held, ok bool) {
	for _, member := range m.memberships[node] {
		claims := member.set.claims
		n, _ := slices.BinarySearchFunc(claims, t, func(c claim, t time.Time) int {
			if c.at.After(t) {
				return 1
			}
			return -1
		})
		for i := n - 1; i >= 0; i-- {
			h := held{&claims[i], member.index, claims[i].taking(member.index)}
			if h.at.After(t) || before != nil && !before.after(h) {
				continue
			}
			if !ok || h.after(last) {
				last, ok = h, true
			}
			break
		}
	}
	return last, ok
}

// next returns when another session takes the node over; zero means never.
func (m *cluster) next(node string, h held) time.Time {
	var next time.Time
	for _, member := range m.memberships[node] {
		claims := member.set.claims
		from, _ := slices.BinarySearchFunc(claims, h.claim.at.Add(-time.Minute), func(c claim, t time.Time) int { return c.at.Compare(t) })
		for i := from; i < len(claims); i++ {
			other := held{&claims[i], member.index, claims[i].taking(member.index)}
			if other.after(h) && claims[i].v2Session != h.v2Session {
				next = earliest(next, other.at)
				break
			}
		}
	}
	return next
}

// courseKey tells apart the courses that nodes take in a session. Nodes that were alike
// before and have the same key take the same course.
type courseKey struct {
	bootSet, group int
	*troubles
	by    time.Duration // when they are disabled by hand
	after time.Duration // when they are taken, since the creation of the session
}

// courseFrom is a course and the state of the nodes before it.
type courseFrom struct {
	before  node
	changes []change
}

type troubles struct {
	suffers [kindCount]bool
	message string
}

// depth is how many earlier claims are replayed to know the state that a session finds a
// node in. Little outlives even one.
const depth = 3

// course returns the changes of a node from a claim on, as if there were no later one.
func (m *cluster) course(name string, h held, deep int) []change {
	before := discovered(m.since)
	if earlier, ok := m.holder(name, h.at, &h); ok && deep > 0 {
		before = at(m.course(name, earlier, deep-1), h.at).node
		before.enabled = before.enabled && !earlier.spec.pausedAt(h.at)
	}
	if !before.enabled {
		// The rest is overwritten, so dropping it lets more nodes share a course.
		before = node{component: component{phase: before.phase, phaseKnown: before.phaseKnown}}
	}
	bootSet, index := h.bootSet, h.index
	if h.applied {
		for i, set := range h.sets { // the last one that has the node
			if set == nil {
				continue
			}
			if j, ok := set.index[name]; ok {
				bootSet, index = i, j
			}
		}
	}
	b := &h.spec.BootSets[bootSet]
	key := courseKey{bootSet: bootSet, group: group(index, len(b.Nodes)), troubles: h.troubled()[bootSet][name], after: h.at.Sub(h.spec.Created)}
	for _, act := range h.spec.Disabled {
		if when := h.spec.Created.Add(h.spec.paced(act.After)); when.After(h.at) && (act.Nodes == nil || slices.Contains(act.Nodes, name)) {
			key.by = when.Sub(h.at)
			break
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.courses[key] {
		if c := &h.courses[key][i]; c.before == before {
			return c.changes
		}
	}
	d := &assignment{spec: h.spec, retries: cmp.Or(b.RetryPolicy, retries), group: key.group}
	if key.troubles != nil {
		d.suffers, d.message = key.suffers, key.message
	}
	if h.spec.operation() != bos.Shutdown {
		d.target = h.spec.target(b)
	}
	if key.by > 0 {
		d.by = h.at.Add(key.by)
	}
	changes := d.course(h.at, d.taken(before, h.at, h.applied))
	h.courses[key] = append(h.courses[key], courseFrom{before, changes})
	return changes
}

// target is the state that a session wants the nodes of a boot set to be in.
func (s *Spec) target(b *BootSetSpec) bootState {
	state := bootState{image: uuid(cmp.Or(b.Image, s.Template, "image"))}
	if !s.NoCFS {
		state.configuration = cmp.Or(b.Configuration, s.Template, "configuration")
	}
	return state
}

func (a *v2Session) findTroubled() []map[string]*troubles {
	all := make([]map[string]*troubles, len(a.spec.BootSets))
	for i, b := range a.spec.BootSets {
		found := make(map[string]troubles)
		for _, trouble := range b.Troubles {
			nodes := trouble.Nodes
			if nodes == nil {
				nodes = b.Nodes
			}
			for _, node := range nodes {
				t := found[node]
				t.suffers[trouble.Kind] = true
				if trouble.Kind == PowerOnRefused {
					t.message = trouble.Message
				}
				found[node] = t
			}
		}
		same := make(map[troubles]*troubles)
		all[i] = make(map[string]*troubles, len(found))
		for node, t := range found {
			if same[t] == nil {
				same[t] = &t
			}
			all[i][node] = same[t]
		}
	}
	return all
}

// at returns the last change at t.
func at(changes []change, t time.Time) change {
	n, _ := slices.BinarySearchFunc(changes, t, func(c change, t time.Time) int {
		if c.at.After(t) {
			return 1
		}
		return -1
	})
	return changes[max(n-1, 0)]
}

func (m *cluster) component(name string, t time.Time) (nodeRecord, bool) {
	if len(m.memberships[name]) == 0 {
		return nodeRecord{}, false
	}
	n := discovered(m.since)
	h, ok := m.holder(name, t, nil)
	if ok {
		n = at(m.course(name, h, depth), t).node
	}
	if n.actual.image != "" && n.override != statusFailed && n.reports.IsZero() { // healthy nodes report again and again
		n.actualUpdated = n.actualUpdated.Add(t.Sub(n.actualUpdated).Truncate(reportEvery))
	}
	return nodeRecord{n.component, m.staged(name, t)}, true
}

// staged returns what is staged for a node: the newest stage, unless it has been applied
// and cleared.
func (m *cluster) staged(name string, t time.Time) stagedState {
	state := stagedState{updated: m.since}
	var last held
	for _, member := range m.memberships[name] {
		for i := range member.set.stages {
			h := held{&member.set.stages[i], member.index, member.set.stages[i].taking(member.index)}
			if h.at.After(t) || last.claim != nil && !h.after(last) {
				continue
			}
			last = h
			state = stagedState{h.spec.target(&h.spec.BootSets[h.bootSet]), h.spec.ID, h.at}
		}
	}
	if last.claim == nil || !last.spec.ClearStage {
		return state
	}
	for _, act := range last.spec.Applied {
		when := last.spec.Created.Add(last.spec.paced(act.After))
		if !when.After(t) && (act.Nodes == nil || slices.Contains(act.Nodes, name)) {
			return stagedState{updated: when}
		}
	}
	return state
}

func (m *cluster) components(t time.Time, session, staged string) iter.Seq2[string, nodeRecord] {
	nodes := m.nodes
	if name := cmp.Or(session, staged); name != "" {
		nodes = m.near(m.byName[name])
	}
	return func(yield func(string, nodeRecord) bool) {
		for _, name := range nodes {
			h, ok := m.component(name, t)
			if ok && !yield(name, h) {
				return
			}
		}
	}
}
