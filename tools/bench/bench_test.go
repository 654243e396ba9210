package main

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

const output = `goos: linux
goarch: amd64
pkg: example.org/bos
cpu: Some CPU
BenchmarkBootSet/ours-2         	     291	   1000000 ns/op	     310 allocs/op
BenchmarkBootSet/ours-2         	     291	   9000000 ns/op	     310 allocs/op
BenchmarkBootSet/ours-2         	     291	   1400000 ns/op	     310 allocs/op
BenchmarkBootSet/encoding-json-2	     100	  11200000 ns/op	   30328 allocs/op
BenchmarkBootSet/jsontext-tokens-2	 100	    400000 ns/op	     100 allocs/op
BenchmarkBootSetNodes/nodes=128-2	 100	     20000 ns/op
BenchmarkBootSetNodes/nodes=1024-2	 100	    120000 ns/op
BenchmarkBootSetNodes/nodes=12000-2	 100	   1500000 ns/op
BenchmarkNodes/rows=10000-2     	     100	  15400000 ns/op
BenchmarkResident/plugin-2      	       1	       123 ns/op	 143.0 MiB-resident
BenchmarkSweepV1/settled=0-2    	       1	       123 ns/op	 3.00 requests/op
BenchmarkSweepV1/settled=2000-2 	       1	       123 ns/op	 4.00 requests/op
PASS
`

func measured(t *testing.T) results {
	t.Helper()
	all, err := readResults(strings.NewReader(output), "output")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// golden compares text with a golden file.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, text, want)
	}
}

func TestTables(t *testing.T) {
	verdicts, held := judge(measured(t), bars)
	if held {
		t.Error("all bars are held, although some are missed and some were not measured")
	}
	golden(t, "tables.md", barsTable(verdicts)+"\n"+growthTable(measured(t)))
}

func TestHeld(t *testing.T) {
	for _, tt := range []struct {
		name string
		bar  bar
		held bool
	}{
		{"as many times faster as wanted", bar{ours: "BootSet/ours", baseline: "BootSet/encoding-json", unit: byTime, atLeast: 8}, true},
		{"not as many", bar{ours: "BootSet/ours", baseline: "BootSet/encoding-json", unit: byTime, atLeast: 8.01}, false},
		{"as much as the baseline", bar{ours: "SweepV1/settled=0", baseline: "SweepV1/settled=0", unit: "requests/op", atMost: 1}, true},
		{"more than it", bar{ours: "SweepV1/settled=2000", baseline: "SweepV1/settled=0", unit: "requests/op", atMost: 1}, false},
		{"a figure at its bound", bar{ours: "Resident/plugin", unit: "MiB-resident", atMost: 143}, true},
		{"a figure beyond it", bar{ours: "Nodes/rows=10000", unit: byTime, atMost: 15 * ms}, false},
		{"not measured", bar{ours: "Nodes/rows=30000", unit: byTime, atMost: 40 * ms}, false},
		{"the baseline is not measured", bar{ours: "Nodes/rows=10000", baseline: "Nodes/infinity", unit: byTime, atLeast: 1}, false},
		{"not measured, and optional", bar{ours: "Nodes/rows=10000", baseline: "Nodes/infinity", unit: byTime, atLeast: 1, optional: "INFINITY"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, held := judge(measured(t), []bar{tt.bar}); held != tt.held {
				t.Errorf("held is %t", held)
			}
		})
	}
}

func TestDocs(t *testing.T) {
	folder := t.TempDir()
	const empty = "Intro\n<!-- machine: x -->\nold\n<!-- end -->\n<!-- bars: x -->\n<!-- end -->\n<!-- growth: x -->\n<!-- end -->\nOutro\n"
	for path, text := range map[string]string{page: empty, picture: ""} {
		path = filepath.Join(folder, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verdicts, _ := judge(measured(t), bars)
	for range 2 { // what was written can be written again
		if err := write(folder, measured(t), verdicts); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(folder, page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Intro\n", "\nSome CPU, 2 threads, linux/amd64\n<!-- end -->", barsTable(verdicts), growthTable(measured(t)), "\nOutro\n"} {
		if strings.Count(string(text), want) != 1 {
			t.Errorf("the page must have once\n%s\nand is\n%s", want, text)
		}
	}
	drawing, err := os.ReadFile(filepath.Join(folder, picture))
	if err != nil || !bytes.Contains(drawing, []byte("decode a v1 boot set")) || bytes.Contains(drawing, []byte("NaN")) {
		t.Errorf("%v: %s", err, drawing)
	}
	if _, err := replace([]byte("<!-- bars: x -->\n"), "bars", ""); err == nil {
		t.Error("a page without an end is no error")
	}
}

func TestReadResults(t *testing.T) {
	for _, text := range []string{"", "PASS\n", "BenchmarkX 1 many ns/op\n"} {
		if _, err := readResults(strings.NewReader(text), "output"); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}

// A benchmark that was renamed would no longer be measured.
func TestBenchmarksExist(t *testing.T) {
	exists := make(map[string]bool)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == "node_modules":
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func Benchmark(\w+)`).FindAllSubmatch(text, -1) {
			exists[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range bars {
		names = append(names, b.ours, b.baseline)
	}
	for _, p := range growth {
		for _, l := range p.lines {
			names = append(names, l.benchmark)
		}
	}
	for _, name := range names {
		if name, _, _ := strings.Cut(name, "/"); name != "" && !exists[name] {
			t.Errorf("there is no benchmark %s", name)
		}
	}
}
