package bosv2

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
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

// BenchmarkComponents reads a session of 12,000 nodes in a reboot, in one answer as BOS gives
// it without paging: derive is what sweeps do, json is encoding/json into structs.
func BenchmarkComponents(b *testing.B) {
	created := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	nodes := bossim.Nodes(12_000)
	sim := bossim.New(bossim.Scripted(bossim.Spec{ID: "x", Operation: bos.Reboot, Template: "cle", Created: created,
		BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: nodes, Troubles: []bossim.Trouble{{Kind: bossim.NeverReady, Nodes: nodes[:120]}}}}}),
		bossim.EraD1, func() time.Time { return created.Add(10 * time.Minute) })
	all := make(answers)
	for _, path := range []string{"/v2/components", "/v2/sessions/x", "/v2/sessiontemplates/cle"} {
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		all[path] = w.Body.Bytes()
	}
	body := all["/v2/components"]
	c, err := bosclient.New(bosclient.Config{URL: "http://bos.test", Transport: all, Timeout: time.Minute, Concurrency: 1})
	if err != nil {
		b.Fatal(err)
	}
	table := new(bos.NodeTable).Add(nodes)
	b.Run("derive", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		last := inventory.Reading{Session: &bos.Session{}}
		reader := New(c).Open()
		for b.Loop() {
			s := &bos.Session{API: bos.APIv2, ID: "x", Operation: bos.Reboot, Template: "cle"}
			reading, err := reader.Nodes(b.Context(), s, last, bos.NewRecorder(table))
			if err != nil {
				b.Fatal(err)
			}
			if s.Nodes.Nodes() != 12_000 {
				b.Fatalf("%+v", s.Nodes)
			}
			last = reading
		}
	})
	b.Run("json", func(b *testing.B) {
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
