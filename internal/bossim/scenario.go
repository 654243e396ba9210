package bossim

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Scenario is what the simulated BOS holds: a pure function of time.
type Scenario interface {
	// Sessions are those that BOS lists at t.
	Sessions(t time.Time) []*Session
	// Session finds a session at t. Not all that are listed can be found
	// (orphans), and not all that can be found are listed.
	Session(id string, t time.Time) (*Session, bool)
	// Template finds the names of the boot sets of a session template.
	Template(name string) (bootSets []string, ok bool)
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
	listed    []*Session
	known     map[string][]*Session // by id
	templates map[string][]string
}

func newScripted() *scripted {
	return &scripted{known: make(map[string][]*Session), templates: make(map[string][]string)}
}

func (s *scripted) add(spec Spec) {
	if spec.ID == "" {
		spec.ID = uuid("scripted " + strconv.Itoa(len(s.listed)))
	}
	session := newSession(spec)
	s.listed = append(s.listed, session)
	for _, other := range s.known[spec.ID] {
		if other.exists(session.created) || session.exists(other.created) {
			panic("bossim: two sessions " + spec.ID)
		}
	}
	if !spec.Orphan {
		s.known[spec.ID] = append(s.known[spec.ID], session)
	}
	if !spec.TemplateDeleted {
		s.templates[spec.Template] = union(s.templates[spec.Template], spec.bootSetNames())
	}
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
