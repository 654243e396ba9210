package datasource

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
)

// maxChoices bounds a pick list; people type to narrow it.
const maxChoices = 200

// patience is how long a pick list waits for a sweep. After that it has what is known: the
// sweep goes on, and people can type any other value.
const patience = 3 * time.Second

// choice is an entry of a pick list.
type choice struct {
	Value    string `json:"value"`
	Label    string `json:"label"`
	Disabled bool   `json:"isDisabled,omitempty"` // a remark, not a value
}

// routes serves the pick lists of the query editor. Each takes filters of a query as
// parameters that may be repeated, and the words to search for as q.
func (d *Datasource) routes() http.Handler {
	mux := http.NewServeMux()
	for path, field := range map[string]string{
		"sessions": "session", "bootsets": "bootset", "phases": "phase", "categories": "category", "templates": "template", "tenants": "tenant",
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
	params := r.URL.Query()
	q := Query{
		QueryType: "values", Field: field, Search: params.Get("q"),
		Session: given(params, "session"), BootSet: given(params, "bootset"), Template: given(params, "template"),
		Tenant: interpolated(params, "tenant"),
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	var values []value
	everyTime := backend.TimeRange{To: time.Now().AddDate(1000, 0, 0)}
	v, err := d.answer(ctx, q, everyTime, false, func(v *view) error {
		values = v.values()
		return nil
	})
	if err != nil {
		return nil, err
	}
	found := []choice{}
	for _, c := range values[:min(len(values), maxChoices)] {
		found = append(found, choice{Value: c.value, Label: c.text})
	}
	if more := v.mayBeMore(len(values) > maxChoices); more != "" {
		found = append(found, choice{Label: more, Disabled: true})
	}
	return found, nil
}

// mayBeMore says why a pick list does not have all values, or may not; "" if it has.
func (v *view) mayBeMore(cut bool) string {
	switch {
	case cut:
		return "There are more: type to narrow them"
	case len(v.doubts) == 0:
		return ""
	case !v.snapshot.ListUp:
		return "There may be more: BOS cannot be read now"
	}
	counted := 0
	for _, err := range v.unread.errs {
		switch {
		case isCounted(err):
			counted++
		case !isNotYet(err):
			return "There may be more: not all sessions could be read"
		}
	}
	if counted > 0 && counted == len(v.unread.errs) {
		return "There may be more: of some sessions no more than the numbers of nodes are known"
	}
	return "There may be more: BOS is still being read"
}

// interpolated returns the values of a parameter, without variables: those have no value
// here, so they narrow nothing.
func interpolated(params url.Values, name string) list {
	return slices.DeleteFunc(params[name], uninterpolated.MatchString)
}

// given is interpolated without empty values.
func given(params url.Values, name string) list {
	return slices.DeleteFunc(interpolated(params, name), func(v string) bool { return v == "" })
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.DefaultLogger.Debug("a pick list could not be sent", "err", err)
	}
}
