package inventory_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/bosv1"
	"github.com/bos-exporter/bos-exporter/internal/bosv2"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// meter counts requests and the bytes of their answers.
type meter struct {
	next http.RoundTripper

	mu       sync.Mutex
	requests int
	bytes    map[string]int64 // by path
	// frozen answers come again, so that what a benchmark takes is not the simulator's
	// time; nil for none.
	frozen map[string]frozen
}

type frozen struct {
	response http.Response
	body     []byte
}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := m.answer(r)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	m.bytes[r.URL.Path] += int64(len(answer.body))
	resp := answer.response
	resp.Body = io.NopCloser(bytes.NewReader(answer.body))
	return &resp, nil
}

func (m *meter) answer(r *http.Request) (frozen, error) {
	m.mu.Lock()
	answer, known := m.frozen[r.URL.String()]
	m.mu.Unlock()
	if known {
		return answer, nil
	}
	resp, err := m.next.RoundTrip(r)
	if err != nil {
		return frozen{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return frozen{}, err
	}
	answer = frozen{*resp, body}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.frozen != nil {
		m.frozen[r.URL.String()] = answer
	}
	return answer, nil
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests, m.bytes = 0, make(map[string]int64)
}

// total returns the bytes of all answers but those at one path.
func (m *meter) total(but string) (n int64) {
	for path, of := range m.bytes {
		if path != but {
			n += of
		}
	}
	return n
}

// metered is an inventory that has read all that the simulated BOS holds, in sweeps whose
// cost is counted.
func metered(tb testing.TB, era bossim.Era, specs ...bossim.Spec) (*inventory.Inventory, *meter) {
	tb.Helper()
	clock := bossim.NewSteppedClock(began)
	sim := bossim.New(bossim.Scripted(specs...), era, clock.Now)
	tb.Cleanup(sim.Close)
	m := &meter{next: inprocess.Transport(sim)}
	m.reset()
	client, err := bosclient.New(bosclient.Config{URL: "http://bos.test", Transport: m, Timeout: time.Minute, Concurrency: 4})
	if err != nil {
		tb.Fatal(err)
	}
	var api inventory.API = bosv1.New(client)
	if !era.ServesV1() {
		api = bosv2.New(client)
	}
	v := inventory.New(inventory.Config{APIs: []inventory.API{api}, URL: client.URL(), Now: clock.Now, Concurrency: 4,
		Logger: slog.New(slog.DiscardHandler), Interval: 30 * time.Second, MaxAge: 168 * time.Hour})
	for range 4 { // after which all that has ended is settled
		v.Sweep(tb.Context())
		clock.Advance(time.Minute)
	}
	for _, s := range v.Snapshot().Sessions {
		if s.Err != nil || s.Unread {
			tb.Fatalf("session %s: unread %t, error %v", s.ID, s.Unread, s.Err)
		}
	}
	return v, m
}

// history is what a machine has behind it and is at: so many sessions that ended long
// ago, and active ones that share the nodes, in boot sets.
func history(settled, active, bootSets int, nodes []string, api bossim.API) (specs []bossim.Spec) {
	for i := range settled {
		specs = append(specs, bossim.Spec{ID: fmt.Sprintf("settled-%04d", i), Operation: bos.Boot, Template: "settled", NoCFS: true, API: api,
			Created:  began.Add(-24*time.Hour - time.Duration(i)*time.Minute),
			BootSets: []bossim.BootSetSpec{{Name: "computes", Nodes: nodes[:4:4]}}})
	}
	each := len(nodes) / active
	for i := range active {
		s := bossim.Spec{ID: fmt.Sprintf("active-%04d", i), Operation: bos.Reboot, Template: "active", Created: began.Add(-40 * time.Minute), Pace: 0.1, API: api}
		own := nodes[i*each : (i+1)*each]
		for j := range bootSets {
			n := len(own) / bootSets
			s.BootSets = append(s.BootSets, bossim.BootSetSpec{Name: fmt.Sprint("set-", j), Nodes: own[j*n : (j+1)*n : (j+1)*n]})
		}
		specs = append(specs, s)
	}
	return specs
}

// With A active sessions of B boot sets a sweep of BOS v1 makes 1 + A·(1+B) requests. The
// settled ones cost nothing but their ids in the list.
func TestCostOfASweep(t *testing.T) {
	t.Parallel()
	const list, idBytes = "/v1/session", 20
	for _, tt := range []struct{ active, bootSets int }{{1, 1}, {3, 1}, {2, 4}, {1, 10}} {
		var withoutOld, listWithoutOld int64
		for i, settled := range []int{0, 100, 2000} {
			if settled > 100 && tt.active > 1 {
				continue // is slow, and tells nothing more
			}
			v, m := metered(t, bossim.EraC, history(settled, tt.active, tt.bootSets, bossim.Nodes(120), bossim.V1)...)
			m.reset()
			v.Sweep(t.Context())
			if want := 1 + tt.active*(1+tt.bootSets); m.requests != want {
				t.Errorf("%d active sessions of %d boot sets, %d settled: %d requests, want %d", tt.active, tt.bootSets, settled, m.requests, want)
			}
			if i == 0 {
				withoutOld, listWithoutOld = m.total(list), m.bytes[list]
			}
			if got := m.total(list); got != withoutOld {
				t.Errorf("%d settled sessions: %d bytes besides the list, %d without them", settled, got, withoutOld)
			}
			if got := m.bytes[list] - listWithoutOld; got > int64(settled*idBytes) {
				t.Errorf("%d settled sessions: their ids take %d bytes", settled, got)
			}
		}
	}
}

// Over v2 a sweep takes the two lists of unfinished sessions, and the components of each
// running session. The settled ones cost nothing at all.
func TestCostOfASweepOfV2(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		active int
		staged bool
	}{{1, false}, {3, false}, {2, true}} {
		want, alone := 2+tt.active, int64(0)
		for i, settled := range []int{0, 100, 2000} {
			if settled > 100 && tt.active > 1 {
				continue // is slow, and tells nothing more
			}
			specs := history(settled, tt.active, 2, bossim.Nodes(120), bossim.V2)
			if tt.staged {
				waiting := bossim.Spec{ID: "staged", Operation: bos.Reboot, Template: "active", Created: began.Add(-time.Hour), Stage: true, API: bossim.V2,
					BootSets: []bossim.BootSetSpec{{Name: "set-0", Nodes: bossim.Nodes(130)[120:]}}}
				specs = append(specs, waiting)
				want = 2 + tt.active + 2 // those that bear its name, and those staged for it
			}
			v, m := metered(t, bossim.EraD2, specs...)
			m.reset()
			v.Sweep(t.Context())
			if i == 0 {
				alone = m.total("")
			}
			if got := m.total(""); m.requests != want || got != alone {
				t.Errorf("%d active sessions, %d settled: %d requests, want %d; %d bytes, %d without settled ones", tt.active, settled, m.requests, want, got, alone)
			}
		}
	}
}

// The first sweep reads each session once, and its template once or, as several are read
// at once, a few times.
func TestCostOfTheFirstSweep(t *testing.T) {
	t.Parallel()
	r := newRig(t, bossim.Scripted(history(100, 2, 3, bossim.Nodes(120), bossim.V1)...), bossim.EraC)
	r.sweep(0)
	if want := 1 + 100*(2+1) + 2*(2+3); r.requests() != want {
		t.Errorf("%d requests, want %d", r.requests(), want)
	}
	for path, times := range r.asked {
		if most := map[bool]int{true: 4, false: 1}[strings.HasPrefix(path, "sessiontemplate/")]; times > most {
			t.Errorf("%s: asked %d times", path, times)
		}
	}
}

// sweepCost measures sweeps in which nothing changes: requests/op and bosbytes/op are what
// BOS is asked for, and the time is all ours.
func sweepCost(b *testing.B, era bossim.Era, specs []bossim.Spec) {
	b.Helper()
	v, m := metered(b, era, specs...)
	m.frozen = make(map[string]frozen)
	v.Sweep(b.Context())
	m.reset()
	for b.Loop() {
		v.Sweep(b.Context())
	}
	b.ReportMetric(float64(m.requests)/float64(b.N), "requests/op")
	b.ReportMetric(float64(m.total(""))/float64(b.N), "bosbytes/op")
}

// BenchmarkSweepV1 sweeps a BOS v1 at which a session of 12,000 nodes in ten boot sets is at
// work, among so many settled ones.
func BenchmarkSweepV1(b *testing.B) {
	for _, settled := range []int{0, 500, 2000} {
		b.Run(fmt.Sprintf("settled=%d", settled), func(b *testing.B) {
			sweepCost(b, bossim.EraC, history(settled, 1, 10, bossim.Nodes(12_000), bossim.V1))
		})
	}
}

// BenchmarkSweepV2 does the same over v2.
func BenchmarkSweepV2(b *testing.B) {
	for _, settled := range []int{0, 500, 2000} {
		b.Run(fmt.Sprintf("settled=%d", settled), func(b *testing.B) {
			sweepCost(b, bossim.EraD2, history(settled, 1, 10, bossim.Nodes(12_000), bossim.V2))
		})
	}
}

// BenchmarkSweepSessions sweeps a BOS v1 at which 12,000 nodes are shared by so many sessions
// at work.
func BenchmarkSweepSessions(b *testing.B) {
	for _, active := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("sessions=%d", active), func(b *testing.B) {
			sweepCost(b, bossim.EraC, history(0, active, 1, bossim.Nodes(12_000), bossim.V1))
		})
	}
}

// BenchmarkSweepBootSets sweeps a BOS v1 at which a session of 12,000 nodes in so many boot
// sets is at work.
func BenchmarkSweepBootSets(b *testing.B) {
	for _, sets := range []int{1, 4, 10} {
		b.Run(fmt.Sprintf("bootsets=%d", sets), func(b *testing.B) {
			sweepCost(b, bossim.EraC, history(0, 1, sets, bossim.Nodes(12_000), bossim.V1))
		})
	}
}
