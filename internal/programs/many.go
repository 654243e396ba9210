package programs

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// ManyID is the id of a session of ManySessions.
func ManyID(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", i) }

// ManySessions starts a BOS that has reboots at work, each of them with so many boot sets that
// share so many nodes, and returns its URL. The sessions differ in their ids alone, and time
// stands still: each document is made once, which keeps the BOS of a thousand sessions of ten
// thousand nodes cheap.
func ManySessions(t testing.TB, era bossim.Era, sessions, bootSets, nodes int) (url string) {
	t.Helper()
	now := bossim.GalleryTime
	var sets []bossim.BootSetSpec
	for all := range slices.Chunk(bossim.Nodes(nodes), nodes/bootSets) {
		fail := len(all) / 200
		sets = append(sets, bossim.BootSetSpec{Name: fmt.Sprint("compute", len(sets)+1), Nodes: all, Troubles: []bossim.Trouble{
			{Kind: bossim.ShutdownFails, Nodes: all[:fail], Message: "NodeBMC Communication Error"},
			{Kind: bossim.PowerOnRefused, Nodes: all[fail : 2*fail], Message: "no power"},
		}})
	}
	sim := bossim.New(bossim.Scripted(bossim.Spec{
		ID: ManyID(0), Operation: "reboot", Template: "all", Created: now.Add(-20 * time.Minute), BootSets: sets,
	}), era, func() time.Time { return now })
	server := httptest.NewServer(&copier{original: sim, sessions: sessions, made: make(map[string]*httptest.ResponseRecorder)})
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	return server.URL
}

// copier serves copies of the only session of a BOS.
type copier struct {
	original http.Handler
	sessions int

	mu   sync.Mutex
	made map[string]*httptest.ResponseRecorder // answers of the original, by URI
}

func (c *copier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	uri, original := r.URL.RequestURI(), ManyID(0)
	id := original
	if end := strings.Index(uri, original[8:]); end >= 8 {
		id = uri[end-8 : end+len(original)-8]
		uri = strings.ReplaceAll(uri, id, original)
	}
	answer := c.answer(r, uri)
	body := answer.Body.Bytes()
	if path := r.URL.Path; path == "/v1/session" || path == "/v2/sessions" {
		body = c.multiplied(body)
	} else {
		body = bytes.ReplaceAll(body, []byte(original), []byte(id))
	}
	w.Header().Set("Date", answer.Header().Get("Date"))
	w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body) // the client may be gone
}

// answer returns what the original answers.
func (c *copier) answer(r *http.Request, uri string) *httptest.ResponseRecorder {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := c.made[uri]
	if answer == nil {
		answer = httptest.NewRecorder()
		c.original.ServeHTTP(answer, httptest.NewRequestWithContext(r.Context(), r.Method, uri, nil))
		c.made[uri] = answer
	}
	return answer
}

// multiplied returns a list with as many copies of its only item, if it has one, as there
// are sessions.
func (c *copier) multiplied(list []byte) []byte {
	item := bytes.Trim(list, "[] \n")
	if len(item) == 0 {
		return list
	}
	items := make([][]byte, c.sessions)
	for i := range items {
		items[i] = bytes.ReplaceAll(item, []byte(ManyID(0)), []byte(ManyID(i)))
	}
	return append(append([]byte("["), bytes.Join(items, []byte(","))...), ']')
}
