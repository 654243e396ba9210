package bossim

import (
	"slices"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// near returns all nodes that the sessions act on.
func (m *cluster) near(sessions []*v2Session) []string {
	if len(sessions) == 1 {
		return sessions[0].nodes
	}
	var all []string
	for _, a := range sessions {
		all = union(all, a.nodes)
	}
	return all
}

// end returns when the session is complete; zero means never.
func (a *v2Session) end() time.Time {
	if a.runs.IsZero() || a.setupError() != "" {
		return a.runs
	}
	last := a.lastLeaves()
	for _, other := range a.cluster.byName[a.spec.ID] {
		// The nodes of a tenant's namesake count as well, unless this session has a tenant.
		if last.IsZero() || a.spec.Tenant != "" || other.spec.Tenant == "" || other.spec.Created.After(a.completion(last)) {
			continue
		}
		if left := other.lastLeaves(); left.IsZero() {
			last = left
		} else {
			last = latest(last, left)
		}
	}
	if last.IsZero() {
		return last
	}
	return a.completion(last)
}

// completion returns the first poll of the operator that completes sessions at or after t.
func (a *v2Session) completion(t time.Time) time.Time {
	w := replay{assignment: &assignment{spec: a.spec}}
	n := max(w.tick(t)-1, 0)
	for w.poll(n, endingAfter).Before(t) {
		n++
	}
	return w.poll(n, endingAfter)
}

// lastLeaves returns from when on no node keeps the session running; zero means never.
func (a *v2Session) lastLeaves() time.Time {
	last := a.runs
	known := make(map[class]time.Time)
	for _, name := range a.nodes {
		c, ok := a.classOf(name)
		left, seen := known[c]
		if !ok || !seen {
			left = a.leaves(name)
		}
		if ok {
			known[c] = left
		}
		if left.IsZero() {
			return left
		}
		last = latest(last, left)
	}
	return last
}

// class identifies nodes that leave a session at the same time.
type class struct {
	set          *nodeSet
	group, batch int
	suffers      [depth + 1]*troubles // in the last claims
}

// classOf returns the class of a node. Nodes whose history is out of the ordinary have none.
func (a *v2Session) classOf(name string) (c class, ok bool) {
	members := a.cluster.memberships[name]
	if len(members) != 1 || a.spec.Stage {
		return c, false
	}
	set, index := members[0].set, members[0].index
	claims := a.claims[set]
	if len(claims) != 1 {
		return c, false
	}
	c = class{set: set, group: group(index, len(set.nodes)), batch: index / batchSize}
	at := claims[0].position
	for i := max(at-depth, 0); i < min(at+2, len(set.claims)); i++ {
		other := &set.claims[i]
		if other.applied || other.before != 0 || len(other.spec.Disabled) > 0 {
			return c, false
		}
		if i <= at {
			c.suffers[at-i] = other.troubled()[other.bootSet][name]
		}
	}
	return c, true
}

// leaves returns from when on a node no longer keeps the session running: it is disabled or
// was taken over, and is not staged for it. Zero means never.
func (a *v2Session) leaves(name string) time.Time {
	m := a.cluster
	last := a.runs
	if a.spec.Stage && !a.spec.stagesNothing() {
		left := a.unstaged(name)
		if left.IsZero() {
			return left
		}
		last = latest(last, left)
	}
	for _, member := range m.memberships[name] {
		for _, c := range a.claims[member.set] {
			h := held{c, member.index, c.taking(member.index)}
			if h.overruled(m.memberships[name]) {
				continue
			}
			left := m.next(name, h)
			for _, change := range m.course(name, h, depth) {
				if !change.enabled {
					left = earliest(left, change.at)
					break
				}
			}
			if left.IsZero() {
				return left
			}
			last = latest(last, left)
		}
	}
	return last
}

// overruled reports whether a later boot set of the same session has the node as well.
func (h held) overruled(memberships []membership) bool {
	return len(h.sets) > 1 && !h.applied && slices.ContainsFunc(memberships, func(member membership) bool {
		return slices.ContainsFunc(h.v2Session.claims[member.set], func(c *claim) bool { return !c.applied && c.bootSet > h.bootSet })
	})
}

// unstaged returns when the node stops being staged for the session; zero means never.
func (a *v2Session) unstaged(name string) time.Time {
	var left time.Time
	if a.spec.ClearStage {
		for _, act := range a.spec.Applied {
			if act.Nodes == nil || slices.Contains(act.Nodes, name) {
				left = earliest(left, a.spec.Created.Add(a.spec.paced(act.After)))
			}
		}
	}
	for _, member := range a.cluster.memberships[name] {
		for i := range member.set.stages {
			if c := &member.set.stages[i]; c.place > a.place {
				left = earliest(left, c.taking(member.index))
			}
		}
	}
	return left
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (a *v2Session) setupError() string {
	if a.spec.SetupError == "" && len(a.nodes) == 0 {
		return "No nodes were found to act upon."
	}
	return a.spec.SetupError
}

// state returns the status of the session at t: pending, running or complete.
func (a *v2Session) state(t time.Time) string {
	switch {
	case a.runs.IsZero() || t.Before(a.runs):
		return sessionPending
	case a.completeAt(t):
		return sessionComplete
	default:
		return sessionRunning
	}
}

func (a *v2Session) completeAt(t time.Time) bool {
	end := a.ends()
	return !end.IsZero() && !t.Before(end)
}

// exists reports whether BOS has a record of the session at t.
func (a *v2Session) exists(t time.Time) bool {
	return !a.spec.Orphan && !a.spec.Created.After(t) && (a.spec.Deleted.IsZero() || t.Before(a.spec.Deleted)) && !a.cleaned(t)
}

// cleaned reports whether the cleanup has deleted the session by t. The cleanup looks for
// old sessions of all tenants, but then deletes by name, without a tenant.
func (a *v2Session) cleaned(t time.Time) bool {
	if a.spec.Tenant != "" {
		return false
	}
	return slices.ContainsFunc(a.cluster.byName[a.spec.ID], func(other *v2Session) bool {
		if other != a && other.spec.Tenant == "" {
			return false
		}
		old := other.spec.Created.Add(completedTTL)
		return !t.Before(old) && other.completeAt(t) && !other.spec.Orphan &&
			(other.spec.Deleted.IsZero() || old.Before(other.spec.Deleted))
	})
}

func (m *cluster) sessions(t time.Time) []sessionRecord {
	var records []sessionRecord
	for _, a := range m.started {
		if a.exists(t) {
			records = append(records, a.record(t))
		}
	}
	return records
}

func (a *v2Session) record(t time.Time) sessionRecord {
	spec := a.spec
	state := a.state(t)
	return sessionRecord{spec.ID, spec.Tenant, state, spec.Created, func(w *text) {
		nodes := a.nodes
		if state == sessionPending || a.setupError() != "" {
			nodes = nil
		}
		w.open("", '{')
		w.list("components", nodes)
		w.bool("include_disabled", spec.IncludeDisabled)
		w.string("limit", spec.Limit)
		w.string("name", spec.ID)
		w.string("operation", spec.v2Operation())
		w.bool("stage", spec.Stage)
		w.open("status", '{')
		if state == sessionComplete {
			w.time("end_time", a.ends())
			w.stringOrNull("error", a.setupError())
		} else {
			w.stringOrNull("end_time", "")
			w.stringOrNull("error", "")
		}
		w.time("start_time", spec.Created)
		w.string("status", state)
		w.close('}')
		w.string("template_name", spec.Template)
		w.stringOrNull("tenant", spec.Tenant)
		w.close('}')
	}, a}
}

// v2Operation is the operation in v2, which has no configure.
func (s *Spec) v2Operation() string {
	if op := s.operation(); op != bos.Configure {
		return op
	}
	return bos.Boot
}

func (m *cluster) tenant(name string) (map[string]bool, bool) {
	nodes, ok := m.owned[name]
	return nodes, ok
}

func (m *cluster) clearsStage() bool { return m.clearing }
