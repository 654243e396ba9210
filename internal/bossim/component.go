package bossim

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// component is the record of a node, without its id: many nodes share one.
type component struct {
	enabled     bool
	err         string
	session     string
	retryPolicy int // 0 for none

	phase      string
	phaseKnown bool // false until the status operator has first set it
	override   string

	action string
	failed bool
	acted  time.Time // when the last action was recorded

	on, off, forced int // attempts
	counted         bool

	actual, desired             bootState
	actualUpdated, desiredAfter time.Time

	printed *printedComponent // sent instead of all the rest, if set
}

// bootState is what a node runs or is to run.
type bootState struct {
	image         string
	configuration string
	token         string
}

// stagedState is what a node is to run once the staged session is applied.
type stagedState struct {
	state   bootState
	session string
	updated time.Time
}

// printedComponent is a component that never changes.
type printedComponent struct {
	staged string // session
	status string
	record []byte
}

// The phases of a component, and the statuses and actions of it that matter here.
const (
	phaseOn          = "powering_on"
	phaseOff         = "powering_off"
	phaseConfiguring = "configuring"

	statusStable = "stable"
	statusFailed = "failed"
	statusOnHold = "on_hold"

	actionDiscovered = "newly_discovered"
	actionSetup      = "session_setup"
	actionApply      = "apply_staged"
	actionOn         = "powering_on"
	actionOff        = "powering_off_gracefully"
	actionForced     = "powering_off_forcefully"
	actionCleanup    = "actual_state_cleanup"
)

// status derives the status from the override, the phase and the last action, as BOS does
// on every read.
func (c *component) status() string {
	switch {
	case c.printed != nil:
		return c.printed.status
	case c.override != "":
		return c.override
	case c.phase == phaseOn && c.action == actionOn && !c.failed:
		return "power_on_called"
	case c.phase == phaseOn:
		return "power_on_pending"
	case c.phase == phaseOff && c.action == actionOff:
		return "power_off_gracefully_called"
	case c.phase == phaseOff && c.action == actionForced:
		return "power_off_forcefully_called"
	case c.phase == phaseOff:
		return "power_off_pending"
	case c.phase == phaseConfiguring:
		return "configuring"
	default:
		return statusStable
	}
}

// write writes the record of the node with this id.
func (c *component) write(w *text, id string, staged stagedState) {
	if c.printed != nil {
		printedText(c.printed.record)(w)
		return
	}
	w.open("", '{')
	w.open("actual_state", '{')
	w.artifacts(c.actual)
	w.string("bss_token", c.actual.token)
	w.time("last_updated", c.actualUpdated)
	w.close('}')
	w.open("desired_state", '{')
	w.artifacts(c.desired)
	w.string("bss_token", c.desired.token)
	w.string("configuration", c.desired.configuration)
	w.time("last_updated", c.desiredAfter)
	w.close('}')
	w.bool("enabled", c.enabled)
	w.string("error", c.err)
	if c.counted {
		w.open("event_stats", '{')
		w.int("power_off_forceful_attempts", c.forced)
		w.int("power_off_graceful_attempts", c.off)
		w.int("power_on_attempts", c.on)
		w.close('}')
	}
	w.string("id", id)
	w.open("last_action", '{')
	w.string("action", c.action)
	w.bool("failed", c.failed)
	w.time("last_updated", c.acted)
	w.close('}')
	if c.retryPolicy != 0 {
		w.int("retry_policy", c.retryPolicy)
	}
	w.string("session", c.session)
	w.open("staged_state", '{')
	if staged.session != "" {
		w.artifacts(staged.state)
		w.string("configuration", staged.state.configuration)
	}
	w.time("last_updated", staged.updated)
	if staged.session != "" {
		w.string("session", staged.session)
	}
	w.close('}')
	w.open("status", '{')
	if c.phaseKnown {
		w.string("phase", c.phase)
	}
	w.string("status", c.status())
	w.string("status_override", c.override)
	w.close('}')
	w.close('}')
}

// artifacts writes the boot artifacts of a state.
func (w *text) artifacts(s bootState) {
	w.open("boot_artifacts", '{')
	if s.image == "" {
		w.string("initrd", "")
		w.string("kernel", "")
		w.string("kernel_parameters", "")
	} else {
		path := "s3://boot-images/" + s.image
		w.string("initrd", path+"/initrd")
		w.string("kernel", path+"/kernel")
		w.string("kernel_parameters", kernelParameters+s.image+"/rootfs")
	}
	w.close('}')
}

// kernelParameters are as long as those of a real machine; they make up most of the size of
// a component.
const kernelParameters = "console=ttyS0,115200 bad_page=panic crashkernel=512M hugepagelist=2m-2g intel_iommu=off " +
	"iommu.passthrough=on modprobe.blacklist=amdgpu numa_interleave_omit=headless oops=panic pageblock_order=14 " +
	"rd.neednet=1 rd.retry=10 rd.shell systemd.unified_cgroup_hierarchy=1 ip=dhcp quiet psi=1 " +
	"spire_join_token=${SPIRE_JOIN_TOKEN} turbo_boost_limit=999 nmd_data=url=s3://boot-images/nmd " +
	"bos_update_frequency=4h ds=nocloud-net;s=http://10.92.100.81:8888/ xname=auto nid=auto hostname=auto " +
	"root=sbps-s3:s3://boot-images/rootfs:d41d8cd98f00b204e9800998ecf8427e:sbps:v1:iqn.2023-06.csm.iscsi:_sbps-hsn._tcp.machine.hpc.example.com:"

// text builds JSON in the form that BOS sends: indented by two blanks. It is much faster
// than encoding/json, which matters for 12,000 components.
type text struct {
	buf   []byte
	depth int
	begun bool // whether the innermost object or array has a member
}

func (w *text) next(key string) {
	if w.begun {
		w.buf = append(w.buf, ',')
	}
	w.begun = true
	if w.depth > 0 {
		w.buf = append(w.buf, '\n')
		for range w.depth {
			w.buf = append(w.buf, "  "...)
		}
	}
	if key != "" {
		w.quote(key)
		w.buf = append(w.buf, ": "...)
	}
}

func (w *text) quote(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string can always be written
			}
			w.buf = append(w.buf, quoted...)
			return
		}
	}
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, s...)
	w.buf = append(w.buf, '"')
}

func (w *text) open(key string, bracket byte) {
	w.next(key)
	w.buf = append(w.buf, bracket)
	w.depth++
	w.begun = false
}

func (w *text) close(bracket byte) {
	w.depth--
	if w.begun {
		w.buf = append(w.buf, '\n')
		for range w.depth {
			w.buf = append(w.buf, "  "...)
		}
	}
	w.buf = append(w.buf, bracket)
	w.begun = true
}

func (w *text) string(key, value string) {
	w.next(key)
	w.quote(value)
}

// list writes names as one string, separated by commas.
func (w *text) list(key string, names []string) {
	w.next(key)
	w.buf = append(w.buf, '"')
	for i, name := range names {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(w.buf, name...)
	}
	w.buf = append(w.buf, '"')
}

func (w *text) bool(key string, value bool) {
	w.next(key)
	w.buf = strconv.AppendBool(w.buf, value)
}

func (w *text) int(key string, value int) {
	w.next(key)
	w.buf = strconv.AppendInt(w.buf, int64(value), 10)
}

// percent writes a percentage as Python prints a float that is rounded to two places.
func (w *text) percent(key string, part, of int) {
	value := 0.0
	if of > 0 {
		value = float64(part) * 100 / float64(of)
	}
	w.next(key)
	digits := strings.TrimRight(strconv.FormatFloat(value, 'f', 2, 64), "0")
	if strings.HasSuffix(digits, ".") {
		digits += "0"
	}
	w.buf = append(w.buf, digits...)
}

// stringOrNull writes null for "".
func (w *text) stringOrNull(key, value string) {
	if value == "" {
		w.raw(key, []byte("null"))
		return
	}
	w.string(key, value)
}

func (w *text) time(key string, value time.Time) {
	w.next(key)
	w.buf = append(w.buf, '"')
	w.buf = value.UTC().AppendFormat(w.buf, v2Layout)
	w.buf = append(w.buf, '"')
}

// raw writes a value that is JSON already.
func (w *text) raw(key string, value []byte) {
	w.next(key)
	w.buf = append(w.buf, value...)
}

// object returns an object with the members that write adds.
func object(write func(*text)) []byte {
	w := new(text)
	w.open("", '{')
	write(w)
	w.close('}')
	return append(w.buf, '\n')
}
