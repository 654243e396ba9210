package datasource

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
)

// choices bounds a pick list; one types to narrow it.
const choices = 200

// choice is a row of a pick list.
type choice struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// routes serves the pick lists of the query editor. Each takes the filters of a
// query as parameters that may be repeated, and q, of which the label must have
// every word.
func (d *Datasource) routes() http.Handler {
	mux := http.NewServeMux()
	for path, field := range map[string]string{
		"sessions": "session", "bootsets": "bootset", "phases": "phase", "categories": "category", "templates": "template",
	} {
		mux.HandleFunc("GET /"+path, func(w http.ResponseWriter, r *http.Request) {
			found, err := d.choices(r, field)
			if err != nil {
				status, text := explain(err)
				respond(w, int(status), map[string]string{"message": text})
				return
			}
			respond(w, http.StatusOK, found)
		})
	}
	return mux
}

func (d *Datasource) choices(r *http.Request, field string) ([]choice, error) {
	if d.broken != nil {
		return nil, d.broken
	}
	asked := r.URL.Query()
	raw, err := json.Marshal(Query{
		QueryType: "values", Field: field,
		Session: filled(asked, "session"), BootSet: filled(asked, "bootset"), Template: filled(asked, "template"),
	})
	if err != nil {
		return nil, err
	}
	q, err := parseQuery(raw, "")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	v, err := d.view(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := v.choose(backend.TimeRange{To: v.now.Add(time.Hour)}); err != nil {
		return nil, err
	}
	values, err := v.values()
	if err != nil {
		return nil, err
	}
	words := strings.Fields(strings.ToLower(asked.Get("q")))
	found := []choice{}
	for _, c := range values {
		if len(found) < choices && hasAll(strings.ToLower(c.value+" "+c.text), words) {
			found = append(found, choice{c.value, c.text})
		}
	}
	return found, nil
}

// filled are the values of a parameter. A variable has no value here, so it
// narrows nothing.
func filled(asked url.Values, name string) list {
	var some list
	for _, v := range asked[name] {
		if v != "" && !uninterpolated.MatchString(v) {
			some = append(some, v)
		}
	}
	return some
}

func hasAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.DefaultLogger.Debug("a pick list was not read to its end", "err", err)
	}
}
