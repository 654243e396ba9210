package bosv1

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// bootSetOf is the status of a boot set of so many nodes, most of which have succeeded.
func bootSetOf(b *testing.B, nodes int) []byte {
	b.Helper()
	created := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	all := bossim.Nodes(nodes)
	sim := bossim.New(bossim.Scripted(bossim.Spec{ID: "x", Operation: bos.Reboot, Template: "cle", Created: created,
		BootSets: []bossim.BootSetSpec{{Name: "computes", Nodes: all, Troubles: []bossim.Trouble{{Kind: bossim.NeverReady, Nodes: all[:nodes/100]}}}}}),
		bossim.EraC, func() time.Time { return created.Add(40 * time.Minute) })
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/session/x/status/computes", nil))
	return w.Body.Bytes()
}

// BenchmarkBootSet decodes and tallies a boot set of 10,000 nodes, their names kept, as
// sweeps do, beside encoding/json into structs and a map, and a bare stream of JSON tokens.
func BenchmarkBootSet(b *testing.B) {
	body := bootSetOf(b, 10_000)
	b.Run("ours", func(b *testing.B) { readBootSet(b, body, 10_000) })
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var set struct {
				Phases []struct {
					Name       string
					Categories []struct {
						Name  string
						Nodes []string `json:"node_list"`
					}
					Errors map[string][]string
				}
			}
			resp, _ := answer(200, "application/json", string(body))(nil)
			if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
				b.Fatal(err)
			}
			failed := make(map[string]bool)
			for _, p := range set.Phases {
				for _, c := range p.Categories {
					for _, n := range c.Nodes {
						failed[n] = failed[n] || c.Name == bos.Failed
					}
				}
			}
			if len(failed) != 10_000 {
				b.Fatal(len(failed))
			}
		}
	})
	b.Run("jsontext-tokens", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			resp, _ := answer(200, "application/json", string(body))(nil)
			d := jsontext.NewDecoder(resp.Body)
			for {
				if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkBootSetNodes shows how the cost grows with the number of nodes.
func BenchmarkBootSetNodes(b *testing.B) {
	for _, nodes := range []int{128, 1024, 4096, 12_000} {
		body := bootSetOf(b, nodes)
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) { readBootSet(b, body, nodes) })
	}
}

// readBootSet reads a boot set of so many nodes again and again.
func readBootSet(b *testing.B, body []byte, nodes int) {
	c := newClient(b, answer(200, "application/json", string(body)))
	table := new(bos.NodeTable).Add(bossim.Nodes(nodes))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r := bos.NewRecorder(table)
		set, err := c.bootSet(b.Context(), "x", "computes", r)
		if err != nil {
			b.Fatal(err)
		}
		r.EndBootSet(set)
		if set.Nodes.Nodes() != nodes {
			b.Fatalf("%+v", set.Nodes)
		}
	}
}
