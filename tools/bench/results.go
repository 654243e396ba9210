package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// results are measurements of one run of the benchmarks.
type results struct {
	machine string // what go test says of it
	values  map[string]map[string][]float64
}

// readResults reads the output of go test -bench. Names are without Benchmark in front and
// the number of threads behind; repeated benchmarks are kept all.
func readResults(r io.Reader, name string) (results, error) {
	all := results{values: make(map[string]map[string][]float64)}
	in := benchfmt.NewReader(r, name)
	for in.Scan() {
		switch record := in.Result().(type) {
		case *benchfmt.SyntaxError:
			return all, record
		case *benchfmt.Result:
			full, threads, _ := cutThreads(record.Name.String())
			if all.values[full] == nil {
				all.values[full] = make(map[string][]float64)
			}
			for _, v := range record.Values {
				unit, value := v.Unit, v.Value
				if v.OrigUnit != "" {
					unit, value = v.OrigUnit, v.OrigValue
				}
				all.values[full][unit] = append(all.values[full][unit], value)
			}
			all.machine = fmt.Sprintf("%s, %s threads, %s/%s", record.GetConfig("cpu"), threads, record.GetConfig("goos"), record.GetConfig("goarch"))
		}
	}
	if err := in.Err(); err != nil {
		return all, err
	}
	if len(all.values) == 0 {
		return all, errors.New("there are no benchmarks in " + name)
	}
	return all, nil
}

// cutThreads takes the number of threads off the name of a benchmark.
func cutThreads(name string) (rest, threads string, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name, "1", false
	}
	return name[:i], name[i+1:], true
}

// median returns the median of a measurement, and whether it was taken.
func (r results) median(benchmark, unit string) (float64, bool) {
	values := slices.Sorted(slices.Values(r.values[benchmark][unit]))
	if len(values) == 0 {
		return 0, false
	}
	return values[len(values)/2], true
}
