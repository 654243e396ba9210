package datasource

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// newV2World is a world of an era that has v2, at a time.
func newV2World(t *testing.T, scenario bossim.Scenario, era bossim.Era, now time.Time, change ...func(*backend.DataSourceInstanceSettings)) *world {
	t.Helper()
	w, settings := newBOSAt(t, scenario, era, now)
	w.connect(settings, change...)
	return w
}

// watchedGallery is the gallery over v2, watched from before its first session.
func watchedGallery(t *testing.T, era bossim.Era, change ...func(*backend.DataSourceInstanceSettings)) *world {
	t.Helper()
	w := newV2World(t, bossim.Gallery(), era, bossim.GalleryTime.Add(-4*time.Hour), change...)
	for w.clock.Now().Before(bossim.GalleryTime) {
		w.clock.Advance(time.Minute)
		if r := w.query(`{"queryType":"sessions","fresh":true}`); r.Error != nil {
			t.Fatal(r.Error)
		}
	}
	return w
}

func TestGoldenOfV2(t *testing.T) {
	w := watchedGallery(t, bossim.EraD2)
	queries := goldenQueries()
	queries["components"] = `{"queryType":"components"}`
	queries["components_map"] = `{"queryType":"components_map","field":"slot/node"}`
	for name, query := range queries {
		t.Run(name, func(t *testing.T) { checkGolden(t, w, "v2/"+name, query) })
	}
}

// With pages and without, v2 tells the same.
func TestComponentsOfEveryEra(t *testing.T) {
	for _, era := range []bossim.Era{bossim.EraD1, bossim.EraD2} {
		t.Run(era.String(), func(t *testing.T) {
			w := newV2World(t, bossim.Gallery(), era, bossim.GalleryTime)
			got := rows(t, w.query(`{"queryType":"components","node":"x1000c0s2*","state":["Configuring"],"enabled":["true"]}`))
			if joined(got, "node") != "x1000c0s2b1n1" || joined(got, "session") != stuck {
				t.Errorf("got %v", got)
			}
		})
	}
}

// The same story is told by both APIs in the same columns.
func TestFramesOfV2HaveTheColumnsOfV1(t *testing.T) {
	v1, v2 := newWorld(t, bossim.Gallery()), watchedGallery(t, bossim.EraD2)
	for name, query := range goldenQueries() {
		if strings.HasSuffix(name, "map") { // its columns are where nodes are, and only v2 knows those of a pending session
			query = strings.TrimSuffix(query, "}") + `,"state":["running","stuck","succeeded","partial","failed"]}`
		}
		t.Run(name, func(t *testing.T) {
			columns := func(w *world) (all []string) {
				for _, f := range w.query(query).Frames[0].Fields {
					all = append(all, f.Name+" "+f.Type().String())
				}
				return all
			}
			if got, want := columns(v2), columns(v1); !slices.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// differences are all that sessions of the gallery tell differently over v2.
var differences = map[string]struct{ why, v1, v2 string }{
	pending: {"v1 learns the nodes from the boot agent, v2 as soon as they are taken",
		"shutdown compute-sles15sp4, pending: <nil> nodes, <nil> succeeded, <nil> failed, <nil> unfinished",
		"shutdown compute-sles15sp4, pending: 4 nodes, 0 succeeded, 0 failed, 4 unfinished"},
	running: {"a node of v2 goes on without waiting for the others",
		"reboot full-sles15sp4, running: 10 nodes, 3 succeeded, 0 failed, 7 unfinished",
		"reboot full-sles15sp4, running: 10 nodes, 9 succeeded, 0 failed, 1 unfinished"},
	stuck: {"nodes that are on when v1 boots them stay in progress; v2 powers them off first",
		"boot gpu-cos-2.5, stuck: 4 nodes, 1 succeeded, 0 failed, 3 unfinished",
		"boot gpu-cos-2.5, stuck: 4 nodes, 3 succeeded, 0 failed, 1 unfinished"},
	stillReady: {"a node that stays ready ends the boot set of v1; in v2 it fails, and others go on",
		"reboot compute-sles15sp4, failed: 4 nodes, 0 succeeded, 0 failed, 4 unfinished",
		"reboot compute-sles15sp4, partial: 4 nodes, 3 succeeded, 1 failed, 0 unfinished"},
	configured: {"v2 has no operation configure, and no node that fails to be configured holds up others",
		"configure compute-sles15sp4, partial: 4 nodes, 1 succeeded, 1 failed, 2 unfinished",
		"boot compute-sles15sp4, partial: 4 nodes, 3 succeeded, 1 failed, 0 unfinished"},
}

// Which nodes fail and which succeed is the same over both APIs, but for differences.
func TestDifferencesOfV2(t *testing.T) {
	v1, v2 := newWorld(t, bossim.Gallery()), watchedGallery(t, bossim.EraD2)
	tell := func(w *world) map[string]string {
		told := make(map[string]string)
		for _, row := range rows(t, w.query(`{"queryType":"sessions"}`)) {
			told[row["session"].(string)] = fmt.Sprint(row["operation"], " ", row["template"], ", ", row["state"], ": ", row["nodes"], " nodes, ",
				row["succeeded"], " succeeded, ", row["failed"], " failed, ", row["unfinished"], " unfinished")
		}
		return told
	}
	got, want := tell(v2), tell(v1)
	for id := range want {
		d, differs := differences[id]
		if !differs {
			d.v1, d.v2 = want[id], want[id]
		}
		if want[id] != d.v1 || got[id] != d.v2 {
			t.Errorf("%s (%s)\nv1 tells %s\nand not  %s\nv2 tells %s\nand not  %s", id, d.why, want[id], d.v1, got[id], d.v2)
		}
	}
}

// A BOS with both APIs, whose sessions have namesakes.
func TestSessionsOfBothAPIs(t *testing.T) {
	now := bossim.GalleryTime
	spec := func(api bossim.API, tenant, id string, nodes ...string) bossim.Spec {
		return bossim.Spec{API: api, Tenant: tenant, ID: id, Operation: "boot", Template: "compute", Created: now.Add(-time.Minute),
			BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: nodes}}}
	}
	staged, broken := spec(bossim.V2, "", "staged", "x1000c0s3b0n0"), spec(bossim.V2, "", "broken", "x1000c0s4b0n0")
	staged.Stage, staged.Limit = true, "x1000c0s3b0n0"
	broken.SetupError = "No nodes were found to act upon."
	w := newV2World(t, bossim.Scripted(
		spec(bossim.V1, "", "night", "x1000c0s0b0n0"), spec(bossim.V2, "blue", "night", "x1000c0s1b0n0"), spec(bossim.V2, "red", "night", "x1000c0s2b0n0"),
		staged, broken,
	), bossim.EraBoth, now)
	for _, tt := range []struct{ name, query, field, want string }{
		{"namesakes", `{"queryType":"sessions","session":["night"]}`, "api", "v1 v2 v2"},
		{"their tenants", `{"queryType":"sessions","session":["night"]}`, "tenant", " blue red"},
		{"one of them", `{"queryType":"bootsets","session":["night"],"tenant":["red"]}`, "tenant", "red"},
		{"those without a tenant", `{"queryType":"sessions","session":["night"],"tenant":[""]}`, "api", "v1"},
		{"values of tenants", `{"queryType":"values","field":"tenant"}`, "value", "blue red"},
		{"nodes of one", `{"queryType":"values","field":"node","session":["night"],"tenant":["blue"]}`, "value", "x1000c0s1b0n0"},
		{"a staged session", `{"queryType":"sessions","session":["staged"]}`, "stage", "true"},
		{"its limit", `{"queryType":"sessions","session":["staged"]}`, "limit", "x1000c0s3b0n0"},
		{"its nodes", `{"queryType":"nodes","session":["staged"],"phase":["boot"]}`, "category", "not_started"},
		{"staged for a node", `{"queryType":"components","session":["staged"]}`, "node", "x1000c0s3b0n0"},
		{"a session that could not be set up", `{"queryType":"sessions","session":["broken"]}`, "setup_error", "No nodes were found to act upon."},
		{"its state", `{"queryType":"sessions","session":["broken"]}`, "state", "failed"},
		{"no nodes are claimed of it", `{"queryType":"sessions","session":["broken"]}`, "nodes", "<nil>"},
		{"node of two namesakes", `{"queryType":"components","session":["night"]}`, "node", "x1000c0s1b0n0 x1000c0s2b0n0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := w.query(tt.query)
			got := rows(t, r)
			if text := joined(got, tt.field); text != tt.want {
				t.Errorf("%s is %q, want %q; notices %q", tt.field, text, tt.want, notices(r))
			}
		})
	}
}
