package bosclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Reason is why something could not be read.
type Reason string

const (
	// NotFound: BOS holds no such thing.
	NotFound Reason = "not_found"
	// Unauthorized: the credentials are missing, expired or refused.
	Unauthorized Reason = "unauthorized"
	// Unavailable: BOS, or something on the way to it, did not answer or said
	// that it cannot.
	Unavailable Reason = "unavailable"
	// Malformed: the answer is not what the API of BOS gives.
	Malformed Reason = "malformed"
)

// Reasons lists every reason.
var Reasons = []Reason{NotFound, Unauthorized, Unavailable, Malformed}

// Error tells what could not be read and why.
type Error struct {
	Reason Reason
	URL    string // without secrets
	Status int    // of HTTP; 0 when there was no answer
	Detail string // an explanation; "" when Err gives it
	Err    error  // what lies below; may be nil
	// RetryAfter is how long the server asks clients to stay away, at most
	// MaxRetryAfter; 0 if it does not say.
	RetryAfter time.Duration
}

// MaxRetryAfter bounds Error.RetryAfter: a server that asks for longer, by mistake
// or by design, is tried again after this time all the same.
const MaxRetryAfter = 15 * time.Minute

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s: ", e.URL)
	if e.Status != 0 {
		fmt.Fprintf(&b, "status %d: ", e.Status)
	}
	switch e.Reason {
	case NotFound:
		b.WriteString("not found")
	case Unauthorized:
		b.WriteString("not authorized, check the credentials")
	case Unavailable:
		b.WriteString("BOS is unavailable")
	case Malformed:
		if e.Status == http.StatusBadRequest {
			b.WriteString("BOS refuses the request")
		} else {
			b.WriteString("not an answer of the BOS API, check the URL")
		}
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	} else if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Timeout tells whether BOS, or a gateway in front of it, gave no answer in time.
func (e *Error) Timeout() bool {
	return e.Status == http.StatusGatewayTimeout || errors.Is(e.Err, context.DeadlineExceeded)
}

// code is what stands for a status code where there was no whole answer.
func (e *Error) code() string {
	if e.Timeout() {
		return "timeout"
	}
	return "error"
}

// SameCause tells whether two errors of this package have the same cause, whatever
// they were asking for. No error is a cause of its own.
func SameCause(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	var x, y *Error
	if !errors.As(a, &x) || !errors.As(b, &y) {
		return false
	}
	return x.Reason == y.Reason && x.Status == y.Status && x.Timeout() == y.Timeout()
}

// ReasonOf returns the reason of an error of this package; Unavailable for any
// other error.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return Unavailable
}

// IsTimeout tells whether err says that BOS gave no answer in time.
func IsTimeout(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Timeout()
}

// transportError is the error of a request that got no whole answer.
func (c *Client) transportError(address string, err error) *Error {
	e := &Error{Reason: Unavailable, URL: address}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err // the outer one repeats the URL
	}
	var token *oauth2.RetrieveError
	switch {
	case errors.As(err, &token):
		// Its text repeats the whole answer of the token server.
		e.Detail = "no token: the token server refused"
		if token.ErrorCode != "" {
			e.Detail += " (" + clip(token.ErrorCode) + ")"
		}
		if token.Response != nil {
			e.RetryAfter = retryAfter(token.Response)
			if code := token.Response.StatusCode; code < 500 && code != http.StatusTooManyRequests {
				e.Reason = Unauthorized
			}
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e.Detail = fmt.Sprintf("no answer within %s", c.cfg.Timeout)
		e.Err = context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Detail = "the connection was closed before the answer was complete"
	default:
		e.Err = err
	}
	return e
}

// statusError is the error of an answer that is no success.
func statusError(address string, resp *http.Response) *Error {
	e := &Error{URL: address, Status: resp.StatusCode, Detail: explanation(resp), RetryAfter: retryAfter(resp)}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		e.Reason = Unauthorized
	case code == http.StatusNotFound, code == http.StatusGone:
		e.Reason = NotFound
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests:
		e.Reason = Unavailable
	default:
		e.Reason = Malformed
		if code/100 == 3 {
			e.Detail = "redirects are not followed"
		}
	}
	return e
}

// retryAfter reads the Retry-After header of a response that says that the server
// is overloaded or down: a number of seconds, or a date. Dates are compared with the
// response's own Date, so that they hold where the clocks differ.
func retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(MaxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(until.Sub(now), 0), MaxRetryAfter)
}

// explanation is what an error answer says for people: the detail of a
// problem+json, or a line of plain text as the gateway sends it.
func explanation(resp *http.Response) string {
	const enough = 4096
	body, err := io.ReadAll(io.LimitReader(resp.Body, enough))
	if err != nil {
		return ""
	}
	switch kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind {
	case "application/problem+json":
		var p struct{ Title, Detail string }
		if json.Unmarshal(body, &p) != nil {
			return ""
		}
		if p.Detail != "" {
			return clip(p.Detail)
		}
		return clip(p.Title)
	case "text/plain":
		return clip(string(body))
	default:
		return ""
	}
}

// clip makes a foreign text fit for one line of a log.
func clip(s string) string {
	const longest = 200
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return s
}
