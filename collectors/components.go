package collectors

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

var (
	componentsByState = gauge("bos_components",
		"Number of nodes (components) that BOS v2 knows, by its status and by whether BOS acts on them, as of bos_components_last_read_timestamp_seconds.",
		"status", "enabled")
	componentsWithoutSession = gauge("bos_components_without_session",
		"Number of enabled nodes whose session no longer exists. BOS goes on acting on them, although no session shows it. Absent if --bos.tenant is set: other sessions cannot be seen then.")
	componentsLastRead = gauge("bos_components_last_read_timestamp_seconds",
		"Time at which the nodes were last read successfully, as a Unix timestamp in seconds.")
)

// Components is the collector of what BOS says of each node. The nodes are not part of the
// sessions: whoever enables it must have them read.
var Components = Collector{
	Name:     "components",
	Help:     "node counts of the whole machine, which only BOS v2 knows; reads every node once per --components.interval",
	Optional: true,
	Metrics:  []*Metric{componentsByState, componentsWithoutSession, componentsLastRead},
	collect: func(s *inventory.Snapshot, out *family) {
		m := s.Machine
		if m == nil {
			return
		}
		for _, state := range slices.SortedFunc(maps.Keys(m.Nodes), func(a, b bos.ComponentState) int {
			return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(boolValue(a.Enabled), boolValue(b.Enabled)))
		}) {
			out.add(componentsByState, float64(m.Nodes[state]), state.Status, strconv.FormatBool(state.Enabled))
		}
		if m.Enabled != nil {
			sessions := make(map[string]bool)
			for i := range s.Sessions {
				sessions[s.Sessions[i].ID] = true
			}
			out.add(componentsWithoutSession, float64(m.Orphans(func(session string) bool { return sessions[session] })))
		}
		out.add(componentsLastRead, seconds(m.At))
	},
}
