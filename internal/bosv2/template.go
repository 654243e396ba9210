package bosv2

import (
	"context"
	"slices"
	"strings"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Values of bos.BootSet.Derived, for boot sets that BOS does not name itself.
const (
	fromNodeList = "node_list" // the template lists the nodes of the boot set
	fromImage    = "image"     // image and configuration are those of the boot set
	fromTemplate = "template"  // it stands for all nodes of which nothing better is known
)

type templateKey struct{ tenant, name string }

// templateEntry is the result of reading a template.
type templateEntry struct {
	sets []bootSet
	err  error // bos.NotFound, or nil
}

// template returns the boot sets of the template of a session; none if it is gone.
// Templates are read once in a sweep, not for longer: one may be edited between two
// sessions that use it.
func (r *reader) template(ctx context.Context, s *bos.Session) ([]bootSet, error) {
	if s.Template == "" {
		return nil, nil
	}
	key := templateKey{s.Tenant, s.Template}
	r.mu.Lock()
	e, read := r.templates[key]
	r.mu.Unlock()
	if read {
		return e.sets, nil
	}
	sets, err := r.client.template(ctx, s.Tenant, s.Template)
	if err != nil && bos.ReasonOf(err) != bos.NotFound {
		return nil, err
	}
	r.mu.Lock()
	r.templates[key] = templateEntry{sets, err}
	r.mu.Unlock()
	return sets, nil
}

// place is the boot set that a node is put in.
type place struct{ name, derived string }

// placeOf concludes which boot set a node is in: BOS does not say. The only one of the
// template is sure. A node that is in several obeys the last of them.
func placeOf(c *bos.Component, s *bos.Session, sets []bootSet) place {
	if len(sets) == 1 {
		return place{sets[0].name, ""}
	}
	for _, set := range slices.Backward(sets) {
		if set.nodes[c.ID] {
			return place{set.name, fromNodeList}
		}
	}
	var found []*bootSet
	for i := range sets {
		if b := &sets[i]; b.nodes == nil && sameImage(c.Kernel, b.path) {
			found = append(found, b)
		}
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(b *bootSet) bool { return b.configuration != c.Configuration.Value })
	}
	if len(found) != 1 {
		return rest(s)
	}
	return place{found[0].name, fromImage}
}

// rest is the boot set of nodes of which nothing better is known.
func rest(s *bos.Session) place { return place{s.Template, fromTemplate} }

// sameImage reports whether kernel and manifest are of one image: then they lie in the same
// directory.
func sameImage(kernel, manifest string) bool {
	i, j := strings.LastIndexByte(kernel, '/'), strings.LastIndexByte(manifest, '/')
	return i > 0 && j > 0 && kernel[:i] == manifest[:j]
}
