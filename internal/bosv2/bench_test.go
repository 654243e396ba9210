package bosv2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// answers are the answers to requests, by path.
type answers map[string][]byte

func (a answers) RoundTrip(req *http.Request) (*http.Response, error) {
	body, ok := a[req.URL.Path]
	code := http.StatusOK
	if !ok {
		code = http.StatusNotFound
	}
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: req}, nil
}

// machine returns the answers of a BOS where all of so many nodes are being rebooted by the
// session x, in one answer as BOS gives it without paging.
func machine(nodes int) answers {
	created := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	names := bossim.Nodes(nodes)
	sim := bossim.New(bossim.Scripted(bossim.Spec{ID: "x", Operation: bos.Reboot, Template: "cle", Created: created,
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: names, Troubles: []bossim.Trouble{{Kind: bossim.NeverReady, Nodes: names[:nodes/100]}}}}}),
		bossim.EraD1, func() time.Time { return created.Add(10 * time.Minute) })
	all := make(answers)
	for _, path := range []string{"/v2/components", "/v2/sessions", "/v2/sessions/x", "/v2/sessiontemplates/cle"} {
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		all[path] = w.Body.Bytes()
	}
	return all
}

func newAPI(b *testing.B, all answers) *API {
	b.Helper()
	c, err := bosclient.New(bosclient.Config{URL: "http://bos.test", Transport: all, Timeout: time.Minute, Concurrency: 1})
	if err != nil {
		b.Fatal(err)
	}
	return New(c)
}

// readComponents reads a session of so many nodes again and again, as sweeps do.
func readComponents(b *testing.B, all answers, nodes int) {
	table := new(bos.NodeTable).Add(bossim.Nodes(nodes))
	b.SetBytes(int64(len(all["/v2/components"])))
	b.ReportAllocs()
	last := inventory.Reading{Session: &bos.Session{}}
	reader := newAPI(b, all).Open()
	for b.Loop() {
		s := &bos.Session{API: bos.APIv2, ID: "x", Operation: bos.Reboot, Template: "cle"}
		reading, err := reader.Nodes(b.Context(), s, last, bos.NewRecorder(table))
		if err != nil {
			b.Fatal(err)
		}
		if s.Nodes.Nodes() != nodes {
			b.Fatalf("%+v", s.Nodes)
		}
		last = reading
	}
}

// BenchmarkComponentsNodes shows how the cost grows with the number of nodes.
func BenchmarkComponentsNodes(b *testing.B) {
	for _, nodes := range []int{128, 1024, 4096, 12_000} {
		all := machine(nodes)
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) { readComponents(b, all, nodes) })
	}
}

// BenchmarkList lists 200 sessions of 12,000 nodes each, whose names are most of the answer,
// beside encoding/json into structs.
func BenchmarkList(b *testing.B) {
	const sessions = 200
	one := bytes.Trim(bytes.TrimSpace(machine(12_000)["/v2/sessions"]), "[]")
	var list [][]byte
	for i := range sessions {
		list = append(list, bytes.Replace(one, []byte(`"x"`), fmt.Appendf(nil, `"x%d"`, i), 1))
	}
	body := slices.Concat([]byte("["), bytes.Join(list, []byte(",")), []byte("]"))
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		api := newAPI(b, answers{"/v2/sessions": body})
		for b.Loop() {
			listing, err := api.List(b.Context(), true)
			if err != nil || len(listing.Sessions) != sessions {
				b.Fatal(len(listing.Sessions), err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var sessions []struct {
				Name, Tenant, Operation, Limit, Components string
				Template                                   string `json:"template_name"`
				Stage                                      bool
				Status                                     struct {
					Status, Error string
					Start         string `json:"start_time"`
					End           string `json:"end_time"`
				}
			}
			if err := json.NewDecoder(bytes.NewReader(body)).Decode(&sessions); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkComponents reads a session of 12,000 nodes in a reboot as sweeps do, beside
// encoding/json into structs.
func BenchmarkComponents(b *testing.B) {
	all := machine(12_000)
	body := all["/v2/components"]
	b.Run("ours", func(b *testing.B) { readComponents(b, all, 12_000) })
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			type state struct {
				Artifacts struct {
					Initrd, Kernel string
					Parameters     string `json:"kernel_parameters"`
				} `json:"boot_artifacts"`
				Configuration, Session string
				Updated                string `json:"last_updated"`
			}
			var nodes []struct {
				ID, Error, Session string
				Enabled            bool
				Actual             state `json:"actual_state"`
				Desired            state `json:"desired_state"`
				Staged             state `json:"staged_state"`
				Stats              struct {
					On       int `json:"power_on_attempts"`
					Graceful int `json:"power_off_graceful_attempts"`
					Forceful int `json:"power_off_forceful_attempts"`
				} `json:"event_stats"`
				Action struct {
					Action  string
					Failed  bool
					Updated string `json:"last_updated"`
				} `json:"last_action"`
				Status struct {
					Phase, Status string
					Override      string `json:"status_override"`
				}
			}
			if err := json.NewDecoder(bytes.NewReader(body)).Decode(&nodes); err != nil {
				b.Fatal(err)
			}
			categories := make(map[string]int)
			for _, n := range nodes {
				categories[n.Status.Phase+n.Status.Status]++
			}
			if len(nodes) != 12_000 {
				b.Fatal(len(nodes))
			}
		}
	})
}
