// Package bosv2 reads sessions over the v2 API of BOS, the only one since CSM 1.6. It
// concludes their boot sets, phases and categories from the components, which are what BOS
// knows of every node (bos-v2.md, What is shown of v2).
package bosv2

import (
	"context"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// API reads the sessions of BOS v2.
type API struct {
	client client

	// turn is held by whoever reads or asks for the limits. It is a channel so that those
	// who wait for BOS to answer another heed their contexts.
	turn    chan struct{}
	limits  bos.Limits // from the options of BOS
	limitAt time.Time  // when those were last asked for, by our clock
}

// New returns an API that sends its requests through a client.
func New(c *bosclient.Client) *API {
	return &API{client: client{c}, turn: make(chan struct{}, 1), limits: waits{}.limits()}
}

// Name implements inventory.API.
func (a *API) Name() string { return bos.APIv2 }

// Address implements inventory.API.
func (a *API) Address(k bos.Key) string {
	if k.ID == "" {
		return a.client.Address("v2", "sessions")
	}
	return a.client.Address("v2", "sessions", k.ID)
}

// List implements inventory.API. Pending sessions are listed before running ones, so that
// none is missed that begins to run in between.
func (a *API) List(ctx context.Context, all bool) (inventory.Listing, error) {
	states := []string{statePending, stateRunning}
	if all {
		states = []string{""}
	}
	listing := inventory.Listing{Partial: !all}
	places := make(map[bos.Key]int)
	for _, state := range states {
		records, err := a.client.sessions(ctx, state)
		if err != nil {
			return inventory.Listing{}, err
		}
		for _, r := range records {
			key := r.Key()
			place, known := places[key]
			if !known {
				place = len(listing.Sessions)
				places[key] = place
				listing.Sessions = append(listing.Sessions, inventory.Listed{})
			}
			if r.wrong != nil {
				listing.Sessions[place] = inventory.Listed{Key: key} // its own description is to say so, and spoils no list
				continue
			}
			listing.Sessions[place] = inventory.Listed{Key: key, Description: r.Session}
			if bare(r.Session) {
				listing.Partial = true // it may be of any tenant: no known session can be said to be missing
			}
		}
	}
	return listing, nil
}

// Components returns every node of the machine as BOS knows it now, in no particular order.
func (a *API) Components(ctx context.Context) ([]bos.Component, error) {
	var nodes []bos.Component
	seen := make(map[string]bool)
	err := a.client.components(ctx, "", nil, func(c *component) error {
		if !seen[c.ID] {
			seen[c.ID] = true
			nodes = append(nodes, c.Component)
		}
		return tooMany(len(nodes))
	})
	if err != nil {
		return nil, err
	}
	return nodes, nil
}

func tooMany(nodes int) error {
	if nodes > bos.MaxNodes {
		return bosclient.MoreThan(bos.MaxNodes, "nodes")
	}
	return nil
}

const (
	// optionsEvery is the time between readings of the options of BOS. They are set once,
	// if ever.
	optionsEvery = 15 * time.Minute
	// reportLimit is how long a session may be pending: its set-up takes seconds, also
	// where there are thousands of nodes.
	reportLimit = 10 * time.Minute
	// defaultPoll is how often the operators of BOS look at the nodes by default.
	defaultPoll = 15 * time.Second
)

// limits returns the limits that follow from the options of BOS.
func (w waits) limits() bos.Limits {
	poll := time.Duration(w.poll) * time.Second
	if w.poll == 0 {
		poll = defaultPoll
	}
	wait := func(seconds int) time.Duration {
		if seconds == 0 {
			return 0
		}
		return time.Duration(seconds)*time.Second + 4*poll
	}
	return bos.Limits{Report: reportLimit, Shutdown: wait(w.powerOff), Boot: wait(w.boot), Closing: 3 * poll}
}

// currentLimits returns the limits, and keeps the previous ones if the options cannot be
// read: the gateway refuses them to tenants.
func (a *API) currentLimits(ctx context.Context) bos.Limits {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return bos.Limits{} // the session cannot be read anymore
	}
	if time.Since(a.limitAt) >= optionsEvery {
		w, err := a.client.options(ctx)
		if err == nil {
			a.limits = w.limits()
		}
		if ctx.Err() == nil {
			a.limitAt = time.Now()
		}
	}
	return a.limits
}

// Open implements inventory.API.
func (a *API) Open() inventory.Reader {
	return &reader{api: a, client: a.client, templates: make(map[templateKey]templateEntry)}
}

var (
	_ inventory.API    = (*API)(nil)
	_ inventory.Reader = (*reader)(nil)
)
