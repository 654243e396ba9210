package bossim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

var created = time.Date(2024, time.March, 5, 9, 0, 0, 123456000, time.UTC)

// counts writes the number of nodes per phase and category, such as
// "shutdown S4 boot I4 configure N4", and "-" for a boot set not reported.
func counts(d *bootSetDocument, ok bool) string {
	if !ok {
		return "-"
	}
	var words []string
	for _, p := range d.Phases {
		word := p.Name
		for _, c := range p.Categories {
			if n := len(c.NodeList); n > 0 {
				word += fmt.Sprintf(" %c%d", strings.ToUpper(c.Name)[0], n)
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func minutes(s string) time.Duration {
	d, err := time.ParseDuration(strings.Replace(s, ":", "m", 1) + "s")
	if err != nil {
		panic(err)
	}
	return d
}

func TestScripts(t *testing.T) {
	nodes := Nodes(8)
	set := func(troubles ...Trouble) []BootSetSpec {
		return []BootSetSpec{{Name: "compute", Nodes: nodes, Troubles: troubles}}
	}
	type look struct{ at, want string }
	const never = ""
	tests := []struct {
		name   string
		spec   Spec
		era    Era
		looks  []look
		stop   string // when the session gets a stop time
		errors map[string][]string
	}{
		{"reboot", Spec{Operation: bos.Reboot, BootSets: set()}, EraC, []look{
			{"1:04", "-"},
			{"1:05", "shutdown N8, boot N8, configure N8"},
			{"1:20", "shutdown N8, boot N8, configure I8"},
			{"1:30", "shutdown I8, boot N8, configure I8"},
			{"5:29", "shutdown I8, boot N8, configure I8"},
			{"5:30", "shutdown S8, boot N8, configure I8"},
			{"6:00", "shutdown S8, boot I8, configure I8"},
			{"7:00", "shutdown S8, boot S8, configure I8"},
			{"16:00", "shutdown S8, boot S8, configure I8"},
			{"18:00", "shutdown S8, boot S8, configure S1 I7"},
			{"25:00", "shutdown S8, boot S8, configure S8"},
		}, "25:10", nil},
		{"boot", Spec{Operation: "Boot", BootSets: set()}, EraB2, []look{
			{"1:20", "boot N8, configure I8"},
			{"1:30", "boot I8, configure I8"},
			{"2:30", "boot S8, configure I8"},
			{"20:30", "boot S8, configure S8"},
		}, "20:40", nil},
		{"shutdown", Spec{Operation: bos.Shutdown, BootSets: set()}, EraC, []look{
			{"1:30", "shutdown I8"}, {"5:30", "shutdown S8"},
		}, "5:40", nil},
		{"configure", Spec{Operation: bos.Configure, BootSets: set()}, EraC, []look{
			{"1:20", "configure I8"}, {"6:30", "configure S4 I4"}, {"10:30", "configure S8"},
		}, "10:40", nil},
		{"no CFS", Spec{Operation: bos.Reboot, NoCFS: true, BootSets: set()}, EraC, []look{
			{"16:10", "shutdown S8, boot S8, configure N8"},
		}, "16:10", nil},
		{"some fail shutdown", Spec{Operation: bos.Reboot, BootSets: set(
			Trouble{ShutdownFails, nodes[:1], "NodeBMC Communication Error"},
			Trouble{ShutdownFails, nodes[1:3], "node lock error 37"},
			Trouble{ForcedOff, nodes[3:4], "exceeded retries waiting"})}, EraC, []look{
			{"9:29", "shutdown I8, boot N8, configure I8"},
			{"9:30", "shutdown S5 F3, boot N8, configure I8"},
			{"11:00", "shutdown S5 F3, boot N3 S5, configure I8"},
			{"29:10", "shutdown S5 F3, boot N3 S5, configure S5 I3"},
		}, "29:10", map[string][]string{
			"NodeBMC Communication Error": nodes[:1],
			"node lock error 37":          nodes[1:3],
			"exceeded retries waiting":    nodes[3:4],
		}},
		{"all fail shutdown", Spec{Operation: bos.Reboot, BootSets: set(Trouble{Kind: ShutdownFails})}, EraC, []look{
			{"9:40", "shutdown F8, boot N8, configure I8"},
		}, "9:40", nil},
		{"one still ready", Spec{Operation: bos.Reboot, BootSets: set(Trouble{Kind: StillReady, Nodes: nodes[:1]})}, EraC, []look{
			{"6:50", "shutdown S8, boot N8, configure I8"},
			{"60:00", "shutdown S8, boot N8, configure I8"},
		}, "6:50", nil},
		{"power-on refused", Spec{Operation: bos.Boot, BootSets: set(Trouble{PowerOnRefused, nodes[:2], "no power"})}, EraC, []look{
			{"2:30", "boot S6 F2, configure I8"},
			{"20:40", "boot S6 F2, configure S6 I2"},
		}, "20:40", map[string][]string{"no power": nodes[:2]}},
		{"never ready", Spec{Operation: bos.Boot, BootSets: set(Trouble{Kind: NeverReady, Nodes: nodes[:2]})}, EraC, []look{
			{"32:29", "boot S8, configure I8"},
			{"32:30", "boot S8 F2, configure I8"},
			{"41:30", "boot S8 F2, configure S6 I2"},
		}, "41:40", nil},
		{"all never ready", Spec{Operation: bos.Boot, BootSets: set(Trouble{Kind: NeverReady})}, EraC, []look{
			{"60:00", "boot S8 F8, configure I8"},
		}, "32:40", nil},
		{"configuration fails", Spec{Operation: bos.Configure, BootSets: set(Trouble{ConfigureFails, nodes[:2], "exhausted all retries"})}, EraC, []look{
			{"6:30", "configure S3 F2 I3"},
			{"60:00", "configure S3 F2 I3"},
		}, "6:40", map[string][]string{"exhausted all retries": nodes[:2]}},
		{"never configured", Spec{Operation: bos.Boot, BootSets: set(Trouble{Kind: NeverConfigured, Nodes: nodes[:1]})}, EraC, []look{
			{"60:00", "boot S8, configure S7 I1"},
		}, "41:40", nil},
		{"already on", Spec{Operation: bos.Boot, BootSets: set(Trouble{Kind: AlreadyOn})}, EraC, []look{
			{"60:00", "boot I8, configure I8"},
		}, "32:00", nil},
		{"agent never starts", Spec{Operation: bos.Boot, BootSets: set(), Agent: Agent{Never: true}}, EraC, []look{
			{"600:00", "-"},
		}, never, nil},
		{"agent killed", Spec{Operation: bos.Boot, BootSets: set(), Agent: Agent{Killed: minutes("2:00")}}, EraC, []look{
			{"1:59", "boot I8, configure I8"}, {"600:00", "boot I8, configure I8"},
		}, never, nil},
		{"agent replaced", Spec{Operation: bos.Boot, BootSets: set(), Agent: Agent{Killed: minutes("15:00"), Replaced: minutes("16:00")}}, EraC, []look{
			{"16:04", "boot S8, configure S2 I6"},
			{"16:05", "boot N8, configure N8"},
			{"16:30", "boot I8, configure I8"},
			{"35:40", "boot S8, configure S8"},
		}, "35:40", nil},
		{"reports lost", Spec{Operation: bos.Reboot, BootSets: set(), Agent: Agent{LostFrom: minutes("5:00"), LostTo: minutes("6:10")}}, EraC, []look{
			{"6:59", "shutdown I8, boot N8, configure I8"},
			{"25:10", "shutdown I8, boot S8, configure S8"},
		}, "25:10", nil},
		{"faster", Spec{Operation: bos.Shutdown, Pace: 10, BootSets: set()}, EraC, []look{
			{"0:09", "shutdown I8"}, {"0:33", "shutdown S8"},
		}, "0:34", nil},
		{"empty", Spec{Operation: bos.Boot, BootSets: []BootSetSpec{{Name: "compute"}}}, EraC, []look{
			{"1:05", "boot, configure"},
		}, "1:15", nil},
		{"mixed case", Spec{Operation: bos.Boot, MixedCase: true, BootSets: set()}, EraC, []look{
			{"1:30", "Boot I8, Configure I8"},
		}, "20:40", nil},

		{"A: reboot", Spec{Operation: bos.Reboot, BootSets: set()}, EraA, []look{
			{"1:20", "shutdown N8, boot N8, configure N8"},
			{"5:30", "shutdown S8, boot N8, configure N8"},
			{"7:00", "shutdown S8, boot I8, configure N8"},
			{"12:00", "shutdown S8, boot S4 I4, configure N8"},
			{"16:00", "shutdown S8, boot S8, configure I8"},
			{"25:10", "shutdown S8, boot S8, configure S8"},
		}, "25:10", nil},
		{"A: some fail shutdown", Spec{Operation: bos.Reboot, BootSets: set(Trouble{Kind: ShutdownFails, Nodes: nodes[:3]})}, EraA, []look{
			{"60:00", "shutdown S5 F3, boot N8, configure N8"},
		}, never, nil},
		{"A: never ready", Spec{Operation: bos.Boot, BootSets: set(Trouble{Kind: NeverReady, Nodes: nodes[:2]})}, EraA, []look{
			{"32:29", "boot S6 I2, configure N8"}, {"60:00", "boot S6 F2, configure N8"},
		}, never, nil},
		{"A: no CFS", Spec{Operation: bos.Boot, NoCFS: true, BootSets: set()}, EraA, []look{
			{"1:05", "boot N8"}, {"11:40", "boot S8"},
		}, "11:40", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := test.spec
			spec.ID, spec.Created = "s", created
			session := newSession(spec)
			for _, l := range test.looks {
				at := created.Add(minutes(l.at))
				if got := counts(session.bootSet("compute", at, test.era)); got != l.want {
					t.Errorf("at %s: got %q, want %q", l.at, got, l.want)
				}
			}
			end := created.Add(1000 * time.Hour)
			var want any
			if test.stop != never {
				want = agentTime(created.Add(minutes(test.stop)))
			}
			if spec.Agent.Never && test.era == EraA {
				want = ""
			}
			if got := session.describe(end, test.era)["stop_time"]; got != want {
				t.Errorf("stop_time is %v, want %v", got, want)
			}
			errors := make(map[string][]string)
			if d, ok := session.bootSet("compute", end, test.era); ok {
				for _, p := range d.Phases {
					maps.Copy(errors, p.Errors)
				}
			}
			if !maps.EqualFunc(errors, test.errors, slices.Equal) {
				t.Errorf("errors are %v, want %v", errors, test.errors)
			}
		})
	}
}

func TestPhaseTimes(t *testing.T) {
	times := func(era Era) string {
		session := newSession(Spec{ID: "s", Operation: bos.Reboot, Created: created.Truncate(time.Second),
			BootSets: []BootSetSpec{{Name: "compute", Nodes: Nodes(4)}}})
		d, _ := session.bootSet("compute", created.Add(time.Hour), era)
		text := fmt.Sprintf("%s/%s", d.Metadata.StartTime, d.Metadata.StopTime)
		for _, p := range d.Phases {
			text += fmt.Sprintf(" %s %s/%s", p.Name, p.Metadata.StartTime, p.Metadata.StopTime)
		}
		return strings.ReplaceAll(text, "2024-03-05 ", "")
	}
	for era, want := range map[Era]string{
		EraA:  "09:01:05/09:25:10 shutdown 09:01:05/09:05:30 boot 09:06:20/09:16:00 configure 09:01:05/",
		EraB1: "09:01:05/09:25:10 shutdown 09:01:05/ boot 09:06:20/09:16:00 configure 09:01:05/",
		EraC:  "09:01:05/ shutdown 09:01:05/ boot 09:06:20/09:16:00 configure 09:01:05/",
	} {
		if got := times(era); got != want {
			t.Errorf("era %s: got %s\nwant %s", era, got, want)
		}
	}
}

func TestTwoBootSets(t *testing.T) {
	nodes := Nodes(6)
	session := newSession(Spec{ID: "s", Operation: bos.Shutdown, Created: created, BootSets: []BootSetSpec{
		{Name: "a", Nodes: nodes[:4]},
		{Name: "b", Nodes: nodes[3:], Troubles: []Trouble{{Kind: ShutdownFails, Nodes: nodes[3:4]}}},
		{Name: "none"},
	}})
	at := created.Add(minutes("9:39"))
	for name, want := range map[string]string{"a": "shutdown S4", "b": "shutdown S2 F1", "none": "shutdown"} {
		if got := counts(session.bootSet(name, at, EraB2)); got != want {
			t.Errorf("boot set %s: got %q, want %q", name, got, want)
		}
	}
	d, _ := session.bootSet("none", at, EraB2)
	if !d.Metadata.Complete || d.Metadata.StopTime == "" || len(d.Phases) != 1 {
		t.Errorf("an empty boot set should be complete at once: %+v", d)
	}
	if got := session.describe(at, EraB2)["stop_time"]; got != nil {
		t.Errorf("stopped at %v, before the slower boot set", got)
	}
	if got := session.describe(at.Add(time.Second), EraB2)["stop_time"]; got == nil {
		t.Error("not stopped with the slower boot set")
	}
	f := session.describe(at, EraA)
	if f["complete"] != true || f["error_count"] != 1 || f["in_progress"] != false {
		t.Errorf("flags in era A should sum the boot sets: %v", f)
	}
}

func TestLargeBootSet(t *testing.T) {
	nodes := Nodes(11136)
	session := newSession(Spec{ID: "s", Operation: bos.Reboot, Created: created, BootSets: []BootSetSpec{{
		Name: "all", Nodes: nodes, Troubles: []Trouble{{ConfigureFails, nodes[:5000], "no"}}}}})
	want := "shutdown S11136, boot S11136, configure S3068 F5000 I3068"
	if got := counts(session.bootSet("all", created.Add(time.Hour), EraC)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if last := nodes[len(nodes)-1]; last != "x1043c3s7b1n1" {
		t.Errorf("the last node is %s", last)
	}
}

// A state is a function of time: looking at it in any order shows the same.
func TestTimeRunsBothWays(t *testing.T) {
	spec := Spec{ID: "s", Operation: bos.Reboot, Created: created, BootSets: []BootSetSpec{{Name: "compute", Nodes: Nodes(4)}}}
	session := newSession(spec)
	early := created.Add(minutes("6:00"))
	before, _ := session.bootSet("compute", early, EraC)
	session.bootSet("compute", created.Add(time.Hour), EraC)
	after, _ := session.bootSet("compute", early, EraC)
	other, _ := newSession(spec).bootSet("compute", early, EraC)
	for _, d := range []*bootSetDocument{after, other} {
		if got, want := string(document(200, d).body), string(document(200, before).body); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	later, _ := session.bootSet("compute", created.Add(minutes("7:00")), EraC)
	if slices.Equal(later.Phases[2].Categories[4].NodeList, before.Phases[2].Categories[4].NodeList) {
		t.Error("the order of nodes should change with moves")
	}
}

func TestSpecsThatMakeNoSense(t *testing.T) {
	for name, specs := range map[string][]Spec{
		"operation":   {{Operation: "dance"}},
		"node":        {{Operation: bos.Boot, BootSets: []BootSetSpec{{Troubles: []Trouble{{Nodes: Nodes(1)}}}}}},
		"replacement": {{Operation: bos.Boot, Agent: Agent{Replaced: time.Minute}}},
		"twice":       {{ID: "a", Operation: bos.Boot}, {ID: "a", Operation: bos.Boot}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			Scripted(specs...)
		})
	}
}
