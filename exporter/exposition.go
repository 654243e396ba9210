package exporter

import (
	"bytes"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // has promhttp offer it
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// maxRenderings is the maximum number of formats and content codings in which a snapshot is
// kept ready. Each takes as much memory as its text.
const maxRenderings = 4

// exposition serves metrics: those of the latest snapshot, which are rendered once for each
// format and coded once for each content coding that anybody asks for, and behind them the
// exporter's own, which differ at every scrape.
type exposition struct {
	// own serves the exporter's own families. It also negotiates the format, and reports and
	// counts errors, for all families.
	own      http.Handler
	families snapshotFamilies
	scrapes  chan struct{} // holds one for each scrape, until the client has read all of it

	// mu is held while anything is rendered, so that scrapes that need the same wait for it
	// and those that need something else do not add to the peak of memory.
	mu         sync.Mutex
	built      source
	renderings []*rendering // of that source, the newest last
}

// ServeHTTP implements http.Handler.
func (e *exposition) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case e.scrapes <- struct{}{}:
		defer func() { <-e.scrapes }()
	default:
		http.Error(w, fmt.Sprintf("There are %d scrapes at the same time already, which is the limit. Try again later.", cap(e.scrapes)), http.StatusServiceUnavailable)
		return
	}
	coding := negotiateCoding(r)
	own := ownResponse{ResponseWriter: w}
	plain := r.Clone(r.Context())
	plain.Header.Del("Accept-Encoding") // its text is needed as it is
	e.own.ServeHTTP(&own, plain)
	if own.failed {
		return
	}
	ready, err := e.ready(expfmt.Format(w.Header().Get("Content-Type")), coding, r.URL.Query()["name[]"])
	if err == nil {
		err = ready.send(w, own.text.Bytes())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// ready returns the families of the latest snapshot in a format and content coding: those of
// the names, or all of them if there are none.
func (e *exposition) ready(format expfmt.Format, coding string, names []string) (*coded, error) {
	if len(names) == 0 {
		r, err := e.rendering(format, coding)
		if err != nil {
			return nil, err
		}
		return r.coded, nil
	}
	r, err := e.rendering(format, "")
	if err != nil {
		return nil, err
	}
	return code(coding, r.only(names))
}

// rendering returns the families of the latest snapshot in a format and content coding.
func (e *exposition) rendering(format expfmt.Format, coding string) (*rendering, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.families.source(e.built); now != e.built {
		e.built, e.renderings = now, nil
	}
	if i := slices.IndexFunc(e.renderings, func(r *rendering) bool { return r.format == format && r.coded.coding == coding }); i >= 0 {
		return e.renderings[i], nil
	}
	if len(e.renderings) == maxRenderings {
		e.renderings = slices.Delete(e.renderings, 0, 1)
	}
	r, err := render(format, coding, e.families.collect(e.built))
	if err == nil {
		e.renderings = append(e.renderings, r)
	}
	return r, err
}

// rendering is the text of families in a format.
type rendering struct {
	format   expfmt.Format
	coded    *coded
	families []familyText // what is which in the text, if that has no content coding
}

type familyText struct {
	name string
	text blocks
}

// render renders families without what ends an exposition, so that others can follow.
func render(format expfmt.Format, coding string, families iter.Seq[*dto.MetricFamily]) (*rendering, error) {
	c, err := newCoder(coding)
	if err != nil {
		return nil, err
	}
	r := &rendering{format: format}
	encoder, size := expfmt.NewEncoder(c, format), 0
	for f := range families {
		if err := encoder.Encode(f); err != nil {
			return nil, fmt.Errorf("rendering %s as %s: %w", f.GetName(), format, err)
		}
		if coding == "" {
			text := c.blocks.after(size)
			size += text.size()
			r.families = append(r.families, familyText{f.GetName(), text})
		}
	}
	r.coded, err = c.flush()
	return r, err
}

// only returns the text of the families that have one of the names.
func (r *rendering) only(names []string) blocks {
	var text blocks
	for _, f := range r.families {
		if slices.Contains(names, f.name) {
			text = append(text, f.text...)
		}
	}
	return text
}

// ownResponse keeps what promhttp writes, unless that is an error: it lets that pass.
type ownResponse struct {
	http.ResponseWriter
	failed bool
	text   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter. promhttp calls it only to report an error.
func (r *ownResponse) WriteHeader(status int) {
	r.failed = true
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *ownResponse) Write(p []byte) (int, error) {
	if r.failed {
		return r.ResponseWriter.Write(p)
	}
	return r.text.Write(p)
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
