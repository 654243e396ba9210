package dashboards

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Transformations, overrides, sorting and links refer only to columns that exist.
func TestColumns(t *testing.T) {
	for _, s := range servers {
		t.Run(s.api, func(t *testing.T) { checkColumns(t, s) })
	}
}

func checkColumns(t *testing.T, s server) {
	metrics := served(t)
	labelsOf, _ := known(t)
	ds, ask := gallery(t, s.era)
	columnsOf := func(queryType string) (names []string) {
		for _, f := range ask(ds, anyOf(queryType)).Frames[0].Fields {
			names = append(names, f.Name, f.Config.DisplayNameFromDS)
		}
		return names
	}
	found := 0
	for _, d := range load(t) {
		for _, p := range d.panels() {
			if len(p.Targets) == 0 || s.lacks(p) {
				continue
			}
			where := fmt.Sprintf("%s: %s", d.file, p.Title)
			var target struct{ QueryType, Expr, LegendFormat, Format string }
			if err := json.Unmarshal(p.Targets[0], &target); err != nil {
				t.Fatal(err)
			}
			var columns []string
			if p.Datasource.Type == bosType {
				columns = append(columnsOf(target.QueryType), "not_known", "Not known") // the column of an error
			} else {
				labels, _ := wrongPromQL(fillPromQL(target.Expr, lintVars), labelsOf)
				for _, m := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
					if !slices.Contains(labels, m[1]) {
						t.Errorf("%s: the legend uses the label %s, which no metric has", where, m[1])
					}
				}
				if target.Format == "table" {
					columns = append(labels, "Value", "Time")
				} else { // legends name the series
					columns = append(labels, target.LegendFormat)
					for _, l := range labels {
						columns = append(columns, slices.Collect(maps.Keys(metrics.values[l]))...)
					}
				}
			}
			uses := func(what string, names ...string) {
				for _, n := range names {
					found++
					if !slices.Contains(columns, n) {
						t.Errorf("%s: %s uses the column %q, which is not among %q", where, what, n, columns)
					}
				}
			}
			for _, tr := range p.Transformations {
				var o struct {
					Alias                             string
					Binary                            struct{ Left, Right string }
					Fields                            map[string]struct{ Aggregations []string }
					IndexByName, ExcludeByName        map[string]any
					RenameByName                      map[string]string
					Sort                              []struct{ Field string }
					ColumnField, RowField, ValueField string
				}
				if err := json.Unmarshal(tr.Options, &o); err != nil {
					t.Fatalf("%s: %s: %v", where, tr.ID, err)
				}
				switch tr.ID {
				case "calculateField":
					uses(tr.ID, o.Binary.Left, o.Binary.Right)
					columns = append(columns, o.Alias)
				case "groupBy":
					for name, f := range o.Fields {
						uses(tr.ID, name)
						for _, a := range f.Aggregations {
							columns = append(columns, name+" ("+a+")")
						}
					}
				case "organize":
					uses(tr.ID, slices.Collect(maps.Keys(o.IndexByName))...)
					uses(tr.ID, slices.Collect(maps.Keys(o.ExcludeByName))...)
					uses(tr.ID, slices.Collect(maps.Keys(o.RenameByName))...)
					columns = slices.AppendSeq(columns, maps.Values(o.RenameByName))
				case "groupingToMatrix":
					uses(tr.ID, o.ColumnField, o.RowField, o.ValueField)
					columns = slices.AppendSeq(columns, maps.Keys(metrics.values[strings.ToLower(o.ColumnField)]))
					columns = append(columns, o.RowField+`\`+o.ColumnField)
				case "sortBy":
					for _, by := range o.Sort {
						uses(tr.ID, by.Field)
					}
				case "prepareTimeSeries":
				default:
					t.Errorf("%s: the transformation %s is not checked", where, tr.ID)
				}
			}
			for _, o := range p.FieldConfig.Overrides {
				switch o.Matcher.ID {
				case "byName":
					uses("an override", o.Matcher.Options)
				case "byFrameRefID":
					if !p.asks(t, o.Matcher.Options) {
						t.Errorf("%s: no query is named %s", where, o.Matcher.Options)
					}
				case "byRegexp":
					if _, err := regexp.Compile(o.Matcher.Options); err != nil {
						t.Errorf("%s: %v", where, err)
					}
					// Grafana matches whole names, none of which begins or ends with a space.
					if whole := strings.Trim(o.Matcher.Options, "^$"); whole != strings.TrimSpace(whole) {
						t.Errorf("%s: the pattern %q is meant for a part of a name", where, o.Matcher.Options)
					}
				default:
					t.Errorf("%s: the matcher %s is not checked", where, o.Matcher.ID)
				}
				for _, property := range o.Properties {
					var name string
					if property.ID == "displayName" && json.Unmarshal(property.Value, &name) == nil {
						columns = append(columns, name)
					}
				}
			}
			var options struct {
				SortBy        []struct{ DisplayName string }
				ReduceOptions struct{ Fields string }
			}
			if err := json.Unmarshal(p.Options, &options); err != nil {
				t.Fatal(err)
			}
			for _, s := range options.SortBy {
				uses("sorting", s.DisplayName)
			}
			if f := strings.Trim(options.ReduceOptions.Fields, "/^$()"); f != "" {
				uses("the choice of fields", strings.Split(f, "|")...)
			}
			config, err := json.Marshal(p.FieldConfig.Overrides)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`__data\.fields\.(\w+)`).FindAllStringSubmatch(string(config), -1) {
				uses("a link", m[1])
			}
			var overrides any
			if err := json.Unmarshal(config, &overrides); err != nil {
				t.Fatal(err)
			}
			for _, text := range texts(overrides) {
				if slices.Contains(columns, "range") && losesRange(text) {
					t.Errorf("%s: the link %s does not set the time range of the session", where, text)
				}
			}
		}
	}
	if found < 200 {
		t.Errorf("only %d uses of columns were found", found)
	}
}

// filteredBy returns the label, or the filter of a query, that a variable is for: that of
// its name, save for what a selector such as latest stands for, and for kinds of places.
func filteredBy(variable string) string {
	switch variable {
	case "id":
		return "session"
	case "map", "level":
		return "field"
	default:
		return variable
	}
}

// Literal values of labels and filters are values that exist.
func TestValues(t *testing.T) {
	metrics := served(t)
	found := 0
	check := func(where, label, value string) {
		if known := metrics.values[label]; known != nil && !strings.Contains(value, "$") {
			for one := range strings.SplitSeq(value, "|") {
				found++
				if !known[one] {
					t.Errorf("%s: %s is never %q", where, label, one)
				}
			}
		}
	}
	matcher := regexp.MustCompile(`(\w+)\s*(?:=~|!=|!~|=)\s*"([^"]*)"`)
	for _, d := range load(t) {
		for _, text := range texts(d.raw) {
			for _, m := range matcher.FindAllStringSubmatch(text, -1) {
				check(d.file, m[1], m[2])
				for _, name := range variablesIn(m[2]) {
					if filteredBy(name) != m[1] {
						t.Errorf("%s: the variable %s filters the label %s", d.file, name, m[1])
					}
				}
			}
			for _, m := range regexp.MustCompile(`var-(\w+)=([^&$]+)`).FindAllStringSubmatch(text, -1) {
				check(d.file, m[1], m[2])
			}
		}
		for _, p := range d.panels() {
			for _, raw := range p.Targets {
				var q map[string]any
				if err := json.Unmarshal(raw, &q); err != nil {
					t.Fatal(err)
				}
				if q["queryType"] == nil {
					continue
				}
				for key, v := range q {
					if key == "datasource" || key == "state" && slices.Contains(componentsTypes, q["queryType"].(string)) {
						continue // the states of components are not those of sessions
					}
					for _, value := range texts(v) {
						check(d.file, key, value)
						for _, name := range variablesIn(value) {
							if filteredBy(name) != key {
								t.Errorf("%s: %s: the variable %s is used in the filter %s", d.file, p.Title, name, key)
							}
						}
					}
				}
			}
		}
	}
	for _, r := range loadRules(t) {
		for _, m := range matcher.FindAllStringSubmatch(r.Expr, -1) {
			check(r.Alert+r.Record, m[1], m[2])
		}
	}
	if found < 40 || !metrics.values["category"][bos.Failed] {
		t.Errorf("only %d values were found", found)
	}
}
