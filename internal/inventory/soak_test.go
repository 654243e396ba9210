package inventory_test

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// Days of sessions that come and go, and of faults of every kind, leave nothing behind.
func TestSoak(t *testing.T) {
	for _, tt := range []struct {
		era      bossim.Era
		scenario func(time.Time) bossim.Scenario
		heap     bool // whether the simulator itself lets go of what is over
	}{
		{bossim.EraC, func(start time.Time) bossim.Scenario { return bossim.Live(start, 1) }, true},
		{bossim.EraD2, func(start time.Time) bossim.Scenario { return bossim.Live(start, 1) }, true},
		{bossim.EraBoth, func(start time.Time) bossim.Scenario {
			return bossim.Random(1, start.Add(-12*time.Hour), start.Add(97*time.Hour), 500, 12*time.Hour)
		}, false},
	} {
		t.Run(tt.era.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { soak(t, tt.scenario(time.Now()), tt.era, tt.heap) })
		})
	}
}

func soak(t *testing.T, scenario bossim.Scenario, era bossim.Era, heap bool) {
	sim := bossim.New(scenario, era, time.Now)
	defer sim.Close()
	client, err := bosclient.New(bosclient.Config{URL: "http://bos.test", Transport: inprocess.Transport(sim), Timeout: 10 * time.Second, Concurrency: 4})
	if err != nil {
		t.Fatal(err)
	}
	apis, err := bosapi.New(client, bosapi.Auto, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	v := inventory.New(inventory.Config{APIs: apis.All(), URL: client.URL(), Now: client.Now, Concurrency: 4, Logger: slog.New(slog.DiscardHandler),
		Interval: 30 * time.Second, MaxAge: 168 * time.Hour, Linger: 2 * time.Hour, MaxSessions: 1000})
	rng := rand.New(rand.NewPCG(uint64(era), 0))
	measure := func(hour int) (now []float64) {
		synctest.Wait()
		known, settled, gone := v.Held()
		s := v.Snapshot()
		exposed := 0
		for i := range s.Sessions {
			if s.Sessions[i].Exposed {
				exposed++
			}
		}
		var memory runtime.MemStats
		if heap && hour%6 == 5 {
			runtime.GC()
			runtime.ReadMemStats(&memory)
		}
		for _, n := range []int{runtime.NumGoroutine(), known, settled, gone, exposed, s.Nodes.Len(), int(memory.HeapAlloc)} {
			now = append(now, float64(n))
		}
		return now
	}
	// A day is the unit: sessions that have gone are remembered for one.
	var days [4][]float64 // the largest of each
	for hour := range 96 {
		fault := bossim.None
		for fault == bossim.None || leftOut[fault] {
			fault = bossim.Fault(rng.IntN(int(bossim.NeitherAPI) + 1))
		}
		sim.Fail(bossim.Resource(rng.IntN(int(bossim.Options)+1)), fault)
		for minute := 0; minute < 60; minute += 15 {
			if minute == 15 {
				sim.Heal()
			}
			v.Sweep(t.Context())
			time.Sleep(15 * time.Minute)
		}
		for _, s := range v.Snapshot().Sessions {
			if s.Err != nil && !errors.As(s.Err, new(*bos.Error)) {
				t.Errorf("hour %d: %v", hour, s.Err)
			}
		}
		if s := v.Snapshot(); !s.Up || !s.ListUp {
			t.Errorf("hour %d: healed of %s, BOS is up %t, its list %t", hour, fault, s.Up, s.ListUp)
		}
		day := &days[hour/24]
		for i, n := range measure(hour) {
			if len(*day) <= i {
				*day = append(*day, 0)
			}
			(*day)[i] = max((*day)[i], n)
		}
	}
	for i, what := range []string{"goroutines", "sessions", "settled sessions", "sessions remembered", "sessions with series", "names of nodes", "bytes of heap"} {
		if what == "bytes of heap" && !heap {
			continue
		}
		second, last := days[1][i], days[3][i]
		t.Logf("%s: at most %.0f on the second day, %.0f on the fourth", what, second, last)
		if last > second*1.2+10 {
			t.Errorf("%s: at most %.0f on the second day, %.0f on the fourth", what, second, last)
		}
	}
	if s := v.Snapshot(); len(s.Sessions) == 0 || len(s.Completions.Counts) == 0 {
		t.Error("nothing has happened")
	}
}

// leftOut are faults whose answers are huge, and one that never heals without connections.
var leftOut = map[bossim.Fault]bool{bossim.Bulky: true, bossim.Huge: true, bossim.LongString: true, bossim.DeadConnections: true}
