package exporter

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inprocess"
)

const (
	omEnd    = "# EOF\n"
	protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily"
)

// accepts are the values of the header Accept that make a difference.
var accepts = map[string]string{
	"none":                      "",
	"text 0.0.4":                "text/plain;version=0.0.4",
	"text 1.0.0":                "text/plain;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.5",
	"text in values":            "text/plain;version=0.0.4;escaping=values",
	"text in dots":              "text/plain;version=0.0.4;escaping=dots",
	"text in UTF-8":             "text/plain;version=0.0.4;escaping=allow-utf-8",
	"OpenMetrics":               "application/openmetrics-text",
	"OpenMetrics 0.0.1":         "application/openmetrics-text;version=0.0.1",
	"OpenMetrics 1.0.0":         "application/openmetrics-text;version=1.0.0",
	"OpenMetrics 1.0.0 in UTF8": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
	"OpenMetrics 1.0.0 in dots": "application/openmetrics-text;version=1.0.0;escaping=dots",
	"protobuf":                  protobuf + ";encoding=delimited",
	"protobuf in UTF-8":         protobuf + ";encoding=delimited;escaping=allow-utf-8",
	"protobuf text":             protobuf + ";encoding=text",
	"compact protobuf text":     protobuf + ";encoding=compact-text",
}

// acceptEncodings are values of the header Accept-Encoding that make a difference.
var acceptEncodings = []string{
	"", "gzip", "br", "*", "*;q=0", "gzip;q=0", "gzip, identity;q=0.1", "gzip;q=0.5, zstd;q=0.8",
	"gzip, deflate, br, zstd", // of a browser
}

// get sends a request to a handler.
func get(h http.Handler, method, path, accept, acceptEncoding string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
	for name, value := range map[string]string{"Accept": accept, "Accept-Encoding": acceptEncoding} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	h.ServeHTTP(w, r)
	return w
}

// decoded returns the body of a response without its content coding.
func decoded(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	body := io.Reader(w.Body)
	switch coding := w.Header().Get("Content-Encoding"); coding {
	case "gzip":
		member := bufio.NewReader(body)
		z, err := gzip.NewReader(member)
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false) // some clients read no more than one
		defer func() {
			if rest, err := io.ReadAll(member); err != nil || len(rest) > 0 {
				t.Errorf("%d bytes follow the first member, error %v", len(rest), err)
			}
		}()
		body = z
	case "zstd":
		frames, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(frames, []byte("\x28\xb5\x2f\xfd")); n != 1 { // which begin a frame
			t.Errorf("there are %d frames", n)
		}
		z, err := zstd.NewReader(bytes.NewReader(frames), zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		body = z
	case "":
	default:
		t.Fatalf("the content coding is %s", coding)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// gathered is a gatherer of families.
func gathered(families []*dto.MetricFamily) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
}

// reference is promhttp without anything of ours.
func reference(g prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// steady calls f with an exporter of a BOS v1 that has swept once, in a bubble where nothing
// takes any time. Its own metrics are the same at every scrape.
func steady(t *testing.T, f func(t *testing.T, e *Exporter)) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("http://bos.test")
		cfg.Transport = inprocess.Transport(bossim.New(bossim.Documented(), bossim.EraC, bossim.NewSteppedClock(bossim.DocumentedTime).Now))
		e, err := New(cfg, slog.New(slog.DiscardHandler), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		e.self = prometheus.NewRegistry()
		requests := newRequestMetrics()
		requests.total.WithLabelValues("list", "200").Add(3)
		requests.duration.WithLabelValues("list").Observe(0.5)
		e.self.MustRegister(requests.total, requests.duration)
		e.inventory.Sweep(t.Context())
		f(t, e)
	})
}

// snapshotFamilies returns the families of the latest snapshot.
func (e *Exporter) snapshotFamilies() []*dto.MetricFamily {
	x := e.metrics()
	return slices.Collect(x.families.collect(x.families.source(source{})))
}

// In every format and content coding, what is served is the library's own rendering of the
// families of the snapshot and then of the exporter's own, with the library's headers.
func TestExpositionIsThatOfTheLibrary(t *testing.T) {
	steady(t, func(t *testing.T, e *Exporter) {
		x, families := e.metrics(), e.snapshotFamilies()
		own, err := e.self.Gather()
		if err != nil {
			t.Fatal(err)
		}
		check := func(path, accept, acceptEncoding string) {
			t.Helper()
			first := get(reference(gathered(families)), http.MethodGet, path, accept, acceptEncoding)
			second := get(reference(gathered(own)), http.MethodGet, path, accept, acceptEncoding)
			want := decoded(t, first)
			if strings.HasPrefix(first.Header().Get("Content-Type"), "application/openmetrics-text") {
				want = strings.TrimSuffix(want, omEnd)
			}
			want += decoded(t, second)
			for _, scrape := range []string{"first", "second"} {
				got := get(x, http.MethodGet, path, accept, acceptEncoding)
				if diff := cmp.Diff(first.Header(), got.Header()); diff != "" || got.Code != http.StatusOK {
					t.Errorf("%s, Accept %q, Accept-Encoding %q, %s scrape: status %d, headers differ (-want +got):\n%s", path, accept, acceptEncoding, scrape, got.Code, diff)
				}
				if text := decoded(t, got); text != want {
					t.Errorf("%s, Accept %q, Accept-Encoding %q, %s scrape: the text differs (-want +got):\n%s", path, accept, acceptEncoding, scrape, cmp.Diff(want, text))
				}
			}
		}
		for _, accept := range accepts {
			for _, path := range []string{"/metrics", "/metrics?name[]=bos_up&name[]=bos_category_nodes&name[]=bos_api_requests_total", "/metrics?name[]=bos_up", "/metrics?name[]=nothing"} {
				for _, coding := range []string{"identity", "gzip", "zstd"} {
					check(path, accept, coding)
				}
			}
		}
		for _, acceptEncoding := range acceptEncodings {
			check("/metrics", "", acceptEncoding)
		}
	})
}

// Prometheus's own parsers read every format, and find each family once.
func TestExpositionIsRead(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	e.inventory.Sweep(t.Context())
	x := e.metrics()
	var want []string
	for _, f := range e.snapshotFamilies() {
		want = append(want, f.GetName())
	}
	own, err := e.self.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range own {
		want = append(want, f.GetName())
	}
	slices.Sort(want)
	series := -1
	for format, accept := range accepts {
		if strings.HasSuffix(format, "protobuf text") {
			continue // for people: no program reads it
		}
		t.Run(format, func(t *testing.T) {
			w := get(x, http.MethodGet, "/metrics", accept, "gzip")
			mediaType, text := w.Header().Get("Content-Type"), decoded(t, w)
			if strings.Contains(mediaType, "openmetrics") && strings.Count(text, omEnd) != 1 {
				t.Errorf("there are %d ends", strings.Count(text, omEnd))
			}
			p, err := textparse.New([]byte(text), mediaType, labels.NewSymbolTable(), textparse.ParserOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			n := 0
			for {
				entry, err := p.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				switch entry {
				case textparse.EntryType:
					name, kind := p.Type()
					names = append(names, familyName(string(name), string(kind), mediaType))
				case textparse.EntrySeries, textparse.EntryHistogram:
					n++
				default:
				}
			}
			slices.Sort(names)
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("the families differ (-want +got):\n%s", diff)
			}
			if series >= 0 && n != series {
				t.Errorf("%d series, %d in another format", n, series)
			}
			series = n
		})
	}
}

// familyName returns the name that a family has in the registry: in OpenMetrics, counters
// are named without their suffix, and in some escapings underscores are doubled.
func familyName(name, kind, mediaType string) string {
	if strings.Contains(mediaType, "escaping=dots") {
		name = strings.ReplaceAll(name, "__", "_")
	}
	if strings.Contains(mediaType, "openmetrics") && kind == "counter" {
		name += "_total"
	}
	return name
}

// A family that is both of the snapshot and of the exporter's own would be served twice.
func TestFamiliesAreDisjoint(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	e.inventory.Sweep(t.Context()) // or there are no requests to count
	e.Handler()                    // which registers metrics, too
	own, err := e.self.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, f := range own {
		names[f.GetName()] = true
	}
	if !names["bos_api_requests_total"] || !names["promhttp_metric_handler_errors_total"] {
		t.Errorf("the exporter's own families are only %v", names)
	}
	metrics := slices.Clone(collectors.ScrapeMetrics)
	for _, c := range collectors.All {
		metrics = append(metrics, c.Metrics...)
	}
	for _, m := range metrics {
		if names[m.Name] {
			t.Errorf("%s is both of a snapshot and of the exporter", m.Name)
		}
	}
}

// address tells whether bytes were made again.
func address(t *testing.T, x *exposition, coding string) *byte {
	t.Helper()
	c, err := x.ready(expfmt.FmtText, coding, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &c.blocks[0][0]
}

func TestSnapshotsAreRenderedOnce(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	e.inventory.Sweep(t.Context())
	x := e.metrics()
	for _, coding := range []string{"", "gzip", "zstd"} {
		first := address(t, x, coding)
		var scrapers sync.WaitGroup
		for range 10 {
			scrapers.Go(func() {
				if address(t, x, coding) != first {
					t.Errorf("%q: the same snapshot was rendered or coded again", coding)
				}
			})
		}
		scrapers.Wait()
		e.inventory.Sweep(t.Context())
		second := address(t, x, coding)
		if second == first {
			t.Errorf("%q: a new snapshot was not rendered", coding)
		}
		x.families.staleAfter = 0
		if address(t, x, coding) == second {
			t.Errorf("%q: a snapshot was not rendered again when it went stale", coding)
		}
		if text := decoded(t, get(x, http.MethodGet, "/metrics", "", coding)); strings.Contains(text, "bos_session_state{") || !strings.Contains(text, "\nbos_up 1\n") {
			t.Errorf("%q: a stale snapshot has series of sessions, or nothing at all:\n%s", coding, text)
		}
		x.families.staleAfter = time.Hour
	}
}

// Scrapers that come first at the same time get the same bytes.
func TestFirstScrapersShareTheWork(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	e.inventory.Sweep(t.Context())
	x := e.metrics()
	var scrapers sync.WaitGroup
	got := make([]*byte, 20)
	for i := range got {
		scrapers.Go(func() { got[i] = address(t, x, "gzip") })
	}
	scrapers.Wait()
	if n := len(slices.Compact(got)); n != 1 {
		t.Errorf("the snapshot was rendered %d times", n)
	}
}

func TestRenderingsAreForgotten(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	e.inventory.Sweep(t.Context())
	x := e.metrics()
	var old []weak.Pointer[byte]
	for _, accept := range accepts {
		get(x, http.MethodGet, "/metrics", accept, "gzip")
		if n := len(x.renderings); n > maxRenderings {
			t.Fatalf("%d renderings are kept", n)
		}
		old = append(old, weak.Make(address(t, x, "gzip")), weak.Make(address(t, x, "")))
	}
	e.inventory.Sweep(t.Context())
	address(t, x, "zstd")
	runtime.GC()
	for _, p := range old {
		if p.Value() != nil {
			t.Fatal("the rendering of a snapshot outlives it")
		}
	}
}

// stuckClient takes nothing until it is released.
type stuckClient struct {
	http.ResponseWriter
	waiting chan<- struct{}
	release <-chan struct{}
}

func (c stuckClient) Write(p []byte) (int, error) {
	c.waiting <- struct{}{}
	<-c.release
	return len(p), nil
}

func TestConcurrentScrapesAreLimited(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	e.inventory.Sweep(t.Context())
	for _, tt := range []struct{ name, path string }{
		{"all families", "/metrics"},
		{"none of the exporter's own", "/metrics?name[]=bos_category_nodes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			handler := e.Handler()
			waiting, release := make(chan struct{}, 2*maxRequests*len(collectors.All)), make(chan struct{})
			var scrapers sync.WaitGroup
			for range maxRequests {
				scrapers.Go(func() {
					handler.ServeHTTP(stuckClient{httptest.NewRecorder(), waiting, release}, httptest.NewRequest(http.MethodGet, tt.path, nil))
				})
			}
			for range maxRequests {
				<-waiting
			}
			w := get(handler, http.MethodGet, tt.path, "", "gzip")
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Content-Encoding") != "" || !strings.Contains(w.Body.String(), "There are 40 scrapes at the same time already") {
				t.Errorf("a scrape too many: %d %v %s", w.Code, w.Header(), w.Body)
			}
			close(release)
			scrapers.Wait()
			if w := get(handler, http.MethodGet, tt.path, "", "gzip"); w.Code != http.StatusOK {
				t.Errorf("a scrape after that: %d", w.Code)
			}
		})
	}
}

// An error of the exporter's own metrics is the whole response.
func TestScrapeErrors(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	e.inventory.Sweep(t.Context())
	desc := prometheus.NewDesc("broken", "It cannot be read.", nil, nil)
	e.self.MustRegister(prometheus.CollectorFunc(func(out chan<- prometheus.Metric) { out <- prometheus.NewInvalidMetric(desc, errors.New("boom")) }))
	handler := e.Handler()
	for _, coding := range []string{"", "gzip", "zstd"} {
		w := get(handler, http.MethodGet, "/metrics", "", coding)
		if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Encoding") != "" || !strings.Contains(w.Body.String(), "boom") || strings.Contains(w.Body.String(), "bos_up") {
			t.Errorf("%q: %d %v %s", coding, w.Code, w.Header(), w.Body)
		}
	}
}

// Families that cannot be rendered are an error, not a response that lacks them.
func TestRenderErrors(t *testing.T) {
	name := "empty"
	if _, err := render(expfmt.FmtText, "", slices.Values([]*dto.MetricFamily{{Name: &name}})); err == nil || !strings.Contains(err.Error(), "rendering empty as text/plain") {
		t.Errorf("got error %v, want one that names the family and the format", err)
	}
}

func TestHead(t *testing.T) {
	e := newExporter(t, bossim.Documented())
	e.inventory.Sweep(t.Context())
	server := httptest.NewServer(e.Handler())
	defer server.Close()
	for _, coding := range []string{"identity", "gzip"} {
		header := func(method string) http.Header {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/metrics", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Encoding", coding)
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK || method == http.MethodHead && len(body) > 0 {
				t.Errorf("%s: %s, %d bytes, error %v", method, resp.Status, len(body), err)
			}
			resp.Header.Del("Date")
			return resp.Header
		}
		if diff := cmp.Diff(header(http.MethodGet), header(http.MethodHead)); diff != "" {
			t.Errorf("%s: the headers of GET and HEAD differ (-GET +HEAD):\n%s", coding, diff)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// What is added to coded text is read with it, however long either is.
func TestCodings(t *testing.T) {
	long := strings.Repeat("0123456789", 20_000)
	for _, coding := range []string{"", "gzip", "zstd"} {
		for _, begin := range []string{"", "a", long} {
			for _, end := range []string{"", "b", long} {
				c, err := code(coding, blocks{[]byte(begin)})
				if err != nil {
					t.Fatal(err)
				}
				rest, err := c.end([]byte(end))
				if err != nil {
					t.Fatal(err)
				}
				w := httptest.NewRecorder()
				if coding != "" {
					w.Header().Set("Content-Encoding", coding)
				}
				w.Body = bytes.NewBuffer(append(slices.Concat(c.blocks...), rest...))
				if got := decoded(t, w); got != begin+end {
					t.Errorf("%q: %d and %d bytes become %d others", coding, len(begin), len(end), len(got))
				}
			}
		}
	}
}
