package main

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// residents are the sessions of 10,000 nodes that the exporter holds in the test. A document
// of v2 is 30 times as large as one of v1: a thousand of them take more than a minute.
var residents = []struct {
	name               string
	era                bossim.Era
	sessions, bootSets int
	most               float64 // memory that the exporter may ever hold, in MiB
}{
	{"v1", bossim.EraC, 1000, 1, programs.MostMemory},
	{"v1 with ten boot sets", bossim.EraC, 1000, 10, 280}, // a third of a million series
	{"v2", bossim.EraD2, 40, 1, programs.MostMemory},
}

// resident has an exporter read so many sessions of 10,000 nodes each, all of them at work
// and with series of their own, scrapes it as Prometheus does, and returns the memory that it
// then holds, and the most that it has held, in MiB.
func resident(t testing.TB, binary string, era bossim.Era, sessions, bootSets int) (held, peak float64) {
	t.Helper()
	const nodes = 10_000
	url := programs.ManySessions(t, era, sessions, bootSets, nodes)
	p := program{programs.Start(t, binary, "--web.listen-address=127.0.0.1:0", "--bos.url="+url, "--bos.interval=1h", "--bos.stale-after=2h", "--bos.timeout=1m"), t}
	p.Ready()
	before, _ := programs.Memory(t, p.PID())
	size := p.scrapeCoded(t)
	held, peak = programs.Memory(t, p.PID())
	t.Logf("%d sessions: the exporter held %.0f MiB before a scrape of %d bytes, holds %.0f after it, and has held up to %.0f", sessions, before, size, held, peak)
	m := p.metrics()
	m.want(t, "bos_sessions_listed", float64(sessions))
	m.want(t, fmt.Sprintf(`bos_session_nodes{session=%q,tenant=""}`, programs.ManyID(sessions-1)), nodes)
	return held, peak
}

// scrapeCoded scrapes in the format and content coding that Prometheus prefers, and returns
// how many bytes that takes.
func (p program) scrapeCoded(t testing.TB) int64 {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	r.Header.Set("Accept-Encoding", "gzip")
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	size, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%s %v, error %v", resp.Status, resp.Header, err)
	}
	return size
}

func TestManySessionsOfManyNodesAreHeld(t *testing.T) {
	binary, err := programs.BuildPlain(t.TempDir(), ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range residents {
		t.Run(r.name, func(t *testing.T) {
			if _, peak := resident(t, binary, r.era, r.sessions, r.bootSets); peak > r.most {
				t.Errorf("the exporter has held %.0f MiB, want %.0f at most", peak, r.most)
			}
		})
	}
}

func BenchmarkResident(b *testing.B) {
	binary, err := programs.BuildPlain(b.TempDir(), ".")
	if err != nil {
		b.Fatal(err)
	}
	for api, era := range map[string]bossim.Era{"v1": bossim.EraC, "v2": bossim.EraD2} {
		b.Run("exporter-"+api, func(b *testing.B) {
			var held float64
			for b.Loop() {
				held, _ = resident(b, binary, era, 1000, 1)
			}
			b.ReportMetric(held, "MiB-resident")
		})
	}
}

// What an operator sets for the collection of garbage stands.
func TestMemorySettingsAreHeeded(t *testing.T) {
	for _, tt := range []struct {
		gogc, limit, metric string
		want                float64
	}{
		{"", "", "go_gc_gogc_percent", 50},
		{"120", "", "go_gc_gogc_percent", 120},
		{"off", "40MiB", "go_gc_gomemlimit_bytes", 40 << 20},
	} {
		t.Run(fmt.Sprintf("%s=%g", tt.metric, tt.want), func(t *testing.T) {
			t.Setenv("GOGC", tt.gogc)
			t.Setenv("GOMEMLIMIT", tt.limit)
			p := start(t, "--bos.url="+programs.ManySessions(t, bossim.EraC, 1, 1, 1))
			p.metrics().want(t, tt.metric, tt.want)
		})
	}
}
