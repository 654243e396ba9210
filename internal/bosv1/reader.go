package bosv1

import (
	"context"
	"slices"
	"sync"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// API reads the sessions of BOS v1.
type API struct{ client client }

// New returns an API that sends its requests through a client.
func New(c *bosclient.Client) *API { return &API{client{c}} }

// Name implements inventory.API.
func (a *API) Name() string { return bos.APIv1 }

// Address implements inventory.API.
func (a *API) Address(k bos.Key) string {
	if k.ID == "" {
		return a.client.Address("v1", "session")
	}
	return a.client.Address("v1", "session", k.ID)
}

// List implements inventory.API. BOS v1 lists ids alone, and always all of them.
func (a *API) List(ctx context.Context, _ bool) (inventory.Listing, error) {
	ids, err := a.client.sessions(ctx)
	listing := inventory.Listing{Sessions: make([]inventory.Listed, len(ids))}
	for i, id := range ids {
		listing.Sessions[i].Key = bos.Key{API: bos.APIv1, ID: id}
	}
	return listing, err
}

// Open implements inventory.API.
func (a *API) Open() inventory.Reader {
	return &reader{client: a.client, templates: make(map[string]templateEntry)}
}

// reader reads sessions in a sweep. Templates are read once in it, not for longer: one
// may be edited between two sessions that use it.
type reader struct {
	client client

	mu        sync.Mutex
	templates map[string]templateEntry
}

// templateEntry is the result of reading a template.
type templateEntry struct {
	bootSets []string
	err      error // NotFound, or nil
}

// names are the names of the boot sets of a session. They are final once the status of
// the session could be read: the earliest releases write it late.
type names struct {
	bootSets []string
	final    bool
}

// theTemplate is the missing part for which the name of a boot set stands otherwise.
const theTemplate = "/template"

// Describe implements inventory.Reader.
func (r *reader) Describe(ctx context.Context, listed inventory.Listed, _ inventory.Reading) (*bos.Session, error) {
	return r.client.session(ctx, listed.Key.ID)
}

// Nodes implements inventory.Reader.
func (r *reader) Nodes(ctx context.Context, s *bos.Session, last inventory.Reading, recorder *bos.Recorder) (inventory.Reading, error) {
	reading := inventory.Reading{Session: s}
	known, _ := last.Memo.(names)
	if !known.final {
		var err error
		if known, reading.Missing, err = r.names(ctx, s, known); err != nil {
			return reading, err
		}
	}
	reading.Memo = known
	for _, name := range known.bootSets {
		b, err := r.client.bootSet(ctx, s.ID, name, recorder)
		switch {
		case bos.ReasonOf(err) == bos.NotFound && !reported(last.Session, name):
			b = &bos.BootSet{Name: name}
		case err != nil:
			return reading, err
		case len(b.Phases) == 0:
			// An agent that finds no nodes may say so.
			err = &bos.Error{Reason: bos.Malformed, URL: r.client.Address("v1", "session", s.ID, "status", name), Detail: "the boot set has no phases"}
		}
		if err != nil && reading.Missing == nil {
			reading.Missing = &inventory.Missing{Part: name, Err: err, Expected: true}
		}
		recorder.EndBootSet(b)
		for i := range b.Phases {
			b.Phases[i].Waiting = waiting(&b.Phases[i])
		}
		s.BootSets = append(s.BootSets, *b)
	}
	s.Nodes = s.Fates().Tally()
	return reading, nil
}

// waiting reports whether the phase waits for nodes to become ready: a node counts as
// succeeded in the boot phase as soon as its power-on is accepted, and only the stop time
// of the phase says that the wait is over (bos.md, Boot phase).
func waiting(p *bos.Phase) bool {
	return p.Name == bos.Boot && p.Nodes.Succeeded > 0 && p.StopTime.IsZero()
}

// reported reports whether the boot agent had reported the boot set when the session was
// last read.
func reported(last *bos.Session, bootSet string) bool {
	return last != nil && slices.ContainsFunc(last.BootSets, func(b bos.BootSet) bool { return b.Name == bootSet && b.Reported })
}

// names learns the names of the boot sets: from the status of the session if it gives
// them, as the earliest releases do, otherwise from the session template. As long as the
// status cannot be read the template serves: those releases write the status when the
// boot agent starts, and close the connection until it is complete.
func (r *reader) names(ctx context.Context, s *bos.Session, known names) (names, *inventory.Missing, error) {
	bootSets, err := r.client.sessionBootSets(ctx, s.ID)
	switch reason := bos.ReasonOf(err); {
	case err == nil && len(bootSets) > 0:
		return names{bootSets, true}, nil, nil
	case err != nil && reason != bos.NotFound && (reason != bos.Unavailable || bos.IsTimeout(err)):
		return known, nil, err
	}
	bootSets, templateErr := r.template(ctx, s)
	switch {
	case templateErr == nil:
		return names{bootSets, err == nil}, nil, nil
	case bos.ReasonOf(templateErr) != bos.NotFound:
		return known, nil, templateErr
	case len(known.bootSets) == 0:
		s.Obscure = true // its boot sets cannot be known; all else can
		return known, &inventory.Missing{Part: theTemplate, Err: templateErr}, nil
	}
	return known, nil, nil
}

// template returns the names of the boot sets of the template of a session.
func (r *reader) template(ctx context.Context, s *bos.Session) ([]string, error) {
	if s.Template == "" {
		return nil, &bos.Error{Reason: bos.NotFound, URL: r.client.Address("v1", "session", s.ID),
			Detail: "BOS names no session template for it, so its boot sets cannot be known"}
	}
	r.mu.Lock()
	e, read := r.templates[s.Template]
	r.mu.Unlock()
	if read {
		return e.bootSets, e.err
	}
	bootSets, err := r.client.templateBootSets(ctx, s.Template)
	if err == nil || bos.ReasonOf(err) == bos.NotFound {
		r.mu.Lock()
		r.templates[s.Template] = templateEntry{bootSets, err}
		r.mu.Unlock()
	}
	return bootSets, err
}

var (
	_ inventory.API    = (*API)(nil)
	_ inventory.Reader = (*reader)(nil)
)
