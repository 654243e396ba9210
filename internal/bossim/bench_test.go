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
