package datasource

import (
	"maps"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Colors of states and categories. The same thing has the same color everywhere.
const (
	green  = "green"
	blue   = "blue"
	red    = "red"
	orange = "orange"
	yellow = "yellow"
	purple = "purple"

	darkBlue    = "dark-blue"
	darkRed     = "dark-red"
	lightPurple = "light-purple"
	lightBlue   = "light-blue"
	gray        = "#8e8e8e"
)

var stateColors = mapper([]string{
	string(bos.StatePending), gray,
	string(bos.StateRunning), blue,
	string(bos.StateStuck), orange,
	string(bos.StateSucceeded), green,
	string(bos.StatePartial), yellow,
	string(bos.StateFailed), red,
	string(bos.StateAbandoned), purple,
	string(bos.StateUnknown), gray,
	string(bos.StateWaiting), lightBlue, // of phases
	string(bos.StateUnread), gray,
})

// categoryColors differ in grays, too, where it matters: what failed, is in progress and
// succeeded.
var categoryColors = mapper([]string{
	bos.NotStarted, gray,
	bos.InProgress, darkBlue,
	bos.Succeeded, green,
	bos.Failed, red,
	bos.Excluded, purple,
	bos.OnHold, darkRed,
	bos.Superseded, lightPurple,
	bos.Unfinished, lightBlue, // no category, but stands where one could
})

// What the categories of nodes that are not done amount to once their session has ended:
// no one acts on these nodes anymore.
const (
	leftInProgress = "left_in_progress"
	neverStarted   = "never_started"
)

// outcomeColors are those of categories, and of what they amount to.
var outcomeColors = func() data.ValueMapper {
	m := mapper([]string{leftInProgress, lightBlue, neverStarted, lightBlue})
	maps.Copy(m, categoryColors)
	return m
}()

// inTheEnd returns what a category of an ended session amounts to.
func inTheEnd(category string) string {
	switch category {
	case bos.InProgress:
		return leftInProgress
	case bos.NotStarted:
		return neverStarted
	default:
		return category
	}
}

// mapper returns a mapping of values to colors, given in pairs.
func mapper(pairs []string) data.ValueMapper {
	m := make(data.ValueMapper)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = data.ValueMappingResult{Text: strings.ReplaceAll(pairs[i], "_", " "), Color: pairs[i+1], Index: i / 2}
	}
	return m
}
