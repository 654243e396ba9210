package inventory

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackOffDoublesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b backOff
		start := time.Now()
		var tries []time.Duration
		for since := time.Duration(0); since < 40*time.Minute; since += 30 * time.Second {
			if b.over() {
				tries = append(tries, time.Since(start))
				b.failed(0, 10*time.Minute)
			}
			time.Sleep(30 * time.Second)
		}
		m := time.Minute
		if want := []time.Duration{0, m / 2, m, 2 * m, 4 * m, 8 * m, 16 * m, 26 * m, 36 * m}; !slices.Equal(tries, want) {
			t.Errorf("tried at %v, want %v", tries, want)
		}
	})
}
