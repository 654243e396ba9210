package exporter

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
)

// inBubble calls f with an exporter of a BOS v2, and with a function that says after how long
// its nodes were asked for. Time is that of a bubble.
func inBubble(t *testing.T, f func(t *testing.T, e *Exporter, sim *bossim.Server, asked func() []time.Duration)) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		sim := bossim.New(bossim.DocumentedV2(), bossim.EraD2, time.Now)
		defer sim.Close()
		var asked []time.Duration
		sim.Observe(func(r *http.Request) {
			if r.URL.Path == "/v2/components" && !r.URL.Query().Has("session") && !r.URL.Query().Has("staged_session") {
				asked = append(asked, time.Since(start))
			}
		})
		cfg := config("http://bos.test")
		cfg.Transport = inprocess.Transport(sim)
		e, err := New(cfg, slog.New(slog.DiscardHandler), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		f(t, e, sim, func() []time.Duration { return asked })
	})
}

func TestNodesThatCannotBeReadAreLeftAloneForLonger(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Exporter, sim *bossim.Server, asked func() []time.Duration) {
		sim.Fail(bossim.Components, bossim.ServerError)
		ctx, cancel := context.WithTimeout(t.Context(), 95*time.Minute)
		defer cancel()
		e.readMachine(ctx)
		want := []time.Duration{0, 10 * time.Minute, 30 * time.Minute, 60 * time.Minute, 90 * time.Minute}
		if diff := cmp.Diff(want, asked()); diff != "" {
			t.Errorf("the times of the requests differ (-want +got):\n%s", diff)
		}
	})
}

func TestNodesAreReadOncePerInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Exporter, _ *bossim.Server, asked func() []time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Minute)
		defer cancel()
		e.readMachine(ctx)
		if diff := cmp.Diff([]time.Duration{0, 5 * time.Minute, 10 * time.Minute}, asked()); diff != "" {
			t.Errorf("the times of the requests differ (-want +got):\n%s", diff)
		}
	})
}

// What is known of the nodes is served once the sessions have been listed since, and as long
// as it is not out of date.
func TestNodesGoStale(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Exporter, _ *bossim.Server, _ func() []time.Duration) {
		handler := e.Handler()
		served := func() bool {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			return strings.Contains(w.Body.String(), "\nbos_components{")
		}
		check := func(when string, want bool) {
			t.Helper()
			if got := served(); got != want {
				t.Errorf("%s: the nodes are served: %t, want %t", when, got, want)
			}
		}
		e.inventory.Sweep(t.Context())
		check("before they are read", false)
		time.Sleep(time.Second)
		components, err := e.apis.Components(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e.takeMachine(time.Now(), components)
		check("before the sessions are listed again", false)
		time.Sleep(time.Second)
		e.inventory.Sweep(t.Context())
		check("once they are", true)
		time.Sleep(11 * time.Minute)
		e.inventory.Sweep(t.Context())
		check("when the next reading is overdue", false)
	})
}

// Nodes of a tenant may be in sessions that it does not see: these are not gone.
func TestTenantsHaveNoNodesWithoutSession(t *testing.T) {
	created := bossim.DocumentedTime.Add(-2 * time.Minute)
	spec := func(id, tenant string, age time.Duration) bossim.Spec {
		return bossim.Spec{API: bossim.V2, ID: id, Tenant: tenant, Operation: bos.Boot, Template: "compute", Created: created.Add(-age),
			BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(2)}}}
	}
	scenario := bossim.Scripted(spec("theirs", "blue", time.Hour), spec("everybodys", "", 0))
	for _, tt := range []struct{ tenant, want string }{
		{"", "\nbos_components_without_session 0\n"},
		{"blue", ""},
	} {
		t.Run("tenant "+tt.tenant, func(t *testing.T) {
			cfg := config("http://bos.test")
			cfg.Tenant = tt.tenant
			cfg.Transport = inprocess.Transport(bossim.New(scenario, bossim.EraD2, bossim.NewSteppedClock(bossim.DocumentedTime).Now))
			e, err := New(cfg, slog.New(slog.DiscardHandler), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			components, err := e.apis.Components(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			e.takeMachine(time.Now(), components)
			e.inventory.Sweep(t.Context())
			w := httptest.NewRecorder()
			e.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			page := w.Body.String()
			if !strings.Contains(page, "\nbos_components{") {
				t.Fatal("the nodes are not served")
			}
			if tt.want == "" && strings.Contains(page, "\nbos_components_without_session ") || !strings.Contains(page, tt.want) {
				t.Errorf("want the line %q in\n%s", tt.want, page[strings.Index(page, "# HELP bos_components"):][:900])
			}
		})
	}
}

func TestOnlyLimitsThatAreSetCount(t *testing.T) {
	cfg := DefaultConfig()
	if diff := cmp.Diff(bos.Limits{}, cfg.limits()); diff != "" {
		t.Errorf("no limit is set, but (-want +got):\n%s", diff)
	}
	cfg.LimitsSet.Other = true
	if diff := cmp.Diff(bos.Limits{Other: bos.DefaultLimits.Other}, cfg.limits()); diff != "" {
		t.Errorf("one limit is set to its default (-want +got):\n%s", diff)
	}
}
