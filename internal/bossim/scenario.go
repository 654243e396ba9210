package bossim

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Scenario is what the simulated BOS holds: a pure function of time. What it says of
// sessions and templates is as v1 shows it.
type Scenario interface {
	// Sessions are those that BOS lists at t.
	Sessions(t time.Time) []*Session
	// Session finds a session at t. Not all that are listed can be found
	// (orphans), and not all that can be found are listed.
	Session(id string, t time.Time) (*Session, bool)
	// Template finds the names of the boot sets of a session template.
	Template(name string) (bootSets []string, ok bool)
	// system is what v2 shows of the scenario at t, in an era that serves it.
	system(t time.Time, era Era) system
}

// Session is a simulated session.
type Session struct {
	id               string
	created, deleted time.Time
	documents
}

// ID is the session ID.
func (s *Session) ID() string { return s.id }

func (s *Session) exists(t time.Time) bool {
	return !s.created.After(t) && (s.deleted.IsZero() || t.Before(s.deleted))
}

func newSession(spec Spec) *Session {
	spec.validate()
	spec = spec.limited()
	return &Session{
		id:      spec.ID,
		created: spec.Created,
		deleted: spec.Deleted,
		documents: &play{ // scripts are written when first read: most sessions of many never are
			spec:  &spec,
			early: sync.OnceValue(func() *script { return newScript(&spec, EraA) }),
			later: sync.OnceValue(func() *script { return newScript(&spec, EraC) }),
		},
	}
}

// Scripted is a scenario of exactly these sessions. Their templates have the
// boot sets that the sessions have between them. An id may be used again once the
// session that had it is deleted. It panics if a spec makes no sense.
func Scripted(specs ...Spec) Scenario {
	s := newScripted()
	for _, spec := range specs {
		s.add(spec)
	}
	return s
}

type scripted struct {
	specs     []*Spec
	named     map[string][]*Spec // by id
	listed    []*Session
	known     map[string][]*Session // by id
	templates map[string][]string
	all, some func() *cluster // the sessions that v2 knows where it is alone, and beside v1
}

func newScripted() *scripted {
	s := &scripted{named: make(map[string][]*Spec), known: make(map[string][]*Session), templates: make(map[string][]string)}
	s.all = sync.OnceValue(func() *cluster { return s.cluster(true) })
	s.some = sync.OnceValue(func() *cluster { return s.cluster(false) })
	return s
}

// cluster has the sessions that v2 knows, where it is alone or beside v1, and all nodes.
func (s *scripted) cluster(alone bool) *cluster {
	var known, others []*Spec
	var since time.Time
	for _, spec := range s.specs {
		since = earliest(since, spec.Created.Add(-24*time.Hour))
		if spec.v2Only() || alone && spec.API != V1 {
			known = append(known, spec)
		} else {
			others = append(others, spec)
		}
	}
	return newCluster(known, others, since)
}

func (s *scripted) system(_ time.Time, era Era) system {
	if era.ServesV1() {
		return s.some()
	}
	return s.all()
}

func (s *scripted) add(spec Spec) {
	if spec.ID == "" {
		spec.ID = uuid("scripted " + strconv.Itoa(len(s.specs)))
	}
	session := newSession(spec)
	for _, other := range s.named[spec.ID] {
		if other.Tenant == spec.Tenant && other.v2Only() == spec.v2Only() && other.overlaps(&spec) {
			panic("bossim: two sessions " + spec.ID)
		}
	}
	s.specs = append(s.specs, &spec)
	s.named[spec.ID] = append(s.named[spec.ID], &spec)
	if spec.v2Only() {
		return
	}
	s.listed = append(s.listed, session)
	if !spec.Orphan {
		s.known[spec.ID] = append(s.known[spec.ID], session)
	}
	if !spec.TemplateDeleted {
		s.templates[spec.Template] = union(s.templates[spec.Template], spec.bootSetNames())
	}
}

// overlaps reports whether there is a time at which both sessions exist.
func (s *Spec) overlaps(other *Spec) bool {
	begins := func(a, b *Spec) bool {
		return !b.Created.After(a.Created) && (b.Deleted.IsZero() || a.Created.Before(b.Deleted))
	}
	return !s.Orphan && !other.Orphan && (begins(s, other) || begins(other, s))
}

func (s *scripted) Sessions(t time.Time) []*Session {
	var there []*Session
	for _, session := range s.listed {
		if session.exists(t) {
			there = append(there, session)
		}
	}
	return there
}

func (s *scripted) Session(id string, t time.Time) (*Session, bool) {
	for _, session := range s.known[id] {
		if session.exists(t) {
			return session, true
		}
	}
	return nil, false
}

func (s *scripted) Template(name string) ([]string, bool) {
	bootSets, ok := s.templates[name]
	return bootSets, ok
}

// uuid is a UUID that looks like a random one but follows from the key.
func uuid(key string) string {
	b := sha256.Sum256([]byte(key))
	b[6] = b[6]&0x0f | 0x40 // version 4
	b[8] = b[8]&0x3f | 0x80 // variant 1
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
