package bossim

import (
	"slices"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

func ids(sessions []*Session) []string {
	var names []string
	for _, s := range sessions {
		names = append(names, s.ID())
	}
	slices.Sort(names)
	return names
}

func TestLiveIsBounded(t *testing.T) {
	for _, pace := range []float64{0.5, 1, 10, 50} {
		scenario := Live(created, pace)
		again := Live(created, pace)
		for _, after := range []time.Duration{0, time.Second, time.Hour, 24 * time.Hour, 400 * 24 * time.Hour, time.Minute, -time.Hour} {
			now := created.Add(after)
			sessions := scenario.Sessions(now)
			if n := len(sessions); n < 40 || n > 400 {
				t.Errorf("pace %v after %s: %d sessions", pace, after, n)
			}
			if cached := len(scenario.(*live).cache); cached > 3*len(sessions) {
				t.Errorf("pace %v after %s: %d sessions are kept", pace, after, cached)
			}
			if !slices.Equal(ids(sessions), ids(again.Sessions(now))) {
				t.Errorf("pace %v after %s: two runs differ", pace, after)
			}
			for _, s := range sessions[:20] {
				if found, ok := scenario.Session(s.ID(), now); !ok || found != s {
					t.Errorf("session %s is listed but not found", s.ID())
				}
			}
		}
	}
	if slices.Equal(ids(Live(created, 1).Sessions(created)), ids(Live(created.Add(time.Hour), 1).Sessions(created.Add(time.Hour)))) {
		t.Error("another start should have other sessions")
	}
}

// At any time some sessions run, few at once, and there is history of all sorts.
func TestLiveIsVaried(t *testing.T) {
	for _, pace := range []float64{1, 10} {
		scenario := Live(created, pace)
		for _, after := range []time.Duration{0, 5 * time.Minute, 25 * time.Hour} {
			now := created.Add(after)
			var running, stuck, clean, bad, waiting int
			for _, s := range scenario.Sessions(now) {
				age := now.Sub(s.created)
				if s.describe(now, EraC)["stop_time"] == nil {
					last := s.documents.(*play).later().moves
					end := time.Duration(float64(last[len(last)-1].at) / pace)
					switch {
					case age > end+35*time.Minute:
						stuck++
					case age < 50*time.Second:
						waiting++
					default:
						running++
					}
					continue
				}
				st := s.documents.(*play).later().at(now)
				switch f := st.flags(); {
				case f.errorCount > 0:
					bad++
				case f.complete:
					clean++
				}
			}
			if stuck < 1 || stuck > 3 || running < 1 || running+waiting > 8 || clean < 4 || bad < 4 {
				t.Errorf("pace %v after %s: %d running, %d stuck, %d clean, %d bad", pace, after, running, stuck, clean, bad)
			}
		}
	}
}

func TestLiveKinds(t *testing.T) {
	scenario := Live(created, 10)
	busy := make(map[string]int)
	for i, kind := range append(slices.Clone(kinds), stuckKind) {
		spec := kind(7)
		spec.validate()
		want := spec.bootSetNames()
		if got, ok := scenario.Template(spec.Template); !ok || !slices.Equal(got, want) {
			t.Errorf("template %s has boot sets %v, want %v", spec.Template, got, want)
		}
		nodes := 0
		for _, b := range spec.BootSets {
			nodes += len(b.Nodes)
			for _, node := range b.Nodes {
				if _, ok := bos.ParseXname(node); !ok {
					t.Errorf("%s is no node", node)
				}
				if other, twice := busy[node]; twice {
					t.Errorf("%s is in kinds %d and %d", node, other, i)
				}
				busy[node] = i
			}
		}
		if nodes < 4 || nodes > 256 {
			t.Errorf("kind %d has %d nodes", i, nodes)
		}
	}
	if _, ok := scenario.Template("other"); ok {
		t.Error("there is no such template")
	}
}

func TestUUID(t *testing.T) {
	if got := uuid("a"); len(got) != 36 || got[14] != '4' || uuid("a") != got || uuid("b") == got {
		t.Errorf("got %s", got)
	}
}
