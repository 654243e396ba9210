package bosclient

import (
	"testing"
	"time"
)

// Whatever parses is a moment in UTC, and the same one when it is written out and read
// again.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{
		"2022-08-22T12:22:33.708209Z",
		"2022-08-22 12:58:23.674867",
		"2022-08-22T14:22:33.5+0200",
		"2020-04-24T12:00-07:00",
		"2020-02-30T12:00",
		"0000-01-01T00:00+23:59",
		"1596111111",
		"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := parseTime(s)
		if err != nil {
			if !parsed.IsZero() {
				t.Errorf("parseTime(%q) = %v with the error %v", s, parsed, err)
			}
			return
		}
		if parsed.Location() != time.UTC {
			t.Errorf("parseTime(%q) is in %v, want UTC", s, parsed.Location())
		}
		if parsed.Year() < 0 || parsed.Year() > 9999 {
			return // RFC 3339 has no such years
		}
		written := parsed.Format(time.RFC3339Nano)
		again, err := parseTime(written)
		if err != nil || !again.Equal(parsed) {
			t.Errorf("parseTime(%q) = %s, which reads as %v, %v", s, written, again, err)
		}
	})
}
