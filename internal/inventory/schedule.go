package inventory

import (
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

const (
	// settleAfter is how long after its stop a session is read for the last time:
	// BOS may write the stop time before it has recorded the last moves of nodes.
	settleAfter = time.Minute
	// verifyAfter is how long a settled session is trusted to stay as it is; up to
	// as much again is added, so that sessions settled together drift apart.
	verifyAfter = 6 * time.Hour
	// lateEach is how many sessions beyond the maximum age a sweep reads, each once, so that
	// they hold up no others: 2,000 are known after an hour. The first sweep reads fewer.
	lateEach = 20
	// publishEvery is the time between snapshots of a sweep that is under way: making one
	// costs as much as there are sessions.
	publishEvery = 5 * time.Second
	// publishAwaited is that time while somebody waits for a snapshot.
	publishAwaited = 200 * time.Millisecond
	// maxNodeBytes limits what is kept of the nodes of all sessions: 1,000 sessions of
	// 12,000 nodes take a third of it.
	maxNodeBytes = 64 << 20
	// hangAfter is the time from which a list that fails counts as one that hangs.
	hangAfter = 5 * time.Second
	// believeAfter is how long BOS must keep saying that a session it lists, or a part
	// of an ended one, does not exist before it is believed.
	believeAfter = 10 * time.Minute
	// listAllEvery is the time between lists of all sessions, where a list can leave out
	// those that have ended.
	listAllEvery = 15 * time.Minute
	// rememberFor is how long a session that has left the list is remembered: lists
	// that lack some sessions for a while make none of them new.
	rememberFor = 24 * time.Hour
	// maxGone is how many such sessions are remembered at most, as many as a list may have.
	maxGone = 10_000
	// maxHangWait limits the wait between lists that hang, maxRetryWait that between
	// failed readings of a session, and maxOrphanWait that between readings of a
	// session that is listed but does not exist.
	maxHangWait   = 15 * time.Minute
	maxRetryWait  = 5 * time.Minute
	maxOrphanWait = 10 * time.Minute
)

// young tells whether the session is below the maximum age.
func (v *Inventory) young(s *bos.Session, now time.Time) bool {
	return v.cfg.MaxAge == 0 || s.StartTime.IsZero() || now.Sub(s.StartTime) <= v.cfg.MaxAge
}

// absence is something that BOS says does not exist, and since when it has said so at
// every reading, by our clock. The zero value is the absence of nothing.
type absence struct {
	of    string
	since time.Time
}

// still returns the absence of something that is absent once more.
func (a absence) still(of string) absence {
	if a.of == of {
		return a
	}
	return absence{of, time.Now()}
}

// believed tells whether BOS has said so for long enough.
func (a absence) believed() bool { return time.Since(a.since) >= believeAfter }

// theSession is the absence of the session itself, where others are of its parts.
const theSession = "/session"

// failed returns the record after a reading that failed.
func failed(old *record, err error) *record {
	r := *old
	r.err, r.absent = err, absence{}
	r.backOff.failed(0, maxRetryWait)
	r.backOff.heed(err)
	return &r
}

// notFound returns the record after a reading at which BOS knew no such session. One
// that could be read before is let go only when BOS is believed.
func notFound(old *record, err error) *record {
	r := *old
	r.err, r.absent = err, old.absent.still(theSession)
	r.letGo = r.letGo || r.absent.believed()
	most := maxRetryWait
	if !r.there() {
		most = maxOrphanWait
	}
	r.backOff.failed(0, most)
	r.backOff.heed(err)
	return &r
}

// due tells whether the session is to be read in this sweep. One that has stopped is
// left alone until its last reading.
func (r *record) due(now time.Time) bool {
	if !r.backOff.over() {
		return false
	}
	return !r.read || r.trouble() != nil || r.stopSeen.IsZero() || now.Sub(r.stopSeen) >= settleAfter
}

// settles tells whether nothing more is to be expected of the session.
func (v *Inventory) settles(r *record, now time.Time) bool {
	return r.read && r.err == nil && v.atRest(r, now) && (r.absent.of == "" || r.absent.believed())
}

// atRest tells whether the session has stopped a while ago, or was abandoned.
func (v *Inventory) atRest(r *record, now time.Time) bool {
	if !r.stopSeen.IsZero() {
		return now.Sub(r.stopSeen) >= settleAfter
	}
	return now.Sub(r.session.LastProgress(now)) > v.cfg.Limits.For(r.session).Abandoned
}

// await plans the next reading after a good one in which BOS said that a part of the
// session does not exist, if it did. A session at rest is then read again, more and
// more rarely, until BOS is believed.
func (v *Inventory) await(r *record, missing *Missing, now time.Time) {
	if missing == nil {
		r.absent, r.backOff = absence{}, backOff{}
		return
	}
	atRest := v.atRest(r, now)
	r.absent = r.absent.still(missing.Part)
	if !missing.Expected || !r.absent.believed() && (atRest || !r.session.StopTime.IsZero()) {
		r.gap = missing.Err
	}
	if atRest {
		r.backOff.failed(0, maxRetryWait)
	} else {
		r.backOff = backOff{}
	}
}

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
	if next := time.Now().Add(bos.RetryAfter(err)); next.After(b.next) {
		b.next = next
	}
}
