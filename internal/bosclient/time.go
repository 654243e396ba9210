package bosclient

import (
	"fmt"
	"strings"
	"time"
)

// parseTime reads a time of BOS, which has two forms, often in one object:
// "2022-08-22T12:22:33.708209Z" from the server and "2022-08-22 12:58:23.674867"
// from the boot agent. Seconds, fraction and zone may be missing. Without a zone
// it is UTC, the clock of the containers (bos.md, Times).
func parseTime(s string) (time.Time, error) {
	moment := strings.Replace(s, " ", "T", 1)
	if len(moment) >= len("2006-01-02T15:04") && !strings.ContainsAny(moment[len("2006-01-02T"):], "Z+-") {
		moment += "Z"
	}
	// A fraction may follow the seconds without being in the layout.
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700"} {
		if t, err := time.Parse(layout, moment); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time of BOS", clip(s))
}
