package bossim

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
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

// A machine whose nodes have all been in a thousand sessions.
func BenchmarkHistory(b *testing.B) {
	nodes := Nodes(10_000)
	specs := make([]Spec, 1000)
	for i := range specs {
		specs[i] = Spec{Operation: bos.Reboot, Template: "t", Created: created.Add(-time.Duration(i) * 10 * time.Minute),
			BootSets: one("compute", nodes, Trouble{Kind: NeverReady, Nodes: nodes[:i]})}
	}
	for b.Loop() {
		s := New(Scripted(specs...), EraD2, NewSteppedClock(created.Add(10*time.Minute)).Now)
		s.ServeHTTP(&discard{}, httptest.NewRequest(http.MethodGet, "/v2/sessions?status=running", nil))
	}
}
