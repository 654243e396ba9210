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
	"golang.org/x/sync/errgroup"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// view is what a query looks at: the sessions that it selects, and what is to be
// said about them beside the rows.
type view struct {
	ctx       context.Context
	query     Query
	uid       string // of the datasource, for links
	max       int    // most rows
	inventory *inventory.OnDemand
	snapshot  *inventory.Snapshot
	now       time.Time            // by the clock of BOS
	sessions  []*inventory.Session // newest first
	notices   []data.Notice
}

func (v *view) warn(format string, args ...any) {
	v.notices = append(v.notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: fmt.Sprintf(format, args...)})
}

func (v *view) inform(format string, args ...any) {
	v.notices = append(v.notices, data.Notice{Severity: data.NoticeSeverityInfo, Text: fmt.Sprintf(format, args...)})
}

// choose selects the sessions of the query. Ids that are given are taken whenever
// they ran, selectors out of what began before the end of the time range; all else
// must overlap it.
func (v *view) choose(within backend.TimeRange) error {
	if v.query.nothing() {
		v.inform("No session is chosen: the session filter is empty.")
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
	matches := func(s *inventory.Session) bool {
		return v.query.Template.has(s.Template) && v.query.Operation.hasName(s.Operation) && v.query.State.hasName(string(s.Verdict.State))
	}
	missing := slices.Clone(ids)
	var unread error
	var candidates []*inventory.Session
	for i := range v.snapshot.Sessions {
		s := &v.snapshot.Sessions[i]
		if slices.Contains(ids, s.ID) {
			missing = slices.DeleteFunc(missing, func(id string) bool { return id == s.ID })
			named, err := v.named(s)
			if err != nil {
				unread = err
				v.warn("Session %s cannot be read: %s", s.ID, err)
				continue
			}
			if matches(named) {
				v.sessions = append(v.sessions, named)
			}
		}
		if !s.Began().After(within.To) && matches(s) {
			candidates = append(candidates, s)
		}
	}
	newestFirst := func(a, b *inventory.Session) int {
		return cmp.Or(b.Began().Compare(a.Began()), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(candidates, newestFirst)
	for i, s := range candidates {
		state := s.Verdict.State
		running := state == bos.StatePending || state == bos.StateRunning
		if len(ids) == 0 && len(selects) == 0 && !endedBefore(s, within.From) ||
			selects[selectLatest] && i == 0 ||
			selects[selectRunning] && running ||
			selects[selectUnfinished] && !state.Ended() {
			if !slices.ContainsFunc(v.sessions, func(o *inventory.Session) bool { return o.ID == s.ID }) {
				v.sessions = append(v.sessions, s)
			}
		}
	}
	slices.SortFunc(v.sessions, newestFirst)

	if len(missing) > 0 {
		text := fmt.Sprintf("BOS lists no session %s: it may have been deleted; choose another one", strings.Join(missing, ", "))
		if len(missing) == len(ids) && len(selects) == 0 {
			return &bosclient.Error{Reason: bosclient.NotFound, URL: v.inventory.URL() + "/v1/session", Detail: text}
		}
		v.warn("%s.", text)
	}
	if unread != nil && len(v.sessions) == 0 {
		return unread
	}
	if len(v.sessions) == 0 {
		v.inform("No session matches.")
	}
	old, bad := 0, []*inventory.Session{}
	for _, s := range v.sessions {
		if !s.Followed {
			old++
		}
		if s.Err != nil {
			bad = append(bad, s)
		}
	}
	if old > 0 {
		v.inform("Sessions that started more than 7 days ago: %d. Of these only the description is known; choose one by its id to see its nodes.", old)
	}
	if len(bad) > 0 {
		v.warn("Sessions that could not be read whole, so that their last good data is shown: %d. The first is %s: %s", len(bad), bad[0].ID, bad[0].Err)
	}
	return nil
}

// named returns a session that is asked for by its id with its boot sets, also if
// it is too old to be followed.
func (v *view) named(s *inventory.Session) (*inventory.Session, error) {
	if s.Followed || s.Err != nil {
		return s, nil
	}
	w, err := v.inventory.Whole(v.ctx, v.snapshot, s.ID, v.query.Fresh)
	if err != nil {
		return nil, err
	}
	return &w.Session, nil
}

// endedBefore tells whether the session had ended by t. One that is unfinished goes
// on, also beyond what is known of it.
func endedBefore(s *inventory.Session, t time.Time) bool {
	return s.Verdict.Ending == bos.Ended && s.Verdict.End.Before(t)
}

// ending is when the session ended; now while it has not.
func (v *view) ending(s *inventory.Session) time.Time {
	if s.Verdict.Ending == bos.Ended {
		return s.Verdict.End
	}
	return v.now
}

// wholes calls each with the selected sessions, in order, with the names of their
// nodes. A notice tells of sessions that cannot be read; if none can be, that is
// an error. Those that are too old to be followed must be named by their ids.
func (v *view) eachDetail(each func(inventory.Whole)) error {
	var first error
	var bad []string
	good := 0
	for window := range slices.Chunk(v.sessions, v.inventory.Concurrency()) {
		results := make([]inventory.Whole, len(window))
		errs := make([]error, len(window))
		g := new(errgroup.Group)
		for i, s := range window {
			if !s.Followed {
				continue
			}
			g.Go(func() error {
				results[i], errs[i] = v.inventory.Whole(v.ctx, v.snapshot, s.ID, v.query.Fresh)
				return nil
			})
		}
		_ = g.Wait() // no function returns an error
		for i, s := range window {
			switch {
			case errs[i] != nil:
				first = cmp.Or(first, errs[i])
				bad = append(bad, s.ID)
			case results[i].Roster != nil:
				good++
				each(results[i])
			}
		}
	}
	if first != nil && good == 0 {
		return first
	}
	if first != nil {
		_, text := explain(first)
		v.warn("Sessions whose nodes are missing: %d. The first is %s: %s", len(bad), bad[0], text)
	}
	return nil
}
