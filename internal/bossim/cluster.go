package bossim

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// The states of a v2 session.
const (
	sessionPending  = "pending"
	sessionRunning  = "running"
	sessionComplete = "complete"
)

// completedTTL is how long after its start a completed session is kept.
const completedTTL = 7 * 24 * time.Hour

// system is what BOS v2 holds.
type system interface {
	// sessions are those that BOS lists at t.
	sessions(t time.Time) []sessionRecord
	// components are the nodes at t, those at least that have the session or are staged
	// for it if one is given; in no order.
	components(t time.Time, session, staged string) iter.Seq2[string, holding]
	component(node string, t time.Time) (holding, bool)
	// status is the status of a session that is listed, before BOS marks it complete if
	// it is late by one read.
	status(s sessionRecord, t time.Time, late bool) []byte
	templates() []template
	// tenant are the nodes of a tenant.
	tenant(name string) (nodes map[string]bool, ok bool)
	clearsStage() bool
}

// holding is a node: what BOS has recorded of it, and what is staged for it.
type holding struct {
	component
	staged stagedState
}

func (h *holding) stagedSession() string {
	if h.printed != nil {
		return h.printed.staged
	}
	return h.staged.session
}

// sessionRecord is what BOS v2 has recorded of a session.
type sessionRecord struct {
	name, tenant, status string
	start                time.Time
	write                func(w *text)
	*actor
}

// template is a session template.
type template struct {
	name, tenant string
	write        func(w *text)
}

// cluster is the machine on which some specs are played. It is a pure function of time,
// worked out when it is asked for.
type cluster struct {
	actors   []*actor
	byName   map[string][]*actor
	sets     []*nodeSet
	known    map[*string][]*nodeSet  // sets by where their nodes begin in memory
	of       map[string][]membership // by node
	nodes    []string
	since    time.Time // when all nodes were discovered
	owned    map[string]map[string]bool
	drafts   []*draft
	clearing bool
}

// actor is a session, in the order of creation.
type actor struct {
	spec    *Spec
	place   int
	cluster *cluster
	nodes   []string
	sets    []*nodeSet // of its boot sets; nil for one without nodes
	runs    time.Time  // when it leaves pending; zero for never

	ends   func() time.Time // when it is complete; zero for never
	frozen func() tally     // what its nodes are then

	troubled func() []map[string]*troubles // by boot set and node; equal ones are the same
	claims   map[*nodeSet][]*claim

	mu      sync.Mutex
	courses map[courseKey][]courseFrom
}

// nodeSet is a list of nodes that sessions take as a whole.
type nodeSet struct {
	nodes  []string
	index  map[string]int
	claims []claim // in order of time
	stages []claim
}

type membership struct {
	set   *nodeSet
	index int
}

// claim is a session taking the nodes of a set.
type claim struct {
	*actor
	bootSet  int
	before   int // nodes that are taken before those of the set
	at       time.Time
	applied  bool
	position int // among the claims on the set
}

// taking is when the node with this index is taken.
func (c *claim) taking(index int) time.Time {
	if c.applied {
		return c.at
	}
	return c.at.Add(c.spec.paced(time.Duration((c.before+index)/batchSize) * batchTakes))
}

// newCluster returns a machine with these sessions. It knows the nodes of the others too,
// though not their sessions. All nodes were discovered at since.
func newCluster(specs, others []*Spec, since time.Time) *cluster {
	m := &cluster{
		since:  since,
		byName: make(map[string][]*actor),
		of:     make(map[string][]membership),
		known:  make(map[*string][]*nodeSet),
		owned:  make(map[string]map[string]bool),
	}
	ordered := slices.Clone(specs)
	slices.SortStableFunc(ordered, func(a, b *Spec) int { return a.Created.Compare(b.Created) })
	for _, spec := range ordered {
		m.draft(spec)
		m.enlist(spec.limited())
	}
	for _, spec := range others {
		for _, b := range spec.BootSets {
			m.set(b.Nodes)
		}
	}
	for _, set := range m.sets {
		slices.SortStableFunc(set.claims, func(a, b claim) int { return a.at.Compare(b.at) })
		for i := range set.claims {
			c := &set.claims[i]
			c.position = i
			c.claims[set] = append(c.claims[set], c)
		}
	}
	m.nodes = slices.Sorted(maps.Keys(m.of))
	return m
}

// set finds the set of a list of nodes; nil for an empty list. Lists that are the same in
// memory share one, as those of many sessions do.
func (m *cluster) set(nodes []string) *nodeSet {
	if len(nodes) == 0 {
		return nil
	}
	for _, set := range m.known[&nodes[0]] {
		if len(set.nodes) == len(nodes) {
			return set
		}
	}
	set := &nodeSet{nodes: nodes, index: make(map[string]int, len(nodes))}
	for i, node := range nodes {
		set.index[node] = i
		m.of[node] = append(m.of[node], membership{set, i})
	}
	m.known[&nodes[0]] = append(m.known[&nodes[0]], set)
	m.sets = append(m.sets, set)
	return set
}

// enlist adds a session, which must be younger than those before.
func (m *cluster) enlist(spec Spec) {
	a := &actor{
		spec:    &spec,
		place:   len(m.actors),
		cluster: m,
		claims:  make(map[*nodeSet][]*claim),
		courses: make(map[courseKey][]courseFrom),
	}
	m.actors = append(m.actors, a)
	m.byName[spec.ID] = append(m.byName[spec.ID], a)
	m.clearing = m.clearing || spec.ClearStage
	setup := spec.Created.Add(spec.paced(untilSetup))
	total := 0
	for i, b := range spec.BootSets {
		set := m.set(b.Nodes)
		a.sets = append(a.sets, set)
		c := claim{actor: a, bootSet: i, before: total, at: setup}
		switch {
		case set == nil || spec.SetupError != "" || spec.Agent.Never || spec.stagesNothing():
		case spec.Stage:
			set.stages = append(set.stages, c)
		default:
			set.claims = append(set.claims, c)
		}
		total += len(b.Nodes)
		if len(spec.BootSets) == 1 {
			a.nodes = b.Nodes // most sessions have one boot set
		} else {
			a.nodes = union(a.nodes, b.Nodes)
		}
	}
	if spec.Tenant != "" {
		if m.owned[spec.Tenant] == nil {
			m.owned[spec.Tenant] = make(map[string]bool)
		}
		for _, node := range a.nodes {
			m.owned[spec.Tenant][node] = true
		}
	}
	for _, act := range spec.Applied {
		nodes := a.nodes
		if act.Nodes != nil {
			nodes = slices.DeleteFunc(slices.Clone(act.Nodes), func(node string) bool { return !a.has(node) })
		}
		if set := m.set(nodes); set != nil && !spec.stagesNothing() {
			set.claims = append(set.claims, claim{actor: a, at: spec.Created.Add(spec.paced(act.After)), applied: true})
		}
	}
	if !spec.Agent.Never {
		batches := max(1, (total+batchSize-1)/batchSize)
		a.runs = setup.Add(spec.paced(time.Duration(batches) * batchTakes))
	}
	a.troubled = sync.OnceValue(a.findTroubled)
	a.ends = sync.OnceValue(a.end)
	a.frozen = sync.OnceValue(func() tally { return m.tally(a, a.ends()) })
}

// has reports whether a node is one of the session.
func (a *actor) has(node string) bool {
	return slices.ContainsFunc(a.sets, func(set *nodeSet) bool {
		if set == nil {
			return false
		}
		_, ok := set.index[node]
		return ok
	})
}

// stagesNothing reports whether the session is a staged shutdown, of which nodes learn
// nothing.
func (s *Spec) stagesNothing() bool { return s.Stage && s.operation() == bos.Shutdown }

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

// holder finds the last claim on a node at t, before the given one if there is one.
func (m *cluster) holder(node string, t time.Time, before *held) (last held, ok bool) {
	for _, member := range m.of[node] {
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

// next finds when another session takes a node from its holder; zero for never.
func (m *cluster) next(node string, h held) time.Time {
	var next time.Time
	for _, member := range m.of[node] {
		claims := member.set.claims
		from, _ := slices.BinarySearchFunc(claims, h.claim.at.Add(-time.Minute), func(c claim, t time.Time) int { return c.at.Compare(t) })
		for i := from; i < len(claims); i++ {
			other := held{&claims[i], member.index, claims[i].taking(member.index)}
			if other.after(h) && claims[i].actor != h.actor {
				next = earliest(next, other.at)
				break
			}
		}
	}
	return next
}

// courseKey is what nodes have in common that fare alike in a session.
type courseKey struct {
	bootSet, group int
	*troubles
	by    time.Duration // when they are disabled by hand
	after time.Duration // when they are taken, since the creation of the session
}

// courseFrom is a course of nodes that were alike before.
type courseFrom struct {
	before  node
	changes []change
}

type troubles struct {
	suffers [kindCount]bool
	message string
}

// depth is how many claims back the state of a node is traced. Each settles nearly all.
const depth = 3

// node is the course of a node from its last claim on.
func (m *cluster) course(name string, h held, deep int) []change {
	before := discovered(m.since)
	if earlier, ok := m.holder(name, h.at, &h); ok && deep > 0 {
		before = at(m.course(name, earlier, deep-1), h.at).node
		before.enabled = before.enabled && !earlier.spec.pausedAt(h.at)
	}
	if !before.enabled {
		// Much of it is of no importance any more, and nodes that differ in it fare alike.
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
	d := &duty{spec: h.spec, retries: cmp.Or(b.RetryPolicy, retries), group: key.group}
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

// target is what the nodes of a boot set are to run.
func (s *Spec) target(b *BootSetSpec) bootState {
	state := bootState{image: uuid(cmp.Or(b.Image, s.Template, "image"))}
	if !s.NoCFS {
		state.configuration = cmp.Or(b.Configuration, s.Template, "configuration")
	}
	return state
}

func (a *actor) findTroubled() []map[string]*troubles {
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

// at is how a node is at t.
func at(changes []change, t time.Time) change {
	n, _ := slices.BinarySearchFunc(changes, t, func(c change, t time.Time) int {
		if c.at.After(t) {
			return 1
		}
		return -1
	})
	return changes[max(n-1, 0)]
}

func (m *cluster) component(name string, t time.Time) (holding, bool) {
	if len(m.of[name]) == 0 {
		return holding{}, false
	}
	n := discovered(m.since)
	h, ok := m.holder(name, t, nil)
	if ok {
		n = at(m.course(name, h, depth), t).node
	}
	if n.actual.image != "" && n.override != statusFailed && n.reports.IsZero() { // it goes on reporting
		n.actualUpdated = n.actualUpdated.Add(t.Sub(n.actualUpdated).Truncate(reportEvery))
	}
	return holding{n.component, m.staged(name, t)}, true
}

// staged is what is staged for a node: the last that was, unless it was applied and that
// clears it.
func (m *cluster) staged(name string, t time.Time) stagedState {
	state := stagedState{updated: m.since}
	var last held
	for _, member := range m.of[name] {
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

func (m *cluster) components(t time.Time, session, staged string) iter.Seq2[string, holding] {
	nodes := m.nodes
	if name := cmp.Or(session, staged); name != "" {
		nodes = m.near(m.byName[name])
	}
	return func(yield func(string, holding) bool) {
		for _, name := range nodes {
			h, ok := m.component(name, t)
			if ok && !yield(name, h) {
				return
			}
		}
	}
}

// near are the nodes that sessions may have.
func (m *cluster) near(actors []*actor) []string {
	if len(actors) == 1 {
		return actors[0].nodes
	}
	var all []string
	for _, a := range actors {
		all = union(all, a.nodes)
	}
	return all
}

// watched are the nodes that keep a session running: those of a tenant alone if it has
// one, else also those of namesakes.
func (a *actor) watched() []string {
	if a.spec.Tenant != "" {
		return a.nodes
	}
	return a.cluster.near(slices.DeleteFunc(slices.Clone(a.cluster.byName[a.spec.ID]), func(other *actor) bool {
		return other != a && (other.spec.Tenant == "" || other.spec.Created.Before(a.spec.Created))
	}))
}

// end is when a session is complete.
func (a *actor) end() time.Time {
	if a.runs.IsZero() {
		return time.Time{}
	}
	if a.setupError() != "" {
		return a.runs
	}
	last := a.runs
	known := make(map[class]time.Time)
	for _, name := range a.watched() {
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
	w := worker{duty: &duty{spec: a.spec}}
	n := max(w.tick(last)-1, 0)
	for w.poll(n, endingAfter).Before(last) {
		n++
	}
	return w.poll(n, endingAfter)
}

// class is what nodes have in common that leave a session at the same time.
type class struct {
	set          *nodeSet
	group, batch int
	suffers      [depth + 1]*troubles // in the last claims
}

// classOf is the class of a node of which only one list of nodes matters.
func (a *actor) classOf(name string) (c class, ok bool) {
	members := a.cluster.of[name]
	if len(members) != 1 || len(a.cluster.byName[a.spec.ID]) > 1 || a.spec.Stage {
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

// leaves is when a node no more keeps sessions of the name of a running: it is disabled or
// taken, and not staged; zero for never.
func (a *actor) leaves(name string) time.Time {
	m := a.cluster
	last := a.runs
	if a.spec.Stage && !a.spec.stagesNothing() {
		left := a.unstaged(name)
		if left.IsZero() {
			return left
		}
		last = latest(last, left)
	}
	for _, other := range m.byName[a.spec.ID] {
		if other != a && other.spec.Tenant == "" {
			continue
		}
		for _, member := range m.of[name] {
			for _, c := range other.claims[member.set] {
				h := held{c, member.index, c.taking(member.index)}
				if h.overruled(m.of[name]) {
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
	}
	return last
}

// overruled reports whether a later boot set of the same session has the node too.
func (h held) overruled(memberships []membership) bool {
	return len(h.sets) > 1 && !h.applied && slices.ContainsFunc(memberships, func(member membership) bool {
		return slices.ContainsFunc(h.actor.claims[member.set], func(c *claim) bool { return !c.applied && c.bootSet > h.bootSet })
	})
}

// unstaged is when a node is no longer staged for a; zero for never.
func (a *actor) unstaged(name string) time.Time {
	var left time.Time
	if a.spec.ClearStage {
		for _, act := range a.spec.Applied {
			if act.Nodes == nil || slices.Contains(act.Nodes, name) {
				left = earliest(left, a.spec.Created.Add(a.spec.paced(act.After)))
			}
		}
	}
	for _, member := range a.cluster.of[name] {
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

func (a *actor) setupError() string {
	if a.spec.SetupError == "" && len(a.nodes) == 0 {
		return "No nodes were found to act upon."
	}
	return a.spec.SetupError
}

// state is the status of a session at t.
func (a *actor) state(t time.Time) string {
	switch {
	case a.runs.IsZero() || t.Before(a.runs):
		return sessionPending
	case a.completeAt(t):
		return sessionComplete
	default:
		return sessionRunning
	}
}

func (a *actor) completeAt(t time.Time) bool {
	end := a.ends()
	return !end.IsZero() && !t.Before(end)
}

// exists reports whether BOS has the record of a session.
func (a *actor) exists(t time.Time) bool {
	return !a.spec.Orphan && !a.spec.Created.After(t) && (a.spec.Deleted.IsZero() || t.Before(a.spec.Deleted)) && !a.cleaned(t)
}

// cleaned reports whether the cleanup has deleted a session. It looks for old sessions of
// all tenants, and then deletes those of their names that have no tenant.
func (a *actor) cleaned(t time.Time) bool {
	if a.spec.Tenant != "" {
		return false
	}
	return slices.ContainsFunc(a.cluster.byName[a.spec.ID], func(other *actor) bool {
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
	for _, a := range m.actors {
		if a.exists(t) {
			records = append(records, a.record(t))
		}
	}
	return records
}

func (a *actor) record(t time.Time) sessionRecord {
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

// v2Operation is the operation as v2 knows it.
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

// tally is how many nodes of a session are in which state.
type tally struct {
	managed, staged, successful, failed int
	phases                              map[string]int
	errors                              map[string][]string
}

// tally counts the nodes of a session at t as BOS does, whoever's namesake it is.
func (m *cluster) tally(a *actor, t time.Time) tally {
	sum := tally{phases: make(map[string]int), errors: make(map[string][]string)}
	tenant := m.owned[a.spec.Tenant]
	for name, h := range m.components(t, a.spec.ID, "") {
		if a.spec.Tenant != "" && !tenant[name] {
			continue
		}
		if h.staged.session == a.spec.ID {
			sum.managed++
			sum.staged++
		}
		if h.session != a.spec.ID {
			continue
		}
		sum.managed++
		switch h.status() {
		case statusStable:
			sum.successful++
		case statusFailed:
			sum.failed++
		}
		if h.err != "" {
			sum.errors[h.err] = append(sum.errors[h.err], name)
		}
		if h.enabled && h.override != statusOnHold {
			sum.phases[h.phase]++
		}
	}
	return sum
}

// listedErrors is how many nodes with an error the status lists.
const listedErrors = 10

func (m *cluster) status(s sessionRecord, t time.Time, late bool) []byte {
	a := s.actor
	state, sum := s.status, tally{}
	var end time.Time
	switch {
	case state != sessionComplete:
		sum = m.tally(a, t)
	case late:
		state = sessionRunning
		sum = m.tally(a, a.ends().Add(-1))
	default:
		end, sum = a.ends(), a.frozen()
	}
	return statusText(s, state, sum, end, t)
}

// statusText is the status of a session at t as it is sent; end is zero for one that is
// not complete.
func statusText(s sessionRecord, state string, sum tally, end, t time.Time) []byte {
	return object(func(w *text) {
		w.open("error_summary", '{')
		for _, message := range slices.Sorted(maps.Keys(sum.errors)) {
			nodes := slices.Clone(sum.errors[message])
			count := len(nodes)
			shuffle(nodes, s.name, message)
			if count > listedErrors {
				nodes = nodes[:listedErrors]
				nodes[listedErrors-1] += "..."
			}
			w.open(message, '{')
			w.int("count", count)
			w.list("list", nodes)
			w.close('}')
		}
		w.close('}')
		w.int("managed_components_count", sum.managed)
		w.percent("percent_failed", sum.failed, sum.managed)
		w.percent("percent_staged", sum.staged, sum.managed)
		w.percent("percent_successful", sum.successful, sum.managed)
		w.open("phases", '{')
		w.percent("percent_complete", sum.successful+sum.failed, sum.managed)
		w.percent("percent_configuring", sum.phases[phaseConfiguring], sum.managed)
		w.percent("percent_powering_off", sum.phases[phaseOff], sum.managed)
		w.percent("percent_powering_on", sum.phases[phaseOn], sum.managed)
		w.close('}')
		w.string("status", state)
		w.open("timing", '{')
		start := s.start.UTC().Truncate(time.Second)
		if end.IsZero() {
			w.string("duration", timedelta(t.Sub(start)))
			w.stringOrNull("end_time", "")
		} else {
			w.string("duration", timedelta(end.UTC().Truncate(time.Second).Sub(start)))
			w.time("end_time", end)
		}
		w.time("start_time", s.start)
		w.close('}')
	})
}

// draft is a session template in the making.
type draft struct {
	spec *Spec
	sets []BootSetSpec
}

func (m *cluster) draft(spec *Spec) {
	if spec.TemplateDeleted {
		return
	}
	i := slices.IndexFunc(m.drafts, func(d *draft) bool { return d.spec.Template == spec.Template && d.spec.Tenant == spec.Tenant })
	if i < 0 {
		m.drafts = append(m.drafts, &draft{spec: spec, sets: slices.Clone(spec.BootSets)})
		return
	}
	d := m.drafts[i]
	for _, b := range spec.BootSets {
		if !slices.ContainsFunc(d.sets, func(known BootSetSpec) bool { return known.Name == b.Name }) {
			d.sets = append(d.sets, b)
		}
	}
}

func (m *cluster) templates() []template {
	all := make([]template, len(m.drafts))
	for i, d := range m.drafts {
		all[i] = template{d.spec.Template, d.spec.Tenant, d.write}
	}
	return all
}

func (d *draft) write(w *text) {
	sets := slices.Clone(d.sets)
	slices.SortFunc(sets, func(a, b BootSetSpec) int { return cmp.Compare(a.Name, b.Name) })
	w.open("", '{')
	w.open("boot_sets", '{')
	for _, b := range sets {
		target := d.spec.target(&b)
		w.open(b.Name, '{')
		w.string("arch", "X86")
		if target.configuration != "" {
			w.open("cfs", '{')
			w.string("configuration", target.configuration)
			w.close('}')
		}
		w.string("etag", hash(target.image)[:32])
		if b.NodeList {
			w.open("node_list", '[')
			for _, node := range b.Nodes {
				w.string("", node)
			}
			w.close(']')
		} else {
			w.open("node_roles_groups", '[')
			w.string("", "Compute")
			w.close(']')
		}
		w.string("path", "s3://boot-images/"+target.image+"/manifest.json")
		w.string("rootfs_provider", "sbps")
		w.string("type", "s3")
		w.close('}')
	}
	w.close('}')
	w.bool("enable_cfs", !d.spec.NoCFS)
	w.string("name", d.spec.Template)
	w.stringOrNull("tenant", d.spec.Tenant)
	w.close('}')
}

// hash is the hash by which Redis, and so a list of sessions, is in order.
func hash(s string) string {
	sum := sha1.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
