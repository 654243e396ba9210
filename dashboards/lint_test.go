package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"go.yaml.in/yaml/v3"

	"github.com/bos-exporter/bos-exporter/datasource"
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// Dashboards can be provisioned from files in Grafana 9.3 and later, and have the uids
// that links rely on.
func TestDashboards(t *testing.T) {
	var uids []string
	for _, d := range load(t) {
		uids = append(uids, d.UID)
		if d.file != d.UID+".json" || d.Title == "" || d.Description == "" || d.SchemaVersion != 37 || !slices.Contains(d.Tags, "bos") {
			t.Errorf("%s: uid %q, title %q, description %q, schema version %d, tags %v", d.file, d.UID, d.Title, d.Description, d.SchemaVersion, d.Tags)
		}
		for _, key := range []string{"__inputs", "__requires", "__elements", "id", "gnetId"} {
			if _, there := d.raw[key]; there {
				t.Errorf("%s has %s, a leftover of an export", d.file, key)
			}
		}
		if every, err := time.ParseDuration(d.Refresh); err != nil || every < 30*time.Second {
			t.Errorf("%s refreshes every %q", d.file, d.Refresh)
		}
		// The time range of a session says nothing about what the others show.
		keepTime := d.UID != "bos-session"
		if len(d.Links) != 1 || d.Links[0].Type != "dashboards" || !slices.Equal(d.Links[0].Tags, []string{"bos"}) || !d.Links[0].IncludeVars || d.Links[0].KeepTime != keepTime {
			t.Errorf("%s does not link to the others with its variables, and its time range if that is to be kept: %+v", d.file, d.Links)
		}
	}
	if want := []string{"bos-machine", "bos-nodes", "bos-overview", "bos-session"}; !slices.Equal(uids, want) {
		t.Errorf("dashboards %v, want %v", uids, want)
	}
}

func TestPanels(t *testing.T) {
	for _, d := range load(t) {
		seen := make(map[int]string)
		var titles []string
		for _, p := range d.panels() {
			where := fmt.Sprintf("%s: panel %d %q", d.file, p.ID, p.Title)
			if other, twice := seen[p.ID]; twice || p.ID == 0 {
				t.Errorf("%s has no id, or that of %q", where, other)
			}
			seen[p.ID] = p.Title
			if p.Title == "" || slices.Contains(titles, p.Title) {
				t.Errorf("%s has no title, or that of another panel", where)
			}
			titles = append(titles, p.Title)
			g := p.GridPos
			if g.X < 0 || g.Y < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
				t.Errorf("%s is outside the grid: %+v", where, g)
			}
			if p.Type == "row" {
				if p.Collapsed != (len(p.Panels) > 0) {
					t.Errorf("%s: a row must contain its panels if, and only if, it is collapsed", where)
				}
				continue
			}
			if p.Description == "" {
				t.Errorf("%s has no description", where)
			}
			if !slices.Contains([]string{"stat", "bargauge", "barchart", "table", "timeseries", "state-timeline", "text"}, p.Type) {
				t.Errorf("%s is a %s, which Grafana 9.3 may not have", where, p.Type)
			}
			if p.Type == "text" {
				continue
			}
			if shows, todo, _ := strings.Cut(p.Description, "\n\n"); shows == "" || todo == "" {
				t.Errorf("%s: the description must say what the panel shows and, in a second paragraph, what to do", where)
			}
			if strings.TrimSpace(p.FieldConfig.Defaults.NoValue) == "" {
				t.Errorf("%s has no noValue, so it is an empty box without a value", where)
			}
			if d := p.FieldConfig.Defaults; p.Type == "stat" && d.Color == nil && d.Thresholds == nil {
				t.Errorf("%s chooses no color, so what it does not know is green", where)
			}
			// The BOS datasource answers with an error in a row, Prometheus with nothing.
			if none := p.FieldConfig.Defaults.NoValue; p.Datasource.Type == prometheusType && !saysUnknown.MatchString(none) {
				t.Errorf("%s shows %q where Prometheus cannot be read", where, none)
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s has no query", where)
			}
			for _, target := range p.Targets {
				var query struct{ Datasource datasourceRef }
				if err := json.Unmarshal(target, &query); err != nil {
					t.Fatal(err)
				}
				if query.Datasource != p.Datasource || !viaVariable(query.Datasource) {
					t.Errorf("%s uses the datasource %+v, and a query %+v", where, p.Datasource, query.Datasource)
				}
			}
		}
		all := d.panels()
		for i, a := range all {
			for _, b := range all[i+1:] {
				if overlap(a, b) {
					t.Errorf("%s: %q and %q overlap", d.file, a.Title, b.Title)
				}
			}
		}
	}
}

// saysUnknown matches texts that claim nothing of what could not be looked at.
var saysUnknown = regexp.MustCompile(`^([Uu]nknown|[Nn]ot known)\b|\bPrometheus has no data\b`)

// Tables of the same name look the same on every dashboard.
func TestTablesOfOneName(t *testing.T) {
	type table struct{ file, columns string }
	first := make(map[string]table)
	twins := 0
	for _, d := range load(t) {
		for _, p := range d.panels() {
			if p.Type != "table" {
				continue
			}
			columns, err := json.Marshal([]any{p.FieldConfig.Overrides, p.Transformations})
			if err != nil {
				t.Fatal(err)
			}
			other, twice := first[p.Title]
			if !twice {
				first[p.Title] = table{d.file, string(columns)}
				continue
			}
			twins++
			if other.columns != string(columns) {
				t.Errorf("%s and %s: the columns of %q differ", other.file, d.file, p.Title)
			}
		}
	}
	if twins == 0 {
		t.Error("no two dashboards have a table of the same name")
	}
}

func viaVariable(d datasourceRef) bool {
	return d == datasourceRef{prometheusType, "${prometheus}"} || d == datasourceRef{bosType, "${bos}"}
}

func overlap(a, b panel) bool {
	x, y := a.GridPos, b.GridPos
	return x.X < y.X+y.W && y.X < x.X+x.W && x.Y < y.Y+y.H && y.Y < x.Y+x.H
}

// Every variable is defined before another variable uses it.
func TestVariables(t *testing.T) {
	for _, d := range load(t) {
		defined := []string{}
		for _, v := range d.Templating.List {
			for _, used := range append(variablesIn(string(v.Query)), variablesIn(v.Datasource.UID)...) {
				if !slices.Contains(defined, used) {
					t.Errorf("%s: the variable %s uses %s, which is not defined before", d.file, v.Name, used)
				}
			}
			if slices.Contains(defined, v.Name) || v.Label == "" {
				t.Errorf("%s: the variable %s is defined twice or has no label", d.file, v.Name)
			}
			if v.Type == "query" && !viaVariable(v.Datasource) {
				t.Errorf("%s: the variable %s uses the datasource %+v", d.file, v.Name, v.Datasource)
			}
			// For the BOS datasource, All means no filter, and any other text is a value.
			if v.AllValue != "" && v.Datasource.Type == bosType {
				t.Errorf("%s: the variable %s has a custom value for All", d.file, v.Name)
			}
			defined = append(defined, v.Name)
		}
		if len(defined) < 2 || defined[0] != "prometheus" || defined[1] != "bos" {
			t.Errorf("%s: the variables are %v, want the datasources first", d.file, defined)
		}
		for _, text := range texts(d.raw) {
			for _, name := range variablesIn(text) {
				if !slices.Contains(defined, name) {
					t.Errorf("%s: %s is not defined, in %q", d.file, name, text)
				}
			}
		}
	}
}

// texts returns all strings in a JSON value.
func texts(v any) (all []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			all = append(all, texts(e)...)
		}
	case map[string]any:
		for _, e := range v {
			all = append(all, texts(e)...)
		}
	}
	return all
}

// Every link leads to an existing dashboard, sets only variables that it has, and keeps
// the time range.
func TestLinks(t *testing.T) {
	targets := make(map[string]dashboard)
	for _, d := range load(t) {
		targets[d.UID] = d
	}
	links := 0
	check := func(where, link string) {
		_, path, isDashboard := strings.Cut(link, "/d/")
		if !isDashboard {
			return
		}
		links++
		uid, query, _ := strings.Cut(path, "?")
		target, known := targets[uid]
		if !known {
			t.Errorf("%s: no dashboard has the uid %s", where, uid)
			return
		}
		for _, variable := range rawVariable.FindAllString(query, -1) {
			t.Errorf("%s: the link %s has %s unescaped", where, link, variable)
		}
		time := false
		for part := range strings.SplitSeq(query, "&") {
			name, _, _ := strings.Cut(part, "=")
			if used := variablesIn(part); len(used) == 1 && strings.HasSuffix(part, ":queryparam}") {
				name = "var-" + used[0]
			}
			time = time || name == "from" || name == "${__url_time_range}" || rangeOfSession.MatchString(name)
			if name, isVariable := strings.CutPrefix(name, "var-"); isVariable {
				if _, there := target.variable(name); !there {
					t.Errorf("%s: %s has no variable %s", where, uid, name)
				}
			}
		}
		if !time && query != "" {
			t.Errorf("%s: the link %s loses the time range", where, link)
		}
		if strings.Contains(link, ".numeric}") {
			t.Errorf("%s: the link %s has NaN where a row has no value", where, link)
		}
	}
	for _, d := range targets {
		for _, text := range texts(d.raw) {
			check(d.file, text)
		}
	}
	for _, s := range servers {
		ds, ask := gallery(t, s.era)
		for _, queryType := range queryTypes {
			for _, f := range ask(ds, anyOf(queryType)).Frames {
				for _, field := range f.Fields {
					for _, l := range field.Config.Links {
						check("query type "+queryType+" on "+s.api, l.URL)
						if there, _ := f.FieldByName("range"); there != nil && losesRange(l.URL) {
							t.Errorf("query type %s on %s: the link %s does not set the time range of the session", queryType, s.api, l.URL)
						}
					}
				}
			}
		}
	}
	for _, r := range loadRules(t) {
		check("alert "+r.Alert, r.Annotations["dashboard"])
	}
	if links < 30 {
		t.Errorf("only %d links were found", links)
	}
}

// rawVariable matches what the value of a variable, a cell or a label could add a parameter
// to a link with. Those that hold parameters are known.
var rawVariable = regexp.MustCompile(`\$\{(prometheus|bos|tenant|session|bootset|phase|category|node|template|map|level|__value\.raw|__data\.fields\.(session|other_session|last_session|tenant|other_tenant|bootset|phase|category|node|place)|__field\.labels\.(session|tenant))\}`)

// rangeOfSession matches the columns that hold the time ranges of sessions.
var rangeOfSession = regexp.MustCompile(`^\$\{__data\.fields\.(other_)?range\}$`)

// losesRange tells whether a link to the session in a cell does not set its time range.
func losesRange(link string) bool {
	_, query, _ := strings.Cut(link, "/d/bos-session?")
	return strings.Contains(query, "var-session=${__value.raw") && !slices.ContainsFunc(strings.Split(query, "&"), rangeOfSession.MatchString)
}

// A share is never rounded up to 100%: neither a panel nor an alert shows 100% while a
// single node of the largest machine is missing. The datasource rounds its own shares down.
func TestSharesAreNotRoundedUp(t *testing.T) {
	shares := 0
	for _, d := range load(t) {
		for _, p := range d.panels() {
			defaults := p.FieldConfig.Defaults
			check := func(where, unit string, decimals *int) {
				if unit != "percent" && unit != "percentunit" {
					return
				}
				shares++
				if roundsUp(decimals) && !roundedDown(p.Targets) {
					t.Errorf("%s: %s: %s is rounded up: show 2 decimals, or use floor() in the expression", d.file, p.Title, where)
				}
			}
			check("the value", defaults.Unit, defaults.Decimals)
			for _, o := range p.FieldConfig.Overrides {
				unit, decimals := "", defaults.Decimals
				for _, property := range o.Properties {
					var err error
					switch property.ID {
					case "unit":
						err = json.Unmarshal(property.Value, &unit)
					case "decimals":
						err = json.Unmarshal(property.Value, &decimals)
					}
					if err != nil {
						t.Fatalf("%s: %s: %v", d.file, p.Title, err)
					}
				}
				check("the column "+o.Matcher.Options, unit, decimals)
			}
		}
	}
	if shares < 3 {
		t.Errorf("only %d shares were found", shares)
	}
	for _, r := range loadRules(t) {
		if strings.Contains(r.Annotations["summary"], "}}%") && !strings.HasPrefix(r.Expr, "floor(") {
			t.Errorf("%s: the summary shows a percentage that floor() does not round down", r.Alert)
		}
	}
}

// roundsUp reports whether a number of decimals shows 100% while a single node of the
// largest machine is missing. Without a number Grafana chooses one or none.
func roundsUp(decimals *int) bool {
	const largest = 12_000 // nodes
	if decimals == nil {
		return true
	}
	all := strconv.FormatFloat(100, 'f', *decimals, 64)
	return strconv.FormatFloat(100*float64(largest-1)/largest, 'f', *decimals, 64) == all
}

// roundedDown reports whether every expression rounds its values down.
func roundedDown(targets []json.RawMessage) bool {
	for _, raw := range targets {
		var target struct{ Expr string }
		if json.Unmarshal(raw, &target) != nil || !strings.HasPrefix(target.Expr, "floor(") {
			return false
		}
	}
	return len(targets) > 0
}

func TestRoundsUp(t *testing.T) {
	for decimals, want := range map[int]bool{0: true, 1: true, 2: false, 3: false} {
		if got := roundsUp(&decimals); got != want {
			t.Errorf("%d decimals: %t, want %t", decimals, got, want)
		}
	}
}

// Each state and category has the same color everywhere, which the datasource defines.
func TestColors(t *testing.T) {
	colors := make(map[string]string)
	ds, ask := gallery(t, bossim.EraD2)
	for _, query := range []string{`{"queryType":"sessions"}`, `{"queryType":"nodes"}`} {
		for _, field := range ask(ds, query).Frames[0].Fields {
			for _, m := range field.Config.Mappings {
				for name, result := range m.(data.ValueMapper) {
					colors[name] = result.Color
				}
			}
		}
	}
	for _, name := range append(slices.Clone(bos.CategoryOrder), string(bos.StateStuck)) {
		if colors[name] == "" {
			t.Fatalf("the datasource has no color for %s", name)
		}
	}
	colored := 0
	for _, d := range load(t) {
		for _, p := range d.panels() {
			check := func(name, color string) {
				if want, known := colors[strings.ReplaceAll(strings.Trim(name, " ^$"), " ", "_")]; known {
					colored++
					if color != want {
						t.Errorf("%s: %q shows %s in %s, want %s", d.file, p.Title, name, color, want)
					}
				}
			}
			mappings := p.FieldConfig.Defaults.Mappings
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					switch property.ID {
					case "color":
						var c struct{ Mode, FixedColor string }
						if err := json.Unmarshal(property.Value, &c); err != nil {
							t.Fatal(err)
						}
						if c.Mode == "fixed" && p.Type != "table" && p.Type != "stat" {
							check(o.Matcher.Options, c.FixedColor)
						}
					case "mappings":
						var more []mapping
						if err := json.Unmarshal(property.Value, &more); err != nil {
							t.Fatal(err)
						}
						mappings = append(mappings, more...)
					}
				}
			}
			for _, m := range mappings {
				for _, result := range m.results(t) {
					check(result.Text, result.Color)
				}
			}
		}
	}
	if colored < 40 {
		t.Errorf("only %d colors were found", colored)
	}
}

// The BOS datasource knows every field of every query, and answers it.
func TestQueries(t *testing.T) {
	for _, s := range servers {
		t.Run(s.api, func(t *testing.T) { checkQueries(t, s) })
	}
}

func checkQueries(t *testing.T, s server) {
	vars := map[string]chosen{
		"session": {values: []string{bossim.GalleryID("running")}}, "id": {values: []string{bossim.GalleryID("running")}}, "template": {values: []string{"compute-sles15sp4"}},
		"bootset": {many: true, all: true}, "phase": {many: true, all: true}, "category": {many: true, values: []string{"failed"}}, "node": {}, "map": {values: []string{"chassis/node"}}, "level": {values: []string{"slot"}}, "tenant": {many: true, all: true, allValue: ".*"},
	}
	ds, ask := gallery(t, s.era)
	queries := 0
	for _, d := range load(t) {
		check := func(where string, raw json.RawMessage) {
			queries++
			decoder := json.NewDecoder(bytes.NewReader(raw))
			decoder.DisallowUnknownFields()
			var q struct {
				datasource.Query
				RefID      string        `json:"refId"`
				Datasource datasourceRef `json:"datasource"`
			}
			if err := decoder.Decode(&q); err != nil {
				t.Errorf("%s: %s: %v", d.file, where, err)
			}
			if r := ask(ds, string(fillQuery(t, raw, vars))); r.Error != nil {
				t.Errorf("%s: %s: %v", d.file, where, r.Error)
			}
		}
		for _, p := range d.panels() {
			for _, target := range p.Targets {
				if p.Datasource.Type == bosType && !s.lacks(p) {
					check(p.Title, target)
				}
			}
		}
		for _, v := range d.Templating.List {
			if v.Datasource.Type == bosType {
				check("variable "+v.Name, v.Query)
			}
		}
		for _, a := range d.Annotations.List {
			if a.BuiltIn == 0 {
				check("annotation "+a.Name, a.Target)
			}
		}
	}
	if queries < 20 {
		t.Errorf("only %d queries were found", queries)
	}
}

// gallery returns an instance of the datasource that has seen a session of each kind run,
// and a function that queries it.
func gallery(t *testing.T, era bossim.Era) (backend.QueryDataHandler, func(backend.QueryDataHandler, string) backend.DataResponse) {
	t.Helper()
	const seen, every = 3 * time.Hour, 5 * time.Minute
	clock := bossim.NewSteppedClock(bossim.GalleryTime.Add(-seen))
	server := httptest.NewServer(bossim.New(bossim.Gallery(), era, clock.Now))
	t.Cleanup(server.Close)
	instance, err := datasource.New(t.Context(), backend.DataSourceInstanceSettings{UID: "bos", URL: server.URL, JSONData: json.RawMessage(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(instance.(interface{ Dispose() }).Dispose)
	ask := func(h backend.QueryDataHandler, query string) backend.DataResponse {
		resp, err := h.QueryData(t.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{{RefID: "A",
			TimeRange: backend.TimeRange{From: bossim.GalleryTime.Add(-24 * time.Hour), To: bossim.GalleryTime}, JSON: json.RawMessage(query)}}})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Responses["A"]
	}
	handler := instance.(backend.QueryDataHandler)
	for clock.Now().Before(bossim.GalleryTime) {
		ask(handler, `{"queryType":"sessions","fresh":true}`)
		clock.Advance(every)
	}
	ask(handler, `{"queryType":"sessions","fresh":true}`)
	return handler, ask
}

// The plugin includes the dashboards.
func TestPluginIncludesDashboards(t *testing.T) {
	text, err := os.ReadFile("../datasource/frontend/src/plugin.json")
	if err != nil {
		t.Fatal(err)
	}
	var plugin struct {
		ID       string
		Includes []struct{ Type, Name, Path string }
	}
	if err := json.Unmarshal(text, &plugin); err != nil {
		t.Fatal(err)
	}
	if plugin.ID != bosType {
		t.Errorf("the plugin is %s", plugin.ID)
	}
	for _, d := range load(t) {
		if !slices.ContainsFunc(plugin.Includes, func(i struct{ Type, Name, Path string }) bool {
			return i.Type == "dashboard" && i.Name == d.Title && i.Path == "dashboards/"+d.file
		}) {
			t.Errorf("plugin.json does not include %s as %q", d.file, d.Title)
		}
	}
}

// The provisioning files define the datasources that the dashboards use, and explain the
// environment variables that they read.
func TestProvisioning(t *testing.T) {
	parse := func(file string, into any) {
		text, err := os.ReadFile("provisioning/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, m := range regexp.MustCompile(`: \$(\w+)`).FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(string(text), "#   "+m[1]+" ") {
				t.Errorf("%s does not explain the variable %s", file, m[1])
			}
		}
	}
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct{ Name, UID, Type, Access, URL string }
	}
	parse("datasources/bos.yaml", &sources)
	if want := []struct{ Name, UID, Type, Access, URL string }{
		{"Prometheus", "prometheus", prometheusType, "proxy", "$PROMETHEUS_URL"},
		{"BOS", "bos", bosType, "proxy", "$BOS_URL"},
	}; sources.APIVersion != 1 || !slices.Equal(sources.Datasources, want) {
		t.Errorf("got  %+v\nwant API version 1 and %+v", sources, want)
	}
	var folders struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	parse("dashboards/bos.yaml", &folders)
	if folders.APIVersion != 1 || len(folders.Providers) != 1 || folders.Providers[0].Type != "file" || folders.Providers[0].Options.Path != "$BOS_DASHBOARDS" {
		t.Errorf("got %+v, want API version 1 and one provider of the files in $BOS_DASHBOARDS", folders)
	}
}

// Only UUIDs are shown by their first eight characters: a name that somebody gave to a
// session is shown whole, however it begins.
func TestShortSessions(t *testing.T) {
	found := 0
	for _, d := range load(t) {
		for _, text := range texts(d.raw) {
			if strings.Contains(text, "{0,8}") {
				t.Errorf("%s: %s cuts names that are no UUIDs", d.file, text)
			}
			pattern, isShort := strings.CutPrefix(text, "/^([0-9a-f]{8})")
			if !isShort {
				continue
			}
			found++
			short := regexp.MustCompile("(?i)^([0-9a-f]{8})" + strings.TrimSuffix(pattern, "/i"))
			for session, want := range map[string]string{
				bossim.GalleryID("well"): bossim.GalleryID("well")[:8], "nightly-reboot-012": "nightly-reboot-012", "deadbeef-reboot": "deadbeef-reboot",
			} {
				if got := short.ReplaceAllString(session, "$1"); got != want {
					t.Errorf("%s: %s shows %s as %s, want %s", d.file, text, session, got, want)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d columns of short sessions were found", found)
	}
}
