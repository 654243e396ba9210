package inprocess

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTransport(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		ctx     context.Context
		status  int
		err     error
	}{
		{"an answer", answer, t.Context(), http.StatusTeapot, nil},
		{"a connection that is closed", abort, t.Context(), 0, io.EOF},
		{"a request that is given up", abort, canceled, 0, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := Transport(tt.handler).RoundTrip(httptest.NewRequestWithContext(tt.ctx, http.MethodGet, "/", nil))
			if err != tt.err {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err == nil && resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
		})
	}
}
