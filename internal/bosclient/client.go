// Package bosclient reads sessions from the Boot Orchestration Service over HTTP.
//
// It can send nothing but GET requests: there is one place that makes a request,
// and BOS offers destructive calls on the same addresses. Links in answers are
// never followed, for they leave out the gateway's prefix; redirects are not
// followed either, so that credentials stay with the host they were given for.
package bosclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Resource is a kind of address that the client reads.
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

// DefaultMaxBody bounds an answer in bytes, decompressed. The boot set of the
// largest known machines takes about one megabyte.
const DefaultMaxBody = 32 << 20

// Defaults that all programs share.
const (
	DefaultTimeout     = 10 * time.Second
	DefaultConcurrency = 4
)

// Config says where BOS is and how to talk to it.
type Config struct {
	// URL is the address above /v1, such as
	// https://api-gw-service-nmn.local/apis/bos or http://cray-bos. A trailing
	// /v1 may stand.
	URL string
	// Transport carries the requests, credentials included.
	Transport http.RoundTripper
	// Tenant is sent as Cray-Tenant-Name unless empty.
	Tenant string
	// UserAgent is sent unless empty.
	UserAgent string
	// Timeout is the deadline of a request, its answer read.
	Timeout time.Duration
	// Concurrency is how many requests may be under way at once.
	Concurrency int
	// MaxBody bounds an answer in bytes; 0 means DefaultMaxBody.
	MaxBody int64
	// Observe, unless nil, is told of every request: its resource, the status
	// code or "timeout" or "error" where there was none, and how long it took.
	Observe func(resource Resource, code string, took time.Duration)
}

// Client reads BOS. It is safe for concurrent use.
type Client struct {
	cfg   Config
	base  string
	http  *http.Client
	slots chan struct{} // one for each request under way
	list  chan struct{} // the same for the list, of which there is one at a time

	mu      sync.Mutex
	skew    time.Duration // the clock of BOS minus ours
	claimed time.Duration // the same, as the latest answer had it
}

// New checks the configuration and returns a client. It sends nothing.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout <= 0 {
		return nil, fmt.Errorf("the timeout of a request to BOS must be above 0, not %s", cfg.Timeout)
	}
	if cfg.Concurrency <= 0 {
		return nil, fmt.Errorf("the number of requests to BOS at once must be above 0, not %d", cfg.Concurrency)
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Transport == nil {
		cfg.Transport = http.DefaultTransport
	}
	return &Client{cfg: cfg, base: base, slots: make(chan struct{}, cfg.Concurrency), list: make(chan struct{}, 1), http: &http.Client{
		Transport:     cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// parseBase checks the URL of BOS and returns it without a trailing slash or
// version.
func parseBase(raw string) (string, error) {
	const example = "such as https://api-gw-service-nmn.local/apis/bos or http://cray-bos"
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		// The error quotes the URL, which may hold a password.
		return "", fmt.Errorf("the URL of BOS cannot be parsed: give one %s", example)
	case raw == "":
		return "", fmt.Errorf("the URL of BOS is missing: give one %s", example)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", !validPort(u.Port()):
		return "", fmt.Errorf("the URL of BOS, %q, must begin with http:// or https://, a host and, if need be, a port, %s", u.Redacted(), example)
	case u.User != nil:
		return "", errors.New("the URL of BOS must not hold a user or password: put credentials into the HTTP configuration")
	case strings.ContainsAny(raw, "?#"):
		return "", fmt.Errorf("the URL of BOS must end with its path: remove what follows ? or # and give one %s", example)
	}
	base := strings.TrimRight(u.String(), "/")
	return strings.TrimRight(strings.TrimSuffix(base, "/v1"), "/"), nil
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

// Concurrency is how many requests may be under way at once.
func (c *Client) Concurrency() int { return cap(c.slots) }

// Now is the time by the clock of BOS, as the Date header of its latest answer
// gives it; by our own as long as there is none. Ages of what BOS dates are taken
// on this clock, so that they hold when the two differ.
func (c *Client) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.skew)
}

// CloseIdleConnections closes connections that wait for further requests.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// get reads the resource at the address made of the segments below /v1, and has
// its answer decoded. Errors are of type *Error, but for those of ctx itself.
func (c *Client) get(ctx context.Context, resource Resource, decode func(*decoder) error, segments ...string) error {
	address, err := c.address(segments)
	if err != nil {
		return err
	}
	waiting := []chan struct{}{c.slots}
	if resource == List {
		waiting = []chan struct{}{c.list, c.slots}
	}
	for _, slot := range waiting {
		select {
		case slot <- struct{}{}:
			defer func() { <-slot }()
		case <-ctx.Done():
			return fmt.Errorf("GET %s: %w", address, context.Cause(ctx))
		}
	}
	start := time.Now()
	code, err := c.roundTrip(ctx, address, decode)
	if ctx.Err() != nil {
		return fmt.Errorf("GET %s: %w", address, context.Cause(ctx))
	}
	if c.cfg.Observe != nil {
		c.cfg.Observe(resource, code, time.Since(start))
	}
	return err
}

// address escapes the segments. A segment that could lead out of its own place is
// refused: servers and proxies resolve dots even when they are escaped.
func (c *Client) address(segments []string) (string, error) {
	var b strings.Builder
	b.WriteString(c.base)
	b.WriteString("/v1")
	for _, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", &Error{Reason: NotFound, URL: b.String(), Detail: fmt.Sprintf("BOS can hold nothing named %q", s)}
		}
		b.WriteString("/")
		b.WriteString(url.PathEscape(s))
	}
	return b.String(), nil
}

func (c *Client) roundTrip(ctx context.Context, address string, decode func(*decoder) error) (code string, err error) {
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

	body := &bodyReader{r: http.MaxBytesReader(nil, resp.Body, c.cfg.MaxBody)}
	if err := decodeAll(body, decode); err != nil {
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(body.err, &tooLarge):
			return code, &Error{Reason: Malformed, URL: address, Status: resp.StatusCode,
				Detail: fmt.Sprintf("the answer is longer than %d bytes", tooLarge.Limit)}
		case body.err != nil:
			e := c.transportError(address, body.err)
			return e.code(), e
		default:
			return code, &Error{Reason: Malformed, URL: address, Status: resp.StatusCode, Err: err}
		}
	}
	return code, nil
}

// setClock takes over the time of a Date header. It has whole seconds, and a few
// are lost on the way: a small difference is none. A jump must be told twice in a
// row, so that one answer with an absurd date changes nothing.
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

// bodyReader remembers why a body could not be read whole, which decoders hide.
type bodyReader struct {
	r   io.Reader
	err error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}
