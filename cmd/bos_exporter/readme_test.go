package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/bos-exporter/bos-exporter/collectors"
)

// The tables in README.md match the code.
func TestREADME(t *testing.T) {
	const file = "../../README.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"metrics": metricsTable(t), "flags": flagsTable()} {
		begin := "<!-- " + name + ": `go test ./cmd/bos_exporter -run TestREADME -update` writes this table -->\n"
		end := "<!-- end of " + name + " -->"
		before, rest, ok := strings.Cut(want, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("README.md lacks the markers of the table of %s", name)
		}
		want = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("the tables in README.md do not match the code (-want +got); run: go test ./cmd/bos_exporter -run TestREADME -update\n%s", diff)
	}
}

// metricsTable lists the metrics that the collectors describe, and those of the exporter
// itself as it serves them.
func metricsTable(t *testing.T) string {
	rows := make(map[string]string)
	row := func(name, kind string, labels []string, help string) {
		rows[name] = fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kind, strings.Join(labels, ", "), help)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	served, err := parser.TextToMetricFamilies(strings.NewReader(documented(t)))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range served {
		if !strings.HasPrefix(name, "bos_") {
			continue
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		row(name, strings.ToLower(f.GetType().String()), labels, f.GetHelp())
	}
	metrics := slices.Clone(collectors.ScrapeMetrics)
	for _, c := range collectors.All {
		metrics = append(metrics, c.Metrics...)
	}
	for _, m := range metrics {
		row(m.Name, strings.ToLower(m.Type.String()), m.Labels, m.Help)
	}
	table := "| metric | type | labels | description |\n|---|---|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		table += rows[name]
	}
	return table
}

func flagsTable() string {
	app, _ := newApp()
	table := "| flag | default | description |\n|---|---|---|\n"
	for _, f := range app.Model().Flags {
		if f.Hidden {
			continue
		}
		name, value := "--"+f.Name, strings.Join(f.Default, " ")
		switch {
		case strings.HasPrefix(f.Name, "collector."):
			name, value = "--[no-]"+f.Name, map[string]string{"true": "on", "false": "off"}[value]
		case f.IsBoolFlag():
			value = ""
		}
		table += fmt.Sprintf("| `%s` | %s | %s |\n", name, value, f.Help)
	}
	return table
}
