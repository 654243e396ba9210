package bossim

import (
	"bytes"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
)

// reply is an answer to a request.
type reply struct {
	code        int
	contentType string
	headers     map[string]string
	body        []byte
	hangUp      bool // close the connection without an answer
	// stream makes the body piece by piece, in place of body. It is called twice, ends
	// when emit says so, and makes the same each time.
	stream func(emit func(piece []byte) bool)
}

// whole is the reply with a body that is made.
func (a reply) whole() reply {
	if a.stream != nil {
		a.stream(func(piece []byte) bool {
			a.body = append(a.body, piece...)
			return true
		})
		a.stream = nil
	}
	return a
}

// list answers with an array, in pieces.
func list(items iter.Seq[func(*text)]) reply {
	const enough = 64 << 10
	return reply{code: http.StatusOK, contentType: "application/json", stream: func(emit func([]byte) bool) {
		w := &text{buf: make([]byte, 0, enough+8<<10)}
		w.open("", '[')
		for item := range items {
			item(w)
			if len(w.buf) >= enough {
				if !emit(w.buf) {
					return
				}
				w.buf = w.buf[:0]
			}
		}
		w.close(']')
		emit(append(w.buf, '\n'))
	}}
}

var hangUp = reply{hangUp: true}

// document answers with JSON as BOS writes it: indented, with a newline at the end.
func document(code int, v any) reply {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // no document has a value that JSON lacks
	}
	return reply{code: code, contentType: "application/json", body: body.Bytes()}
}

// problem answers with the details of a problem (RFC 7807).
func problem(code int, title, detail string) reply {
	r := document(code, map[string]any{"detail": detail, "status": code, "title": title, "type": "about:blank"})
	r.contentType = "application/problem+json"
	return r
}

func internalError() reply {
	return problem(http.StatusInternalServerError, "Internal Server Error",
		"The server encountered an internal error and was unable to complete your request. "+
			"Either the server is overloaded or there is an error in the application.")
}

// absent is how BOS says that a resource does not exist.
func absent(to route) reply {
	if to.v2 {
		return absentV2(to, "", "")
	}
	switch to.resource {
	case Describe:
		return document(http.StatusNotFound, struct{}{})
	case Status, BootSet:
		return reply{code: http.StatusNotFound, contentType: "application/json"}
	case Phase, Category:
		return hangUp
	case Template:
		return problem(http.StatusNotFound, "Not Found", "The session template does not exist.")
	default:
		return problem(http.StatusNotFound, "Not Found",
			"The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.")
	}
}

// announce sends the head of the reply.
func (a reply) announce(w http.ResponseWriter) {
	if a.hangUp {
		panic(http.ErrAbortHandler) // net/http then closes the connection
	}
	h := w.Header()
	for key, value := range a.headers {
		h.Set(key, value)
	}
	h.Set("Content-Type", a.contentType)
	size := len(a.body)
	if a.stream != nil {
		a.stream(func(piece []byte) bool {
			size += len(piece)
			return true
		})
	}
	h.Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(a.code)
}

func (a reply) send(w http.ResponseWriter) {
	a.announce(w)
	if a.stream == nil {
		_, _ = w.Write(a.body) // the client may be gone
		return
	}
	a.stream(func(piece []byte) bool {
		_, err := w.Write(piece)
		return err == nil
	})
}
