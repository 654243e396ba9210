package inventory_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// fakeAPI lists sessions with their descriptions, or fails, or is absent.
type fakeAPI struct {
	name     string
	sessions []*bos.Session
	absent   bool
	err      error
}

func (a *fakeAPI) Name() string           { return a.name }
func (a *fakeAPI) Address(bos.Key) string { return "http://bos.test/" + a.name }
func (a *fakeAPI) Open() inventory.Reader { return fakeReader{} }
func (a *fakeAPI) List(context.Context, bool) (inventory.Listing, error) {
	listing := inventory.Listing{Absent: a.absent}
	for _, s := range a.sessions {
		listing.Sessions = append(listing.Sessions, inventory.Listed{Key: s.Key(), Description: s})
	}
	return listing, a.err
}

type fakeReader struct{}

func (fakeReader) Describe(_ context.Context, l inventory.Listed, _ inventory.Reading) (*bos.Session, error) {
	s := *l.Description
	return &s, nil
}

func (fakeReader) Nodes(_ context.Context, s *bos.Session, _ inventory.Reading, _ *bos.Recorder) (inventory.Reading, error) {
	return inventory.Reading{Session: s}, nil
}

func fakeInventory(apis ...inventory.API) *inventory.Inventory {
	return inventory.New(inventory.Config{APIs: apis, URL: "http://bos.test", Now: func() time.Time { return began },
		Concurrency: 1, Logger: slog.New(slog.DiscardHandler), Interval: time.Minute})
}

func fakeSession(api, tenant, id string, age time.Duration) *bos.Session {
	return &bos.Session{API: api, Tenant: tenant, ID: id, Operation: bos.Boot, Metadata: bos.Metadata{StartTime: began.Add(-age)}}
}

// A BOS that lists other sessions all the time takes no more and more memory.
func TestSessionsThatAreGoneAreRememberedWithinALimit(t *testing.T) {
	api := &fakeAPI{name: bos.APIv1}
	v := fakeInventory(api)
	const each, most = 4000, 10_000
	for sweep := range 5 {
		api.sessions = nil
		for i := range each {
			api.sessions = append(api.sessions, fakeSession(bos.APIv1, "", fmt.Sprintf("%d-%d", sweep, i), time.Hour))
		}
		v.Sweep(t.Context())
		if known, _, gone := v.Held(); known != each || gone != min(sweep*each, most) {
			t.Fatalf("after sweep %d: %d sessions are known, %d remembered", sweep, known, gone)
		}
	}
}

// That an API is absent says nothing about whether BOS is up.
func TestAbsentAPI(t *testing.T) {
	down := &bos.Error{Reason: bos.Unavailable, URL: "http://bos.test/v1"}
	for _, tt := range []struct {
		name                     string
		err                      error
		wantUp, wantListUp, good bool
	}{
		{"the other answers", nil, true, true, true},
		{"the other is down", down, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := fakeInventory(&fakeAPI{name: bos.APIv2, absent: true}, &fakeAPI{name: bos.APIv1, err: tt.err})
			v.Sweep(t.Context())
			s := v.Snapshot()
			if s.Up != tt.wantUp || s.ListUp != tt.wantListUp || s.LastGood.IsZero() == tt.good || s.ListedAt.IsZero() == tt.good || s.Listed.Present != tt.good {
				t.Errorf("up %t, list up %t, last good %s, listed at %s, listed %v; want up %t, list up %t, good %t",
					s.Up, s.ListUp, s.LastGood, s.ListedAt, s.Listed, tt.wantUp, tt.wantListUp, tt.good)
			}
		})
	}
}

// A list counts as answered once every API has answered it, in whichever order they are read:
// without that, sessions that merely have not been listed yet would be taken to be gone.
func TestListedOnceEveryAPIHasListed(t *testing.T) {
	down := &bos.Error{Reason: bos.Unavailable, URL: "http://bos.test"}
	for _, tt := range []struct {
		name   string
		v2, v1 error
		want   bool
	}{
		{"both answer", nil, nil, true},
		{"v2 is down", down, nil, false},
		{"v1 is down", nil, down, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := fakeInventory(&fakeAPI{name: bos.APIv2, err: tt.v2}, &fakeAPI{name: bos.APIv1, err: tt.v1})
			v.Sweep(t.Context())
			if at := v.Snapshot().ListedAt; at.IsZero() == tt.want {
				t.Errorf("listed at %s, want a time: %t", at, tt.want)
			}
		})
	}
}

func TestSessionsOfAnAPIThatHasGoneLeave(t *testing.T) {
	v1 := &fakeAPI{name: bos.APIv1, sessions: []*bos.Session{fakeSession(bos.APIv1, "", "old", time.Hour)}}
	v2 := &fakeAPI{name: bos.APIv2, absent: true}
	v := fakeInventory(v2, v1)
	v.Sweep(t.Context())
	v1.absent, v1.sessions = true, nil
	v2.absent, v2.sessions = false, []*bos.Session{fakeSession(bos.APIv2, "", "new", time.Minute)}
	v.Sweep(t.Context())
	var got []string
	for _, s := range v.Snapshot().Sessions {
		got = append(got, s.Key().String())
	}
	if diff := cmp.Diff([]string{"v2//new"}, got); diff != "" {
		t.Errorf("the sessions differ (-want +got):\n%s", diff)
	}
}

// Of sessions that only the API tells apart, the newest has series.
func TestDuplicatesAreDropped(t *testing.T) {
	v := fakeInventory(
		&fakeAPI{name: bos.APIv2, sessions: []*bos.Session{
			fakeSession(bos.APIv2, "", "newer in v2", time.Hour), fakeSession(bos.APIv2, "", "newer in v1", 2*time.Hour),
			fakeSession(bos.APIv2, "blue", "newer in v2", time.Minute),
		}},
		&fakeAPI{name: bos.APIv1, sessions: []*bos.Session{
			fakeSession(bos.APIv1, "", "newer in v2", 2*time.Hour), fakeSession(bos.APIv1, "", "newer in v1", time.Hour),
		}})
	v.Sweep(t.Context())
	got := make(map[string]bool)
	for _, s := range v.Snapshot().Sessions {
		got[s.Key().String()] = s.Exposed
	}
	want := map[string]bool{
		"v2//newer%20in%20v2": true, "v1//newer%20in%20v2": false,
		"v2//newer%20in%20v1": false, "v1//newer%20in%20v1": true,
		"v2/blue/newer%20in%20v2": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the exposed sessions differ (-want +got):\n%s", diff)
	}
	if n := v.Snapshot().Dropped[inventory.DroppedDuplicate]; n != 2 {
		t.Errorf("%d sessions are dropped, want 2", n)
	}
}
