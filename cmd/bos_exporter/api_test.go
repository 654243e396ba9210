package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

var apisTime = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// spec is a session of two nodes that has just begun.
func spec(id string, api bossim.API, change ...func(*bossim.Spec)) bossim.Spec {
	s := bossim.Spec{ID: id, API: api, Operation: "boot", Template: "compute", Created: apisTime.Add(-2 * time.Minute),
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(2)}}}
	for _, c := range change {
		c(&s)
	}
	return s
}

// twoAPIs returns a BOS of an era that holds a session of each API that it serves.
func twoAPIs(t *testing.T, era bossim.Era) *world {
	specs := []bossim.Spec{spec("new", bossim.V2), spec("blue-boot", bossim.V2, func(s *bossim.Spec) { s.Tenant = "blue" })}
	if era == bossim.EraC || era.ServesV1() && era.ServesV2() {
		specs = append(specs, spec("old", bossim.V1))
	}
	w := newWorld(t, bossim.Scripted(specs...), apisTime)
	w.sim.SetEra(era)
	return w
}

// eventually waits until the metrics have all of these lines and none of the others.
func (p program) eventually(want, unwanted []string) metrics {
	p.t.Helper()
	var m metrics
	programs.Eventually(p.t, func() string {
		m = p.metrics()
		for _, line := range want {
			if !strings.Contains(m.text, line) {
				return "missing: " + line
			}
		}
		for _, line := range unwanted {
			if strings.Contains(m.text, line) {
				return "still served: " + line
			}
		}
		return ""
	})
	return m
}

const (
	oldInfo  = `bos_session_info{session="old",tenant="",operation="boot",template="compute",boa_job="boa-old",api="v1"} 1`
	newInfo  = `bos_session_info{session="new",tenant="",operation="boot",template="compute",boa_job="",api="v2"} 1`
	blueInfo = `bos_session_info{session="blue-boot",tenant="blue",operation="boot",template="compute",boa_job="",api="v2"} 1`
)

func TestSessionsOfEveryAPI(t *testing.T) {
	for _, tt := range []struct {
		era            bossim.Era
		flag           string
		want, unwanted []string
		page           string
	}{
		{bossim.EraC, "auto", []string{oldInfo, "bos_sessions_listed 1\n"}, []string{`api="v2"`}, "API <b>v1</b>"},
		{bossim.EraBoth, "auto", []string{oldInfo, newInfo, blueInfo, "bos_sessions_listed 3\n"}, nil, "API <b>v2 (BOS 2.10.20) and v1</b>"},
		{bossim.EraBoth, "v1", []string{oldInfo, "bos_sessions_listed 1\n"}, []string{`api="v2"`}, "API <b>v1</b>"},
		{bossim.EraBoth, "v2", []string{newInfo, blueInfo, "bos_sessions_listed 2\n"}, []string{`api="v1"`}, "tenant blue"},
		{bossim.EraD1, "auto", []string{newInfo, blueInfo, "bos_sessions_listed 2\n"}, []string{`api="v1"`}, "API <b>v2 (BOS 2.30.5)</b>"},
		{bossim.EraD2, "auto", []string{newInfo, blueInfo, "bos_sessions_listed 2\n"}, []string{`api="v1"`}, "API <b>v2 (BOS 2.50.0)</b>"},
	} {
		t.Run(fmt.Sprintf("%s read with %s", tt.era, tt.flag), func(t *testing.T) {
			t.Parallel()
			w := twoAPIs(t, tt.era)
			p := start(t, "--bos.url="+w.url, "--bos.api="+tt.flag, "--bos.interval=20ms")
			m := p.eventually(append(tt.want, "bos_up 1\n", "bos_list_up 1\n"), tt.unwanted)
			if _, page := p.Get("/"); !strings.Contains(page, tt.page) {
				t.Errorf("the landing page lacks %q", tt.page)
			}
			if got := m.values[`bos_api_requests_total{resource="version",code="404"}`]; got > 1 {
				t.Errorf("BOS was asked %v times for an API that it does not serve, want at most once", got)
			}
		})
	}
}

func TestUpgradeWithoutARestart(t *testing.T) {
	w := twoAPIs(t, bossim.EraC)
	p := start(t, "--bos.url="+w.url, "--bos.interval=20ms")
	p.eventually([]string{oldInfo}, nil)
	w.sim.SetEra(bossim.EraD2)
	p.eventually([]string{newInfo, "bos_list_up 1\n"}, []string{oldInfo})
	w.sim.SetEra(bossim.EraC)
	p.eventually([]string{oldInfo, "bos_list_up 1\n"}, []string{newInfo})
}

// Both APIs have a session of the same name, and the labels do not tell them apart.
func TestSameNameInBothAPIs(t *testing.T) {
	w := newWorld(t, bossim.Scripted(
		spec("same", bossim.V1, func(s *bossim.Spec) { s.Created = s.Created.Add(-time.Hour) }),
		spec("same", bossim.V2),
	), apisTime)
	w.sim.SetEra(bossim.EraBoth)
	p := start(t, "--bos.url="+w.url, "--bos.interval=20ms")
	p.eventually([]string{
		`bos_session_info{session="same",tenant="",operation="boot",template="compute",boa_job="",api="v2"} 1`,
		`bos_exporter_sessions_dropped{reason="duplicate"} 1`, "bos_sessions_listed 2\n",
	}, []string{`api="v1"`})
	if code, body := p.Get("/metrics"); code != 200 {
		t.Errorf("status %d: %s", code, body)
	}
}

func TestWhatIsWrongWithTheServerIsLogged(t *testing.T) {
	for _, tt := range []struct {
		name  string
		era   bossim.Era
		fault bossim.Fault
		flags []string
		want  string
	}{
		{"it is not BOS", bossim.EraD2, bossim.NeitherAPI, nil, "neither BASE/v2/version nor BASE/v1/version exists: check the URL"},
		{"the tenant is unknown", bossim.EraD2, bossim.None, []string{"--bos.tenant=nope"}, `the tenant \"nope\" is unknown, so check its name`},
		{"it has no v1", bossim.EraD2, bossim.None, []string{"--bos.api=v1"}, "there is no BOS v1 API at this address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := twoAPIs(t, tt.era)
			w.sim.Fail(bossim.Everything, tt.fault)
			p := start(t, append([]string{"--bos.url=" + w.url, "--bos.interval=20ms"}, tt.flags...)...)
			p.eventually([]string{"bos_list_up 0\n"}, nil)
			want := strings.ReplaceAll(tt.want, "BASE", w.url)
			programs.Eventually(t, func() string {
				if log := p.Log(); !strings.Contains(log, want) {
					return fmt.Sprintf("not logged: %s", want)
				}
				return ""
			})
		})
	}
}

func TestComponentsCollector(t *testing.T) {
	w := twoAPIs(t, bossim.EraD2)
	p := start(t, "--bos.url="+w.url, "--bos.interval=20ms", "--collector.components", "--components.interval=50ms")
	p.eventually([]string{`bos_components{status="`, "bos_components_without_session 0\n", "bos_components_last_read_timestamp_seconds "}, nil)
	w.sim.Fail(bossim.Components, bossim.ServerError)
	programs.Eventually(t, func() string {
		if !strings.Contains(p.Log(), "the nodes cannot be read for the collector components") {
			return "the failure is not logged"
		}
		return ""
	})
	w.sim.SetEra(bossim.EraC)
	programs.Eventually(t, func() string {
		if !strings.Contains(p.Log(), "this BOS serves v1 alone") {
			return "it is not logged that v1 knows no components"
		}
		return ""
	})
	if off := start(t, "--bos.url="+w.url); strings.Contains(off.metrics().text, "bos_components") {
		t.Error("the collector components is on by default")
	}
}

// firstSeen matches the progress of a session that is yet to begin at the documented time: it
// is when the session was first seen.
var firstSeen = regexp.MustCompile(`(?m)^(bos_phase_last_progress_timestamp_seconds\{session="stage-0303".*\}) .*$`)

func TestDocumentedV2(t *testing.T) {
	w := newWorld(t, bossim.DocumentedV2(), bossim.DocumentedV2Time)
	w.sim.SetEra(bossim.EraD2)
	p := start(t, "--bos.url="+w.url)
	p.Ready()
	got := firstSeen.ReplaceAllString(withoutVolatile(p.metrics().text), "$1 ...")
	checkGolden(t, "testdata/documented_v2.prom", got)
}

func TestStuckLimitsThatAreSet(t *testing.T) {
	for _, tt := range []struct {
		name, flag                 string
		shutdown, other, abandoned bool
	}{
		{"none", "--demo", false, false, false},
		{"shutdown", "--stuck.shutdown=5m", true, false, false},
		{"other, to its default", "--stuck.other=35m", false, true, false},
		{"abandoned", "--stuck.abandoned=1h", false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app, config := newApp()
			if _, err := app.Parse([]string{tt.flag}); err != nil {
				t.Fatal(err)
			}
			cfg, _ := config()
			want := struct{ Shutdown, Other, Abandoned bool }{tt.shutdown, tt.other, tt.abandoned}
			if diff := cmp.Diff(want, cfg.LimitsSet); diff != "" {
				t.Errorf("the limits that are set differ (-want +got):\n%s", diff)
			}
		})
	}
}
