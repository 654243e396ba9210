package datasource

import (
	"fmt"
	"strings"
	"testing"
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
