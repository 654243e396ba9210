package bos

import (
	"slices"
	"testing"
)

func TestWorstFirst(t *testing.T) {
	got := []string{Excluded, Succeeded, "on_hold", NotStarted, InProgress, Failed}
	slices.SortStableFunc(got, WorstFirst)
	if want := []string{Failed, InProgress, NotStarted, "on_hold", Succeeded, Excluded}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
