// Package bossim is a simulated Boot Orchestration Service (BOS): an
// http.Handler that speaks its v1 and v2 APIs as the releases of BOS really do, with
// their contradictions, and that can be made to fail in every way that BOS and
// the gateway before it are known to fail. It tells the same scenario over both APIs. It
// only ever reads: requests change nothing, and what sessions do is a pure function of
// the time.
//
// The behavior of BOS that is imitated here is written down in docs/bos.md and
// docs/bos-v2.md.
package bossim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
)

// Server is a simulated BOS.
type Server struct {
	scenario Scenario
	clock    Clock

	mu         sync.Mutex
	era        Era
	rules      map[target]*Rule
	substitute func(*http.Request) http.Handler
	observe    func(*http.Request)
	// seen numbers the connections, by the address of the client, in the order in
	// which they were first used. Those with a number below deadBefore never answer.
	seen                    map[string]int
	connections, deadBefore int

	closed chan struct{}
	close  func()
}

// New returns a server of a release of the era that holds the scenario. Its
// answers, and their Date header, are those of the time that the clock shows.
func New(scenario Scenario, era Era, clock Clock) *Server {
	if !era.known() {
		panic("bossim: unknown " + era.String())
	}
	closed := make(chan struct{})
	s := &Server{
		scenario: scenario,
		era:      era,
		clock:    clock,
		seen:     make(map[string]int),
		closed:   closed,
		close:    sync.OnceFunc(func() { close(closed) }),
	}
	s.Heal()
	return s
}

// SetEra upgrades or downgrades the server, from now on.
func (s *Server) SetEra(era Era) {
	if !era.known() {
		panic("bossim: unknown " + era.String())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.era = era
}

// Inject has a fault befall requests, as the rule says. It replaces the rule for the
// same resource and session.
func (s *Server) Inject(rule Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules[target{rule.Session, rule.Resource}] = &rule
}

// Fail makes every request for a kind of resource go wrong, from now on. The fault None
// ends that.
func (s *Server) Fail(resource Resource, f Fault) { s.Inject(Rule{Fault: f, Resource: resource}) }

// FailSession makes every request for a session, and for what is below it, go
// wrong. It goes before the faults of resources.
func (s *Server) FailSession(id string, f Fault) { s.Inject(Rule{Fault: f, Session: id}) }

// Heal ends all faults. Connections that are dead stay so.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = make(map[target]*Rule)
	s.substitute = nil
}

// Substitute has other handlers answer in place of the server: choose returns the one
// for a request, or nil where the server is to answer itself. It goes before all faults,
// and replaces the choice set before.
func (s *Server) Substitute(choose func(*http.Request) http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.substitute = choose
}

// fault is the fault that befalls a request, if any: that of the narrowest rule.
func (s *Server) fault(r *http.Request, to route) Fault {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[r.RemoteAddr] == 0 {
		s.connections++
		s.seen[r.RemoteAddr] = s.connections
	}
	if s.seen[r.RemoteAddr] < s.deadBefore {
		return Hang
	}
	targets := []target{{"", to.resource}, {"", Everything}}
	if to.session != "" {
		targets = append([]target{{to.session, to.resource}, {to.session, Everything}}, targets...)
	}
	for _, t := range targets {
		rule := s.rules[t]
		if !rule.strikes(to, now) {
			continue
		}
		if rule.Times > 0 {
			if rule.Times--; rule.Times == 0 {
				delete(s.rules, t)
			}
		}
		return rule.Fault
	}
	return None
}

// Observe has f called with every request before it is answered; it may step
// the clock. It replaces the function set before, and may be called by several
// requests at once.
func (s *Server) Observe(f func(r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe = f
}

// Close lets go of requests that hang. It may be called again.
func (s *Server) Close() { s.close() }

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	observe, substitute, era := s.observe, s.substitute, s.era
	s.mu.Unlock()
	to := routeOf(r.URL)
	f := s.fault(r, to) // that of now, whatever is set while the request is observed
	if observe != nil {
		observe(r)
	}
	w.Header().Set("Date", s.clock().UTC().Format(http.TimeFormat))
	if substitute != nil {
		if h := substitute(r); h != nil {
			h.ServeHTTP(w, r)
			return
		}
	}
	faults[f].happen(&exchange{s, w, r, to, era, f})
}

// answer is the true answer to a request.
func (x *exchange) answer() reply {
	to := x.to
	if to.resource == Everything || to.v1 && !x.era.ServesV1() || to.v2 && !x.era.ServesV2() {
		return absent(route{})
	}
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		a := problem(http.StatusMethodNotAllowed, "Method Not Allowed", "The method is not allowed for the requested URL.")
		a.headers = map[string]string{"Allow": "GET, HEAD"}
		return a
	}
	switch to.resource {
	case Health:
		return document(http.StatusOK, map[string]string{"apiStatus": "ok", "dbStatus": "ok"})
	case Version:
		return document(http.StatusOK, x.version(to.v2))
	case Versions:
		var versions []any
		if x.era.ServesV1() {
			versions = append(versions, x.version(false))
		}
		if x.era.ServesV2() {
			versions = append(versions, x.version(true))
		}
		return document(http.StatusOK, versions)
	}
	if to.v2 {
		return x.answerV2()
	}
	if eras[x.era].refusesTenants && x.r.Header.Get(tenantHeader) != "" {
		return problem(http.StatusBadRequest, "Multi-tenancy not supported",
			"Tenants are not supported in this version of the API.")
	}
	switch to.resource {
	case List:
		return x.list()
	case Template:
		return x.template(to.template)
	default:
		return x.session(to)
	}
}

func (x *exchange) list() reply {
	ids := []string{}
	for _, session := range x.scenario.Sessions(x.clock()) {
		ids = append(ids, session.id)
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return document(http.StatusOK, ids)
}

// session answers for a session and all that is below it.
func (x *exchange) session(to route) reply {
	now := x.clock()
	session, ok := x.scenario.Session(to.session, now)
	if !ok {
		return absent(to)
	}
	switch to.resource {
	case Describe:
		return document(http.StatusOK, session.describe(now, x.era))
	case Status:
		status, err := session.status(now, x.era)
		if errors.Is(err, errHangUp) {
			return hangUp
		}
		if err != nil {
			return absent(to)
		}
		return document(http.StatusOK, status)
	}
	bootSet, ok := session.bootSet(to.bootSet, now, x.era)
	if !ok {
		return absent(to)
	}
	if to.resource == BootSet {
		return document(eras[x.era].bootSetCode, bootSet)
	}
	phase, ok := bootSet.phase(to.phase)
	if to.resource == Phase {
		if !ok {
			return hangUp
		}
		return document(http.StatusOK, phase)
	}
	if !ok {
		return internalError()
	}
	category, ok := phase.category(to.category)
	if !ok {
		return internalError()
	}
	return document(http.StatusOK, category)
}

func (x *exchange) template(name string) reply {
	bootSets, ok := x.scenario.Template(name)
	if !ok {
		return absent(x.to)
	}
	sets := make(map[string]any, len(bootSets))
	for _, set := range bootSets {
		sets[set] = map[string]any{
			"boot_ordinal":                2,
			"etag":                        strings.ReplaceAll(uuid(name+"/"+set), "-", ""),
			"kernel_parameters":           "console=ttyS0,115200 bad_page=panic crashkernel=340M spire_join_token=${SPIRE_JOIN_TOKEN}",
			"network":                     "nmn",
			"node_roles_groups":           []string{"Compute"},
			"path":                        fmt.Sprintf("s3://boot-images/%s/manifest.json", uuid(name)),
			"rootfs_provider":             "cpss3",
			"rootfs_provider_passthrough": "dvs:api-gw-service-nmn.local:300:nmn0",
			"type":                        "s3",
		}
	}
	return document(http.StatusOK, map[string]any{
		"boot_sets": sets,
		"name":      name,
	})
}

// version describes the API. Unlike all others, its links are absolute, and
// know of the gateway if the request says that it came through.
func (x *exchange) version(v2 bool) any {
	base := "http://" + x.r.Host
	if x.to.gateway || x.r.Header.Get("X-Forwarded-For") != "" {
		base += gatewayPrefix
	}
	v := eras[x.era].version
	links := []link{{base + "/v1", "self"}, {base + "/", "versions"}}
	if v2 {
		links = []link{{base + "/", "self"}, {base + "/v2", "versions"}}
		if x.to.resource == Versions {
			links = links[:1]
		}
	}
	return map[string]any{
		"links": links,
		"major": v[0],
		"minor": v[1],
		"patch": v[2],
	}
}
