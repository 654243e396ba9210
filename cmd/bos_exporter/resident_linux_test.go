package main

import (
	"fmt"
	"testing"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// residents are how many sessions of 10,000 nodes the exporter holds in the test, by API. A
// document of v2 is 30 times as large: a thousand of them take more than a minute.
var residents = map[string]struct {
	era      bossim.Era
	sessions int
}{
	"v1": {bossim.EraC, 1000},
	"v2": {bossim.EraD2, 40},
}

// mostResident is the most memory, in MiB, that the exporter may hold with 1,000 sessions of
// 10,000 nodes each.
const mostResident = 143 // 150 MB

// resident has an exporter read so many sessions of 10,000 nodes each, all of them at work
// and with series of their own, and returns the memory that it then holds, in MiB.
func resident(t testing.TB, binary string, era bossim.Era, sessions int) float64 {
	t.Helper()
	const nodes = 10_000
	url := programs.ManySessions(t, era, sessions, nodes)
	p := program{programs.Start(t, binary, "--web.listen-address=127.0.0.1:0", "--bos.url="+url, "--bos.interval=1h", "--bos.stale-after=2h", "--bos.timeout=1m"), t}
	p.Ready()
	m := p.metrics()
	m.want(t, "bos_sessions_listed", float64(sessions))
	m.want(t, fmt.Sprintf(`bos_session_nodes{session=%q,tenant=""}`, programs.ManyID(sessions-1)), nodes)
	held, peak := programs.Memory(t, p.PID())
	t.Logf("%d sessions: the exporter holds %.0f MiB, and has held up to %.0f", sessions, held, peak)
	return held
}

func TestManySessionsOfManyNodesAreHeld(t *testing.T) {
	binary, err := programs.BuildPlain(t.TempDir(), ".")
	if err != nil {
		t.Fatal(err)
	}
	for api, r := range residents {
		t.Run(api, func(t *testing.T) {
			if held := resident(t, binary, r.era, r.sessions); held > mostResident {
				t.Errorf("the exporter holds %.0f MiB, want %d at most", held, mostResident)
			}
		})
	}
}

func BenchmarkResident(b *testing.B) {
	binary, err := programs.BuildPlain(b.TempDir(), ".")
	if err != nil {
		b.Fatal(err)
	}
	for api, r := range residents {
		b.Run("exporter-"+api, func(b *testing.B) {
			var held float64
			for b.Loop() {
				held = resident(b, binary, r.era, 1000)
			}
			b.ReportMetric(held, "MiB-resident")
		})
	}
}

// The exporter works within a soft limit of memory that its operator sets, and leaves it
// as it is.
func TestMemoryLimitIsHeeded(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "40MiB")
	t.Setenv("GOGC", "off")
	p := start(t, "--bos.url="+programs.ManySessions(t, bossim.EraC, 100, 10_000), "--bos.interval=10ms", "--bos.timeout=1m")
	p.Ready()
	m := p.metrics()
	m.want(t, "go_gc_gomemlimit_bytes", 40<<20)
	m.want(t, fmt.Sprintf(`bos_session_nodes{session=%q,tenant=""}`, programs.ManyID(99)), 10_000)
}
