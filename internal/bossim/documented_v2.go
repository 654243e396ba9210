package bossim

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"
)

// DocumentedV2Time is when the documents of DocumentedV2 are of.
var DocumentedV2Time = time.Date(2026, time.March, 2, 9, 21, 5, 0, time.UTC)

// DocumentedV2 is a scenario of documents of every sort that v2 can send, whatever the
// era and the time: sessions that are pending, that failed to be set up, of a tenant,
// complete, staged and running, the statuses of the last three, and the components of the
// one that runs. Some components lack keys that BOS allows to be absent.
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
		d.nodes = append(d.nodes, holding{component: component{enabled: c.Enabled, session: c.Session, phase: c.Status.Phase,
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

// documentedV2 has nothing on v1.
type documentedV2 struct {
	*scripted
	listed           []sessionRecord
	statuses         map[string][]byte          // by the name of the session, which has no tenant
	owned            map[string]map[string]bool // by tenant
	ids              []string
	nodes            []holding
	printedTemplates []template
}

func unmarshal(record []byte, into any) {
	if err := json.Unmarshal(record, into); err != nil {
		panic(err) // the files are part of the program
	}
}

// printedText writes a document as BOS would.
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

func (d *documentedV2) components(time.Time, string, string) iter.Seq2[string, holding] {
	return func(yield func(string, holding) bool) {
		for i, id := range d.ids {
			if !yield(id, d.nodes[i]) {
				return
			}
		}
	}
}

func (d *documentedV2) component(node string, _ time.Time) (holding, bool) {
	if i := slices.Index(d.ids, node); i >= 0 {
		return d.nodes[i], true
	}
	return holding{}, false
}

// status is the one that is printed, or that of a session which has no node.
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
