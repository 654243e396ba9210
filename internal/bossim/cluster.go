package bossim

import (
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

// system is everything that the v2 API can be asked about.
type system interface {
	// sessions returns the sessions that exist at t.
	sessions(t time.Time) []sessionRecord
	// components iterates over the nodes at t, in no particular order. If a session or a
	// staged session is given, nodes that have nothing to do with it may be left out.
	components(t time.Time, session, staged string) iter.Seq2[string, nodeRecord]
	component(node string, t time.Time) (nodeRecord, bool)
	// status returns the status document of one of those sessions. If late is set and the
	// session is complete, it is the document from just before it was.
	status(s sessionRecord, t time.Time, late bool) []byte
	templates() []template
	// tenant returns the nodes that belong to a tenant.
	tenant(name string) (nodes map[string]bool, ok bool)
	clearsStage() bool
}

// nodeRecord is the component record of a node together with what is staged for it.
type nodeRecord struct {
	component
	staged stagedState
}

func (h *nodeRecord) stagedSession() string {
	if h.printed != nil {
		return h.printed.staged
	}
	return h.staged.session
}

// sessionRecord is the record of a session at some time.
type sessionRecord struct {
	name, tenant, status string
	start                time.Time
	write                func(w *text)
	*v2Session
}

// template is a session template.
type template struct {
	name, tenant string
	write        func(w *text)
}

// cluster plays a list of specs over v2. Nothing in it depends on what was asked before:
// the state of a node at some time is replayed when it is needed.
type cluster struct {
	started     []*v2Session
	byName      map[string][]*v2Session
	sets        []*nodeSet
	known       map[*string][]*nodeSet  // sets by where their nodes begin in memory
	memberships map[string][]membership // by node
	nodes       []string
	since       time.Time // when all nodes were discovered
	owned       map[string]map[string]bool
	drafts      []*draft
	clearing    bool
}

// v2Session is a session as v2 plays it.
type v2Session struct {
	spec    *Spec
	place   int
	cluster *cluster
	nodes   []string
	sets    []*nodeSet // of its boot sets; nil for one without nodes
	runs    time.Time  // when it leaves pending; zero for never

	ends   func() time.Time // when it is complete; zero for never
	frozen func() tally     // the counts that were saved then

	troubled func() []map[string]*troubles // by boot set and node, interned
	claims   map[*nodeSet][]*claim

	mu      sync.Mutex
	courses map[courseKey][]courseFrom
}

// nodeSet is a list of nodes that one or more sessions act on.
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

// claim is the taking of a node set by a session, at its set-up or when it is applied.
type claim struct {
	*v2Session
	bootSet  int
	before   int // how many nodes of the session come before those of the set
	at       time.Time
	applied  bool
	position int // among the claims on the set
}

// taking returns when the node with this index is taken.
func (c *claim) taking(index int) time.Time {
	if c.applied {
		return c.at
	}
	return c.at.Add(c.spec.paced(time.Duration((c.before+index)/batchSize) * batchTakes))
}

// newCluster returns a cluster that plays specs. The nodes of others exist in it too, but
// not their sessions. All nodes were discovered at since.
func newCluster(specs, others []*Spec, since time.Time) *cluster {
	m := &cluster{
		since:       since,
		byName:      make(map[string][]*v2Session),
		memberships: make(map[string][]membership),
		known:       make(map[*string][]*nodeSet),
		owned:       make(map[string]map[string]bool),
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
	m.nodes = slices.Sorted(maps.Keys(m.memberships))
	return m
}

// set returns the set of a list of nodes, or nil if the list is empty. Many sessions act
// on the same list, so lists that share their memory share a set.
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
		m.memberships[node] = append(m.memberships[node], membership{set, i})
	}
	m.known[&nodes[0]] = append(m.known[&nodes[0]], set)
	m.sets = append(m.sets, set)
	return set
}

// enlist adds a session. Sessions must be added in order of creation.
func (m *cluster) enlist(spec Spec) {
	a := &v2Session{
		spec:    &spec,
		place:   len(m.started),
		cluster: m,
		claims:  make(map[*nodeSet][]*claim),
		courses: make(map[courseKey][]courseFrom),
	}
	m.started = append(m.started, a)
	m.byName[spec.ID] = append(m.byName[spec.ID], a)
	m.clearing = m.clearing || spec.ClearStage
	setup := spec.Created.Add(spec.paced(untilSetup))
	total := 0
	for i, b := range spec.BootSets {
		set := m.set(b.Nodes)
		a.sets = append(a.sets, set)
		c := claim{v2Session: a, bootSet: i, before: total, at: setup}
		switch {
		case set == nil || spec.SetupError != "" || spec.Agent.Never || spec.stagesNothing():
		case !spec.Deleted.IsZero() && spec.Deleted.Before(setup):
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
			set.claims = append(set.claims, claim{v2Session: a, at: spec.Created.Add(spec.paced(act.After)), applied: true})
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

// has reports whether the session acts on a node.
func (a *v2Session) has(node string) bool {
	return slices.ContainsFunc(a.sets, func(set *nodeSet) bool {
		if set == nil {
			return false
		}
		_, ok := set.index[node]
		return ok
	})
}

// stagesNothing reports whether the session is a staged shutdown: BOS writes nothing to the
// nodes for those.
func (s *Spec) stagesNothing() bool { return s.Stage && s.operation() == bos.Shutdown }
