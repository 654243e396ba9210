package datasource

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// selection is what a session filter asks for.
type selection struct {
	ids       []string
	selectors []string
}

// selection splits the session filter into ids and selectors.
func (q *Query) selection() (s selection) {
	for _, entry := range q.Session {
		switch {
		case slices.Contains(selectors, entry):
			s.selectors = append(s.selectors, entry)
		case entry != "":
			s.ids = append(s.ids, entry)
		}
	}
	return s
}

func (s selection) names(id string) bool         { return slices.Contains(s.ids, id) }
func (s selection) selects(selector string) bool { return slices.Contains(s.selectors, selector) }

// onlyIDs tells whether nothing but ids select sessions.
func (s selection) onlyIDs() bool { return len(s.ids) > 0 && len(s.selectors) == 0 }

// onlyRange tells whether the time range alone selects sessions.
func (s selection) onlyRange() bool { return len(s.ids) == 0 && len(s.selectors) == 0 }

// answeredBy tells whether a sweep that is still under way has already read what the query
// selects. Sessions named by their ids that were never read need not be waited for: they
// are read as soon as they are asked for.
func (q *Query) answeredBy(s *inventory.Snapshot, within backend.TimeRange) bool {
	if !s.ListUp {
		return false // whether sessions are missing is not known before the end
	}
	if q.nothing() {
		return true
	}
	want := q.selection()
	var candidates []*inventory.Session
	for i := range s.Sessions {
		e := &s.Sessions[i]
		isNamed := want.names(e.ID)
		switch {
		case !q.ofTenant(e.Tenant), !isNamed && want.onlyIDs():
		case isNamed && e.ToRead && !e.Unread, !isNamed && e.ToRead && neverRead(e):
			return false
		case !neverRead(e) && !e.Began().After(within.To) && q.describes(e):
			candidates = append(candidates, e)
		}
	}
	slices.SortFunc(candidates, inventory.NewestFirst)
	seekLatest := want.selects(selectLatest)
	for _, e := range candidates {
		maybe := seekLatest ||
			want.onlyRange() && !endedBefore(e, within.From) ||
			(want.selects(selectRunning) || want.selects(selectUnfinished)) && e.Verdict.Ending != bos.Ended
		if maybe && e.ToRead {
			return false
		}
		seekLatest = seekLatest && !q.State.hasName(string(e.Verdict.State))
	}
	return true
}

// describes tells whether the filters match that the description of a session answers.
func (q *Query) describes(s *inventory.Session) bool {
	return q.Template.takes(s.Template) && q.Operation.hasName(s.Operation)
}

// choose selects the sessions of the query. Sessions named by their ids are taken
// whenever they ran, selectors choose from those that began before the end of the time
// range, and without either the sessions that overlap the range are taken.
func (v *view) choose(within backend.TimeRange) error {
	v.within = within
	v.unread = &unread{errs: make(map[bos.Key]error), tolerate: make(map[bos.Key]bool)}
	v.recounted = make(map[bos.Key]bool)
	if v.query.nothing() {
		v.inform("No session is selected: the session filter is empty.")
		return nil
	}
	want := v.query.selection()
	var candidates []*inventory.Session
	v.sessions, candidates = v.readable(want, within)
	slices.SortFunc(candidates, inventory.NewestFirst)
	seekLatest := want.selects(selectLatest)
	for _, s := range candidates {
		if !v.wants(want, s, seekLatest, within) || !v.matches(s, want.names(s.ID)) {
			continue
		}
		seekLatest = false
		if !slices.Contains(v.sessions, s) {
			v.sessions = append(v.sessions, s)
		}
	}
	slices.SortFunc(v.sessions, inventory.NewestFirst)
	v.selected = slices.Clone(v.sessions)
	if err := v.checkListed(want); err != nil {
		return err
	}
	v.noteChoice()
	return nil
}

// readable returns the matching sessions that are named by their ids, and those among
// which selectors, the time range and states choose. It records those that cannot be read.
func (v *view) readable(want selection, within backend.TimeRange) (named, candidates []*inventory.Session) {
	late := v.follow(want.ids)
	for i := range v.snapshot.Sessions {
		s := &v.snapshot.Sessions[i]
		isNamed := want.names(s.ID)
		if !isNamed && want.onlyIDs() || !v.query.ofTenant(s.Tenant) {
			continue
		}
		if neverRead(s) {
			v.miss(s, cmp.Or(late[s.Key()], whyUnread(s)), isNamed)
			continue
		}
		v.known++
		if isNamed {
			if err := late[s.Key()]; err != nil && s.Unread {
				v.miss(s, err, true)
			} else if v.query.describes(s) && v.matches(s, true) {
				named = append(named, s)
			}
		}
		if !want.onlyIDs() && !s.Began().After(within.To) && v.query.describes(s) {
			candidates = append(candidates, s)
		}
	}
	return named, candidates
}

// matches tells whether the filter for states matches. A state that could not be read is
// no match, and recorded as unread.
func (v *view) matches(s *inventory.Session, certain bool) bool {
	switch {
	case v.query.State.hasName(string(s.Verdict.State)):
		return true
	case blind(s):
		v.miss(s, whyUnread(s), certain)
	}
	return false
}

// wants tells whether a selector or the time range selects a session. The latest is sought
// until one is found that the filters match, too.
func (v *view) wants(want selection, s *inventory.Session, seekLatest bool, within backend.TimeRange) bool {
	state := s.Verdict.State
	if chosen := want.names(s.ID) || seekLatest; !chosen && blind(s) && s.StopTime.IsZero() && (want.selects(selectRunning) || want.selects(selectUnfinished)) {
		v.miss(s, whyUnread(s), false) // nobody knows whether it has ended
	}
	return want.onlyRange() && !endedBefore(s, within.From) ||
		seekLatest ||
		want.selects(selectRunning) && (state == bos.StatePending || state == bos.StateRunning) ||
		want.selects(selectUnfinished) && !state.Ended() && !s.Unread
}

// endedBefore tells whether the session had ended by t. One that is unfinished goes
// on, also beyond what is known of it.
func endedBefore(s *inventory.Session, t time.Time) bool {
	return s.Verdict.Ending == bos.Ended && s.Verdict.End.Before(t)
}

// checkListed gives notice of ids that BOS does not list. It is an error if nothing else
// selects sessions.
func (v *view) checkListed(want selection) error {
	missing := slices.DeleteFunc(slices.Clone(want.ids), func(id string) bool {
		return slices.ContainsFunc(v.snapshot.Sessions, func(s inventory.Session) bool { return s.ID == id })
	})
	if len(missing) == 0 {
		return nil
	}
	text := fmt.Sprintf("BOS lists no session %s: %s", strings.Join(missing, ", "), hint(missing))
	if len(missing) == len(want.ids) && want.onlyIDs() {
		return &bos.Error{Reason: bos.NotFound, URL: v.inventory.URL(), Detail: text}
	}
	v.warn("%s.", text)
	return nil
}

// noteChoice gives notice if no session is selected.
func (v *view) noteChoice() {
	if len(v.sessions) == 0 && len(v.unread.sessions) == 0 {
		v.inform("No session matches.")
	}
}

// follow has the sessions with these ids read, also those whose turn has not come. It
// returns why some could not be read.
func (v *view) follow(ids []string) map[bos.Key]error {
	errs := make(map[bos.Key]error)
	sessions := v.snapshot.Sessions
	for i := range sessions {
		s := &sessions[i]
		if slices.Contains(ids, s.ID) && v.query.ofTenant(s.Tenant) && s.Unread && s.Err == nil {
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
