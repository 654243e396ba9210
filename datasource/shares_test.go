package datasource

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestShare(t *testing.T) {
	for _, tt := range []struct {
		part, whole int
		want        float64
	}{
		{0, 9408, 0}, {1, 9408, 0.001}, {9, 9408, 0.001}, {19, 9408, 0.002}, {4704, 9408, 0.5}, {9407, 9408, 0.999}, {9408, 9408, 1},
		{2, 3, 0.666}, {1, 1, 1}, {7, 1000, 0.007},
	} {
		if got := share(tt.part, tt.whole); got == nil || *got != tt.want {
			t.Errorf("%d of %d: %v, want %v", tt.part, tt.whole, got, tt.want)
		}
	}
	if got := share(0, 0); got != nil {
		t.Errorf("a share of nothing: %v", *got)
	}
}

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		numbers []int
		want    string
	}{
		{[]int{4, 0, 0, 0, 0}, "████████████████████"},
		{[]int{11_929, 0, 0, 71, 0}, "███████████████████▄"},
		{[]int{11_999, 0, 0, 1, 0}, "███████████████████▄"},
		{[]int{0, 0, 0, 1, 0}, "▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄"},
		{[]int{5, 5, 0, 0, 0}, "██████████▓▓▓▓▓▓▓▓▓▓"},
		{[]int{3, 3, 3, 0, 0}, "███████▓▓▓▓▓▓▓░░░░░░"},
		{[]int{12_000, 1, 1, 1, 1}, "████████████████▓░▄▀"},
		{[]int{0, 0, 1, 0, 3}, "░░░░░▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀"},
		{[]int{0, 0, 0, 0, 0}, ""},
	} {
		if got := bar(tt.numbers...); got != tt.want {
			t.Errorf("%d: %s, want %s", tt.numbers, got, tt.want)
		}
	}
}

// Whatever the numbers, a bar is as wide as all others, and leaves nothing out.
func TestBarsAreComplete(t *testing.T) {
	for succeeded := range 30 {
		for failed := range 30 {
			got := bar(succeeded, 0, 7, failed, 0)
			if utf8.RuneCountInString(got) != barCells || strings.Contains(got, "█") != (succeeded > 0) || strings.Contains(got, "▄") != (failed > 0) {
				t.Errorf("%d succeeded, 7 not started, %d failed: %s", succeeded, failed, got)
			}
		}
	}
	for i, cell := range barOf {
		if !strings.Contains(barLegend, cell) || strings.Contains(strings.Join(barOf[:i], ""), cell) {
			t.Errorf("%s is not explained, or not alone", cell)
		}
	}
}
