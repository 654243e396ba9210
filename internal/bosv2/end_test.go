package bosv2

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// At the end of a session it is known whether what is shown has the numbers that BOS has
// kept, and nothing is read again.
func TestEndIsHeldAgainstTheStatus(t *testing.T) {
	for _, tt := range []struct {
		name         string
		status       string
		final, exact bool
	}{
		{"the numbers agree", `{"status":"complete","managed_components_count":2,"percent_successful":50.0,"percent_failed":50.0}`, true, true},
		{"as strings", `{"status":"complete","managed_components_count":"2","percent_successful":"50.0","percent_failed":"50.0"}`, true, true},
		{"they differ", `{"status":"complete","managed_components_count":2,"percent_successful":100.0,"percent_failed":0.0}`, true, false},
		{"no numbers", `{"status":"complete"}`, true, false},
		{"not saved yet", `{"status":"running","managed_components_count":2,"percent_successful":50.0,"percent_failed":50.0}`, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			session := func(state string) []byte {
				return fmt.Appendf(nil, `{"name":"x","operation":"boot","template_name":"x","components":"x1,x2","status":{"status":%q,"start_time":"2026-03-02T09:00:00"}}`, state)
			}
			all := answers{
				"/v2/sessions/x":         session("running"),
				"/v2/components":         []byte(`[{"id":"x1","session":"x","status":{"status":"stable"}},{"id":"x2","session":"x","status":{"status":"failed"}}]`),
				"/v2/sessiontemplates/x": []byte(`{"boot_sets":{"a":{}}}`),
			}
			c, err := bosclient.New(bosclient.Config{URL: "http://bos.test", Transport: all, Timeout: time.Minute, Concurrency: 1})
			if err != nil {
				t.Fatal(err)
			}
			last := inventory.Reading{Session: &bos.Session{API: bos.APIv2, ID: "x"}}
			table := new(bos.NodeTable)
			read := func() {
				t.Helper()
				reader := New(c).Open()
				s, err := reader.Describe(t.Context(), inventory.Listed{Key: last.Session.Key()}, last)
				if err != nil {
					t.Fatal(err)
				}
				recorder := bos.NewRecorder(table)
				if last, err = reader.Nodes(t.Context(), s, last, recorder); err != nil {
					t.Fatal(err)
				}
				extended := recorder.Extend(table)
				last.Session, table = last.Session.Renumber(recorder.To(extended)), extended
			}
			read()
			all["/v2/sessions/x"], all["/v2/sessions/x/status"] = session("complete"), []byte(tt.status)
			read()
			if m := last.Memo.(memo); m.final != tt.final || m.exact != tt.exact {
				t.Errorf("final %t, exact %t; want %t, %t", m.final, m.exact, tt.final, tt.exact)
			}
			if m := last.Memo.(memo); (m.sets == nil) != tt.final {
				t.Errorf("the boot sets of the template are kept: %v", m.sets)
			}
			if got, want := last.Session.Nodes, (bos.Tally{Succeeded: 1, Failed: 1}); got != want {
				t.Errorf("nodes %+v, want %+v", got, want)
			}
			delete(all, "/v2/components") // it is not asked for again
			read()
			if m := last.Memo.(memo); !m.final || last.Session.Nodes.Nodes() != 2 {
				t.Errorf("read again: final %t, nodes %+v", m.final, last.Session.Nodes)
			}
		})
	}
}

// The names of nodes are most of a list of sessions. They take no memory, however many there
// are, and are read once, for the sessions that run.
func TestListSkipsTheNamesOfNodes(t *testing.T) {
	var body []byte
	names := strings.Join(bossim.Nodes(12_000), ",")
	for i := range 200 {
		body = fmt.Appendf(body, `,{"name":"s%d","operation":"boot","template_name":"x","components":%q,"status":{"status":"complete"}}`, i, names)
	}
	body[0] = '['
	c, err := bosclient.New(bosclient.Config{URL: "http://bos.test", Transport: answers{"/v2/sessions": append(body, ']')}, Timeout: time.Minute, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	listing, err := New(c).List(t.Context(), true)
	runtime.ReadMemStats(&after)
	if err != nil || len(listing.Sessions) != 200 {
		t.Fatalf("%d sessions; %v", len(listing.Sessions), err)
	}
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(4<<20); got > most {
		t.Errorf("a list of %d bytes took %d bytes of memory, want at most %d", len(body), got, most)
	}
}
