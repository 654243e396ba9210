// Package bosv1 reads sessions over the v1 API of BOS, that of CSM up to 1.5.
package bosv1

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// client sends the requests of the v1 API.
type client struct{ *bosclient.Client }

// The resources of BOS v1.
var (
	list        = bosclient.Resource{Name: "list", Alone: true} // GET /v1/session
	description = bosclient.Resource{Name: "session"}           // GET /v1/session/{id}
	status      = bosclient.Resource{Name: "status"}            // GET /v1/session/{id}/status
	// GET /v1/session/{id}/status/{boot set} lists every node once or twice in each
	// phase: 12,000 nodes in three phases take 1 MB, or 2.5 MB if all of them failed
	// with an error.
	bootSet  = bosclient.Resource{Name: "bootset", Limits: bosclient.Limits{Bytes: 4 << 20}}
	template = bosclient.Resource{Name: "template"} // GET /v1/sessiontemplate/{name}
)

// Resources lists the names of the resources of BOS v1 in metrics.
var Resources = []string{list.Name, description.Name, status.Name, bootSet.Name, template.Name}

// maxSessions is the maximum number of sessions in a list, several times as many as those
// at which BOS begins to hang.
const maxSessions = 10_000

// decoder reads documents of the v1 API.
type decoder struct{ *bosclient.Decoder }

// get reads the resource whose path below /v1 consists of the segments.
func (c client) get(ctx context.Context, resource bosclient.Resource, decode func(decoder) error, segments ...string) error {
	request := bosclient.Request{Resource: resource, Path: append([]string{"v1"}, segments...)}
	return c.Get(ctx, request, func(d *bosclient.Decoder) error { return decode(decoder{d}) })
}

// sessions lists the ids of all sessions, in order and each once. BOS reads all data of
// all sessions for it and may hang when there are many, so there is only one such
// request at a time (bos.md, The list that hangs).
func (c client) sessions(ctx context.Context) ([]string, error) {
	var ids []string
	err := c.get(ctx, list, func(d decoder) error {
		return d.Array(func() error {
			id, err := d.Text()
			ids = append(ids, string(id))
			if len(ids) > maxSessions {
				return bosclient.MoreThan(maxSessions, "sessions")
			}
			return err
		})
	}, "session")
	if e := new(bos.Error); errors.As(err, &e) && e.Reason == bos.NotFound {
		e.Detail = "there is no BOS v1 API at this address; CSM 1.6 and later have none"
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// session reads the description of a session: everything but its boot sets.
func (c client) session(ctx context.Context, id string) (*bos.Session, error) {
	s := &bos.Session{ID: id, API: bos.APIv1}
	err := c.get(ctx, description, func(d decoder) error {
		anything := false
		err := d.Object(func(name string) error {
			known, err := d.metadataMember(name, &s.Metadata)
			switch {
			case known:
			case name == "operation":
				s.Operation, err = d.Scalar()
				s.Operation = strings.ToLower(s.Operation)
			case name == "templateName" || name == "templateUuid": // newer, older
				s.Template, err = d.scalarOr(s.Template)
			case name == "job" || name == "boa_job_name": // newer, older
				s.Job, err = d.scalarOr(s.Job)
			default:
				return d.SkipValue()
			}
			anything = true
			return err
		})
		if err == nil && (!anything || s.Operation == "" && s.Template == "" && s.Metadata == (bos.Metadata{})) {
			return errors.New("the description of a session has none of its members, or no value in any but its job")
		}
		return err
	}, "session", id)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// scalarOr reads a scalar and returns it, or old if the scalar is empty.
func (d decoder) scalarOr(old string) (string, error) {
	s, err := d.Scalar()
	if s == "" {
		s = old
	}
	return s, err
}

// sessionBootSets reads the names of a session's boot sets from its status. Only the
// earliest releases give them; no names and no error mean that they are to be taken from
// the session template (bos.md, Boot set names).
func (c client) sessionBootSets(ctx context.Context, id string) ([]string, error) {
	var names []string
	err := c.get(ctx, status, func(d decoder) error {
		anything := false
		err := d.Object(func(member string) error {
			switch {
			case member == "boot_sets" && d.PeekKind() == '[':
				anything = true
				return d.Array(func() error {
					name, err := d.Text()
					names = append(names, string(name))
					return err
				})
			case member == "metadata":
				anything = true
			}
			return d.SkipValue()
		})
		if err == nil && !anything {
			return errors.New("the status of a session has neither boot_sets nor metadata")
		}
		return cmp.Or(err, tooMany(names))
	}, "session", id, "status")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// templateBootSets reads the names of the boot sets of a session template.
func (c client) templateBootSets(ctx context.Context, name string) ([]string, error) {
	var names []string
	err := c.get(ctx, template, func(d decoder) error {
		anything := false
		err := d.Object(func(member string) error {
			if member != "boot_sets" {
				return d.SkipValue()
			}
			anything = true
			return d.Object(func(name string) error {
				names = append(names, name)
				return cmp.Or(d.CheckName([]byte(name)), d.SkipValue())
			})
		})
		if err == nil && !anything {
			return errors.New("the session template has no boot_sets")
		}
		return cmp.Or(err, tooMany(names))
	}, "sessiontemplate", name)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func tooMany(bootSets []string) error {
	if len(bootSets) > maxBootSets {
		return fmt.Errorf("there are %d boot sets, more than the maximum of %d", len(bootSets), maxBootSets)
	}
	return nil
}

// Limits of what a session may hold. BOS has five categories, and templates have a few
// boot sets.
const (
	maxCategories = 32
	maxBootSets   = 256
)

// bootSet reads the status of a boot set. Its phases stand as in the document, and their
// nodes are taken down by the recorder, which EndBootSet is to follow; without an array of
// them the status is a fragment (bos.md, Fragments). A boot set is bos.NotFound until the
// boot agent has reported it.
func (c client) bootSet(ctx context.Context, session, name string, r *bos.Recorder) (*bos.BootSet, error) {
	b := &bos.BootSet{Name: name, Reported: true}
	err := c.get(ctx, bootSet, func(d decoder) error {
		phases := false
		err := d.Object(func(member string) error {
			switch member {
			case "metadata":
				return d.metadata(&b.Metadata)
			case "phases":
				phases = true
				return d.Array(func() error {
					if len(b.Phases) == bos.MaxPhases {
						return fmt.Errorf("%s: more than %d phases", d.Place(), bos.MaxPhases)
					}
					p, err := d.phase(len(b.Phases), r)
					if err != nil {
						return err
					}
					if slices.ContainsFunc(b.Phases, func(q bos.Phase) bool { return q.Name == p.Name }) {
						return fmt.Errorf("the phase %q occurs twice", p.Name)
					}
					b.Phases = append(b.Phases, p)
					return nil
				})
			default:
				return d.SkipValue()
			}
		})
		if err == nil && !phases {
			return errors.New("the status of a boot set has no phases")
		}
		return err
	}, "session", session, "status", name)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (d decoder) phase(index int, r *bos.Recorder) (bos.Phase, error) {
	var p bos.Phase
	var categories []string
	err := d.Object(func(member string) (err error) {
		switch member {
		case "name":
			p.Name, err = d.Name()
		case "metadata":
			err = d.metadata(&p.Metadata)
		case "errors":
			err = d.errors(index, r)
		case "categories":
			err = d.List(func() error {
				if len(categories) == maxCategories {
					return fmt.Errorf("%s: more than %d categories", d.Place(), maxCategories)
				}
				name, err := d.category(index, r)
				if err == nil && slices.Contains(categories, name) {
					err = fmt.Errorf("the category %q occurs twice in a phase", name)
				}
				categories = append(categories, name)
				return err
			})
		default:
			err = d.SkipValue()
		}
		return err
	})
	if err == nil && p.Name == "" {
		err = errors.New("a phase has no name")
	}
	return p, err
}

// category reads a category and returns its name.
func (d decoder) category(phase int, r *bos.Recorder) (name string, err error) {
	var early []string // nodes that stand before the name of their category
	err = d.Object(func(member string) (err error) {
		switch {
		case member == "name":
			name, err = d.Name()
		case member == "node_list" && name == "":
			err = d.List(func() error {
				node, err := d.Text()
				early = append(early, string(node))
				return err
			})
		case member == "node_list":
			err = d.nodes(r, r.Category(phase, name))
		default:
			err = d.SkipValue()
		}
		return err
	})
	if err == nil && name == "" {
		err = errors.New("a category has no name")
	}
	if err != nil {
		return "", err
	}
	into := r.Category(phase, name)
	for _, node := range early {
		into.Add([]byte(node))
	}
	return name, tooManyNodes(r)
}

func (d decoder) nodes(r *bos.Recorder, into bos.Nodes) error {
	return d.List(func() error {
		name, err := d.Text()
		if err != nil {
			return err
		}
		into.Add(name)
		return tooManyNodes(r)
	})
}

func tooManyNodes(r *bos.Recorder) error {
	if r.Unknown() > bos.MaxNodes {
		return bosclient.MoreThan(bos.MaxNodes, "nodes")
	}
	return nil
}

// errors reads the error messages of a phase and the nodes that each is about. Where
// there are none the object is missing; null means the same.
func (d decoder) errors(phase int, r *bos.Recorder) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	return d.Object(func(message string) error { return d.nodes(r, r.Error(phase, message)) })
}

// metadataMember reads the value of a member if it belongs to the metadata.
func (d decoder) metadataMember(name string, m *bos.Metadata) (known bool, err error) {
	switch name {
	case "in_progress":
		m.InProgress, err = d.Flag()
	case "complete":
		m.Complete, err = d.Flag()
	case "error_count":
		m.ErrorCount, err = d.Count()
	case "start_time":
		m.StartTime, err = d.Time()
	case "stop_time":
		m.StopTime, err = d.Time()
	default:
		return false, nil
	}
	return true, err
}

// metadata reads an object of metadata; null and "" are empty ones.
func (d decoder) metadata(m *bos.Metadata) error {
	if d.PeekKind() == 'n' || d.PeekKind() == '"' {
		if s, err := d.Scalar(); err != nil || s != "" {
			return cmp.Or(err, fmt.Errorf("%s: want an object, got a string", d.Place()))
		}
		return nil
	}
	return d.Object(func(name string) error {
		if known, err := d.metadataMember(name, m); known {
			return err
		}
		return d.SkipValue()
	})
}
