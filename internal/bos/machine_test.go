package bos_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

func TestMachine(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	m := bos.NewMachine(at, []bos.Component{
		{ID: "x0", Enabled: true, Session: "reboot", Status: "power_on_called"},
		{ID: "x1", Enabled: true, Session: "deleted", Status: "power_on_called"},
		{ID: "x2", Enabled: true, Session: "deleted", Status: "on_hold"},
		{ID: "x3", Enabled: false, Session: "deleted", Status: "stable"},
		{ID: "x4", Enabled: true, Status: "stable"}, // enabled by hand
		{ID: "x5"},
	})
	want := &bos.Machine{At: at,
		Nodes: map[bos.ComponentState]int{
			{Status: "power_on_called", Enabled: true}: 2,
			{Status: "on_hold", Enabled: true}:         1,
			{Status: "stable"}:                         1,
			{Status: "stable", Enabled: true}:          1,
			{}:                                         1,
		},
		Enabled: map[string]int{"reboot": 1, "deleted": 2},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("the machine differs (-want +got):\n%s", diff)
	}
	if got := m.Orphans(func(session string) bool { return session == "reboot" }); got != 2 {
		t.Errorf("%d nodes are orphans, want the two of the deleted session that are enabled", got)
	}
}
