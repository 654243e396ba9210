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
	// described is set once session holds more than its key, and read once its boot sets
	// have been read, or could not be.
	described, read bool
	final           bool      // the boot sets were read after the session had stopped, whole
	err             error     // why the last reading failed
	gap             error     // what a good reading lacks all the same
	backOff         backOff   // when to try again what failed or was lacking
	absent          absence   // what BOS says does not exist
	letGo           bool      // BOS is believed that the session does not exist
	counted         bool      // it is among the completions
	asOf            time.Time // see Session.AsOf
	// stopSeen is when the session was first seen to have stopped, by the clock
	// of BOS; zero before.
	stopSeen time.Time
}

func newRecord(l Listed) *record {
	return &record{listed: l, session: &bos.Session{API: l.Key.API, Tenant: l.Key.Tenant, ID: l.Key.ID}}
}

// there tells whether anything of the session may be shown: it could be described, and
// BOS has not let go of it since.
func (r *record) there() bool { return r.described && !r.letGo }

// known tells whether its boot sets may be shown, too.
func (r *record) known() bool { return r.read && !r.letGo }

// vanished reports whether the session, which a list of unfinished ones lacked, is not
// found: it was deleted.
func (r *record) vanished() bool {
	return r.left && r.absent.of == theSession
}

// trouble is why the session could not be read, or what its reading lacks.
func (r *record) trouble() error { return cmp.Or(r.err, r.gap) }

// safely reads a session, and returns a record that holds the failure if that panics: one
// session spoils no other.
func safely(old *record, read func() *record) (r *record) {
	defer func() {
		if p := recover(); p != nil {
			r = failed(old, fmt.Errorf("reading session %s: %v", old.session.ID, p))
		}
	}()
	return read()
}

// read reads a session and returns its new record.
func (v *Inventory) read(ctx context.Context, reader Reader, old *record) *record {
	r := v.describe(ctx, reader, old)
	switch {
	case r.err != nil:
		return r
	case !r.session.SameAs(old.session):
		old = newRecord(old.listed) // the id is used again
	}
	return v.readBootSets(ctx, reader, old, r)
}

// describe reads the description of a session, and returns a record that has nothing
// else of it.
func (v *Inventory) describe(ctx context.Context, reader Reader, old *record) *record {
	s, err := reader.Describe(ctx, old.listed, Reading{Session: old.session, Memo: old.memo})
	if err != nil {
		if bos.ReasonOf(err) == bos.NotFound {
			return notFound(old, err)
		}
		return failed(old, err)
	}
	if !s.SameAs(old.session) {
		old = newRecord(old.listed)
	}
	described := *old.session
	described.BootSets = nil
	if err := v.fragment(s, &described); err != nil {
		return failed(old, err)
	}
	r := *old
	r.err, r.gap, r.letGo, r.described = nil, nil, false, true
	now := v.cfg.Now()
	s.Preexisting = old.session.Preexisting
	if old.described {
		s.Observe(old.session, now)
	} else {
		s.Observe(nil, now)
	}
	if !s.StopTime.IsZero() && r.stopSeen.IsZero() {
		r.stopSeen = now
		if !old.described {
			r.stopSeen = s.NewestTime(now)
		}
	}
	r.session = s
	return &r
}

// readBootSets reads the boot sets of a session, old, that has just been described, and
// returns its new record.
func (v *Inventory) readBootSets(ctx context.Context, reader Reader, old, described *record) *record {
	r := *described
	now := v.cfg.Now()
	s := new(*described.session)
	var missing *Missing
	if old.final { // it has stopped since, and its outcome stands
		s.BootSets, s.Nodes, s.Recounted, s.Obscure = old.session.BootSets, old.session.Nodes, old.session.Recounted, old.session.Obscure
	} else {
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
		if old.described {
			s.Observe(old.over(r.table).session, now)
		} else {
			s.Observe(nil, now)
		}
	}
	if s.Preexisting && s.NewestTime(now).IsZero() {
		s.Obscure = true // nobody knows since when it has been there
	}
	r.session, r.read = s, true
	if r.err == nil {
		r.asOf = time.Now()
		v.await(&r, missing, now)
		r.final = missing == nil && !s.StopTime.IsZero() && v.atRest(&r, now)
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
