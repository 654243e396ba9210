package inventory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// record is what the inventory knows of a session. It is replaced as a whole by
// each reading.
type record struct {
	session *bos.Session // as last read well; only its id before that
	roster  *bos.Roster  // of that reading, where names are kept; nil once settled
	read    bool         // session holds more than its id
	err     error        // why the last reading failed
	gap     error        // what a good reading lacks all the same
	missing int          // readings in a row that BOS knew no such session
	// failures is the number of readings in a row that failed, and retry when
	// to try again, by our clock.
	failures int
	retry    time.Time
	// stopSeen is when the session was first seen to have stopped, by the clock
	// of BOS; zero before.
	stopSeen time.Time
	// names are the names of the boot sets. They are final once the status of
	// the session could be read: the earliest releases write it late.
	names      []string
	namesFinal bool
}

// trouble is why the session could not be read, or not whole.
func (r *record) trouble() error { return cmp.Or(r.err, r.gap) }

// failed is the record after a reading that failed.
func (v *Inventory) failed(old *record, err error) *record {
	r := *old
	r.err, r.missing = err, 0
	r.failures++
	if patience := 2; r.failures > patience {
		r.retry = time.Now().Add(min(backOff(v.cfg.Interval, r.failures-patience), maxRetry))
	}
	return &r
}

// due tells whether the session is to be read in this sweep. One that has
// stopped rests until its last reading, and one that fails again and again for
// longer and longer.
func (v *Inventory) due(r *record, now time.Time) bool {
	if r.err != nil {
		return !time.Now().Before(r.retry)
	}
	return r.stopSeen.IsZero() || now.Sub(r.stopSeen) >= settleAfter
}

// settles tells whether nothing more is to be expected of the session.
func (v *Inventory) settles(r *record, now time.Time) bool {
	switch {
	case r.missing > 1:
		return true // listed, but not there: an orphan
	case r.err != nil:
		return false
	case !v.follows(r.session, now):
		return true
	case !r.stopSeen.IsZero():
		return now.Sub(r.stopSeen) >= settleAfter
	default:
		return now.Sub(r.session.LastProgress(now)) > v.cfg.Limits.Abandoned
	}
}

// readSafely is read, but that a session at which it fails altogether spoils no
// other.
func (v *Inventory) readSafely(ctx context.Context, old *record) (r *record) {
	defer func() {
		if p := recover(); p != nil {
			r = v.failed(old, fmt.Errorf("reading session %s: %v", old.session.ID, p))
		}
	}()
	return v.read(ctx, old)
}

// read reads a session and returns its new record. Of sessions that are not
// followed, only the description is read.
func (v *Inventory) read(ctx context.Context, old *record) *record {
	r := v.readIf(ctx, old, v.follows)
	if (v.list.since.IsZero() || old.session.Obscure) && r.read && r.session.NewestTime(r.session.FirstSeen).IsZero() {
		r.session.Obscure = true // it was there before us, nobody knows since when
	}
	return r
}

// readIf reads a session, its boot sets if follow says so of its description.
func (v *Inventory) readIf(ctx context.Context, old *record, follow func(*bos.Session, time.Time) bool) *record {
	s, err := v.cfg.Client.Session(ctx, old.session.ID)
	if err != nil {
		r := v.failed(old, err)
		if bosclient.ReasonOf(err) == bosclient.NotFound {
			r.missing = old.missing + 1
		}
		return r
	}
	r := *old
	r.err, r.gap, r.missing, r.failures = nil, nil, 0, 0
	now := v.cfg.Client.Now()
	switch {
	case follow(s, now):
		if err := v.readBootSets(ctx, &r, s); err != nil {
			f := v.failed(old, err)
			if old.read && !old.session.Obscure {
				return f
			}
			// Better the description alone than nothing.
			r.err, r.failures, r.retry = f.err, f.failures, f.retry
			s.BootSets, s.Obscure = nil, true
		}
	case old.read: // it was followed once, and its outcome stands
		s.BootSets, s.Nodes, s.Obscure = old.session.BootSets, old.session.Nodes, old.session.Obscure
	}
	if old.read {
		s.Observe(old.session, now)
	} else {
		s.Observe(nil, now)
	}
	if !s.StopTime.IsZero() && r.stopSeen.IsZero() {
		r.stopSeen = now
		if !old.read {
			r.stopSeen = s.NewestTime(now)
		}
	}
	r.session, r.read = s, true
	return &r
}

// readBootSets reads the boot sets of s, which old readings in r help with.
func (v *Inventory) readBootSets(ctx context.Context, r *record, s *bos.Session) error {
	if !r.namesFinal {
		if err := v.readNames(ctx, r, s); err != nil {
			return err
		}
	}
	census := v.censuses.Get().(*bos.Census)
	defer v.censuses.Put(census)
	census.Reset() // a reading that failed leaves something in it
	told := bosclient.Names{Node: census.Node}
	roll := bos.NewRollCall()
	if v.cfg.KeepNames {
		told.Node = func(phase int, category string, node []byte) {
			census.Node(phase, category, node)
			roll.Node(phase, category, node)
		}
		told.Error = roll.Error
	}
	for _, name := range r.names {
		b, err := v.cfg.Client.BootSet(ctx, s.ID, name, told)
		if bosclient.ReasonOf(err) == bosclient.NotFound && !r.reported(name) {
			b, err = &bos.BootSet{Name: name}, nil
		}
		if err != nil {
			return err
		}
		roll.EndBootSet(b) // before the census, which sorts the phases
		census.EndBootSet(b)
		s.BootSets = append(s.BootSets, *b)
	}
	s.Nodes = census.EndSession()
	if v.cfg.KeepNames {
		r.roster = roll.Roster()
	}
	return nil
}

// reported tells whether the boot agent had reported the boot set when the
// session was last read.
func (r *record) reported(bootSet string) bool {
	return slices.ContainsFunc(r.session.BootSets, func(b bos.BootSet) bool { return b.Name == bootSet && b.Reported })
}

// readNames learns the names of the boot sets: from the status of the session if
// it gives them, as the earliest releases do, else from the session template. As
// long as the status cannot be read the template serves: those releases write it
// when the boot agent starts, and break the connection until it is complete.
func (v *Inventory) readNames(ctx context.Context, r *record, s *bos.Session) error {
	names, err := v.cfg.Client.SessionBootSets(ctx, s.ID)
	switch reason := bosclient.ReasonOf(err); {
	case err == nil && len(names) > 0:
		r.names, r.namesFinal = names, true
		return nil
	case err != nil && reason != bosclient.NotFound && (reason != bosclient.Unavailable || bosclient.IsTimeout(err)):
		return err
	}
	t, templateErr := v.template(ctx, s.Template)
	switch {
	case templateErr == nil:
		r.names, r.namesFinal = t, err == nil
	case bosclient.ReasonOf(templateErr) == bosclient.NotFound:
		r.gap, s.Obscure = templateErr, true // its boot sets cannot be known; all else can
	default:
		return templateErr
	}
	return nil
}

// templateEntry is what became of reading a template.
type templateEntry struct {
	bootSets []string
	err      error // NotFound, or nil
}

// template returns the names of the boot sets of a session template.
func (v *Inventory) template(ctx context.Context, name string) ([]string, error) {
	if e, ok := v.templates.Get(name); ok {
		return e.(templateEntry).bootSets, e.(templateEntry).err
	}
	bootSets, err := v.cfg.Client.TemplateBootSets(ctx, name)
	if err == nil || bosclient.ReasonOf(err) == bosclient.NotFound {
		v.templates.Set(name, templateEntry{bootSets, err}, cache.DefaultExpiration)
	}
	return bootSets, err
}
