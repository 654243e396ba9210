package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// panel shows how costs grow with one thing.
type panel struct {
	by    string // what there is more of; also the key in the names of the benchmarks
	title string
	lines []line
}

// line is the cost of one piece of work.
type line struct {
	work      string // for people
	benchmark string // its sub-benchmarks are named key=size
	variant   string // what stands behind that in their names
}

var growth = []panel{
	{"nodes", "Nodes", []line{
		{work: "decode a v1 boot set", benchmark: "BootSetNodes"},
		{work: "decode and derive v2 components", benchmark: "ComponentsNodes"},
		{work: "map of every node", benchmark: "Map", variant: "/chassis-node"},
	}},
	{"sessions", "Sessions", []line{
		{work: "v1 sweep, all at work", benchmark: "SweepSessions"},
		{work: "offenders", benchmark: "Offenders"},
		{work: "overlaps", benchmark: "Overlaps"},
	}},
	{"bootsets", "Boot sets of a session", []line{
		{work: "v1 sweep", benchmark: "SweepBootSets"},
	}},
	{"series", "Series", []line{
		{work: "first scrape after a sweep", benchmark: "FirstScrape"},
		{work: "scrape between sweeps", benchmark: "ScrapeSeries"},
	}},
}

// sizes returns the sizes at which any of the lines was measured, in order.
func (p panel) sizes(all results) []float64 {
	var sizes []float64
	for _, l := range p.lines {
		for _, point := range l.points(all, p.by) {
			sizes = append(sizes, point.size)
		}
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// point is the cost at a size.
type point struct{ size, cost float64 }

// points returns what was measured of a line, in order of size.
func (l line) points(all results, by string) []point {
	var points []point
	for name := range all.values {
		text, ok := strings.CutPrefix(name, l.benchmark+"/"+by+"=")
		text, variant := strings.CutSuffix(text, l.variant)
		if !ok || !variant {
			continue
		}
		size, err := strconv.ParseFloat(text, 64)
		cost, measured := all.median(name, byTime)
		if err == nil && measured {
			points = append(points, point{size, cost})
		}
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.size, b.size) })
	return points
}
