package datasource

import (
	"math"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// share returns part of whole as a number from 0 to 1, in steps of 0.001. It is rounded
// down, so that 1 means all, but only none is 0. There is no share of nothing.
func share(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	s := math.Floor(1000*float64(part)/float64(whole)) / 1000
	if part > 0 {
		s = max(s, 0.001)
	}
	return &s
}

// shareField returns a column of values of share.
func shareField(name, title, description string, shares []*float64) *data.Field {
	f := unit(field(name, title, description+". Rounded down: 100% is all of them", shares), "percentunit")
	f.Config.SetDecimals(1)
	return f
}

// barCells is the width of a bar in characters.
const barCells = 20

// The cells of a bar. Every font with box characters has them, equally wide, and they
// differ in shape and in gray.
var barOf = []string{"█", "▓", "░", "▄", "▀"}

const barLegend = "█ succeeded, ▓ in progress, ░ not started, ▄ failed, ▀ excluded; ▓ and ░ were left so by a session that has ended. Whatever is not zero has at least one character"

// bar draws numbers of nodes as a bar of barCells characters, in the order of barLegend. A
// number that is not zero has a cell at least. Without nodes it is empty.
func bar(numbers ...int) string {
	cells := make([]int, len(numbers))
	drawn := 0
	for i, n := range numbers {
		if n > 0 {
			cells[i] = 1
			drawn++
		}
	}
	if drawn == 0 {
		return ""
	}
	for ; drawn < barCells; drawn++ { // each goes to the number with the most nodes in a cell
		most := 0
		for i, n := range numbers {
			if n*cells[most] > numbers[most]*cells[i] || cells[most] == 0 {
				most = i
			}
		}
		cells[most]++
	}
	var b strings.Builder
	for i, n := range cells {
		b.WriteString(strings.Repeat(barOf[i], n))
	}
	return b.String()
}
