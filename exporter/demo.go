package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

const (
	// demoPace is how many times faster than real ones the sessions of the demo
	// run, so that a reboot takes a few minutes.
	demoPace = 10
	// demoInterval is the longest interval between sweeps of the demo.
	demoInterval = 5 * time.Second
)

// demo is a simulated BOS on a loopback port.
type demo struct {
	url      string
	listener net.Listener
	stdout   io.Writer
	greeted  sync.Once
}

func newDemo(stdout io.Writer) (*demo, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("--demo: no port for the simulated BOS: %w", err)
	}
	return &demo{url: "http://" + l.Addr().String() + "/apis/bos", listener: l, stdout: stdout}, nil
}

// run serves the simulated BOS until ctx is done.
func (d *demo) run(ctx context.Context) error {
	sim := bossim.New(bossim.Live(time.Now(), demoPace), bossim.EraC, time.Now)
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() {
		sim.Close()
		_ = server.Close()
	})
	defer stop()
	if err := server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("--demo: simulated BOS: %w", err)
	}
	return nil
}

// welcome prints which pages to open, once the exporter listens on addr.
func (d *demo) welcome(addr net.Addr, cfg Config) {
	d.greeted.Do(func() { d.greet(addr, cfg) })
}

func (d *demo) greet(addr net.Addr, cfg Config) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return // a Unix socket: whoever configured it knows where it is
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	base := net.JoinHostPort(host, port)
	if *cfg.Web.WebConfigFile == "" { // which may require TLS
		base = "http://" + base
	}
	fmt.Fprintf(d.stdout, `A simulated BOS is at %s/v1/session; its sessions run %d times faster than real ones.
Open %s/ to see them, or %s%s for the metrics. Press Ctrl-C to stop.
`, d.url, demoPace, base, base, cfg.TelemetryPath)
}
