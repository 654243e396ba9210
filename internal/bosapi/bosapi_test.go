package bosapi_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// rig is a simulated BOS that holds a session for each API and one of a tenant, and APIs
// that read it. Its time is that of a bubble.
type rig struct {
	*bosapi.APIs
	t   *testing.T
	sim *bossim.Server

	mu    sync.Mutex
	asked []string // requests since the last call of requests
	log   strings.Builder
}

func inBubble(t *testing.T, era bossim.Era, choice, tenant string, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		boot := func(id string, api bossim.API, tenant string) bossim.Spec {
			return bossim.Spec{ID: id, API: api, Tenant: tenant, Operation: bos.Boot, Template: "compute", Created: began.Add(-time.Minute),
				BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(2)}}}
		}
		specs := []bossim.Spec{boot("blue-boot", bossim.V2, "blue")}
		if era.ServesV1() {
			specs = append(specs, boot("old", bossim.V1, ""))
		}
		specs = append(specs, boot("new", bossim.V2, ""))
		r := &rig{t: t, sim: bossim.New(bossim.Scripted(specs...), era, func() time.Time { return began.Add(time.Since(start)) })}
		defer r.sim.Close()
		client, err := bosclient.New(bosclient.Config{URL: "http://bos.test", Transport: r, Tenant: tenant, Timeout: 10 * time.Second, Concurrency: 4})
		if err != nil {
			t.Fatal(err)
		}
		if r.APIs, err = bosapi.New(client, choice, slog.New(slog.NewTextHandler(&r.log, nil))); err != nil {
			t.Fatal(err)
		}
		f(t, r)
	})
}

// RoundTrip has the simulator answer without a network.
func (r *rig) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.asked = append(r.asked, req.URL.Path)
	r.mu.Unlock()
	return inprocess.Transport(r.sim).RoundTrip(req)
}

// requests returns the paths that were requested since the last call, in order and with
// what only finds out about APIs apart from what reads them.
func (r *rig) requests() (versions, others []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, path := range r.asked {
		if strings.HasSuffix(path, "/version") {
			versions = append(versions, path)
		} else {
			others = append(others, path)
		}
	}
	r.asked = nil
	slices.Sort(versions)
	return versions, others
}

// list lists the sessions of all APIs, as a sweep does. They are keys without tenants.
func (r *rig) list() (sessions string, errs []error) {
	r.t.Helper()
	var all []string
	for _, api := range r.All() {
		listing, err := api.List(r.t.Context(), true)
		errs = append(errs, err)
		served := slices.ContainsFunc(r.Served(), func(s bosapi.Served) bool { return s.Name() == api.Name() })
		if err == nil && listing.Absent == served {
			r.t.Errorf("the list of %s is absent: %t, but BOS serves it: %t", api.Name(), listing.Absent, served)
		}
		if listing.Partial {
			r.t.Errorf("the list of %s lacks sessions although all were wanted", api.Name())
		}
		for _, s := range listing.Sessions {
			all = append(all, api.Name()+"/"+s.Key.ID)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " "), errs
}

func (r *rig) wantList(want string) {
	r.t.Helper()
	got, errs := r.list()
	if got != want || slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		r.t.Errorf("got sessions %q and errors %v, want %q", got, errs, want)
	}
}

// wantServed checks what is known without asking.
func (r *rig) wantServed(want ...string) {
	r.t.Helper()
	var got []string
	for _, s := range r.Served() {
		got = append(got, strings.TrimSpace(s.Name()+" "+s.Version))
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		r.t.Errorf("the served APIs differ (-want +got):\n%s", diff)
	}
}

func (r *rig) wantVersionRequests(want ...string) {
	r.t.Helper()
	got, _ := r.requests()
	if diff := gocmp.Diff(want, got); diff != "" {
		r.t.Errorf("the requests for versions differ (-want +got):\n%s", diff)
	}
}

func TestFindsWhatBOSServes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		era    bossim.Era
		served []string
		list   string
	}{
		{"v1 alone", bossim.EraC, []string{"v1 2.10.2"}, "v1/old"},
		{"both", bossim.EraBoth, []string{"v2 2.10.20", "v1 2.10.20"}, "v1/old v2/blue-boot v2/new"},
		{"v2 alone", bossim.EraD1, []string{"v2 2.30.5"}, "v2/blue-boot v2/new"},
		{"v2 with paging", bossim.EraD2, []string{"v2 2.50.0"}, "v2/blue-boot v2/new"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.era, bosapi.Auto, "", func(t *testing.T, r *rig) {
				r.wantServed()
				r.wantList(tt.list)
				r.wantServed(tt.served...)
				r.wantVersionRequests("/v1/version", "/v2/version")
				r.wantList(tt.list) // what is not served costs nothing
				r.wantVersionRequests()
				found, err := r.Find(t.Context())
				if err != nil || len(found) != len(tt.served) {
					t.Errorf("Find returns %d APIs and error %v, want %d", len(found), err, len(tt.served))
				}
			})
		})
	}
}

func TestNoticesUpgradesAndDowngrades(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after bossim.Era
		wait          time.Duration // until it must have been noticed
		want          []string
		log           []string // in the order of APIs
	}{
		{"from v1 to v2", bossim.EraC, bossim.EraD2, 0, []string{"v2 2.50.0"}, []string{`api=v1 before="version 2.10.2" now="not served"`, `api=v2 before="not served" now="version 2.50.0"`}},
		{"from v2 to v1", bossim.EraD2, bossim.EraC, 0, []string{"v1 2.10.2"}, []string{`api=v1 before="not served" now="version 2.10.2"`, `api=v2 before="version 2.50.0" now="not served"`}},
		{"from both to v2", bossim.EraBoth, bossim.EraD1, 0, []string{"v2 2.30.5"}, []string{`api=v1 before="version 2.10.20" now="not served"`, `api=v2 before="version 2.10.20" now="version 2.30.5"`}},
		{"from v1 to both", bossim.EraC, bossim.EraBoth, 5 * time.Minute, []string{"v2 2.10.20", "v1 2.10.20"}, []string{`api=v1 before="version 2.10.2" now="version 2.10.20"`, `api=v2 before="not served" now="version 2.10.20"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.before, bosapi.Auto, "", func(t *testing.T, r *rig) {
				r.list()
				r.sim.SetEra(tt.after)
				time.Sleep(tt.wait) // by the clock of the bubble
				r.list()
				r.wantServed(tt.want...)
				r.requests()
				got, errs := r.list()
				for i, err := range errs {
					if err != nil {
						t.Errorf("the list of %s fails: %v", r.All()[i].Name(), err)
					}
				}
				if v1 := strings.Contains(got, "v1/"); v1 != (tt.after.ServesV1() && tt.before.ServesV1()) {
					t.Errorf("sessions of v1 are there: %t, in %s", v1, got)
				}
				r.wantVersionRequests()
				time.Sleep(time.Hour)
				r.list()
				var logged []string
				for line := range strings.Lines(r.log.String()) {
					_, what, _ := strings.Cut(strings.TrimSpace(line), `msg="BOS has changed" `)
					logged = append(logged, what)
				}
				slices.Sort(logged)
				if diff := gocmp.Diff(tt.log, logged); diff != "" {
					t.Errorf("the log differs (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestBOSIsRarelyAskedWhatItServes(t *testing.T) {
	inBubble(t, bossim.EraD2, bosapi.Auto, "", func(_ *testing.T, r *rig) {
		r.list()
		r.requests()
		for range 60 {
			time.Sleep(30 * time.Second)
			r.list()
		}
		r.wantVersionRequests(slices.Sorted(slices.Values(slices.Repeat([]string{"/v1/version", "/v2/version"}, 6)))...)
	})
}

func TestServerThatIsNotBOS(t *testing.T) {
	inBubble(t, bossim.EraD2, bosapi.Auto, "", func(t *testing.T, r *rig) {
		r.sim.Fail(bossim.Everything, bossim.NeitherAPI)
		const want = "GET http://bos.test: not found: neither http://bos.test/v2/version nor http://bos.test/v1/version exists: check the URL, " +
			"which is that of BOS without /v1 or /v2, such as http://cray-bos inside the cluster or https://api-gw-service-nmn.local/apis/bos through the API gateway"
		_, errs := r.list()
		_, err := r.Find(t.Context())
		for _, err := range append(errs, err) {
			if bos.ReasonOf(err) != bos.NotFound || err == nil || err.Error() != want {
				t.Errorf("got error  %v\nwant error %s", err, want)
			}
		}
		r.sim.Heal()
		r.list()
		r.wantList("v2/blue-boot v2/new")
	})
}

// While a gateway restarts it knows no address. Sessions must not leave because of it.
func TestWhatWasServedIsNotForgottenWhileNothingIs(t *testing.T) {
	inBubble(t, bossim.EraBoth, bosapi.Auto, "", func(t *testing.T, r *rig) {
		r.list()
		r.sim.Fail(bossim.Everything, bossim.NeitherAPI)
		for range 3 {
			if _, errs := r.list(); slices.Contains(errs, nil) {
				t.Errorf("got errors %v, want one for each API, for an empty list would end its sessions", errs)
			}
		}
	})
}

func TestFailuresSayNothingAboutWhatIsServed(t *testing.T) {
	for _, fault := range []bossim.Fault{bossim.Unavailable, bossim.Unauthorized, bossim.Forbidden, bossim.ServerError, bossim.Hang, bossim.Reset, bossim.NotJSON, bossim.Garbage, bossim.Empty, bossim.Redirect} {
		t.Run(fault.String(), func(t *testing.T) {
			inBubble(t, bossim.EraBoth, bosapi.Auto, "", func(t *testing.T, r *rig) {
				r.sim.Fail(bossim.Version, fault)
				for range 2 {
					if got, errs := r.list(); got != "" || slices.Contains(errs, nil) {
						t.Errorf("nothing is known: got sessions %q and errors %v, want an error for each API", got, errs)
					}
				}
				r.wantServed()
				if _, err := r.Find(t.Context()); err == nil {
					t.Error("Find returns no error")
				}
				r.sim.Heal()
				r.list() // what was asked for both may still serve one of them
				r.wantList("v1/old v2/blue-boot v2/new")
				r.sim.Fail(bossim.Version, fault)
				if _, err := r.Find(t.Context()); err != nil {
					t.Error(err)
				}
				r.wantList("v1/old v2/blue-boot v2/new")
			})
		})
	}
}

// The list alone is not found, as if the gateway had lost a route.
func TestListThatIsNotFound(t *testing.T) {
	inBubble(t, bossim.EraD2, bosapi.Auto, "", func(t *testing.T, r *rig) {
		r.list()
		r.sim.Fail(bossim.List, bossim.NotFound)
		if _, errs := r.list(); bos.ReasonOf(errs[0]) != bos.NotFound || errs[0] == nil {
			t.Errorf("got error %v, want that of the list", errs[0])
		}
		r.wantServed("v2 2.50.0")
	})
}

func TestChosenAPI(t *testing.T) {
	for _, tt := range []struct {
		name, choice string
		era          bossim.Era
		list         string
		fails        bool
	}{
		{"v1 of both", "v1", bossim.EraBoth, "v1/old", false},
		{"v2 of both", "v2", bossim.EraBoth, "v2/blue-boot v2/new", false},
		{"no choice", "", bossim.EraBoth, "v1/old v2/blue-boot v2/new", false},
		{"v1 where there is none", "v1", bossim.EraD2, "", true},
		{"v2 where there is none", "v2", bossim.EraC, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.era, tt.choice, "", func(t *testing.T, r *rig) {
				got, errs := r.list()
				if failed := errs[0] != nil; got != tt.list || failed != tt.fails {
					t.Errorf("got sessions %q and error %v, want %q", got, errs[0], tt.list)
				}
				if tt.choice != "" {
					r.wantVersionRequests()
				}
			})
		})
	}
	client, err := bosclient.New(bosclient.Config{URL: "http://bos.test", Timeout: time.Second, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bosapi.New(client, "v3", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), `"v3"`) || !strings.Contains(err.Error(), "auto, v1, v2") {
		t.Errorf("got error %v, want one that names the choices", err)
	}
}

func TestTenants(t *testing.T) {
	for _, tt := range []struct {
		name, tenant string
		era          bossim.Era
		fault        bossim.Fault // of the components
		list, err    string
	}{
		{"of v2", "blue", bossim.EraD2, bossim.None, "v2/blue-boot", ""},
		{"of v2 beside v1, which refuses them", "blue", bossim.EraBoth, bossim.None, "v2/blue-boot", ""},
		{"unknown", "nope", bossim.EraD2, bossim.None, "", `BOS refuses the request: the tenant "nope" is unknown, so check its name (Data not found for tenant nope)`},
		{"unknown beside v1", "nope", bossim.EraBoth, bossim.None, "", `the tenant "nope" is unknown`},
		{"nobody knows whether it is unknown", "nope", bossim.EraD2, bossim.ServerError, "", ""},
		{"of v1, which knows none", "blue", bossim.EraC, bossim.None, "", `BOS refuses the request: BOS v1 knows no tenants, so remove the tenant "blue", or read API v2 where BOS serves it (Tenants are not supported`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.era, bosapi.Auto, tt.tenant, func(t *testing.T, r *rig) {
				r.sim.Fail(bossim.Components, tt.fault)
				for range 2 {
					got, errs := r.list()
					var texts []string
					for _, err := range errs {
						if err != nil {
							texts = append(texts, err.Error())
						}
					}
					text := strings.Join(texts, "; ")
					if got != tt.list || !strings.Contains(text, tt.err) || tt.err == "" && text != "" {
						t.Errorf("got sessions %q and errors %q, want %q and %q", got, text, tt.list, tt.err)
					}
				}
			})
		})
	}
}

// Only v1 is known to know no tenants. What else v2 refuses is an error, and v1 does not stand
// in for it.
func TestRefusalOfV2IsNotTakenForThatOfTheTenant(t *testing.T) {
	inBubble(t, bossim.EraBoth, bosapi.Auto, "blue", func(t *testing.T, r *rig) {
		r.sim.Substitute(func(req *http.Request) http.Handler {
			if req.URL.Path != "/v2/sessions" {
				return nil
			}
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
		})
		_, err := r.All()[0].List(t.Context(), true)
		if e := new(bos.Error); !errors.As(err, &e) || e.Status != http.StatusBadRequest || strings.Contains(e.Error(), "tenant") {
			t.Errorf("got error %v, want the refusal itself", err)
		}
	})
}

func TestTenantIsCheckedWithOneComponent(t *testing.T) {
	inBubble(t, bossim.EraD2, bosapi.Auto, "nope", func(t *testing.T, r *rig) {
		var queries []url.Values
		r.sim.Observe(func(req *http.Request) {
			if req.URL.Path == "/v2/components" {
				queries = append(queries, req.URL.Query())
			}
		})
		r.list()
		if diff := gocmp.Diff([]url.Values{{"page_size": {"1"}}}, queries); diff != "" {
			t.Errorf("the requests for components differ (-want +got):\n%s", diff)
		}
	})
}

func TestComponents(t *testing.T) {
	for _, tt := range []struct {
		name, choice string
		era          bossim.Era
		nodes        bool
		err          string
	}{
		{"of v2", "auto", bossim.EraD2, true, ""},
		{"of v2 beside v1", "auto", bossim.EraBoth, true, ""},
		{"of v2 alone", "v2", bossim.EraD2, true, ""},
		{"of v1", "auto", bossim.EraC, false, "only BOS v2 knows what each node does now: this BOS serves v1 alone"},
		{"of v1 by choice", "v1", bossim.EraBoth, false, "only BOS v2 knows what each node does now: choose the API auto or v2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.era, tt.choice, "", func(t *testing.T, r *rig) {
				components, err := r.Components(t.Context())
				if (len(components) > 0) != tt.nodes || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %d components and error %v, want error %q", len(components), err, tt.err)
				}
			})
		})
	}
	t.Run("after a downgrade", func(t *testing.T) {
		inBubble(t, bossim.EraD2, bosapi.Auto, "", func(t *testing.T, r *rig) {
			r.list()
			r.sim.SetEra(bossim.EraC)
			if _, err := r.Components(t.Context()); err == nil || !strings.Contains(err.Error(), "serves v1 alone") {
				t.Errorf("got error %v, want one that says that BOS serves v1 alone", err)
			}
		})
	})
}
