// Command bos_exporter serves the sessions of a Boot Orchestration Service as
// Prometheus metrics.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
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
	if err := run(os.Args[1:]); err != nil {
		// Some parsers spread their errors over several lines.
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
	e, err := exporter.New(cfg, logger, os.Stdout)
	if err != nil {
		return err
	}
	return e.Run(ctx)
}

// newApp declares the flags. The function it returns gives their values once they
// have been parsed.
func newApp() (*kingpin.Application, func() (exporter.Config, *slog.Logger)) {
	app := kingpin.New("bos_exporter", "Serves the sessions of a Boot Orchestration Service (BOS) as Prometheus metrics.")
	app.HelpFlag.Short('h')
	app.Version(version.Print("bos_exporter"))
	app.UsageWriter(os.Stdout)

	cfg := exporter.DefaultConfig()
	app.Flag("bos.url", "Address of BOS above /v1, such as http://cray-bos or https://api-gw-service-nmn.local/apis/bos.").PlaceHolder("URL").StringVar(&cfg.URL)
	app.Flag("bos.api", "API of BOS to read: auto or v1.").Default("auto").Enum("auto", "v1")
	app.Flag("bos.http-config", "File with the HTTP client's configuration: credentials, OAuth2, TLS, proxy.").PlaceHolder("FILE").StringVar(&cfg.HTTPConfig)
	app.Flag("bos.tenant", "Tenant to name to BOS in the header Cray-Tenant-Name.").PlaceHolder("NAME").StringVar(&cfg.Tenant)
	app.Flag("bos.interval", "Time between sweeps of BOS.").Default(duration(cfg.Interval)).DurationVar(&cfg.Interval)
	app.Flag("bos.timeout", "Deadline of a request to BOS.").Default(duration(cfg.Timeout)).DurationVar(&cfg.Timeout)
	app.Flag("bos.concurrency", "Most requests to BOS at once.").Default(strconv.Itoa(cfg.Concurrency)).IntVar(&cfg.Concurrency)
	app.Flag("bos.stale-after", "Age of the last good answer of BOS at which the series of sessions end.").Default(duration(cfg.StaleAfter)).DurationVar(&cfg.StaleAfter)
	app.Flag("sessions.max-age", "Age from which sessions are listed but not followed; 0 follows all.").Default(duration(cfg.MaxAge)).DurationVar(&cfg.MaxAge)
	app.Flag("sessions.linger", "How long a session keeps its series after its end; 0 is for ever.").Default(duration(cfg.Linger)).DurationVar(&cfg.Linger)
	app.Flag("sessions.max", "Most sessions that have series of their own.").Default(strconv.Itoa(cfg.MaxSessions)).IntVar(&cfg.MaxSessions)
	app.Flag("stuck.shutdown", "How long no node may move during shutdown, or be reported at all, until a session is stuck.").Default(duration(cfg.Limits.Shutdown)).DurationVar(&cfg.Limits.Shutdown)
	app.Flag("stuck.other", "How long no node may move otherwise until a session is stuck.").Default(duration(cfg.Limits.Other)).DurationVar(&cfg.Limits.Other)
	app.Flag("stuck.abandoned", "How long a session may be stuck until it counts as abandoned.").Default(duration(cfg.Limits.Abandoned)).DurationVar(&cfg.Limits.Abandoned)
	enabled := make([]*bool, len(collectors.All))
	for i, c := range collectors.All {
		enabled[i] = app.Flag("collector."+c.Name, "Collect "+c.Help+".").Default("true").Bool()
	}
	cfg.Web = webflag.AddFlags(app, ":9936")
	app.Flag("web.telemetry-path", "Path of the metrics.").Default(cfg.TelemetryPath).StringVar(&cfg.TelemetryPath)
	app.Flag("web.enable-pprof", "Serve profiles of the exporter itself at /debug/pprof/.").BoolVar(&cfg.Pprof)
	app.Flag("demo", "Watch a built-in simulated BOS, at least every 5s.").BoolVar(&cfg.Demo)
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

// duration writes a duration as people do: 10m, not 10m0s.
func duration(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// explain adds to an error of the parser which flag it is about, which errors
// about values leave out.
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
