package datasource

import (
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

// choose selects the sessions of the query. Sessions named by their ids are taken
// whenever they ran, selectors choose from those that began before the end of the time
// range, and without either the sessions that overlap the range are taken.
func (v *view) choose(within backend.TimeRange) error {
	v.within = within
	v.unread = &unread{errs: make(map[bos.Key]error), tolerate: make(map[bos.Key]bool)}
	if v.query.nothing() {
		v.inform("No session is selected: the session filter is empty.")
		return nil
	}
	want := v.query.selection()
	var candidates []*inventory.Session
	v.sessions, candidates = v.readable(want, within)
	slices.SortFunc(candidates, inventory.NewestFirst)
	for i, s := range candidates {
		if v.wants(want, s, i == 0, within) && !slices.Contains(v.sessions, s) {
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
// which selectors and the time range choose. It records those that cannot be read.
func (v *view) readable(want selection, within backend.TimeRange) (named, candidates []*inventory.Session) {
	late := v.follow(want.ids)
	for i := range v.snapshot.Sessions {
		s := &v.snapshot.Sessions[i]
		isNamed := want.names(s.ID)
		if !isNamed && want.onlyIDs() || !v.query.ofTenant(s.Tenant) {
			continue
		}
		if neverRead(s) {
			v.miss(s, whyUnread(s), isNamed)
			continue
		}
		v.known++
		if isNamed {
			if err := late[s.Key()]; err != nil {
				v.miss(s, err, true)
			} else if v.matches(s, true) {
				named = append(named, s)
			}
		}
		if !want.onlyIDs() && !s.Began().After(within.To) && v.matches(s, isNamed) {
			candidates = append(candidates, s)
		}
	}
	return named, candidates
}

// matches tells whether the filters that choose whole sessions match. A state that
// could not be read is no match, and recorded as unread.
func (v *view) matches(s *inventory.Session, certain bool) bool {
	switch {
	case !v.query.Template.has(s.Template), !v.query.Operation.hasName(s.Operation):
		return false
	case v.query.State.hasName(string(s.Verdict.State)):
		return true
	case blind(s):
		v.miss(s, whyUnread(s), certain)
	}
	return false
}

// wants tells whether a selector or the time range selects a session.
func (v *view) wants(want selection, s *inventory.Session, isNewest bool, within backend.TimeRange) bool {
	state := s.Verdict.State
	if blind(s) && s.StopTime.IsZero() && (want.selects(selectRunning) || want.selects(selectUnfinished)) {
		v.miss(s, whyUnread(s), false) // nobody knows whether it has ended
	}
	return want.onlyRange() && !endedBefore(s, within.From) ||
		want.selects(selectLatest) && isNewest ||
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
