package bos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Reason is the kind of cause for which something could not be read.
type Reason string

const (
	// NotFound means that BOS has no such thing.
	NotFound Reason = "not_found"
	// Unauthorized means that credentials are missing, expired or refused.
	Unauthorized Reason = "unauthorized"
	// Unavailable means that BOS, or something on the way to it, did not respond
	// or reported that it cannot.
	Unavailable Reason = "unavailable"
	// Malformed means that the response is not one of the BOS API, or that BOS cannot mean it.
	Malformed Reason = "malformed"
)

// Reasons lists every reason.
var Reasons = []Reason{NotFound, Unauthorized, Unavailable, Malformed}

// Error says what could not be read and why.
type Error struct {
	Reason Reason
	URL    string // contains no secrets
	Status int    // the HTTP status code; 0 if there was no response
	Detail string // an explanation; "" if that of Err will do
	Err    error  // the underlying error; may be nil
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
		switch {
		case e.Status == http.StatusBadRequest:
			b.WriteString("BOS refuses the request")
		case e.Unusable():
			b.WriteString("unusable answer from BOS")
		default:
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

// Unusable reports whether the answers are those of BOS, but cannot be true or are incomplete:
// nothing is wrong with the URL then.
func (e *Error) Unusable() bool {
	return e.Reason == Malformed && e.Status == 0 && e.Err == nil
}

// Timeout reports whether BOS, or a gateway in front of it, did not respond in time.
func (e *Error) Timeout() bool {
	return e.Status == http.StatusGatewayTimeout || errors.Is(e.Err, context.DeadlineExceeded)
}

// SameCause reports whether two errors of reading BOS have the same cause, whatever
// was requested. The absence of an error counts as a cause of its own.
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

// ReasonOf returns the reason of an *Error; Unavailable for any other error.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return Unavailable
}

// RetryAfter is how long the server asks to be left alone, if err says so.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// IsTimeout reports whether err means that BOS did not respond in time.
func IsTimeout(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Timeout()
}
