// Package bosclient reads sessions from the Boot Orchestration Service over HTTP.
//
// It sends GET requests only: BOS offers destructive calls at the same addresses,
// and there is one place that makes a request. Links in responses are never
// followed, because they lack the gateway's prefix. Redirects are never followed
// either, so that credentials stay with the host that they are meant for.
//
// Whatever a server sends, a request costs a bounded amount of memory: responses,
// the strings in them, and names have a maximum size, and documents are decoded
// as they are read.
package bosclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Resource is a kind of document that the client reads.
type Resource struct {
	// Name is its name in metrics. Kinds of several API versions may share one.
	Name   string
	Limits Limits
	// Alone has one request for such a resource in flight at a time, of whatever kind.
	Alone bool
}

// Request is what to read.
type Request struct {
	Resource Resource
	// Path holds the segments of the path below the URL of BOS, unescaped.
	Path  []string
	Query url.Values
	// Tenant is sent in place of the configured one unless empty.
	Tenant string
}

// Defaults that all programs share.
const (
	DefaultTimeout     = 10 * time.Second
	DefaultConcurrency = 4
)

// MaxHeaderBytes is the maximum size of the headers of a response, for the transports of
// all programs. Go's own is 10 MiB, and short headers take 20 times their size.
const MaxHeaderBytes = 128 << 10

// minTimeout is the shortest timeout that makes sense.
const minTimeout = time.Millisecond

// Config says where BOS is and how to talk to it.
type Config struct {
	// URL is the address above the version, such as
	// https://api-gw-service-nmn.local/apis/bos or http://cray-bos. A trailing
	// version, /v1 or /v2, is ignored, as is surrounding white space.
	URL string
	// Transport carries the requests and adds the credentials. It should use
	// HTTP/1, where a request that times out takes its connection with it.
	Transport http.RoundTripper
	// Tenant is sent in the header Cray-Tenant-Name unless empty.
	Tenant string
	// UserAgent is sent unless empty.
	UserAgent string
	// Timeout limits a request, including reading its response.
	Timeout time.Duration
	// Concurrency is the maximum number of concurrent requests.
	Concurrency int
	// Observe, unless nil, is called after every request with its resource, its
	// duration, and the status code, or "timeout" or "error" if there was none.
	Observe func(resource, code string, took time.Duration)
}

// Client reads BOS. It is safe for concurrent use.
type Client struct {
	cfg   Config
	base  string
	http  *http.Client
	slots chan struct{} // holds an element for each request in flight
	alone chan struct{} // the same for resources that are requested one at a time

	mu      sync.Mutex
	skew    time.Duration // the clock of BOS minus ours
	claimed time.Duration // the skew according to the latest response
	claimer string        // name of the resource that it was a response for
}

// New checks the configuration and returns a client. It sends nothing. Errors
// begin with the setting that they are about: url, tenant, timeout or concurrency.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("url: %w", err)
	case strings.ContainsFunc(cfg.Tenant, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, fmt.Errorf("tenant=%q: a tenant name contains neither white space nor special characters", cfg.Tenant)
	case cfg.Timeout < minTimeout:
		return nil, fmt.Errorf("timeout=%s: must be at least %s", cfg.Timeout, minTimeout)
	case cfg.Concurrency < 1:
		return nil, fmt.Errorf("concurrency=%d: must be at least 1", cfg.Concurrency)
	}
	if cfg.Transport == nil {
		cfg.Transport = http.DefaultTransport
	}
	return &Client{cfg: cfg, base: base, slots: make(chan struct{}, cfg.Concurrency), alone: make(chan struct{}, 1), http: &http.Client{
		Transport:     cfg.Transport,
		CheckRedirect: neverFollow,
	}}, nil
}

// parseBase checks the URL of BOS and returns it without a trailing slash or
// version.
func parseBase(raw string) (string, error) {
	const example = "such as https://api-gw-service-nmn.local/apis/bos or http://cray-bos"
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		// The error quotes the URL, which may contain a password.
		return "", fmt.Errorf("the URL of BOS cannot be parsed: give one %s", example)
	case raw == "":
		return "", fmt.Errorf("the URL of BOS is missing: give one %s", example)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", !validPort(u.Port()):
		return "", fmt.Errorf("the URL of BOS, %q, must begin with http:// or https://, a host and, optionally, a port, %s", u.Redacted(), example)
	case u.User != nil:
		return "", errors.New("the URL of BOS must not contain a user or password: put credentials in the HTTP configuration")
	case strings.ContainsAny(raw, "?#"):
		return "", fmt.Errorf("the URL of BOS must end with its path: remove the ? or # and what follows, and give one %s", example)
	}
	base := strings.TrimRight(u.String(), "/")
	for _, version := range []string{"/v1", "/v2"} {
		if above, found := strings.CutSuffix(base, version); found {
			return strings.TrimRight(above, "/"), nil
		}
	}
	return base, nil
}

func validPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// URL is the address of BOS above the version.
func (c *Client) URL() string { return c.base }

// Tenant is the tenant on whose behalf requests are sent; "" for none.
func (c *Client) Tenant() string { return c.cfg.Tenant }

// Concurrency is the maximum number of concurrent requests.
func (c *Client) Concurrency() int { return cap(c.slots) }

// Now is the time by the clock of BOS, derived from the Date header of its latest
// response, or by our own clock before the first. The age of anything that BOS
// dates is measured on this clock, so that it is right even if the clocks differ.
func (c *Client) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.skew)
}

// CloseIdleConnections closes the connections that no request is using, those to a
// token server included.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Get sends a request and passes the response to decode. Errors are of type *bos.Error,
// except those of ctx.
func (c *Client) Get(ctx context.Context, req Request, decode func(*Decoder) error) error {
	address, err := c.address(req.Path)
	if err != nil {
		return err
	}
	if len(req.Query) > 0 {
		address += "?" + req.Query.Encode()
	}
	queues := []chan struct{}{c.slots}
	if req.Resource.Alone {
		queues = []chan struct{}{c.alone, c.slots}
	}
	for _, slot := range queues {
		select {
		case slot <- struct{}{}:
			defer func() { <-slot }()
		case <-ctx.Done():
			return fmt.Errorf("GET %s: %w", address, context.Cause(ctx))
		}
	}
	start := time.Now()
	code, err := c.roundTrip(ctx, req.Resource, cmp.Or(req.Tenant, c.cfg.Tenant), address, decode)
	if e := new(bos.Error); errors.As(err, &e) && e.Status == 0 && e.Timeout() {
		// The request has taken its own connection with it. Where one has gone
		// dead without a word the others often have, too.
		c.CloseIdleConnections()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("GET %s: %w", address, context.Cause(ctx))
	}
	if c.cfg.Observe != nil {
		c.cfg.Observe(req.Resource.Name, code, time.Since(start))
	}
	return err
}

// address returns the URL of the escaped segments. A segment that would lead to
// another directory is refused: servers and proxies resolve dots even if escaped.
func (c *Client) address(segments []string) (string, error) {
	for i, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", &bos.Error{Reason: bos.NotFound, URL: c.Address(segments[:i]...), Detail: fmt.Sprintf("nothing in BOS can be named %q", s)}
		}
	}
	return c.Address(segments...), nil
}

// Address returns the URL of BOS with the escaped segments.
func (c *Client) Address(segments ...string) string {
	var b strings.Builder
	b.WriteString(c.base)
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

func (c *Client) roundTrip(ctx context.Context, resource Resource, tenant, address string, decode func(*Decoder) error) (code string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "error", &bos.Error{Reason: bos.Malformed, URL: address, Err: err}
	}
	req.Header.Set("Accept", "application/json")
	if tenant != "" {
		req.Header.Set("Cray-Tenant-Name", tenant)
	}
	if c.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		e := c.transportError(address, err)
		return errorCode(e), e
	}
	defer resp.Body.Close()
	code = fmt.Sprint(resp.StatusCode)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return code, statusError(address, resp)
	}
	c.setClock(resource, resp.Header.Get("Date"))

	err, broken := decodeAll(resp.Body, resource.Limits, decode)
	if err == nil {
		return code, nil
	}
	var limit limitError
	var nonsense NonsenseError
	switch {
	case errors.As(broken, &limit):
		return code, &bos.Error{Reason: bos.Malformed, URL: address, Status: resp.StatusCode, Detail: limit.Error()}
	case broken != nil:
		e := c.transportError(address, broken)
		return errorCode(e), e
	case errors.As(err, &nonsense):
		return code, &bos.Error{Reason: bos.Malformed, URL: address, Detail: clip(err.Error())}
	default:
		return code, &bos.Error{Reason: bos.Malformed, URL: address, Status: resp.StatusCode, Detail: clip(err.Error()), Err: err}
	}
}

// setClock adopts the time of a Date header. It has a resolution of a second and
// some time is lost on the way, so small differences are ignored. A jump must be
// seen twice in a row, so that one response with an absurd date changes nothing: in
// responses for two kinds of documents, or for two that are requested one at a time, so
// that neither do all responses of one kind.
func (c *Client) setClock(resource Resource, date string) {
	t, err := http.ParseTime(date)
	if err != nil {
		return
	}
	skew := time.Until(t)
	if skew.Abs() < 5*time.Second {
		skew = 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	const jump = time.Minute
	confirmed := (skew-c.claimed).Abs() < jump && (resource.Name != c.claimer || resource.Alone)
	if (skew-c.skew).Abs() < jump || confirmed {
		c.skew = skew
	}
	c.claimed, c.claimer = skew, resource.Name
}
