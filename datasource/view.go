package datasource

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// view is what a query looks at: the sessions that it selects, and the notices that go
// with the rows.
type view struct {
	ctx        context.Context
	query      Query
	uid        string // of the datasource, for links
	max        int    // maximum number of rows
	inventory  *inventory.OnDemand
	snapshot   *inventory.Snapshot
	within     backend.TimeRange    // of the dashboard
	now        time.Time            // by the clock of BOS
	pattern    *bos.NodeSet         // the nodes that match the query's patterns; nil until asked for
	sessions   []*inventory.Session // newest first
	components []component          // in a query about the machine
	notices    []data.Notice
	doubts     []string  // those of the notices that say that there may be more
	cut        string    // how many rows were left out; empty if none were
	source     string    // what was read, for people
	asOf       time.Time // when, by our clock

	known    int                  // sessions in question whose description could be read
	selected []*inventory.Session // what sessions were at first, before a query type dropped some
	unread   *unread
	// recounted are the sessions in the answer some of whose nodes may have ended
	// differently from what it says.
	recounted map[bos.Key]bool
}

// unread holds the sessions that belong to the answer, or may belong to it, and could
// not be read.
type unread struct {
	sessions []bos.Key
	errs     map[bos.Key]error
	tolerate map[bos.Key]bool // BOS lists them forever, and has nothing about them
}

func (v *view) warn(format string, args ...any) {
	v.notices = append(v.notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: fmt.Sprintf(format, args...)})
}

// doubt warns that there may be more than what is known: an answer without rows does not
// mean that there is nothing.
func (v *view) doubt(format string, args ...any) {
	v.warn(format, args...)
	v.doubts = append(v.doubts, v.notices[len(v.notices)-1].Text)
}

func (v *view) inform(format string, args ...any) {
	v.notices = append(v.notices, data.Notice{Severity: data.NoticeSeverityInfo, Text: fmt.Sprintf(format, args...)})
}

// miss records that a session could not be read. Unless it is certain that the query
// is about the session, one that BOS does not find is tolerated: deleted sessions and
// templates can leave such entries in the list for good.
func (v *view) miss(s *inventory.Session, err error, certain bool) {
	key := s.Key()
	tolerate := !certain && bos.ReasonOf(err) == bos.NotFound
	if v.unread.errs[key] == nil {
		v.unread.sessions = append(v.unread.sessions, key)
		v.unread.tolerate[key] = tolerate
	}
	v.unread.errs[key] = err
	v.unread.tolerate[key] = v.unread.tolerate[key] && tolerate
}

// neverRead tells whether nothing but the id of the session is known: it was never read, or
// BOS no longer has it.
func neverRead(s *inventory.Session) bool { return s.FirstSeen.IsZero() || s.Gone }

// blind tells whether the boot sets of the session could not be read, or not yet.
func blind(s *inventory.Session) bool {
	return s.Unread || s.Err != nil && s.Obscure && len(s.BootSets) == 0
}

// whyUnread is why nothing more is known of a session.
func whyUnread(s *inventory.Session) error { return cmp.Or(s.Err, errNotReadYet) }

// conclude accounts for the sessions that could not be read, once all others have been
// looked at. If there are no others that is an error, for nothing can be said, unless they
// are merely counted, which is no fault; in an alert rule it is one anyway: it would take the
// sessions to be well.
func (v *view) conclude(alert bool) error {
	incomplete := slices.DeleteFunc(slices.Clone(v.selected), func(s *inventory.Session) bool {
		return s.Err == nil || v.unread.errs[s.Key()] != nil
	})
	if alert {
		for _, s := range incomplete {
			if bos.ReasonOf(s.Err) == bos.NotFound && slices.ContainsFunc(s.BootSets, func(b bos.BootSet) bool { return !b.Reported }) {
				return unreadError{sessions: 1, first: fullName(s.Key()), cause: s.Err}
			}
		}
	}
	if len(incomplete) > 0 {
		v.warn("Sessions that could not be read completely, and of which the last good data is shown: %d. The first is %s: %s", len(incomplete), fullName(incomplete[0].Key()), incomplete[0].Err)
	}
	described := slices.DeleteFunc(slices.Clone(v.selected), func(s *inventory.Session) bool {
		return !s.Unread || s.Err != nil || v.unread.errs[s.Key()] != nil
	})
	if len(described) > 0 {
		v.inform("Sessions of which nothing but the description has been read yet: %d. %s.", len(described), littleByLittle)
	}
	for _, s := range v.selected { // the first of them
		if v.recounted[s.Key()] {
			err := unreadError{sessions: len(v.recounted), first: fullName(s.Key()), cause: errRecounted}
			if alert {
				return err
			}
			v.doubt("%s", err)
			break
		}
	}
	if len(v.unread.sessions) == 0 {
		return nil
	}
	slices.SortStableFunc(v.unread.sessions, func(a, b bos.Key) int {
		return cmp.Or(boolOrder(v.unread.tolerate[a])-boolOrder(v.unread.tolerate[b]),
			boolOrder(isCounted(v.unread.errs[a]))-boolOrder(isCounted(v.unread.errs[b])),
			boolOrder(isNotYet(v.unread.errs[a]))-boolOrder(isNotYet(v.unread.errs[b])))
	})
	err := v.whyMissing()
	answered := 0
	for _, s := range v.selected {
		if v.unread.errs[s.Key()] == nil {
			answered++
		}
	}
	switch tolerate := v.unread.tolerate[v.unread.sessions[0]]; {
	case alert && !tolerate,
		answered == 0 && !tolerate && !isCounted(err.cause),
		answered == 0 && tolerate && v.known == 0:
		return err
	case tolerate:
		v.warn("%s", err)
	default:
		v.doubt("%s", err)
	}
	return nil
}

// whyMissing counts the sessions that are missing by the kind of reason, in their order.
func (v *view) whyMissing() (err unreadError) {
	kind := func(k bos.Key) int {
		cause := v.unread.errs[k]
		return boolOrder(isCounted(cause)) + 2*boolOrder(isNotYet(cause))
	}
	byKind := make(map[int]*unreadError)
	last := &err
	for i, k := range v.unread.sessions {
		e := byKind[kind(k)]
		if e == nil {
			if e = &err; i > 0 {
				e = new(unreadError)
				last.next, last = e, e
			}
			e.first, e.cause = fullName(k), v.unread.errs[k]
			byKind[kind(k)] = e
		}
		e.sessions++
	}
	return err
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// outdated returns an error if the data of the selected sessions, or the list that they
// were selected from, is too old for an alert rule, or was never read.
func (v *view) outdated() error {
	asOf, cause := time.Now(), error(nil)
	older := func(t time.Time, err error) {
		if t.Before(asOf) {
			asOf, cause = t, err
		}
	}
	if len(v.query.Session) == 0 || slices.ContainsFunc(v.query.Session, func(s string) bool { return slices.Contains(selectors, s) }) {
		older(v.snapshot.ListedAt, v.snapshot.Err)
	}
	for _, s := range v.sessions {
		if !blind(s) { // conclude accounts for those
			older(s.AsOf, s.Err)
		}
	}
	cause = cmp.Or(cause, errNotReadYet)
	if asOf.IsZero() { // there never was any
		return cause
	}
	if old := time.Since(asOf); old > inventory.DefaultStaleAfter {
		return outdatedError{age: old, cause: cause}
	}
	return nil
}

// ending returns when the session ended, or now if it has not.
func (v *view) ending(s *inventory.Session) time.Time {
	if s.Verdict.Ending == bos.Ended {
		return s.Verdict.End
	}
	return v.now
}
