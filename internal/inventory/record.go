package inventory

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// record is what the inventory knows of a session. It is replaced as a whole by
// each reading.
type record struct {
	listed  Listed         // by the last list that held it
	left    bool           // the last list, one of unfinished sessions, lacked it
	session *bos.Session   // as last read well; only its key before that; never written
	table   *bos.NodeTable // of the node sets of the session; nil if it has none
	memo    any            // of the API; see Reading
	read    bool           // session holds more than its key
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
}

func newRecord(l Listed) *record {
	return &record{listed: l, session: &bos.Session{API: l.Key.API, Tenant: l.Key.Tenant, ID: l.Key.ID}}
}

// there tells whether anything of the session may be shown: it could be read, and
// BOS has not let go of it since.
func (r *record) there() bool { return r.read && !r.letGo }

// vanished reports whether the session, which a list of unfinished ones lacked, is not
// found: it was deleted.
func (r *record) vanished() bool {
	return r.left && r.absent.of == theSession
}

// trouble is why the session could not be read, or what its reading lacks.
func (r *record) trouble() error { return cmp.Or(r.err, r.gap) }

// readSafely reads a session, and returns a record that holds the failure if that
// panics: one session spoils no other.
func (v *Inventory) readSafely(ctx context.Context, reader Reader, old *record) (r *record) {
	defer func() {
		if p := recover(); p != nil {
			r = failed(old, fmt.Errorf("reading session %s: %v", old.session.ID, p))
		}
	}()
	return v.read(ctx, reader, old, v.follows)
}

// read reads a session, and its boot sets if follow says so of its description, and
// returns its new record.
func (v *Inventory) read(ctx context.Context, reader Reader, old *record, follow func(*bos.Session, time.Time) bool) *record {
	s, err := reader.Describe(ctx, old.listed, Reading{Session: old.session, Memo: old.memo})
	if err != nil {
		if bos.ReasonOf(err) == bos.NotFound {
			return notFound(old, err)
		}
		return failed(old, err)
	}
	if !s.SameAs(old.session) {
		old = newRecord(old.listed) // the id is used again
	}
	described := *old.session
	described.BootSets = nil
	if err := v.fragment(s, &described); err != nil {
		return failed(old, err)
	}
	r := *old
	r.err, r.gap, r.letGo = nil, nil, false
	now := v.cfg.Now()
	s.Preexisting = old.session.Preexisting
	var missing *Missing
	switch {
	case follow(s, now):
		var failure error
		if s, missing, failure = v.readNodes(ctx, reader, &r, s, old); failure != nil {
			f := failed(old, failure)
			if old.read && (!old.session.Obscure || len(old.session.BootSets) > 0) {
				return f
			}
			// Better the description alone than nothing.
			r.err, r.absent, r.backOff = f.err, f.absent, f.backOff
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
		v.await(&r, missing, now)
	}
	return &r
}

// readNodes reads the boot sets of s into r, which is to replace old. An error comes with
// what is known of s without them.
func (v *Inventory) readNodes(ctx context.Context, reader Reader, r *record, s *bos.Session, old *record) (*bos.Session, *Missing, error) {
	recorder := bos.NewRecorder(v.nodes.table())
	last := old.over(recorder.Table())
	reading, err := reader.Nodes(ctx, s, Reading{Session: last.session, Memo: last.memo}, recorder)
	if reading.Memo != nil {
		r.memo = reading.Memo
	}
	if err != nil {
		return s, nil, err
	}
	s, r.table = v.nodes.adopt(recorder, reading.Session)
	if s.Nodes.Nodes() > 0 && s.All().Empty() {
		r.table = nil // BOS tells numbers alone
	}
	return s, reading.Missing, v.fragment(s, old.session)
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
	return &bos.Error{Reason: bos.Malformed, URL: v.Address(s.Key()), Detail: "the answer lacks what was known before: " + what}
}
