package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where the documentation holds what this program writes: parts of a page, each between a
// comment that begins with its name and the next <!-- end -->, and a picture.
const (
	page    = "performance.md"
	picture = "img/performance.svg"
)

// write updates the documentation in a folder.
func write(folder string, all results, verdicts []verdict) error {
	path := filepath.Join(folder, page)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for name, part := range map[string]string{
		"machine": all.machine + "\n",
		"bars":    barsTable(verdicts),
		"growth":  growthTable(all),
	} {
		if text, err = replace(text, name, part); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	drawing, err := drawGrowth(all)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, picture), drawing, 0o644); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// replace replaces a part of a page.
func replace(page []byte, name, part string) ([]byte, error) {
	comment := []byte("<!-- " + name + ":")
	before, rest, found := bytes.Cut(page, comment)
	head, rest, closed := bytes.Cut(rest, []byte("-->\n"))
	_, after, ended := bytes.Cut(rest, []byte("<!-- end -->"))
	if !found || !closed || !ended {
		return nil, fmt.Errorf("nothing stands between <!-- %s: … --> and <!-- end -->", name)
	}
	return slices.Concat(before, comment, head, []byte("-->\n"+part+"<!-- end -->"), after), nil
}

func barsTable(verdicts []verdict) string {
	rows := [][]string{{"work", "takes", "compared with", "which takes", "ratio", "bar", "held"}}
	for _, v := range verdicts {
		rows = append(rows, v.cells())
	}
	return table(rows)
}

// growthTable has a row for each piece of work and a column for each size, panel by panel.
func growthTable(all results) string {
	var b strings.Builder
	for _, p := range growth {
		sizes := p.sizes(all)
		head := []string{p.title}
		for _, size := range sizes {
			head = append(head, fmt.Sprintf("%.0f", size))
		}
		rows := [][]string{head}
		for _, l := range p.lines {
			row := []string{l.work}
			points := l.points(all, p.by)
			for _, size := range sizes {
				cell := ""
				if i := slices.IndexFunc(points, func(p point) bool { return p.size == size }); i >= 0 {
					cell = quantity(points[i].cost, byTime)
				}
				row = append(row, cell)
			}
			rows = append(rows, row)
		}
		b.WriteString(table(rows) + "\n")
	}
	return b.String()
}

// table writes rows, the first of which is the head, as Markdown.
func table(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}
