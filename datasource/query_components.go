package datasource

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// components has one row per node as BOS has it now, whichever session acts on it.
func components(v *view) (data.Frames, error) {
	rows := truncate(v, v.chosenComponents(), "nodes")
	cabinet, chassis, slot, bmc, number := placeFields(column(rows, func(c component) *bos.Node { return c.node }))
	return v.table(
		v.nodeField(column(rows, func(c component) string { return c.ID })),
		cabinet, chassis, slot, bmc, number,
		field("enabled", "Enabled", "Whether BOS acts on the node. It disables a node that is done, or that it has given up", column(rows, func(c component) bool { return c.Enabled })),
		mapped(field("status", "Status", "What BOS is doing to the node, or what has become of it", column(rows, func(c component) string { return c.Status })), statusColors),
		field("phase", "Phase", "What BOS is doing to the node: powering_off, powering_on or configuring; empty if nothing", column(rows, func(c component) string { return c.Phase })),
		v.sessionFieldAs("session", "Session", "Session that acts on the node, or acted on it last; it may be deleted", "", sameRange, column(rows, func(c component) string { return c.Session })),
		v.sessionFieldAs("staged_session", "Staged session", "Session that is staged for the node", "", sameRange, column(rows, func(c component) string { return c.StagedSession })),
		field("attempts", "Attempts", "How often BOS has switched the node on, or off if that is more; it resets both when a node is done", column(rows, func(c component) int64 { return int64(max(c.PowerOns, c.PowerOffs)) })),
		field("last_action", "Last action", "Last action of BOS", column(rows, func(c component) string { return c.Action })),
		field("last_updated", "Last updated", "Time of the last action", column(rows, func(c component) *time.Time { return optionalTime(c.ActionTime) })),
		field("error", "Error", "Error message; BOS empties it whenever it acts on the node", column(rows, func(c component) string { return c.Error })),
		field("retry_policy", "Retry policy", "How often BOS tries the node, if it has a policy of its own; -1 is forever", column(rows, func(c component) *int64 { return count(c.RetryPolicy) })),
	), nil
}

// chosenComponents returns the nodes that the query asks for.
func (v *view) chosenComponents() []component {
	if v.query.nothing() {
		v.inform("No session is selected: the session filter is empty.")
		return nil
	}
	chosen := slices.DeleteFunc(slices.Clone(v.components), func(c component) bool { return !v.query.ofComponent(&c) })
	if len(chosen) == 0 {
		v.inform("No node matches.")
	}
	return chosen
}

// statusColors are those of the categories that the statuses of a node amount to.
var statusColors = mapper([]string{
	"stable", green,
	"failed", red,
	"on_hold", darkRed,
	"power_on_pending", gray,
	"power_on_called", blue,
	"power_off_pending", gray,
	"power_off_gracefully_called", blue,
	"power_off_forcefully_called", orange,
	"configuring", lightBlue,
})

// ofComponent tells whether the filters match a node.
func (q *Query) ofComponent(c *component) bool {
	return q.Enabled.has(strconv.FormatBool(c.Enabled)) && q.State.hasName(c.Status) && q.hasNode(c.ID) &&
		(q.Session.has(c.Session) || c.StagedSession != "" && q.Session.has(c.StagedSession))
}

// component is a node as BOS has it, with what can be told from its name.
type component struct {
	bos.Component
	number int // in the order of nodes
	node   *bos.Node
}

// componentSource reads what BOS says of every node.
type componentSource interface {
	Components(ctx context.Context) ([]bos.Component, error)
}

// machine is what BOS says of every node, read when somebody asks for it.
type machine struct {
	source componentSource
	// do does work that outlives a context, once for all who ask for it at the same time.
	do func(ctx context.Context, key string, work func(context.Context) error) error

	mu   sync.Mutex
	last machineReading
}

// machineReading is the result of a reading, and never changes.
type machineReading struct {
	components   []component // in the order of their names
	began, ended time.Time   // zero if there was none
}

// fresh returns the components of a reading that ended at most age ago, or that began
// after the call. If that fails, it returns the last good reading with the error.
func (m *machine) fresh(ctx context.Context, age time.Duration) (machineReading, error) {
	asked := time.Now()
	for {
		r := m.latest()
		if !r.ended.IsZero() && (!r.began.Before(asked) || age > 0 && time.Since(r.ended) <= age) {
			return r, nil
		}
		if err := m.do(ctx, "components", m.read); err != nil {
			return m.latest(), err
		}
	}
}

func (m *machine) latest() machineReading {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

func (m *machine) read(ctx context.Context) error {
	r := machineReading{began: time.Now()}
	found, err := m.source.Components(ctx)
	if err != nil {
		return err
	}
	table := new(bos.NodeTable).Add(column(found, func(c bos.Component) string { return c.ID }))
	for _, c := range found {
		number, _ := table.Number([]byte(c.ID))
		r.components = append(r.components, component{c, number, table.Node(number)})
	}
	slices.SortStableFunc(r.components, func(a, b component) int { return a.number - b.number })
	r.ended = time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = r
	return nil
}

// answerOfMachine runs what answers a query about the machine as it is now, which the time
// range has no part in.
func (d *Datasource) answerOfMachine(ctx context.Context, q Query, _ backend.TimeRange, _ bool, run func(*view) error) (*view, error) {
	v := d.newView(ctx, q)
	cache := d.settings.cache
	if q.Fresh {
		cache = 0
	}
	r, err := d.machine.fresh(ctx, cache)
	if err != nil && r.ended.IsZero() {
		return nil, err
	}
	if err != nil {
		v.doubt("This data is %s old: %s", age(time.Since(r.ended)), err)
	}
	v.components, v.asOf, v.source = r.components, r.ended, "the components of "+d.inventory.URL()
	return v, run(v)
}
