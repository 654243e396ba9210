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
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Resource is a kind of document that the client reads.
type Resource string

// The resources of BOS v1.
const (
	List     Resource = "list"     // GET /v1/session
	Session  Resource = "session"  // GET /v1/session/{id}
	Status   Resource = "status"   // GET /v1/session/{id}/status
	BootSet  Resource = "bootset"  // GET /v1/session/{id}/status/{boot set}
	Template Resource = "template" // GET /v1/sessiontemplate/{name}
)

// Resources lists every resource.
var Resources = []Resource{List, Session, Status, BootSet, Template}

// maxBytes is the maximum size of a response, decompressed. Only the status of a boot
// set is large: it lists every node once or twice in each phase, so 12,000 nodes in
// three phases take 1 MB, or 2.5 MB if all of them failed with an error. The ids of
// maxSessions take 420 kB.
func (r Resource) maxBytes() int64 {
	if r == BootSet {
		return 4 << 20
	}
	return 1 << 20
}

// Defaults that all programs share.
const (
	DefaultTimeout     = 10 * time.Second
	DefaultConcurrency = 4
)

// minTimeout is the shortest timeout that makes sense.
const minTimeout = time.Millisecond

// Config says where BOS is and how to talk to it.
type Config struct {
	// URL is the address above /v1, such as
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
	Observe func(resource Resource, code string, took time.Duration)
}

// Client reads BOS. It is safe for concurrent use.
type Client struct {
	cfg   Config
	base  string
	http  *http.Client
	slots chan struct{} // holds an element for each request in flight
	list  chan struct{} // the same for the list, requested one at a time

	mu      sync.Mutex
	skew    time.Duration // the clock of BOS minus ours
	claimed time.Duration // the skew according to the latest response
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
	return &Client{cfg: cfg, base: base, slots: make(chan struct{}, cfg.Concurrency), list: make(chan struct{}, 1), http: &http.Client{
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

// URL is the address of BOS above /v1.
func (c *Client) URL() string { return c.base }

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

// get requests the resource whose path below /v1 consists of the segments, and
// passes its response to decode. Errors are of type *Error, except those of ctx.
func (c *Client) get(ctx context.Context, resource Resource, decode func(*decoder) error, segments ...string) error {
	address, err := c.address(segments)
	if err != nil {
		return err
	}
	queues := []chan struct{}{c.slots}
	if resource == List {
		queues = []chan struct{}{c.list, c.slots}
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
	code, err := c.roundTrip(ctx, address, resource.maxBytes(), decode)
	if e := new(Error); errors.As(err, &e) && e.Status == 0 && e.Timeout() {
		// The request has taken its own connection with it. Where one has gone
		// dead without a word the others often have, too.
		c.CloseIdleConnections()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("GET %s: %w", address, context.Cause(ctx))
	}
	if c.cfg.Observe != nil {
		c.cfg.Observe(resource, code, time.Since(start))
	}
	return err
}

// address returns the URL of the escaped segments. A segment that would lead to
// another directory is refused: servers and proxies resolve dots even if escaped.
func (c *Client) address(segments []string) (string, error) {
	var b strings.Builder
	b.WriteString(c.base)
	b.WriteString("/v1")
	for _, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", &Error{Reason: NotFound, URL: b.String(), Detail: fmt.Sprintf("nothing in BOS can be named %q", s)}
		}
		b.WriteString("/")
		b.WriteString(url.PathEscape(s))
	}
	return b.String(), nil
}

func (c *Client) roundTrip(ctx context.Context, address string, maxBytes int64, decode func(*decoder) error) (code string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "error", &Error{Reason: Malformed, URL: address, Err: err}
	}
	req.Header.Set("Accept", "application/json")
	if c.cfg.Tenant != "" {
		req.Header.Set("Cray-Tenant-Name", c.cfg.Tenant)
	}
	if c.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		e := c.transportError(address, err)
		return e.code(), e
	}
	defer resp.Body.Close()
	code = fmt.Sprint(resp.StatusCode)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return code, statusError(address, resp)
	}
	c.setClock(resp.Header.Get("Date"))

	body := newBodyReader(resp.Body, maxBytes)
	if err := decodeAll(body, decode); err != nil {
		var limit limitError
		switch {
		case errors.As(body.err, &limit):
			return code, &Error{Reason: Malformed, URL: address, Status: resp.StatusCode, Detail: limit.Error()}
		case body.err != nil:
			e := c.transportError(address, body.err)
			return e.code(), e
		default:
			return code, &Error{Reason: Malformed, URL: address, Status: resp.StatusCode, Detail: clip(err.Error()), Err: err}
		}
	}
	return code, nil
}

// setClock adopts the time of a Date header. It has a resolution of a second and
// some time is lost on the way, so small differences are ignored. A jump must be
// seen twice in a row, so that one response with an absurd date changes nothing.
func (c *Client) setClock(date string) {
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
	if (skew-c.skew).Abs() < jump || (skew-c.claimed).Abs() < jump {
		c.skew = skew
	}
	c.claimed = skew
}
