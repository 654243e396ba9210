package bosv2_test

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// numbers are those of the status of a session.
type numbers struct{ managed, stable, failed, staged int }

// told are the numbers that the server gives at this moment, recovered from its percentages.
func (r *rig) told(k bos.Key) (state string, n numbers) {
	r.t.Helper()
	var doc struct {
		Status     string
		Managed    int     `json:"managed_components_count"`
		Successful float64 `json:"percent_successful"`
		Failed     float64 `json:"percent_failed"`
		Staged     float64 `json:"percent_staged"`
	}
	w := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "/v2/sessions/"+k.ID+"/status", nil)
	if k.Tenant != "" {
		req.Header.Set("Cray-Tenant-Name", k.Tenant)
	}
	r.sim.ServeHTTP(w, req)
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != http.StatusOK {
		r.t.Fatalf("status of %v: code %d, %v", k, w.Code, err)
	}
	share := func(percent float64) int { return int(math.Round(percent * float64(doc.Managed) / 100)) }
	return doc.Status, numbers{doc.Managed, share(doc.Successful), share(doc.Failed), share(doc.Staged)}
}

// ours are the same numbers as they follow from the categories of a session none of whose
// nodes were taken over.
func ours(s *inventory.Session) numbers {
	n := numbers{managed: s.Nodes.Nodes(), stable: s.Nodes.Succeeded, staged: s.StagedNodes}
	for _, b := range s.BootSets {
		var failed bos.NodeSet
		for i := range b.Phases {
			failed = failed.Union(b.Phases[i].In(bos.Failed))
		}
		n.failed += failed.Len()
	}
	return n
}

// The numbers of nodes are those of the server's own status, at every moment of every
// course, and each node is in one category of a phase.
func TestNumbersAreThoseOfTheServer(t *testing.T) {
	all := bossim.Nodes(16)
	some := func(kind bossim.Kind) bossim.Trouble {
		return bossim.Trouble{Kind: kind, Nodes: all[3:6], Message: "HTTPError: 503"}
	}
	one := func(operation string, troubles ...bossim.Trouble) bossim.Spec {
		s := spec("s1", operation)
		s.BootSets = []bossim.BootSetSpec{{Name: "compute", Nodes: all, Troubles: troubles}}
		return s
	}
	several := one(bos.Reboot)
	several.BootSets = []bossim.BootSetSpec{
		{Name: "listed", Nodes: all[:5], NodeList: true, Troubles: []bossim.Trouble{{Kind: bossim.NeverReady, Nodes: all[:2]}}},
		{Name: "other", Nodes: all[5:], Image: "another", Configuration: "another", Troubles: []bossim.Trouble{{Kind: bossim.ConfigureFails, Nodes: all[7:9]}}},
	}
	disabled := one(bos.Reboot, some(bossim.NeverReady))
	disabled.Disabled = []bossim.Act{{After: 4 * time.Minute, Nodes: all[8:10]}}
	noCFS := one(bos.Boot, some(bossim.PowerOnRefused))
	noCFS.NoCFS = true
	slow := one(bos.Reboot)
	slow.Agent.LostFrom, slow.Agent.LostTo = 3*time.Minute, 9*time.Minute
	for _, tt := range []struct {
		name string
		spec bossim.Spec
		era  bossim.Era
	}{
		{"all is well", one(bos.Reboot), bossim.EraD2},
		{"shutdown", one(bos.Shutdown, some(bossim.ShutdownFails)), bossim.EraD1},
		{"reboot never ready", one(bos.Reboot, some(bossim.NeverReady)), bossim.EraD2},
		{"boot never ready", one(bos.Boot, some(bossim.NeverReady)), bossim.EraBoth},
		{"boot of nodes that are on", one(bos.Boot, some(bossim.AlreadyOn)), bossim.EraD2},
		{"ready on a retry", one(bos.Reboot, some(bossim.ReadyOnRetry)), bossim.EraD1},
		{"power-on refused", noCFS, bossim.EraD2},
		{"forced off", one(bos.Reboot, some(bossim.ForcedOff)), bossim.EraBoth},
		{"configuration fails", one(bos.Reboot, some(bossim.ConfigureFails)), bossim.EraD2},
		{"unknown to PCS", one(bos.Reboot, some(bossim.NotInPCS)), bossim.EraD1},
		{"unknown to CFS", one(bos.Boot, some(bossim.NotInCFS)), bossim.EraD2},
		{"disabled by hand", disabled, bossim.EraD2},
		{"several boot sets", several, bossim.EraD2},
		{"operators pause", slow, bossim.EraD1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, bossim.Scripted(tt.spec), tt.era)
			ended := false
			for step := 0; step < 150 && !ended; step++ {
				r.sweep(40 * time.Second)
				s := r.session(key("s1"))
				if s.Err != nil {
					t.Fatalf("after %s: %v", r.clock.Now().Sub(began), s.Err)
				}
				state, want := r.told(key("s1"))
				if state == "pending" {
					continue
				}
				if got := ours(s); got != want {
					t.Errorf("after %s, %s: managed, stable, failed, staged: %v, want %v", r.clock.Now().Sub(began), state, got, want)
				}
				for _, b := range s.BootSets {
					for i := range b.Phases {
						if twice := b.Phases[i].InSeveral(); !twice.Empty() {
							t.Errorf("after %s: nodes in several categories of %s: %v", r.clock.Now().Sub(began), b.Phases[i].Name, r.Snapshot().Nodes.Names(twice))
						}
					}
				}
				ended = !s.StopTime.IsZero()
			}
			if !ended {
				t.Error("the session has not ended")
			}
		})
	}
}
