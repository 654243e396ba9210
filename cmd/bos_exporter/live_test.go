package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// A session is followed from its creation until its series are dropped.
func TestLive(t *testing.T) {
	begin := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	scenario := bossim.Live(begin, 1)
	w := newWorld(t, scenario, begin)
	p := start(t, "--bos.url="+w.url, "--bos.interval=20ms", "--sessions.linger=1h")
	w.step(2 * time.Second)
	id := scenario.Sessions(w.clock.Now())[0].ID() // the newest: a reboot
	labels := fmt.Sprintf(`session="%s",tenant=""`, id)
	state := func(m metrics) string {
		for _, s := range []string{"pending", "running", "stuck", "succeeded", "partial", "failed", "abandoned", "unknown"} {
			if m.values[`bos_session_state{`+labels+`,state="`+s+`"}`] == 1 {
				return s
			}
		}
		return "none"
	}
	nodes := func(m metrics, phase, category string) float64 {
		return m.values[fmt.Sprintf(`bos_category_nodes{%s,bootset="compute",phase="%s",category="%s"}`, labels, phase, category)]
	}

	m := p.metrics()
	if state(m) != "pending" || !strings.Contains(m.text, `bos_session_info{`+labels+`,operation="reboot"`) {
		t.Fatalf("just created, the session is %s", state(m))
	}
	if strings.Contains(m.text, `bos_category_nodes{`+labels) {
		t.Error("nodes are served before the boot agent has reported any")
	}

	// Step until it ends, and record what is seen on the way.
	var seen []string
	note := func(s string) {
		if len(seen) == 0 || seen[len(seen)-1] != s {
			seen = append(seen, s)
		}
	}
	for range 60 {
		w.step(30 * time.Second)
		m = p.metrics()
		var where []string
		for _, phase := range []string{"shutdown", "boot", "configure"} {
			for _, category := range []string{"not_started", "in_progress", "succeeded"} {
				if n := nodes(m, phase, category); n == 64 {
					where = append(where, phase+" "+category)
				} else if n > 0 && category == "succeeded" {
					where = append(where, phase+" in part")
				}
			}
		}
		note(state(m) + ": " + strings.Join(where, ", "))
		if state(m) != "pending" && state(m) != "running" {
			break
		}
	}
	wantSeen := []string{
		"pending: ",
		"running: shutdown in_progress, boot not_started, configure in_progress",
		"running: shutdown succeeded, boot not_started, configure in_progress",
		"running: shutdown succeeded, boot succeeded, configure in_progress",
		"running: shutdown succeeded, boot succeeded, configure in part",
		"succeeded: shutdown succeeded, boot succeeded, configure succeeded",
	}
	remaining := seen
	for _, s := range wantSeen {
		i := slices.Index(remaining, s)
		if i < 0 {
			t.Fatalf("%q is missing or out of order in\n%s", s, strings.Join(seen, "\n"))
		}
		remaining = remaining[i+1:]
	}

	// Once it stops it is read a last time, and then causes no more requests.
	w.step(2 * time.Minute)
	if p.metrics().values[`bos_session_stop_time_seconds{`+labels+`}`] == 0 {
		t.Fatal("the session has no stop time")
	}
	requests := w.requests()
	for path, n := range requests {
		if strings.Contains(path, id) {
			t.Errorf("the ended session is still requested: %s, %d times", path, n)
		}
	}
	if requests["session"] != 1 || len(requests) < 2 {
		t.Errorf("requests of a sweep: %v, want one list and some running sessions", requests)
	}
	m = p.metrics()
	m.want(t, `bos_session_nodes{`+labels+`}`, 64)
	if m.values[`bos_session_completions_total{operation="reboot",state="succeeded"}`] < 1 {
		t.Error("its completion is not counted")
	}

	// After the linger its series are dropped although BOS still lists it.
	for range 10 {
		w.step(5 * time.Minute)
	}
	if !strings.Contains(p.metrics().text, labels) {
		t.Error("its series are dropped before the linger is over")
	}
	w.step(15 * time.Minute)
	m = p.metrics()
	if strings.Contains(m.text, labels) {
		t.Error("its series are still served after the linger")
	}
	if _, listed := scenario.Session(id, w.clock.Now()); !listed {
		t.Fatal("BOS no longer lists it, so this says nothing about the linger")
	}
	// Meanwhile, others got stuck or failed, wholly or in part.
	for _, s := range []string{"stuck", "failed", "partial", "succeeded"} {
		n := 0.0
		for _, operation := range []string{"boot", "configure", "reboot", "shutdown"} {
			n += m.values[fmt.Sprintf(`bos_sessions{operation="%s",state="%s"}`, operation, s)]
		}
		if n == 0 {
			t.Errorf("no session is %s", s)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for method := range w.methods {
		if method != "GET" {
			t.Errorf("BOS received a %s", method)
		}
	}
}
