package dashboards

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

// loadRules returns all rules, in order.
func loadRules(t *testing.T) (all []rule) {
	t.Helper()
	files, err := filepath.Glob("rules/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f struct{ Groups []struct{ Rules []rule } }
		if err := yaml.Unmarshal(text, &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, g := range f.Groups {
			all = append(all, g.Rules...)
		}
	}
	if len(all) == 0 {
		t.Fatal("no rules")
	}
	return all
}

// targetLabels are the labels that Prometheus adds when it scrapes.
var targetLabels = []string{"job", "instance"}

// metrics describes what an exporter really serves.
type metrics struct {
	labels map[string][]string        // of each metric
	values map[string]map[string]bool // of labels with few values
}

func newMetrics() metrics {
	return metrics{map[string][]string{"up": targetLabels}, map[string]map[string]bool{
		"state": {}, "category": {}, "phase": {}, "operation": {}, "reason": {}, "resource": {}, "collector": {}, "api": {}}}
}

// served returns what an exporter serves for busy machines of releases that have the
// APIs, by default both.
func served(t *testing.T, apis ...string) metrics {
	t.Helper()
	all := newMetrics()
	for _, s := range servers {
		if len(apis) > 0 && !slices.Contains(apis, s.api) {
			continue
		}
		once := servedBy[s.api]
		once.do.Do(func() {
			once.found = newMetrics()
			for _, w := range once.watched {
				watch(t, w.scenario, w.era, nil, w.minutes, nil,
					func(_ time.Duration, families map[string]*dto.MetricFamily) { once.found.add(families) })
			}
		})
		maps.Copy(all.labels, once.found.labels)
		for label, values := range once.found.values {
			maps.Copy(all.values[label], values)
		}
	}
	return all
}

type watched struct {
	scenario func(start time.Time) bossim.Scenario
	era      bossim.Era
	minutes  int
}

type servedOnce struct {
	do      sync.Once
	found   metrics
	watched []watched
}

// servedBy is what has been watched of each API.
var servedBy = map[string]*servedOnce{
	bos.APIv1: {watched: []watched{{busy, bossim.EraA, 90}, {busy, bossim.EraC, 90}}},
	bos.APIv2: {watched: []watched{{busy, bossim.EraD2, 90}, {staged, bossim.EraD2, 10}}},
}

func busy(start time.Time) bossim.Scenario { return bossim.Live(start, 1) }

// staged has a session that waits to be applied, and one that could not be set up.
func staged(start time.Time) bossim.Scenario {
	sets := func(from int) []bossim.BootSetSpec {
		return []bossim.BootSetSpec{{Name: "compute", Nodes: bossim.Nodes(16)[from : from+8]}}
	}
	return bossim.Scripted(
		bossim.Spec{ID: "staged", Tenant: "blue", Operation: bos.Reboot, Template: "blue", Created: start, Stage: true, BootSets: sets(0)},
		bossim.Spec{ID: "typo", Operation: bos.Boot, Template: "compute", Created: start, SetupError: "No nodes were found to act upon.", BootSets: sets(8)})
}

func (found metrics) add(families map[string]*dto.MetricFamily) {
	for name, f := range families {
		names := []string{name}
		if f.GetType() == dto.MetricType_HISTOGRAM {
			names = []string{name + "_bucket", name + "_sum", name + "_count"}
		}
		for _, n := range names {
			if found.labels[n] != nil {
				continue
			}
			found.labels[n] = targetLabels
			if strings.HasSuffix(n, "_bucket") {
				found.labels[n] = append(found.labels[n], model.BucketLabel)
			}
			for _, l := range f.Metric[0].Label {
				found.labels[n] = append(found.labels[n], l.GetName())
			}
		}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if known := found.values[l.GetName()]; known != nil {
					known[l.GetValue()] = true
				}
			}
		}
	}
}

// wrongPromQL returns what is wrong with an expression, which must parse and use only
// metrics and labels that exist. It also returns the labels of its metrics.
func wrongPromQL(text string, metrics map[string][]string) (labels, wrong []string) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return nil, []string{err.Error()}
	}
	labels = slices.Clone(targetLabels)
	var used []string
	literal := func(e parser.Expr) string {
		if s, ok := e.(*parser.StringLiteral); ok {
			return s.Val
		}
		return ""
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			has, known := metrics[n.Name]
			if !known {
				wrong = append(wrong, fmt.Sprintf("no metric is named %q", n.Name))
			}
			labels = append(labels, has...)
			for _, m := range n.LabelMatchers {
				if m.Name != model.MetricNameLabel && !slices.Contains(has, m.Name) {
					wrong = append(wrong, fmt.Sprintf("%s has no label %q", n.Name, m.Name))
				}
			}
		case *parser.AggregateExpr:
			used = append(used, n.Grouping...)
			if n.Op == parser.COUNT_VALUES {
				labels = append(labels, literal(n.Param))
			}
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				used = append(append(used, n.VectorMatching.MatchingLabels...), n.VectorMatching.Include...)
			}
		case *parser.Call:
			switch n.Func.Name {
			case "label_replace":
				labels = append(labels, literal(n.Args[1]))
				used = append(used, literal(n.Args[3]))
			case "label_join":
				labels = append(labels, literal(n.Args[1]))
				for _, source := range n.Args[3:] {
					used = append(used, literal(source))
				}
			}
		}
		return nil
	})
	for _, l := range used {
		if !slices.Contains(labels, l) {
			wrong = append(wrong, fmt.Sprintf("no metric of the expression has the label %q", l))
		}
	}
	return labels, wrong
}

func TestWrongPromQLIsFound(t *testing.T) {
	metrics := map[string][]string{"m": {"a"}}
	for _, tt := range []struct {
		name, expr string
		want       int
	}{
		{"correct", `sum by (a) (m{a="x"})`, 0},
		{"syntax error", `m{`, 1},
		{"unknown metric", `n`, 1},
		{"unknown label in a matcher", `m{b="x"}`, 1},
		{"unknown label in an aggregation", `sum by (b) (m)`, 1},
		{"unknown label in a join", `m * on (a, c) m`, 1},
		{"label of label_replace", `sum by (d) (label_replace(m, "d", "$1", "a", ".*"))`, 0},
		{"label of count_values", `sum by (d) (count_values by (a) ("d", m))`, 0},
		{"unknown source of label_replace", `label_replace(m, "d", "$1", "e", ".*")`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, wrong := wrongPromQL(tt.expr, metrics); len(wrong) != tt.want {
				t.Errorf("%s: found %q, want %d", tt.expr, wrong, tt.want)
			}
		})
	}
}

// lintVars are selections of the variables with which expressions are checked.
var lintVars = map[string]chosen{
	"id": {values: []string{"s"}}, "template": {values: []string{"t"}}, "tenant": {many: true, all: true, allValue: ".*"},
	"bootset": {many: true, values: []string{"a", "b"}}, "phase": {many: true, values: []string{"boot"}},
}

// known returns the labels of the metrics that the exporter serves, and of those that the
// rules make of them. It also returns what is wrong with the rules.
func known(t *testing.T) (labels map[string][]string, wrong []string) {
	labels = maps.Clone(served(t).labels)
	alerts := []string{"alertname", "alertstate"}
	for _, r := range loadRules(t) {
		found, problems := wrongPromQL(r.Expr, labels)
		for _, p := range problems {
			wrong = append(wrong, r.Alert+r.Record+": "+p)
		}
		if r.Record != "" {
			labels[r.Record] = found
		} else {
			alerts = slices.AppendSeq(append(alerts, found...), maps.Keys(r.Labels))
		}
	}
	labels["ALERTS"], labels["ALERTS_FOR_STATE"] = alerts, alerts
	return labels, wrong
}

// Dashboards and rules use only metrics and labels that exist.
func TestPromQL(t *testing.T) {
	metrics, wrong := known(t)
	for _, w := range wrong {
		t.Error(w)
	}
	found := 0
	for _, d := range load(t) {
		for _, p := range d.panels() {
			for _, raw := range p.Targets {
				var target struct{ Expr string }
				if err := json.Unmarshal(raw, &target); err != nil {
					t.Fatal(err)
				}
				if p.Datasource.Type != prometheusType {
					continue
				}
				found++
				if _, wrong := wrongPromQL(fillPromQL(target.Expr, lintVars), metrics); len(wrong) > 0 {
					t.Errorf("%s: %s: %s", d.file, p.Title, strings.Join(wrong, "; "))
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d expressions were found", found)
	}
}

// What one API alone tells is known to be so, and a panel that shows nothing else says
// which API that is in place of an empty box.
func TestWhatOneAPIAloneTells(t *testing.T) {
	by := make(map[string][]string) // the APIs that serve a metric
	for _, s := range servers {
		for name := range served(t, s.api).labels {
			by[name] = append(by[name], s.api)
		}
	}
	for name, apis := range by {
		if got, want := strings.Join(apis, " "), cmp.Or(servedOnlyBy[name], "v1 v2"); got != want {
			t.Errorf("%s is served by %s, want %s", name, got, want)
		}
	}
	for name := range servedOnlyBy {
		if by[name] == nil {
			t.Errorf("%s is not served", name)
		}
	}
	found := 0
	for _, d := range load(t) {
		for _, p := range d.panels() {
			for _, s := range servers {
				if !s.lacks(p) {
					continue
				}
				found++
				if says := p.FieldConfig.Defaults.NoValue; !regexp.MustCompile(`\bv[12]\b`).MatchString(says) {
					t.Errorf("%s: %s has no value on %s, and says only %q", d.file, p.Title, s.api, says)
				}
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d panels of one API were found", found)
	}
}

// Each alert has a severity, a summary with a number, a description of what to do next,
// and a link to a dashboard.
func TestAlerts(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)^\\| `(BOS\\w+)` \\|").FindAllStringSubmatch(string(readme), -1) {
		listed[m[1]] = true
	}
	for _, r := range loadRules(t) {
		if r.Alert == "" {
			continue
		}
		if !listed[r.Alert] {
			t.Errorf("README.md does not list %s", r.Alert)
		}
		delete(listed, r.Alert)
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if s := r.Annotations["summary"]; !strings.Contains(s, "$value") && !strings.ContainsAny(s, "0123456789") {
			t.Errorf("%s: the summary %q has no number", r.Alert, s)
		}
		if len(r.Annotations["description"]) < 50 {
			t.Errorf("%s: description %q", r.Alert, r.Annotations["description"])
		}
		want := "{{ $externalLabels.grafana }}/d/bos-overview"
		if strings.HasPrefix(r.Alert, "BOSSession") && r.Alert != "BOSSessionsDropped" {
			want = "{{ $externalLabels.grafana }}/d/bos-session?var-session={{ $labels.session | urlquery }}{{ with $labels.tenant }}&var-tenant={{ . | urlquery }}{{ end }}&"
		}
		if !strings.HasPrefix(r.Annotations["dashboard"], want) {
			t.Errorf("%s: dashboard %q", r.Alert, r.Annotations["dashboard"])
		}
	}
	for name := range listed {
		t.Errorf("README.md lists %s, which does not exist", name)
	}
}
