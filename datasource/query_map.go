package datasource

import (
	"cmp"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// mapLevels are what the rows of a map may be, and what its cells. On a large machine a
// cabinet has 8 chassis and 64 slots, and a chassis 8 slots and 32 nodes.
var mapLevels = []string{"cabinet/chassis", "cabinet/slot", "chassis/slot", "chassis/node", "slot/node"}

// maxPositions bounds the columns of a map, whatever names BOS gives. A standard rack has
// fewer than 200.
const maxPositions = 512

// sessionsMap is the map of what became of nodes or, of chosen phases, of their categories.
func sessionsMap(v *view) (data.Frames, error) {
	latest := v.latest()
	worst := make(map[int]int) // by the number of a node; the most urgent is 0
	for i, c := range latest.Standing {
		for n := range c.Nodes.All() {
			worst[n] = i
		}
	}
	var spots []spot[int]
	for n := range latest.Fates.All().All() {
		spots = append(spots, spot[int]{v.snapshot.Nodes.Node(n), worst[n]})
	}
	name := func(i int) string { return latest.Standing[i].Name }
	return drawMap(v, "nodes", spots, func(i int) int { return -i }, name, asLetters(categoryColors, categoryLetters)), nil
}

// offendersMap is the map of the number of sessions in which nodes failed.
func offendersMap(v *view) (data.Frames, error) {
	var sessions []*bos.Session
	v.eachNamed(func(s *inventory.Session) { sessions = append(sessions, s.Session) })
	failures := make(map[int]int64)
	for _, o := range bos.Offenders(sessions, func(int) bool { return false }, v.takes) {
		failures[o.Node] = int64(o.Sessions)
	}
	all := bos.LatestOf(sessions, bos.Aspect{Takes: v.takes, Category: func(string) bool { return true }, Nodes: v.matching}).Fates.All()
	var spots []spot[int64]
	for n := range all.All() {
		spots = append(spots, spot[int64]{v.snapshot.Nodes.Node(n), failures[n]})
	}
	same := func(n int64) int64 { return n }
	none := "·"
	if len(v.recounted) > 0 || slices.ContainsFunc(v.unread.sessions, func(k bos.Key) bool { return !v.unread.tolerate[k] }) {
		none = "?" // the node may have failed in one of these
	}
	return drawMap(v, "nodes", spots, same, same, asHeat(none)), nil
}

// componentsMap is the map of the statuses of nodes as BOS has them now.
func componentsMap(v *view) (data.Frames, error) {
	var spots []spot[string]
	for _, c := range v.chosenComponents() {
		spots = append(spots, spot[string]{c.node, c.Status})
	}
	urgency := func(status string) int {
		if i := slices.Index(calmestFirst, status); i >= 0 {
			return i
		}
		return slices.Index(calmestFirst, "")
	}
	same := func(status string) string { return status }
	return drawMap(v, "components", spots, urgency, same, asLetters(statusColors, statusLetters)), nil
}

// calmestFirst lists the statuses of nodes by urgency; "" stands for any other.
var calmestFirst = []string{
	"stable", "", "configuring", "power_on_pending", "power_on_called",
	"power_off_pending", "power_off_gracefully_called", "power_off_forcefully_called", "on_hold", "failed",
}

// spot is a node on a map, and what the map tells of it.
type spot[T any] struct {
	node  *bos.Node
	value T
}

// drawMap returns a frame with a row for each place, in the order of xnames, and a column
// for each position in these. A cell has the value of the most urgent of its nodes, and is
// empty if the position holds none.
func drawMap[T, V any, U cmp.Ordered](v *view, nodesType string, spots []spot[T], urgency func(T) U, show func(T) V, dress func(*data.Field)) data.Frames {
	outer, inner, _ := strings.Cut(v.query.Field, "/")
	level, cell := bos.Level(outer), bos.Level(inner)
	var rows []string
	columns := make(map[bos.Xname]string)  // names of positions by the place in the row
	worst := make(map[bos.Xname]map[int]T) // values of these by row
	odd := 0
	for _, s := range spots {
		if !s.node.IsXname {
			odd++
			continue
		}
		row := s.node.Place.At(level)
		if len(rows) == 0 || rows[len(rows)-1] != row {
			rows = append(rows, row)
		}
		at := s.node.Xname.Between(level, cell)
		if worst[at] == nil {
			columns[at], worst[at] = strings.TrimPrefix(s.node.Place.At(cell), row), make(map[int]T)
		}
		if other, taken := worst[at][len(rows)-1]; !taken || urgency(s.value) > urgency(other) {
			worst[at][len(rows)-1] = s.value
		}
	}
	if odd > 0 {
		v.inform("Nodes that are not on the map, because their names are not xnames: %d.", odd)
	}
	rows = truncate(v, rows, "rows of the map")
	fields := []*data.Field{v.placeField(level, nodesType, rows)}
	fields[0].Config.Custom = map[string]any{"width": 90}
	for _, at := range v.positions(slices.SortedFunc(maps.Keys(columns), bos.Xname.Compare)) {
		cells := make([]*V, len(rows))
		for row, value := range worst[at] {
			if row < len(rows) {
				shown := show(value)
				cells[row] = &shown
			}
		}
		f := field(columns[at], spaced.ReplaceAllString(columns[at], "$1 $2"), "Worst of the nodes at the position", cells)
		f.Config.SetFilterable(false)
		f.Config.Custom = mapCell
		dress(linked(f, v.toNodes("Dashboard of what is here", cell.Pattern(percentEncoded(rowPlace)+columns[at]))))
		fields = append(fields, f)
	}
	return v.table(fields...)
}

// positions returns the columns that may be shown, and gives notice of those left out.
func (v *view) positions(all []bos.Xname) []bos.Xname {
	if len(all) > maxPositions {
		v.warn("Only %d of %d columns of the map fit into the answer: narrow the query to fewer nodes.", maxPositions, len(all))
	}
	return all[:min(maxPositions, len(all))]
}

// spaced breaks the name of a position so that a narrow column can wrap it.
var spaced = regexp.MustCompile(`(\d)([sb])`)

// mapCell has Grafana's table fill cells with their colors, in 9 and from 10 on. It makes
// no column narrower than 50 pixels.
var mapCell = map[string]any{
	"align": "center", "minWidth": 50, "wrapHeaderText": true,
	"displayMode": "color-background-solid",
	"cellOptions": map[string]string{"type": "color-background", "mode": "basic"},
}

// Letters stand in the cells of a map, for those who do not see colors.
var (
	categoryLetters = map[string]string{
		bos.NotStarted: "N", bos.InProgress: "P", bos.Succeeded: "·", bos.Failed: "F",
		bos.Excluded: "E", bos.OnHold: "H", bos.Superseded: "T", bos.Unfinished: "U",
	}
	statusLetters = map[string]string{
		"stable": "·", "failed": "F", "on_hold": "H", "configuring": "C", "power_on_pending": "N", "power_on_called": "B",
		"power_off_pending": "N", "power_off_gracefully_called": "S", "power_off_forcefully_called": "X",
	}
)

// asLetters returns a function that has a column show letters in place of values.
func asLetters(colors data.ValueMapper, letters map[string]string) func(*data.Field) {
	short := maps.Clone(colors)
	for value, letter := range letters {
		m := short[value]
		m.Text = letter
		short[value] = m
	}
	return func(f *data.Field) { clearBelow(mapped(f, short)) }
}

// asHeat has a column of numbers show them on colors that grow with them, from 2 on: what
// happened once has not happened again. What 0 is shown as depends on whether it is known.
func asHeat(none string) func(*data.Field) {
	return func(f *data.Field) {
		clearBelow(mapped(f, data.ValueMapper{"0": {Text: none}}),
			data.NewThreshold(2, yellow, ""), data.NewThreshold(3, orange, ""), data.NewThreshold(5, red, ""))
	}
}

// clearBelow leaves cells without color up to the first threshold, and those that are empty.
func clearBelow(f *data.Field, steps ...data.Threshold) {
	f.Config.Mappings = append(f.Config.Mappings, data.SpecialValueMapper{Match: data.SpecialValueNull, Result: data.ValueMappingResult{Color: "transparent"}})
	f.Config.Color = map[string]any{"mode": "thresholds"}
	f.Config.Thresholds = &data.ThresholdsConfig{Mode: data.ThresholdsModeAbsolute, Steps: append([]data.Threshold{data.NewThreshold(math.Inf(-1), "transparent", "")}, steps...)}
}
