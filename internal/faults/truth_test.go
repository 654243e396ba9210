//go:build faults

package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// oracle knows what BOS holds. It reads a simulator without faults itself, with a
// decoder of its own.
type oracle struct {
	t     testing.TB
	v2    bool
	sim   *bossim.Server
	clock *bossim.SteppedClock

	// What it has read, and when.
	at   time.Time
	held map[string]session
}

type metadata struct {
	InProgress any `json:"in_progress"`
	Complete   any `json:"complete"`
	ErrorCount any `json:"error_count"`
	StartTime  any `json:"start_time"`
	StopTime   any `json:"stop_time"`
}

type bootSetDocument struct {
	Name     string
	Metadata metadata
	Phases   []struct {
		Name       string
		Metadata   metadata
		Categories []struct {
			Name     string
			NodeList []string `json:"node_list"`
		}
	}
}

// get reads a document of v1, and reports whether there is one.
func (o *oracle) get(v any, segments ...string) bool {
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return o.read(v, "", "/v1/"+strings.Join(segments, "/"))
}

// read reads a document as a tenant, and reports whether there is one.
func (o *oracle) read(v any, tenant, path string) bool {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if tenant != "" {
		r.Header.Set("Cray-Tenant-Name", tenant)
	}
	o.sim.ServeHTTP(w, r)
	if w.Code/100 != 2 {
		return false
	}
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
		o.t.Fatalf("%s: %v", path, err)
	}
	return true
}

// session is what BOS holds of a session.
type session struct {
	series map[string]float64
	// rows are the nodes as "boot set/phase/category/node".
	rows     map[string]bool
	reported bool // whether all boot sets are
	tenant   string
}

// now reads all sessions, by id.
func (o *oracle) now() map[string]session {
	if now := o.clock.Now(); o.v2 && (o.held == nil || !now.Equal(o.at)) {
		o.at, o.held = now, o.nowV2()
	} else if o.held == nil || !now.Equal(o.at) {
		var ids []string
		o.get(&ids, "session")
		o.at, o.held = now, make(map[string]session, len(ids))
		for _, id := range ids {
			o.held[id] = o.session(id)
		}
	}
	return o.held
}

func (o *oracle) session(id string) session {
	var d struct {
		Operation    string
		TemplateName string `json:"templateName"`
		Job          string
		metadata
	}
	var template struct {
		BootSets map[string]any `json:"boot_sets"`
	}
	if !o.get(&d, "session", id) || !o.get(&template, "sessiontemplate", d.TemplateName) {
		o.t.Fatalf("the simulator lists %s, and does not know it or its template", id)
	}
	s := session{series: make(map[string]float64), rows: make(map[string]bool), reported: true}
	labels := fmt.Sprintf("session=%q,tenant=\"\"", id)
	s.series[fmt.Sprintf("bos_session_info{%s,operation=%q,template=%q,boa_job=%q,api=\"v1\"}", labels, d.Operation, d.TemplateName, d.Job)] = 1
	s.add("bos_session", labels, d.metadata)
	nodes, failed := make(map[string]bool), make(map[string]bool)
	some := false
	for _, name := range slices.Sorted(maps.Keys(template.BootSets)) {
		var b bootSetDocument
		if !o.get(&b, "session", id, "status", name) {
			s.reported = false
			continue
		}
		some = true
		labels := fmt.Sprintf("%s,bootset=%q", labels, name)
		s.add("bos_bootset", labels, b.Metadata)
		for _, p := range b.Phases {
			labels := fmt.Sprintf("%s,phase=%q", labels, p.Name)
			s.add("bos_phase", labels, p.Metadata)
			for _, c := range p.Categories {
				s.series[fmt.Sprintf("bos_category_nodes{%s,category=%q}", labels, c.Name)] = float64(len(c.NodeList))
				for _, n := range c.NodeList {
					nodes[n] = true
					failed[n] = failed[n] || c.Name == "failed"
					s.rows[strings.Join([]string{name, p.Name, c.Name, n}, "/")] = true
				}
			}
		}
	}
	if some {
		maps.DeleteFunc(failed, func(_ string, f bool) bool { return !f })
		s.series[fmt.Sprintf("bos_session_nodes{%s}", labels)] = float64(len(nodes))
		s.series[fmt.Sprintf("bos_session_failed_nodes{%s}", labels)] = float64(len(failed))
	}
	return s
}

// nowV2 reads all sessions over v2. The nodes of its scenarios go straight through the
// phases, so where each stands follows from what BOS says of it now.
func (o *oracle) nowV2() map[string]session {
	var list []struct {
		Name, Tenant, Operation string
		Template                string `json:"template_name"`
		Status                  struct {
			Status string
			Start  string `json:"start_time"`
			End    string `json:"end_time"`
		}
	}
	o.read(&list, "", "/v2/sessions")
	all := make(map[string]session, len(list))
	for _, d := range list {
		s := session{series: make(map[string]float64), rows: make(map[string]bool), reported: true, tenant: d.Tenant}
		labels := fmt.Sprintf("session=%q,tenant=%q", d.Name, d.Tenant)
		s.series[fmt.Sprintf("bos_session_info{%s,operation=%q,template=%q,boa_job=\"\",api=\"v2\"}", labels, d.Operation, d.Template)] = 1
		nodes := o.nodesV2(d.Name, d.Tenant)
		counts := make(map[[2]string]float64)
		failed := 0.0
		for i, phase := range []string{"shutdown", "boot", "configure"} {
			for _, category := range []string{"not_started", "in_progress", "succeeded", "failed", "excluded", "on_hold", "superseded"} {
				counts[[2]string{phase, category}] = 0
			}
			for node, standing := range nodes {
				counts[[2]string{phase, standing[i]}]++
				s.rows[strings.Join([]string{"compute", phase, standing[i], node}, "/")] = true
				if standing[i] == "failed" {
					failed++
				}
			}
		}
		s.add("bos_session", labels, metadata{InProgress: d.Status.Status == "running", Complete: d.Status.Status == "complete",
			ErrorCount: failed, StartTime: d.Status.Start, StopTime: d.Status.End})
		s.series[fmt.Sprintf("bos_bootset_error_count{%s,bootset=\"compute\"}", labels)] = failed
		for at, n := range counts {
			if at[1] == "failed" {
				s.series[fmt.Sprintf("bos_phase_error_count{%s,bootset=\"compute\",phase=%q}", labels, at[0])] = n
			}
			s.series[fmt.Sprintf("bos_category_nodes{%s,bootset=\"compute\",phase=%q,category=%q}", labels, at[0], at[1])] = n
		}
		s.series[fmt.Sprintf("bos_session_nodes{%s}", labels)] = float64(len(nodes))
		s.series[fmt.Sprintf("bos_session_failed_nodes{%s}", labels)] = failed
		all[d.Name] = s
	}
	return all
}

// nodesV2 reads the nodes of a reboot, and tells in which category of each phase they are.
func (o *oracle) nodesV2(name, tenant string) map[string][3]string {
	var components []struct {
		ID     string
		Status struct{ Phase, Status string }
		Last   struct{ Action string } `json:"last_action"`
		Events struct {
			On int `json:"power_on_attempts"`
		} `json:"event_stats"`
	}
	o.read(&components, tenant, "/v2/components?session="+url.QueryEscape(name))
	nodes := make(map[string][3]string, len(components))
	for _, c := range components {
		phase := map[string]int{"powering_off": 0, "powering_on": 1, "configuring": 2}[c.Status.Phase]
		if phase == 0 && c.Events.On > 0 {
			phase = 1
		}
		now := "in_progress"
		switch {
		case c.Status.Status == "stable":
			nodes[c.ID] = [3]string{"succeeded", "succeeded", "succeeded"}
			continue
		case c.Status.Status == "failed":
			now = "failed"
		case strings.HasSuffix(c.Status.Status, "_pending") && c.Events.On == 0 && (phase == 1 || c.Last.Action == "session_setup"):
			now = "not_started"
		}
		standing := [3]string{"not_started", "not_started", "not_started"}
		for i := range phase {
			standing[i] = "succeeded"
		}
		standing[phase] = now
		nodes[c.ID] = standing
	}
	return nodes
}

func (s *session) add(prefix, labels string, m metadata) {
	for name, v := range map[string]any{
		"in_progress": m.InProgress, "complete": m.Complete, "error_count": m.ErrorCount,
		"start_time_seconds": m.StartTime, "stop_time_seconds": m.StopTime,
	} {
		series := fmt.Sprintf("%s_%s{%s}", prefix, name, labels)
		switch v := v.(type) {
		case bool:
			s.series[series] = 0
			if v {
				s.series[series] = 1
			}
		case float64:
			s.series[series] = v
		case string:
			if v == "" {
				continue
			}
			t, err := time.Parse("2006-01-02 15:04:05", strings.TrimSuffix(strings.Replace(v, "T", " ", 1), "Z"))
			if err != nil {
				panic(err)
			}
			s.series[series] = float64(t.UnixMicro()) / 1e6
		}
	}
}

// scrape is what the exporter says.
type scrape struct {
	values map[string]float64
}

func parse(text string) scrape {
	s := scrape{make(map[string]float64)}
	for line := range strings.Lines(text) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			if v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
				s.values[line[:at]] = v
			}
		}
	}
	return s
}

// raw are the families that repeat what BOS says.
var raw = []string{"bos_session_info{", "bos_category_nodes{", "bos_session_nodes{", "bos_session_failed_nodes{"}

func init() {
	for _, of := range []string{"bos_session_", "bos_bootset_", "bos_phase_"} {
		for _, what := range []string{"in_progress{", "complete{", "error_count{", "start_time_seconds{", "stop_time_seconds{"} {
			raw = append(raw, of+what)
		}
	}
}

// sessions are the raw series by session, and the states.
func (s scrape) sessions() (series map[string]map[string]float64, states map[string]string) {
	series, states = make(map[string]map[string]float64), make(map[string]string)
	for name, v := range s.values {
		id := label(name, "session")
		switch {
		case id == "":
		case strings.HasPrefix(name, "bos_session_state{") && v == 1:
			states[id] += label(name, "state")
		case slices.ContainsFunc(raw, func(family string) bool { return strings.HasPrefix(name, family) }):
			if series[id] == nil {
				series[id] = make(map[string]float64)
			}
			series[id][name] = v
		}
	}
	return series, states
}

func label(series, name string) string {
	_, rest, ok := strings.Cut(series, name+`="`)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// errors is the number of sessions whose last reading failed, for these reasons if any
// are given.
func (s scrape) errors(reasons ...bos.Reason) (n float64) {
	for name, v := range s.values {
		if strings.HasPrefix(name, "bos_exporter_session_errors{") &&
			(len(reasons) == 0 || slices.Contains(reasons, bos.Reason(label(name, "reason")))) {
			n += v
		}
	}
	return n
}

// format writes a value, or that there is none.
func format(values map[string]float64, series string) string {
	if v, ok := values[series]; ok {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return "nothing"
}
