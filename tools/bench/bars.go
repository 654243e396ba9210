package main

import "fmt"

// bar is a bound on what a benchmark measures: on its ratio to a baseline of the same run,
// or on the figure itself.
type bar struct {
	work     string // what is done, for people
	ours     string // benchmark
	baseline string // benchmark that the figure is compared with; none if empty
	than     string // what the baseline is, for people
	unit     string
	// atLeast is how many times less than the baseline it must take, atMost how many times
	// as much it may take. Without a baseline, atMost is in the unit.
	atLeast, atMost float64
	// optional says how to have the baseline measured, if that takes a program that is not
	// part of the project.
	optional string
}

const (
	byTime = "ns/op"
	ms     = 1e6 // in byTime
)

var bars = []bar{
	{work: "decode a v1 boot set of 10,000 nodes", ours: "BootSet/ours", baseline: "BootSet/encoding-json", than: "encoding/json", unit: byTime, atLeast: 8},
	{work: "decode a v1 boot set of 10,000 nodes", ours: "BootSet/ours", baseline: "BootSet/jsontext-tokens", than: "jsontext tokens", unit: byTime, atMost: 3},
	{work: "allocations for a v1 boot set of 12,000 nodes", ours: "BootSetNodes/nodes=12000", baseline: "BootSetNodes/nodes=128", than: "one of 128 nodes", unit: "allocs/op", atMost: 1.1},
	{work: "decode and derive 12,000 v2 components", ours: "Components/ours", baseline: "Components/encoding-json", than: "encoding/json", unit: byTime, atLeast: 8},
	{work: "memory for 12,000 v2 components of 30 MB", ours: "Components/ours", unit: "B/op", atMost: 6e6},
	{work: "decode a v2 list", ours: "List/ours", baseline: "List/encoding-json", than: "encoding/json", unit: byTime, atLeast: 8},
	{work: "scrape of 100,000 series, gzip", ours: "Scrape/ours", baseline: "Scrape/registry", than: "registry with const metrics", unit: byTime, atLeast: 30},
	{work: "node query, 10,000 rows over gRPC", ours: "Nodes/rows=10000", unit: byTime, atMost: 15 * ms},
	{work: "node query, 30,000 rows over gRPC", ours: "Nodes/rows=30000", unit: byTime, atMost: 40 * ms},
	{work: "node query, 10,000 rows over gRPC", ours: "Nodes/rows=10000", baseline: "Nodes/infinity", than: "Infinity datasource", unit: byTime, atLeast: 5,
		optional: "INFINITY=<its backend>"},
	{work: "offenders over 1,000 sessions of 10,000 nodes", ours: "Offenders/sessions=1000", unit: byTime, atMost: 50 * ms},
	{work: "overlaps over 1,000 sessions of 10,000 nodes", ours: "Overlaps/sessions=1000", unit: byTime, atMost: 50 * ms},
	{work: "exporter with 1,000 v1 sessions of 10,000 nodes", ours: "Resident/exporter-v1", unit: "MiB-resident", atMost: 143},
	{work: "exporter with 1,000 v2 sessions of 10,000 nodes", ours: "Resident/exporter-v2", unit: "MiB-resident", atMost: 143},
	{work: "plugin with 1,000 sessions of 10,000 nodes", ours: "Resident/plugin", unit: "MiB-resident", atMost: 143},
	{work: "scrape of 100 v2 sessions of 2,000 nodes", ours: "SessionScrape/ours", baseline: "SessionScrape/json_exporter", than: "json_exporter, one series a session", unit: byTime, atLeast: 1,
		optional: "JSON_EXPORTER=<its program>"},
	{work: "v1 sweep, 2,000 settled sessions", ours: "SweepV1/settled=2000", baseline: "SweepV1/settled=0", than: "none settled", unit: "requests/op", atMost: 1},
	{work: "v2 sweep, 2,000 settled sessions", ours: "SweepV2/settled=2000", baseline: "SweepV2/settled=0", than: "none settled", unit: "requests/op", atMost: 1},
	{work: "v2 sweep, 2,000 settled sessions", ours: "SweepV2/settled=2000", baseline: "SweepV2/settled=0", than: "none settled", unit: "bosbytes/op", atMost: 1},
}

// verdict is a bar and what was measured.
type verdict struct {
	bar
	figure, base float64
	known        bool // both were measured
}

// judge compares the results with the bars, and reports whether all are held. One that
// cannot be judged is not held, unless its baseline is optional.
func judge(all results, bars []bar) (verdicts []verdict, held bool) {
	held = true
	for _, b := range bars {
		v := verdict{bar: b}
		v.figure, v.known = all.median(b.ours, b.unit)
		if b.baseline != "" {
			base, ok := all.median(b.baseline, b.unit)
			v.base, v.known = base, v.known && ok
		}
		if !v.held() && (v.known || b.optional == "") {
			held = false
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, held
}

func (v verdict) held() bool {
	switch {
	case !v.known:
		return false
	case v.baseline == "":
		return v.figure <= v.atMost
	case v.atLeast > 0:
		return v.base >= v.atLeast*v.figure
	default:
		return v.figure <= v.atMost*v.base
	}
}

// cells are the columns of a verdict: the work, the figure, what it is compared with, that
// figure, the ratio, the bar, and whether it is held.
func (v verdict) cells() []string {
	cells := []string{v.work, "", v.than, "", "", v.want(), "**no**"}
	switch {
	case !v.known && v.optional != "":
		cells[6] = "not measured: needs " + v.optional
		return cells
	case !v.known:
		cells[6] = "**not measured**"
		return cells
	}
	cells[1] = quantity(v.figure, v.unit)
	if v.baseline != "" {
		cells[3] = quantity(v.base, v.unit)
		cells[4] = v.ratio()
	}
	if v.held() {
		cells[6] = "yes"
	}
	return cells
}

func (v verdict) ratio() string {
	if v.atLeast > 0 {
		return fmt.Sprintf("%.1fx faster", v.base/v.figure)
	}
	return fmt.Sprintf("%.2fx as much", v.figure/v.base)
}

func (v verdict) want() string {
	switch {
	case v.baseline == "":
		return "at most " + quantity(v.atMost, v.unit)
	case v.atLeast > 0:
		return fmt.Sprintf("at least %gx faster", v.atLeast)
	default:
		return fmt.Sprintf("at most %gx as much", v.atMost)
	}
}

// quantity writes a figure with three digits or so, and its unit.
func quantity(value float64, unit string) string {
	switch unit {
	case byTime:
		for _, u := range []struct {
			size float64
			name string
		}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
			if value >= u.size {
				return digits(value/u.size) + " " + u.name
			}
		}
		return digits(value) + " ns"
	case "bosbytes/op":
		return digits(value/1e3) + " kB"
	case "B/op":
		return digits(value/1e6) + " MB"
	case "allocs/op":
		return digits(value) + " allocations"
	case "requests/op":
		return digits(value) + " requests"
	case "MiB-resident":
		return digits(value) + " MiB"
	default:
		return digits(value) + " " + unit
	}
}

func digits(value float64) string {
	switch {
	case value >= 100 || value == float64(int(value)):
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.2f", value)
	}
}
