package inventory

import (
	"context"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// record is what the inventory knows of a session. It is never changed: each
// reading makes a new one.
type record struct {
	session *bos.Session // as last read well; only its id before that
	read    bool         // session holds more than its id
	err     error        // why the last reading failed
	gap     error        // what a good reading lacks all the same
	missing int          // readings in a row that BOS knew no such session
	// stopSeen is when the session was first seen to have stopped, by the clock
	// of BOS; zero before.
	stopSeen time.Time
	counted  bool // among the completions, or not to be
	// names are the names of the boot sets. They are final once the status of
	// the session could be read: the earliest releases write it late.
	names      []string
	namesFinal bool
}

// failed is the record after a reading that failed.
func (r *record) failed(err error) *record {
	f := *r
	f.err, f.missing = err, 0
	return &f
}

// due tells whether the session is to be read in this sweep. One that has
// stopped rests until its last reading.
func (r *record) due(now time.Time) bool {
	return r.err != nil || r.stopSeen.IsZero() || now.Sub(r.stopSeen) >= settleAfter
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

// read reads a session and returns its new record.
func (v *Inventory) read(ctx context.Context, old *record) *record {
	s, err := v.cfg.Client.Session(ctx, old.session.ID)
	if err != nil {
		r := old.failed(err)
		if bosclient.ReasonOf(err) == bosclient.NotFound {
			r.missing = old.missing + 1
		}
		return r
	}
	r := *old
	r.err, r.gap, r.missing = nil, nil, 0
	now := v.cfg.Client.Now()
	if v.follows(s, now) {
		if err := v.readBootSets(ctx, &r, s); err != nil {
			return old.failed(err)
		}
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
			r.counted = !v.listed // it ended before we watched
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
	census.Reset()
	for _, name := range r.names {
		b, err := v.cfg.Client.BootSet(ctx, s.ID, name, census.Node)
		if bosclient.ReasonOf(err) == bosclient.NotFound && !r.reported(name) {
			b, err = &bos.BootSet{Name: name}, nil
		}
		if err != nil {
			return err
		}
		census.EndBootSet(b)
		s.BootSets = append(s.BootSets, *b)
	}
	s.Nodes = census.EndSession()
	return nil
}

// reported tells whether the boot agent had reported the boot set when the
// session was last read.
func (r *record) reported(bootSet string) bool {
	for i := range r.session.BootSets {
		if b := &r.session.BootSets[i]; b.Name == bootSet {
			return b.Reported
		}
	}
	return false
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
		r.gap = templateErr // its boot sets cannot be known; all else can
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
