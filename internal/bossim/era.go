package bossim

import (
	"net/http"
	"strconv"
	"time"
)

// Era is a range of BOS releases that answer alike (docs/bos.md, docs/bos-v2.md).
type Era int

// The eras, oldest first.
const (
	EraA    Era = iota // Shasta 1.3 and 1.4, CSM 0.9: as the documentation shows
	EraB1              // CSM 1.0 and 1.1
	EraB2              // CSM 1.2 to 1.3.3
	EraC               // CSM 1.3.4 to 1.5; tenants are refused as in CSM 1.5
	EraBoth            // CSM 1.5 with its v2 API beside v1 (BOS 2.10.20)
	EraD1              // CSM 1.6.0 (BOS 2.30.5): v2 alone, without paging
	EraD2              // CSM 1.7 (BOS 2.50): v2 alone
)

// Eras lists every era.
var Eras = []Era{EraA, EraB1, EraB2, EraC, EraBoth, EraD1, EraD2}

// release is what tells the releases of an era from others.
type release struct {
	name   string
	v1, v2 bool // the APIs that it serves

	templateKey, jobKey string // in the description of a v1 session
	bootSetCode         int    // the status code that a boot set comes with
	bootSetStops        bool   // whether the server takes the stop time of a boot set
	refusesTenants      bool   // on v1

	paging     bool // of v2 components, which also come in order
	loneFalse  bool // whether enabled=false is heeded as the only filter
	shortNames bool // names of v2 sessions are short and in lower case
	noSession  string

	version [3]string
}

var eras = [...]release{
	EraA: {name: "A", v1: true, templateKey: "templateUuid", jobKey: "boa_job_name",
		bootSetCode: http.StatusCreated, bootSetStops: true, version: [3]string{"1", "0", "0"}},
	EraB1: {name: "B1", v1: true, templateKey: "templateUuid", jobKey: "job",
		bootSetCode: http.StatusCreated, bootSetStops: true, version: [3]string{"1", "0", "0"}},
	EraB2: {name: "B2", v1: true, templateKey: "templateName", jobKey: "job",
		bootSetCode: http.StatusOK, bootSetStops: true, version: [3]string{"1", "0", "0"}},
	EraC: {name: "C", v1: true, templateKey: "templateName", jobKey: "job",
		bootSetCode: http.StatusOK, refusesTenants: true, version: [3]string{"2", "10", "2"}},
	EraBoth: {name: "C with v2", v1: true, v2: true, templateKey: "templateName", jobKey: "job",
		bootSetCode: http.StatusOK, bootSetStops: true, refusesTenants: true, version: [3]string{"2", "10", "20"},
		loneFalse: true, shortNames: true, noSession: "Session could not found."},
	EraD1: {name: "D1", v2: true, version: [3]string{"2", "30", "5"},
		loneFalse: true, noSession: "The resource was not found"},
	EraD2: {name: "D2", v2: true, version: [3]string{"2", "50", "0"},
		paging: true, noSession: "The resource was not found"},
}

func (e Era) known() bool { return e >= 0 && int(e) < len(eras) }

// ServesV1 reports whether the releases of the era serve the v1 API.
func (e Era) ServesV1() bool { return eras[e].v1 }

// ServesV2 reports whether the releases of the era serve the v2 API.
func (e Era) ServesV2() bool { return eras[e].v2 }

// String is the short name of the era, such as B1.
func (e Era) String() string {
	if !e.known() {
		return "Era(" + strconv.Itoa(int(e)) + ")"
	}
	return eras[e].name
}

// Two formats of time stand side by side in BOS v1. Both lose the fraction when it
// is zero, as Python's isoformat does.

// serverTime writes a time that the server itself took.
func serverTime(t time.Time) string { return layout(t, "2006-01-02T15:04:05", "Z") }

// agentTime writes a time that the boot agent reported.
func agentTime(t time.Time) string { return layout(t, "2006-01-02 15:04:05", "") }

// v2Layout is how v2 writes times: in whole seconds and without a zone.
const v2Layout = "2006-01-02T15:04:05"

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
