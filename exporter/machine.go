package exporter

import (
	"context"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// maxMachineWait bounds the wait between readings of the nodes that fail, in intervals.
const maxMachineWait = 6

// readMachine reads the nodes of BOS v2 once per interval until ctx is done. After a failure
// it waits for twice as long as before.
func (e *Exporter) readMachine(ctx context.Context) {
	wait := e.cfg.ComponentsInterval
	var last error
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		at := time.Now()
		components, err := e.apis.Components(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			e.takeMachine(at, components)
			wait = e.cfg.ComponentsInterval
			if last != nil {
				e.logger.Info("the nodes can be read again", "nodes", len(components))
			}
		default:
			if !bos.SameCause(last, err) {
				e.logger.Warn("the nodes cannot be read for the collector components", "err", err)
			}
			wait = min(2*wait, maxMachineWait*e.cfg.ComponentsInterval)
		}
		last = err
		pause.Reset(max(wait, bos.RetryAfter(err)))
	}
}

// takeMachine has what was read of the nodes served. The nodes of a tenant may be in sessions
// that only others see: whether those still exist is not known then.
func (e *Exporter) takeMachine(at time.Time, components []bos.Component) {
	m := bos.NewMachine(at, components)
	if e.client.Tenant() != "" {
		m.Enabled = nil
	}
	e.machine.Store(m)
}
