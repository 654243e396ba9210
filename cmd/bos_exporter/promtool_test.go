//go:build promtool

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPromtool has the real promtool check the metrics, and the configuration that
// README.md shows. It has a build tag of its own, for promtool takes minutes to
// build: run make check-metrics.
func TestPromtool(t *testing.T) {
	promtool := os.Getenv("PROMTOOL")
	if promtool == "" {
		t.Fatal("PROMTOOL names no promtool: make check-metrics does")
	}
	check := func(what, input string) string {
		cmd := exec.Command(promtool, "check", what)
		if what != "metrics" {
			file := filepath.Join(t.TempDir(), what+".yml")
			if err := os.WriteFile(file, []byte(input), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd.Args = append(cmd.Args, file)
		}
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		if err != nil && what != "metrics" {
			t.Errorf("promtool check %s: %v\n%s", what, err, out)
		}
		return string(out)
	}

	out := check("metrics", documented(t))
	found := 0
	for line := range strings.Lines(out) {
		if name, _, _ := strings.Cut(line, " "); !lintExceptions[name] {
			t.Errorf("promtool: %s", line)
		}
		found++
	}
	if found != len(lintExceptions) {
		t.Errorf("promtool finds %d of %d exceptions: %s", found, len(lintExceptions), out)
	}

	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for begin, what := range map[string]string{"scrape_configs:": "config", "groups:": "rules"} {
		_, rest, ok := strings.Cut(string(readme), "```yaml\n"+begin)
		block, _, ok2 := strings.Cut(rest, "```")
		if !ok || !ok2 {
			t.Fatalf("README.md shows no %s", begin)
		}
		check(what, begin+block)
	}
}
