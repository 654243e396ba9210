package bossim

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const tenantHeader = "Cray-Tenant-Name"

// The forms of ages and names that v2 accepts.
var (
	agePattern       = regexp.MustCompile(`^(0|0[mMhHdDwW]|[1-9][0-9]*[mMhHdDwW])$`)
	namePattern      = regexp.MustCompile(`^[a-zA-Z0-9](?:[-._a-zA-Z0-9]{0,125}[a-zA-Z0-9])?$`)
	shortNamePattern = regexp.MustCompile(`^[a-z0-9](?:[-._a-z0-9]{0,43}[a-z0-9])?$`)
)

const (
	maxAgeLength    = 8
	maxIDLength     = 127
	maxStatusLength = 512
	maxPageSize     = 1 << 20
)

// answerV2 answers everything but version and health.
func (x *exchange) answerV2() reply {
	now := x.clock()
	m := x.scenario.system(now, x.era)
	tenant := x.r.Header.Get(tenantHeader)
	name := cmp.Or(x.to.session, x.to.template)
	if x.to.resource != Components && name != "" && !x.names().MatchString(name) {
		return badRequest("'" + name + "' does not match '" + x.names().String() + "'")
	}
	switch x.to.resource {
	case List:
		return x.sessionsV2(m, now, tenant)
	case Describe, Status:
		sessions := m.sessions(now)
		i := slices.IndexFunc(sessions, func(s sessionRecord) bool { return s.name == name && s.tenant == tenant })
		if i < 0 {
			return absentV2(x.to, tenant, eras[x.era].noSession)
		}
		if x.to.resource == Status {
			return reply{code: http.StatusOK, contentType: "application/json", body: m.status(sessions[i], now, x.fault == LateStatus)}
		}
		return written(sessions[i].write)
	case Templates:
		var all []func(*text)
		for _, t := range m.templates() {
			if tenant == "" || t.tenant == tenant {
				all = append(all, t.write)
			}
		}
		return list(slices.Values(all))
	case Template:
		for _, t := range m.templates() {
			if t.name == name && t.tenant == tenant {
				return written(t.write)
			}
		}
		return absentV2(x.to, tenant, "")
	case Options:
		if tenant != "" && x.to.gateway {
			return plain(http.StatusForbidden, "Unauthorized Request")
		}
		return x.options(m)
	}
	var owned map[string]bool
	if tenant != "" {
		var ok bool
		if owned, ok = m.tenant(tenant); !ok {
			return problem(http.StatusBadRequest, "Invalid tenant", "Data not found for tenant "+tenant)
		}
	}
	if x.to.resource == Components {
		return x.components(m, now, owned)
	}
	id := x.to.component
	if h, ok := m.component(id, now); ok && (owned == nil || owned[id]) {
		return written(func(w *text) { h.write(w, id, h.staged) })
	}
	return absentV2(x.to, "", "")
}

func (x *exchange) names() *regexp.Regexp {
	if eras[x.era].shortNames {
		return shortNamePattern
	}
	return namePattern
}

func badRequest(detail string) reply { return problem(http.StatusBadRequest, "Bad Request", detail) }

// written answers with one document.
func written(write func(*text)) reply {
	w := new(text)
	write(w)
	return reply{code: http.StatusOK, contentType: "application/json", body: append(w.buf, '\n')}
}

// absentV2 is how v2 says that something does not exist. An empty title stands for the usual
// one.
func absentV2(to route, tenant, title string) reply {
	var what, name string
	switch to.resource {
	case Describe, Status:
		what, name = "Session", to.session
	case Template:
		what, name = "Session template", to.template
	case Component:
		what, name = "Component", to.component
	default:
		return absent(route{})
	}
	if tenant != "" {
		what += " for tenant '" + tenant + "'"
	}
	return problem(http.StatusNotFound, cmp.Or(title, "The resource was not found"), what+" '"+name+"' does not exist")
}

// age parses an age in a query.
func age(text string) (time.Duration, bool) {
	if len(text) > maxAgeLength || !agePattern.MatchString(text) {
		return 0, false
	}
	if text == "0" {
		return 0, true
	}
	n, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
	unit := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[strings.ToLower(text)[len(text)-1]]
	return time.Duration(int64(unit) * min(n, math.MaxInt64/int64(unit))), err == nil
}

func (x *exchange) sessionsV2(m system, now time.Time, tenant string) reply {
	query := x.r.URL.Query()
	ages := make(map[string]time.Duration)
	for _, name := range []string{"min_age", "max_age"} {
		if !query.Has(name) {
			continue
		}
		d, ok := age(query.Get(name))
		if !ok {
			return badRequest("Wrong value for query parameter '" + name + "': '" + query.Get(name) + "' does not match '" + agePattern.String() + "'")
		}
		ages[name] = d
	}
	status := query.Get("status")
	if query.Has("status") && !slices.Contains([]string{sessionPending, sessionRunning, sessionComplete}, status) {
		return badRequest("'" + status + "' is not one of ['pending', 'running', 'complete']")
	}
	sessions := slices.DeleteFunc(m.sessions(now), func(s sessionRecord) bool {
		if tenant != "" && s.tenant != tenant || status != "" && s.status != status {
			return true
		}
		start := s.start.Truncate(time.Second)
		youngest, old := ages["min_age"]
		oldest, young := ages["max_age"]
		return old && start.After(now.Add(-youngest)) || young && start.Before(now.Add(-oldest))
	})
	if eras[x.era].paging {
		slices.SortFunc(sessions, func(a, b sessionRecord) int {
			return cmp.Or(cmp.Compare(hash(a.tenant), hash(b.tenant)), cmp.Compare(hash(a.name), hash(b.name)))
		})
	} else {
		rand.Shuffle(len(sessions), func(i, j int) { sessions[i], sessions[j] = sessions[j], sessions[i] })
	}
	return list(func(yield func(func(*text)) bool) {
		for _, s := range sessions {
			if !yield(s.write) {
				return
			}
		}
	})
}

// componentQuery holds the filters of a request for components. Zero fields do not filter.
type componentQuery struct {
	ids             map[string]bool
	session, staged string
	enabled         *bool
	phase           string
	statuses        []string
	after           string
	size            int
}

// readComponentQuery parses a query as the releases of an era do. If wrong is not empty, it
// says why they refuse it.
func readComponentQuery(query url.Values, era *release) (q componentQuery, wrong string) {
	if query.Has("ids") {
		ids := query.Get("ids")
		if len(ids) > maxIDLength {
			return q, "Wrong value for query parameter 'ids': '" + ids + "' is too long"
		}
		q.ids = make(map[string]bool)
		for id := range strings.SplitSeq(ids, ",") {
			q.ids[id] = true
		}
	}
	q.session, q.staged = query.Get("session"), query.Get("staged_session")
	for _, name := range []string{q.session, q.staged} {
		if name != "" && !namePattern.MatchString(name) {
			return q, "'" + name + "' does not match '" + namePattern.String() + "'"
		}
	}
	if query.Has("enabled") {
		enabled := strings.EqualFold(query.Get("enabled"), "true")
		if !enabled && !strings.EqualFold(query.Get("enabled"), "false") {
			return q, "Wrong type, expected 'boolean' for query parameter 'enabled'"
		}
		q.enabled = &enabled
	}
	q.phase = query.Get("phase")
	if !slices.Contains([]string{"", phaseOn, phaseOff, phaseConfiguring}, q.phase) {
		return q, "'" + q.phase + "' is not one of ['', 'powering_on', 'powering_off', 'configuring']"
	}
	if status := query.Get("status"); status != "" {
		if len(status) > maxStatusLength {
			return q, "Wrong value for query parameter 'status': '" + status + "' is too long"
		}
		q.statuses = strings.Split(status, ",")
	}
	if q.enabled != nil && !*q.enabled && !era.loneFalse && q.session == "" && q.staged == "" && q.phase == "" && q.statuses == nil {
		q.enabled = nil
	}
	if !era.paging {
		return q, ""
	}
	q.after = query.Get("start_after_id")
	if len(q.after) > maxIDLength {
		return q, "Wrong value for query parameter 'start_after_id': '" + q.after + "' is too long"
	}
	if query.Has("page_size") {
		size, err := strconv.Atoi(query.Get("page_size"))
		if err != nil || size < 0 || size > maxPageSize {
			return q, "Wrong value for query parameter 'page_size'"
		}
		q.size = size
	}
	return q, ""
}

// matches reports whether all filters let a node pass.
func (q *componentQuery) matches(id string, h *nodeRecord) bool {
	return id > q.after &&
		(q.ids == nil || q.ids[id]) &&
		(q.enabled == nil || h.enabled == *q.enabled) &&
		(q.session == "" || h.session == q.session) &&
		(q.staged == "" || h.stagedSession() == q.staged) &&
		(q.phase == "" || h.phase == q.phase) &&
		(q.statuses == nil || slices.Contains(q.statuses, h.status()))
}

func (x *exchange) components(m system, now time.Time, owned map[string]bool) reply {
	era := eras[x.era]
	if x.fault == IgnoresPaging {
		era.paging = false
	}
	q, wrong := readComponentQuery(x.r.URL.Query(), &era)
	if wrong != "" {
		return badRequest(wrong)
	}
	// Most nodes differ from many others in the id alone, so what they share is rendered once.
	type found struct {
		id string
		*rendering
	}
	var nodes []found
	renderings := make(map[nodeRecord]*rendering)
	for id, h := range m.components(now, q.session, q.staged) {
		if owned != nil && !owned[id] || !q.matches(id, &h) {
			continue
		}
		if renderings[h] == nil {
			renderings[h] = newRendering(&h)
		}
		nodes = append(nodes, found{id, renderings[h]})
	}
	if era.paging {
		slices.SortFunc(nodes, func(a, b found) int { return cmp.Compare(a.id, b.id) })
		if q.size > 0 && len(nodes) > q.size {
			nodes = nodes[:q.size]
		}
	} else {
		shuffle(nodes, "scan")
	}
	return list(func(yield func(func(*text)) bool) {
		for _, node := range nodes {
			if !yield(func(w *text) { node.write(w, node.id) }) {
				return
			}
		}
	})
}

// rendering is the text of a component before and after its id.
type rendering struct{ before, after []byte }

func newRendering(h *nodeRecord) *rendering {
	const mark = "\x00"
	w := &text{depth: 1}
	h.write(w, mark, h.staged)
	before, after, _ := bytes.Cut(w.buf, []byte(`"\u0000"`))
	return &rendering{before, after}
}

func (s *rendering) write(w *text, id string) {
	if w.begun {
		w.buf = append(w.buf, ',')
	}
	w.begun = true
	w.buf = append(w.buf, s.before...)
	if s.after != nil {
		w.quote(id)
		w.buf = append(w.buf, s.after...)
	}
}

func (x *exchange) options(m system) reply {
	return reply{code: http.StatusOK, contentType: "application/json", body: object(func(w *text) {
		w.string("cleanup_completed_session_ttl", "7d")
		w.bool("clear_stage", m.clearsStage())
		w.string("component_actual_state_ttl", "4h")
		w.int("default_retry_policy", retries)
		if x.era < EraD2 {
			w.bool("disable_components_on_completion", true)
		}
		w.int("discovery_frequency", 300)
		w.string("logging_level", "INFO")
		w.int("max_boot_wait_time", int(bootLimit/time.Second))
		if x.era > EraBoth {
			w.int("max_component_batch_size", batchSize)
		}
		w.int("max_power_off_wait_time", int(powerOffLimit/time.Second))
		w.int("max_power_on_wait_time", int(powerOnLimit/time.Second))
		w.int("polling_frequency", int(operatorsPoll/time.Second))
		w.bool("reject_nids", false)
		w.bool("session_limit_required", false)
	})}
}

// timedelta formats a duration as Python does.
func timedelta(d time.Duration) string {
	d = d.Truncate(time.Microsecond)
	const day = 24 * time.Hour
	days := int64(floorDiv(d, day))
	d -= time.Duration(days * int64(day))
	text := ""
	if days == 1 || days == -1 {
		text = strconv.FormatInt(days, 10) + " day, "
	} else if days != 0 {
		text = strconv.FormatInt(days, 10) + " days, "
	}
	clock := time.Time{}.Add(d)
	layout := ":04:05"
	if d%time.Second != 0 {
		layout = ":04:05.000000"
	}
	return text + strconv.Itoa(clock.Hour()) + clock.Format(layout)
}
