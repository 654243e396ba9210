package datasource

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// retry has one row per session with nodes to retry: those that failed and, once the
// session has ended or is stuck, those that it left unfinished.
func retry(v *view) (data.Frames, error) {
	type row struct {
		*inventory.Session
		nodes bos.NodeSet // two spellings of a name are two nodes here
		limit []string
		of    int // nodes to retry, whatever filters narrow them
		// warnings say that other sessions are at work on some of them, or have been since.
		warnings []string
	}
	var rows []row
	toRetry := make(map[bos.Key]bos.NodeSet)
	var notNodes, noTemplate []string
	v.eachNamed(func(s *inventory.Session) {
		nodes := v.matching(s.ToRetry(!atWork(s), v.takes))
		limit, others := limitable(v.snapshot.Nodes, nodes)
		notNodes = append(notNodes, v.snapshot.Nodes.Names(others)...)
		if len(limit) == 0 {
			return
		}
		all, _ := limitable(v.snapshot.Nodes, s.ToRetry(!atWork(s), everyPhase))
		r := row{Session: s, nodes: nodes.Minus(others), limit: limit, of: len(all)}
		if held := v.heldByOthers(s, nodes); held != "" {
			r.warnings = append(r.warnings, held)
		}
		toRetry[s.Key()] = r.nodes
		rows = append(rows, r)
		if s.Template == "" || s.Operation == "" {
			noTemplate = append(noTemplate, fullName(s.Key()))
		}
	})
	if len(notNodes) > 0 {
		slices.Sort(notNodes)
		notNodes = slices.Compact(notNodes)
		tell := v.warn
		if len(rows) == 0 {
			tell = v.doubt // or an empty table would say that there is nothing to retry
		}
		tell("Names that BOS lists among the nodes to retry, and that are not xnames of nodes: %d. They are left out, because a limit may take them for other nodes. The first is %.40q.", len(notNodes), notNodes[0])
	}
	if len(noTemplate) > 0 {
		v.warn("Sessions without a command, because BOS does not give their session template or operation: %d. The first is %s.", len(noTemplate), noTemplate[0])
	}
	if len(rows) > 0 {
		v.noteHolders()
	}
	later := v.takenLater(toRetry)
	for i := range rows {
		if text, ok := later[rows[i].Key()]; ok {
			rows[i].warnings = append(rows[i].warnings, text)
		}
	}
	rows = truncate(v, rows, "sessions")
	return v.table(
		v.sessionField(column(rows, func(r row) string { return r.ID })),
		field("template", "Template", "Session template to use again", column(rows, func(r row) string { return r.Template })),
		field("operation", "Operation", "Operation to perform again", column(rows, func(r row) string { return r.Operation })),
		field("nodes", "Nodes", "Number of nodes to retry: those that failed, and those that an ended or stuck session left unfinished", column(rows, func(r row) int64 { return int64(len(r.limit)) })),
		field("of", "Of", "Number of all nodes of the session to retry, whatever boot sets, phases and nodes the query is about", column(rows, func(r row) int64 { return int64(r.of) })),
		field("limit", "Limit", "The nodes as the limit of a BOS session", column(rows, func(r row) string { return strings.Join(r.limit, ",") })),
		field("folded", "Which", "The nodes as a folded list", column(rows, func(r row) string { return v.fold(r.nodes) })),
		field("command", "Command", "Shell command that retries the nodes; empty while the session is at work", column(rows, func(r row) string { return command(r.Session, r.limit, r.warnings) })),
		field("remark", "Remark", "What to know before the nodes are retried", column(rows, func(r row) string { return v.remark(r.Session, len(r.limit), r.of, r.warnings) })),
		apiField(column(rows, func(r row) string { return r.API })),
		tenantField(column(rows, func(r row) string { return r.Tenant })),
		rangeField("range", column(rows, func(r row) string { return v.rangeOf(r.Session) })),
	), nil
}

func everyPhase(*bos.BootSet, *bos.Phase) bool { return true }

func everyBootSet(*bos.BootSet) bool { return true }

// heldByOthers says how many of the nodes of a session other sessions are at work on; "" if
// none.
func (v *view) heldByOthers(s *inventory.Session, nodes bos.NodeSet) string {
	var theirs bos.NodeSet
	var holders []string
	for i := range v.snapshot.Sessions {
		o := &v.snapshot.Sessions[i]
		if !atWork(o) || o.AwaitsApply || o.Key() == s.Key() {
			continue
		}
		if common := nodes.Intersect(o.Held(everyBootSet)); !common.Empty() {
			theirs = theirs.Union(common)
			holders = append(holders, strconv.Quote(fullName(o.Key()))) // it stands in a shell comment
		}
	}
	if len(holders) == 0 {
		return ""
	}
	who, whose := "session %s is", "its end"
	if len(holders) > 1 {
		who, whose = "sessions %s are", "their ends"
	}
	return fmt.Sprintf(who+" at work on %d of these nodes: wait for "+whose, strings.Join(holders, ", "), theirs.Len())
}

// takenLater says of sessions how many of their nodes to retry newer sessions have acted on
// that are no longer at work: those nodes may be well by now.
func (v *view) takenLater(toRetry map[bos.Key]bos.NodeSet) map[bos.Key]string {
	texts := make(map[bos.Key]string)
	if len(toRetry) == 0 {
		return texts
	}
	var newer []*inventory.Session // the newest first
	for i := range v.snapshot.Sessions {
		if s := &v.snapshot.Sessions[i]; !s.Gone {
			newer = append(newer, s)
		}
	}
	slices.SortFunc(newer, inventory.NewestFirst)
	held := func(s *inventory.Session) bos.NodeSet {
		if atWork(s) && !s.AwaitsApply {
			return bos.NodeSet{} // heldByOthers tells of it
		}
		return s.Begun().Intersect(s.Held(everyBootSet))
	}
	var later, same bos.NodeSet // of newer sessions, and of those that began at the same time
	var began time.Time
	older, unknown := len(toRetry), 0
	for i, s := range newer {
		if t := s.Began(); !t.Equal(began) {
			later, same, began = later.Union(same), bos.NodeSet{}, t
		}
		if _, retried := toRetry[s.Key()]; retried {
			older--
		}
		if again := toRetry[s.Key()].Intersect(later); !again.Empty() {
			last := slices.IndexFunc(newer[:i], func(o *inventory.Session) bool { return !again.Intersect(held(o)).Empty() })
			texts[s.Key()] = fmt.Sprintf("newer sessions have acted on %d of these nodes since, most recently %q: check how they ended there first", again.Len(), fullName(newer[last].Key()))
		}
		same = same.Union(held(s))
		if older > 0 && !s.StopTime.IsZero() && (s.Unnamed || blind(s) && s.Err != nil) {
			unknown++
		}
	}
	if unknown > 0 {
		v.warn("Newer sessions may have acted on these nodes. Ended ones whose nodes are not known: %d.", unknown)
	}
	return texts
}

// noteHolders gives notice of unfinished sessions whose nodes are not known.
func (v *view) noteHolders() {
	reading, unknown := 0, 0
	for i := range v.snapshot.Sessions {
		switch s := &v.snapshot.Sessions[i]; {
		case !s.StopTime.IsZero() || s.Gone:
		case s.ToRead && s.Unread:
			reading++
		case blind(s) && s.Err != nil && bos.ReasonOf(s.Err) != bos.NotFound, s.Unnamed && atWork(s):
			unknown++
		}
	}
	if reading > 0 {
		v.warn("Other sessions may be at work on these nodes. Unfinished ones that are still being read: %d.", reading)
	}
	if unknown > 0 {
		v.warn("Other sessions may be at work on these nodes. Unfinished ones whose nodes are not known: %d.", unknown)
	}
}

// remark says what stands against retrying n of the nodes of a session, or that they are
// not all.
func (v *view) remark(s *inventory.Session, n, of int, warnings []string) string {
	var remarks []string
	switch {
	case s.Template == "" || s.Operation == "":
		remarks = append(remarks, "no command: BOS does not give the template or the operation")
	case atWork(s):
		remarks = append(remarks, "no command yet: the session is at work, and a second one would interfere with it")
	case s.Verdict.Ending != bos.Ended:
		remarks = append(remarks, mayAct)
	}
	if s.Recounted {
		remarks = append(remarks, maySucceeded)
	}
	remarks = append(remarks, warnings...)
	if n < of {
		var by []string
		for _, name := range []string{"bootset", "phase", "node"} {
			if !v.query.entries(name).empty() {
				by = append(by, name)
			}
		}
		what := "filter"
		if len(by) > 1 {
			what = "filters"
		}
		remarks = append(remarks, fmt.Sprintf("%d of %d nodes: narrowed by the %s %s", n, of, what, strings.Join(by, ", ")))
	}
	return strings.Join(remarks, "; ")
}

// mayAct is the remark on sessions that are stuck, or of which nobody knows the end.
const mayAct = "the session may not have ended: first make sure that it no longer acts on these nodes"

// maySucceeded is the remark on sessions that BOS counted otherwise than they were last seen.
const maySucceeded = "other sessions have since taken over some of these nodes, which may have succeeded: check their current state first"

// limitable returns the nodes of a set as a limit can name them, canonical, in order and
// each once, and those whose names are no xnames. In a limit, an empty name, "all" and
// "*" stand for every node of the template, and "!" excludes nodes.
func limitable(table *bos.NodeTable, nodes bos.NodeSet) (limit []string, others bos.NodeSet) {
	others = nodes.Minus(table.Where(func(n *bos.Node) bool { return n.IsXname }))
	for n := range nodes.Minus(others).All() {
		limit = append(limit, table.Node(n).Place.Node)
	}
	return slices.Compact(limit), others
}

// maxArgument bounds the length of a limit: Linux allows 128 KiB for an argument of a
// program.
const maxArgument = 100_000

// createSession holds the beginning of the command that creates a session from a template,
// by API. That of v1 is the one that the boot agent logs as the way to try again.
var createSession = map[string]string{
	bos.APIv1: "cray bos v1 session create --template-uuid",
	bos.APIv2: "cray bos v2 sessions create --template-name",
}

// command returns the line that retries nodes of a session, or several where the nodes do
// not fit into one. There is none without a template or operation, nor while the session
// is at work. Comments before it say what stands against it.
func command(s *inventory.Session, nodes, warnings []string) string {
	if s.Template == "" || s.Operation == "" || atWork(s) {
		return ""
	}
	var lines []string
	if s.Verdict.Ending != bos.Ended {
		lines = append(lines, "# "+mayAct)
	}
	if s.Recounted {
		lines = append(lines, "# "+maySucceeded)
	}
	for _, warning := range warnings {
		lines = append(lines, "# "+warning)
	}
	lines = append(lines, forTenant(s)...)
	options := ""
	if s.IncludeDisabled {
		options = " --include-disabled true"
	}
	for len(nodes) > 0 {
		n, size := 0, 0
		for n < len(nodes) && (n == 0 || size+len(nodes[n]) < maxArgument) {
			size += len(nodes[n]) + 1
			n++
		}
		lines = append(lines, fmt.Sprintf("%s %s --operation %s%s --limit %s",
			createSession[s.API], quote(s.Template), quote(s.Operation), options, quote(strings.Join(nodes[:n], ","))))
		nodes = nodes[n:]
	}
	return strings.Join(lines, "\n")
}

// forTenant is the comment before a command about a session of a tenant.
func forTenant(s *inventory.Session) []string {
	if s.Tenant == "" {
		return nil
	}
	return []string{fmt.Sprintf("# The cray CLI must be configured for the tenant of the session (core.tenant): %q", s.Tenant)}
}

// plain matches words that need no quotes in a shell.
var plain = regexp.MustCompile(`^[A-Za-z0-9_.,:/@%+=-]+$`)

// quote returns a word as a shell takes it literally.
func quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
