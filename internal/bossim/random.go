package bossim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Random is a history that follows from a seed: so many sessions, created at any time
// from one day to another. They take each other's nodes, fail, are stuck forever, are
// staged or belong to tenants; they are deleted at any time, their ids are used again, and
// v1 and v2 have sessions of one id. They are kept for as long as given, 0 forever. There
// are at most 64 nodes.
func Random(seed uint64, from, to time.Time, sessions int, keep time.Duration) Scenario {
	rng := rand.New(rand.NewPCG(seed, 0))
	one := func(in int) bool { return rng.IntN(in) == 0 }
	nodes := Nodes(64)
	scenario := newScripted()
	free := make(map[string]time.Time) // ids that were used, and from when they are free
	for i := range sessions {
		spec := Spec{
			ID:        fmt.Sprintf("s%d-%d", seed, i),
			Operation: bos.Operations[rng.IntN(len(bos.Operations))],
			Template:  fmt.Sprintf("template-%d", rng.IntN(3)),
			// In order, so that ids are free again.
			Created: from.Add(to.Sub(from) * time.Duration(i) / time.Duration(sessions)).Add(time.Duration(rng.IntN(60)) * time.Second).Truncate(time.Second),
			NoCFS:   one(3),
			API:     []API{ByEra, V1, V2}[rng.IntN(3)],
		}
		if keep > 0 {
			spec.Deleted = spec.Created.Add(keep)
		}
		if one(2) {
			early := spec.Created.Add(time.Duration(rng.IntN(48*60)) * time.Minute)
			if keep == 0 || early.Before(spec.Deleted) {
				spec.Deleted = early
			}
		}
		for _, id := range slices.Sorted(maps.Keys(free)) {
			if !free[id].After(spec.Created) && one(4) {
				spec.ID = id
				break
			}
		}
		if spec.API == V2 && one(3) {
			spec.Tenant = []string{"blue", "green"}[rng.IntN(2)]
		}
		if spec.API == V2 && spec.Operation != bos.Configure && one(4) {
			spec.Stage = true
			if one(2) {
				spec.Applied = []Act{{After: time.Duration(rng.IntN(300)) * time.Minute}}
			}
		}
		if one(6) {
			spec.Agent.Killed = time.Duration(1+rng.IntN(30)) * time.Minute
		}
		for j := range 1 + rng.IntN(2) {
			at := rng.IntN(len(nodes) - 8)
			set := BootSetSpec{Name: fmt.Sprintf("set-%d", j), Nodes: nodes[at : at+1+rng.IntN(8)]}
			if one(2) {
				set.Troubles = []Trouble{{Kind: Kind(rng.IntN(int(kindCount))), Nodes: set.Nodes[:1]}}
			}
			spec.BootSets = append(spec.BootSets, set)
		}
		delete(free, spec.ID)
		if !spec.Deleted.IsZero() {
			free[spec.ID] = spec.Deleted.Add(time.Minute)
		}
		scenario.add(spec)
		if spec.API == V1 && one(5) { // v2 has a session of the same id
			twin := spec
			twin.API, twin.Created = V2, spec.Created.Add(time.Duration(rng.IntN(600))*time.Second)
			if twin.Deleted.IsZero() || twin.Deleted.After(twin.Created) {
				scenario.add(twin)
				delete(free, spec.ID) // it is not told which of them is deleted
			}
		}
	}
	return scenario
}
