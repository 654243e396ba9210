package exporter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // has promhttp offer it
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// maxFormats is the maximum number of formats in which a snapshot is kept ready. Each takes
// as much memory as its text.
const maxFormats = 4

// exposition serves metrics: those of the latest snapshot, which are rendered once for each
// format and coded once for each content coding that anybody asks for, and behind them the
// exporter's own, which differ at every scrape.
type exposition struct {
	// own serves the exporter's own families. It also negotiates the format, limits the
	// scrapes, and reports and counts errors, for all families.
	own      http.Handler
	families snapshotFamilies

	// mu is held while anything is rendered, so that scrapes that need the same wait for it
	// and those that need something else do not add to the peak of memory.
	mu         sync.Mutex
	built      source
	renderings []*rendering // of that source, the newest last
}

// ServeHTTP implements http.Handler.
func (e *exposition) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resp := &response{ResponseWriter: w, exposition: e, coding: negotiateCoding(r), names: r.URL.Query()["name[]"]}
	r = r.Clone(r.Context())
	r.Header.Del("Accept-Encoding") // its text is needed as it is
	e.own.ServeHTTP(resp, r)
	resp.end()
}

// ready returns the families of the latest snapshot in a format and content coding: those of
// the names, or all of them if there are none.
func (e *exposition) ready(format expfmt.Format, coding string, names []string) (*coded, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.families.source(e.built); now != e.built {
		e.built, e.renderings = now, nil
	}
	i := slices.IndexFunc(e.renderings, func(r *rendering) bool { return r.format == format })
	if i < 0 {
		r, err := render(format, e.families.collect(e.built))
		if err != nil {
			return nil, err
		}
		if len(e.renderings) == maxFormats {
			e.renderings = slices.Delete(e.renderings, 0, 1)
		}
		i, e.renderings = len(e.renderings), append(e.renderings, r)
	}
	r := e.renderings[i]
	if len(names) > 0 {
		return code(coding, r.only(names))
	}
	if c := r.coded[coding]; c != nil {
		return c, nil
	}
	c, err := code(coding, r.text)
	if err == nil {
		r.coded[coding] = c
	}
	return c, err
}

// rendering is the text of families in a format.
type rendering struct {
	format   expfmt.Format
	text     []byte
	families []span            // where they are in the text
	coded    map[string]*coded // the text, by content coding
}

// span is the part of a text that holds a family. It begins where the one before it ends.
type span struct {
	family string
	end    int
}

// render renders families without what ends an exposition, so that others can follow.
func render(format expfmt.Format, families []*dto.MetricFamily) (*rendering, error) {
	r := &rendering{format: format, coded: make(map[string]*coded)}
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, format)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return nil, fmt.Errorf("rendering %s as %s: %w", f.GetName(), format, err)
		}
		r.families = append(r.families, span{f.GetName(), text.Len()})
	}
	r.text = bytes.Clone(text.Bytes()) // a buffer keeps up to twice as much
	return r, nil
}

// only returns the text of the families that have one of the names.
func (r *rendering) only(names []string) []byte {
	var text []byte
	begin := 0
	for _, f := range r.families {
		if slices.Contains(names, f.family) {
			text = append(text, r.text[begin:f.end]...)
		}
		begin = f.end
	}
	return text
}

// response sends what is ready before what promhttp writes.
type response struct {
	http.ResponseWriter
	exposition *exposition
	coding     string
	names      []string

	failed bool         // an error is sent instead
	ready  *coded       // what was sent; nil before
	own    bytes.Buffer // what promhttp writes
}

// WriteHeader implements http.ResponseWriter. promhttp calls it only to report an error.
func (r *response) WriteHeader(status int) {
	r.failed = true
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *response) Write(p []byte) (int, error) {
	if r.failed {
		return r.ResponseWriter.Write(p)
	}
	if err := r.begin(); err != nil {
		return 0, err
	}
	return r.own.Write(p)
}

// begin sends what is ready, once.
func (r *response) begin() error {
	if r.ready != nil {
		return nil
	}
	var err error
	if r.ready, err = r.exposition.ready(expfmt.Format(r.Header().Get("Content-Type")), r.coding, r.names); err != nil {
		r.failed = true
		http.Error(r.ResponseWriter, err.Error(), http.StatusInternalServerError)
		return err
	}
	if r.coding != "" {
		r.Header().Set("Content-Encoding", r.coding)
	}
	_, err = r.ResponseWriter.Write(r.ready.bytes)
	return err
}

// end sends the rest.
func (r *response) end() {
	if r.failed || r.begin() != nil {
		return
	}
	if rest, err := r.ready.end(r.own.Bytes()); err == nil {
		_, _ = r.ResponseWriter.Write(rest) // or the client has gone
	}
}

// negotiateCoding returns the content coding in which promhttp would answer a request; ""
// for none. promhttp tells nobody, so it is had to answer with no families.
func negotiateCoding(r *http.Request) string {
	w := headers{}
	nothing.ServeHTTP(w, r)
	return http.Header(w).Get("Content-Encoding")
}

var nothing = promhttp.HandlerFor(prometheus.Gatherers{}, promhttp.HandlerOpts{})

// headers are those of a response whose body does not matter.
type headers http.Header

func (h headers) Header() http.Header         { return http.Header(h) }
func (h headers) Write(p []byte) (int, error) { return len(p), nil }
func (h headers) WriteHeader(int)             {}

// coded is the beginning of a text in a content coding.
//
// Parts in gzip could be complete members, one after the other. Prometheus reads them, but
// browsers show only the first and curl fails, so all parts make one member.
type coded struct {
	coding string
	bytes  []byte
	sum    uint32 // the CRC-32 of the text and
	size   int    // its length, which end a gzip member
}

// code codes the beginning of a text.
func code(coding string, text []byte) (*coded, error) {
	c := &coded{coding: coding, bytes: text}
	switch coding {
	case "gzip":
		var member bytes.Buffer
		w := gzip.NewWriter(&member)
		if _, err := w.Write(text); err != nil {
			return nil, err
		}
		if err := w.Flush(); err != nil { // and not Close: end does that
			return nil, err
		}
		c.bytes = bytes.Clone(member.Bytes())
		c.sum, c.size = crc32.ChecksumIEEE(text), len(text)
	case "zstd":
		var err error
		c.bytes, err = frame(text)
		return c, err
	}
	return c, nil
}

// end returns the rest of the text in the same coding.
func (c *coded) end(text []byte) ([]byte, error) {
	switch c.coding {
	case "gzip":
		var rest bytes.Buffer
		if err := flate.StatelessDeflate(&rest, text, true, nil); err != nil {
			return nil, err
		}
		end := binary.LittleEndian.AppendUint32(rest.Bytes(), crc32.Update(c.sum, crc32.IEEETable, text))
		return binary.LittleEndian.AppendUint32(end, uint32(c.size+len(text))), nil
	case "zstd":
		return frame(text) // another one: unlike members, all clients read several
	}
	return text, nil
}

// frame returns text as a frame of zstd.
func frame(text []byte) ([]byte, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	return e.EncodeAll(text, nil), nil
}
