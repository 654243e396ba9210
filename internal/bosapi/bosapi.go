// Package bosapi finds out which versions of its API a BOS serves, and notices when an
// upgrade or a downgrade changes that.
package bosapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bosv1"
	"github.com/bos-exporter/bos-exporter/internal/bosv2"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// Auto is the choice of every API that BOS serves.
const Auto = "auto"

// Choices lists what can be chosen: Auto, or one API alone.
var Choices = []string{Auto, bos.APIv1, bos.APIv2}

// version is GET /v1/version and GET /v2/version.
var version = bosclient.Resource{Name: "version"}

// Resources lists the names of the resources of all APIs in metrics, each once.
var Resources = resources()

func resources() []string {
	names := slices.Concat(bosv1.Resources, bosv2.Resources, []string{version.Name})
	slices.Sort(names)
	return slices.Compact(names)
}

// askAgainAfter is the time after which BOS is asked again which APIs it serves.
const askAgainAfter = 5 * time.Minute

// APIs are the APIs that BOS may serve. They are safe for concurrent use, keep no
// goroutine, and send nothing until they are asked for something.
type APIs struct {
	client     *bosclient.Client
	logger     *slog.Logger
	adapters   []*adapter // v2 first: whatever is told of one API is told of the newest
	components *bosv2.API

	mu   sync.Mutex // guards what follows, and what the adapters know
	next time.Time  // when to ask again what is served
}

// New returns the APIs of a choice; "" stands for Auto. What changes in what BOS serves is
// logged.
func New(client *bosclient.Client, choice string, logger *slog.Logger) (*APIs, error) {
	if choice == "" {
		choice = Auto
	}
	if !slices.Contains(Choices, choice) {
		return nil, fmt.Errorf("api=%q: the API is one of %s", choice, strings.Join(Choices, ", "))
	}
	a := &APIs{client: client, logger: logger, components: bosv2.New(client)}
	for _, api := range []inventory.API{a.components, bosv1.New(client)} {
		if choice == Auto || choice == api.Name() {
			a.adapters = append(a.adapters, &adapter{API: api, apis: a, chosen: choice != Auto, served: choice != Auto})
		}
	}
	return a, nil
}

// All returns the APIs to read, the newest first. While BOS serves one but not another, the
// list of the other is absent, at no cost.
func (a *APIs) All() []inventory.API {
	all := make([]inventory.API, len(a.adapters))
	for i, d := range a.adapters {
		all[i] = d
	}
	return all
}

// Served is an API that BOS serves.
type Served struct {
	inventory.API
	// Version is the version that BOS gives itself there, such as 2.50.0; "" if it was not
	// asked.
	Version string
}

// String names the API, such as "v2 (BOS 2.50.0)". On v1 the version may be that of the
// description of the API.
func (s Served) String() string {
	if s.Version == "" || s.Name() == bos.APIv1 {
		return s.Name()
	}
	return s.Name() + " (BOS " + s.Version + ")"
}

// Describe names APIs for people: "v2 (BOS 2.10.20) and v1".
func Describe(apis []Served) string {
	var names []string
	for _, s := range apis {
		names = append(names, s.String())
	}
	return strings.Join(names, " and ")
}

// Served returns the APIs that BOS is known to serve, the newest first. It sends nothing.
func (a *APIs) Served() []Served {
	a.mu.Lock()
	defer a.mu.Unlock()
	var served []Served
	for _, d := range a.adapters {
		if d.served {
			served = append(served, Served{d, d.version})
		}
	}
	return served
}

// Find asks BOS which APIs it serves, and returns them as Served does. It is an error if
// that is none, or cannot be found out.
func (a *APIs) Find(ctx context.Context) ([]Served, error) {
	if err := a.ask(ctx); err != nil {
		return nil, err
	}
	if served := a.Served(); len(served) > 0 {
		return served, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return nil, a.none()
}

// servesAny reports whether any API is known to be served. The caller holds the mutex.
func (a *APIs) servesAny() bool {
	return slices.ContainsFunc(a.adapters, func(d *adapter) bool { return d.served })
}

// Components returns what BOS says of every node as it is now.
func (a *APIs) Components(ctx context.Context) ([]bos.Component, error) {
	i := slices.IndexFunc(a.adapters, func(d *adapter) bool { return d.Name() == bos.APIv2 })
	if i < 0 {
		return nil, a.noComponents("choose the API auto or v2")
	}
	v2 := a.adapters[i]
	served, err := v2.find(ctx)
	switch {
	case err != nil:
		return nil, err
	case !served:
		return nil, a.noComponents("this BOS serves v1 alone")
	}
	components, err := a.components.Components(ctx)
	if bos.ReasonOf(err) == bos.NotFound {
		if served, findErr := v2.findAgain(ctx); findErr == nil && !served {
			return nil, a.noComponents("this BOS serves v1 alone")
		}
	}
	return components, err
}

func (a *APIs) noComponents(why string) error {
	return &bos.Error{Reason: bos.NotFound, URL: a.client.Address("v2", "components"), Detail: "only BOS v2 knows what each node does now: " + why}
}

// none is why there is nothing to read. If BOS is known to serve no API, it says so;
// otherwise it is why that is not known. The caller holds the mutex.
func (a *APIs) none() error {
	var tried []string
	for _, d := range a.adapters {
		if d.err != nil {
			return d.err
		}
		tried = append(tried, d.versionAddress())
	}
	return &bos.Error{Reason: bos.NotFound, URL: a.client.URL(), Detail: fmt.Sprintf(
		"neither %s exists: check the URL, which is that of BOS without /v1 or /v2, such as http://cray-bos inside the cluster or https://api-gw-service-nmn.local/apis/bos through the API gateway",
		strings.Join(tried, " nor "))}
}

// ask asks BOS which APIs it serves. Errors are only those of ctx: what else goes wrong is
// known to the adapters.
func (a *APIs) ask(ctx context.Context) error {
	var g errgroup.Group
	for _, d := range a.adapters {
		if d.chosen {
			continue
		}
		g.Go(func() error {
			text, err := d.askVersion(ctx)
			if ctx.Err() != nil {
				return err
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			d.learn(text, err)
			return nil
		})
	}
	err := g.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = time.Now().Add(askAgainAfter)
	return err
}

// adapter is an API whose list says so while BOS does not serve it.
type adapter struct {
	inventory.API
	apis   *APIs
	chosen bool // it is taken to be served, whatever BOS says

	// What follows is guarded by the mutex of apis.
	served  bool
	absent  bool // it is not served; nothing is known if it is neither
	version string
	err     error  // why nothing is known
	fresh   bool   // the adapter of another API has asked, and this one has not made use of it yet
	told    string // what BOS answered last when it was asked for its version; "" if nothing yet
}

// learn takes down what BOS says of its version. A failure says nothing: what was known
// before stands.
func (d *adapter) learn(text string, err error) {
	d.fresh = true
	switch {
	case err == nil:
		d.log("version " + text)
		d.served, d.absent, d.version, d.err = true, false, text, nil
	case bos.ReasonOf(err) == bos.NotFound:
		d.log("not served")
		d.leave()
	case !d.served && !d.absent:
		d.err = err
	}
}

// log tells of an upgrade, or a downgrade, of BOS. What it says at first is no change.
func (d *adapter) log(tells string) {
	if d.told != "" && d.told != tells {
		d.apis.logger.Info("BOS has changed", "api", d.Name(), "before", d.told, "now", tells)
	}
	d.told = tells
}

// leave takes down that there is nothing to read.
func (d *adapter) leave() {
	d.served, d.absent, d.version, d.err = false, true, "", nil
}

// askVersion reads the version that BOS gives itself under an API.
func (d *adapter) askVersion(ctx context.Context) (string, error) {
	parts := make(map[string]string)
	err := d.apis.client.Get(ctx, bosclient.Request{Resource: version, Path: []string{d.Name(), "version"}}, func(r *bosclient.Decoder) error {
		err := r.Object(func(name string) (err error) {
			switch name {
			case "major", "minor", "patch":
				parts[name], err = r.Scalar()
				return err
			default:
				return r.SkipValue()
			}
		})
		if err == nil && parts["major"] == "" {
			return errors.New("a version without a major number")
		}
		return err
	})
	text := strings.Join([]string{parts["major"], parts["minor"], parts["patch"]}, ".")
	return strings.TrimRight(text, "."), err
}

func (d *adapter) versionAddress() string {
	return d.apis.client.Address(d.Name(), "version")
}

// List implements inventory.API.
func (d *adapter) List(ctx context.Context, all bool) (inventory.Listing, error) {
	served, err := d.find(ctx)
	if err != nil || !served {
		return absent, err
	}
	listing, err := d.API.List(ctx, all)
	switch {
	case err == nil && all && len(listing.Sessions) == 0:
		err = d.checkTenant(ctx)
	case bos.ReasonOf(err) == bos.NotFound:
		if served, findErr := d.findAgain(ctx); findErr != nil || !served {
			return absent, findErr
		}
	default:
		if refusal := d.refusalOfTenant(err); refusal != nil {
			if d.giveWay() {
				return absent, nil
			}
			err = explain(refusal, "BOS %s knows no tenants, so remove the tenant %q, or read API v2 where BOS serves it", d.Name(), d.apis.client.Tenant())
		}
	}
	return listing, err
}

// absent is the list of an API that BOS does not serve.
var absent = inventory.Listing{Absent: true}

// find reports whether BOS serves the API, and asks it if need be. It is an error if BOS
// serves no API, or if nothing is known of this one.
func (d *adapter) find(ctx context.Context) (served bool, err error) {
	if d.due() {
		if err := d.apis.ask(ctx); err != nil {
			return false, err
		}
	}
	return d.known()
}

// findAgain does the same after BOS has said that something does not exist which exists
// wherever the API is served. It asks about all APIs: one may have come in place of
// another, or the gateway may know no address for a while.
func (d *adapter) findAgain(ctx context.Context) (served bool, err error) {
	if err := d.apis.ask(ctx); err != nil {
		return false, err
	}
	return d.known()
}

// due reports whether BOS is to be asked: now and then, and as long as it serves nothing, or
// nothing is known of this API. What another adapter has asked for serves this one once.
func (d *adapter) due() bool {
	d.apis.mu.Lock()
	defer d.apis.mu.Unlock()
	switch {
	case d.chosen:
		return false
	case !time.Now().Before(d.apis.next):
		return true
	case d.served, d.fresh:
		return false
	default:
		return !d.absent || !d.apis.servesAny()
	}
}

// known reports what is known.
func (d *adapter) known() (served bool, err error) {
	d.apis.mu.Lock()
	defer d.apis.mu.Unlock()
	d.fresh = false
	switch {
	case d.served, d.absent && d.apis.servesAny():
		return d.served, nil
	case d.err != nil:
		return false, d.err
	default:
		return false, d.apis.none()
	}
}

// refusalOfTenant returns err if it says that the API knows no tenants, as v1 does.
func (d *adapter) refusalOfTenant(err error) *bos.Error {
	e, ok := errors.AsType[*bos.Error](err)
	if !ok || e.Status != http.StatusBadRequest || d.Name() != bos.APIv1 || d.apis.client.Tenant() == "" {
		return nil
	}
	return e
}

// giveWay takes down that there is nothing to read, and returns true, if another API may be
// read instead.
func (d *adapter) giveWay() bool {
	d.apis.mu.Lock()
	defer d.apis.mu.Unlock()
	others := slices.ContainsFunc(d.apis.adapters, func(other *adapter) bool { return other != d && other.served })
	if others {
		d.leave()
	}
	return others
}

// checkTenant returns an error if BOS does not know the tenant. Its list of sessions is
// merely empty then (bos-v2.md, Tenants).
func (d *adapter) checkTenant(ctx context.Context) error {
	tenant := d.apis.client.Tenant()
	if tenant == "" || d.Name() != bos.APIv2 {
		return nil
	}
	err := d.apis.client.Get(ctx, bosclient.Request{
		Resource: bosclient.Resource{Name: "components"},
		Path:     []string{bos.APIv2, "components"},
		Query:    url.Values{"page_size": {"1"}},
	}, func(r *bosclient.Decoder) error { return r.SkipValue() })
	if e, ok := errors.AsType[*bos.Error](err); ok && e.Status == http.StatusBadRequest {
		return explain(e, "the tenant %q is unknown, so check its name", tenant)
	}
	return ctx.Err() // whatever else goes wrong does not say so
}

// explain returns an error with an explanation before that of BOS.
func explain(e *bos.Error, format string, args ...any) error {
	explained := *e
	explained.Detail = fmt.Sprintf(format+" (%s)", append(args, e.Detail)...)
	return &explained
}
