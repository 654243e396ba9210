package bossim

import (
	"cmp"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// The timetable of a boot agent at pace 1. The documentation of Spec shows how
// it adds up.
const (
	untilAgent     = 60 * time.Second // from creation to the start of the agent
	untilReported  = 5 * time.Second  // from its start ...
	untilStaged    = 20 * time.Second
	untilWork      = 30 * time.Second
	shutdownTakes  = 4 * time.Minute
	shutdownLimit  = 8 * time.Minute  // the graceful and the forced window
	leavingReady   = 30 * time.Second // before the boot of a reboot
	leavingLimit   = 70 * time.Second
	untilBootStart = 20 * time.Second // writing boot parameters
	powerOnTakes   = 40 * time.Second
	waitLimit      = 30 * time.Minute // for nodes to become ready, or configured
	firstDone      = 1 * time.Minute  // when the first of many waited for is done ...
	lastDone       = 9 * time.Minute  // ... and the last
	failureDone    = 5 * time.Minute
	pollEvery      = 5 * time.Second
	cleaningUp     = 10 * time.Second
)

// script is all that ever happens in a session. The state at some time is what
// the moves up to then make of the empty state: nothing changes by itself, so a
// clock may be stepped to any time, back and forth.
type script struct {
	spec   *Spec
	phases []string
	moves  []move // in order of time
}

// move is one change of the state.
type move struct {
	at    time.Duration // since the creation, at pace 1
	apply func(st *state, now time.Time)
}

// newScript plays the agent of an era through a session.
func newScript(spec *Spec, era Era) *script {
	early := era == EraA
	s := &script{spec: spec, phases: phases[spec.operation()]}
	if early && spec.NoCFS && len(s.phases) > 1 {
		s.phases = slices.DeleteFunc(slices.Clone(s.phases), func(p string) bool { return p == bos.Configure })
	}
	record := func(st *state, now time.Time) {
		if !st.recorded {
			st.recorded, st.start = true, now
		}
	}
	if !early {
		s.moves = append(s.moves, move{0, record})
	}
	agent := spec.Agent
	if agent.Never {
		return s
	}
	work := s.perform(untilAgent, early, record)
	if agent.Killed > 0 {
		work = slices.DeleteFunc(work, func(m move) bool { return m.at >= agent.Killed })
	}
	if agent.Replaced > 0 {
		work = append(work, s.perform(agent.Replaced, early, record)...)
	}
	work = slices.DeleteFunc(work, func(m move) bool { return m.at >= agent.LostFrom && m.at < agent.LostTo })
	s.moves = append(s.moves, work...)
	slices.SortStableFunc(s.moves, func(a, b move) int { return cmp.Compare(a.at, b.at) })
	return s
}

// perform is the work of one agent.
func (s *script) perform(start time.Duration, early bool, record func(*state, time.Time)) []move {
	moves := []move{{start, record}}
	end, halted := start, false
	for i := range s.spec.BootSets {
		r := run{spec: s.spec, set: i, early: early, at: start}
		r.perform(s.phases)
		moves = append(moves, r.moves...)
		end, halted = max(end, r.at), halted || r.halted
	}
	if !halted {
		moves = append(moves, move{end, func(st *state, now time.Time) {
			if st.stop.IsZero() {
				st.stop = now
			}
		}})
	}
	return moves
}

// at is the state at t.
func (s *script) at(t time.Time) *state {
	st := newState(s.spec, s.phases)
	for _, m := range s.moves {
		now := s.spec.Created.Add(s.spec.paced(m.at))
		if now.After(t) {
			break
		}
		m.apply(st, now)
		st.moves++
	}
	return st
}

// paced is how long d takes at the pace of the session.
func (s *Spec) paced(d time.Duration) time.Duration {
	if s.Pace == 0 {
		return d
	}
	return time.Duration(float64(d) / s.Pace)
}

// run is the way of one boot set through its phases.
type run struct {
	spec    *Spec
	set     int // index of the boot set
	early   bool
	at      time.Duration         // how far the run has come
	left    []int                 // the nodes that are still with it, as indexes
	failed  bool                  // some node failed
	halted  bool                  // an early agent gave up
	victims map[Kind]map[int]bool // the nodes that suffer from each kind of trouble
	moves   []move
}

func (r *run) perform(phases []string) {
	work := r.at + untilWork
	b := r.bootSet()
	index := make(map[string]int, len(b.Nodes))
	for node, name := range b.Nodes {
		r.left = append(r.left, node)
		index[name] = node
	}
	r.victims = make(map[Kind]map[int]bool)
	for _, trouble := range b.Troubles {
		if r.victims[trouble.Kind] == nil {
			r.victims[trouble.Kind] = make(map[int]bool)
		}
		nodes := trouble.Nodes
		if nodes == nil {
			nodes = b.Nodes
		}
		for _, name := range nodes {
			r.victims[trouble.Kind][index[name]] = true
		}
	}
	r.at += untilReported
	r.do(func(b *bootSetState, now time.Time) { b.report(now) })
	if len(r.left) > 0 {
		if !r.early && !r.spec.NoCFS && slices.Contains(phases, bos.Configure) {
			r.at += untilStaged - untilReported
			r.put(bos.Configure, r.left, inProgress)
		}
		r.at = work
		for _, phase := range phases {
			switch phase {
			case bos.Shutdown:
				r.shutdown()
			case bos.Boot:
				r.boot()
			case bos.Configure:
				r.configure()
			}
			r.halted = r.early && r.failed
			if r.halted || len(r.left) == 0 {
				break
			}
		}
	}
	r.at += cleaningUp
	if !r.halted {
		r.do(func(b *bootSetState, now time.Time) { b.stop = now })
	}
}

func (r *run) shutdown() {
	r.put(bos.Shutdown, r.left, inProgress)
	if r.suffers(ShutdownFails) || r.suffers(ForcedOff) {
		r.at += shutdownLimit
	} else {
		r.at += shutdownTakes
	}
	r.put(bos.Shutdown, r.left, succeeded)
	r.report(bos.Shutdown, ForcedOff)
	r.fail(bos.Shutdown, ShutdownFails)
	if r.early {
		r.stop(bos.Shutdown)
	}
	if r.spec.operation() != bos.Reboot || len(r.left) == 0 {
		return
	}
	if r.suffers(StillReady) {
		r.at += leavingLimit
		r.left = nil
		return
	}
	r.at += leavingReady
}

func (r *run) boot() {
	r.put(bos.Boot, r.left, inProgress)
	r.at += untilBootStart
	r.do(func(b *bootSetState, now time.Time) { b.phase(bos.Boot).start = now })
	if r.suffers(AlreadyOn) {
		return
	}
	r.at += powerOnTakes
	r.fail(bos.Boot, PowerOnRefused)
	accepted := r.at
	if len(r.left) > 0 {
		if r.early {
			r.succeedOneByOne(bos.Boot, r.without(NeverReady), waitLimit)
		} else {
			r.put(bos.Boot, r.left, succeeded)
		}
		if r.suffers(NeverReady) {
			r.at = accepted + waitLimit
			r.fail(bos.Boot, NeverReady)
		} else {
			r.at = accepted + lastDone
		}
	}
	r.stop(bos.Boot)
}

func (r *run) configure() {
	if r.spec.NoCFS {
		return
	}
	if r.early {
		r.put(bos.Configure, r.left, inProgress)
	}
	start := r.at
	switch {
	case r.suffers(AlreadyOn): // the configuration waits for a boot that does not come
		r.at = start + waitLimit
	case r.suffers(ConfigureFails):
		r.succeedOneByOne(bos.Configure, r.without(ConfigureFails, NeverConfigured), failureDone)
		r.at = start + failureDone
		r.fail(bos.Configure, ConfigureFails)
	default:
		r.succeedOneByOne(bos.Configure, r.without(NeverConfigured), waitLimit)
		r.at = start + lastDone
		if r.suffers(NeverConfigured) {
			r.at = start + waitLimit
		}
	}
}

// succeedOneByOne lets the nodes succeed as they are found done by an agent that
// polls, until it stops after limit. The clock of the run stays where it is.
func (r *run) succeedOneByOne(phase string, nodes []int, limit time.Duration) {
	start := r.at
	nodes = slices.Clone(nodes)
	shuffle(nodes, r.spec.ID, r.bootSet().Name, phase)
	due := func(i int) time.Duration {
		d := firstDone + (lastDone-firstDone)*time.Duration(i+1)/time.Duration(len(nodes))
		return (d + pollEvery - 1).Truncate(pollEvery)
	}
	for from := 0; from < len(nodes) && due(from) <= limit; {
		to := from + 1
		for to < len(nodes) && due(to) == due(from) {
			to++
		}
		r.at = start + due(from)
		r.put(phase, nodes[from:to], succeeded)
		from = to
	}
	r.at = start
}

// do adds a change of the boot set to the script.
func (r *run) do(change func(b *bootSetState, now time.Time)) {
	set := r.set
	r.moves = append(r.moves, move{r.at, func(st *state, now time.Time) { change(&st.bootSets[set], now) }})
}

// put moves nodes to a category.
func (r *run) put(phase string, nodes []int, to categories) {
	r.do(func(b *bootSetState, _ time.Time) {
		in := b.phase(phase).in
		for _, node := range nodes {
			in[node] = to
		}
	})
}

func (r *run) stop(phase string) {
	r.do(func(b *bootSetState, now time.Time) { b.phase(phase).stop = now })
}

// fail moves the nodes that suffer from a kind of trouble to failed, with their
// messages, and drops them from the run.
func (r *run) fail(phase string, kind Kind) {
	bad := r.suffering(kind)
	if len(bad) == 0 {
		return
	}
	r.failed = true
	if kind == NeverReady && !r.early {
		r.do(func(b *bootSetState, _ time.Time) {
			in := b.phase(phase).in
			for _, node := range bad {
				in[node] |= failed // moved out of in progress, where they no longer are
			}
		})
	} else {
		r.put(phase, bad, failed)
	}
	if kind != NeverReady {
		r.report(phase, kind)
	}
	r.left = r.without(kind)
}

// report adds the messages of a kind of trouble to a phase.
func (r *run) report(phase string, kind Kind) {
	b := r.bootSet()
	for _, trouble := range b.Troubles {
		if trouble.Kind != kind || trouble.Message == "" {
			continue
		}
		var names []string
		for _, node := range r.left {
			if name := b.Nodes[node]; trouble.Nodes == nil || slices.Contains(trouble.Nodes, name) {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			continue
		}
		r.do(func(b *bootSetState, _ time.Time) {
			p := b.phase(phase)
			if p.errors == nil {
				p.errors = make(map[string][]string)
			}
			p.errors[trouble.Message] = union(p.errors[trouble.Message], names)
		})
	}
}

// union is a and what b has beyond it.
func union(a, b []string) []string {
	all := slices.Clone(a)
	had := make(map[string]bool, len(a))
	for _, s := range a {
		had[s] = true
	}
	for _, s := range b {
		if !had[s] {
			all = append(all, s)
		}
	}
	return all
}

func (r *run) bootSet() *BootSetSpec { return &r.spec.BootSets[r.set] }

// suffering are the nodes left that suffer from a kind of trouble.
func (r *run) suffering(kind Kind) []int {
	return slices.DeleteFunc(slices.Clone(r.left), func(node int) bool { return !r.victims[kind][node] })
}

// without are the nodes left that suffer from none of the kinds of trouble.
func (r *run) without(kinds ...Kind) []int {
	return slices.DeleteFunc(slices.Clone(r.left), func(node int) bool {
		return slices.ContainsFunc(kinds, func(k Kind) bool { return r.victims[k][node] })
	})
}

func (r *run) suffers(kind Kind) bool { return len(r.suffering(kind)) > 0 }

// shuffle brings items into an order that depends on nothing but the key.
func shuffle[T any](items []T, key ...string) {
	h := fnv.New64a()
	for _, k := range key {
		_, _ = io.WriteString(h, k+"\x00")
	}
	random := rand.New(rand.NewPCG(h.Sum64(), uint64(len(items))))
	random.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
}
