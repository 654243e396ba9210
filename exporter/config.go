package exporter

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Config is everything that can be set; the flags of cmd/bos_exporter fill it in.
// The comments name the flags, for the errors do so, too.
type Config struct {
	URL         string        // --bos.url
	HTTPConfig  string        // --bos.http-config, a file
	Tenant      string        // --bos.tenant
	Interval    time.Duration // --bos.interval
	Timeout     time.Duration // --bos.timeout
	Concurrency int           // --bos.concurrency
	StaleAfter  time.Duration // --bos.stale-after

	MaxAge      time.Duration // --sessions.max-age
	Linger      time.Duration // --sessions.linger
	MaxSessions int           // --sessions.max

	Limits bos.Limits // --stuck.shutdown, --stuck.other, --stuck.abandoned

	Collectors []collectors.Collector // --[no-]collector.NAME

	Web           *web.FlagConfig // --web.listen-address, --web.config.file
	TelemetryPath string          // --web.telemetry-path
	Pprof         bool            // --web.enable-pprof

	Demo bool // --demo
}

// check tells the first thing that makes no sense, and what to do about it.
func (c *Config) check() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
		zero  bool // whether 0 has a meaning
	}{
		{"bos.interval", c.Interval, false},
		{"bos.timeout", c.Timeout, false},
		{"bos.stale-after", c.StaleAfter, false},
		{"sessions.max-age", c.MaxAge, true},
		{"sessions.linger", c.Linger, true},
		{"stuck.shutdown", c.Limits.Shutdown, false},
		{"stuck.other", c.Limits.Other, false},
		{"stuck.abandoned", c.Limits.Abandoned, false},
	} {
		if d.value < 0 || d.value == 0 && !d.zero {
			return fmt.Errorf("--%s=%s: must be above 0", d.flag, d.value)
		}
	}
	switch {
	case c.Demo && c.URL != "":
		return errors.New("--demo watches its own simulated BOS: leave out --bos.url, or --demo")
	case !c.Demo && c.URL == "":
		return errors.New("--bos.url is missing: give the address of BOS, such as --bos.url=http://cray-bos or --bos.url=https://api-gw-service-nmn.local/apis/bos, or try --demo")
	case c.Concurrency < 1:
		return fmt.Errorf("--bos.concurrency=%d: must be 1 or more", c.Concurrency)
	case c.MaxSessions < 1:
		return fmt.Errorf("--sessions.max=%d: must be 1 or more", c.MaxSessions)
	case c.StaleAfter < c.Interval:
		return fmt.Errorf("--bos.stale-after=%s is shorter than --bos.interval=%s: the series would end between sweeps", c.StaleAfter, c.Interval)
	case strings.ContainsFunc(c.Tenant, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("--bos.tenant=%q: the name of a tenant has no white space or special characters", c.Tenant)
	case !strings.HasPrefix(c.TelemetryPath, "/") || c.TelemetryPath == "/" || slices.Contains([]string{healthyPath, readyPath}, c.TelemetryPath) || strings.HasPrefix(c.TelemetryPath, pprofPath) || strings.ContainsAny(c.TelemetryPath, "{} "):
		return fmt.Errorf("--web.telemetry-path=%q: must be a path of its own, such as /metrics", c.TelemetryPath)
	}
	if err := web.Validate(*c.Web.WebConfigFile); err != nil {
		return fmt.Errorf("--web.config.file=%s: %w", *c.Web.WebConfigFile, err)
	}
	return nil
}

// transport is what carries requests to BOS: credentials, TLS and proxy.
func (c *Config) transport() (http.RoundTripper, error) {
	var http promconfig.HTTPClientConfig
	if c.HTTPConfig != "" {
		loaded, _, err := promconfig.LoadHTTPConfigFile(c.HTTPConfig)
		if err != nil {
			return nil, fmt.Errorf("--bos.http-config=%s: %w", c.HTTPConfig, err)
		}
		http = *loaded
		if err := readable(http); err != nil {
			return nil, fmt.Errorf("--bos.http-config=%s: %w", c.HTTPConfig, err)
		}
	}
	client, err := promconfig.NewClientFromConfig(http, "bos")
	if err != nil {
		return nil, fmt.Errorf("--bos.http-config=%s: %w", c.HTTPConfig, err)
	}
	return client.Transport, nil
}

// readable checks the files that are read anew for each request, so that a wrong
// path is told at the start.
func readable(c promconfig.HTTPClientConfig) error {
	var files []string
	if c.Authorization != nil {
		files = append(files, c.Authorization.CredentialsFile)
	}
	if c.BasicAuth != nil {
		files = append(files, c.BasicAuth.UsernameFile, c.BasicAuth.PasswordFile)
	}
	if c.OAuth2 != nil {
		files = append(files, c.OAuth2.ClientSecretFile)
	}
	for _, file := range files {
		if file == "" {
			continue
		}
		if _, err := os.ReadFile(file); err != nil {
			return err
		}
	}
	return nil
}
