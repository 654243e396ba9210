//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// A real Prometheus reads every sample, whichever format it asks for. It always asks for
// gzip.
func TestPrometheusReadsEveryFormat(t *testing.T) {
	protocols := []string{"PrometheusText1.0.0", "PrometheusText0.0.4", "OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusProto"}
	w := newWorld(t, bossim.Documented(), bossim.DocumentedTime)
	p := start(t, "--bos.url="+w.url, "--bos.interval=1s")
	p.Ready()
	config := "global: {scrape_interval: 1s}\nscrape_configs:\n"
	for _, protocol := range protocols {
		config += fmt.Sprintf("- {job_name: %s, scrape_protocols: [%[1]s], static_configs: [{targets: [%q]}]}\n", protocol, strings.TrimPrefix(p.URL, "http://"))
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	prometheus := programs.Start(t, "../../build/prometheus", "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(folder, "tsdb"), "--web.listen-address=127.0.0.1:0")
	prometheus.Ready()
	// samples returns the result of an instant query, by job.
	samples := func(query string) map[string]string {
		_, body := prometheus.Get("/api/v1/query?query=" + url.QueryEscape(query))
		var response struct {
			Data struct {
				Result []struct {
					Metric struct{ Job string }
					Value  [2]any
				}
			}
		}
		if err := json.Unmarshal([]byte(body), &response); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		found := make(map[string]string)
		for _, r := range response.Data.Result {
			found[r.Metric.Job] = fmt.Sprint(r.Value[1])
		}
		return found
	}
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			programs.Eventually(t, func() string {
				want := fmt.Sprint(len(p.metrics().values))
				if up, got := samples("up")[protocol], samples("scrape_samples_scraped")[protocol]; up != "1" || got != want {
					return fmt.Sprintf("up is %q, and %s samples are read of %s", up, got, want)
				}
				return ""
			})
		})
	}
}
