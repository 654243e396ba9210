package bossim

import (
	"fmt"
	"net/http"
)

// Fault is a way in which a request goes wrong.
type Fault int

// The faults. None ends the one that was set before.
const (
	None        Fault = iota
	Forbidden         // 403 in plain text, as the policy agent of the gateway says it
	Unavailable       // 503 in plain text, as the service mesh says it
	Reset             // the connection is closed without an answer
	Hang              // no answer, until the client gives up or the server is closed
	Truncated         // the connection is closed after half of the true body
	NotJSON           // 200, and a page for people
	ServerError       // 500
	NotFound          // as if the resource did not exist
	Garbage           // 200, and JSON of another shape
	Huge              // 200, and JSON that begins well and does not end
	Redirect          // 302 to RedirectTarget
)

// Faults lists every fault.
var Faults = []Fault{Forbidden, Unavailable, Reset, Hang, Truncated, NotJSON, ServerError, NotFound, Garbage, Huge, Redirect}

// RedirectTarget is the path that Redirect leads to.
const RedirectTarget = "/elsewhere"

var faults = map[Fault]struct {
	name   string
	happen func(s *Server, w http.ResponseWriter, r *http.Request, to route)
}{
	Forbidden:   {"Forbidden", always(reply{code: http.StatusForbidden, contentType: "text/plain", body: []byte("Unauthorized Request")})},
	Unavailable: {"Unavailable", always(reply{code: http.StatusServiceUnavailable, contentType: "text/plain", body: []byte("upstream connect error or disconnect/reset before headers. reset reason: connection termination")})},
	Reset:       {"Reset", always(hangUp)},
	Hang:        {"Hang", (*Server).hang},
	Truncated:   {"Truncated", (*Server).truncate},
	NotJSON:     {"NotJSON", always(reply{code: http.StatusOK, contentType: "text/html; charset=utf-8", body: []byte("<!DOCTYPE html>\n<html><body><h1>Please log in</h1></body></html>\n")})},
	ServerError: {"ServerError", always(internalError())},
	NotFound: {"NotFound", func(_ *Server, w http.ResponseWriter, _ *http.Request, to route) {
		absent(to.resource).send(w)
	}},
	Garbage:  {"Garbage", always(document(http.StatusOK, []any{map[string]any{"metadata": []int{7}, "phases": "none"}, 42}))},
	Huge:     {"Huge", (*Server).flood},
	Redirect: {"Redirect", always(reply{code: http.StatusFound, contentType: "text/html; charset=utf-8", headers: map[string]string{"Location": RedirectTarget}})},
}

// String is the name of the fault.
func (f Fault) String() string {
	if f == None {
		return "None"
	}
	if known, ok := faults[f]; ok {
		return known.name
	}
	return fmt.Sprintf("Fault(%d)", int(f))
}

func always(a reply) func(*Server, http.ResponseWriter, *http.Request, route) {
	return func(_ *Server, w http.ResponseWriter, _ *http.Request, _ route) { a.send(w) }
}

func (s *Server) hang(_ http.ResponseWriter, r *http.Request, _ route) {
	select {
	case <-r.Context().Done():
	case <-s.closed:
	}
	panic(http.ErrAbortHandler)
}

func (s *Server) truncate(w http.ResponseWriter, r *http.Request, to route) {
	a := s.answer(r, to)
	a.announce(w)
	_, _ = w.Write(a.body[:len(a.body)/2])
	_ = http.NewResponseController(w).Flush() // or the half would be lost with the connection
	panic(http.ErrAbortHandler)
}

// floodOf is how an endless document of a resource begins, and the format of
// the numbered items that it goes on with.
func floodOf(resource Resource) (begin, item string) {
	switch resource {
	case List:
		return "[\n", "  \"%08x-d1ce-4ade-8bad-0ddba11c0ffe\",\n"
	case BootSet:
		return `{"phases": [{"categories": [{"name": "failed", "node_list": [` + "\n", "  \"x%dc0s0b0n0\",\n"
	default:
		return `{"boot_sets": [` + "\n", "  \"computes-%d\",\n"
	}
}

func (s *Server) flood(w http.ResponseWriter, r *http.Request, to route) {
	begin, item := floodOf(to.resource)
	w.Header().Set("Content-Type", "application/json")
	_, err := fmt.Fprint(w, begin)
	for i := 0; err == nil; i++ {
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-s.closed:
			panic(http.ErrAbortHandler)
		default:
			_, err = fmt.Fprintf(w, item, i)
		}
	}
}
