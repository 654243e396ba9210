// Package datasource is the backend of the BOS datasource for Grafana: it answers which
// nodes of which sessions are where, in tables to drill down into.
//
// Each query type has a file with one function, which makes frames from a view: the
// sessions of the latest snapshot of the inventory that the query selects.
package datasource

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/concurrent"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// PluginID is the id of the plugin.
const PluginID = "bosexporter-bos-datasource"

const (
	maxConcurrentQueries = 10               // of a request
	queryTimeout         = 25 * time.Second // how long a query waits for a sweep
)

// Datasource is an instance of the datasource.
type Datasource struct {
	backend.CallResourceHandler
	settings  settings
	broken    error // why the settings cannot be used; all else is nil then
	client    *bosclient.Client
	apis      apis
	inventory *inventory.OnDemand
	machine   *machine
}

// apis are the APIs of a BOS.
type apis interface {
	componentSource
	All() []inventory.API
	Served() []bosapi.Served
	Find(ctx context.Context) ([]bosapi.Served, error)
}

var (
	_ backend.QueryDataHandler      = (*Datasource)(nil)
	_ backend.CheckHealthHandler    = (*Datasource)(nil)
	_ backend.CallResourceHandler   = (*Datasource)(nil)
	_ instancemgmt.InstanceDisposer = (*Datasource)(nil)
)

// New makes an instance. Settings that cannot be used are not an error here, where
// Grafana would only report that the plugin failed: queries and the health check say
// what is wrong with them.
func New(ctx context.Context, s backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	d := &Datasource{}
	d.CallResourceHandler = httpadapter.New(d.routes())
	if err := d.configure(ctx, s); err != nil {
		d.broken = requestError{"The datasource is not configured: " + err.Error()}
	}
	return d, nil
}

func (d *Datasource) configure(ctx context.Context, s backend.DataSourceInstanceSettings) (err error) {
	if d.settings, err = parseSettings(s); err != nil {
		return err
	}
	transport, err := d.settings.transport(ctx, s)
	if err != nil {
		return err
	}
	if err := d.connect(transport); err != nil {
		return err
	}
	d.machine = &machine{source: d.apis, do: d.inventory.Do}
	return nil
}

// connect has the instance read BOS, as its settings say, through a transport.
func (d *Datasource) connect(transport http.RoundTripper) (err error) {
	d.client, err = bosclient.New(bosclient.Config{
		URL:         d.settings.url,
		Transport:   transport,
		Tenant:      d.settings.tenant,
		UserAgent:   "Grafana " + PluginID,
		Timeout:     d.settings.timeout,
		Concurrency: bosclient.DefaultConcurrency,
	})
	if err != nil {
		return err
	}
	logger := slog.New(logHandler{log.DefaultLogger})
	if d.apis, err = bosapi.New(d.client, d.settings.api, logger); err != nil {
		return err
	}
	d.inventory = inventory.NewOnDemand(inventory.Config{
		APIs:        d.apis.All(),
		URL:         d.client.URL(),
		Now:         d.client.Now,
		Concurrency: bosclient.DefaultConcurrency,
		Logger:      logger,
		Interval:    max(d.settings.cache, 10*time.Second),
		MaxAge:      d.settings.maxAge,
		Limits:      d.settings.limits,
	})
	return nil
}

// Dispose ends the work of the instance and waits for it.
func (d *Datasource) Dispose() {
	if d.broken == nil {
		d.inventory.Close()
		d.client.CloseIdleConnections()
	}
}

// QueryData answers the queries of a request concurrently. It never returns an
// error: each query has its own.
func (d *Datasource) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	return concurrent.QueryData(ctx, req, func(ctx context.Context, q concurrent.Query) (answer backend.DataResponse) {
		defer func() {
			if r := recover(); r != nil {
				log.DefaultLogger.FromContext(ctx).Error("a query failed", "query", string(q.DataQuery.JSON), "panic", r)
				answer = response(fmt.Errorf("%v", r))
			}
		}()
		frames, err := d.query(ctx, q.DataQuery, req.Headers["FromAlert"] == "true")
		if err != nil {
			return response(err)
		}
		return backend.DataResponse{Status: backend.StatusOK, Frames: frames}
	}, maxConcurrentQueries)
}

func (d *Datasource) query(ctx context.Context, dq backend.DataQuery, alert bool) (data.Frames, error) {
	if d.broken != nil {
		return nil, d.broken
	}
	q, err := parseQuery(dq.JSON, dq.QueryType)
	known, ok := queryTypes[q.QueryType]
	if alert && ok && q.QueryType != alertType { // whatever else is wrong with it
		return nil, badRequest("alert rules cannot evaluate a query of type %s, which does not give labels and a single number: use the query type %s", q.QueryType, alertType)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var frames data.Frames
	answer := d.answer
	if known.ofMachine {
		answer = d.answerOfMachine
	}
	v, err := answer(ctx, q, dq.TimeRange, alert, func(v *view) (err error) {
		frames, err = known.run(v)
		return err
	})
	if err != nil {
		return nil, err
	}
	if alert && v.cut != "" {
		return nil, badRequest("%s: an alert rule must not lose any, so narrow its query with filters, or raise its limit or maxRows in the datasource's settings", v.cut)
	}
	asked, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if len(v.doubts) > 0 && len(frames[0].Fields) == 0 {
		// Panels with transformations lose the notices of a frame without columns, and
		// would claim that there is nothing.
		frames[0].Fields = data.Fields{notKnown("Nothing that is known. " + strings.Join(v.doubts, " "))}
	}
	for i, f := range frames {
		f.Meta.ExecutedQueryString = fmt.Sprintf("%s as of %s\n%s", v.source, v.asOf.UTC().Format(time.RFC3339), asked)
		if i == 0 {
			f.Meta.Notices = v.notices
		}
	}
	return frames, nil
}

// answer selects the sessions of a query and runs what answers it about them.
func (d *Datasource) answer(ctx context.Context, q Query, within backend.TimeRange, alert bool, run func(*view) error) (*view, error) {
	cache := d.settings.cache
	if alert {
		cache = min(cache, inventory.DefaultStaleAfter/2) // or the cache alone would make the data too old
	}
	v, err := d.view(ctx, q, within, cache)
	if err != nil {
		return nil, err
	}
	if err := v.choose(untilNow(within, v.now)); err != nil {
		return nil, err
	}
	if alert { // nobody reads the notices of an alert rule
		if err := v.outdated(); err != nil {
			return nil, err
		}
	}
	if err := run(v); err != nil {
		return nil, err
	}
	return v, v.conclude(alert)
}

// untilNow returns a time range; one that ends now by our clock ends now by that of BOS, too,
// which may be ahead.
func untilNow(within backend.TimeRange, now time.Time) backend.TimeRange {
	if time.Since(within.To) < time.Minute && now.After(within.To) {
		within.To = now
	}
	return within
}

// lists names the lists of sessions that answers begin with.
func (d *Datasource) lists() string {
	var lists []string
	for _, api := range d.apis.Served() {
		lists = append(lists, "GET "+api.Address(bos.Key{}))
	}
	return strings.Join(lists, ", ") + " ..."
}

// newView returns a view of nothing yet.
func (d *Datasource) newView(ctx context.Context, q Query) *view {
	v := &view{ctx: ctx, query: q, uid: d.settings.uid, max: d.settings.maxRows}
	if q.Limit > 0 {
		v.max = min(v.max, q.Limit)
	}
	return v
}

// view returns a view of a snapshot that is fresh enough, and has all that the query
// selects, or of an older one with a notice that says how old and why.
func (d *Datasource) view(ctx context.Context, q Query, within backend.TimeRange, cache time.Duration) (*view, error) {
	if q.Fresh {
		cache = 0
	}
	s, waited := d.inventory.Fresh(ctx, cache, func(s *inventory.Snapshot) bool { return q.answeredBy(s, untilNow(within, s.Time)) })
	if s.LastGood.IsZero() {
		if s.Err != nil {
			return nil, s.Err
		}
		return nil, cmp.Or(waited, errNotReadYet)
	}
	v := d.newView(ctx, q)
	v.inventory, v.snapshot, v.now = d.inventory, s, s.Time
	v.source, v.asOf = d.lists(), s.LastGood
	switch {
	case !s.Up:
		v.doubt("This data is %s old: %s", age(time.Since(s.LastGood)), s.Err)
	case !s.ListUp:
		v.doubt("New sessions may be missing: %s", s.Err)
	case waited != nil && s.Swept.IsZero():
		v.doubt("BOS is being read for the first time: more is known in a moment.")
	case waited != nil:
		v.doubt("This data is %s old: BOS is still being read.", age(time.Since(s.Swept)))
	case s.Sweeping() && time.Since(s.ListedAt) > d.settings.cache:
		v.warn("What has happened in the last %s may be missing: BOS is still being read.", age(time.Since(s.ListedAt)))
	}
	return v, nil
}
