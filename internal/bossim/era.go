package bossim

import (
	"net/http"
	"strconv"
	"time"
)

// Era is a range of BOS releases that answer alike (docs/bos.md).
type Era int

// The eras, oldest first.
const (
	EraA  Era = iota // Shasta 1.3 and 1.4, CSM 0.9: as the documentation shows
	EraB1            // CSM 1.0 and 1.1
	EraB2            // CSM 1.2 to 1.3.3
	EraC             // CSM 1.3.4 to 1.5; tenants are refused as in CSM 1.5
)

// Eras lists every era.
var Eras = []Era{EraA, EraB1, EraB2, EraC}

var eras = [...]struct {
	name                string
	templateKey, jobKey string // in the description of a session
	bootSetCode         int    // the status code that a boot set comes with
	bootSetStops        bool   // whether the server takes the stop time of a boot set
	refusesTenants      bool
	version             [3]string
}{
	EraA:  {"A", "templateUuid", "boa_job_name", http.StatusCreated, true, false, [3]string{"1", "0", "0"}},
	EraB1: {"B1", "templateUuid", "job", http.StatusCreated, true, false, [3]string{"1", "0", "0"}},
	EraB2: {"B2", "templateName", "job", http.StatusOK, true, false, [3]string{"1", "0", "0"}},
	EraC:  {"C", "templateName", "job", http.StatusOK, false, true, [3]string{"2", "10", "2"}},
}

func (e Era) known() bool { return e >= 0 && int(e) < len(eras) }

// String is the short name of the era: A, B1, B2 or C.
func (e Era) String() string {
	if !e.known() {
		return "Era(" + strconv.Itoa(int(e)) + ")"
	}
	return eras[e].name
}

// Two formats of time stand side by side in BOS. Both lose the fraction when it
// is zero, as Python's isoformat does.

// serverTime writes a time that the server itself took.
func serverTime(t time.Time) string { return layout(t, "2006-01-02T15:04:05", "Z") }

// agentTime writes a time that the boot agent reported.
func agentTime(t time.Time) string { return layout(t, "2006-01-02 15:04:05", "") }

func layout(t time.Time, seconds, zone string) string {
	if t.IsZero() {
		return ""
	}
	t = t.UTC().Truncate(time.Microsecond)
	if t.Nanosecond() != 0 {
		seconds += ".000000"
	}
	return t.Format(seconds) + zone
}
