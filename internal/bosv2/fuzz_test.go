package bosv2

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// Whatever BOS answers is an error or a session whose nodes are in one category of each
// phase.
func FuzzDecode(f *testing.F) {
	sim := bossim.New(bossim.DocumentedV2(), bossim.EraD2, func() time.Time { return bossim.DocumentedV2Time })
	for _, path := range []string{"sessions", "sessions/compute-reboot-0302", "sessions/compute-reboot-0302/status", "components", "sessiontemplates/compute-25.3", "options"} {
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/"+path, nil))
		f.Add(w.Body.Bytes())
	}
	f.Add([]byte(`[{"id":"x1","session":"x","status":{"status":"stable"}},{"id":"x1","session":"x"},{"id":"all","session":"x","error":"\ud800"}]`))
	f.Add([]byte(`[{"name":"x","status":{"status":"running","start_time":"2026-03-02T09:00:00"},"components":"x1,,x2"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"sessions", "sessions/x", "sessions/x/status", "components", "sessiontemplates/x", "options"} {
			// The others are as they should be.
			all := answers{
				"/v2/sessions":           []byte(`[{"name":"x","operation":"boot","template_name":"x","status":{"status":"running"}}]`),
				"/v2/sessions/x":         []byte(`{"name":"x","operation":"boot","template_name":"x","status":{"status":"running"},"components":"x1,x2"}`),
				"/v2/sessions/x/status":  []byte(`{"status":"complete","managed_components_count":2,"percent_successful":50.0,"percent_failed":50.0}`),
				"/v2/components":         []byte(`[{"id":"x1","session":"x","enabled":true},{"id":"x2","session":"x","status":{"status":"failed"}}]`),
				"/v2/sessiontemplates/x": []byte(`{"boot_sets":{"a":{"path":"s3://i/m"},"b":{"node_list":["x1"]}}}`),
				"/v2/options":            []byte(`{}`),
			}
			all["/v2/"+path] = body
			c, err := bosclient.New(bosclient.Config{URL: "http://bos.test", Transport: all, Timeout: time.Minute, Concurrency: 1})
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, New(c))
		}
	})
}

// readAll lists all sessions, and reads each two times and then as if it had ended.
func readAll(t *testing.T, api *API) {
	_, err := api.Components(t.Context())
	wantBOSError(t, err)
	listing, err := api.List(t.Context(), false)
	wantBOSError(t, err)
	for _, l := range listing.Sessions {
		last := inventory.Reading{Session: &bos.Session{API: bos.APIv2, Tenant: l.Key.Tenant, ID: l.Key.ID}}
		table := new(bos.NodeTable)
		for round := range 3 {
			reader := api.Open()
			s, err := reader.Describe(t.Context(), l, last)
			wantBOSError(t, err)
			if err != nil {
				break
			}
			if round == 2 {
				s.InProgress, s.Complete = bos.Some(false), bos.Some(true)
			}
			recorder := bos.NewRecorder(table)
			reading, err := reader.Nodes(t.Context(), s, last, recorder)
			wantBOSError(t, err)
			if err != nil {
				break
			}
			for _, b := range s.BootSets {
				for i := range b.Phases {
					if !b.Phases[i].InSeveral().Empty() {
						t.Errorf("nodes in several categories of %s", b.Phases[i].Name)
					}
				}
			}
			extended := recorder.Extend(table)
			reading.Session = reading.Session.Renumber(recorder.To(extended))
			last, table = reading, extended
		}
	}
}

func wantBOSError(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*bos.Error](err); err != nil && !ok {
		t.Errorf("error %v is of type %T, want *bos.Error", err, err)
	}
}
