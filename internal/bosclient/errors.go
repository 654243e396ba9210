package bosclient

import (
	"bytes"
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

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// errorCode stands in for the status code where there was no complete response.
func errorCode(e *bos.Error) string {
	if e.Timeout() {
		return "timeout"
	}
	return "error"
}

// transportError is the error of a request without a complete response.
func (c *Client) transportError(address string, err error) *bos.Error {
	e := &bos.Error{Reason: bos.Unavailable, URL: address}
	prefix := ""
	if token := new(tokenError); errors.As(err, &token) {
		prefix, err = "no token: ", token.err
	}
	if outer := new(url.Error); errors.As(err, &outer) {
		err = outer.Err // it repeats the URL
		if u, parseErr := url.Parse(outer.URL); prefix != "" && parseErr == nil {
			err = fmt.Errorf("%s: %w", withoutSecrets(u), err)
		}
	}
	var refusal *oauth2.RetrieveError
	switch {
	case errors.As(err, &refusal):
		refusedToken(e, refusal)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e.Detail = fmt.Sprintf("no response within %s", c.cfg.Timeout)
		e.Err = context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Detail = "the connection was closed before the response was complete"
	case prefix != "":
		e.Detail = err.Error()
		e.Err = err
	default:
		e.Err = err
	}
	if prefix != "" {
		e.Detail = prefix + e.Detail
	}
	return e
}

// refusedToken has e explain an error response of the token server. Its own text repeats
// the whole body.
func refusedToken(e *bos.Error, err *oauth2.RetrieveError) {
	e.Detail = "the token server refused"
	if err.ErrorCode != "" {
		e.Detail += " (" + clip(err.ErrorCode) + ")"
	}
	if err.Response == nil {
		return
	}
	switch code := err.Response.StatusCode; {
	case code >= 500, code == http.StatusTooManyRequests:
		e.Detail += fmt.Sprintf(" with status %d", code)
		putOff(e, err.Response)
		return
	case code/100 == 3:
		e.Detail = "the token server " + redirection(err.Response) + ", where the client secret is not sent: if that address is right, use it as the token URL"
	}
	e.Reason = bos.Unauthorized
}

// statusError is the error of a response that reports no success.
func statusError(address string, resp *http.Response) *bos.Error {
	e := &bos.Error{URL: address, Status: resp.StatusCode, Detail: explanation(resp)}
	putOff(e, resp)
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		e.Reason = bos.Unauthorized
	case code == http.StatusNotFound, code == http.StatusGone:
		e.Reason = bos.NotFound
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests:
		e.Reason = bos.Unavailable
	default:
		e.Reason = bos.Malformed
		if code/100 == 3 {
			e.Detail = "it " + redirection(resp) + "; redirects are not followed"
		}
	}
	return e
}

// redirection says where a response redirects to.
func redirection(resp *http.Response) string {
	target := " elsewhere"
	if u, err := resp.Location(); err == nil {
		target = " to " + withoutSecrets(u)
	}
	return "redirects" + target
}

// withoutSecrets returns a URL as text without its user and query, which may contain
// secrets.
func withoutSecrets(u *url.URL) string {
	return clip((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String())
}

// putOff records in e how long the server asks to be left alone, and says until when.
func putOff(e *bos.Error, resp *http.Response) {
	e.RetryAfter = retryAfter(resp)
	if e.RetryAfter == 0 {
		return
	}
	if e.Detail != "" {
		e.Detail += "; "
	}
	e.Detail += "it asks to be left alone until " + time.Now().Add(e.RetryAfter).UTC().Format("15:04:05 MST")
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
		return time.Duration(min(seconds, uint64(bos.MaxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(until.Sub(now), 0), bos.MaxRetryAfter)
}

// explanation is what an error response says to people: the detail of a
// problem+json document, or the plain text that the gateway sends.
func explanation(resp *http.Response) string {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return "" // what follows is no body, and no deadline ends its reading
	}
	const enough = 4096
	body, err := io.ReadAll(io.LimitReader(resp.Body, enough))
	if err != nil {
		return ""
	}
	body = bytes.TrimPrefix(body, []byte(byteOrderMark))
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

// clip turns text from elsewhere into something that fits in a line of a log.
func clip(s string) string { return clipTo(300, s) }

func clipTo(longest int, s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return s
}
