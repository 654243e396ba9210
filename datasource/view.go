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
// they ran; all else must overlap the time range.
func (v *view) choose(within backend.TimeRange) error {
	if v.query.nothing() {
		v.inform("No session is chosen: the session filter is empty.")
		return nil
	}
	var ids, selected []string
	for _, s := range v.query.Session {
		switch {
		case s == "":
		case slices.Contains(selectors, s):
			selected = append(selected, s)
		default:
			ids = append(ids, s)
		}
	}
	matching := func(s *inventory.Session) bool {
		return v.query.Template.has(s.Template) && v.query.Operation.hasName(s.Operation) && v.query.State.hasName(string(s.Verdict.State))
	}
	found := make(map[string]bool)
	old := 0
	var overlapping []*inventory.Session
	for i := range v.snapshot.Sessions {
		s := &v.snapshot.Sessions[i]
		if slices.Contains(ids, s.ID) {
			found[s.ID] = true
			whole, err := v.followed(s)
			if err != nil {
				return err
			}
			if matching(whole) {
				v.sessions = append(v.sessions, whole)
			}
			continue
		}
		if overlaps(s, within, v.now) && matching(s) {
			overlapping = append(overlapping, s)
		}
	}
	byAge := func(a, b *inventory.Session) int {
		return cmp.Or(b.Began().Compare(a.Began()), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(overlapping, byAge)
	if len(ids) == 0 && len(selected) == 0 {
		v.sessions = append(v.sessions, overlapping...)
	}
	for i, s := range overlapping {
		state := s.Verdict.State
		running := state == bos.StatePending || state == bos.StateRunning
		if slices.Contains(selected, selectLatest) && i == 0 ||
			slices.Contains(selected, selectRunning) && running ||
			slices.Contains(selected, selectUnfinished) && !state.Ended() {
			v.sessions = append(v.sessions, s)
		}
	}
	for _, s := range v.sessions {
		if !s.Followed {
			old++
		}
	}
	if old > 0 {
		v.inform("%d sessions started more than %s ago: of them only the description is known. Choose one by its id to see its nodes.", old, maxAge)
	}
	slices.SortFunc(v.sessions, byAge)
	var missing []string
	for _, id := range ids {
		if !found[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		text := fmt.Sprintf("BOS lists no session %s: it may have been deleted; choose another one", strings.Join(missing, ", "))
		if len(found) == 0 && len(selected) == 0 {
			return &bosclient.Error{Reason: bosclient.NotFound, URL: v.inventory.URL() + "/v1/session", Detail: text}
		}
		v.warn("%s.", text)
	}
	for _, s := range v.sessions {
		if s.Err != nil {
			v.warn("Session %s could not be read whole: %s", s.ID, s.Err)
		}
	}
	return nil
}

// followed returns the session with its boot sets, also if it is too old to be
// followed.
func (v *view) followed(s *inventory.Session) (*inventory.Session, error) {
	if s.Followed || s.Err != nil {
		return s, nil
	}
	w, err := v.inventory.Whole(v.ctx, v.snapshot, s.ID)
	if err != nil {
		return nil, err
	}
	return &w.Session, nil
}

// overlaps tells whether any of the session is within the time range.
func overlaps(s *inventory.Session, r backend.TimeRange, now time.Time) bool {
	return !s.Began().After(r.To) && !ending(s, now).Before(r.From)
}

// ending is when the session ended; now while it has not.
func ending(s *inventory.Session, now time.Time) time.Time {
	switch {
	case !s.StopTime.IsZero():
		return s.StopTime
	case s.Verdict.State.Ended() && len(s.BootSets) > 0:
		return s.LastProgress(now)
	default:
		return now
	}
}

// wholes calls each with the selected sessions, in order, with the names of their
// nodes. Sessions that cannot be read are told in a notice; if none can be, that
// is an error.
func (v *view) wholes(each func(inventory.Whole)) error {
	results := make([]inventory.Whole, len(v.sessions))
	errs := make([]error, len(v.sessions))
	g := new(errgroup.Group)
	g.SetLimit(v.inventory.Concurrency())
	for i, s := range v.sessions {
		g.Go(func() error {
			results[i], errs[i] = v.inventory.Whole(v.ctx, v.snapshot, s.ID)
			return nil
		})
	}
	_ = g.Wait() // no function returns an error
	good := 0
	for i, err := range errs {
		if err != nil {
			v.warn("The nodes of session %s are missing: %s", v.sessions[i].ID, err)
			continue
		}
		good++
		each(results[i])
	}
	if good == 0 && len(errs) > 0 {
		return errs[0]
	}
	return nil
}
