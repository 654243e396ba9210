//go:build promtool

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPromtool checks the metrics, and the configuration in README.md, with the real
// promtool. It has a build tag because promtool takes minutes to build: run make
// check-metrics.
func TestPromtool(t *testing.T) {
	promtool := os.Getenv("PROMTOOL")
	if promtool == "" {
		t.Fatal("PROMTOOL must be the path of promtool: run make check-metrics")
	}
	run := func(input string, args ...string) (string, error) {
		cmd := exec.Command(promtool, args...)
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	out, _ := run(documented(t), "check", "metrics") // it exits with an error if it finds anything
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
	const begin = "rule_files:"
	_, rest, ok := strings.Cut(string(readme), "```yaml\n"+begin)
	block, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatalf("README.md shows no %s", begin)
	}
	rules, err := os.ReadFile("../../dashboards/rules/bos.yml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, content := range map[string]string{"prometheus.yml": begin + block, "bos.yml": string(rules)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := run("", "check", "config", filepath.Join(folder, "prometheus.yml")); err != nil {
		t.Errorf("promtool check config: %v\n%s", err, out)
	}
}
