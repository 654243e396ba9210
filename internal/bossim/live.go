package bossim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Live is a machine at work: sessions start at regular intervals, in all ages
// before and after start, take the time that real ones take divided by pace, and
// go well or wrong in turn. The last forty or so are kept.
//
// Now and then, at the same rate whatever the pace, the agent of a session is
// killed and the session is stuck forever; one is so for an hour at start. The
// pace must be positive.
func Live(start time.Time, pace float64) Scenario {
	if !(pace > 0) || math.IsInf(pace, 0) {
		panic(fmt.Sprintf("bossim: pace %v", pace))
	}
	l := &live{
		start:    start,
		pace:     pace,
		interval: max(time.Duration(float64(5*time.Minute)/pace), 1),
		cache:    make(map[int]*Session),
		clusters: make(map[int]*cluster),
	}
	l.keep = 45 * l.interval
	l.beside = sync.OnceValue(func() *cluster {
		return newCluster(nil, []*Spec{{BootSets: one("", machine())}}, l.start.Add(-discoveredBefore))
	})
	l.stuckSlots = max(int(stuckEvery/l.interval), 2*len(kinds))
	l.stuckPhase = int((time.Hour + l.paced(stuckAfter)) / l.interval)
	return l
}

const (
	stuckEvery = 90 * time.Minute
	stuckAfter = 15 * time.Minute  // at pace 1
	keepStuck  = 150 * time.Minute // at least one is always there long enough
)

// live numbers the sessions by their slots in the schedule: slot 0 begins at
// start, and those before have negative numbers.
type live struct {
	start      time.Time
	pace       float64
	interval   time.Duration // between two sessions
	keep       time.Duration // until a session is deleted
	stuckSlots int           // one in so many slots is stuck
	stuckPhase int           // slot -stuckPhase is

	mu    sync.Mutex
	cache map[int]*Session // by slot: of the slots asked for last, at least

	clusters map[int]*cluster // by epoch: of the epochs asked for last
	beside   func() *cluster  // where there is v1 too
}

// discoveredBefore is how long before the start v2 discovered the nodes.
const discoveredBefore = 30 * 24 * time.Hour

// epoch is how many slots a cluster is for.
const epoch = 64

// system has a cluster for every epoch. It plays all sessions that exist during the epoch and
// those of the two rounds before, which is as far back as anything matters.
func (l *live) system(t time.Time, era Era) system {
	if era.ServesV1() {
		return l.beside() // all sessions are known to v1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := floorDiv(int(floorDiv(t.Sub(l.start), l.interval)), epoch)
	if c := l.clusters[now]; c != nil {
		return c
	}
	first, last := now*epoch, (now+1)*epoch
	var specs []*Spec
	stuckSince := first - int(keepStuck/l.interval) - 1
	for slot := last - 1; slot >= min(stuckSince, first-int(l.keep/l.interval)-2*len(kinds)); slot-- {
		if slot < stuckSince && l.stuck(slot) || slot < first-int(l.keep/l.interval)-2*len(kinds) && !l.stuck(slot) {
			continue
		}
		spec := l.spec(slot)
		spec.Deleted = spec.Created.Add(l.keep)
		if l.stuck(slot) {
			spec.Deleted = spec.Created.Add(keepStuck)
		}
		specs = append(specs, &spec)
	}
	for known := range l.clusters {
		if known < now-1 || known > now+1 {
			delete(l.clusters, known)
		}
	}
	l.clusters[now] = newCluster(specs, nil, l.start.Add(-discoveredBefore))
	return l.clusters[now]
}

func (l *live) paced(d time.Duration) time.Duration { return time.Duration(float64(d) / l.pace) }

// Sessions are those of the slots that are neither yet to come nor too old.
func (l *live) Sessions(t time.Time) []*Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	var there []*Session
	slots := make(map[int]bool)
	add := func(slot int) {
		session := l.cache[slot]
		if session == nil {
			session = newSession(l.spec(slot))
			l.cache[slot] = session
		}
		if session.exists(t) {
			slots[slot] = true
			there = append(there, session)
		}
	}
	now := int(floorDiv(t.Sub(l.start), l.interval)) // the newest slot
	for slot := now; l.age(slot, t) <= l.keep; slot-- {
		if !l.stuck(slot) {
			add(slot)
		}
	}
	for slot := now - mod(now+l.stuckPhase, l.stuckSlots); l.age(slot, t) <= keepStuck; slot -= l.stuckSlots {
		add(slot)
	}
	if len(l.cache) > 2*len(slots) {
		for slot := range l.cache {
			if !slots[slot] {
				delete(l.cache, slot)
			}
		}
	}
	return there
}

// Session finds a session that is listed.
func (l *live) Session(id string, t time.Time) (*Session, bool) {
	for _, session := range l.Sessions(t) {
		if session.id == id {
			return session, true
		}
	}
	return nil, false
}

// Template finds a template of one of the kinds of session.
func (l *live) Template(name string) ([]string, bool) {
	for _, kind := range kinds {
		if spec := kind(0); spec.Template == name {
			return spec.bootSetNames(), true
		}
	}
	return nil, false
}

func (l *live) begin(slot int) time.Time {
	return l.start.Add(time.Duration(slot) * l.interval)
}

func (l *live) age(slot int, t time.Time) time.Duration { return t.Sub(l.begin(slot)) }

func (l *live) stuck(slot int) bool { return mod(slot+l.stuckPhase, l.stuckSlots) == 0 }

// spec is the session of a slot.
func (l *live) spec(slot int) Spec {
	kind, round := kinds[mod(slot, len(kinds))], floorDiv(slot, len(kinds))
	if l.stuck(slot) {
		kind, round = stuckKind, floorDiv(slot+l.stuckPhase, l.stuckSlots)
	}
	spec := kind(round)
	spec.ID = uuid(fmt.Sprint("live ", l.begin(slot).UnixNano(), " ", slot))
	random := rand.New(rand.NewPCG(uint64(slot), 0))
	spec.Created = l.begin(slot).Add(time.Duration(random.Int64N(int64(max(min(time.Second, l.interval/2), 1)))))
	spec.Pace = l.pace * (0.9 + 0.1*random.Float64())
	return spec
}

// mod is the rest of floorDiv.
func mod(a, b int) int { return a - b*floorDiv(a, b) }

// floorDiv is a/b rounded down, also below zero; b is positive.
func floorDiv[T int | time.Duration](a, b T) T {
	if a < 0 {
		return (a+1)/b - 1
	}
	return a / b
}

// kinds are the sessions that take turns. Each has nodes of its own, for they
// overlap in time. The round varies which of the nodes suffer, but from a few
// that are known for it.
var kinds = []func(round int) Spec{
	func(int) Spec {
		return Spec{Operation: bos.Reboot, Template: "compute-sles15sp4", BootSets: one("compute", cabinet(0, 0, 64))}
	},
	func(round int) Spec {
		nodes := cabinet(0, 64, 128)
		sets := one("compute", nodes, Trouble{Kind: NeverReady, Nodes: offenders(nodes, round, 2)})
		sets[0].RetryPolicy = 2 // so that they fail before the next round
		return Spec{Operation: bos.Boot, Template: "compute-sles15sp4", BootSets: sets}
	},
	func(int) Spec {
		return Spec{Operation: bos.Shutdown, Template: "gpu-cos-2.5", BootSets: one("gpu", cabinet(2, 64, 32))}
	},
	func(round int) Spec {
		nodes := cabinet(0, 192, 16)
		bad := offenders(nodes, round, 3)
		return Spec{Operation: bos.Configure, Template: "compute-sles15sp4", BootSets: one("compute", nodes,
			Trouble{ConfigureFails, bad[:2], "The node failed to configure: cfs component exhausted all retries"},
			Trouble{ConfigureFails, bad[2:], "The state of the node could not be retrieved from CFS"})}
	},
	func(int) Spec {
		return Spec{Operation: bos.Reboot, Template: "uan-sles15sp4", NoCFS: true, BootSets: one("uan", LoginNodes(4))}
	},
	func(round int) Spec {
		nodes := cabinet(2, 0, 64)
		return Spec{Operation: bos.Reboot, Template: "gpu-cos-2.5", BootSets: one("gpu", nodes,
			Trouble{ShutdownFails, offenders(nodes, round, 1), "NodeBMC Communication Error"})}
	},
	func(int) Spec {
		return Spec{Operation: bos.Reboot, Template: "compute-sles15sp4", BootSets: one("compute", cabinet(0, 208, 8))}
	},
	func(int) Spec {
		return Spec{Operation: bos.Reboot, Template: "full-system-sles15sp4", BootSets: append(
			one("compute", cabinet(1, 0, 248)),
			one("uan", LoginNodes(12)[4:])...)}
	},
	func(int) Spec {
		nodes := cabinet(0, 216, 4)
		return Spec{Operation: bos.Reboot, Template: "compute-sles15sp4", BootSets: one("compute", nodes,
			Trouble{Kind: StillReady, Nodes: nodes[:1]})}
	},
	func(int) Spec { // a whole blade whose BMCs are unreachable
		return Spec{Operation: bos.Shutdown, Template: "compute-sles15sp4", BootSets: one("compute", cabinet(0, 220, 4),
			Trouble{Kind: ShutdownFails, Message: "NodeBMC Communication Error"})}
	},
}

// stuckKind, which has a template of the others, loses its agent while some of its nodes are configured.
// Two that are there at the same time have different nodes.
func stuckKind(round int) Spec {
	return Spec{Operation: bos.Boot, Template: "gpu-cos-2.5", Agent: Agent{Killed: stuckAfter},
		BootSets: one("gpu", cabinet(2+mod(round, 2), 128, 96))}
}

func one(name string, nodes []string, troubles ...Trouble) []BootSetSpec {
	return []BootSetSpec{{Name: name, Nodes: nodes, Troubles: troubles}}
}

var machine = sync.OnceValue(func() []string { return Nodes(4 * 256) })

// cabinet is n nodes of a cabinet, counted from 0.
func cabinet(cabinet, from, n int) []string {
	from += 256 * cabinet
	return machine()[from : from+n : from+n]
}

// offenders are n nodes out of the first five, which differ from round to round.
func offenders(nodes []string, round, n int) []string {
	var names []string
	for i := range n {
		names = append(names, nodes[mod(round+i, 5)])
	}
	return names
}
