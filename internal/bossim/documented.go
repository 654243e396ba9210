package bossim

import (
	"embed"
	"encoding/json"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// DocumentedTime is shortly after the example of the documentation ended.
var DocumentedTime = time.Date(2020, time.July, 22, 14, 0, 0, 0, time.UTC)

const (
	documentedTemplate = "cle-1.3.0"
	documentedBootSet  = "computes"
	// documentedExample is printed as a description, a status and a boot set.
	documentedExample = "f4eebe51-a217-46d0-8733-b9499a092042"
	// documentedPhase is printed as a phase and a category only, and not listed.
	// The documents around the phase are made to fit.
	documentedPhase = "f89eb554-c733-4197-b2f2-4e1e5ba0c0ec"
)

//go:embed documented
var documentedFiles embed.FS

// Documented is what the BOS documentation shows ("View the Status of a BOS
// Session"), word for word and whatever the era and the time. Of the other
// sessions that it lists it shows nothing but the IDs: they are taken to be
// earlier reboots of the same nodes that went well. All of it is of era A, save
// for the code that a boot set comes with.
func Documented() Scenario {
	var ids []string
	parse("documented/sessions.json", &ids)
	scenario := newScripted()
	before := time.Date(2020, time.July, 21, 20, 17, 31, 418203000, time.UTC)
	for _, id := range ids {
		if id == documentedExample {
			session := printedSession(id)
			scenario.listed = append(scenario.listed, session)
			scenario.known[id] = []*Session{session}
			continue
		}
		scenario.add(Spec{
			ID:        id,
			Operation: bos.Reboot,
			Template:  documentedTemplate,
			Created:   before,
			BootSets: []BootSetSpec{{
				Name:  documentedBootSet,
				Nodes: []string{"x3000c0s19b1n0", "x3000c0s19b2n0", "x3000c0s19b3n0", "x3000c0s19b4n0"},
			}},
		})
		session := scenario.known[id][0]
		session.documents = ofEraA{session.documents}
		before = before.Add(-10*time.Hour - 7*time.Minute)
	}
	scenario.known[documentedPhase] = []*Session{printedSession(documentedPhase)}
	return scenario
}

// printed are the documents of a session that never changes.
type printed struct {
	description description
	record      statusDocument
	set         bootSetDocument
}

// printedSession is there at all times.
func printedSession(id string) *Session {
	p := new(printed)
	parse("documented/"+id+"/describe.json", &p.description)
	parse("documented/"+id+"/status.json", &p.record)
	parse("documented/"+id+"/bootset.json", &p.set)
	return &Session{id: id, documents: p}
}

func parse(file string, into any) {
	text, err := documentedFiles.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		panic(err) // the files are part of the program
	}
}

func (p *printed) describe(time.Time, Era) description { return p.description }

func (p *printed) status(time.Time, Era) (*statusDocument, error) { return &p.record, nil }

func (p *printed) bootSet(name string, _ time.Time, _ Era) (*bootSetDocument, bool) {
	return &p.set, name == p.set.Name
}

// ofEraA are documents that are always written as in era A.
type ofEraA struct{ documents }

func (o ofEraA) describe(t time.Time, _ Era) description { return o.documents.describe(t, EraA) }

func (o ofEraA) status(t time.Time, _ Era) (*statusDocument, error) {
	return o.documents.status(t, EraA)
}

func (o ofEraA) bootSet(name string, t time.Time, _ Era) (*bootSetDocument, bool) {
	return o.documents.bootSet(name, t, EraA)
}
