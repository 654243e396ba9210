package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// sessionList is a configuration of json_exporter that has a series for each session of a
// list of BOS v2: about what can be told of them without a request for each.
const sessionList = `
modules:
  default:
    metrics:
    - name: bos_session
      type: object
      path: '{ [*] }'
      labels:
        session: '{ .name }'
        operation: '{ .operation }'
        template: '{ .template_name }'
        state: '{ .status.status }'
      values:
        info: 1
`

// BenchmarkSessionScrape scrapes programs that watch the same BOS: 100 sessions of v2 with
// 2,000 nodes each. json_exporter is measured if the environment variable JSON_EXPORTER
// names its program. It asks BOS at each scrape; bos_exporter asks in sweeps, and has many
// more series.
func BenchmarkSessionScrape(b *testing.B) {
	specs := make([]bossim.Spec, 100)
	for i := range specs {
		specs[i] = bossim.Spec{ID: fmt.Sprintf("session-%d", i), Operation: "boot", Template: "compute",
			Created:  bossim.GalleryTime.Add(-time.Duration(i) * time.Minute),
			BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(2000)}}}
	}
	sim := bossim.New(bossim.Scripted(specs...), bossim.EraD2, func() time.Time { return bossim.GalleryTime })
	defer sim.Close()
	bosServer := httptest.NewServer(remembered(sim))
	defer bosServer.Close()
	scrape := func(b *testing.B, page string) {
		series := 0
		for b.Loop() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, page, nil) // the client asks for gzip
			if err != nil {
				b.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK {
				b.Fatalf("%s: %v", resp.Status, err)
			}
			_ = resp.Body.Close()
			series = strings.Count(string(body), "\nbos_")
		}
		b.ReportMetric(float64(series), "series")
		if series < len(specs) {
			b.Errorf("there are %d series of %d sessions", series, len(specs))
		}
	}
	b.Run("ours", func(b *testing.B) {
		binary, err := programs.Build(b.TempDir(), "../bos_exporter")
		if err != nil {
			b.Fatal(err)
		}
		p := programs.Start(b, binary, "--web.listen-address=127.0.0.1:0", "--bos.url="+bosServer.URL)
		p.Ready()
		scrape(b, p.URL+"/metrics")
	})
	if binary := os.Getenv("JSON_EXPORTER"); binary != "" {
		b.Run("json_exporter", func(b *testing.B) {
			config := filepath.Join(b.TempDir(), "config.yml")
			if err := os.WriteFile(config, []byte(sessionList), 0o600); err != nil {
				b.Fatal(err)
			}
			p := programs.Start(b, binary, "--web.listen-address=127.0.0.1:0", "--config.file="+config)
			scrape(b, p.URL+"/probe?target="+url.QueryEscape(bosServer.URL+"/v2/sessions"))
		})
	}
}

// remembered answers each request as the handler did the first time, so that the time a
// simulator takes does not count.
func remembered(h http.Handler) http.Handler {
	var mu sync.Mutex
	answers := make(map[string]*httptest.ResponseRecorder)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		answer := answers[r.URL.RequestURI()]
		if answer == nil {
			answer = httptest.NewRecorder()
			h.ServeHTTP(answer, r)
			answers[r.URL.RequestURI()] = answer
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // or the client has had enough
	})
}
