package datasource

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// heldAPI is an API that holds these sessions, with the nodes that nodes records for them.
type heldAPI struct {
	sessions []bos.Session
	nodes    func(s *bos.Session, r *bos.Recorder)
	// broken is why the boot sets of a session cannot be read; nil if they can.
	broken func(*bos.Session) error
	absent bool // there is no such API
	// silent is why no session can be described; nil if they can.
	silent error
	// components is what it says of every node.
	components func(context.Context) ([]bos.Component, error)
}

func (a heldAPI) All() []inventory.API { return []inventory.API{a} }

func (a heldAPI) Served() []bosapi.Served { return []bosapi.Served{{API: a}} }

func (a heldAPI) Find(context.Context) ([]bosapi.Served, error) { return a.Served(), nil }

func (a heldAPI) Components(ctx context.Context) ([]bos.Component, error) { return a.components(ctx) }

func (a heldAPI) Name() string           { return bos.APIv2 }
func (a heldAPI) Open() inventory.Reader { return a }

func (a heldAPI) Address(k bos.Key) string { return "http://bos.test/v2/sessions/" + k.ID }

func (a heldAPI) List(context.Context, bool) (l inventory.Listing, _ error) {
	if a.absent {
		return inventory.Listing{Absent: true}, nil
	}
	for _, s := range a.sessions {
		l.Sessions = append(l.Sessions, inventory.Listed{Key: s.Key(), Description: &s})
	}
	return l, nil
}

func (a heldAPI) Describe(_ context.Context, l inventory.Listed, _ inventory.Reading) (*bos.Session, error) {
	if a.silent != nil {
		return nil, a.silent
	}
	s := *l.Description
	return &s, nil
}

func (a heldAPI) Nodes(_ context.Context, s *bos.Session, _ inventory.Reading, r *bos.Recorder) (inventory.Reading, error) {
	if a.broken != nil {
		if err := a.broken(s); err != nil {
			return inventory.Reading{}, err
		}
	}
	if a.nodes != nil {
		a.nodes(s, r)
	}
	return inventory.Reading{Session: s}, nil
}

// newHeldWorld is a world over an API that holds these sessions.
func newHeldWorld(t *testing.T, api heldAPI) *world {
	t.Helper()
	ds := &Datasource{apis: api, settings: settings{uid: "bos-uid", maxRows: defaultMaxRows, cache: defaultCache}}
	ds.inventory = inventory.NewOnDemand(inventory.Config{
		APIs: []inventory.API{api}, URL: "http://bos.test", Limits: bos.DefaultLimits, Concurrency: 1,
		Now: func() time.Time { return bossim.GalleryTime }, Logger: slog.New(slog.DiscardHandler),
	})
	ds.machine = &machine{source: api, do: ds.inventory.Do}
	ds.CallResourceHandler = httpadapter.New(ds.routes())
	t.Cleanup(ds.inventory.Close)
	return &world{t: t, ds: ds, ask: ds.QueryData}
}

// held is a session of v2 that has ended.
func held(tenant, id string) bos.Session {
	s := bos.Session{API: bos.APIv2, Tenant: tenant, ID: id, Operation: bos.Reboot, Template: "compute-25.3", StopTold: true}
	s.StartTime, s.StopTime = bossim.GalleryTime.Add(-2*time.Hour), bossim.GalleryTime.Add(-time.Hour)
	return s
}

// failedNode records that one node failed and another succeeded.
func failedNode(failed, succeeded string) func(*bos.Session, *bos.Recorder) {
	return func(s *bos.Session, r *bos.Recorder) {
		r.Category(0, bos.Failed).Add([]byte(failed))
		r.Category(0, bos.Succeeded).Add([]byte(succeeded))
		r.Error(0, "no power").Add([]byte(failed))
		r.Tried(0, r.Number([]byte(failed)), 3)
		b := bos.BootSet{Name: "compute", Derived: "the only boot set of the template", Reported: true, Phases: []bos.Phase{{Name: bos.Boot}}}
		r.EndBootSet(&b)
		s.BootSets = []bos.BootSet{b}
		s.Nodes = s.Fates().Tally()
	}
}

// Several sessions may be at work on the nodes to retry. Until they have been read, that is
// not known.
func TestRetryNamesAllWhoHoldItsNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := []bos.Session{held("", "night"), held("", "one"), held("", "two")}
		for i := range sessions[1:] {
			s := &sessions[1+i]
			s.StartTime, s.StopTime = bossim.GalleryTime.Add(-time.Minute), time.Time{}
		}
		w := newHeldWorld(t, heldAPI{sessions: sessions, nodes: func(s *bos.Session, r *bos.Recorder) {
			category := bos.Failed
			if s.ID != "night" {
				category = bos.InProgress
				time.Sleep(time.Second)
			}
			r.Category(0, category).Add([]byte("x1000c0s0b0n0"))
			b := bos.BootSet{Name: "compute", Reported: true, Phases: []bos.Phase{{Name: bos.Boot}}}
			r.EndBootSet(&b)
			s.BootSets = []bos.BootSet{b}
			s.Nodes = s.Fates().Tally()
		}})
		const query = `{"queryType":"retry","session":["night"]}`
		early := w.query(query) // it waits for no other session
		if got, want := notices(early), "Other sessions may be at work on these nodes. Unfinished ones that are still being read: "; !strings.HasPrefix(got, want) {
			t.Errorf("before the others are read: notices %q, want %q", got, want)
		}
		time.Sleep(time.Minute)
		const want = `sessions "one", "two" are at work on 1 of these nodes: wait for their ends`
		if r := w.query(query); joined(rows(t, r), "remark") != want || notices(r) != "" {
			t.Errorf("after that: remark %q, want %q; notices %q", joined(rows(t, r), "remark"), want, notices(r))
		}
	})
}

// BOS v2 does not say when phases started: a timeline has no region of them, and says so.
func TestTimelineCountsWhatItLeavesOut(t *testing.T) {
	const phases = "Phases that are not shown, because BOS does not say when they started: 2."
	for _, tt := range []struct {
		name, field string
		nodes       func(*bos.Session, *bos.Recorder)
		regions     int
		want        string
	}{
		{"phases", "phase", failedNode("x1000c0s0b0n0", "x1000c0s0b0n1"), 0, phases},
		{"sessions and phases", "", failedNode("x1000c0s0b0n0", "x1000c0s0b0n1"), 2, phases},
		{"sessions", "session", failedNode("x1000c0s0b0n0", "x1000c0s0b0n1"), 2, ""},
		{"phases that are not known", "phase", countedAlone, 0, "missing from the answer: 2. The first is a: its nodes are counted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newHeldWorld(t, heldAPI{sessions: []bos.Session{held("", "a"), held("", "b")}, nodes: tt.nodes})
			r := w.query(`{"queryType":"timeline","field":"` + tt.field + `"}`)
			regions, says := 0, notices(r)
			for _, f := range r.Frames {
				if len(f.Fields) > 1 {
					regions++
				}
			}
			if r.Error != nil {
				says = r.Error.Error()
			}
			if regions != tt.regions || !strings.Contains(says, tt.want) || tt.want == "" && says != "" {
				t.Errorf("%d regions, want %d; it says %q, want %q", regions, tt.regions, says, tt.want)
			}
		})
	}
}

// Two tenants may have sessions of the same name, and none of them hides another.
func TestNamesakesOfTenantsAreToldApart(t *testing.T) {
	w := newHeldWorld(t, heldAPI{
		sessions: []bos.Session{held("", "night"), held("blue", "night"), held("red", "night")},
		nodes:    failedNode("x1000c0s0b0n0", "x1000c0s0b0n1"),
	})
	for _, tt := range []struct{ name, filter, want string }{
		{"all", ``, "[ blue red]"},
		{"all, by the name", `,"session":["night"]`, "[ blue red]"},
		{"an empty list is no filter", `,"session":["night"],"tenant":[]`, "[ blue red]"},
		{"one tenant", `,"tenant":["blue"]`, "[blue]"},
		{"one tenant, by the name", `,"session":["night"],"tenant":["blue"]`, "[blue]"},
		{"one tenant, as a string", `,"session":["unfinished","night"],"tenant":"red"`, "[red]"},
		{"two tenants", `,"tenant":["blue","red"]`, "[blue red]"},
		{"no tenant", `,"tenant":[""]`, "[]"},
		{"one tenant and none", `,"tenant":["","red"]`, "[ red]"},
		{"an unknown tenant", `,"session":["night"],"tenant":["green"]`, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for queryType := range queryTypes {
				if known := queryTypes[queryType]; !slices.Contains(known.filters, "tenant") || known.fields != nil || slices.Contains([]string{"overlaps", "offenders"}, queryType) {
					continue
				}
				var tenants []string
				for _, row := range rows(t, w.query(fmt.Sprintf(`{"queryType":%q%s}`, queryType, tt.filter))) {
					if row["api"] != bos.APIv2 {
						t.Errorf("%s: api is %q", queryType, row["api"])
					}
					tenants = append(tenants, fmt.Sprint(row["tenant"]))
				}
				slices.Sort(tenants)
				got := "none"
				if tenants != nil {
					got = fmt.Sprint(slices.Compact(tenants))
				}
				if got != tt.want {
					t.Errorf("%s of tenants %s, want %s", queryType, got, tt.want)
				}
			}
		})
	}
}

func TestTenantsOfOtherQueryTypes(t *testing.T) {
	w := newHeldWorld(t, heldAPI{
		sessions: []bos.Session{held("blue", "night"), held("red", "night")},
		nodes:    failedNode("x1000c0s0b0n0", "x1000c0s0b0n1"),
	})
	for _, tt := range []struct{ name, query, field, want string }{
		{"values", `{"queryType":"values","field":"tenant"}`, "value", "blue red"},
		{"values of one", `{"queryType":"values","field":"tenant","session":["night"],"tenant":["red"]}`, "value", "red"},
		{"values of sessions", `{"queryType":"values","field":"session","tenant":["red"]}`, "text", "2026-03-01 10:00 reboot compute-25.3, partial (night, tenant red)"},
		{"offenders", `{"queryType":"offenders"}`, "sessions", "2"},
		{"offenders of one", `{"queryType":"offenders","tenant":["red"]}`, "tenant", "red"},
		{"overlaps", `{"queryType":"overlaps"}`, "tenant", "blue"},
		{"the other session of overlaps", `{"queryType":"overlaps"}`, "other_tenant", "red"},
		{"overlaps of one", `{"queryType":"overlaps","tenant":["red"]}`, "nodes", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := joined(rows(t, w.query(tt.query)), tt.field); got != tt.want {
				t.Errorf("%s is %q, want %q", tt.field, got, tt.want)
			}
		})
	}
	frames := w.query(`{"queryType":"timeline","tenant":["red"],"field":"session"}`).Frames
	if f, _ := frames[0].FieldByName("tenant"); len(frames) != 1 || f == nil || f.At(0) != "red" {
		t.Errorf("%d regions, the tenant is in %v", len(frames), f)
	}
	if got, want := frames[0].Name, "reboot compute-25.3 night, tenant red"; got != want {
		t.Errorf("the lane is %q, want %q", got, want)
	}
}

// Links to the dashboard of nodes choose the same tenants.
func TestLinksKeepTheTenants(t *testing.T) {
	w := newHeldWorld(t, heldAPI{sessions: []bos.Session{held("blue", "night")}, nodes: failedNode("x1000c0s0b0n0", "x1000c0s0b0n1")})
	for _, tt := range []struct{ query, column string }{
		{`"nodes"`, "node"}, {`"offenders"`, "node"},
		{`"places","field":"slot"`, "place"},
		{`"map","field":"slot/node"`, "place"}, {`"map","field":"slot/node"`, "b0n1"}, {`"offenders_map","field":"slot/node"`, "b0n0"},
	} {
		for tenants, want := range map[string]string{``: "", `,"tenant":["blue","a&b"]`: "&var-tenant=blue&var-tenant=a%26b"} {
			f, _ := w.query(`{"queryType":` + tt.query + tenants + `}`).Frames[0].FieldByName(tt.column)
			link := f.Config.Links[len(f.Config.Links)-1].URL
			_, after, isNodes := strings.Cut(link, "/d/bos-nodes?var-bos=bos-uid&var-node=$")
			if _, after, _ = strings.Cut(after, "&"); !isNodes || !strings.HasPrefix("&"+after, want+"&from=") {
				t.Errorf("%s of tenants %s: %s, want %s", tt.query, tenants, link, want)
			}
		}
	}
}

// A notice names the tenant of the session that it is about.
func TestNoticesNameTheTenant(t *testing.T) {
	nameless := held("blue", "night")
	nameless.Template = ""
	w := newHeldWorld(t, heldAPI{sessions: []bos.Session{nameless, held("red", "night")}, nodes: failedNode("x1000c0s0b0n0", "x1000c0s0b0n1")})
	if got := notices(w.query(`{"queryType":"retry"}`)); !strings.Contains(got, "The first is night, tenant blue.") {
		t.Errorf("the notices are %q", got)
	}
}

func TestPickListsAreOfTenants(t *testing.T) {
	w := newHeldWorld(t, heldAPI{sessions: []bos.Session{held("", "morning"), held("blue", "noon"), held("red", "night")}})
	routes := w.ds.routes()
	for _, tt := range []struct{ name, path, want string }{
		{"tenants", "/tenants", `[{"value":"blue","label":"blue"},{"value":"red","label":"red"}]`},
		{"sessions of a tenant", "/sessions?tenant=red", `"value":"night"`},
		{"sessions without one", "/sessions?tenant=", `"value":"morning"`},
		{"a variable", "/sessions?tenant=$tenant&q=noon", `"value":"noon"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := httptest.NewRecorder()
			routes.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, tt.path, nil))
			if body := answer.Body.String(); !strings.Contains(body, tt.want) || tt.name != "tenants" && strings.Count(body, "value") != 1 {
				t.Errorf("got %s, want %s", body, tt.want)
			}
		})
	}
}
