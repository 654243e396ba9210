package datasource

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// fewNodes are a node that is done, one at work, one that failed, one that was given up and
// one that BOS says nearly nothing of.
func fewNodes(context.Context) ([]bos.Component, error) {
	return []bos.Component{
		{ID: "x1000c0s10b0n0", Session: "night", Status: "stable"},
		{ID: "x1000c0s2b0n0", Enabled: true, Session: "night", StagedSession: "tomorrow", Phase: "powering_on", Status: "power_on_called",
			Action: "powering_on", ActionTime: bossim.GalleryTime, PowerOns: 2, PowerOffs: 1, RetryPolicy: bos.Some(-1)},
		{ID: "x1000c0s3b0n0", Session: "night", Phase: "powering_off", Status: "failed", Error: "no power", PowerOffs: 4},
		{ID: "x1000c0s4b0n1", Session: "gone", Status: "on_hold"},
		{ID: "odd"},
	}, nil
}

func TestComponentsAreFiltered(t *testing.T) {
	w := newHeldWorld(t, heldAPI{components: fewNodes})
	for _, tt := range []struct{ name, filter, field, want string }{
		{"all, in the order of nodes", ``, "node", "x1000c0s2b0n0 x1000c0s3b0n0 x1000c0s4b0n1 x1000c0s10b0n0 odd"},
		{"a node", `,"node":"x1000c0s[23]*"`, "node", "x1000c0s2b0n0 x1000c0s3b0n0"},
		{"a session", `,"session":["gone"]`, "node", "x1000c0s4b0n1"},
		{"a staged session", `,"session":["tomorrow"]`, "node", "x1000c0s2b0n0"},
		{"an unknown session", `,"session":["unknown"]`, "node", ""},
		{"an empty variable", `,"session":[""]`, "node", ""},
		{"statuses in any case", `,"state":["FAILED","On_Hold"]`, "node", "x1000c0s3b0n0 x1000c0s4b0n1"},
		{"enabled", `,"enabled":["true"]`, "node", "x1000c0s2b0n0"},
		{"not enabled", `,"enabled":"false","session":["night"]`, "node", "x1000c0s3b0n0 x1000c0s10b0n0"},
		{"enabled or not", `,"enabled":["false","true"],"limit":1`, "node", "x1000c0s2b0n0"},
		{"the place", `,"node":"x1000c0s4*"`, "bmc", "x1000c0s4b0"},
		{"no place", `,"node":"odd"`, "cabinet", ""},
		{"attempts", `,"session":["night"]`, "attempts", "2 4 0"},
		{"the last action", `,"node":"x1000c0s2*"`, "last_action", "powering_on"},
		{"the time of it", `,"node":"x1000c0s2*"`, "last_updated", bossim.GalleryTime.String()},
		{"no time", `,"node":"odd"`, "last_updated", "<nil>"},
		{"a retry policy", `,"enabled":["true"]`, "retry_policy", "-1"},
		{"no retry policy", `,"node":"odd"`, "retry_policy", "<nil>"},
		{"an error", `,"state":["failed"]`, "error", "no power"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := joined(rows(t, w.query(`{"queryType":"components"`+tt.filter+`}`)), tt.field); got != tt.want {
				t.Errorf("%s is %q, want %q", tt.field, got, tt.want)
			}
		})
	}
}

func TestComponentsAreCutHonestly(t *testing.T) {
	w := newHeldWorld(t, heldAPI{components: fewNodes})
	r := w.query(`{"queryType":"components","limit":2}`)
	if n := len(rows(t, r)); n != 2 || !strings.Contains(notices(r), "Only 2 of 5 nodes fit into the answer") {
		t.Errorf("%d rows, notices %q", n, notices(r))
	}
}

// However many panels ask, BOS is asked once, and not again while the answer is fresh.
func TestComponentsAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		release := make(chan bool)
		w := newHeldWorld(t, heldAPI{components: func(ctx context.Context) ([]bos.Component, error) {
			asked.Add(1)
			<-release
			return fewNodes(ctx)
		}})
		var work sync.WaitGroup
		for range 5 {
			work.Go(func() { w.query(`{"queryType":"components"}`) })
		}
		synctest.Wait()
		close(release)
		work.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("five queries at once asked BOS %d times", n)
		}
		for _, tt := range []struct {
			name, query string
			after       time.Duration
			want        int64
		}{
			{"within the cache", `{"queryType":"components"}`, defaultCache - time.Second, 1},
			{"fresh", `{"queryType":"components","fresh":true}`, 0, 2},
			{"after the cache", `{"queryType":"components"}`, defaultCache + time.Second, 3},
		} {
			time.Sleep(tt.after) // on the clock of the bubble
			if w.query(tt.query); asked.Load() != tt.want {
				t.Errorf("%s: BOS was asked %d times, want %d", tt.name, asked.Load(), tt.want)
			}
		}
	})
}

// fewNodesUnless returns what fewNodes does, or an error while broken is set.
func fewNodesUnless(broken *bool) func(context.Context) ([]bos.Component, error) {
	return func(ctx context.Context) ([]bos.Component, error) {
		if *broken {
			return nil, &bos.Error{Reason: bos.Unavailable, URL: "http://bos.test/v2/components", Detail: "the database is down"}
		}
		return fewNodes(ctx)
	}
}

// The last good answer stands, and says how old it is and why.
func TestComponentsThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		w := newHeldWorld(t, heldAPI{components: fewNodesUnless(&broken)})
		if r := w.query(`{"queryType":"components"}`); r.Status != backend.StatusBadGateway || !strings.Contains(fmt.Sprint(r.Error), "the database is down") {
			t.Errorf("before the first answer: status %d, error %v", r.Status, r.Error)
		}
		broken = false
		w.query(`{"queryType":"components"}`)
		broken = true
		time.Sleep(time.Minute)
		r := w.query(`{"queryType":"components"}`)
		if n := len(rows(t, r)); n != 5 || !strings.Contains(notices(r), "This data is 1m old: ") || !strings.Contains(notices(r), "the database is down") {
			t.Errorf("after that: %d rows, notices %q", n, notices(r))
		}
	})
}

// While BOS asks to be left alone it is, also by those who want fresh data, and what was
// read before stands.
func TestComponentsHeedRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, broken := 0, false
		w := newHeldWorld(t, heldAPI{components: func(ctx context.Context) ([]bos.Component, error) {
			asked++
			if broken {
				return nil, &bos.Error{Reason: bos.Unavailable, Status: 503, URL: "http://bos.test/v2/components", RetryAfter: 10 * time.Minute}
			}
			return fewNodes(ctx)
		}})
		w.query(`{"queryType":"components"}`)
		asked, broken = 0, true
		for range 3 {
			time.Sleep(time.Minute)
			if r := w.query(`{"queryType":"components","fresh":true}`); len(rows(t, r)) != 5 || !strings.Contains(notices(r), "status 503") {
				t.Errorf("%d rows, notices %q", len(rows(t, r)), notices(r))
			}
		}
		if asked != 1 {
			t.Errorf("BOS was asked %d times", asked)
		}
		broken = false
		time.Sleep(10 * time.Minute)
		if r := w.query(`{"queryType":"components"}`); asked != 2 || notices(r) != "" {
			t.Errorf("when it is time: BOS was asked %d times, notices %q", asked, notices(r))
		}
	})
}

// A node that is not in the last good answer may be in the one that could not be read.
func TestOldComponentsDoNotClaimNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := false
		w := newHeldWorld(t, heldAPI{components: fewNodesUnless(&broken)})
		w.query(`{"queryType":"components"}`)
		broken = true
		time.Sleep(time.Minute)
		for _, queryType := range []string{`"components"`, `"components_map","field":"cabinet/chassis"`} {
			found := rows(t, w.query(`{"queryType":`+queryType+`,"node":"x9000*"}`))
			if len(found) != 1 || !strings.Contains(joined(found, "not_known"), "This data is 1m old: ") {
				t.Errorf("%s: %v", queryType, found)
			}
		}
	})
}
