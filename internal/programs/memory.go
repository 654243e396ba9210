package programs

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// MostMemory is the most memory, in MiB, that each program may hold with 1,000 sessions of
// 10,000 nodes each.
const MostMemory = 143 // 150 MB

// Memory returns how much memory a process holds, and the most that it has ever held, in
// MiB. It needs Linux.
func Memory(t testing.TB, pid int) (now, peak float64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	mib := func(name string) float64 {
		m := regexp.MustCompile(name + `:\s*(\d+) kB`).FindSubmatch(status)
		if m == nil {
			t.Fatalf("no %s in %s", name, status)
		}
		kib, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return kib / 1024
	}
	return mib("VmRSS"), mib("VmHWM")
}
