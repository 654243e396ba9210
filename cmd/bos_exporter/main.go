// Command bos_exporter is a Prometheus exporter for the sessions of a Boot
// Orchestration Service (BOS).
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
	webflag "github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/exporter"
)

func main() {
	// Sweeping every half minute leaves processors mostly idle, while memory stays occupied:
	// collect more often than Go does by itself, unless the operator says how often.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if err := run(os.Args[1:]); err != nil {
		// Some parsers return errors of several lines.
		fmt.Fprintln(os.Stderr, "bos_exporter:", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once

	app, config := newApp()
	if _, err := app.Parse(args); err != nil {
		return explain(app, args, err)
	}
	cfg, logger := config()
	// Libraries log on their own account, and net/http what servers send unasked.
	slog.SetLogLoggerLevel(slog.LevelDebug)
	slog.SetDefault(logger)
	e, err := exporter.New(cfg, logger, os.Stdout)
	if err != nil {
		return err
	}
	return e.Run(ctx)
}

// newApp declares the flags. The function it returns yields their values once they
// have been parsed.
func newApp() (*kingpin.Application, func() (exporter.Config, *slog.Logger)) {
	app := kingpin.New("bos_exporter", "Prometheus exporter for the sessions of a Boot Orchestration Service (BOS).")
	app.HelpFlag.Short('h')
	app.Version(version.Print("bos_exporter"))
	app.UsageWriter(os.Stdout)

	cfg := exporter.DefaultConfig()
	app.Flag("bos.url", "Base URL of BOS without /v1 or /v2, such as http://cray-bos or https://api-gw-service-nmn.local/apis/bos.").PlaceHolder("URL").StringVar(&cfg.URL)
	app.Flag("bos.api", "BOS API to read: v1, v2, or auto for all that BOS serves.").Default(cfg.API).EnumVar(&cfg.API, exporter.APIs...)
	app.Flag("bos.http-config", "File with the HTTP client configuration: credentials, OAuth2, TLS and proxy.").PlaceHolder("FILE").StringVar(&cfg.HTTPConfig)
	app.Flag("bos.tenant", "Tenant to send to BOS in the Cray-Tenant-Name header; BOS v1 knows none.").PlaceHolder("NAME").StringVar(&cfg.Tenant)
	app.Flag("bos.interval", "Interval between sweeps of BOS.").Default(shortDuration(cfg.Interval)).DurationVar(&cfg.Interval)
	app.Flag("bos.timeout", "Timeout of a request to BOS.").Default(shortDuration(cfg.Timeout)).DurationVar(&cfg.Timeout)
	app.Flag("bos.concurrency", "Maximum concurrent requests to BOS.").Default(strconv.Itoa(cfg.Concurrency)).IntVar(&cfg.Concurrency)
	app.Flag("bos.stale-after", "Time since the last successful response from BOS after which the series of sessions are dropped.").Default(shortDuration(cfg.StaleAfter)).DurationVar(&cfg.StaleAfter)
	app.Flag("sessions.max-age", "Maximum age of sessions with series of their own; the outcomes of older ones are read little by little. 0 is no maximum.").Default(shortDuration(cfg.MaxAge)).DurationVar(&cfg.MaxAge)
	app.Flag("sessions.linger", "How long to keep the series of a session after it ends; 0 keeps them forever.").Default(shortDuration(cfg.Linger)).DurationVar(&cfg.Linger)
	app.Flag("sessions.max", "Maximum number of sessions with series of their own.").Default(strconv.Itoa(cfg.MaxSessions)).IntVar(&cfg.MaxSessions)
	app.Flag("stuck.shutdown", "Time without progress after which a session is stuck, during shutdown or before its nodes are reported. Unless set, BOS v2 sessions are judged by the waits in the options of BOS.").Default(shortDuration(cfg.Limits.Shutdown)).IsSetByUser(&cfg.LimitsSet.Shutdown).DurationVar(&cfg.Limits.Shutdown)
	app.Flag("stuck.other", "Time without progress after which a session is stuck, in all other phases. Unless set, BOS v2 sessions are judged by the waits in the options of BOS.").Default(shortDuration(cfg.Limits.Other)).IsSetByUser(&cfg.LimitsSet.Other).DurationVar(&cfg.Limits.Other)
	app.Flag("stuck.abandoned", "Time a session may be stuck before it counts as abandoned.").Default(shortDuration(cfg.Limits.Abandoned)).IsSetByUser(&cfg.LimitsSet.Abandoned).DurationVar(&cfg.Limits.Abandoned)
	enabled := make([]*bool, len(collectors.All))
	for i, c := range collectors.All {
		enabled[i] = app.Flag("collector."+c.Name, "Collect "+c.Help+".").Default(strconv.FormatBool(!c.Optional)).Bool()
	}
	app.Flag("components.interval", "Interval between readings of all nodes for the collector components.").Default(shortDuration(cfg.ComponentsInterval)).DurationVar(&cfg.ComponentsInterval)
	cfg.Web = webflag.AddFlags(app, ":9936")
	app.Flag("web.telemetry-path", "Path under which to expose metrics.").Default(cfg.TelemetryPath).StringVar(&cfg.TelemetryPath)
	app.Flag("web.enable-pprof", "Serve profiles of the exporter at /debug/pprof/.").BoolVar(&cfg.Pprof)
	app.Flag("demo", "Watch a built-in simulated BOS, sweeping it at least every 5s.").BoolVar(&cfg.Demo)
	log := &promslog.Config{}
	promslogflag.AddFlags(app, log)

	return app, func() (exporter.Config, *slog.Logger) {
		for i, c := range collectors.All {
			if *enabled[i] {
				cfg.Collectors = append(cfg.Collectors, c)
			}
		}
		return cfg, promslog.New(log)
	}
}

// shortDuration formats a duration the way people write it: 10m, not 10m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// explain adds the name of the flag to a parse error, because errors about values do
// not mention it.
func explain(app *kingpin.Application, args []string, err error) error {
	parsed, parseErr := app.ParseContext(args)
	if parseErr == nil {
		for _, e := range parsed.Elements {
			if f, ok := e.Clause.(*kingpin.FlagClause); ok && e.Value != nil && f.Model().Value.Set(*e.Value) != nil {
				return fmt.Errorf("--%s=%s: %w; try --help", f.Model().Name, *e.Value, err)
			}
		}
	}
	return fmt.Errorf("%w; try --help", err)
}
