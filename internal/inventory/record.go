package inventory

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// record is what the inventory knows of a session. It is replaced as a whole by
// each reading.
type record struct {
	session *bos.Session   // as last read well; only its id before that; never written
	table   *bos.NodeTable // of the node sets of the session; nil if it has none
	read    bool           // session holds more than its id
	asked   bool           // its boot sets were asked for, although it is not followed
	err     error          // why the last reading failed
	gap     error          // what a good reading lacks all the same
	backOff backOff        // when to try again what failed or was lacking
	absent  absence        // what BOS says does not exist
	letGo   bool           // BOS is believed that the session does not exist
	counted bool           // it is among the completions
	asOf    time.Time      // see Session.AsOf
	// stopSeen is when the session was first seen to have stopped, by the clock
	// of BOS; zero before.
	stopSeen time.Time
	// names are the names of the boot sets. They are final once the status of
	// the session could be read: the earliest releases write it late.
	names      []string
	namesFinal bool
}

func newRecord(id string) *record {
	return &record{session: &bos.Session{ID: id, API: bos.APIv1}}
}

// there tells whether anything of the session may be shown: it could be read, and
// BOS has not let go of it since.
func (r *record) there() bool { return r.read && !r.letGo }

// trouble is why the session could not be read, or what its reading lacks.
func (r *record) trouble() error { return cmp.Or(r.err, r.gap) }

// absence is something that BOS says does not exist, and since when it has said so at
// every reading, by our clock. The zero value is the absence of nothing.
type absence struct {
	of    string
	since time.Time
}

// still returns the absence of something that is absent once more.
func (a absence) still(of string) absence {
	if a.of == of {
		return a
	}
	return absence{of, time.Now()}
}

// believed tells whether BOS has said so for long enough.
func (a absence) believed() bool { return time.Since(a.since) >= believeAfter }

// What may be absent besides boot sets, for which their names stand.
const (
	theSession  = "/session"
	theTemplate = "/template"
)

// failed returns the record after a reading that failed.
func failed(old *record, err error) *record {
	r := *old
	r.err, r.absent = err, absence{}
	r.backOff.failed(0, maxRetryWait)
	r.backOff.heed(err)
	return &r
}

// notFound returns the record after a reading at which BOS knew no such session. One
// that could be read before is let go only when BOS is believed.
func notFound(old *record, err error) *record {
	r := *old
	r.err, r.absent = err, old.absent.still(theSession)
	r.letGo = r.letGo || r.absent.believed()
	most := maxRetryWait
	if !r.there() {
		most = maxOrphanWait
	}
	r.backOff.failed(0, most)
	r.backOff.heed(err)
	return &r
}

// due tells whether the session is to be read in this sweep. One that has stopped is
// left alone until its last reading.
func (r *record) due(now time.Time) bool {
	if !r.backOff.over() {
		return false
	}
	return r.trouble() != nil || r.stopSeen.IsZero() || now.Sub(r.stopSeen) >= settleAfter
}

// settles tells whether nothing more is to be expected of the session.
func (v *Inventory) settles(r *record, now time.Time) bool {
	switch {
	case r.err != nil:
		return false
	case !v.follows(r.session, now):
		return true
	default:
		return v.atRest(r, now) && (r.absent.of == "" || r.absent.believed())
	}
}

// atRest tells whether the session has stopped a while ago, or was abandoned.
func (v *Inventory) atRest(r *record, now time.Time) bool {
	if !r.stopSeen.IsZero() {
		return now.Sub(r.stopSeen) >= settleAfter
	}
	return now.Sub(r.session.LastProgress(now)) > v.cfg.Limits.Abandoned
}

// readSafely reads a session, and returns a record that holds the failure if that
// panics: one session spoils no other.
func (v *Inventory) readSafely(ctx context.Context, old *record) (r *record) {
	defer func() {
		if p := recover(); p != nil {
			r = failed(old, fmt.Errorf("reading session %s: %v", old.session.ID, p))
		}
	}()
	return v.read(ctx, old, v.follows)
}

// read reads a session, and its boot sets if follow says so of its description, and
// returns its new record.
func (v *Inventory) read(ctx context.Context, old *record, follow func(*bos.Session, time.Time) bool) *record {
	s, err := v.cfg.Client.Session(ctx, old.session.ID)
	if err != nil {
		if bosclient.ReasonOf(err) == bosclient.NotFound {
			return notFound(old, err)
		}
		return failed(old, err)
	}
	if !s.SameAs(old.session) {
		old = newRecord(s.ID) // the id is used again
	}
	described := *old.session
	described.BootSets = nil
	if err := v.fragment(s, &described); err != nil {
		return failed(old, err)
	}
	r := *old
	r.err, r.gap, r.letGo = nil, nil, false
	lacks := "" // what BOS says does not exist
	now := v.cfg.Client.Now()
	s.Preexisting = old.session.Preexisting
	switch {
	case follow(s, now):
		recorder := bos.NewRecorder(v.nodes.table())
		lacks, err = v.readBootSets(ctx, &r, s, recorder)
		s, r.table = v.nodes.adopt(recorder, s)
		if err == nil {
			err = v.fragment(s, old.session)
		}
		if err != nil {
			f := failed(old, err)
			if old.read && (!old.session.Obscure || len(old.session.BootSets) > 0) {
				return f
			}
			// Better the description alone than nothing.
			r.err, r.gap, r.absent, r.backOff = f.err, nil, f.absent, f.backOff
			s.BootSets, s.Nodes, s.Obscure = nil, bos.Tally{}, true
		}
		if old.read {
			s.Observe(old.over(r.table).session, now)
		} else {
			s.Observe(nil, now)
		}
	case old.read: // it was followed once, and its outcome stands
		s.BootSets, s.Nodes, s.Obscure, s.FirstSeen = old.session.BootSets, old.session.Nodes, old.session.Obscure, old.session.FirstSeen
	default:
		s.Observe(nil, now)
	}
	if s.Preexisting && s.NewestTime(now).IsZero() {
		s.Obscure = true // nobody knows since when it has been there
	}
	if !s.StopTime.IsZero() && r.stopSeen.IsZero() {
		r.stopSeen = now
		if !old.read {
			r.stopSeen = s.NewestTime(now)
		}
	}
	r.session, r.read = s, true
	if r.err == nil {
		r.asOf = time.Now()
		v.await(&r, lacks, now)
	}
	return &r
}

// fragment is the error of a reading that lost what was known before.
func (v *Inventory) fragment(s, before *bos.Session) error {
	lost := s.Lost(before)
	if len(lost) == 0 {
		return nil
	}
	const most = 3
	what := strings.Join(lost[:min(len(lost), most)], ", ")
	if more := len(lost) - most; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	return &bosclient.Error{Reason: bosclient.Malformed, URL: v.cfg.Client.URL() + "/v1/session/" + url.PathEscape(s.ID),
		Detail: "the answer lacks what was known before: " + what}
}

// await plans the next reading after a good one in which BOS said that a part of the
// session does not exist, if it did. A session at rest is then read again, more and
// more rarely, until BOS is believed.
func (v *Inventory) await(r *record, lacks string, now time.Time) {
	atRest := v.atRest(r, now)
	if lacks == "" {
		r.absent = absence{}
	} else {
		r.absent = r.absent.still(lacks)
	}
	// That a boot set does not exist is no trouble before its agent reports it, nor if
	// none ever did.
	if lacks != theTemplate && (r.absent.believed() || !atRest && r.session.StopTime.IsZero()) {
		r.gap = nil
	}
	if lacks == "" || !atRest {
		r.backOff = backOff{}
	} else {
		r.backOff.failed(0, maxRetryWait)
	}
}

// readBootSets reads the boot sets of s; earlier readings in r help with their names.
// It returns what BOS says does not exist, with r.gap saying so.
func (v *Inventory) readBootSets(ctx context.Context, r *record, s *bos.Session, recorder *bos.Recorder) (lacks string, err error) {
	if !r.namesFinal {
		if lacks, err = v.readNames(ctx, r, s); err != nil {
			return "", err
		}
	}
	for _, name := range r.names {
		b, err := v.cfg.Client.BootSet(ctx, s.ID, name, recorder)
		if bosclient.ReasonOf(err) == bosclient.NotFound && !r.reported(name) {
			if r.gap == nil {
				r.gap, lacks = err, name
			}
			b, err = &bos.BootSet{Name: name}, nil
		}
		if err != nil {
			return "", err
		}
		if b.Reported && len(b.Phases) == 0 && r.gap == nil {
			// An agent that finds no nodes may say so. An ended session does not settle on it
			// at once.
			r.gap, lacks = v.noPhases(s, name), name
		}
		recorder.EndBootSet(b)
		s.BootSets = append(s.BootSets, *b)
	}
	s.Nodes = s.Fates().Tally()
	return lacks, nil
}

func (v *Inventory) noPhases(s *bos.Session, bootSet string) error {
	return &bosclient.Error{Reason: bosclient.Malformed, URL: v.cfg.Client.URL() + "/v1/session/" + url.PathEscape(s.ID) + "/status/" + url.PathEscape(bootSet),
		Detail: "the boot set has no phases"}
}

// reported tells whether the boot agent had reported the boot set when the
// session was last read.
func (r *record) reported(bootSet string) bool {
	return slices.ContainsFunc(r.session.BootSets, func(b bos.BootSet) bool { return b.Name == bootSet && b.Reported })
}

// readNames learns the names of the boot sets: from the status of the session if
// it gives them, as the earliest releases do, otherwise from the session template. As
// long as the status cannot be read the template serves: those releases write the
// status when the boot agent starts, and close the connection until it is complete.
func (v *Inventory) readNames(ctx context.Context, r *record, s *bos.Session) (lacks string, err error) {
	names, err := v.cfg.Client.SessionBootSets(ctx, s.ID)
	switch reason := bosclient.ReasonOf(err); {
	case err == nil && len(names) > 0:
		r.names, r.namesFinal = names, true
		return "", nil
	case err != nil && reason != bosclient.NotFound && (reason != bosclient.Unavailable || bosclient.IsTimeout(err)):
		return "", err
	}
	t, templateErr := v.template(ctx, s)
	switch {
	case templateErr == nil:
		r.names, r.namesFinal = t, err == nil
	case bosclient.ReasonOf(templateErr) != bosclient.NotFound:
		return "", templateErr
	case len(r.names) == 0:
		r.gap, s.Obscure = templateErr, true // its boot sets cannot be known; all else can
		return theTemplate, nil
	}
	return "", nil
}

// templateEntry is the result of reading a template.
type templateEntry struct {
	bootSets []string
	err      error // NotFound, or nil
}

// template returns the names of the boot sets of the template of a session.
func (v *Inventory) template(ctx context.Context, s *bos.Session) ([]string, error) {
	name := s.Template
	if name == "" {
		return nil, &bosclient.Error{Reason: bosclient.NotFound, URL: v.cfg.Client.URL() + "/v1/session/" + url.PathEscape(s.ID),
			Detail: "BOS names no session template for it, so its boot sets cannot be known"}
	}
	if e, ok := v.templates.Get(name); ok {
		return e.(templateEntry).bootSets, e.(templateEntry).err
	}
	bootSets, err := v.cfg.Client.TemplateBootSets(ctx, name)
	if err == nil || bosclient.ReasonOf(err) == bosclient.NotFound {
		v.templates.Set(name, templateEntry{bootSets, err}, cache.DefaultExpiration)
	}
	return bootSets, err
}
