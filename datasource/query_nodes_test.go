package datasource

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

func TestErrorTextOfANodeIsBounded(t *testing.T) {
	long := strings.Repeat("é", maxText)
	many := make([]string, 20_000)
	for i := range many {
		many[i] = fmt.Sprintf("message %5d", i)
	}
	for _, tt := range []struct {
		name     string
		messages []string
		want     string
	}{
		{"none", nil, ""},
		{"one", []string{"a"}, "a"},
		{"two", []string{"a", "b"}, "a; b"},
		{"a long one", []string{long}, long[:maxText] + "…"},
		{"a long one behind a short one", []string{"a", long}, "a; " + long[:maxText-4] + "…"},
		{"many", many, strings.Join(many, "; ")[:maxText] + "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := errorText(tt.messages); got != tt.want {
				t.Errorf("got %d bytes: %.60q, want %d bytes: %.60q", len(got), got, len(tt.want), tt.want)
			}
		})
	}
}

// Nobody acts anymore on what an ended session left in progress, and no answer says that
// somebody does.
func TestEndedSessionsHaveNothingInProgress(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	shown := func(r backend.DataResponse, category string) string {
		f, _ := r.Frames[0].FieldByName("category")
		m := f.Config.Mappings[0].(data.ValueMapper)[category]
		return m.Text + " in " + m.Color
	}
	for _, tt := range []struct{ sessions, category, outcomes, shown string }{
		{neverReady, bos.InProgress, leftInProgress, "left in progress in light-blue"},
		{powerOff, bos.NotStarted, neverStarted, "never started in light-blue"},
		{powerOff, bos.Failed, bos.Failed, "failed in red"},
		{stuck, bos.InProgress, bos.InProgress, "in progress in dark-blue"},
		{neverReady + `","` + stuck, bos.InProgress, bos.InProgress + " " + leftInProgress, "in progress in dark-blue"},
	} {
		t.Run(tt.shown+" of "+tt.sessions, func(t *testing.T) {
			query := `{"queryType":%q,"session":["` + tt.sessions + `"],"category":["` + tt.category + `"]}`
			answer := w.query(fmt.Sprintf(query, "nodes"))
			var outcomes []string
			for _, r := range rows(t, answer) {
				if r["category"] != tt.category {
					t.Errorf("the category is %v", r["category"])
				}
				outcomes = append(outcomes, r["outcome"].(string))
			}
			slices.Sort(outcomes)
			if got := strings.Join(slices.Compact(outcomes), " "); got != tt.outcomes {
				t.Errorf("outcomes %q, want %q", got, tt.outcomes)
			}
			for name, answer := range map[string]backend.DataResponse{"nodes": answer, "counts": w.query(fmt.Sprintf(query, "counts"))} {
				if got := shown(answer, tt.category); got != tt.shown {
					t.Errorf("%s: shown as %s, want %s", name, got, tt.shown)
				}
			}
		})
	}
}
