package datasource

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// Each query type applies its filters and refuses all others: a filter that matches
// nothing never leaves all rows.
func TestEveryFilterIsAppliedOrRefused(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	nothing := map[string]string{
		"session": `["latest"],"template":["no such template"]`, "bootset": `["no such boot set"]`, "phase": `["none"]`, "category": `["none"]`,
		"template": `["no such template"]`, "operation": `["none"]`, "state": `["abandoned"]`, "tenant": `["none"]`, "enabled": `["true"]`, "node": `"x9999*"`, "search": `"no such words"`,
	}
	all := everyQuery()
	for name, query := range all {
		if strings.Count(query, ":") > 2 || strings.Contains(query, "session\":") {
			delete(all, name) // those with filters
		}
	}
	for name, known := range queryTypes {
		if all[name] == "" && !known.ofMachine {
			t.Errorf("no query of type %s", name)
		}
	}
	for name, query := range all {
		for filter, value := range nothing {
			t.Run(name+" by "+filter, func(t *testing.T) {
				q, err := parseQuery([]byte(query), "")
				if err != nil {
					t.Fatal(err)
				}
				r := w.query(strings.TrimSuffix(query, "}") + fmt.Sprintf(`,%q:%s}`, filter, value))
				if !slices.Contains(queryTypes[q.QueryType].filters, filter) {
					if r.Status != backend.StatusBadRequest || !strings.Contains(r.Error.Error(), "no filter "+filter+": remove it") {
						t.Errorf("status %d, error %v", r.Status, r.Error)
					}
					return
				}
				if r.Error != nil {
					t.Fatal(r.Error)
				}
				got := rows(t, r)
				if q.QueryType == "counts" && filter == "node" { // alert rules want the zeros
					got = slices.DeleteFunc(got, func(row map[string]any) bool { return row["nodes"] == int64(0) })
				}
				if len(got) != 0 {
					t.Errorf("%d rows", len(got))
				}
			})
		}
	}
}

func TestEmptyFiltersAreNoFilters(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	r := w.query(`{"queryType":"bootsets","node":" , ","phase":[],"category":[""],"search":""}`)
	if n := len(rows(t, r)); n != 9 {
		t.Errorf("%d rows, want 9", n)
	}
}

func TestValuesAreSearched(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	for query, want := range map[string]string{
		`"field":"template","search":"SLES compute"`:                           "compute-sles15sp4",
		`"field":"session","search":"boot stuck"`:                              stuck,
		`"field":"node","search":"s0b1","session":["` + well + `"]`:            "x1000c0s0b1n0 x1000c0s0b1n1",
		`"field":"bootset","node":"x3000*"`:                                    "login / uan",
		`"field":"session","node":"x3000*"`:                                    running,
		`"field":"category","node":"x1000c0s0b1n1","session":["` + well + `"]`: "succeeded",
		`"field":"phase","search":"conf"`:                                      "configure",
	} {
		if got := joined(rows(t, w.query(`{"queryType":"values",`+query+`}`)), "value"); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// What people paste into the session filter, and what they are told.
func TestSessionHints(t *testing.T) {
	w := newWorld(t, bossim.Gallery())
	for name, tt := range map[string]struct{ session, says string }{
		"a comma-separated list":    {well + "," + stuck, "without a format"},
		"a glob of several values":  {"{" + well + "," + stuck + "}", "without a format"},
		"a pipe-separated list":     {well + "|" + stuck, "without a format"},
		"a selector with a capital": {"Latest", "lower case, so enter latest"},
		"a selector with blanks":    {" running ", "enter running"},
		"an id that has gone":       {"gone", "may have been deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.query(fmt.Sprintf(`{"queryType":"sessions","session":[%q]}`, tt.session))
			if r.Status != backend.StatusNotFound || !strings.Contains(r.Error.Error(), tt.says) {
				t.Errorf("status %d, error %v, want %q", r.Status, r.Error, tt.says)
			}
			r = w.query(fmt.Sprintf(`{"queryType":"sessions","session":[%q,%q]}`, tt.session, well))
			if got := joined(rows(t, r), "session"); got != well || !strings.Contains(notices(r), tt.says) {
				t.Errorf("beside another: %q, notices %q", got, notices(r))
			}
		})
	}
}

// failedNodes is a world with a single session, in which nodes of these names failed.
func failedNodes(t *testing.T, description, names string) *world {
	t.Helper()
	const id = "11111111-2222-3333-4444-555555555555"
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Date", bossim.GalleryTime.Format(http.TimeFormat))
		switch strings.TrimPrefix(r.URL.Path, "/v1/session") {
		case "":
			fmt.Fprintf(rw, `[%q]`, id)
		case "/" + id:
			fmt.Fprintf(rw, `{%s"start_time":"2026-03-01T11:00:00Z","stop_time":"2026-03-01T11:30:00Z","complete":true,"in_progress":false,"error_count":0}`, description)
		case "/" + id + "/status":
			fmt.Fprintf(rw, `{"id":%q,"boot_sets":["compute"],"metadata":{}}`, id)
		default:
			fmt.Fprintf(rw, `{"name":"compute","session":%q,"metadata":{},"phases":[{"name":"boot","metadata":{},"categories":[{"name":"failed","node_list":[%s]}]}]}`, id, names)
		}
	}))
	t.Cleanup(server.Close)
	return newWorld(t, bossim.Gallery(), func(s *backend.DataSourceInstanceSettings) {
		s.URL, s.JSONData = server.URL, json.RawMessage(`{"api":"v1"}`)
	})
}

// A limit that is empty, or that holds anything but nodes, acts on the whole template.
func TestRetryLimitsNameNothingButNodes(t *testing.T) {
	const good = "x1000c0s0b0n0,x1000c0s0b0n1"
	for _, tt := range []struct {
		name, nodes, limit string
		leftOut            int
	}{
		{"xnames alone", `"x1000c0s0b0n1","x1000c0s0b0n0"`, good, 0},
		{"an empty name", `"x1000c0s0b0n0","","x1000c0s0b0n1"`, good, 1},
		{"all", `"all","x1000c0s0b0n0","x1000c0s0b0n1"`, good, 1},
		{"a wildcard", `"*","x1000c0s0b0n0","x1000c0s0b0n1"`, good, 1},
		{"an exclusion", `"!x1000c0s0b0n2","x1000c0s0b0n0","x1000c0s0b0n1"`, good, 1},
		{"an intersection", `"&x1000c0s0b0n2","x1000c0s0b0n0","x1000c0s0b0n1"`, good, 1},
		{"a comma", `"x1000c0s0b0n2,all","x1000c0s0b0n0","x1000c0s0b0n1"`, good, 1},
		{"a blade", `"x1000c0s0","x1000c0s0b0n0","x1000c0s0b0n1"`, good, 1},
		{"blanks around", `" x1000c0s0b0n0 ","\tx1000c0s0b0n1\n"`, good, 0},
		{"other spellings of one node", `"X1000C0S0B0N0","x1000c0s0b0n0","x01000c0s0b0n1"`, good, 0},
		{"nothing but others", `"all","*",""`, "", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := failedNodes(t, `"operation":"boot","templateName":"compute",`, tt.nodes)
			r := w.query(`{"queryType":"retry"}`)
			got := rows(t, r)
			if tt.limit == "" {
				if len(got) != 1 || !strings.Contains(joined(got, "not_known"), "that are not xnames of nodes: 3.") {
					t.Errorf("a row without nodes: %v", got)
				}
			} else {
				if limit := joined(got, "limit"); limit != tt.limit {
					t.Errorf("the limit is %q, want %q", limit, tt.limit)
				}
				want := "cray bos v1 session create --template-uuid compute --operation boot --limit " + tt.limit
				if command := joined(got, "command"); command != want {
					t.Errorf("the command is %q, want %q", command, want)
				}
			}
			want := ""
			if tt.leftOut > 0 {
				want = fmt.Sprintf("not xnames of nodes: %d.", tt.leftOut)
			}
			if text := notices(r); !strings.Contains(text, want) || (text == "") != (want == "") {
				t.Errorf("notices %q, want %q", text, want)
			}
		})
	}
}

func TestRetryOfASessionWithoutATemplate(t *testing.T) {
	for name, description := range map[string]string{"no template": `"operation":"boot",`, "no operation": `"templateName":"compute",`} {
		t.Run(name, func(t *testing.T) {
			r := failedNodes(t, description, `"x1000c0s0b0n0"`).query(`{"queryType":"retry"}`)
			got := rows(t, r)
			if joined(got, "limit") != "x1000c0s0b0n0" || joined(got, "command") != "" || !strings.Contains(notices(r), "Sessions without a command, because BOS does not give their session template or operation: 1.") {
				t.Errorf("rows %v, notices %q", got, notices(r))
			}
		})
	}
}

// A folded list of nodes is a pattern of them.
func TestNodePatterns(t *testing.T) {
	for pattern, nodes := range map[string]struct{ in, out string }{
		"x1000c0s[1-12]b0n0":                         {"x1000c0s1b0n0 x1000c0s2b0n0 x1000c0s12b0n0", "x1000c0s0b0n0 x1000c0s13b0n0 x1000c0s1-12b0n0"},
		"x[1000-1002,1007]c[0-1]s*":                  {"x1000c0s1 x1002c1s9b1n1 x1007c0s0", "x1003c0s1 x1007c2s0 x100c0s1"},
		"X[1000,1002]c[0-7,10]*, y*":                 {"x1002c10s1b0n0 x1000c7s0 y1", "x1001c0s0 x1000c8s0"},
		"x1000c0s[23]b0n0":                           {"x1000c0s2b0n0 x1000c0s3b0n0", "x1000c0s23b0n0"},
		"x1000c0s[1-3]b0n0":                          {"x1000c0s2b0n0", "x1000c0s4b0n0"},
		"x1000c0s[12-4]b0n0":                         {"x1000c0s1b0n0 x1000c0s3b0n0", "x1000c0s12b0n0"},
		"x1000c0s[^1-2]b0n[0-1]":                     {"x1000c0s3b0n1", "x1000c0s1b0n0"},
		"nid[1-99999999999999999999]":                {"nid5", "nid10"},
		"nid[000008-000012]":                         {"nid000008 nid000012", "nid8 nid000013"},
		"nid[8-12]":                                  {"nid8 nid12", "nid08"},
		"x1000c0s[ 1-12, 15 ]b0n0":                   {"x1000c0s12b0n0 x1000c0s15b0n0", "x1000c0s13b0n0"},
		"x1000c0s[1-12,15]b*":                        {"x1000c0s12b0n0 x1000c0s15b1n1", "x1000c0s13b0n0"},
		`nid\\[1-12]`:                                {"nid[1-12]", "nid1 nid12"},
		`x[[1-12]]`:                                  {"x1] x[]", "x12 x3"},
		strings.Repeat("[11-11]", 9000):              {"", "11"},
		"x[1000-1046]c[0-7]s[0-7]b[0-1]n[0-1]":       {"x1046c7s7b1n1", "x1047c0s0b0n0"},
		strings.Repeat("x1000c0s0b0n0,", 5000) + "y": {"x1000c0s0b0n0 y", "x"},
	} {
		q, err := parseQuery([]byte(`{"queryType":"nodes","node":"`+pattern+`"}`), "")
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		for n := range strings.FieldsSeq(nodes.in) {
			if !q.hasNode(n) {
				t.Errorf("%s does not match %s", pattern, n)
			}
		}
		for n := range strings.FieldsSeq(nodes.out) {
			if q.hasNode(n) {
				t.Errorf("%s matches %s", pattern, n)
			}
		}
	}
	for _, pattern := range []string{"x[1000-9999]c0*", "x[1000-1047]c[0-10]s*", "x[1-99999]c0s0b0n0", "x[1-999999999]c[1-999999999]s[1-999999999]", strings.Repeat("[11-12]", 9000)} {
		if _, err := parseQuery([]byte(`{"queryType":"nodes","node":"`+pattern+`"}`), ""); err == nil || !strings.Contains(err.Error(), "more than 256 patterns or 65536 names") {
			t.Errorf("%s: error %v", pattern, err)
		}
	}
}
