package bosv1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// transport is a RoundTripper made of a function.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// answer has every request answered alike.
func answer(status int, contentType, body string) transport {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status,
			Header:     http.Header{"Content-Type": {contentType}},
			Body:       io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

func newClient(t testing.TB, rt http.RoundTripper, change ...func(*bosclient.Config)) client {
	t.Helper()
	cfg := bosclient.Config{URL: "http://bos.test/apis/bos", Transport: rt, Timeout: 5 * time.Second, Concurrency: 2}
	for _, c := range change {
		c(&cfg)
	}
	c, err := bosclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client{c}
}

func TestRequests(t *testing.T) {
	var seen *http.Request
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		seen = r
		return nil, errors.New("enough")
	}), func(cfg *bosclient.Config) { cfg.Tenant, cfg.UserAgent = "vcluster-blue", "test/1" })
	ctx := t.Context()
	for want, call := range map[string]func() error{
		"/apis/bos/v1/session":          func() error { _, err := c.sessions(ctx); return err },
		"/apis/bos/v1/session/a%2Fb":    func() error { _, err := c.session(ctx, "a/b"); return err },
		"/apis/bos/v1/session/x/status": func() error { _, err := c.sessionBootSets(ctx, "x"); return err },
		"/apis/bos/v1/session/x/status/%22my%22%20set%2F..%2F%3Fq=%23%C3%A9": func() error {
			_, err := c.bootSet(ctx, "x", `"my" set/../?q=#é`, recorder())
			return err
		},
		"/apis/bos/v1/sessiontemplate/cle-1.3.0": func() error { _, err := c.templateBootSets(ctx, "cle-1.3.0"); return err },
	} {
		if err := call(); bos.ReasonOf(err) != bos.Unavailable {
			t.Errorf("%s: %v", want, err)
		}
		if seen.Method != http.MethodGet || seen.URL.EscapedPath() != want || seen.URL.RawQuery != "" || seen.Body != nil {
			t.Errorf("%s %s, want GET %s", seen.Method, seen.URL.EscapedPath(), want)
		}
		if seen.Header.Get("Cray-Tenant-Name") != "vcluster-blue" || seen.Header.Get("User-Agent") != "test/1" {
			t.Errorf("headers %v", seen.Header)
		}
	}
}

func TestNamesThatLeadElsewhere(t *testing.T) {
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s was asked for", r.URL)
		return nil, errors.New("no")
	}))
	for _, name := range []string{"", ".", ".."} {
		if _, err := c.session(t.Context(), name); bos.ReasonOf(err) != bos.NotFound {
			t.Errorf("session %q: %v", name, err)
		}
		if _, err := c.bootSet(t.Context(), "id", name, recorder()); bos.ReasonOf(err) != bos.NotFound {
			t.Errorf("boot set %q: %v", name, err)
		}
		if _, err := c.templateBootSets(t.Context(), name); bos.ReasonOf(err) != bos.NotFound {
			t.Errorf("template %q: %v", name, err)
		}
	}
}

func TestSessions(t *testing.T) {
	c := newClient(t, answer(200, "application/json", `["b", "a", "b"]`))
	ids, err := c.sessions(t.Context())
	if want := []string{"a", "b"}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("%v %v, want %v", ids, err, want)
	}
}

// manyMembers is a description with so many members.
func manyMembers(n int) string {
	b := []byte(`{"operation":"boot"`)
	for i := range n - 1 {
		b = fmt.Appendf(b, `,"%d":":"`, i)
	}
	return string(append(b, '}'))
}

func TestSession(t *testing.T) {
	printed := time.Date(2022, 8, 22, 12, 22, 33, 708209000, time.UTC)
	for _, tt := range []struct {
		name string
		body string
		want bos.Session // ID and API apart
		err  string
	}{
		{"later releases, running", `{"complete":false,"error_count":0,"in_progress":false,"job":"boa-1","operation":"Reboot",
			"start_time":"2022-08-22T12:22:33.708209Z","status_link":"/v1/session/x/status","stop_time":null,"templateName":"cle"}`,
			bos.Session{Operation: "reboot", Template: "cle", Job: "boa-1", Metadata: bos.Metadata{
				Complete: bos.Some(false), InProgress: bos.Some(false), ErrorCount: bos.Some(0), StartTime: printed}}, ""},
		{"early releases", `{"boa_job_name":"boa-1","templateUuid":"cle","operation":"boot","complete":true,"in_progress":false,
			"error_count":4,"start_time":"2022-08-22 12:22:33.708209","stop_time":"2022-08-22 12:22:33.708209"}`,
			bos.Session{Operation: "boot", Template: "cle", Job: "boa-1", Metadata: bos.Metadata{
				Complete: bos.Some(true), InProgress: bos.Some(false), ErrorCount: bos.Some(4), StartTime: printed, StopTime: printed}}, ""},
		{"no status record", `{"templateName":"cle","operation":"boot","complete":"","in_progress":"","error_count":"","start_time":"","stop_time":""}`,
			bos.Session{Operation: "boot", Template: "cle"}, ""},
		{"missing metadata", `{"operation":"boot"}`, bos.Session{Operation: "boot"}, ""},
		{"ints, strings and nulls", `{"operation":null,"complete":1,"in_progress":"False","error_count":"7","start_time":null}`,
			bos.Session{Metadata: bos.Metadata{Complete: bos.Some(true), InProgress: bos.Some(false), ErrorCount: bos.Some(7)}}, ""},
		{"unknown keys, an old and a new name", `{"operation":"boot","templateUuid":"old","templateName":"","computes":"boot_complete","x":{"y":[1,{}]}}`,
			bos.Session{Operation: "boot", Template: "old"}, ""},
		{"nothing known", `{"hello":"world"}`, bos.Session{}, "none of its members"},
		{"empty object", `{}`, bos.Session{}, "none of its members"},
		{"a list", `[]`, bos.Session{}, "want an object"},
		{"flag of nonsense", `{"complete":"maybe"}`, bos.Session{}, `"maybe" is neither true nor false`},
		{"flag of another kind", `{"complete":{}}`, bos.Session{}, "/complete"},
		{"count of nonsense", `{"error_count":"many"}`, bos.Session{}, `"many" is not a count`},
		{"negative count", `{"error_count":-1}`, bos.Session{}, `"-1" is not a count`},
		{"half a count", `{"error_count":1.5}`, bos.Session{}, `"1.5" is not a count`},
		{"time of nonsense", `{"stop_time":"yesterday"}`, bos.Session{}, `"yesterday" is not a time`},
		{"a key twice", `{"stop_time":"","stop_time":"2022-08-22 12:22:33"}`, bos.Session{}, "duplicate"},
		{"invalid UTF-8", "{\"templateName\":\"a\xffb\",\"operation\":\"boot\"}", bos.Session{Operation: "boot", Template: "a\uFFFDb"}, ""},
		{"lone surrogates", `{"templateName":"a\ud800b","job":"\udfffc","operation":"boot"}`, bos.Session{Operation: "boot", Template: "a\uFFFDb", Job: "\uFFFDc"}, ""},
		{"a surrogate pair", `{"templateName":"\ud83d\ude80"}`, bos.Session{Template: "🚀"}, ""},
		{"a byte order mark", "\uFEFF" + `{"operation":"boot"}`, bos.Session{Operation: "boot"}, ""},
		{"two byte order marks", "\uFEFF\uFEFF" + `{"operation":"boot"}`, bos.Session{}, "invalid character"},
		{"an invalid escape", `{"templateName":"\x"}`, bos.Session{}, "invalid escape"},
		{"a name as long as may be", `{"templateName":"` + strings.Repeat("é", 512) + `"}`, bos.Session{Template: strings.Repeat("é", 512)}, ""},
		{"a name too long", `{"templateName":"` + strings.Repeat("é", 512) + `a"}`, bos.Session{}, "/templateName: a name is longer than 1 KiB"},
		{"a number too long", `{"job":` + strings.Repeat("1", 1025) + `}`, bos.Session{}, "/job: a name is longer than 1 KiB"},
		{"too many members", manyMembers(20_001), bos.Session{}, "there are more than 20000 members of objects in the response"},
		{"many members", manyMembers(20_000), bos.Session{Operation: "boot"}, ""},
		{"a long string that is skipped", `{"limit":"` + strings.Repeat("x1000c0s0b0n0,", 12_000) + `","operation":"boot"}`, bos.Session{Operation: "boot"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, answer(200, "application/json", tt.body))
			s, err := c.session(t.Context(), "id")
			if tt.err != "" {
				if bos.ReasonOf(err) != bos.Malformed || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.ID != "id" || s.API != "v1" || s.Operation != tt.want.Operation || s.Template != tt.want.Template || s.Job != tt.want.Job || s.Metadata != tt.want.Metadata {
				t.Errorf("%+v, want %+v", s, tt.want)
			}
		})
	}
}

func TestBootSetNames(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		template   bool
		want       []string
		err        string
	}{
		{"early releases", `{"boot_sets":["b","a","b"],"id":"x","links":[],"metadata":{}}`, false, []string{"a", "b"}, ""},
		{"later releases", `{"id":"x","links":[{"href":"/v1/x","rel":"self"}],"metadata":{"complete":false}}`, false, nil, ""},
		{"null", `{"boot_sets":null,"metadata":null}`, false, nil, ""},
		{"no status", `{"id":"x"}`, false, nil, "neither"},
		{"names that are none", `{"boot_sets":[1]}`, false, nil, "want a string"},
		{"template", `{"boot_sets":{"my / set":{"node_list":["x1"]},"a":{}},"name":"cle","enable_cfs":true}`, true, []string{"a", "my / set"}, ""},
		{"template without boot sets", `{"name":"cle"}`, true, nil, "no boot_sets"},
		{"template with a list", `{"boot_sets":[]}`, true, nil, "want an object"},
		{"template with a long name", `{"boot_sets":{"` + strings.Repeat("a", 1025) + `":{}}}`, true, nil, "a name is longer than 1 KiB"},
		{"template with null", `{"boot_sets":null}`, true, nil, "want an object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, answer(200, "application/json", tt.body))
			read := c.sessionBootSets
			if tt.template {
				read = c.templateBootSets
			}
			got, err := read(t.Context(), "x")
			if tt.err != "" {
				if bos.ReasonOf(err) != bos.Malformed || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%v %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestBootSet(t *testing.T) {
	body, err := os.ReadFile("testdata/bootset.json")
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, answer(201, "application/json", string(body)))
	b, nodes, err := recordBootSet(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if b.Name != "computes" || !b.Reported || b.ErrorCount != bos.Some(2) || b.InProgress.Present || len(b.Phases) != 2 {
		t.Errorf("%+v", b)
	}
	boot := b.Phases[0]
	if boot.Name != "boot" || boot.Complete != bos.Some(true) || boot.StartTime.IsZero() {
		t.Errorf("%+v", boot)
	}
	// Known categories in their order whatever the document's, others behind.
	want := []string{
		"boot not_started 0", "boot in_progress 0",
		"boot succeeded 3 x1c0s0b0n0", "boot succeeded 3 x1c0s0b0n1", `boot succeeded 3 x"é`,
		"boot failed 1 x1c0s0b0n1", "boot on_hold 1 x1c0s1b0n0",
		"boot: NodeBMC Communication Error x1c0s0b0n1", "boot: exceeded retries waiting",
		"configure in_progress 1 x1c0s0b0n0",
	}
	if !slices.Equal(nodes, want) {
		t.Errorf("got  %q\nwant %q", nodes, want)
	}
}

func recorder() *bos.Recorder { return bos.NewRecorder(new(bos.NodeTable)) }

// recordBootSet reads a boot set, and lists the nodes of its categories and errors.
func recordBootSet(t *testing.T, c client) (b *bos.BootSet, nodes []string, err error) {
	t.Helper()
	r := recorder()
	if b, err = c.bootSet(t.Context(), "x", "computes", r); err != nil {
		return nil, nil, err
	}
	r.EndBootSet(b)
	table := r.Extend(new(bos.NodeTable))
	s := (&bos.Session{BootSets: []bos.BootSet{*b}}).Renumber(r.To(table))
	list := func(prefix string, set bos.NodeSet) {
		for _, name := range table.Names(set) {
			nodes = append(nodes, prefix+" "+name)
		}
		if set.Empty() {
			nodes = append(nodes, prefix)
		}
	}
	for _, p := range s.BootSets[0].Phases {
		for _, c := range p.Categories {
			list(fmt.Sprintf("%s %s %d", p.Name, c.Name, c.Count), c.Nodes)
		}
		for _, e := range p.Errors {
			list(p.Name+": "+e.Message, e.Nodes)
		}
	}
	return b, nodes, nil
}

func TestBootSetErrors(t *testing.T) {
	tooMany := strings.Repeat(`"x1",`, 120_000) + `"x1"`
	for body, want := range map[string]string{
		`{}`:                             "no phases",
		`{"phases":7}`:                   "want an array",
		`{"metadata":"x"}`:               "want an object",
		`{"phases":[{"categories":[]}]}`: "no name",
		`{"phases":[{"name":" "}]}`:      "name is empty",
		`{"phases":[{"name":7}]}`:        "/phases/0/name: want a string, got a number",
		`{"phases":[{"name":"Boot"},{"name":"boot"}]}`:                                                "occurs twice",
		`{"phases":[{"name":"boot","categories":[{"name":"failed"},{"name":"FAILED"}]}]}`:             "occurs twice",
		`{"phases":[{"name":"boot","categories":[{"node_list":["x1"]}]}]}`:                            "no name",
		`{"phases":[{"name":"boot","categories":[{"name":"failed","node_list":[null]}]}]}`:            "want a string, got null",
		`{"phases":[{"name":"boot","categories":[{"node_list":[1],"name":"failed"}]}]}`:               "want a string, got a number",
		`{"phases":[{"name":"boot","categories":[{"name":"failed","node_list":7}]}]}`:                 "want an array",
		`{"phases":[{"name":"boot","metadata":{"stop_time":[]}}]}`:                                    "/phases/0/metadata/stop_time",
		`{"phases":[` + strings.Repeat(`{"name":"a"},`, bos.MaxPhases) + `{"name":"a"}]}`:             "occurs twice",
		`{"phases":[{"name":"boot","categories":[{"name":"failed","node_list":[` + tooMany + `]}]}]}`: "more than 120000 names",
		`{"phases":[{"name":"boot","categories":[{"node_list":[` + tooMany + `],"name":"failed"}]}]}`: "more than 120000 names",
		`{"phases":[{"name":"p0"},{"name":"p1"},{"name":"p2"},{"name":"p3"},{"name":"p4"},{"name":"p5"},{"name":"p6"},{"name":"p7"},{"name":"p8"},{"name":"p9"},{"name":"pa"},{"name":"pb"},{"name":"pc"},{"name":"pd"},{"name":"pe"},{"name":"pf"},{"name":"pg"}]}`: "more than 16 phases",
	} {
		c := newClient(t, answer(200, "application/json", body))
		if _, err := c.bootSet(t.Context(), "x", "computes", recorder()); bos.ReasonOf(err) != bos.Malformed || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: error %v, want one with %q", body, err, want)
		}
	}
}

// Text that is not valid Unicode costs neither the session nor its nodes.
func TestInvalidUnicodeIsReplaced(t *testing.T) {
	const body = `{"name":"computes","phases":[{"name":"boot",` +
		`"categories":[{"name":"failed","node_list":["x1\ud800","x2` + "\xff" + `"]},{"node_list":["x3\udfff"],"name":"succeeded"}],` +
		`"errors":{"bad \udc00 text":["x1\ud800"],"cut off` + "\xc3" + `":[]}}]}`
	c := newClient(t, answer(200, "application/json", body))
	_, got, err := recordBootSet(t, c)
	want := []string{"boot succeeded 1 x3\uFFFD", "boot failed 2 x1\uFFFD", "boot failed 2 x2\uFFFD", "boot: bad \uFFFD text x1\uFFFD", "boot: cut off\uFFFD"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}
}

// A long name in a document does not make its error just as long.
func TestErrorsInDocumentsAreShort(t *testing.T) {
	long := strings.Repeat("a", 100_000)
	for _, tt := range []struct{ name, body string }{
		{"of the wrong kind", `{"phases":[{"name":"boot","errors":{"` + long + `":7}}]}`},
		{"of the wrong syntax", `{"phases":[{"name":"boot","errors":{"` + long + `":[}}]}`},
		{"twice", `{"phases":[{"name":"boot","errors":{"` + long + `":[],"` + long + `":[]}}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, answer(200, "application/json", tt.body))
			_, err := c.bootSet(t.Context(), "x", "computes", recorder())
			if bos.ReasonOf(err) != bos.Malformed || err == nil || len(err.Error()) > 1000 {
				t.Errorf("got an error of %d bytes, want a short one that is malformed: %.1000v", len(fmt.Sprint(err)), err)
			}
		})
	}
}

// Null, missing and "" are empty.
func TestBootSetOfNothing(t *testing.T) {
	for _, body := range []string{
		`{"phases":[],"metadata":""}`,
		`{"phases":[{"name":"boot","categories":null,"errors":null,"metadata":""}]}`,
		`{"phases":[{"name":"boot","categories":[{"name":"failed","node_list":null},{"node_list":null,"name":"succeeded"}],"errors":{"x":null}}]}`,
	} {
		c := newClient(t, answer(200, "application/json", body))
		b, err := c.bootSet(t.Context(), "x", "computes", recorder())
		if err != nil || !b.Reported {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// Whatever BOS sends gives an answer or a bos.Malformed error, and what is counted is
// what is told.
func FuzzDecode(f *testing.F) {
	body, err := os.ReadFile("testdata/bootset.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"operation":"boot","complete":"","error_count":"4","stop_time":null,"templateUuid":"x"}`))
	f.Add([]byte(`{"boot_sets":["a"],"metadata":{}}`))
	f.Add([]byte(`{"boot_sets":{"a":{}}}`))
	f.Add([]byte(`["a"]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := newClient(t, answer(200, "application/json", string(body)))
		ctx := t.Context()
		check := func(err error) {
			if err != nil && bos.ReasonOf(err) != bos.Malformed {
				t.Errorf("%v", err)
			}
		}
		_, err := c.sessions(ctx)
		check(err)
		_, err = c.session(ctx, "x")
		check(err)
		_, err = c.sessionBootSets(ctx, "x")
		check(err)
		_, err = c.templateBootSets(ctx, "x")
		check(err)
		r := recorder()
		b, err := c.bootSet(ctx, "x", "y", r)
		check(err)
		if err != nil {
			return
		}
		r.EndBootSet(b)
		counted := 0
		for _, p := range b.Phases {
			for _, c := range p.Categories {
				counted += c.Count
				if c.Nodes.Len() > c.Count || c.Nodes.Empty() != (c.Count == 0) {
					t.Errorf("%d distinct nodes in a category of %d", c.Nodes.Len(), c.Count)
				}
			}
		}
		if b.Nodes.Nodes() > counted {
			t.Errorf("%d distinct nodes of %d", b.Nodes.Nodes(), counted)
		}
	})
}

// A fragment with a status of 200 is not taken for a boot set without phases, nor for
// a session of which nothing is known.
func TestFragmentIsMalformed(t *testing.T) {
	bootSet := func(c client) error {
		_, err := c.bootSet(t.Context(), "x", "computes", recorder())
		return err
	}
	description := func(c client) error {
		_, err := c.session(t.Context(), "x")
		return err
	}
	for _, tt := range []struct {
		name, body string
		read       func(client) error
		want       string
	}{
		{"boot set: an id", `{"id":"x"}`, bootSet, "no phases"},
		{"boot set: a name", `{"name":"Not Found"}`, bootSet, "no phases"},
		{"boot set: metadata alone", `{"name":"computes","metadata":{"complete":true}}`, bootSet, "no phases"},
		{"boot set: null for phases", `{"name":"computes","session":"x","phases":null}`, bootSet, "/phases: want an array, got null"},
		{"description: nulls", `{"templateName":null,"operation":null,"job":null,"start_time":null,"stop_time":null,"complete":null,"in_progress":null,"error_count":null}`, description, "no value"},
		{"description: a job", `{"job":"x"}`, description, "no value"},
		{"description: empty strings", `{"operation":"","templateUuid":"","complete":"","start_time":""}`, description, "no value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.read(newClient(t, answer(200, "application/json", tt.body)))
			if bos.ReasonOf(err) != bos.Malformed || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want a malformed one with %q", err, tt.want)
			}
		})
	}
}

func TestBootSetWithoutPhasesIsEmpty(t *testing.T) {
	c := newClient(t, answer(200, "application/json", `{"name":"computes","phases":[]}`))
	if b, err := c.bootSet(t.Context(), "x", "computes", recorder()); err != nil || !b.Reported || len(b.Phases) != 0 {
		t.Errorf("an agent that finds no nodes reports a boot set without phases: %+v %v", b, err)
	}
}
