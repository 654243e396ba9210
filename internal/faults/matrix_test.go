//go:build faults

package faults

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

const (
	interval = 100 * time.Millisecond
	// timeout is that of requests to BOS where it does not answer. Elsewhere it is
	// patience: a busy machine may be slow to answer.
	timeout  = 300 * time.Millisecond
	patience = 10 * time.Second
	// sweeps is how many sweeps a fault lasts.
	sweeps = 3
	// prompt is how fast metrics must be served. A busy machine is allowed twice the
	// time of a page that is served in any case, and the best of some tries counts.
	prompt = 100 * time.Millisecond
	tries  = 5
	// noise is what a busy machine may add to a wait.
	noise = 5 * time.Second
	// maxMemory is the ceiling of the memory of a program.
	maxMemory = 128 << 20
	// connections is how many connections to BOS the programs keep.
	connections = 4
	// maxGoroutines is how many goroutines may be there after a fault that were not
	// before: those of connections that are kept for further requests.
	maxGoroutines = 20
)

// The two programs are built once.
var exporterBinary, pluginBinary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for binary, pkg := range map[*string]string{&exporterBinary: "../../cmd/bos_exporter", &pluginBinary: "../../cmd/gpx_bos_datasource"} {
		if *binary, err = programs.Build(dir, pkg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// rig is a simulated BOS with the sessions of a cell, and an oracle that knows them.
type rig struct {
	cell
	t      *testing.T
	clock  *bossim.SteppedClock
	sim    *bossim.Server
	oracle oracle
	url    string
	state  bos.State // of the sessions now

	mu       sync.Mutex
	requests []request
	listed   time.Time       // when the list was last asked for
	next     []func()        // to be called, one at a time, when a sweep asks for the list
	failed   map[string]bool // invariants that have been reported
}

type request struct {
	at           time.Time
	method, path string
	asked
}

// asked is what a request is for.
type asked struct {
	resource bossim.Resource // Everything for what is not about sessions
	session  string
}

// readURL tells what a request is for.
func readURL(u *url.URL) asked {
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	parts = append(parts, "", "", "", "")
	switch {
	case parts[1] == "sessiontemplate", parts[1] == "sessiontemplates":
		return asked{resource: bossim.Template}
	case parts[1] == "components":
		return asked{bossim.Components, cmp.Or(u.Query().Get("session"), u.Query().Get("staged_session"))}
	case parts[1] == "version":
		return asked{resource: bossim.Version}
	case parts[1] != "session" && parts[1] != "sessions":
		return asked{resource: bossim.Everything}
	case parts[2] == "":
		return asked{resource: bossim.List}
	case parts[3] == "":
		return asked{bossim.Describe, parts[2]}
	case parts[4] == "":
		return asked{bossim.Status, parts[2]}
	default:
		return asked{bossim.BootSet, parts[2]}
	}
}

func newRig(t *testing.T, c cell) *rig {
	base := time.Now().Truncate(time.Second).Add(-c.moment.at)
	r := &rig{cell: c, t: t, clock: bossim.NewSteppedClock(base.Add(c.moment.at)), state: c.moment.states[0], failed: make(map[string]bool)}
	scenario := bossim.Scripted(c.moment.specs(base)...)
	r.sim = bossim.New(scenario, c.moment.era(), r.clock.Now)
	r.oracle = oracle{t: t, v2: c.moment.v2, sim: bossim.New(scenario, c.moment.era(), r.clock.Now), clock: r.clock}
	r.sim.Observe(func(req *http.Request) {
		q := request{time.Now(), req.Method, req.URL.EscapedPath(), readURL(req.URL)}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests = append(r.requests, q)
		if q.resource != bossim.List && q.resource != bossim.Version {
			return
		}
		if q.at.Sub(r.listed) > sameSweep && len(r.next) > 0 {
			r.next[0]()
			r.next = r.next[1:]
		}
		r.listed = q.at
	})
	server := httptest.NewServer(r.sim)
	t.Cleanup(func() {
		r.sim.Close()
		server.CloseClientConnections()
		server.Close()
	})
	r.url = server.URL
	return r
}

// fail reports the first breach of an invariant.
func (r *rig) fail(invariant, got, want string) {
	r.t.Helper()
	if !r.failed[invariant] {
		r.failed[invariant] = true
		r.t.Errorf("fault %s, moment %q, reach %s: %s: got %s, want %s", r.fault, r.moment.name, r.reach, invariant, got, want)
	}
}

// inject begins the fault.
func (r *rig) inject() {
	for _, rule := range r.rules() {
		r.sim.Inject(rule)
	}
}

// step moves the clock on.
func (r *rig) step() {
	r.clock.Advance(r.moment.step)
}

// betweenSweeps calls the functions, each when another sweep begins, so that no session
// is read in part before and in part after. It waits until all have been called.
func (r *rig) betweenSweeps(functions ...func()) {
	r.mu.Lock()
	r.next = functions
	r.mu.Unlock()
	if amiss := r.until(noise, func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.next) > 0 {
			return "no sweep begins"
		}
		return ""
	}); amiss != "" {
		r.fail("sweeps go on", amiss, "a list")
	}
}

// asked returns the requests since a time.
func (r *rig) asked(since time.Time) []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, _ := slices.BinarySearchFunc(r.requests, since, func(q request, t time.Time) int { return q.at.Compare(t) })
	return slices.Clone(r.requests[i:])
}

// sameSweep is the time within which requests for the same thing belong to one sweep.
const sameSweep = interval / 2

// lists counts the sweeps that have asked for the list. One may ask several times: v2 has
// a list for each state of a session, and Go repeats a request when a connection that was
// kept is closed without an answer.
func lists(requests []request) (n int) {
	var last time.Time
	for _, q := range requests {
		if q.resource == bossim.List {
			if q.at.Sub(last) > sameSweep {
				n++
			}
			last = q.at
		}
	}
	return n
}

// timeout is the deadline of requests to BOS.
func (c cell) timeout() time.Duration {
	if slices.Contains([]bossim.Fault{bossim.Hang, bossim.DeadConnections, bossim.Crawl}, c.fault) {
		return timeout
	}
	return patience
}

// until polls until nothing is amiss, and returns what still is when the time is up.
func (r *rig) until(limit time.Duration, amiss func() string) string {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		what := amiss()
		if what == "" {
			return ""
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return what
		case <-r.t.Context().Done():
			return what
		}
	}
}

// exporterRig is a rig with an exporter that watches it.
type exporterRig struct {
	*rig
	p    *programs.Program
	peak float64 // of its memory
}

func (r *exporterRig) scrape() scrape {
	var body string
	for try := range tries {
		begin := time.Now()
		var code int
		code, body = r.p.Get("/metrics")
		took := time.Since(begin)
		if code != http.StatusOK {
			r.fail("metrics are served", fmt.Sprint(code), "200")
		}
		if took <= prompt {
			break
		}
		// A page that knows nothing of BOS tells how busy the machine is.
		begin = time.Now()
		r.p.Get("/-/healthy")
		if most := prompt + 2*time.Since(begin); took <= most {
			break
		} else if try == tries-1 {
			r.fail("metrics are served promptly", took.String(), most.String())
		}
	}
	s := parse(body)
	if memory := s.values["process_resident_memory_bytes"]; memory > r.peak {
		r.peak = memory
	}
	return s
}

// mismatch returns the first difference between a scrape and what BOS holds now, or "".
func (r *exporterRig) mismatch(s scrape) string {
	want := r.oracle.now()
	got, states := s.sessions()
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if diff := difference(got[id], want[id].series); diff != "" {
			return diff
		}
		if id != extra && states[id] != string(r.state) {
			return fmt.Sprintf("%s is %q instead of %q", id, states[id], r.state)
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			return "there are series of " + id + ", which BOS does not list"
		}
	}
	for series, v := range map[string]float64{"bos_up": 1, "bos_list_up": 1, "bos_sessions_listed": float64(len(want))} {
		if got, ok := s.values[series]; !ok || got != v {
			return fmt.Sprintf("%s is %s instead of %g", series, format(s.values, series), v)
		}
	}
	if n := s.errors(); n != 0 {
		return fmt.Sprintf("bos_exporter_session_errors adds up to %g instead of 0", n)
	}
	return ""
}

// difference returns the first series that differs, or "".
func difference(got, want map[string]float64) string {
	all := maps.Clone(got)
	if all == nil {
		all = make(map[string]float64)
	}
	maps.Copy(all, want)
	for _, series := range slices.Sorted(maps.Keys(all)) {
		if g, w := format(got, series), format(want, series); g != w {
			return fmt.Sprintf("%s is %s instead of %s", series, g, w)
		}
	}
	return ""
}

// truthful checks that each value is what BOS holds, or held when it was last read well.
func (r *exporterRig) truthful(s scrape, times []map[string]session) {
	got, states := s.sessions()
	for id, series := range got {
		var held []map[string]float64
		for _, t := range times {
			if h, ok := t[id]; ok {
				held = append(held, h.series)
			}
		}
		if len(held) == 0 {
			r.fail("values are true", "series of "+id, "none, for BOS does not know it")
			continue
		}
		for name := range maps.Keys(series) {
			if !slices.ContainsFunc(held, func(h map[string]float64) bool { return format(h, name) == format(series, name) }) {
				r.fail("values are true", name+" "+format(series, name), format(held[0], name))
			}
		}
		for name := range held[0] {
			if _, there := series[name]; !there && !r.moment.unknown && !(id == extra && r.moment.reused()) && len(held) == len(times) && !slices.ContainsFunc(held, func(h map[string]float64) bool { return format(h, name) == "nothing" }) {
				r.fail("values stay", name+" nothing", format(held[0], name))
			}
		}
	}
	if r.moment.unknown {
		r.plausible(states)
		return
	}
	for id := range times[0] {
		_, there := times[len(times)-1][id]
		if there && got[id] == nil {
			r.fail("known sessions keep their series", "none of "+id, "the last good ones")
		}
		if there && id != extra && !slices.Contains(r.moment.states, bos.State(states[id])) {
			r.fail("states are true", fmt.Sprintf("%s is %q", id, states[id]), fmt.Sprint(r.moment.states))
		}
	}
}

// plausible checks the states of sessions that were never read whole.
func (r *exporterRig) plausible(states map[string]string) {
	for id, state := range states {
		ok := bos.State(state) == bos.StateUnknown || bos.State(state) == r.state
		if slices.Contains(absence, r.fault) || slices.Contains(thin, r.fault) {
			ok = ok || state == string(bos.StatePending) || state == string(bos.StateStuck)
		}
		if !ok {
			r.fail("states are true", fmt.Sprintf("%s is %q", id, state), fmt.Sprintf("%q or unknown", r.state))
		}
	}
}

// reported checks that stale or missing data is reported as such.
func (r *exporterRig) reported(s scrape, times []map[string]session) {
	if r.harmless() || r.moment.v2 && (slices.Contains(thin, r.fault) || r.reach == template && slices.Contains(absence, r.fault)) {
		return
	}
	if r.reach != sessions && r.fault.Befalls(bossim.List) && r.reach != template {
		if s.values["bos_list_up"] != 0 {
			r.fail("stale data is reported", "bos_list_up "+format(s.values, "bos_list_up"), "0")
		}
		if r.reach == everything && s.values["bos_up"] != 0 && (!r.moment.v2 || r.fault.Befalls(bossim.Version)) {
			r.fail("stale data is reported", "bos_up "+format(s.values, "bos_up"), "0")
		}
		return
	}
	if r.moment.resting && !r.moment.unknown {
		return // nothing was to be read
	}
	hit := 0.0
	for id, b := range times[0] {
		if _, there := times[len(times)-1][id]; !there || id == extra && r.moment.reused() {
			continue
		}
		if r.loses(asked{bossim.Describe, id}, b) || r.loses(asked{r.moment.nodes(), id}, b) || r.reach == template {
			hit++
		}
	}
	got := s.errors(r.reason())
	if slices.Contains(costly, r.fault) {
		got = s.errors() // their time may be up before they are too long
	}
	if got < hit {
		r.fail("stale data is reported", fmt.Sprintf("bos_exporter_session_errors{reason=%q} %g", r.reason(), got), fmt.Sprintf("%g or more", hit))
	}
}

// hits reports whether the fault befalls requests for a part of a session.
func (r *rig) hits(q asked) bool {
	switch r.reach {
	case everything:
		return true
	case sessions:
		return q.session == allHit || q.session == describeHit && q.resource == r.moment.description() ||
			q.session == bootSetHit && q.resource == r.moment.nodes()
	default:
		return false
	}
}

// loses reports whether the fault keeps a part of a session from the programs.
func (r *rig) loses(q asked, b session) bool {
	if !r.hits(q) || !r.fault.Befalls(q.resource) || r.fault == bossim.TAPMSDown && b.tenant == "" {
		return false
	}
	switch {
	case r.moment.v2:
		return q.resource == bossim.Components && !r.moment.resting && b.reported
	case q.resource == bossim.Describe:
		return !(r.moment.unknown && r.fault == bossim.Undated)
	case q.resource == bossim.BootSet:
		return b.reported && !(r.moment.unknown && slices.Contains(absence, r.fault))
	default:
		return false
	}
}

// polite checks the requests since the fault began, some of them only until it was
// over.
func (r *rig) polite(since, healed time.Time) {
	asked := r.asked(since)
	for _, q := range asked {
		if q.method != http.MethodGet {
			r.fail("nothing is sent but GET", q.method+" "+q.path, "GET")
		}
		if strings.HasPrefix(q.path, bossim.RedirectTarget) {
			r.fail("redirects are not followed", q.path, "no such request")
		}
	}
	// One list, and of each session the description and two boot sets, or its components,
	// description and status; at the first reading the status and the template, too.
	each := 1 + 2
	if r.moment.unknown || r.moment.extras != nil || r.moment.v2 {
		each += 2
	}
	most := 1 + each*len(r.moment.specs(since))
	if slices.Contains(absence, r.fault) {
		most += 2 // the versions of BOS are asked for again, once more before the next list
	}
	switch r.fault {
	case bossim.Orphans:
		most += 5
	case bossim.Reset:
		most += connections // see lists
	}
	last, n, refused := since, 0, 0
	for _, q := range asked {
		if q.resource == bossim.List {
			last, n = q.at, 0
			refused++
		}
		// Without a list there may be several sweeps.
		n++
		if may := most * (1 + int(q.at.Sub(last)/interval)); n > may {
			r.fail("requests of a sweep", fmt.Sprint(n), fmt.Sprintf("%d at most", may))
		}
		if refused > 0 && q.resource != bossim.List && q.at.Before(healed) && r.reach == everything && (r.fault == bossim.Unauthorized || r.fault == bossim.Forbidden) {
			r.fail("nothing is asked after a refused list", q.path, "no request")
		}
	}
	if r.fault != bossim.Throttled && r.fault != bossim.Busy {
		return
	}
	struck := make(map[string]time.Time) // the last request for each path
	for _, q := range asked {
		what := q.path + " " + q.session
		if s, ok := struck[what]; ok && q.at.Sub(s) > sameSweep && q.at.Sub(s) < bossim.RetryAfter*9/10 {
			r.fail("Retry-After is heeded", what+" again after "+q.at.Sub(s).String(), bossim.RetryAfter.String())
		}
		delete(struck, what)
		if q.at.Before(healed) && r.strikes(q) {
			struck[what] = q.at
		}
	}
}

// strikes reports whether the fault befalls a request.
func (r *rig) strikes(q request) bool {
	switch {
	case r.reach == everything:
		return true
	case q.resource == bossim.Template:
		return r.reach == template
	case q.resource == bossim.List:
		return r.reach == list
	}
	return r.hits(q.asked)
}

// recovery is how long it may take until all is right again after a fault that has
// lasted so long: two sweeps after the back-off, which doubles, and a request that was
// still under way.
func (r *rig) recovery(lasted time.Duration) time.Duration {
	wait := 2*lasted + 2*interval + 2*timeout + noise
	if r.fault == bossim.Throttled || r.fault == bossim.Busy {
		wait += bossim.RetryAfter
	}
	return wait
}

func (c cell) runExporter(t *testing.T) {
	rig := newRig(t, c)
	r := &exporterRig{rig: rig}
	begin := func() {
		r.p = programs.Start(t, exporterBinary, "--web.listen-address=127.0.0.1:0", "--bos.url="+r.url,
			"--bos.interval="+interval.String(), "--bos.timeout="+r.timeout().String(), "--sessions.linger=0")
	}
	times := []map[string]session{r.oracle.now()}
	goroutines := 0.0
	if c.moment.unknown {
		r.inject()
		begin()
	} else {
		begin()
		if amiss := r.until(2*noise, func() string { return r.mismatch(r.scrape()) }); amiss != "" {
			r.fail("everything is right before the fault", amiss, "what BOS holds")
			return
		}
		goroutines = r.scrape().values["go_goroutines"]
	}
	since := time.Now()
	switch {
	case c.moment.unknown:
	case c.moment.step > 0:
		r.betweenSweeps(func() { r.inject(); since = time.Now() }, r.step)
		r.state = c.moment.states[len(c.moment.states)-1]
		times = append(times, r.oracle.now())
	default:
		r.betweenSweeps(func() { r.inject(); since = time.Now() })
	}
	_ = r.until(noise, func() string {
		r.truthful(r.scrape(), times)
		if lists(r.asked(since)) <= sweeps {
			return "not yet"
		}
		return ""
	})
	s := r.scrape()
	r.truthful(s, times)
	r.reported(s, times)
	if r.harmless() && r.fault != bossim.Orphans {
		if amiss := r.mismatch(s); amiss != "" {
			r.fail("a harmless fault changes nothing", amiss, "what BOS holds")
		}
	}
	lasted := time.Since(since)
	r.sim.Heal()
	healed := time.Now()
	if amiss := r.until(r.recovery(lasted), func() string { s = r.scrape(); return r.mismatch(s) }); amiss != "" {
		r.fail("everything is right after the fault", amiss, "what BOS holds within "+r.recovery(lasted).String())
	}
	results.healed(c, time.Since(healed))
	r.polite(since, healed)
	if goroutines > 0 && s.values["go_goroutines"] > goroutines+maxGoroutines {
		r.fail("goroutines are flat", fmt.Sprint(s.values["go_goroutines"]), fmt.Sprintf("%g and %d at most", goroutines, maxGoroutines))
	}
	if r.peak > maxMemory {
		r.fail("memory is bounded", fmt.Sprintf("%.0f MiB", r.peak/(1<<20)), fmt.Sprintf("%d MiB", maxMemory>>20))
	}
}

// TestExporter runs an exporter for each cell.
func TestExporter(t *testing.T) {
	t.Parallel()
	t.Cleanup(func() { results.print("Exporter") })
	for _, c := range cells() {
		t.Run(fmt.Sprintf("%s/%s/%s", c.fault, c.moment.name, c.reach), func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() { results.done(c, t.Failed()) })
			c.runExporter(t)
		})
	}
}

// The tables of all cells.
var results, pluginResults = newTable(), newTable()

type table struct {
	mu     sync.Mutex
	failed map[cell]bool
	took   map[bossim.Fault]time.Duration // longest time to heal
}

func newTable() *table {
	return &table{failed: make(map[cell]bool), took: make(map[bossim.Fault]time.Duration)}
}

func (r *table) done(c cell, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[c] = failed
}

func (r *table) healed(c cell, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took[c.fault] = max(r.took[c.fault], took)
}

// print writes a row for each fault and a column for each moment: a letter for each
// reach, small where all is well and large where it is not.
func (r *table) print(title string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "\n%s\t", title)
	for i := range moments {
		fmt.Fprintf(w, "%d\t", i+1)
	}
	fmt.Fprintln(w, "healed within")
	bad := 0
	for _, f := range allFaults {
		fmt.Fprintf(w, "%s\t", f)
		for i := range moments {
			for _, reach := range []reach{sessions, template, list, everything} {
				failed, ran := r.failed[cell{f, &moments[i], reach}]
				switch letter := string(reach)[:1]; {
				case failed:
					bad++
					fmt.Fprint(w, strings.ToUpper(letter))
				case ran:
					fmt.Fprint(w, letter)
				}
			}
			fmt.Fprint(w, "\t")
		}
		fmt.Fprintln(w, r.took[f].Round(10*time.Millisecond))
	}
	_ = w.Flush()
	for i := range moments {
		fmt.Fprintf(&b, "%d %s\n", i+1, moments[i].name)
	}
	fmt.Fprintf(&b, "s sessions, t template, l list, e everything; capital where an invariant does not hold: %d of %d cells\n", bad, len(r.failed))
	fmt.Print(b.String())
}
