package bosclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Sessions lists the ids of all sessions, in order and each once. BOS reads all
// data of all sessions for it and may hang when there are many: have one such
// request under way at most (bos.md, The list that hangs).
func (c *Client) Sessions(ctx context.Context) ([]string, error) {
	var ids []string
	err := c.get(ctx, List, func(d *decoder) error {
		return d.array(func() error {
			id, err := d.text()
			ids = append(ids, string(id))
			return err
		})
	}, "session")
	if e := new(Error); errors.As(err, &e) && e.Reason == NotFound {
		e.Detail = "there is no BOS v1 API at this address; CSM 1.6 and later have none"
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Session describes a session: everything but its boot sets.
func (c *Client) Session(ctx context.Context, id string) (*bos.Session, error) {
	s := &bos.Session{ID: id, API: bos.APIv1}
	err := c.get(ctx, Session, func(d *decoder) error {
		anything := false
		err := d.object(func(name string) error {
			known, err := d.metadataMember(name, &s.Metadata)
			switch {
			case known:
			case name == "operation":
				s.Operation, err = d.scalar()
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
		if err == nil && !anything {
			return errors.New("the description of a session has none of its members")
		}
		return err
	}, "session", id)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// scalarOr reads a scalar and returns it, or old if it is empty.
func (d *decoder) scalarOr(old string) (string, error) {
	s, err := d.scalar()
	if s == "" {
		s = old
	}
	return s, err
}

// SessionBootSets reads the names of a session's boot sets from its status. Only
// the earliest releases give them; none without an error means that the session
// template must tell (bos.md, Boot set names).
func (c *Client) SessionBootSets(ctx context.Context, id string) ([]string, error) {
	var names []string
	err := c.get(ctx, Status, func(d *decoder) error {
		anything := false
		err := d.object(func(member string) error {
			switch {
			case member == "boot_sets" && d.PeekKind() == '[':
				anything = true
				return d.array(func() error {
					name, err := d.text()
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
		return err
	}, "session", id, "status")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// TemplateBootSets reads the names of the boot sets of a session template.
func (c *Client) TemplateBootSets(ctx context.Context, template string) ([]string, error) {
	var names []string
	err := c.get(ctx, Template, func(d *decoder) error {
		anything := false
		err := d.object(func(member string) error {
			if member != "boot_sets" {
				return d.SkipValue()
			}
			anything = true
			return d.object(func(name string) error {
				names = append(names, name)
				return d.SkipValue()
			})
		})
		if err == nil && !anything {
			return errors.New("the session template has no boot_sets")
		}
		return err
	}, "sessiontemplate", template)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// NodeFunc is told of each node of a boot set as it is read: the index of its
// phase in the document, its category in lower case, and its name, which is valid
// during the call only.
type NodeFunc func(phase int, category string, node []byte)

// BootSet reads the status of a boot set. Nodes are counted and, unless node is
// nil, told; they are not kept. The phases stand as in the document. It is
// NotFound as long as the boot agent has not reported the boot set.
func (c *Client) BootSet(ctx context.Context, session, name string, node NodeFunc) (*bos.BootSet, error) {
	b := &bos.BootSet{Name: name, Reported: true}
	err := c.get(ctx, BootSet, func(d *decoder) error {
		anything := false
		err := d.object(func(member string) error {
			switch member {
			case "metadata":
				return d.metadata(&b.Metadata)
			case "phases":
				anything = true
				return d.array(func() error {
					if len(b.Phases) == bos.MaxPhases {
						return fmt.Errorf("%s: more than %d phases", d.place(), bos.MaxPhases)
					}
					p, err := d.phase(len(b.Phases), node)
					if err != nil {
						return err
					}
					if slices.ContainsFunc(b.Phases, func(q bos.Phase) bool { return q.Name == p.Name }) {
						return fmt.Errorf("the phase %q stands twice", p.Name)
					}
					b.Phases = append(b.Phases, p)
					return nil
				})
			default:
				return d.SkipValue()
			}
		})
		if err == nil && !anything {
			return errors.New("the status of a boot set has no phases")
		}
		return err
	}, "session", session, "status", name)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (d *decoder) phase(index int, node NodeFunc) (bos.Phase, error) {
	var p bos.Phase
	err := d.object(func(member string) (err error) {
		switch member {
		case "name":
			p.Name, err = d.name()
		case "metadata":
			err = d.metadata(&p.Metadata)
		case "categories":
			err = d.array(func() error {
				c, err := d.category(index, node)
				if err != nil {
					return err
				}
				if slices.ContainsFunc(p.Categories, func(o bos.Category) bool { return o.Name == c.Name }) {
					return fmt.Errorf("the category %q stands twice in a phase", c.Name)
				}
				p.Categories = append(p.Categories, c)
				return nil
			})
		default:
			err = d.SkipValue()
		}
		return err
	})
	if err == nil && p.Name == "" {
		err = errors.New("a phase has no name")
	}
	slices.SortStableFunc(p.Categories, func(a, b bos.Category) int {
		return place(a.Name) - place(b.Name)
	})
	return p, err
}

// place orders categories: known ones first, in their order.
func place(category string) int {
	if i := slices.Index(bos.CategoryOrder, category); i >= 0 {
		return i
	}
	return len(bos.CategoryOrder)
}

func (d *decoder) category(phase int, node NodeFunc) (bos.Category, error) {
	var c bos.Category
	var early []byte // a node list that stands before the name it belongs to
	err := d.object(func(member string) (err error) {
		switch {
		case member == "name":
			c.Name, err = d.name()
		case member == "node_list" && c.Name == "":
			early, err = d.ReadValue()
			early = slices.Clone(early)
		case member == "node_list":
			err = d.nodes(phase, &c, node)
		default:
			err = d.SkipValue()
		}
		return err
	})
	switch {
	case err != nil:
		return c, err
	case c.Name == "":
		return c, errors.New("a category has no name")
	case early != nil:
		err = decodeAll(bytes.NewReader(early), func(d *decoder) error { return d.nodes(phase, &c, node) })
	}
	return c, err
}

func (d *decoder) nodes(phase int, c *bos.Category, node NodeFunc) error {
	return d.array(func() error {
		name, err := d.text()
		if err != nil {
			return err
		}
		c.Nodes++
		if node != nil {
			node(phase, c.Name, name)
		}
		return nil
	})
}
