package bossim

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"
)

// DocumentedV2Time is the time at which DocumentedV2 is meant to be read.
var DocumentedV2Time = time.Date(2026, time.March, 2, 9, 21, 5, 0, time.UTC)

// DocumentedV2 serves fixed documents over v2, whatever the era and the time: sessions that
// are pending, that could not be set up, that belong to a tenant, complete, staged and
// running, the status of the last three, and the components of the running one. Most of
// those components lack keys, as BOS allows.
func DocumentedV2() Scenario {
	d := &documentedV2{scripted: newScripted(), statuses: make(map[string][]byte), owned: make(map[string]map[string]bool)}
	var records []json.RawMessage
	parse("documented/v2/sessions.json", &records)
	for _, record := range records {
		var s struct {
			Name, Tenant, Components string
			Status                   struct {
				Status    string
				StartTime string `json:"start_time"`
			}
		}
		unmarshal(record, &s)
		start, err := time.Parse(v2Layout, s.Status.StartTime)
		if err != nil {
			panic(err) // the files are part of the program
		}
		d.listed = append(d.listed, sessionRecord{s.Name, s.Tenant, s.Status.Status, start, printedText(record), nil})
		if s.Tenant != "" {
			d.owned[s.Tenant] = make(map[string]bool)
			for node := range strings.SplitSeq(s.Components, ",") {
				d.owned[s.Tenant][node] = true
			}
		}
	}
	var statuses map[string]json.RawMessage
	parse("documented/v2/statuses.json", &statuses)
	for name, status := range statuses {
		d.statuses[name] = written(printedText(status)).body
	}
	var nodes []json.RawMessage
	parse("documented/v2/components.json", &nodes)
	for _, record := range nodes {
		var c struct {
			ID, Session string
			Enabled     bool
			Staged      struct{ Session string } `json:"staged_state"`
			Status      struct {
				Phase, Status string
			}
		}
		unmarshal(record, &c)
		d.ids = append(d.ids, c.ID)
		d.nodes = append(d.nodes, nodeRecord{component: component{enabled: c.Enabled, session: c.Session, phase: c.Status.Phase,
			printed: &printedComponent{staged: c.Staged.Session, status: c.Status.Status, record: record}}})
	}
	var sets []json.RawMessage
	parse("documented/v2/templates.json", &sets)
	for _, record := range sets {
		var t struct{ Name, Tenant string }
		unmarshal(record, &t)
		d.printedTemplates = append(d.printedTemplates, template{t.Name, t.Tenant, printedText(record)})
	}
	return d
}

// documentedV2 is empty over v1.
type documentedV2 struct {
	*scripted
	listed           []sessionRecord
	statuses         map[string][]byte          // by session, of those without a tenant
	owned            map[string]map[string]bool // by tenant
	ids              []string
	nodes            []nodeRecord
	printedTemplates []template
}

func unmarshal(record []byte, into any) {
	if err := json.Unmarshal(record, into); err != nil {
		panic(err) // the files are part of the program
	}
}

// printedText returns a function that writes a document as BOS would.
func printedText(record []byte) func(w *text) {
	return func(w *text) {
		var indented bytes.Buffer
		prefix := string(bytes.Repeat([]byte("  "), w.depth))
		if err := json.Indent(&indented, record, prefix, "  "); err != nil {
			panic(err) // the record has been parsed
		}
		w.raw("", indented.Bytes())
	}
}

func (d *documentedV2) system(time.Time, Era) system { return d }

func (d *documentedV2) sessions(time.Time) []sessionRecord { return slices.Clone(d.listed) }

func (d *documentedV2) components(time.Time, string, string) iter.Seq2[string, nodeRecord] {
	return func(yield func(string, nodeRecord) bool) {
		for i, id := range d.ids {
			if !yield(id, d.nodes[i]) {
				return
			}
		}
	}
}

func (d *documentedV2) component(node string, _ time.Time) (nodeRecord, bool) {
	if i := slices.Index(d.ids, node); i >= 0 {
		return d.nodes[i], true
	}
	return nodeRecord{}, false
}

// status returns the printed status, or that of a session without nodes.
func (d *documentedV2) status(s sessionRecord, t time.Time, _ bool) []byte {
	if printed, ok := d.statuses[s.name]; ok && s.tenant == "" {
		return printed
	}
	return statusText(s, s.status, tally{}, time.Time{}, t)
}

func (d *documentedV2) templates() []template { return d.printedTemplates }

func (d *documentedV2) tenant(name string) (map[string]bool, bool) {
	nodes, ok := d.owned[name]
	return nodes, ok
}

func (d *documentedV2) clearsStage() bool { return false }
