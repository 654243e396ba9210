package bosclient

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// The limits hold wherever the document happens to be divided.
func TestLimitsOfDividedDocuments(t *testing.T) {
	limits := Limits{Bytes: 100, String: 4, Members: 2}.orDefault()
	for _, tt := range []struct{ name, document, want string }{
		{"strings of four bytes", `{"a:b:": "1234", "b": ["", "1\"4"]}`, ""},
		{"a string of five", `["12345"]`, "a string in the response is longer than 4 bytes"},
		{"an escape counts as two", `["\\\"a"]`, "a string in the response is longer than 4 bytes"},
		{"a quotation mark behind two backslashes", `["\\", "a"]`, ""},
		{"a string that does not end", `["1234`, ""},
		{"three members", `[{"a":":"},{"b":1,"c":2}]`, "more than 2 members of objects in the response"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range len(tt.document) {
				for j := i; j < len(tt.document); j++ {
					b := &bodyReader{limits: limits}
					var got string
					for _, part := range []string{tt.document[:i], tt.document[i:j], tt.document[j:]} {
						if err := b.check([]byte(part)); err != nil && got == "" {
							got = err.Error()
						}
					}
					if !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
						t.Fatalf("divided at %d and %d: error %q, want %q", i, j, got, tt.want)
					}
				}
			}
		})
	}
}

func TestTenantOfARequest(t *testing.T) {
	for _, tt := range []struct{ name, configured, requested, want string }{
		{"none", "", "", ""},
		{"the configured one", "blue", "", "blue"},
		{"that of the request", "", "red", "red"},
		{"that of the request before the configured one", "blue", "red", "red"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
				got = r.Header.Values("Cray-Tenant-Name")
				return answer(200, "application/json", "{}")(r)
			}), func(c *Config) { c.Tenant = tt.configured })
			err := c.Get(t.Context(), Request{Path: []string{"v2"}, Tenant: tt.requested}, func(d *Decoder) error { return d.SkipValue() })
			if err != nil || strings.Join(got, ",") != tt.want {
				t.Errorf("tenant %q, want %q; %v", got, tt.want, err)
			}
		})
	}
}

// decodeText decodes a document within limits.
func decodeText(document string, limits Limits, decode func(*Decoder) error) error {
	return decodeAll(newBodyReader(io.NopCloser(strings.NewReader(document)), limits.orDefault()), limits.orDefault(), decode)
}

func TestProse(t *testing.T) {
	for _, tt := range []struct {
		document string
		most     int
		want     string
	}{
		{`null`, 5, ""},
		{`""`, 5, ""},
		{`" a\n"`, 5, "a"},
		{`"12345"`, 5, "12345"},
		{`"123456"`, 5, "12345…"},
		{`"1234ä"`, 5, "1234…"},
		{`"\"\u00e4\ud800"`, 9, `"ä` + "\uFFFD"},
	} {
		var got string
		err := decodeText(tt.document, Limits{}, func(d *Decoder) (err error) {
			got, err = d.Prose(tt.most)
			return err
		})
		if err != nil || got != tt.want {
			t.Errorf("%s reads as %q, want %q; %v", tt.document, got, tt.want, err)
		}
	}
	if err := decodeText(`7`, Limits{}, func(d *Decoder) error { _, err := d.Prose(5); return err }); err == nil {
		t.Error("a number is accepted")
	}
}
