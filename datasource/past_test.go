package datasource

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// past is a BOS in this process that holds reboots of all nodes of a machine, one every
// ten minutes. In each of them a hundredth of the nodes fail, most of these by chance.
type past struct {
	sessions int
	nodes    []string
	lasted   time.Duration // each session
}

var (
	_ apis             = past{}
	_ inventory.API    = past{}
	_ inventory.Reader = past{}
)

func (p past) All() []inventory.API                                { return []inventory.API{p} }
func (p past) Served() []bosapi.Served                             { return nil }
func (p past) Find(context.Context) ([]bosapi.Served, error)       { return nil, nil }
func (p past) Components(context.Context) ([]bos.Component, error) { return nil, nil }
func (p past) Name() string                                        { return bos.APIv1 }
func (p past) Address(bos.Key) string                              { return "http://bos.test/v1/session" }
func (p past) Open() inventory.Reader                              { return p }

func (p past) List(context.Context, bool) (inventory.Listing, error) {
	var l inventory.Listing
	for i := range p.sessions {
		start := bossim.GalleryTime.Add(-time.Duration(i+1) * 10 * time.Minute)
		s := &bos.Session{ID: fmt.Sprintf("session-%d", i), API: p.Name(), Operation: bos.Reboot, Template: fmt.Sprint("template-", i%20)}
		s.StartTime = start
		if stop := start.Add(p.lasted); stop.Before(bossim.GalleryTime) {
			s.StopTime = stop
		}
		l.Sessions = append(l.Sessions, inventory.Listed{Key: s.Key(), Description: s})
	}
	return l, nil
}

func (p past) Describe(_ context.Context, listed inventory.Listed, _ inventory.Reading) (*bos.Session, error) {
	s := *listed.Description
	return &s, nil
}

func (p past) Nodes(_ context.Context, s *bos.Session, _ inventory.Reading, r *bos.Recorder) (inventory.Reading, error) {
	b := bos.BootSet{Name: "compute", Reported: true, Metadata: s.Metadata}
	chance := rand.New(rand.NewPCG(uint64(s.StartTime.Unix()), 0))
	done := bos.Succeeded
	if s.StopTime.IsZero() {
		done = bos.InProgress
	}
	for i, phase := range bos.PhaseOrder {
		b.Phases = append(b.Phases, bos.Phase{Name: phase, Metadata: s.Metadata})
		for n, node := range p.nodes {
			failed := chance.IntN(300) == 0 || n%1000 == i // some nodes fail again and again
			if !failed {
				r.Category(i, done).Add([]byte(node))
				continue
			}
			r.Category(i, bos.Failed).Add([]byte(node))
			r.Error(i, fmt.Sprint("cause ", chance.IntN(5))).Add([]byte(node))
		}
	}
	r.EndBootSet(&b)
	s.BootSets = []bos.BootSet{b}
	s.Nodes = s.Fates().Tally()
	return inventory.Reading{Session: s}, nil
}

// kept is a datasource that has read a past and has it in its cache.
func kept(b *testing.B, p past) *Datasource {
	d := &Datasource{settings: settings{maxRows: defaultMaxRows, cache: time.Hour}, apis: p}
	d.inventory = inventory.NewOnDemand(inventory.Config{
		APIs: p.All(), URL: p.Address(bos.Key{}), Now: func() time.Time { return bossim.GalleryTime },
		Concurrency: 4, Logger: slog.New(slog.DiscardHandler), Interval: time.Hour,
	})
	b.Cleanup(d.inventory.Close)
	return d
}

// benchmarkKept measures the answers to a query about sessions that are all kept.
func benchmarkKept(b *testing.B, p past, query string) {
	d := kept(b, p)
	everyTime := backend.DataQuery{JSON: json.RawMessage(query), TimeRange: backend.TimeRange{To: bossim.GalleryTime}}
	frames, err := d.query(b.Context(), everyTime, false)
	if err != nil || frames[0].Rows() == 0 {
		b.Fatalf("%d frames, %v", len(frames), err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.query(b.Context(), everyTime, false); err != nil {
			b.Fatal(err)
		}
	}
}

// eachPast calls each with a machine of 10,000 nodes with more and more sessions that
// take 25 minutes, so that at each time there are two or three of them.
func eachPast(b *testing.B, each func(*testing.B, past)) {
	nodes := bossim.Nodes(10_000)
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) { each(b, past{sessions: n, nodes: nodes, lasted: 25 * time.Minute}) })
	}
}

func BenchmarkOffenders(b *testing.B) {
	eachPast(b, func(b *testing.B, p past) { benchmarkKept(b, p, `{"queryType":"offenders"}`) })
}

func BenchmarkOverlaps(b *testing.B) {
	eachPast(b, func(b *testing.B, p past) { benchmarkKept(b, p, `{"queryType":"overlaps"}`) })
	b.Run("unfinished=1000", func(b *testing.B) {
		benchmarkKept(b, past{sessions: 1000, nodes: bossim.Nodes(10_000), lasted: 10_000 * time.Hour}, `{"queryType":"overlaps"}`)
	})
}

func BenchmarkValues(b *testing.B) {
	for _, field := range []string{"session", "node"} {
		b.Run(field, func(b *testing.B) {
			eachPast(b, func(b *testing.B, p past) {
				benchmarkKept(b, p, fmt.Sprintf(`{"queryType":"values","field":%q}`, field))
			})
		})
	}
}
