package bos

import (
	"slices"
	"testing"
	"time"
)

// full is a reading in which everything is known that can be.
func full() *Session {
	known := func(m *Metadata) {
		m.InProgress, m.Complete, m.ErrorCount = Some(false), Some(true), Some(2)
		m.StartTime, m.StopTime = start, at(time.Hour)
	}
	s := reading(Reboot, time.Hour,
		reported("computes",
			testPhase{name: Shutdown, nodes: in{NotStarted: nil, Succeeded: span(1, 4)}},
			testPhase{name: Boot, nodes: in{NotStarted: nil, Succeeded: span(1, 2), Failed: span(3, 4)}}),
		testBootSet{name: "late"})
	s.Template, s.Job = "cle", "boa-1"
	known(&s.Metadata)
	known(&s.BootSets[0].Metadata)
	for i := range s.BootSets[0].Phases {
		known(&s.BootSets[0].Phases[i].Metadata)
	}
	return s
}

func TestLostNamesWhatWasKnown(t *testing.T) {
	const inComputes = ` of boot set "computes"`
	const inBoot = ` of phase "boot"` + inComputes
	for _, tt := range []struct {
		name   string
		change func(before, after *Session)
		want   []string
	}{
		{"nothing changed", func(_, _ *Session) {}, nil},
		{"template", func(_, s *Session) { s.Template = "" }, []string{"template"}},
		{"operation", func(_, s *Session) { s.Operation = "" }, []string{"operation"}},
		{"job", func(_, s *Session) { s.Job = "" }, []string{"job"}},
		{"flags and count", func(_, s *Session) { s.Metadata = Metadata{StartTime: start, StopTime: start} },
			[]string{"in_progress", "complete", "error_count"}},
		{"start time", func(_, s *Session) { s.StartTime = time.Time{} }, []string{"start time"}},
		{"stop time", func(_, s *Session) { s.StopTime = time.Time{} }, []string{"stop time"}},
		{"another value is no loss", func(_, s *Session) {
			s.Job, s.Complete, s.ErrorCount = "boa-2", Some(false), Some(0)
		}, nil},
		{"what was never known is no loss", func(before, s *Session) {
			before.Metadata, s.Metadata = Metadata{}, Metadata{}
			before.Template, s.Template = "", ""
		}, nil},
		{"a boot set that was reported", func(_, s *Session) { s.BootSets = s.BootSets[1:] }, []string{`boot set "computes"`}},
		{"a report", func(_, s *Session) { s.BootSets[0] = BootSet{Name: "computes"} }, []string{`boot set "computes"`}},
		{"a boot set that was not reported is no loss", func(_, s *Session) { s.BootSets = s.BootSets[:1] }, nil},
		{"metadata of a boot set", func(_, s *Session) { s.BootSets[0].Metadata = Metadata{} },
			[]string{"in_progress" + inComputes, "complete" + inComputes, "error_count" + inComputes, "start time" + inComputes, "stop time" + inComputes}},
		{"metadata of a phase", func(_, s *Session) { s.BootSets[0].Phases[1].Metadata = Metadata{} },
			[]string{"in_progress" + inBoot, "complete" + inBoot, "error_count" + inBoot, "start time" + inBoot, "stop time" + inBoot}},
		{"stop times, while the agent may have been replaced, are no loss", func(before, s *Session) {
			before.StopTime, s.StopTime = time.Time{}, time.Time{}
			s.BootSets[0].StopTime, s.BootSets[0].Phases[1].StopTime = time.Time{}, time.Time{}
		}, nil},
		{"a phase", func(_, s *Session) { s.BootSets[0].Phases = s.BootSets[0].Phases[:1] }, []string{`phase "boot"` + inComputes}},
		{"a category", func(_, s *Session) {
			p := &s.BootSets[0].Phases[1]
			p.Categories = slices.DeleteFunc(p.Categories, func(c Category) bool { return c.Name == Failed })
		}, []string{`category "failed"` + inBoot}},
		{"all nodes of a phase", func(_, s *Session) { s.BootSets[0].Phases[1].Nodes = Tally{} }, []string{"all nodes" + inBoot}},
		{"some nodes are no loss", func(_, s *Session) { s.BootSets[0].Phases[1].Nodes = Tally{Failed: 1} }, nil},
		{"all nodes back at not started are no loss", func(_, s *Session) { s.BootSets[0].Phases[1].Nodes = Tally{Unfinished: 4} }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after := full(), full()
			tt.change(before, after)
			if got := after.Lost(before); !slices.Equal(got, tt.want) {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestIDUsedAgainIsAnotherSession(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Session)
		want   bool
	}{
		{"nothing changed", func(*Session) {}, true},
		{"what may change", func(s *Session) { s.Job, s.StopTime, s.BootSets = "boa-2", at(2*time.Hour), nil }, true},
		{"a fragment", func(s *Session) { s.Template, s.Operation, s.StartTime = "", "", time.Time{} }, true},
		{"another template", func(s *Session) { s.Template = "uan" }, false},
		{"another operation", func(s *Session) { s.Operation = Boot }, false},
		{"another start", func(s *Session) { s.StartTime = start.Add(time.Second) }, false},
		{"the start in another zone", func(s *Session) { s.StartTime = start.In(time.FixedZone("", 3600)) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := full()
			tt.change(s)
			if got := s.SameAs(full()); got != tt.want {
				t.Errorf("the same session: %t, want %t", got, tt.want)
			}
		})
	}
}
