package inventory_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// Queries that follow each other at once, each with a sweep of its own, put the next
// try off for no longer than BOS has been failing.
func TestBackOffFollowsTimeNotQueries(t *testing.T) {
	inBubble(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(t *testing.T, r *rig) {
		r.sweep(8 * time.Minute)
		r.sim.FailSession("s1", bossim.ServerError)
		asked := 0
		for range 100 { // in a second
			r.sweep(10 * time.Millisecond)
			asked += r.asked["session/s1"]
		}
		if asked > 10 {
			t.Errorf("%d readings of what fails", asked)
		}
		r.sim.Heal()
		r.sweep(time.Second)
		if err := r.session("s1").Err; err != nil {
			t.Errorf("a second after a failure of a second: %v", err)
		}
	})
}

// answerWith has requests for which choose holds answered with a status and headers.
func (r *rig) answerWith(choose func(path string) bool, code int, headers map[string]string) {
	r.sim.Substitute(func(req *http.Request) http.Handler {
		if !choose(strings.TrimPrefix(req.URL.Path, "/v1/")) {
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range headers {
				w.Header().Set(k, v)
			}
			w.WriteHeader(code)
		})
	})
}

func TestRetryAfterIsHeeded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		choose func(path string) bool
		code   int
		asked  string // the path that is left alone
	}{
		{"list", func(path string) bool { return path == "session" }, http.StatusServiceUnavailable, "session"},
		{"session", func(path string) bool { return path == "session/s1" }, http.StatusTooManyRequests, "session/s1"},
		{"boot set", func(path string) bool { return strings.HasPrefix(path, "session/s1/status/") }, http.StatusServiceUnavailable, "session/s1"},
		{"everything", func(string) bool { return true }, http.StatusServiceUnavailable, "session/s1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, bossim.Scripted(reboot("s1", began)), bossim.EraC, func(t *testing.T, r *rig) {
				r.sweep(8 * time.Minute)
				r.answerWith(tt.choose, tt.code, map[string]string{"Retry-After": "120"})
				r.sweep(30 * time.Second)
				if r.asked[tt.asked] != 1 {
					t.Fatalf("asked %v", r.asked)
				}
				r.sim.Heal()
				for range 3 {
					if r.sweep(30 * time.Second); r.asked[tt.asked] != 0 {
						t.Errorf("asked again before it is time: %v", r.asked)
					}
				}
				if r.sweep(31 * time.Second); r.asked[tt.asked] != 1 {
					t.Errorf("not asked when it is time: %v", r.asked)
				}
				if s := r.Snapshot(); s.Err != nil || r.session("s1").Err != nil {
					t.Errorf("after: %v, %v", s.Err, r.session("s1").Err)
				}
			})
		})
	}
}

func TestRefusedListEndsTheSweep(t *testing.T) {
	var specs []bossim.Spec
	for range 30 {
		specs = append(specs, reboot("", began))
	}
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			inBubble(t, bossim.Scripted(specs...), bossim.EraC, func(t *testing.T, r *rig) {
				r.sweep(8 * time.Minute)
				r.answerWith(func(string) bool { return true }, code, nil)
				for range 3 {
					s := r.sweep(30 * time.Second)
					if want := map[string]int{"session": 1}; !maps.Equal(r.asked, want) {
						t.Errorf("%d refused requests in a sweep, want that for the list alone", len(r.asked))
					}
					if s.Up || len(s.Sessions) != 30 || !s.Sessions[0].Exposed {
						t.Errorf("up %t, %d sessions", s.Up, len(s.Sessions))
					}
				}
				r.sim.Heal()
				if s := r.sweep(30 * time.Second); !s.Up || r.requests() < 30 {
					t.Errorf("after: up %t, %d requests", s.Up, r.requests())
				}
			})
		})
	}
}
