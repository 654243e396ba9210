package datasource

import (
	"encoding/json"
	"errors"
	"testing"
)

// Whatever Grafana sends is a query or the sender's mistake, and a query that was
// accepted is accepted again as it was understood.
func FuzzParseQuery(f *testing.F) {
	for _, query := range []string{
		`{"queryType":"nodes","session":["latest","running"],"phase":"boot","category":["failed"],"node":"x3000*, x1000c0s[0-3]b*","limit":10}`,
		`{"queryType":"timeline","field":"phases","state":["Failed",""],"bootset":null}`,
		`{"queryType":"values","field":"session","template":[""],"operation":["reboot"],"fresh":true}`,
		`{"queryType":"counts","session":["$session","${session:csv}","[[session]]"]}`,
		`{"queryType":"retry","node":"x[","limit":-1}`,
		`{"queryType":"overlaps","session":[{}]}`,
		`{"queryType":"map","field":"cabinet/slot","phase":["boot"]}`,
		`{"queryType":"places","field":"bmc","limit":3}`,
		`{"queryType":"none"}`,
		`{"node":" , ,"}`,
		`[]`,
		``,
	} {
		f.Add([]byte(query))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		query, err := parseQuery(raw, "sessions")
		if err != nil {
			if !errors.As(err, new(requestError)) {
				t.Errorf("the error %v is not the sender's mistake", err)
			}
			return
		}
		understood, err := json.Marshal(query)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseQuery(understood, "")
		if err != nil {
			t.Fatalf("understood as %s, which is refused: %v", understood, err)
		}
		if got, err := json.Marshal(again); err != nil || string(got) != string(understood) {
			t.Errorf("understood as %s, then as %s: %v", understood, got, err)
		}
	})
}
