package bossim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is a way in which a response goes wrong.
type Fault int

// The faults. The table below describes them. None is the absence of a fault.
const (
	None Fault = iota

	Unauthorized
	Forbidden
	NotFound
	Gone
	Throttled
	ServerError
	Unavailable
	Busy
	GatewayTimeout
	Redirect

	Reset
	Hang
	DeadConnections
	Crawl
	Truncated

	Empty
	NotJSON
	Garbage
	WrongTypes
	Fragment
	Message
	JobOnly
	Nulls
	NullPhases
	NoPhases
	Undated

	OddNodes
	LoneSurrogate
	InvalidUTF8
	ByteOrderMark

	Bulky
	LongString
	Huge

	AbsurdDate
	NoDate
	Orphans
	Repeated

	IgnoresPaging
	NoComponents
	LateStatus
	WipedErrors
	CutLists
	MissingKeys
	Killed
	TAPMSDown
	RedisDown
	NeitherAPI
)

const (
	// RedirectTarget is the path that Redirect leads to.
	RedirectTarget = "/elsewhere"
	// RetryAfter is how long Throttled and Busy ask the client to wait.
	RetryAfter = time.Second
	// BulkySize is the approximate size of a Bulky response in bytes.
	BulkySize = 64 << 20
	// crawlPause is how long Crawl waits before each byte. Even an empty list takes longer than
	// the timeouts of tests.
	crawlPause = 200 * time.Millisecond
)

// OddNames are the names that OddNodes gives to nodes.
var OddNames = []string{"", "all", "*", "!x3000c0s1b0n0", " x3000c0s1b0n1 ", "x3000c0s1b0n2,x3000c0s1b0n3"}

// AbsurdTime is what AbsurdDate claims the time to be.
var AbsurdTime = time.Date(2099, time.December, 31, 23, 59, 59, 0, time.UTC)

// detailed are the resources whose document is an object.
var detailed = []Resource{Describe, Status, BootSet, Template}

// faults is the table of all faults.
var faults = [...]struct {
	name        string
	description string
	resources   []Resource // that it can befall; nil for all
	happen      func(*exchange)
}{
	None: {name: "None", happen: func(x *exchange) { x.answer().send(x.w) }},

	Unauthorized:   {"Unauthorized", "status 401", nil, always(plain(http.StatusUnauthorized, "Unauthorized"))},
	Forbidden:      {"Forbidden", "status 403 in plain text, as the policy agent of the gateway writes it", nil, always(plain(http.StatusForbidden, "Unauthorized Request"))},
	NotFound:       {"NotFound", "status 404, as if the resource did not exist", nil, func(x *exchange) { absent(x.to).send(x.w) }},
	Gone:           {"Gone", "status 410", nil, always(problem(http.StatusGone, "Gone", "The resource is no longer available."))},
	Throttled:      {"Throttled", "status 429 with Retry-After", nil, always(later(plain(http.StatusTooManyRequests, "local_rate_limited")))},
	ServerError:    {"ServerError", "status 500", nil, always(internalError())},
	Unavailable:    {"Unavailable", "status 503 in plain text, as the service mesh writes it", nil, always(plain(http.StatusServiceUnavailable, "upstream connect error or disconnect/reset before headers. reset reason: connection termination"))},
	Busy:           {"Busy", "status 503 with Retry-After", nil, always(later(plain(http.StatusServiceUnavailable, "no healthy upstream")))},
	GatewayTimeout: {"GatewayTimeout", "status 504 in plain text, as the service mesh writes it", nil, always(plain(http.StatusGatewayTimeout, "upstream request timeout"))},
	Redirect: {"Redirect", "status 302 to another page", nil, always(reply{code: http.StatusFound, contentType: "text/html; charset=utf-8",
		headers: map[string]string{"Location": RedirectTarget}})},

	Reset:           {"Reset", "the connection is closed without a response", nil, always(hangUp)},
	Hang:            {"Hang", "no response until the client gives up", nil, (*exchange).hang},
	DeadConnections: {"DeadConnections", "no response on any connection that is open by then; new ones work", nil, (*exchange).killConnections},
	Crawl:           {"Crawl", "the response arrives one byte every 200 ms", nil, (*exchange).crawl},
	Truncated:       {"Truncated", "the connection is closed halfway through the response", nil, (*exchange).truncate},

	Empty:      {"Empty", "status 200 with an empty body", nil, always(reply{code: http.StatusOK, contentType: "application/json"})},
	NotJSON:    {"NotJSON", "status 200 with an HTML page", nil, always(reply{code: http.StatusOK, contentType: "text/html; charset=utf-8", body: []byte("<!DOCTYPE html>\n<html><body><h1>Please log in</h1></body></html>\n")})},
	Garbage:    {"Garbage", "JSON of a different shape", nil, always(document(http.StatusOK, []any{map[string]any{"metadata": []int{7}, "phases": "none"}, 42}))},
	WrongTypes: {"WrongTypes", "the right members, with values of the wrong types", append([]Resource{List, Components, Component}, detailed...), edit(func(v any, _ route) any { return mistyped(v) })},
	Fragment:   {"Fragment", `{"id": "x"} instead of the whole document`, detailed, always(document(http.StatusOK, map[string]any{"id": "x"}))},
	Message:    {"Message", `{"name": "Not Found"} with status 200`, detailed, always(document(http.StatusOK, map[string]any{"name": "Not Found"}))},
	JobOnly:    {"JobOnly", `{"job": "x"} instead of the whole description`, []Resource{Describe}, always(document(http.StatusOK, map[string]any{"job": "x"}))},
	Nulls:      {"Nulls", "every member is null", append([]Resource{Components, Component}, detailed...), edit(func(v any, _ route) any { return each(v, nullify) })},
	NullPhases: {"NullPhases", "the phases of a boot set are null", []Resource{BootSet}, editObject(func(d map[string]any) { d["phases"] = nil })},
	NoPhases:   {"NoPhases", "the phases of a boot set are an empty list", []Resource{BootSet}, editObject(func(d map[string]any) { d["phases"] = []any{} })},
	Undated:    {"Undated", "a description without any times", []Resource{Describe}, editObject(undate)},

	OddNodes:      {"OddNodes", `some nodes are named "", "all" or "*", or have an exclamation mark, blanks or a comma in their names`, []Resource{BootSet, Components}, edit(oddNames)},
	LoneSurrogate: {"LoneSurrogate", `a string has half of a UTF-16 surrogate pair, \ud800`, append([]Resource{Components}, detailed...), mangle(`\ud800`)},
	InvalidUTF8:   {"InvalidUTF8", "a string has a byte that is not UTF-8", append([]Resource{Components}, detailed...), mangle("\xff")},
	ByteOrderMark: {"ByteOrderMark", "the response begins with a byte order mark", nil, rewrite(func(body []byte) []byte { return append([]byte("\ufeff"), body...) })},

	Bulky:      {"Bulky", "64 MB of extra members before the real ones", nil, (*exchange).bulky},
	LongString: {"LongString", "a string that never ends", nil, (*exchange).longString},
	Huge:       {"Huge", "JSON that starts well and never ends", nil, (*exchange).flood},

	AbsurdDate: {"AbsurdDate", "the Date header is in the year 2099", nil, dated([]string{AbsurdTime.Format(http.TimeFormat)})},
	NoDate:     {"NoDate", "no Date header", nil, dated(nil)},
	Orphans:    {"Orphans", "the list has ids of sessions that do not exist", []Resource{List}, edit(func(v any, to route) any { return append(v.([]any), orphans(to)...) })},
	Repeated:   {"Repeated", "the list has every id twice", []Resource{List}, edit(func(v any, _ route) any { ids := v.([]any); return append(ids, ids...) })},

	IgnoresPaging: {"IgnoresPaging", "page_size and start_after_id are ignored, as by BOS before 2.32", []Resource{Components}, (*exchange).bend},
	NoComponents:  {"NoComponents", "no component is listed unless a tenant is named, as by BOS 2.30.7", []Resource{Components}, (*exchange).listNone},
	LateStatus:    {"LateStatus", "the status of a completed session is still that from before it completed", []Resource{Status}, (*exchange).bend},
	WipedErrors:   {"WipedErrors", "the errors of components are empty, as they are after an operator has acted", []Resource{Components, Component}, edit(wipeErrors)},
	CutLists:      {"CutLists", "the lists of nodes with an error are cut after the first name", []Resource{Status}, editObject(cutLists)},
	MissingKeys:   {"MissingKeys", "components and sessions have nothing but their names, and the status of a session has no numbers", []Resource{List, Describe, Status, Components, Component}, edit(dropKeys)},
	Killed:        {"Killed", "the worker is killed halfway through a response without a length", nil, (*exchange).kill},
	TAPMSDown:     {"TAPMSDown", "the tenant service is down: status 500 for the components of a tenant", []Resource{Components, Component}, (*exchange).loseTenants},
	RedisDown: {"RedisDown", "the database is down: status 503 with a problem document",
		append([]Resource{List, Phase, Category, Health, Templates, Components, Component, Options}, detailed...), (*exchange).loseDatabase},
	NeitherAPI: {"NeitherAPI", "the server is not BOS: status 404 with an HTML page for everything", nil, always(reply{code: http.StatusNotFound, contentType: "text/html", body: []byte("<html>\n<head><title>404 Not Found</title></head>\n<body><center><h1>404 Not Found</h1></center></body>\n</html>\n")})},
}

// Faults lists the faults that can befall v1. Most of them can befall v2 as well.
var Faults = faultsBetween(None+1, IgnoresPaging)

// V2Faults lists the faults that were added for v2. V2Only tells which cannot befall v1.
var V2Faults = faultsBetween(IgnoresPaging, Fault(len(faults)))

func faultsBetween(first, end Fault) (all []Fault) {
	for f := first; f < end; f++ {
		all = append(all, f)
	}
	return all
}

func (f Fault) known() bool { return f >= 0 && int(f) < len(faults) }

// String is the name of the fault.
func (f Fault) String() string {
	if !f.known() {
		return "Fault(" + strconv.Itoa(int(f)) + ")"
	}
	return faults[f].name
}

// Description says in one line what happens.
func (f Fault) Description() string { return faults[f].description }

// Befalls reports whether the fault changes the answer to requests for a resource.
func (f Fault) Befalls(resource Resource) bool {
	return f != None && (faults[f].resources == nil || slices.Contains(faults[f].resources, resource))
}

// Rule says which requests a fault befalls. A field that is zero does not restrict them.
type Rule struct {
	Fault    Fault
	Resource Resource
	Session  string // requests for this session and for everything below it
	Times    int    // only so many requests, from now on
	// From and To bound the time, by the clock of the server; To is excluded.
	From, To time.Time
}

// target is what a rule befalls. There is one rule for each.
type target struct {
	session  string
	resource Resource
}

func (r *Rule) strikes(to route, now time.Time) bool {
	return r != nil && r.Fault.Befalls(to.resource) && (to.v2 || !r.Fault.V2Only()) &&
		!now.Before(r.From) && (r.To.IsZero() || now.Before(r.To))
}

// exchange is a request that is being answered.
type exchange struct {
	*Server
	w  http.ResponseWriter
	r  *http.Request
	to route

	era   Era // of the server, when the request came
	fault Fault
}

// truth is the answer without the fault, as one piece.
func (x *exchange) truth() reply { return x.answer().whole() }

func always(a reply) func(*exchange) { return func(x *exchange) { a.send(x.w) } }

func plain(code int, text string) reply {
	return reply{code: code, contentType: "text/plain", body: []byte(text)}
}

func later(a reply) reply {
	a.headers = map[string]string{"Retry-After": strconv.Itoa(int(RetryAfter / time.Second))}
	return a
}

// rewrite changes the body of a good answer; others stay as they are.
func rewrite(change func([]byte) []byte) func(*exchange) {
	return func(x *exchange) {
		a := x.truth()
		if !a.hangUp && a.code/100 == 2 {
			a.body = change(a.body)
		}
		a.send(x.w)
	}
}

// edit changes the document of a good answer.
func edit(change func(document any, to route) any) func(*exchange) {
	return func(x *exchange) {
		rewrite(func(body []byte) []byte {
			var v any
			if err := json.Unmarshal(body, &v); err != nil {
				panic(err) // the truth is JSON
			}
			return document(http.StatusOK, change(v, x.to)).body
		})(x)
	}
}

// editObject changes the members of a good answer.
func editObject(change func(members map[string]any)) func(*exchange) {
	return edit(func(v any, _ route) any {
		if members, ok := v.(map[string]any); ok {
			change(members)
		}
		return v
	})
}

func nullify(members map[string]any) {
	for name := range members {
		members[name] = nil
	}
}

// mistyped is a value with a type that the value should not have.
func mistyped(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = mistyped(v[name])
		}
		return v
	case []any:
		if len(v) == 0 {
			return map[string]any{}
		}
		for i := range v {
			v[i] = mistyped(v[i])
		}
		return v
	case string:
		return []any{v}
	default: // numbers, flags and null
		return map[string]any{"value": v}
	}
}

// renameNodes gives odd names to the first nodes of a boot set, each the same name
// wherever it stands. Small boot sets keep theirs, so that no two nodes get the same.
func renameNodes(bootSet map[string]any) {
	var lists [][]any
	var nodes []string
	phases, _ := bootSet["phases"].([]any)
	for _, phase := range phases {
		categories, _ := phase.(map[string]any)["categories"].([]any)
		for _, category := range categories {
			list, _ := category.(map[string]any)["node_list"].([]any)
			lists = append(lists, list)
			for _, node := range list {
				nodes = append(nodes, node.(string))
			}
		}
	}
	slices.Sort(nodes)
	nodes = slices.Compact(nodes)
	if len(nodes) < len(OddNames) {
		return
	}
	for _, list := range lists {
		for i, node := range list {
			if at := slices.Index(nodes, node.(string)); at < len(OddNames) {
				list[i] = OddNames[at]
			}
		}
	}
}

// mangle puts a text that is no Unicode into a good answer: into an error message of
// each phase of a boot set and of each component, and into a further member of other
// documents.
func mangle(text string) func(*exchange) {
	const mark = "MARK"
	return func(x *exchange) {
		editThen(func(members map[string]any) {
			if _, ok := members["desired_state"]; ok {
				members["error"] = "fan " + mark + " stands still"
				return
			}
			phases, _ := members["phases"].([]any)
			if phases == nil {
				members["comment"] = mark
			}
			for _, phase := range phases {
				p := phase.(map[string]any)
				messages, _ := p["errors"].(map[string]any)
				if messages == nil {
					messages = make(map[string]any)
					p["errors"] = messages
				}
				messages["fan "+mark+" stands still"] = []any{}
			}
		}, func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(mark), []byte(text)) })(x)
	}
}

// editThen changes the members of a good answer, or of each item of a list, and then the
// text that they make.
func editThen(members func(map[string]any), body func([]byte) []byte) func(*exchange) {
	return rewrite(func(text []byte) []byte {
		var v any
		if json.Unmarshal(text, &v) != nil {
			return text
		}
		return body(document(http.StatusOK, each(v, members)).body)
	})
}

// orphans are ids that no session has; in v2 records of such sessions.
func orphans(to route) []any {
	ids := make([]any, 5)
	for i := range ids {
		id := uuid("orphan " + strconv.Itoa(i))
		ids[i] = id
		if to.v2 {
			ids[i] = map[string]any{"name": id, "operation": "boot", "template_name": "orphan", "components": "x9c0s0b0n0",
				"status": map[string]any{"status": sessionRunning, "start_time": "2026-03-02T09:00:00"}}
		}
	}
	return ids
}

func dated(date []string) func(*exchange) {
	return func(x *exchange) {
		x.w.Header()["Date"] = date // net/http sends none for nil
		x.truth().send(x.w)
	}
}

func (x *exchange) hang() {
	select {
	case <-x.r.Context().Done():
	case <-x.closed:
	}
	panic(http.ErrAbortHandler)
}

func (x *exchange) killConnections() {
	x.mu.Lock()
	x.deadBefore = x.connections + 1
	x.mu.Unlock()
	x.hang()
}

func (x *exchange) crawl() {
	a := x.truth()
	a.announce(x.w)
	tick := time.NewTicker(crawlPause)
	defer tick.Stop()
	for i := range a.body {
		select {
		case <-x.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-x.closed:
			panic(http.ErrAbortHandler)
		case <-tick.C:
		}
		x.write(a.body[i : i+1])
	}
}

func (x *exchange) truncate() {
	a := x.truth()
	a.announce(x.w)
	x.write(a.body[:len(a.body)/2])
	panic(http.ErrAbortHandler)
}

// write sends a part of the body, which would otherwise be lost with the connection.
func (x *exchange) write(part []byte) {
	_, _ = x.w.Write(part)
	_ = http.NewResponseController(x.w).Flush()
}

// pour sends pieces, without announcing a length, until there are no more, the client
// is gone or the server is closed.
func (x *exchange) pour(begin string, piece func(i int) string) {
	x.w.Header().Set("Content-Type", "application/json")
	_, err := x.w.Write([]byte(begin))
	for i := 0; err == nil; i++ {
		p := piece(i)
		if p == "" {
			return
		}
		select {
		case <-x.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-x.closed:
			panic(http.ErrAbortHandler)
		default:
			_, err = x.w.Write([]byte(p))
		}
	}
}

// bulky sends 64 MB of useless members, or ids in a list, before the true ones.
func (x *exchange) bulky() {
	a := x.truth()
	if a.hangUp || a.code/100 != 2 || len(a.body) < 2 {
		a.send(x.w)
		return
	}
	padding := strings.Repeat("bulk", 1<<12)
	more := func(i int) string { return fmt.Sprintf("  \"x-%d\": \"%s\",\n", i, padding) }
	if a.body[0] == '[' {
		const some = 32
		more = func(i int) string {
			var ids strings.Builder
			for j := range some {
				id := fmt.Sprintf("%08x-d1ce-4ade-8bad-0ddba11c0ffe", i*some+j)
				if x.to.v2 {
					fmt.Fprintf(&ids, "  {\"id\": %q, \"name\": %[1]q},\n", id)
				} else {
					fmt.Fprintf(&ids, "  %q,\n", id)
				}
			}
			return ids.String()
		}
	}
	sent := 0
	rest := string(a.body[1:])
	x.pour(string(a.body[:1]), func(i int) (piece string) {
		if sent < BulkySize {
			piece = more(i)
			sent += len(piece)
			return piece
		}
		piece, rest = rest, ""
		return piece
	})
}

func (x *exchange) longString() {
	begin := `{"operation": "`
	switch x.to.resource {
	case List, Templates, Components:
		begin = `["`
		if x.to.v2 {
			begin = `[{"components": "`
		}
	case BootSet:
		begin = `{"name": "`
	case Template:
		begin = `{"boot_sets": {"`
	}
	piece := strings.Repeat("and on ", 1<<12)
	x.pour(begin, func(int) string { return piece })
}

// flood sends a document that goes on with numbered items forever.
func (x *exchange) flood() {
	begin, item := `{"boot_sets": [`+"\n", "  \"computes-%d\",\n"
	switch x.to.resource {
	case List, Templates, Components:
		begin, item = "[\n", "  \"%08x-d1ce-4ade-8bad-0ddba11c0ffe\",\n"
		if x.to.v2 {
			item = "  {\"id\": \"%08x\", \"name\": \"%[1]x\"},\n"
		}
	case BootSet:
		begin, item = `{"phases": [{"categories": [{"name": "failed", "node_list": [`+"\n", "  \"x%dc0s0b0n0\",\n"
	}
	x.pour(begin, func(i int) string { return fmt.Sprintf(item, i) })
}
