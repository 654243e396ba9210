package bossim

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func BenchmarkBootSet(b *testing.B) {
	spec := reboot("s")
	spec.BootSets[0].Nodes = Nodes(10_000)
	s := New(Scripted(spec), EraC, NewSteppedClock(created.Add(20*time.Minute)).Now)
	for _, path := range []string{"/v1/session/s", "/v1/session/s/status/compute"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
			}
		})
	}
}

func BenchmarkComponents(b *testing.B) {
	spec := reboot("s")
	spec.BootSets[0].Nodes = Nodes(12_000)
	s := New(Scripted(spec), EraD2, NewSteppedClock(created.Add(10*time.Minute)).Now)
	for _, path := range []string{"/v2/components?session=s", "/v2/sessions?status=running", "/v2/sessions/s/status"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.ServeHTTP(&discard{}, httptest.NewRequest(http.MethodGet, path, nil))
			}
		})
	}
}

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header {
	if d.header == nil {
		d.header = make(http.Header)
	}
	return d.header
}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
