package bosclient

import (
	"strings"
	"testing"
)

// decodeText decodes a document within limits.
func decodeText(document string, limits Limits, decode func(*Decoder) error) error {
	err, _ := decodeAll(strings.NewReader(document), limits, decode)
	return err
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
