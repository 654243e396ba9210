package datasource

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// view is what a query looks at: the sessions that it selects, and the notices that go
// with the rows.
type view struct {
	ctx       context.Context
	query     Query
	uid       string        // of the datasource, for links
	max       int           // maximum number of rows
	maxAge    time.Duration // of sessions that are followed; 0 follows all
	inventory *inventory.OnDemand
	snapshot  *inventory.Snapshot
	now       time.Time            // by the clock of BOS
	pattern   *bos.NodeSet         // the nodes that match the query's patterns; nil until asked for
	sessions  []*inventory.Session // newest first
	notices   []data.Notice
	cut       string // how many rows were left out; empty if none were

	known    int                  // sessions in question whose description could be read
	selected []*inventory.Session // what sessions were at first, before a query type dropped some
	unread   *unread
}

// unread holds the sessions that belong to the answer, or may belong to it, and could
// not be read.
type unread struct {
	sessions []bos.Key
	errs     map[bos.Key]error
	tolerate map[bos.Key]bool // BOS lists them for ever, and has nothing about them
}

func (v *view) warn(format string, args ...any) {
	v.notices = append(v.notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: fmt.Sprintf(format, args...)})
}

func (v *view) inform(format string, args ...any) {
	v.notices = append(v.notices, data.Notice{Severity: data.NoticeSeverityInfo, Text: fmt.Sprintf(format, args...)})
}

// miss records that a session could not be read. Unless it is certain that the query
// is about the session, one that BOS does not find is tolerated: deleted sessions and
// templates can leave such entries in the list for good.
func (v *view) miss(s *inventory.Session, err error, certain bool) {
	key := s.Key()
	if v.unread.errs[key] == nil {
		v.unread.sessions = append(v.unread.sessions, key)
	}
	v.unread.errs[key] = err
	v.unread.tolerate[key] = !certain && bos.ReasonOf(err) == bos.NotFound
}

// neverRead tells whether nothing but the id of the session is known.
func neverRead(s *inventory.Session) bool { return s.FirstSeen.IsZero() }

// blind tells whether the boot sets of the session could not be read.
func blind(s *inventory.Session) bool { return s.Err != nil && s.Obscure && len(s.BootSets) == 0 }

// matches tells whether the filters that choose whole sessions match. A state that
// could not be read is no match, and recorded as unread.
func (v *view) matches(s *inventory.Session, certain bool) bool {
	switch {
	case !v.query.Template.has(s.Template), !v.query.Operation.hasName(s.Operation):
		return false
	case v.query.State.hasName(string(s.Verdict.State)):
		return true
	case blind(s):
		v.miss(s, s.Err, certain)
	}
	return false
}

// choose selects the sessions of the query. Sessions named by their ids are taken
// whenever they ran, selectors choose from those that began before the end of the time
// range, and without either the sessions that overlap the range are taken.
func (v *view) choose(within backend.TimeRange) error {
	v.unread = &unread{errs: make(map[bos.Key]error), tolerate: make(map[bos.Key]bool)}
	if v.query.nothing() {
		v.inform("No session is selected: the session filter is empty.")
		return nil
	}
	var ids []string
	selects := make(map[string]bool)
	for _, s := range v.query.Session {
		if slices.Contains(selectors, s) {
			selects[s] = true
		} else if s != "" {
			ids = append(ids, s)
		}
	}
	onlyIDs := len(ids) > 0 && len(selects) == 0
	unfollowed := v.follow(ids)
	missing := slices.Clone(ids)
	var candidates []*inventory.Session
	for i := range v.snapshot.Sessions {
		s := &v.snapshot.Sessions[i]
		isNamed := slices.Contains(ids, s.ID)
		missing = slices.DeleteFunc(missing, func(id string) bool { return id == s.ID })
		if !isNamed && onlyIDs {
			continue
		}
		if neverRead(s) {
			v.miss(s, cmp.Or(s.Err, errNotReadYet), isNamed)
			continue
		}
		v.known++
		if isNamed {
			if err := unfollowed[s.Key()]; err != nil {
				v.miss(s, err, true)
			} else if v.matches(s, true) {
				v.sessions = append(v.sessions, s)
			}
		}
		if !onlyIDs && !s.Began().After(within.To) && v.matches(s, isNamed) {
			candidates = append(candidates, s)
		}
	}
	slices.SortFunc(candidates, inventory.NewestFirst)
	for i, s := range candidates {
		state := s.Verdict.State
		if blind(s) && s.StopTime.IsZero() && (selects[selectRunning] || selects[selectUnfinished]) {
			v.miss(s, s.Err, false) // nobody knows whether it has ended
		}
		if len(ids) == 0 && len(selects) == 0 && !endedBefore(s, within.From) ||
			selects[selectLatest] && i == 0 ||
			selects[selectRunning] && (state == bos.StatePending || state == bos.StateRunning) ||
			selects[selectUnfinished] && !state.Ended() {
			if !slices.ContainsFunc(v.sessions, func(o *inventory.Session) bool { return o.Key() == s.Key() }) {
				v.sessions = append(v.sessions, s)
			}
		}
	}
	slices.SortFunc(v.sessions, inventory.NewestFirst)
	v.selected = slices.Clone(v.sessions)

	if len(missing) > 0 {
		text := fmt.Sprintf("BOS lists no session %s: %s", strings.Join(missing, ", "), hint(missing))
		if len(missing) == len(ids) && onlyIDs {
			return &bos.Error{Reason: bos.NotFound, URL: v.inventory.URL(), Detail: text}
		}
		v.warn("%s.", text)
	}
	if len(v.sessions) == 0 && len(v.unread.sessions) == 0 {
		v.inform("No session matches.")
	}
	old := 0
	for _, s := range v.sessions {
		if !s.Followed {
			old++
		}
	}
	if old > 0 {
		v.inform("Sessions that started more than %s ago: %d. Only their descriptions are known; select one by its id to see its nodes.", span(v.maxAge), old)
	}
	return nil
}

// follow has the sessions with these ids read with their boot sets, those that are too
// old to be followed otherwise included. It returns why some could not be read.
func (v *view) follow(ids []string) map[bos.Key]error {
	errs := make(map[bos.Key]error)
	sessions := v.snapshot.Sessions
	for i := range sessions {
		s := &sessions[i]
		if slices.Contains(ids, s.ID) && !s.Followed && s.Err == nil && !neverRead(s) {
			if err := v.inventory.Follow(v.ctx, s.Key()); err != nil {
				errs[s.Key()] = err
			}
			v.snapshot = v.inventory.Snapshot()
		}
	}
	return errs
}

// hint says what may be wrong with session ids that BOS does not list.
func hint(ids []string) string {
	for _, id := range ids {
		selector := strings.ToLower(strings.TrimSpace(id))
		switch {
		case slices.Contains(selectors, selector):
			return fmt.Sprintf("selectors are written in lower case, so enter %s", selector)
		case strings.ContainsAny(id, ",{}|"):
			return "this looks like several values in one entry; enter each on its own, or a variable without a format, such as $session in place of ${session:csv}"
		}
	}
	return "it may have been deleted; choose another one"
}

// conclude accounts for the sessions that could not be read, once all others have been
// looked at. If there are no others that is an error, for nothing can be said, and in an
// alert rule it is one anyway: it would take the sessions to be well.
func (v *view) conclude(alert bool) error {
	incomplete := slices.DeleteFunc(slices.Clone(v.selected), func(s *inventory.Session) bool {
		return s.Err == nil || v.unread.errs[s.Key()] != nil
	})
	if len(incomplete) > 0 {
		v.warn("Sessions that could not be read completely, and of which the last good data is shown: %d. The first is %s: %s", len(incomplete), incomplete[0].ID, incomplete[0].Err)
	}
	if len(v.unread.sessions) == 0 {
		return nil
	}
	slices.SortStableFunc(v.unread.sessions, func(a, b bos.Key) int {
		return boolOrder(v.unread.tolerate[a]) - boolOrder(v.unread.tolerate[b])
	})
	first := v.unread.sessions[0]
	err := unreadError{sessions: len(v.unread.sessions), first: first.ID, cause: v.unread.errs[first]}
	answered := 0
	for _, s := range v.selected {
		if v.unread.errs[s.Key()] == nil {
			answered++
		}
	}
	if !v.unread.tolerate[first] && alert || answered == 0 && (!v.unread.tolerate[first] || v.known == 0) {
		return err
	}
	v.warn("%s", err)
	return nil
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// outdated returns an error if the data of the selected sessions, or the list that they
// were selected from, is too old for an alert rule.
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
	if old := time.Since(asOf); old > inventory.DefaultStaleAfter {
		return outdatedError{age: old, cause: cmp.Or(cause, errNotReadYet)}
	}
	return nil
}

// endedBefore tells whether the session had ended by t. One that is unfinished goes
// on, also beyond what is known of it.
func endedBefore(s *inventory.Session, t time.Time) bool {
	return s.Verdict.Ending == bos.Ended && s.Verdict.End.Before(t)
}

// ending returns when the session ended, or now if it has not.
func (v *view) ending(s *inventory.Session) time.Time {
	if s.Verdict.Ending == bos.Ended {
		return s.Verdict.End
	}
	return v.now
}
