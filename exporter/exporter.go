// Package exporter serves what the inventory knows about BOS as Prometheus metrics.
package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promcollectors "github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

const (
	healthyPath = "/-/healthy"
	readyPath   = "/-/ready"
	pprofPath   = "/debug/pprof/"

	// shutdownGrace is how long responses in flight may take once Run is told to stop.
	shutdownGrace = 3 * time.Second
	// writeTimeout bounds the writing of a response, so that clients that do not
	// read theirs cannot lock others out.
	writeTimeout = time.Minute
	// maxRequests is the maximum number of concurrent scrapes.
	maxRequests = 40
)

// Exporter watches a BOS and serves its metrics.
type Exporter struct {
	cfg       Config
	logger    *slog.Logger
	client    *bosclient.Client
	apis      *bosapi.APIs
	inventory *inventory.Inventory
	self      *prometheus.Registry        // the exporter's own metrics, which no snapshot holds
	machine   atomic.Pointer[bos.Machine] // nil before the first reading
	demo      *demo                       // nil unless enabled

	insecureTLS bool // whether TLS certificates are not verified
}

// New checks the configuration and returns an exporter that is ready to run. Until
// then it neither listens nor sends a request. Messages for a person go to stdout.
func New(cfg Config, logger *slog.Logger, stdout io.Writer) (*Exporter, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	e := &Exporter{cfg: cfg, logger: logger, self: prometheus.NewRegistry()}
	if cfg.Demo {
		d, err := newDemo(stdout)
		if err != nil {
			return nil, err
		}
		e.demo = d
		e.cfg.URL = d.url
		e.cfg.Interval = min(cfg.Interval, demoInterval)
	}
	transport := cfg.Transport
	if transport == nil {
		var err error
		if transport, e.insecureTLS, err = e.cfg.transport(); err != nil {
			return nil, err
		}
	}
	if e.insecureTLS {
		logger.Warn("TLS certificates are not verified, so anyone on the network can pose as BOS and read the credentials: use ca_file instead of insecure_skip_verify", "file", cfg.HTTPConfig)
	}
	requests := newRequestMetrics()
	e.self.MustRegister(
		requests.total, requests.duration,
		versioncollector.NewCollector("bos_exporter"),
		promcollectors.NewGoCollector(),
		promcollectors.NewProcessCollector(promcollectors.ProcessCollectorOpts{}),
	)
	var err error
	e.client, err = bosclient.New(bosclient.Config{
		URL:         e.cfg.URL,
		Transport:   transport,
		Tenant:      e.cfg.Tenant,
		UserAgent:   "bos_exporter/" + version.Version,
		Timeout:     e.cfg.Timeout,
		Concurrency: e.cfg.Concurrency,
		Observe:     requests.observe,
	})
	if err != nil {
		return nil, fmt.Errorf("--bos.%w", err)
	}
	if e.apis, err = bosapi.New(e.client, e.cfg.API, logger); err != nil {
		return nil, fmt.Errorf("--bos.%w", err)
	}
	e.inventory = inventory.New(inventory.Config{
		APIs:        e.apis.All(),
		URL:         e.client.URL(),
		Now:         e.client.Now,
		Concurrency: e.cfg.Concurrency,
		Logger:      logger,
		Interval:    e.cfg.Interval,
		MaxAge:      e.cfg.MaxAge,
		Linger:      e.cfg.Linger,
		MaxSessions: e.cfg.MaxSessions,
		Limits:      e.cfg.limits(),
	})
	return e, nil
}

// Run sweeps BOS and serves until ctx is done, then stops within five seconds. It
// returns an error if it cannot serve.
func (e *Exporter) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           e.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      writeTimeout,
		ErrorLog:          slog.NewLogLogger(e.logger.Handler(), slog.LevelWarn),
		BaseContext: func(l net.Listener) context.Context {
			if e.demo != nil {
				e.demo.welcome(l.Addr(), e.cfg)
			}
			return context.Background()
		},
	}
	defer context.AfterFunc(ctx, func() { e.logger.Info("Stopping") })()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := web.ListenAndServe(server, e.cfg.Web, e.logger)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serving: %w", err)
	})
	g.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			return server.Close()
		}
		return nil
	})
	g.Go(func() error {
		e.Sweep(ctx)
		return nil
	})
	if slices.ContainsFunc(e.cfg.Collectors, func(c collectors.Collector) bool { return c.Name == collectors.Components.Name }) {
		g.Go(func() error {
			e.readMachine(ctx)
			return nil
		})
	}
	if e.demo != nil {
		g.Go(func() error { return e.demo.run(ctx) })
	}
	err := g.Wait()
	e.client.CloseIdleConnections()
	return err
}

// Sweep sweeps BOS until ctx is done. It pauses for the interval after each sweep, so
// that BOS gets a rest however long a sweep takes.
func (e *Exporter) Sweep(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		e.inventory.Sweep(ctx)
		pause.Reset(e.cfg.Interval)
	}
}

// Handler serves every page. It does not use the default mux, on which packages
// register profiling.
func (e *Exporter) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+e.cfg.TelemetryPath, e.metrics())
	mux.HandleFunc("GET "+healthyPath, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "bos_exporter is healthy.")
	})
	mux.HandleFunc("GET "+readyPath, func(w http.ResponseWriter, _ *http.Request) {
		switch s := e.inventory.Snapshot(); {
		case e.inventory.LastGood().IsZero():
			http.Error(w, "bos_exporter is not ready: BOS has not answered successfully yet.", http.StatusServiceUnavailable)
		case s.Swept.IsZero() || s.LastGood.IsZero():
			http.Error(w, "bos_exporter is not ready: BOS answers, but the first good sweep is still under way.", http.StatusServiceUnavailable)
		default:
			fmt.Fprintln(w, "bos_exporter is ready.")
		}
	})
	mux.HandleFunc("GET /{$}", e.landing)
	if e.cfg.Pprof {
		mux.HandleFunc(pprofPath, pprof.Index)
		mux.HandleFunc(pprofPath+"cmdline", pprof.Cmdline)
		mux.HandleFunc(pprofPath+"profile", pprof.Profile)
		mux.HandleFunc(pprofPath+"symbol", pprof.Symbol)
		mux.HandleFunc(pprofPath+"trace", pprof.Trace)
	}
	return withSecurityHeaders(mux)
}

// metrics serves the metric families of the latest snapshot and the exporter's own.
func (e *Exporter) metrics() *exposition {
	return &exposition{
		own: promhttp.HandlerFor(e.self, promhttp.HandlerOpts{
			ErrorLog:          slog.NewLogLogger(e.logger.Handler(), slog.LevelError),
			ErrorHandling:     promhttp.HTTPErrorOnError, // report only the first: scrapers hang up halfway
			Registry:          e.self,
			EnableOpenMetrics: true,
		}),
		scrapes: make(chan struct{}, maxRequests),
		families: snapshotFamilies{
			inventory:  e.inventory,
			collectors: e.cfg.Collectors,
			staleAfter: e.cfg.StaleAfter,
			logger:     e.logger,
			machine:    &e.machine,
			// The next reading is late by as much as sessions may be.
			machineStale: e.cfg.ComponentsInterval + e.cfg.StaleAfter,
		},
	}
}
