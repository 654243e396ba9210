package datasource

import (
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// sessionRow is a session and the numbers to show for it.
type sessionRow struct {
	*inventory.Session
	tally    *bos.Tally // nil where no node is known
	started  int        // unfinished nodes on which work has begun
	errors   *int64
	duration *float64 // seconds
	usual    *float64 // seconds
}

// sessions has one row per session, the newest first. Filters for boot sets, phases or
// categories select the sessions with nodes there. A node pattern selects the sessions
// that hold such nodes, and only these nodes are counted.
func sessions(v *view) (data.Frames, error) {
	type row = sessionRow
	rows := truncate(v, v.sessionRows(), "sessions")
	tallied := func(n func(bos.Tally) int) []*int64 {
		return column(rows, func(r row) *int64 {
			if r.tally == nil {
				return nil
			}
			i := int64(n(*r.tally))
			return &i
		})
	}
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.ID })),
		templateField(column(rows, func(r row) string { return r.Template })),
		operationField(column(rows, func(r row) string { return r.Operation })),
		stateField(column(rows, func(r row) string { return string(r.Verdict.State) })),
		field("phase", "Phase", "Phases in which nodes are at work or wait, with their boot sets where these differ; empty once the session has ended", column(rows, func(r row) string { return currentPhases(r.Session) })),
		field("shares", "Progress", "Shares of the nodes: "+barLegend, column(rows, func(r row) *string { return r.bar() })),
		shareField("done", "Done", "Share of the nodes that are no longer unfinished, whether they succeeded or failed", column(rows, row.done)),
		field("start", "Started", "Start time", column(rows, func(r row) *time.Time { return optionalTime(r.StartTime) })),
		field("stop", "Stopped", "Stop time; BOS omits it for some sessions that have ended", column(rows, func(r row) *time.Time { return optionalTime(r.StopTime) })),
		seconds(field("duration", "Duration", "Time from the start to the stop or, if BOS omits it, to the last move of a node; to now while unfinished",
			column(rows, func(r row) *float64 { return r.duration }))),
		seconds(field("usual", "Usual duration", usualDescription, column(rows, func(r row) *float64 { return r.usual }))),
		timesField("slowdown", "Against usual", "Duration divided by the usual duration: above 1 the session takes or took longer; empty while a staged session waits", column(rows, row.slowdown)),
		field("expected_stop", "Expected stop", "When the session stops if it takes the usual time; empty once it has ended or is abandoned, and while a staged session waits", column(rows, row.expectedStop)),
		field("last_progress", "Last move", "Last known time at which a node moved from one category to another", column(rows, func(r row) *time.Time { return v.lastMove(r.Session) })),
		seconds(field("idle", "Idle", "Time since a node last moved or, while no node is known, since the session began; empty once the session has ended, and while a staged session waits", column(rows, func(r row) *float64 { return v.idle(r.Session) }))),
		seconds(field("idle_limit", "Idle limit", "How long the session may be idle until it counts as stuck, by the phase that it is in; empty once it has ended, and while a staged session waits", column(rows, func(r row) *float64 { return v.idleLimit(r.Session) }))),
		field("nodes", "Nodes", "Distinct nodes", tallied(bos.Tally.Nodes)),
		field("succeeded", "Succeeded", "Distinct nodes that succeeded", tallied(func(t bos.Tally) int { return t.Succeeded })),
		field("failed", "Failed", "Distinct nodes that failed in any phase", tallied(func(t bos.Tally) int { return t.Failed })),
		field("unfinished", "Unfinished", "Distinct nodes that have not started or are in progress", tallied(func(t bos.Tally) int { return t.Unfinished })),
		field("excluded", "Excluded", "Distinct nodes that are excluded, or that another session took over", tallied(func(t bos.Tally) int { return t.Excluded })),
		shareField("success", "Success", "Share of the nodes that succeeded, of all but those excluded; empty until the session has ended, and where its outcome is unknown", column(rows, row.success)),
		mapped(field("outcome", "Outcome", "Worst of what became of the nodes that the query selects: a category or, unless the session is pending or running, unfinished", column(rows, row.outcome)), categoryColors),
		field("error_count", "Errors", "Failed nodes; a node counts once for each phase in which it failed", column(rows, func(r row) *int64 { return r.errors })),
		field("bootsets", "Boot sets", "Number of boot sets", column(rows, func(r row) int64 { return int64(len(r.BootSets)) })),
		field("boa_job", "BOA job", "Kubernetes job of the boot agent; its log has the details", column(rows, func(r row) string { return r.Job })),
		field("ask", "Ask", "Shell command that shows the log of the boot agent or, where there is none, what BOS says of the session", column(rows, func(r row) string { return r.ask() })),
		apiField(column(rows, func(r row) string { return r.API })),
		tenantField(column(rows, func(r row) string { return r.Tenant })),
		rangeField("range", column(rows, func(r row) string { return v.rangeOf(r.Session) })),
		field("limit", "Limit", "Limit that narrows the nodes of the session template, as given when the session was created", column(rows, func(r row) string { return r.Limit })),
		field("stage", "Staged", "Whether the session is staged: it acts on a node only once it is applied to it", column(rows, func(r row) bool { return r.Staged })),
		field("setup_error", "Set-up error", "Why the session ended before it acted on any node", column(rows, func(r row) string { return r.SetupError })),
		idField("id", "Session ID", column(rows, func(r row) string { return r.ID })),
	), nil
}

func (v *view) sessionRows() (rows []sessionRow) {
	usual := usualDurations(v.snapshot.Sessions)
	v.eachHolder(func(s *inventory.Session) {
		r := sessionRow{Session: s, errors: errorCount(s), usual: usual[s.Key()]}
		if s.Verdict.Ending != bos.Unknowable {
			r.duration = lasted(s.StartTime, v.ending(s))
		}
		switch {
		case v.query.Node != "":
			r.tally, r.errors = v.ofMatching(s)
		case s.Nodes.Nodes() > 0 || s.Reported():
			r.tally = &s.Nodes
		}
		if r.tally != nil && r.tally.Unfinished > 0 {
			r.started = min(v.started(s), r.tally.Unfinished)
		}
		rows = append(rows, r)
	})
	v.noteUsual(rows)
	return rows
}

// noteUsual gives notice of sessions that a sweep under way has yet to read, and that may
// count towards what is usual.
func (v *view) noteUsual(rows []sessionRow) {
	tasks := make(map[task]bool)
	for _, r := range rows {
		tasks[taskOf(r.Session)] = true
	}
	missing := 0
	for i := range v.snapshot.Sessions {
		if s := &v.snapshot.Sessions[i]; s.ToRead && s.Unread && tasks[taskOf(s)] {
			missing++
		}
	}
	if missing > 0 {
		v.inform("Usual durations are those of the sessions read so far: %d like these are still being read.", missing)
	}
}

// ofMatching counts the nodes of a session that match the query's patterns, and their
// failures, one for each phase in which a node failed.
func (v *view) ofMatching(s *inventory.Session) (*bos.Tally, *int64) {
	fates := s.Fates()
	tally := fates.Within(v.matching(fates.All())).Tally()
	var failures int64
	for _, p := range s.EachPhase() {
		failures += int64(v.matching(p.In(bos.Failed)).Len())
	}
	return &tally, &failures
}

// started counts the unfinished nodes, of those that match the query's patterns, on which
// the session has begun to work. Where nodes are not known by name it takes them to be all
// alike.
func (v *view) started(s *inventory.Session) int {
	if !s.Named() {
		if s.Verdict.State == bos.StatePending {
			return 0
		}
		return s.Nodes.Unfinished
	}
	return v.matching(s.Fates().Unfinished.Intersect(s.Begun())).Len()
}

// bar draws what has become of the nodes.
func (r sessionRow) bar() *string {
	if r.tally == nil {
		return nil
	}
	b := bar(r.tally.Succeeded, r.started, r.tally.Unfinished-r.started, r.tally.Failed, r.tally.Excluded)
	return &b
}

// done is the share of the nodes that are no longer unfinished.
func (r sessionRow) done() *float64 {
	if r.tally == nil {
		return nil
	}
	return share(r.tally.Nodes()-r.tally.Unfinished, r.tally.Nodes())
}

// success is the share of the nodes that succeeded, once nothing more is to be expected.
func (r sessionRow) success() *float64 {
	if r.tally == nil || r.Verdict.Ending != bos.Ended || r.Verdict.State == bos.StateUnknown {
		return nil
	}
	return success(*r.tally)
}

func (r sessionRow) slowdown() *float64 {
	if r.duration == nil || r.usual == nil || *r.usual == 0 || r.AwaitsApply {
		return nil
	}
	ratio := *r.duration / *r.usual
	return &ratio
}

func (r sessionRow) expectedStop() *time.Time {
	if r.usual == nil || r.Verdict.Ending != bos.NotEnded || r.Verdict.State == bos.StateAbandoned || r.AwaitsApply {
		return nil
	}
	return optionalTime(r.StartTime.Add(time.Duration(*r.usual * float64(time.Second))))
}

// showStatus holds the beginning of the command that shows the status of a session, by API.
var showStatus = map[string]string{
	bos.APIv1: "cray bos v1 session status list",
	bos.APIv2: "cray bos v2 sessions status list",
}

// ask is the command that tells more about the session than is shown here.
func (r sessionRow) ask() string {
	if r.Job != "" {
		return "kubectl -n services logs -c boa " + quote("job/"+r.Job)
	}
	return strings.Join(append(forTenant(r.Session), showStatus[r.API]+" "+quote(r.ID)), "\n")
}

// outcome is the worst of what became of the nodes.
func (r sessionRow) outcome() *string {
	if r.tally == nil || r.tally.Nodes() == 0 {
		return nil
	}
	var worst string
	switch {
	case r.tally.Failed > 0:
		worst = bos.Failed
	case r.tally.Unfinished > 0 && !atWork(r.Session):
		worst = bos.Unfinished
	case r.started > 0:
		worst = bos.InProgress
	case r.tally.Unfinished > 0:
		worst = bos.NotStarted
	case r.tally.Succeeded > 0:
		worst = bos.Succeeded
	default:
		worst = bos.Excluded
	}
	return &worst
}

// lastMove is when a node of the session last moved, if any is known.
func (v *view) lastMove(s *inventory.Session) *time.Time {
	if !s.Reported() {
		return nil
	}
	return optionalTime(s.LastProgress(v.now))
}

// idle is for how many seconds no node of an unfinished session has moved since the time
// that is shown as its last move.
func (v *view) idle(s *inventory.Session) *float64 {
	if s.Verdict.Ending != bos.NotEnded || s.AwaitsApply {
		return nil
	}
	return lasted(s.LastProgress(v.now).Truncate(time.Second), v.now)
}

// idleLimit is for how many seconds an unfinished session may be idle.
func (v *view) idleLimit(s *inventory.Session) *float64 {
	if s.Verdict.Due.IsZero() {
		return nil
	}
	return lasted(s.LastProgress(v.now), s.Verdict.Due)
}

// currentPhases names the phases that an unfinished session is in: boot, or "compute:
// boot; uan: shutdown" where its boot sets are not all in the same.
func currentPhases(s *inventory.Session) string {
	if s.Verdict.Ending != bos.NotEnded {
		return ""
	}
	var phases []string                   // each text once
	bootSets := make(map[string][]string) // by that text
	for i := range s.BootSets {
		b := &s.BootSets[i]
		text := currentPhasesOf(b, s.Verdict.BootSets[i])
		if bootSets[text] == nil {
			phases = append(phases, text)
		}
		bootSets[text] = append(bootSets[text], b.Name)
	}
	if len(phases) == 1 {
		return phases[0]
	}
	var parts []string
	for _, text := range phases {
		if text != "" {
			parts = append(parts, strings.Join(bootSets[text], ", ")+": "+text)
		}
	}
	return strings.Join(parts, "; ")
}

// currentPhasesOf names the phases of a boot set in which nodes are at work or, if there
// are none, the first that is not over.
func currentPhasesOf(b *bos.BootSet, verdict bos.BootSetVerdict) string {
	if verdict.State.Ended() {
		return ""
	}
	var working []string
	next := ""
	for i, state := range verdict.Phases {
		p := &b.Phases[i]
		switch {
		case state.Ended():
		case state != bos.StateWaiting && (p.Count(bos.InProgress) > 0 || p.Waiting):
			working = append(working, p.Name)
		case next == "":
			next = p.Name
		}
	}
	if len(working) == 0 {
		return next
	}
	return strings.Join(working, ", ")
}
