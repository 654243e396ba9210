// Package inprocess carries requests to a simulated BOS without a network, so that both ends
// can share the time of a synctest bubble. Only tests import it.
package inprocess

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
)

// Transport returns a transport that has a handler answer every request. A handler that
// panics with http.ErrAbortHandler closes the connection: the error is that of the context of
// the request or io.EOF.
func Transport(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	w := httptest.NewRecorder()
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			resp, err = nil, cmp.Or(r.Context().Err(), io.EOF)
		default:
			panic(cause)
		}
	}()
	t.handler.ServeHTTP(w, r)
	return w.Result(), nil
}
