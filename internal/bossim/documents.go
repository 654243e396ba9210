package bossim

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The documents that BOS sends. Their keys come in alphabetical order on the
// wire, so that is the order of the fields.

// description is the document of a session: a flat object whose keys and types
// vary with the era.
type description map[string]any

type statusDocument struct {
	BootSets []string `json:"boot_sets,omitempty"`
	ID       string   `json:"id"`
	Links    []link   `json:"links"`
	Metadata metadata `json:"metadata"`
}

type bootSetDocument struct {
	Links    []link          `json:"links"`
	Metadata metadata        `json:"metadata"`
	Name     string          `json:"name"`
	Phases   []phaseDocument `json:"phases"`
	Session  string          `json:"session"`
}

type phaseDocument struct {
	Categories []categoryDocument  `json:"categories"`
	Errors     map[string][]string `json:"errors,omitempty"`
	Metadata   metadata            `json:"metadata"`
	Name       string              `json:"name"`
}

type categoryDocument struct {
	Name     string   `json:"name"`
	NodeList []string `json:"node_list"`
}

type link struct {
	Href string `json:"href"`
	Rel  string `json:"rel"`
}

type metadata struct {
	Complete   bool   `json:"complete"`
	ErrorCount int    `json:"error_count"`
	InProgress bool   `json:"in_progress"`
	StartTime  string `json:"start_time,omitempty"`
	StopTime   string `json:"stop_time,omitempty"`
}

// Phase and category names in a URL may be in any case.

func (b *bootSetDocument) phase(name string) (*phaseDocument, bool) {
	for i := range b.Phases {
		if strings.EqualFold(b.Phases[i].Name, name) {
			return &b.Phases[i], true
		}
	}
	return nil, false
}

func (p *phaseDocument) category(name string) (*categoryDocument, bool) {
	for i := range p.Categories {
		if strings.EqualFold(p.Categories[i].Name, name) {
			return &p.Categories[i], true
		}
	}
	return nil, false
}

// documents is where the documents of a session come from.
type documents interface {
	describe(t time.Time, era Era) description
	status(t time.Time, era Era) (*statusDocument, error)
	bootSet(name string, t time.Time, era Era) (*bootSetDocument, bool)
}

var (
	errAbsent = errors.New("no such record")
	errHangUp = errors.New("the server trips over its own records and hangs up")
)

func statusPath(session string) string { return "/v1/session/" + session + "/status" }

// play derives documents from the script of a session.
type play struct {
	spec         *Spec
	early, later func() *script // by agents of era A, and since
}

func (p *play) at(t time.Time, era Era) *state {
	if era == EraA {
		return p.early().at(t)
	}
	return p.later().at(t)
}

func (p *play) describe(t time.Time, era Era) description {
	id := p.spec.ID
	d := description{
		"operation":           p.spec.Operation,
		"status_link":         statusPath(id),
		eras[era].templateKey: p.spec.Template,
		eras[era].jobKey:      "boa-" + id,
		"start_time":          "",
		"stop_time":           "",
		"complete":            "",
		"in_progress":         "",
		"error_count":         "",
	}
	st := p.at(t, era)
	if !st.recorded {
		return d
	}
	m := st.metadata(era)
	d["start_time"] = m.StartTime
	d["stop_time"] = nil
	if m.StopTime != "" {
		d["stop_time"] = m.StopTime
	}
	if era == EraA && !st.reported() {
		return d // the sums over boot sets cannot be made yet
	}
	d["complete"], d["in_progress"], d["error_count"] = m.Complete, m.InProgress, m.ErrorCount
	return d
}

func (p *play) status(t time.Time, era Era) (*statusDocument, error) {
	st := p.at(t, era)
	if !st.recorded {
		return nil, errAbsent
	}
	self := statusPath(p.spec.ID)
	d := &statusDocument{
		ID:       p.spec.ID,
		Links:    []link{{self, "self"}},
		Metadata: st.metadata(era),
	}
	if era == EraA { // since then, the record that the server makes keeps the agent from naming boot sets
		if !st.reported() {
			return nil, errHangUp
		}
		for i := range st.bootSets {
			name := st.bootSets[i].name
			d.BootSets = append(d.BootSets, name)
			d.Links = append(d.Links, link{self + "/" + name, "Boot Set"})
		}
	}
	return d, nil
}

// metadata of the session mean something else in every era.
func (st *state) metadata(era Era) metadata {
	m := metadata{StartTime: serverTime(st.start), StopTime: agentTime(st.stop)}
	switch era {
	case EraA:
		f := st.flags()
		m.StartTime = agentTime(st.start)
		m.Complete, m.InProgress, m.ErrorCount = f.complete, f.inProgress, f.errorCount
	case EraC:
		m.Complete = !st.stop.IsZero()
		m.InProgress = !m.Complete
	}
	return m
}

func (p *play) bootSet(name string, t time.Time, era Era) (*bootSetDocument, bool) {
	st := p.at(t, era)
	i := slices.IndexFunc(st.bootSets, func(b bootSetState) bool { return b.name == name && b.reported })
	if i < 0 {
		return nil, false
	}
	b := &st.bootSets[i]
	self := statusPath(p.spec.ID) + "/" + name
	stop := b.stop
	if !eras[era].bootSetStops {
		stop = time.Time{}
	}
	d := &bootSetDocument{
		Links:    []link{{self, "self"}},
		Metadata: b.flags().metadata(b.start, stop),
		Name:     name,
		Session:  p.spec.ID,
	}
	for i := range b.phases {
		ph := &b.phases[i]
		spelled := p.spell(ph.name)
		d.Links = append(d.Links, link{self + "/" + spelled, "Phase"})
		d.Phases = append(d.Phases, phaseDocument{
			Categories: p.categories(ph, b.nodes, name, st.moves),
			Errors:     maps.Clone(ph.errors),
			Metadata:   ph.flags().metadata(ph.start, ph.stop),
			Name:       spelled,
		})
	}
	return d, true
}

func (f flags) metadata(start, stop time.Time) metadata {
	return metadata{
		Complete:   f.complete,
		ErrorCount: f.errorCount,
		InProgress: f.inProgress,
		StartTime:  agentTime(start),
		StopTime:   agentTime(stop),
	}
}

// categories lists nodes in an order that changes with every move.
func (p *play) categories(ph *phaseState, nodes []string, bootSet string, moves int) []categoryDocument {
	order := make([]int, len(nodes))
	for i := range order {
		order[i] = i
	}
	shuffle(order, p.spec.ID, bootSet, ph.name, strconv.Itoa(moves))
	lists := make([]categoryDocument, len(categoryNames))
	for i, name := range categoryNames {
		lists[i] = categoryDocument{p.spell(name), []string{}}
		for _, node := range order {
			if ph.in[node]&(1<<i) != 0 {
				lists[i].NodeList = append(lists[i].NodeList, nodes[node])
			}
		}
	}
	return lists
}

// spell writes the name of a phase or category as the session spells them.
func (p *play) spell(name string) string {
	if !p.spec.MixedCase {
		return name
	}
	words := strings.Split(name, "_")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "_")
}
