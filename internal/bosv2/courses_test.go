package bosv2_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// line tells the phases of a session in a line: the categories that have nodes, and how
// many nodes were tried more than once.
func line(s *inventory.Session) string {
	var words []string
	for _, b := range s.BootSets {
		for _, p := range b.Phases {
			words = append(words, p.Name)
			for _, c := range p.Categories {
				if c.Count > 0 {
					words = append(words, strings.Repeat("+", c.Count)+c.Name)
				}
			}
			if p.Retried > 0 {
				words = append(words, strings.Repeat("*", p.Retried))
			}
		}
	}
	return strings.Join(words, " ")
}

// Every course of bos-v2.md ends with the nodes in the phase in which they failed, with
// their highest attempts and last error text, though BOS wipes both.
func TestCourses(t *testing.T) {
	first := computes[:1]
	const hit = "The retry limit has been hit for this component, but no services have reported specific errors"
	for _, tt := range []struct {
		name      string
		operation string
		kind      bossim.Kind
		message   string
		after     time.Duration
		state     bos.State
		want      string
		tries     map[string]int // of the first node, by phase
		texts     map[string]string
	}{
		{"reboot never ready", bos.Reboot, bossim.NeverReady, "", 80 * time.Minute, bos.StatePartial,
			"shutdown ++++succeeded boot +++succeeded +failed * configure +not_started +++succeeded",
			map[string]int{bos.Shutdown: 1, bos.Boot: 3}, map[string]string{bos.Boot: hit}},
		{"boot never ready", bos.Boot, bossim.NeverReady, "", 80 * time.Minute, bos.StatePartial,
			"boot +++succeeded +failed * configure +not_started +++succeeded",
			map[string]int{bos.Boot: 3}, map[string]string{bos.Boot: hit}},
		{"power-on without effect", bos.Boot, bossim.PowerOnRefused, "", 30 * time.Minute, bos.StatePartial,
			"boot +++succeeded +failed * configure +not_started +++succeeded",
			map[string]int{bos.Boot: 3}, map[string]string{bos.Boot: hit}},
		{"power-on refused", bos.Boot, bossim.PowerOnRefused, "HTTPError: 503", 30 * time.Minute, bos.StatePartial,
			"boot +++succeeded +failed * configure +not_started +++succeeded",
			map[string]int{bos.Boot: 3}, map[string]string{bos.Boot: "Error encountered calling CAPMC to power on: HTTPError: 503"}},
		{"power-off without effect", bos.Shutdown, bossim.ShutdownFails, "", 40 * time.Minute, bos.StatePartial,
			"shutdown +++succeeded +failed *",
			map[string]int{bos.Shutdown: 4}, map[string]string{bos.Shutdown: hit}},
		{"forced off", bos.Shutdown, bossim.ForcedOff, "", 40 * time.Minute, bos.StateSucceeded,
			"shutdown ++++succeeded *", map[string]int{bos.Shutdown: 2}, nil},
		{"configuration fails", bos.Reboot, bossim.ConfigureFails, "", 40 * time.Minute, bos.StatePartial,
			"shutdown ++++succeeded boot ++++succeeded configure +++succeeded +failed",
			map[string]int{bos.Boot: 1}, map[string]string{bos.Configure: "cfs configuration failed"}},
		{"ready on the second try", bos.Reboot, bossim.ReadyOnRetry, "", 60 * time.Minute, bos.StateSucceeded,
			"shutdown ++++succeeded boot ++++succeeded * configure ++++succeeded", map[string]int{bos.Boot: 2}, nil},
		{"unknown to PCS", bos.Reboot, bossim.NotInPCS, "", 30 * time.Minute, bos.StatePartial,
			"shutdown +++succeeded +on_hold boot +not_started +++succeeded configure +not_started +++succeeded", nil,
			map[string]string{bos.Shutdown: "Component information was not returned by pcs"}},
		{"boot of a node that is on", bos.Boot, bossim.AlreadyOn, "", 40 * time.Minute, bos.StateSucceeded,
			"shutdown +succeeded boot ++++succeeded configure ++++succeeded", map[string]int{bos.Boot: 1}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, bossim.Scripted(spec("s1", tt.operation, bossim.Trouble{Kind: tt.kind, Nodes: first, Message: tt.message})), bossim.EraD2)
			for range int(tt.after / (30 * time.Second)) {
				r.sweep(30 * time.Second)
				if s := r.session(key("s1")); s.Verdict.State == bos.StateStuck || s.Err != nil {
					t.Fatalf("after %s it is %s: %v", r.clock.Now().Sub(began), s.Verdict.State, s.Err)
				}
			}
			s := r.session(key("s1"))
			if s.Verdict.State != tt.state {
				t.Errorf("state %s, want %s", s.Verdict.State, tt.state)
			}
			if got := line(s); got != tt.want {
				t.Errorf("phases\n got %s\nwant %s", got, tt.want)
			}
			node, _ := r.Snapshot().Nodes.Number([]byte(first[0]))
			for phase, want := range tt.tries {
				if got := r.phase(s, phase).Tries(node); got != want {
					t.Errorf("%d attempts in %s, want %d", got, phase, want)
				}
			}
			texts := make(map[string]string)
			for _, p := range s.BootSets[0].Phases {
				if m := p.Messages(node); m != nil {
					texts[p.Name] = strings.Join(m, "; ")
				}
			}
			if diff := cmp.Diff(tt.texts, texts); diff != "" && len(tt.texts)+len(texts) > 0 {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

// BOS empties the error of a node whenever it acts on it.
func TestLastErrorTextOutlastsItsWiping(t *testing.T) {
	r := newRig(t, bossim.Scripted(spec("s1", bos.Reboot, bossim.Trouble{Kind: bossim.ConfigureFails, Nodes: computes[:1]})), bossim.EraD2)
	for range 40 {
		r.sweep(time.Minute)
		if s := r.session(key("s1")); len(s.BootSets) > 0 && len(r.phase(s, bos.Configure).Errors) > 0 {
			break
		}
	}
	r.sim.Fail(bossim.Components, bossim.WipedErrors)
	for range 20 {
		r.sweep(time.Minute)
	}
	s := r.session(key("s1"))
	if s.StopTime.IsZero() {
		t.Fatal("the session has not ended")
	}
	if errs := r.phase(s, bos.Configure).Errors; len(errs) != 1 || errs[0].Message != "cfs configuration failed" || errs[0].Nodes.Len() != 1 {
		t.Errorf("errors %+v", errs)
	}
}

func TestStuckByTheWaitsOfBOS(t *testing.T) {
	s := spec("s1", bos.Reboot)
	s.Agent.LostFrom, s.Agent.LostTo = 3*time.Minute, 5*time.Hour // no operator acts
	r := newRig(t, bossim.Scripted(s), bossim.EraD2)
	r.sweep(time.Minute)
	if got, want := r.session(key("s1")).Limits, (bos.Limits{Report: 10 * time.Minute, Shutdown: 6 * time.Minute, Boot: 21 * time.Minute, Closing: 45 * time.Second}); got != want {
		t.Errorf("limits %+v, want %+v", got, want)
	}
	r.sweep(14 * time.Minute)
	if got := r.session(key("s1")).Verdict.State; got != bos.StateRunning {
		t.Errorf("just moved: %s", got)
	}
	r.sweep(22 * time.Minute)
	if got := r.session(key("s1")).Verdict.State; got != bos.StateStuck {
		t.Errorf("after 22 min without a move: %s", got)
	}
}

func TestPendingTooLongIsStuck(t *testing.T) {
	s := spec("s1", bos.Reboot)
	s.Agent.Never = true
	r := newRig(t, bossim.Scripted(s), bossim.EraD2)
	r.sweep(9 * time.Minute)
	if got := r.session(key("s1")).Verdict.State; got != bos.StatePending {
		t.Errorf("after 9 min: %s", got)
	}
	r.sweep(2 * time.Minute)
	if got := r.session(key("s1")).Verdict.State; got != bos.StateStuck {
		t.Errorf("after 11 min: %s", got)
	}
}

func TestSetupErrorIsAFailedSession(t *testing.T) {
	s := spec("s1", bos.Reboot)
	s.SetupError = "KeyError: 'path'\n"
	r := newRig(t, bossim.Scripted(s), bossim.EraD2)
	r.sweep(10 * time.Minute)
	got := r.session(key("s1"))
	if got.Verdict.State != bos.StateFailed || strings.ContainsAny(got.SetupError, "\n") || !strings.HasPrefix(got.SetupError, "KeyError") {
		t.Errorf("state %s, error %q", got.Verdict.State, got.SetupError)
	}
}

func TestBootSetsOfNodes(t *testing.T) {
	all := bossim.Nodes(12)
	set := func(name string, from, to int) bossim.BootSetSpec {
		return bossim.BootSetSpec{Name: name, Nodes: all[from:to:to]}
	}
	listed := func(b bossim.BootSetSpec) bossim.BootSetSpec { b.NodeList = true; return b }
	image := func(b bossim.BootSetSpec, image, configuration string) bossim.BootSetSpec {
		b.Image, b.Configuration = image, configuration
		return b
	}
	for _, tt := range []struct {
		name      string
		operation string
		sets      []bossim.BootSetSpec
		noCFS     bool
		gone      bool // the template
		want      string
	}{
		{"the only one", bos.Reboot, []bossim.BootSetSpec{set("compute", 0, 4)}, false, false, "compute 4"},
		{"node lists", bos.Reboot, []bossim.BootSetSpec{listed(set("a", 0, 4)), listed(set("b", 4, 6))}, false, false, "a (node_list) 4, b (node_list) 2"},
		{"a node in two obeys the last", bos.Shutdown, []bossim.BootSetSpec{listed(set("a", 0, 4)), listed(set("b", 3, 6))}, false, false, "a (node_list) 3, b (node_list) 3"},
		{"images", bos.Reboot, []bossim.BootSetSpec{image(set("a", 0, 4), "i", ""), image(set("b", 4, 6), "j", "")}, false, false, "a (image) 4, b (image) 2"},
		{"images without configuration", bos.Reboot, []bossim.BootSetSpec{image(set("a", 0, 4), "i", "x"), image(set("b", 4, 6), "j", "y")}, true, false, "a (image) 4, b (image) 2"},
		{"one image, two configurations", bos.Reboot, []bossim.BootSetSpec{image(set("a", 0, 4), "i", "x"), image(set("b", 4, 6), "i", "y")}, false, false, "a (image) 4, b (image) 2"},
		{"all alike", bos.Reboot, []bossim.BootSetSpec{set("a", 0, 4), set("b", 4, 6)}, false, false, "cle (template) 6"},
		{"a shutdown has no image", bos.Shutdown, []bossim.BootSetSpec{image(set("a", 0, 4), "i", ""), image(set("b", 4, 6), "j", "")}, false, false, "cle (template) 6"},
		{"the template is gone", bos.Reboot, []bossim.BootSetSpec{set("compute", 0, 4)}, false, true, "cle (template) 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := spec("s1", tt.operation)
			s.BootSets, s.NoCFS, s.TemplateDeleted = tt.sets, tt.noCFS, tt.gone
			r := newRig(t, bossim.Scripted(s), bossim.EraD2)
			r.sweep(time.Minute)
			var words []string
			for _, b := range r.session(key("s1")).BootSets {
				derived := ""
				if b.Derived != "" {
					derived = " (" + b.Derived + ")"
				}
				words = append(words, b.Name+derived+" "+string(rune('0'+b.Nodes.Nodes())))
			}
			if got := strings.Join(words, ", "); got != tt.want {
				t.Errorf("boot sets %s, want %s; error %v", got, tt.want, r.session(key("s1")).Err)
			}
		})
	}
}
