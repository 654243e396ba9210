package bossim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// rig is a server on the network, and the clock that it goes by.
type rig struct {
	*Server
	t     *testing.T
	clock *SteppedClock
	url   string
	http  *http.Client
}

func start(t *testing.T, scenario Scenario, era Era, now time.Time) *rig {
	t.Helper()
	clock := NewSteppedClock(now)
	s := New(scenario, era, clock.Now)
	net := httptest.NewServer(s)
	t.Cleanup(net.Close)
	t.Cleanup(s.Close)
	client := net.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &rig{s, t, clock, net.URL, client}
}

// do sends a request and reads the answer. err is that of either.
func (r *rig) do(method, path string, header ...string) (*http.Response, string, error) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// get expects an answer with this code.
func (r *rig) get(code int, path string, header ...string) (*http.Response, string) {
	r.t.Helper()
	resp, body, err := r.do(http.MethodGet, path, header...)
	if err != nil {
		r.t.Fatalf("GET %s: %v", path, err)
	}
	if resp.StatusCode != code {
		r.t.Errorf("GET %s: got %s, want %d; body: %s", path, resp.Status, code, body)
	}
	return resp, body
}

func (r *rig) object(code int, path string) map[string]any {
	r.t.Helper()
	_, body := r.get(code, path)
	return decode[map[string]any](r.t, body)
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func keys(m map[string]any) string {
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func reboot(id string) Spec {
	return Spec{ID: id, Operation: bos.Reboot, Template: "t", Created: created,
		BootSets: []BootSetSpec{{Name: "compute", Nodes: Nodes(4)}}}
}

func TestDocumented(t *testing.T) {
	for _, era := range Eras {
		if !era.ServesV1() {
			continue
		}
		r := start(t, Documented(), era, DocumentedTime)
		const example, phase = "/v1/session/" + documentedExample, "/v1/session/" + documentedPhase
		code := eras[era].bootSetCode
		for _, test := range []struct {
			path, file string
			code       int
		}{
			{example, "documented/" + documentedExample + "/describe.json", 200},
			{example + "/status", "documented/" + documentedExample + "/status.json", 200},
			{example + "/status/computes", "documented/" + documentedExample + "/bootset.json", code},
			{phase + "/status/computes/shutdown", "testdata/phase.json", 200},
			{phase + "/status/computes/shutdown/in_progress", "testdata/category.json", 200},
			{phase, "documented/" + documentedPhase + "/describe.json", 200},
			{phase + "/status", "documented/" + documentedPhase + "/status.json", 200},
			{phase + "/status/computes", "documented/" + documentedPhase + "/bootset.json", code},
		} {
			text, err := os.ReadFile(test.file)
			if err != nil {
				t.Fatal(err)
			}
			_, body := r.get(test.code, test.path)
			if got, want := decode[any](t, body), decode[any](t, string(text)); !reflect.DeepEqual(got, want) {
				t.Errorf("%s in era %s: got %s\nwant %s", test.path, era, body, text)
			}
		}

		text, err := os.ReadFile("documented/sessions.json")
		if err != nil {
			t.Fatal(err)
		}
		want := decode[[]string](t, string(text))
		_, body := r.get(200, "/v1/session")
		got := decode[[]string](t, body)
		slices.Sort(got)
		slices.Sort(want)
		if len(got) != 13 || !slices.Equal(got, want) {
			t.Errorf("listed are %v", got)
		}
		for _, id := range got {
			d := r.object(200, "/v1/session/"+id)
			if id == documentedExample {
				continue
			}
			begin, err := time.Parse("2006-01-02 15:04:05.999999", d["start_time"].(string))
			if age := time.Date(2020, 7, 22, 0, 0, 0, 0, time.UTC).Sub(begin); err != nil || age < 0 || age > 6*24*time.Hour {
				t.Errorf("%s: start time %v", id, d["start_time"])
			}
			if d["complete"] != true || d["error_count"] != 0.0 || d["stop_time"] == nil || d["templateUuid"] != "cle-1.3.0" {
				t.Errorf("%s: %v", id, d)
			}
			r.object(code, "/v1/session/"+id+"/status/computes")
		}
		phaseOfExample := r.object(200, example+"/status/computes/boot")
		if phaseOfExample["name"] != "boot" || len(phaseOfExample["categories"].([]any)) != 5 {
			t.Errorf("boot phase: %v", phaseOfExample)
		}
		if sets := r.object(200, "/v1/sessiontemplate/cle-1.3.0")["boot_sets"].(map[string]any); keys(sets) != "computes" {
			t.Errorf("template: %v", sets)
		}
	}
}

func TestBodies(t *testing.T) {
	r := start(t, Scripted(reboot("s")), EraC, created.Add(time.Hour))
	const head = "HTTP/1.1 200 OK application/json Tue, 05 Mar 2024 10:00:00 GMT\n"
	for path, want := range map[string]string{
		"/v1/session": head + `[
  "s"
]
`,
		"/v1/session/s": head + `{
  "complete": true,
  "error_count": 0,
  "in_progress": false,
  "job": "boa-s",
  "operation": "reboot",
  "start_time": "2024-03-05T09:00:00.123456Z",
  "status_link": "/v1/session/s/status",
  "stop_time": "2024-03-05 09:25:10.123456",
  "templateName": "t"
}
`,
		"/v1/session/s/status": head + `{
  "id": "s",
  "links": [
    {
      "href": "/v1/session/s/status",
      "rel": "self"
    }
  ],
  "metadata": {
    "complete": true,
    "error_count": 0,
    "in_progress": false,
    "start_time": "2024-03-05T09:00:00.123456Z",
    "stop_time": "2024-03-05 09:25:10.123456"
  }
}
`,
		"/v1/session/s/status/compute/Boot/FAILED": head + `{
  "name": "failed",
  "node_list": []
}
`,
		"/healthz": head + `{
  "apiStatus": "ok",
  "dbStatus": "ok"
}
`,
	} {
		resp, body := r.get(200, path)
		got := resp.Proto + " " + resp.Status + " " + resp.Header.Get("Content-Type") + " " + resp.Header.Get("Date") + "\n" + body
		if got != want {
			t.Errorf("%s: got %s\nwant %s", path, got, want)
		}
		if _, viaGateway := r.get(200, "/apis/bos"+path); viaGateway != body {
			t.Errorf("%s: the gateway says %s", path, viaGateway)
		}
	}
}

func TestEras(t *testing.T) {
	spec := reboot("s")
	spec.BootSets[0].Troubles = []Trouble{{Kind: PowerOnRefused, Nodes: Nodes(1)}}
	at := func(era Era, mmss string) *rig {
		return start(t, Scripted(spec), era, created.Add(minutes(mmss)))
	}
	const path = "/v1/session/s"
	flagsAt := func(era Era, mmss string) [4]any {
		d := at(era, mmss).object(200, path)
		return [4]any{d["complete"], d["in_progress"], d["error_count"], d["stop_time"]}
	}
	const stop = "2024-03-05 09:25:10.123456"
	for _, test := range []struct {
		era  Era
		at   string
		want [4]any
	}{
		{EraA, "0:10", [4]any{"", "", "", ""}},
		{EraA, "1:01", [4]any{"", "", "", nil}},
		{EraA, "2:00", [4]any{false, true, 0.0, nil}},
		{EraA, "60:00", [4]any{false, false, 1.0, nil}},
		{EraB1, "0:10", [4]any{false, false, 0.0, nil}},
		{EraB1, "60:00", [4]any{false, false, 0.0, stop}},
		{EraB2, "60:00", [4]any{false, false, 0.0, stop}},
		{EraC, "0:10", [4]any{false, true, 0.0, nil}},
		{EraC, "60:00", [4]any{true, false, 0.0, stop}},
	} {
		if got := flagsAt(test.era, test.at); got != test.want {
			t.Errorf("era %s at %s: got %v, want %v", test.era, test.at, got, test.want)
		}
	}
	for _, test := range []struct {
		era             Era
		describe, later string
		code            int
		start           string
	}{
		{EraA, "boa_job_name complete error_count in_progress operation start_time status_link stop_time templateUuid",
			"boot_sets id links metadata", 201, "2024-03-05 09:01:00.123456"},
		{EraB1, "complete error_count in_progress job operation start_time status_link stop_time templateUuid",
			"id links metadata", 201, "2024-03-05T09:00:00.123456Z"},
		{EraB2, "complete error_count in_progress job operation start_time status_link stop_time templateName",
			"id links metadata", 200, "2024-03-05T09:00:00.123456Z"},
		{EraC, "complete error_count in_progress job operation start_time status_link stop_time templateName",
			"id links metadata", 200, "2024-03-05T09:00:00.123456Z"},
	} {
		r := at(test.era, "60:00")
		d := r.object(200, path)
		if keys(d) != test.describe || d["start_time"] != test.start {
			t.Errorf("era %s: described as %v", test.era, d)
		}
		if d := r.object(200, path+"/status"); keys(d) != test.later {
			t.Errorf("era %s: status %v", test.era, d)
		}
		r.object(test.code, path+"/status/compute")
	}

	r := at(EraA, "0:10")
	r.get(404, path+"/status")
	r.clock.Advance(51 * time.Second)
	if _, _, err := r.do("GET", path+"/status"); err == nil {
		t.Error("era A should hang up on the status of a session whose boot set is missing")
	}
	r.clock.Advance(time.Minute)
	if d := r.object(200, path+"/status"); !reflect.DeepEqual(d["boot_sets"], []any{"compute"}) {
		t.Errorf("status in era A: %v", d)
	}
}

func TestAbsence(t *testing.T) {
	orphan, gone := reboot("orphan"), reboot("gone")
	orphan.Orphan = true
	gone.Deleted = created.Add(time.Minute)
	gone.Template, gone.TemplateDeleted = "t2", true
	r := start(t, Scripted(reboot("s"), orphan, gone), EraC, created)
	const jsonType, problemType = "application/json", "application/problem+json"

	if _, body := r.get(200, "/v1/session"); strings.Count(body, ",") != 2 {
		t.Errorf("listed are %s", body)
	}
	r.get(200, "/v1/session/gone")
	r.clock.Advance(time.Minute)
	if _, body := r.get(200, "/v1/session"); strings.Contains(body, "gone") || !strings.Contains(body, "orphan") {
		t.Errorf("listed are %s", body)
	}
	for _, test := range []struct{ path, contentType, body string }{
		{"/v1/session/gone", jsonType, "{}\n"},
		{"/v1/session/orphan", jsonType, "{}\n"},
		{"/v1/session/orphan/status", jsonType, ""},
		{"/v1/session/s/status/compute", jsonType, ""}, // not reported yet
		{"/v1/session/s/status/other", jsonType, ""},
		{"/v1/sessiontemplate/t2", problemType, "*"},
		{"/v1/session/", problemType, "*"},
		{"/v1/session/s/", problemType, "*"},
		{"/v1/session/s/other", problemType, "*"},
		{"/v1/session/s/status/compute/boot/failed/", problemType, "*"},
		{"/v1/session/s/status/compute/boot/failed/more", problemType, "*"},
		{"/v1//session", problemType, "*"},
		{"/v1/", problemType, "*"},
		{"/v2/sessions", problemType, "*"},
		{"/apis/bosun/v1/session", problemType, "*"},
		{RedirectTarget, problemType, "*"},
	} {
		resp, body := r.get(404, test.path)
		if got := resp.Header.Get("Content-Type"); got != test.contentType || test.body != "*" && body != test.body {
			t.Errorf("%s: got %s %q", test.path, got, body)
		}
		if test.contentType == problemType && keys(decode[map[string]any](t, body)) != "detail status title type" {
			t.Errorf("%s: problem is %s", test.path, body)
		}
	}

	r.clock.Advance(time.Hour)
	for _, path := range []string{
		"/v1/session/s/status/compute/other",
		"/v1/session/s/status/other/boot",
		"/v1/session/other/status/compute/boot",
		"/v1/session/s/status/other/boot/failed",
	} {
		if _, _, err := r.do("GET", path); err == nil {
			t.Errorf("%s: answered", path)
		}
	}
	r.get(500, "/v1/session/s/status/compute/other/failed")
	r.get(500, "/v1/session/s/status/compute/boot/other")
}

func TestMethods(t *testing.T) {
	r := start(t, Scripted(reboot("s")), EraC, created)
	for _, method := range []string{"POST", "DELETE", "PATCH"} {
		resp, body, err := r.do(method, "/v1/session/s")
		if err != nil || resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" || !strings.Contains(body, "about:blank") {
			t.Errorf("%s: %v %s %v", method, resp, body, err)
		}
	}
	r.get(200, "/v1/session/s")
}

func TestTenants(t *testing.T) {
	const tenant = "Cray-Tenant-Name"
	c := start(t, Scripted(reboot("s")), EraC, created)
	for _, path := range []string{"/v1/session", "/v1/session/s", "/v1/session/s/status", "/v1/sessiontemplate/t"} {
		if _, body := c.get(400, path, tenant, "vcluster-blue"); decode[map[string]any](t, body)["title"] != "Multi-tenancy not supported" {
			t.Errorf("%s: %s", path, body)
		}
		c.get(200, path, tenant, "")
	}
	c.get(200, "/v1/version", tenant, "vcluster-blue")
	start(t, Scripted(), EraB2, created).get(200, "/v1/session", tenant, "vcluster-blue")
}

func TestVersion(t *testing.T) {
	r := start(t, Scripted(), EraC, created)
	self := func(v map[string]any) any { return v["links"].([]any)[0].(map[string]any)["href"] }
	if got := self(r.object(200, "/v1")); got != r.url+"/v1" {
		t.Errorf("self is %v", got)
	}
	v := r.object(200, "/apis/bos/v1/version")
	if got := self(v); got != r.url+"/apis/bos/v1" {
		t.Errorf("self through the gateway is %v", got)
	}
	if keys(v) != "links major minor patch" || v["major"] != "2" {
		t.Errorf("version is %v", v)
	}
	for _, path := range []string{"/", "/apis/bos/"} {
		if _, body := r.get(200, path); len(decode[[]any](t, body)) != 1 {
			t.Errorf("%s: %s", path, body)
		}
	}
}

func TestNamesThatNeedEscapes(t *testing.T) {
	escapes := map[string]string{
		"two words":    "two%20words",
		"a/b":          "a%2Fb",
		`say "hi" <&>`: "say%20%22hi%22%20%3C&%3E",
		"Knoten-é☃":    "Knoten-%C3%A9%E2%98%83",
		"100%":         "100%25",
	}
	spec := Spec{ID: "s", Operation: bos.Shutdown, Template: "t/1", Created: created}
	for name := range escapes {
		spec.BootSets = append(spec.BootSets, BootSetSpec{Name: name, Nodes: Nodes(1)})
	}
	r := start(t, Scripted(spec), EraC, created.Add(time.Hour))
	for name, escaped := range escapes {
		d := r.object(200, "/v1/session/s/status/"+escaped)
		if d["name"] != name {
			t.Errorf("%s: got %v", name, d["name"])
		}
		r.object(200, "/v1/session/s/status/"+escaped+"/shutdown/succeeded")
	}
	sets := r.object(200, "/v1/sessiontemplate/t%2F1")["boot_sets"].(map[string]any)
	if len(sets) != len(escapes) {
		t.Errorf("template has %v", keys(sets))
	}
}

func TestListInRandomOrder(t *testing.T) {
	specs := make([]Spec, 2000)
	for i := range specs {
		specs[i] = reboot("")
	}
	r := start(t, Scripted(specs...), EraC, created)
	_, one := r.get(200, "/v1/session")
	_, two := r.get(200, "/v1/session")
	if one == two {
		t.Error("the order should differ")
	}
	ids, ids2 := decode[[]string](t, one), decode[[]string](t, two)
	slices.Sort(ids)
	slices.Sort(ids2)
	if len(ids) != len(specs) || !slices.Equal(ids, ids2) || len(slices.Compact(ids)) != len(specs) {
		t.Error("the sessions should not differ")
	}
	if _, body := start(t, Scripted(), EraC, created).get(200, "/v1/session"); body != "[]\n" {
		t.Errorf("an empty list is %q", body)
	}
}

func TestFaults(t *testing.T) {
	r := start(t, Scripted(reboot("s"), reboot("other")), EraC, created.Add(time.Hour))
	const path = "/v1/session/s/status/compute"
	_, whole := r.get(200, path)
	for f, want := range map[Fault]struct {
		code              int
		contentType, body string
	}{
		Forbidden:   {403, "text/plain", "Unauthorized Request"},
		Unavailable: {503, "text/plain", "upstream"},
		NotJSON:     {200, "text/html", "<!DOCTYPE html>"},
		ServerError: {500, "application/problem+json", `"title": "Internal Server Error"`},
		NotFound:    {404, "application/json", ""},
		Garbage:     {200, "application/json", "42"},
		Redirect:    {302, "text/html", ""},
	} {
		r.Fail(BootSet, f)
		resp, body := r.get(want.code, path)
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), want.contentType) || !strings.Contains(body, want.body) {
			t.Errorf("%s: %s %s", f, resp.Header.Get("Content-Type"), body)
		}
		if resp.Header.Get("Date") != "Tue, 05 Mar 2024 10:00:00 GMT" {
			t.Errorf("%s: date is %s", f, resp.Header.Get("Date"))
		}
		if f == Redirect && resp.Header.Get("Location") != RedirectTarget {
			t.Errorf("redirected to %q", resp.Header.Get("Location"))
		}
	}

	r.Fail(BootSet, Reset)
	if resp, _, err := r.do("GET", path); err == nil {
		t.Errorf("Reset: %s", resp.Status)
	}
	r.Fail(BootSet, Truncated)
	if resp, body, err := r.do("GET", path); !errors.Is(err, io.ErrUnexpectedEOF) || body != whole[:len(whole)/2] || resp.ContentLength != int64(len(whole)) {
		t.Errorf("Truncated: %v, %d bytes of %d", err, len(body), len(whole))
	}
	r.Fail(BootSet, None)
	r.get(200, path)

	r.FailSession("s", Forbidden)
	r.get(403, "/v1/session/s")
	r.get(403, path)
	r.get(200, "/v1/session/other")
	r.Fail(Everything, ServerError)
	r.get(500, "/v1/session/other")
	r.get(500, "/nowhere")
	r.get(403, path)
	r.Heal()
	r.get(200, path)
}

func TestHuge(t *testing.T) {
	r := start(t, Scripted(), EraC, created)
	r.Fail(Everything, Huge)
	for _, path := range []string{"/v1/session", "/v1/session/s", "/v1/session/s/status/compute"} {
		resp, err := r.http.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(resp.Body)
		for range 50_000 {
			if _, err := d.Token(); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
		_ = resp.Body.Close()
	}
}

func TestHang(t *testing.T) {
	r := start(t, Scripted(), EraC, created)
	arrived := make(chan struct{})
	r.Observe(func(*http.Request) { arrived <- struct{}{} })
	r.Fail(List, Hang)
	answer := make(chan error)
	go func() {
		_, err := r.http.Get(r.url + "/v1/session")
		answer <- err
	}()
	<-arrived
	select {
	case err := <-answer:
		t.Fatalf("answered: %v", err)
	default:
	}
	r.Heal() // too late for the one that hangs
	r.Observe(nil)
	r.get(200, "/v1/session")
	r.Close()
	if err := <-answer; err == nil {
		t.Error("Close should break the connection")
	}
	r.Close()
}

// Every fault has a name and a description, and changes the answer to whatever it
// befalls and to nothing else.
func TestEveryFault(t *testing.T) {
	type answer struct {
		code       int
		date, body string
		broken     bool
	}
	spec := reboot("s")
	spec.BootSets[0].Nodes = Nodes(8)
	r := start(t, Scripted(spec), EraC, created.Add(time.Hour))
	ask := func(path string) answer {
		resp, body, err := r.do("GET", path)
		if resp == nil {
			return answer{broken: true}
		}
		return answer{resp.StatusCode, resp.Header.Get("Date"), body, err != nil}
	}
	paths := map[string]Resource{"/v1/session": List, "/v1/session/s": Describe, "/v1/session/s/status": Status,
		"/v1/session/s/status/compute": BootSet, "/v1/session/s/status/compute/boot": Phase,
		"/v1/session/s/status/compute/boot/failed": Category, "/v1/sessiontemplate/t": Template, "/healthz": Health}
	truth := make(map[string]answer)
	for path := range paths {
		truth[path] = ask(path)
	}
	r.Close() // so that no fault lasts
	for _, f := range Faults {
		if f.String() == "" || f.Description() == "" || strings.Contains(f.Description(), "\n") {
			t.Errorf("fault %d is %q, %q", f, f, f.Description())
		}
		r.Fail(Everything, f)
		for path, resource := range paths {
			if changed := ask(path) != truth[path]; changed != f.Befalls(resource) {
				t.Errorf("%s changes the answer to %s: %t, want %t", f, path, changed, f.Befalls(resource))
			}
		}
	}
	if Fault(len(faults)).String() != fmt.Sprintf("Fault(%d)", len(faults)) {
		t.Error("a fault that is none has a name")
	}
}

func TestFaultyDocuments(t *testing.T) {
	at := created.Add(18 * time.Minute)
	for name, tt := range map[string]struct {
		fault    Fault
		path     string
		has, not []string
	}{
		"fragment of a boot set":     {Fragment, "/v1/session/s/status/compute", []string{`"id": "x"`}, []string{"phases"}},
		"message for a boot set":     {Message, "/v1/session/s/status/compute", []string{`"name": "Not Found"`}, []string{"phases"}},
		"description with a job":     {JobOnly, "/v1/session/s", []string{`"job": "x"`}, []string{"operation"}},
		"description of nulls":       {Nulls, "/v1/session/s", []string{`"operation": null`, `"job": null`}, []string{"reboot"}},
		"phases that are null":       {NullPhases, "/v1/session/s/status/compute", []string{`"phases": null`, `"name": "compute"`}, nil},
		"no phases":                  {NoPhases, "/v1/session/s/status/compute", []string{`"phases": []`, `"name": "compute"`}, nil},
		"description without times":  {Undated, "/v1/session/s", []string{`"start_time": ""`, `"stop_time": ""`, "reboot"}, nil},
		"ids that are no strings":    {WrongTypes, "/v1/session", []string{"[\n  [\n    \"s\""}, nil},
		"odd names of nodes":         {OddNodes, "/v1/session/s/status/compute", []string{`""`, `"all"`, `"*"`, `"!x3000c0s1b0n0"`}, []string{"x1000c0s0b0n0"}},
		"half a pair in an error":    {LoneSurrogate, "/v1/session/s/status/compute", []string{`"fan \ud800 stands still": []`}, nil},
		"half a pair in a template":  {LoneSurrogate, "/v1/sessiontemplate/t", []string{`"comment": "\ud800"`}, nil},
		"a byte that is not UTF-8":   {InvalidUTF8, "/v1/session/s/status/compute", []string{"\xff"}, nil},
		"a byte order mark":          {ByteOrderMark, "/v1/session", []string{"\ufeff["}, nil},
		"ids of sessions not found":  {Orphans, "/v1/session", []string{`"s"`, uuid("orphan 0")}, nil},
		"a list with every id twice": {Repeated, "/v1/session", []string{`"s"`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			spec := reboot("s")
			spec.BootSets[0].Nodes = Nodes(8)
			r := start(t, Scripted(spec), EraC, at)
			r.Fail(Everything, tt.fault)
			_, body := r.get(200, tt.path)
			for _, text := range tt.has {
				if !strings.Contains(body, text) {
					t.Errorf("lacks %q:\n%s", text, body)
				}
			}
			for _, text := range tt.not {
				if strings.Contains(body, text) {
					t.Errorf("has %q:\n%s", text, body)
				}
			}
		})
	}
}

func TestBulkyAnswersEnd(t *testing.T) {
	r := start(t, Scripted(reboot("s")), EraC, created.Add(18*time.Minute))
	r.Fail(Everything, Bulky)
	for path, begin := range map[string]string{"/v1/session": "[  \"", "/v1/session/s": "{  \""} {
		resp, err := r.http.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		const some = 1 << 15
		var ends, chunk []byte = nil, make([]byte, some)
		size := 0
		for err == nil {
			var n int
			n, err = resp.Body.Read(chunk)
			size += n
			ends = append(ends, chunk[:n]...)
			if len(ends) > 3*some {
				ends = append(ends[:some], ends[len(ends)-some:]...)
			}
		}
		_ = resp.Body.Close()
		if err != io.EOF || size < BulkySize || size > BulkySize+1<<20 {
			t.Fatalf("%s: %d bytes and %v, want a little over %d", path, size, err, BulkySize)
		}
		beginning, end := string(ends[:some]), string(ends[len(ends)-some:])
		last := strings.LastIndex(beginning, ",\n")
		if short := beginning[:last+1] + end[strings.Index(end, "\n"):]; !strings.HasPrefix(short, begin) || !json.Valid([]byte(short)) {
			t.Errorf("%s: beginning and end are no JSON:\n%s", path, short)
		}
	}
}

func TestRules(t *testing.T) {
	const list, describe, bootSet, other = "/v1/session", "/v1/session/s", "/v1/session/s/status/compute", "/v1/session/other"
	for name, tt := range map[string]struct {
		rules []Rule
		want  map[string][]int // the codes of one answer after the other
	}{
		"all":         {[]Rule{{Fault: ServerError}}, map[string][]int{list: {500, 500}, describe: {500}}},
		"a resource":  {[]Rule{{Fault: ServerError, Resource: Describe}}, map[string][]int{list: {200}, describe: {500}, bootSet: {200}}},
		"a session":   {[]Rule{{Fault: ServerError, Session: "s"}}, map[string][]int{list: {200}, describe: {500}, bootSet: {500}, other: {200}}},
		"both":        {[]Rule{{Fault: ServerError, Session: "s", Resource: BootSet}}, map[string][]int{describe: {200}, bootSet: {500}}},
		"a few times": {[]Rule{{Fault: ServerError, Resource: List, Times: 2}}, map[string][]int{list: {500, 500, 200, 200}}},
		"the narrowest": {[]Rule{{Fault: Gone}, {Fault: Forbidden, Resource: Describe}, {Fault: ServerError, Session: "s"}},
			map[string][]int{list: {410}, describe: {500}, other: {403}}},
		"ended by none":     {[]Rule{{Fault: ServerError, Resource: List}, {Resource: List}}, map[string][]int{list: {200}}},
		"before its time":   {[]Rule{{Fault: ServerError, From: created.Add(time.Hour + 1)}}, map[string][]int{list: {200}}},
		"in its time":       {[]Rule{{Fault: ServerError, From: created.Add(time.Hour), To: created.Add(time.Hour + 1)}}, map[string][]int{list: {500}}},
		"after its time":    {[]Rule{{Fault: ServerError, To: created.Add(time.Hour)}}, map[string][]int{list: {200}}},
		"of other requests": {[]Rule{{Fault: Orphans, Times: 1}}, map[string][]int{describe: {200}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, Scripted(reboot("s"), reboot("other")), EraC, created.Add(time.Hour))
			for _, rule := range tt.rules {
				r.Inject(rule)
			}
			for path, codes := range tt.want {
				for _, code := range codes {
					r.get(code, path)
				}
			}
			r.Heal()
			for path := range tt.want {
				r.get(200, path)
			}
		})
	}
}

func TestDeadConnections(t *testing.T) {
	r := start(t, Scripted(), EraC, created)
	r.get(200, "/v1/session")
	r.Inject(Rule{Fault: DeadConnections, Times: 1})
	hangs := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/v1/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.http.Do(req)
		if err != nil {
			return true
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return false
	}
	if !hangs() {
		t.Error("the connection that was open answers")
	}
	if hangs() {
		t.Error("a new connection does not answer")
	}
}

func TestIDUsedAgain(t *testing.T) {
	first, second := reboot("s"), reboot("s")
	first.Deleted = created.Add(time.Hour)
	second.Created, second.Template, second.BootSets[0].Name = first.Deleted, "u", "other"
	r := start(t, Scripted(first, second), EraC, created)
	if d := r.object(200, "/v1/session/s"); d["templateName"] != "t" {
		t.Errorf("the first is %v", d)
	}
	r.clock.Advance(90 * time.Minute)
	if d := r.object(200, "/v1/session/s"); d["templateName"] != "u" {
		t.Errorf("the second is %v", d)
	}
	if _, body := r.get(200, "/v1/session"); len(decode[[]string](t, body)) != 1 {
		t.Errorf("listed: %s", body)
	}
	r.get(404, "/v1/session/s/status/compute")
	r.get(200, "/v1/session/s/status/other")
	r.get(200, "/v1/sessiontemplate/t")
}

func TestObserve(t *testing.T) {
	spec := reboot("s")
	spec.Deleted = created.Add(time.Minute)
	r := start(t, Scripted(spec), EraC, created)
	var asked []string
	r.Observe(func(req *http.Request) {
		asked = append(asked, req.URL.Path)
		if strings.HasSuffix(req.URL.Path, "/s") {
			r.clock.Advance(time.Minute) // deleted between list and describe
		}
	})
	r.get(200, "/v1/session")
	r.get(404, "/v1/session/s")
	if want := []string{"/v1/session", "/v1/session/s"}; !slices.Equal(asked, want) {
		t.Errorf("observed %v", asked)
	}
}

func TestSubstituteAnswersInPlaceOfTheServer(t *testing.T) {
	r := start(t, Scripted(Spec{ID: "s", Operation: "boot", Created: created}), EraC, created)
	r.Fail(Everything, Forbidden)
	r.Substitute(func(req *http.Request) http.Handler {
		if req.URL.Path != "/v1/session/s" {
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	})
	if _, body := r.get(200, "/v1/session/s"); body != "{}" {
		t.Errorf("the substitute does not answer, but %q", body)
	}
	r.get(403, "/v1/session")
	r.Heal()
	if _, body := r.get(200, "/v1/session/s"); body == "{}" {
		t.Error("the substitute still answers")
	}
}

func TestConcurrentReaders(t *testing.T) {
	r := start(t, Live(created, 10), EraA, created)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				_, body := r.get(200, "/v1/session")
				for _, id := range decode[[]string](t, body)[:5] {
					for _, below := range []string{"", "/status", "/status/compute"} {
						_, _, _ = r.do("GET", "/v1/session/"+id+below)
					}
				}
				r.clock.Advance(time.Minute)
				r.Fail(Status, Forbidden)
				r.Heal()
			}
		})
	}
	wg.Wait()
}
