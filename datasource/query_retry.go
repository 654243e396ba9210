package datasource

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// retry has one row for each session with nodes to retry: those that failed and, once
// it has ended or is stuck, those that it left unfinished. Sessions without any have no
// row.
func retry(v *view) (data.Frames, error) {
	type row struct {
		inventory.Whole
		nodes []string
	}
	var rows []row
	err := v.eachDetail(func(w inventory.Whole) {
		fates := w.Roster.Fates(w.Session.Session)
		over := w.Verdict.State != bos.StatePending && w.Verdict.State != bos.StateRunning
		var nodes []string
		for _, b := range w.Roster.BootSets {
			if !v.query.BootSet.has(b.Name) {
				continue
			}
			for _, p := range b.Phases {
				if !v.query.Phase.hasName(p.Name) {
					continue
				}
				for _, c := range p.Categories {
					for _, n := range v.matching(c.Nodes) {
						switch {
						case c.Name == bos.Failed,
							over && fates[n] == bos.FateUnfinished && c.Name != bos.Succeeded && c.Name != bos.Excluded:
							nodes = append(nodes, n)
						}
					}
				}
			}
		}
		slices.SortFunc(nodes, bos.CompareNodes)
		if nodes = slices.Compact(nodes); len(nodes) > 0 {
			rows = append(rows, row{w, nodes})
		}
	})
	if err != nil {
		return nil, err
	}
	rows = truncate(v, rows, "sessions")
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.ID })),
		field("template", "Template", "Session template to use again", column(rows, func(r row) string { return r.Template })),
		field("operation", "Operation", "Operation to use again", column(rows, func(r row) string { return r.Operation })),
		field("nodes", "Nodes", "Number of nodes to retry: those that failed, and those that an ended or stuck session left unfinished", column(rows, func(r row) int64 { return int64(len(r.nodes)) })),
		field("limit", "Limit", "The nodes as the limit of a BOS session takes them", column(rows, func(r row) string { return strings.Join(r.nodes, ",") })),
		field("folded", "Which", "The nodes, folded", column(rows, func(r row) string { return bos.Fold(r.nodes) })),
		field("command", "Command", "The line that retries the nodes, for a shell", column(rows, func(r row) string { return command(r.Operation, r.Template, r.nodes) })),
	), nil
}

// maxArgument is how many bytes of nodes a line may have: Linux allows an argument of a
// program 128 KiB.
const maxArgument = 100_000

// command is the line that the boot agent itself logs as the way to try again, or
// several where the nodes do not fit into one. Without a template there is none.
func command(operation, template string, nodes []string) string {
	if template == "" {
		return ""
	}
	var lines []string
	for len(nodes) > 0 {
		n, size := 0, 0
		for n < len(nodes) && (n == 0 || size+len(nodes[n]) < maxArgument) {
			size += len(nodes[n]) + 1
			n++
		}
		lines = append(lines, fmt.Sprintf("cray bos v1 session create --template-uuid %s --operation %s --limit %s",
			quote(template), quote(operation), quote(strings.Join(nodes[:n], ","))))
		nodes = nodes[n:]
	}
	return strings.Join(lines, "\n")
}

// plain finds what a shell takes as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_.,:/@%+=-]+$`)

// quote keeps a shell from making anything of a word.
func quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
