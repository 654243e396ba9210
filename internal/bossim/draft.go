package bossim

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"slices"
)

// draft is a session template, merged from the specs that use it.
type draft struct {
	spec *Spec
	sets []BootSetSpec
}

func (m *cluster) draft(spec *Spec) {
	if spec.TemplateDeleted {
		return
	}
	i := slices.IndexFunc(m.drafts, func(d *draft) bool { return d.spec.Template == spec.Template && d.spec.Tenant == spec.Tenant })
	if i < 0 {
		m.drafts = append(m.drafts, &draft{spec: spec, sets: slices.Clone(spec.BootSets)})
		return
	}
	d := m.drafts[i]
	for _, b := range spec.BootSets {
		if !slices.ContainsFunc(d.sets, func(known BootSetSpec) bool { return known.Name == b.Name }) {
			d.sets = append(d.sets, b)
		}
	}
}

func (m *cluster) templates() []template {
	all := make([]template, len(m.drafts))
	for i, d := range m.drafts {
		all[i] = template{d.spec.Template, d.spec.Tenant, d.write}
	}
	return all
}

func (d *draft) write(w *text) {
	sets := slices.Clone(d.sets)
	slices.SortFunc(sets, func(a, b BootSetSpec) int { return cmp.Compare(a.Name, b.Name) })
	w.open("", '{')
	w.open("boot_sets", '{')
	for _, b := range sets {
		target := d.spec.target(&b)
		w.open(b.Name, '{')
		w.string("arch", "X86")
		if target.configuration != "" {
			w.open("cfs", '{')
			w.string("configuration", target.configuration)
			w.close('}')
		}
		w.string("etag", hash(target.image)[:32])
		if b.NodeList {
			w.open("node_list", '[')
			for _, node := range b.Nodes {
				w.string("", node)
			}
			w.close(']')
		} else {
			w.open("node_roles_groups", '[')
			w.string("", "Compute")
			w.close(']')
		}
		w.string("path", "s3://boot-images/"+target.image+"/manifest.json")
		w.string("rootfs_provider", "sbps")
		w.string("type", "s3")
		w.close('}')
	}
	w.close('}')
	w.bool("enable_cfs", !d.spec.NoCFS)
	w.string("name", d.spec.Template)
	w.stringOrNull("tenant", d.spec.Tenant)
	w.close('}')
}

// hash is the hash that BOS stores names under, and sorts by.
func hash(s string) string {
	sum := sha1.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
