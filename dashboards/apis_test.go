package dashboards

import (
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// server is a release of BOS that serves one API alone. Every test of this package that
// watches a BOS watches each of them.
type server struct {
	api string
	era bossim.Era
	// shutdown is how long a shutdown takes there that goes well.
	shutdown time.Duration
}

var servers = []server{
	{api: bos.APIv1, era: bossim.EraC, shutdown: 5*time.Minute + 40*time.Second},
	{api: bos.APIv2, era: bossim.EraD2, shutdown: 2*time.Minute + 25*time.Second},
}

// What differs between the APIs stands below, and nowhere else: all other panels, alerts
// and metrics are held to the same on both. docs/bos.md says why.

// servedOnlyBy holds the metrics that one API alone gives.
var servedOnlyBy = map[string]string{
	"bos_sessions_stored_bytes": bos.APIv1, // the list of v2 has no such limit
	"bos_phase_retried_nodes":   bos.APIv2, // v1 does not count attempts
	"bos_session_staged_nodes":  bos.APIv2, // v1 stages nothing
}

// componentsType is the query type that is about the components of BOS v2.
const componentsType = "components"

// lacks reports whether a panel has nothing to show on the server, whatever happens there:
// all its queries are about what only the other API tells.
func (s server) lacks(p panel) bool {
	return len(p.Targets) > 0 && !slices.ContainsFunc(p.Targets, func(target json.RawMessage) bool {
		var q struct{ QueryType, Expr string }
		if json.Unmarshal(target, &q) != nil {
			return true
		}
		only := ""
		for name, api := range servedOnlyBy {
			if regexp.MustCompile(`\b` + name + `\b`).MatchString(q.Expr) {
				only = api
			}
		}
		if q.QueryType == componentsType {
			only = bos.APIv2
		}
		return only == "" || only == s.api
	})
}

// alertsDiffer says why a story of alerts is another one on BOS v2.
var alertsDiffer = map[string]string{}
