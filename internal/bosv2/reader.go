package bosv2

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// reader reads sessions in a sweep.
type reader struct {
	api    *API
	client client

	mu        sync.Mutex
	templates map[templateKey]templateEntry
}

// memo is what is remembered of a session between two readings.
type memo struct {
	sets   []bootSet // of the template, as it was when the session was first read
	placed bool      // sets has been read
	// closed is set once BOS has listed the nodes that the session acts on: any other that
	// bears its name belongs to a namesake.
	closed bool
	merged bool // the components have been read since the session ended
	final  bool // its status, too: nothing more is read
	exact  bool // the numbers of nodes were those of BOS in the end
}

// Describe implements inventory.Reader. It sends a request only if the list lacks the
// session.
func (r *reader) Describe(ctx context.Context, listed inventory.Listed, last inventory.Reading) (*bos.Session, error) {
	var s *bos.Session
	if listed.Description != nil {
		clone := *listed.Description
		s = &clone
	} else {
		record, err := r.client.session(ctx, listed.Key)
		if err != nil {
			return nil, err
		}
		s = record.Session
	}
	if bare(s) {
		return nil, r.malformed(s, "the description of the session has neither operation nor template nor status")
	}
	s.StopTold = !s.Complete.Value || !s.StopTime.IsZero()
	if s.Complete.Value {
		s.Limits = last.Session.Limits
	} else {
		s.Limits = r.api.currentLimits(ctx)
	}
	if s.SameAs(last.Session) {
		s.ErrorCount = last.Session.ErrorCount // which is not BOS's own
	}
	return s, nil
}

// bare reports whether nothing is told of a session but its name, and perhaps its tenant.
func bare(s *bos.Session) bool {
	return s.Operation == "" && s.Template == "" && s.Metadata == (bos.Metadata{})
}

func (r *reader) malformed(s *bos.Session, format string, args ...any) error {
	return &bos.Error{Reason: bos.Malformed, URL: r.api.Address(s.Key()), Detail: fmt.Sprintf(format, args...)}
}

// Nodes implements inventory.Reader.
func (r *reader) Nodes(ctx context.Context, s *bos.Session, last inventory.Reading, recorder *bos.Recorder) (inventory.Reading, error) {
	known, _ := last.Memo.(memo)
	ended := s.Complete.Value
	switch {
	case s.InProgress.Present && !s.InProgress.Value && !ended:
		return inventory.Reading{Session: s, Memo: known}, nil // its nodes are not known yet
	case ended && s.SetupError != "" && len(last.Session.BootSets) == 0:
		return inventory.Reading{Session: s, Memo: known}, nil // it never had any
	case known.final:
		keep(s, last.Session)
		return inventory.Reading{Session: s, Memo: known}, nil
	}
	reading := &reading{reader: r, session: s, last: last.Session, memo: known, recorder: recorder}
	var err error
	if ended {
		err = reading.end(ctx)
	} else {
		err = reading.running(ctx)
	}
	return inventory.Reading{Session: s, Memo: reading.memo}, err
}

// keep takes over the boot sets of the last reading.
func keep(s, last *bos.Session) {
	s.BootSets = slices.Clone(last.BootSets)
	for i := range s.BootSets {
		s.BootSets[i].Phases = slices.Clone(s.BootSets[i].Phases) // they are to be dated anew
	}
	s.Nodes, s.Recounted, s.ErrorCount, s.Limits = last.Nodes, last.Recounted, last.ErrorCount, last.Limits
	s.StagedNodes, s.AwaitsApply = last.StagedNodes, last.AwaitsApply && s.StopTime.IsZero()
}

// reading is a reading of the nodes of a session.
type reading struct {
	*reader
	session  *bos.Session
	last     *bos.Session
	memo     memo
	recorder *bos.Recorder

	places  []place         // boot sets that nodes are in
	before  []nodeBefore    // by the numbers of the recorder's table
	members map[string]bool // the nodes that BOS says the session acts on, true until they are in nodes; nil if unknown
	nodes   []nodeState
	errors  map[string]string // messages of the nodes; each shares memory
	texts   int               // the size of errors in bytes
	read    []bool            // whether a node is in nodes, by the numbers of the recorder
	found   counts            // the nodes that bear the name of the session
	staged  int               // nodes that wait for the session to be applied
	applied int               // nodes that it was applied to, and that it stays staged for
}

// nodeBefore is what was known of a node.
type nodeBefore struct {
	known    bool
	place    int // in places
	standing Standing
	tries    [phaseCount]int
}

// nodeState is what is known of a node now.
type nodeState struct {
	number   int // of the recorder
	place    int // in places
	standing Standing
	tries    [phaseCount]int
	err      string
	at       int       // the phase that it is in
	moved    time.Time // when BOS last did something to it
}

// prepare learns what is needed to interpret components.
func (g *reading) prepare(ctx context.Context) error {
	s := g.session
	if !g.memo.placed {
		sets, err := g.template(ctx, s)
		if err != nil {
			return err
		}
		g.memo.sets, g.memo.placed = sets, true
	}
	g.recall()
	named := slices.ContainsFunc(g.before, func(b nodeBefore) bool { return b.known })
	if g.memo.closed && named {
		return nil
	}
	record, err := g.client.session(ctx, s.Key())
	if err != nil {
		return err
	}
	g.memo.closed = record.components != ""
	if g.memo.closed {
		g.members = make(map[string]bool)
		for id := range strings.SplitSeq(record.components, ",") {
			if id = strings.TrimSpace(id); id != "" {
				g.members[id] = true
			}
		}
	}
	return nil
}

// recall looks up where the nodes stood in the last reading.
func (g *reading) recall() {
	g.before = make([]nodeBefore, g.recorder.Table().Len())
	for i := range g.last.BootSets {
		b := &g.last.BootSets[i]
		in := g.placeNumber(place{b.Name, b.Derived})
		for j := range b.Phases {
			p := &b.Phases[j]
			phase := slices.Index(bos.PhaseOrder, p.Name)
			if phase < 0 {
				continue
			}
			for _, c := range p.Categories {
				for n := range c.Nodes.All() {
					before := &g.before[n]
					before.known, before.place = true, in
					before.standing[phase] = c.Name
				}
			}
			for tries, set := range p.Attempts {
				for n := range set.All() {
					g.before[n].tries[phase] = tries + 2
				}
			}
		}
	}
}

// placeNumber returns where in places a boot set is.
func (g *reading) placeNumber(p place) int {
	i := slices.IndexFunc(g.places, func(q place) bool { return q.name == p.name })
	if i < 0 {
		i = len(g.places)
		g.places = append(g.places, p)
	}
	return i
}

// of returns what was known of a node.
func (g *reading) of(id string) nodeBefore {
	if n, ok := g.recorder.Table().Number([]byte(id)); ok && n < len(g.before) {
		return g.before[n]
	}
	return nodeBefore{}
}

// readComponents reads the nodes that bear the name of the session. Those of a namesake are
// left out as far as BOS has said which ones the session acts on.
func (g *reading) readComponents(ctx context.Context) error {
	s := g.session
	g.read = make([]bool, len(g.before))
	g.nodes = make([]nodeState, 0, len(g.before))
	filters := []string{"session"}
	if s.Staged {
		filters = append(filters, "staged_session")
	}
	for _, filter := range filters {
		query := url.Values{filter: {s.ID}}
		if err := g.client.components(ctx, s.Tenant, query, g.add); err != nil {
			return err
		}
	}
	return nil
}

// message returns an error message of a node, cut if there are many long ones.
func (g *reading) message(text string) string {
	if known, ok := g.errors[text]; ok {
		return known
	}
	if g.texts+len(text) > maxTexts {
		return bosclient.Cut(text, maxBrief)
	}
	if g.errors == nil {
		g.errors = make(map[string]string)
	}
	g.texts += len(text)
	g.errors[text] = text
	return text
}

// add records what BOS says of a node.
func (g *reading) add(sent *component) error {
	s := g.session
	c := sent.as(s.ID)
	number, listed := g.recorder.Table().Number([]byte(c.ID))
	var before nodeBefore
	if listed && number < len(g.before) {
		before = g.before[number]
	}
	switch {
	case c.Session != s.ID && c.StagedSession != s.ID:
		return nil
	case g.members != nil && !g.members[c.ID], g.members == nil && g.memo.closed && !before.known:
		return nil // of a namesake, or read already
	}
	if !listed {
		number = g.recorder.Number([]byte(c.ID))
	}
	for len(g.read) <= number {
		g.read = append(g.read, false)
	}
	if g.read[number] {
		return nil
	}
	g.read[number] = true
	if g.members != nil {
		g.members[c.ID] = false
	}
	if c.Session == s.ID {
		g.found.managed++
		switch c.Status {
		case statusStable:
			g.found.stable++
		case statusFailed:
			g.found.failed++
		}
	}
	if c.StagedSession == s.ID {
		g.found.managed++ // an applied node that it stays staged for counts twice
		if c.Session == s.ID {
			g.applied++
		} else {
			g.staged++
		}
	}
	n := nodeState{
		number:   number,
		place:    before.place,
		standing: Derive(c, s.ID, s.Operation, before.standing),
		tries:    before.tries,
		err:      g.message(c.Error),
	}
	if !before.known {
		n.place = g.placeNumber(placeOf(c, s, g.memo.sets))
	}
	if c.PowerOns == 0 {
		n.tries[inShutdown] = max(n.tries[inShutdown], c.PowerOffs)
	}
	n.tries[inBoot] = max(n.tries[inBoot], c.PowerOns)
	n.at = n.standing.at()
	if c.Enabled && c.Session == s.ID {
		n.moved = c.ActionTime
	}
	g.nodes = append(g.nodes, n)
	return tooMany(len(g.nodes))
}

// at is the phase that a node is in: the first in which it has not succeeded, or else its
// last.
func (s Standing) at() int {
	at := 0
	for i, category := range s {
		if category == "" {
			continue
		}
		at = i
		if category != bos.Succeeded {
			break
		}
	}
	return at
}

// lost returns the nodes that the session acts on, or did, and that do not bear its name any
// more.
func (g *reading) lost() (ids []string) {
	for id, missing := range g.members {
		if missing {
			ids = append(ids, id)
		}
	}
	if g.members == nil {
		for n := range g.before {
			if g.before[n].known && !g.read[n] {
				ids = append(ids, g.recorder.Table().Node(n).Name)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// addLost records a node that no longer bears the name of the session. The function returns
// where it stands, given what was known of it.
func (g *reading) addLost(id string, standing func(nodeBefore) Standing) {
	before := g.of(id)
	n := nodeState{number: g.recorder.Number([]byte(id)), place: before.place, standing: standing(before), tries: before.tries}
	if !before.known {
		n.place = g.placeNumber(placeOf(&bos.Component{ID: id}, g.session, g.memo.sets))
	}
	n.at = n.standing.at()
	g.nodes = append(g.nodes, n)
}

// takenOver returns where a node stands that another session has taken over.
func (g *reading) takenOver(before nodeBefore) Standing {
	return Derive(&bos.Component{}, g.session.ID, g.session.Operation, before.standing)
}

// running reads a session that has not ended.
func (g *reading) running(ctx context.Context) error {
	if err := g.prepare(ctx); err != nil {
		return err
	}
	if err := g.readComponents(ctx); err != nil {
		return err
	}
	lost := g.lost()
	if len(g.nodes) == 0 && len(lost) > 0 {
		// A session without nodes would have ended.
		return g.malformed(g.session, "the session acts on nodes (%d), but BOS lists none of them: BOS 2.30.7 lists no component at all, and if other sessions have taken over all of them, the session is about to end", len(lost))
	}
	for _, id := range lost {
		g.addLost(id, g.takenOver)
	}
	g.assemble()
	return nil
}
