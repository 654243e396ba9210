package inventory

import (
	"errors"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// backOff is how long to leave alone what keeps failing: each time for as long again
// as it has been failing so far. It follows time alone, however often there would be
// an occasion to try. The zero value is that of something that does not fail. All
// times are by our clock.
type backOff struct {
	since time.Time // of the first failure in a row
	next  time.Time // not to be tried before
}

// over tells whether it is time to try.
func (b *backOff) over() bool { return !time.Now().Before(b.next) }

// failed takes down that a try has failed, and sets the next one: after the first
// failure without a wait, unless there is a least one.
func (b *backOff) failed(least, most time.Duration) {
	now := time.Now()
	if b.since.IsZero() {
		b.since = now
	}
	b.next = now.Add(min(max(now.Sub(b.since), least), most))
}

// heed puts the next try off for as long as the server asks for in its Retry-After.
func (b *backOff) heed(err error) {
	if next := time.Now().Add(retryAfter(err)); next.After(b.next) {
		b.next = next
	}
}

// retryAfter is how long the server asks to be left alone, if err says so.
func retryAfter(err error) time.Duration {
	var e *bosclient.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
