package exporter

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/common/version"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var (
	//go:embed landing.html
	landingHTML string
	//go:embed landing.css
	landingCSS string
)

var landingTemplate = template.Must(template.New("landing").Parse(landingHTML))

// landingRows is the maximum number of sessions on the landing page.
const landingRows = 100

// landingPage is the data of the landing page.
type landingPage struct {
	Style    template.CSS
	Version  string
	URL      string
	Metrics  string
	Pprof    string // "" unless served
	Demo     bool
	Insecure bool   // whether TLS certificates are not verified
	Refresh  int    // seconds
	APIs     string // those that BOS serves; "" until that is known
	Up       bool
	Err      error
	LastGood string // "" before the first
	Stale    bool
	Swept    bool
	Listed   bos.Optional[int]
	Errors   int   // number of sessions that cannot be read in full
	FirstErr error // the error of one of them
	Sessions []landingSession
	More     int // number of exposed sessions left out
}

type landingSession struct {
	*inventory.Session
	Marks   []string // its tenant, and its API where sessions of several are listed
	Started string
	Phases  []landingPhase
}

// landingPhase is the progress of a phase.
type landingPhase struct {
	BootSet, Name string
	State         bos.State
	Nodes         bos.Tally
}

// landing serves a page for people: whether BOS is up, and how far its sessions are.
func (e *Exporter) landing(w http.ResponseWriter, _ *http.Request) {
	s := e.inventory.Snapshot()
	p := landingPage{
		Style:    template.CSS(landingCSS),
		Version:  version.Version,
		URL:      e.client.URL(),
		Metrics:  e.cfg.TelemetryPath,
		Demo:     e.demo != nil,
		Insecure: e.insecureTLS,
		Refresh:  max(5, int(e.cfg.Interval.Seconds())),
		Up:       s.Up,
		Err:      s.Err,
		Swept:    !s.Swept.IsZero(),
		Listed:   s.Listed,
		APIs:     bosapi.Describe(e.apis.Served()),
	}
	if e.cfg.Pprof {
		p.Pprof = pprofPath
	}
	for i := range s.Sessions {
		if err := s.Sessions[i].Err; err != nil {
			p.Errors, p.FirstErr = p.Errors+1, err
		}
	}
	if good := e.inventory.LastGood(); !good.IsZero() {
		age := time.Since(good)
		p.LastGood = age.Round(time.Second).String()
		p.Stale = age > e.cfg.StaleAfter
	}
	p.Sessions, p.More = landingSessions(s)
	var page bytes.Buffer
	if err := landingTemplate.Execute(&page, p); err != nil {
		e.logger.Error("cannot render the landing page; please report this", "err", err)
		http.Error(w, "The landing page cannot be rendered. The metrics are at "+e.cfg.TelemetryPath+".", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w)
}

// landingSessions returns the most interesting exposed sessions, and the number of
// those left out.
func landingSessions(s *inventory.Snapshot) (rows []landingSession, more int) {
	several := slices.ContainsFunc(s.Sessions, func(e inventory.Session) bool { return e.API != s.Sessions[0].API })
	for i := range s.Sessions {
		e := &s.Sessions[i]
		if !e.Exposed {
			continue
		}
		row := landingSession{Session: e, Started: "unknown"}
		if several {
			row.Marks = append(row.Marks, "API "+e.API)
		}
		if e.Tenant != "" {
			row.Marks = append(row.Marks, "tenant "+e.Tenant)
		}
		if began := e.Began(); !began.IsZero() {
			row.Started = began.Format("2006-01-02 15:04:05")
		}
		for j, set := range e.Verdict.BootSets {
			b := &e.BootSets[j]
			for k, state := range set.Phases {
				row.Phases = append(row.Phases, landingPhase{b.Name, b.Phases[k].Name, state, b.Phases[k].Nodes})
			}
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b landingSession) int { return a.CompareInterest(b.Session) })
	if len(rows) > landingRows {
		return rows[:landingRows], len(rows) - landingRows
	}
	return rows, 0
}
