package bos

import (
	"slices"
	"testing"
)

func TestWorstFirst(t *testing.T) {
	got := []string{Superseded, Excluded, Succeeded, "odd", Unfinished, NotStarted, InProgress, OnHold, Failed}
	slices.SortStableFunc(got, WorstFirst)
	if want := []string{Failed, OnHold, InProgress, NotStarted, Unfinished, "odd", Succeeded, Excluded, Superseded}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
