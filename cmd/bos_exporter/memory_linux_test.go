package main

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bos-exporter/bos-exporter/exporter"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/programs"
)

// container is the memory of a small container, in MiB.
const container = 128

// flood returns a response of a size in bytes, or a little less: an end behind as many
// pieces as there is room for.
func flood(size int, begin string, piece func(i int) string, end string) []byte {
	body := []byte(begin)
	for i := 0; ; i++ {
		p := piece(i)
		if len(body)+len(p)+len(end) > size {
			return append(body, end...)
		}
		body = append(body, p...)
	}
}

// failed is the status of a boot set whose nodes have all failed, with errors that are
// each about the nodes that have them.
func failed(nodes, errors int) []byte {
	var body bytes.Buffer
	body.WriteString(`{"name":"compute","phases":[{"name":"boot","categories":[{"name":"failed","node_list":[`)
	for i := range nodes {
		fmt.Fprintf(&body, `"x%d",`, i)
	}
	body.WriteString(`"x"]}],"errors":{"":[]`)
	for i := range errors {
		fmt.Fprintf(&body, `,"node %d does not respond to its controller":["x%d"]`, i, nodes-1-i%nodes)
	}
	body.WriteString(`}}]}`)
	return body.Bytes()
}

// listed is a v2 list of ended sessions with names and texts of lengths in bytes.
func listed(sessions, name, limit, message int) []byte {
	var body bytes.Buffer
	separator := "["
	for i := range sessions {
		fmt.Fprintf(&body, `%s{"name":"%0*d","template_name":"%0*d","operation":"boot","limit":"%0*d",`+
			`"status":{"status":"complete","start_time":"2026-07-01T10:00:00","end_time":"2026-07-01T10:30:00","error":"%0*d"}}`,
			separator, name, i, name, i, limit, i, message, i)
		separator = ","
	}
	body.WriteString("]")
	return body.Bytes()
}

// However much a server sends, the exporter fits in a small container.
func TestHugeResponsesFitInASmallContainer(t *testing.T) {
	binary, err := programs.BuildPlain(t.TempDir(), ".")
	if err != nil {
		t.Fatal(err)
	}
	repeat := func(s string) func(int) string {
		s = strings.Repeat(s, 1<<10)
		return func(int) string { return s }
	}
	format := func(s string) func(int) string {
		return func(i int) string { return fmt.Sprintf(s, i) }
	}
	node := func(i int) string {
		return fmt.Sprintf(`"x%dc%ds%db%dn%d",`, 1000+i>>12, i>>9&7, i>>6&7, i>>3&7, i&7)
	}
	const (
		boot        = `{"name":"compute","phases":[{"name":"boot",`
		list        = `/v1/session$`
		description = `/v1/session/[^/]*$`
		status      = `/v1/session/[^/]*/status$`
		template    = `/v1/sessiontemplate/`
		bootSet     = `/status/`
		list2       = `/v2/sessions$`
		huge        = 64 << 20
	)
	for _, tt := range []struct {
		name, path string // of the request, a regular expression
		body       []byte
		says       string // in the log; nothing if the response is accepted
	}{
		{"a full list", list, flood(380_000, `[`, format(`"%08x-0000-4000-8000-000000000000",`), `"x"]`), ""},
		{"a list of too many ids", list, flood(1<<20, `[`, format(`"%x",`), `"x"]`), "more than 10000 sessions"},
		{"a list of v2 with long texts", list2, listed(10_000, 90, 5000, 1100), ""},
		{"a list of v2 with long names", list2, listed(10_000, 1000, 100, 100), "more than 2 MiB of names of sessions"},
		{"a huge description with a long text", description, flood(huge, `{"operation":"boot","templateName":"`, repeat("a"), `"}`), "a string in the response is longer than 256 KiB"},
		{"a huge description of white space", description, flood(huge, `{"operation":"boot"`, repeat(" "), `}`), "longer than 1 MiB"},
		{"a description with many members", description, flood(1<<20, `{"operation":"boot"`, format(`,"%x":1`), `}`), "more than 20000 members"},
		{"a huge status with a long number", status, flood(huge, `{"metadata":{},"id":1`, repeat("1"), `}`), "longer than 1 MiB"},
		{"a template with many boot sets", template, flood(1<<20, `{"boot_sets":{"":{}`, format(`,"%x":{}`), `}}`), "more than 20000 members"},
		{"a full boot set", bootSet, flood(500_000, boot+`"categories":[{"name":"failed","node_list":[`, node, `"x"]}]}]}`), ""},
		{"a full boot set whose nodes precede their category", bootSet, flood(500_000, boot+`"categories":[{"node_list":[`, node, `"x"],"name":"failed"}]}]}`), ""},
		{"a boot set with too many nodes", bootSet, flood(4<<20, boot+`"categories":[{"name":"failed","node_list":[`, node, `"x"]}]}]}`), "more than 32768 nodes"},
		{"a boot set of nodes with an error each", bootSet, failed(12_000, 12_000), ""},
		{"a boot set with the most nodes and errors", bootSet, failed(32_000, 19_900), ""},
		{"a boot set with too many errors", bootSet, failed(12_000, 20_000), "more than 20000 members"},
		{"a huge boot set with a long error", bootSet, flood(huge, boot+`"errors":{"`, repeat("a"), `":[]}}]}`), "a string in the response is longer than 256 KiB"},
		{"a huge boot set that is skipped in part", bootSet, flood(huge, boot+`"x":[0`, repeat(",[{}]"), `]}]}`), "longer than 4 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			specs := make([]bossim.Spec, 2*exporter.DefaultConfig().Concurrency)
			for i := range specs {
				specs[i] = bossim.Spec{Operation: "boot", Template: fmt.Sprint("t", i), Created: bossim.GalleryTime,
					BootSets: []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(8)}}}
			}
			w := newWorld(t, bossim.Scripted(specs...), bossim.GalleryTime)
			if tt.path == list2 {
				w.sim.SetEra(bossim.EraD2)
			}
			path := regexp.MustCompile(tt.path)
			var served atomic.Int64
			w.sim.Substitute(func(r *http.Request) http.Handler {
				if !path.MatchString(r.URL.Path) {
					return nil
				}
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					served.Add(1)
					_, _ = w.Write(tt.body) // or the client has had enough
				})
			})
			p := program{programs.Start(t, binary, "--web.listen-address=127.0.0.1:0", "--bos.url="+w.url, "--bos.interval=10ms"), t}
			if tt.path == list2 {
				programs.Eventually(t, func() string { // the second sweep asks twice
					if n := served.Load(); n < 3 {
						return fmt.Sprintf("%d lists have been read", n)
					}
					return ""
				})
			} else {
				w.swept()
			}
			p.metrics()
			_, peak := programs.Memory(t, p.PID())
			t.Logf("the exporter has held up to %.0f MiB", peak)
			if peak >= container*7/8 {
				t.Errorf("the exporter has held %.0f MiB, want less than %d", peak, container*7/8)
			}
			said := regexp.MustCompile(`is longer than|there are more than`).MatchString(p.Log())
			if said != (tt.says != "") || !strings.Contains(p.Log(), tt.says) {
				t.Errorf("the log must say %q, and nothing of other limits", tt.says)
			}
		})
	}
}
