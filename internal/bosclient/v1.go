package bosclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Sessions lists the ids of all sessions, in order and each once. BOS reads all
// data of all sessions for it and may hang when there are many, so there is one such
// request at a time (bos.md, The list that hangs).
func (c *Client) Sessions(ctx context.Context) ([]string, error) {
	var ids []string
	err := c.get(ctx, List, func(d *decoder) error {
		return d.array(func() error {
			id, err := d.text()
			ids = append(ids, string(id))
			if len(ids) > maxSessions {
				return moreThan(maxSessions, "sessions")
			}
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
		return cmp.Or(err, tooMany(names))
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
			if d.PeekKind() == 'n' {
				return d.SkipValue()
			}
			return d.object(func(name string) error {
				names = append(names, name)
				return cmp.Or(d.checkName([]byte(name)), d.SkipValue())
			})
		})
		if err == nil && !anything {
			return errors.New("the session template has no boot_sets")
		}
		return cmp.Or(err, tooMany(names))
	}, "sessiontemplate", template)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func tooMany(bootSets []string) error {
	if len(bootSets) > maxBootSets {
		return fmt.Errorf("%d boot sets are more than %d", len(bootSets), maxBootSets)
	}
	return nil
}

// Names are told of the nodes of a boot set as it is read. Phases are told by
// their index in the document, categories in lower case. The bytes of a name are
// valid during the call only. Functions that are nil are not called.
type Names struct {
	Node  func(phase int, category string, node []byte)
	Error func(phase int, message string, node []byte) // node is nil for a message about none
}

// Bounds of what a session may hold. BOS has five categories, and templates a few
// boot sets.
const (
	maxCategories = 32
	maxBootSets   = 256
)

// BootSet reads the status of a boot set. Nodes are counted and told, not kept.
// The phases stand as in the document. It is NotFound as long as the boot agent
// has not reported the boot set.
func (c *Client) BootSet(ctx context.Context, session, name string, names Names) (*bos.BootSet, error) {
	b := &bos.BootSet{Name: name, Reported: true}
	err := c.get(ctx, BootSet, func(d *decoder) error {
		anything := false
		err := d.object(func(member string) error {
			switch member {
			case "name", "session", "id":
				anything = true
				return d.SkipValue()
			case "metadata":
				anything = true
				return d.metadata(&b.Metadata)
			case "phases":
				anything = true
				return d.list(func() error {
					if len(b.Phases) == bos.MaxPhases {
						return fmt.Errorf("%s: more than %d phases", d.place(), bos.MaxPhases)
					}
					p, err := d.phase(len(b.Phases), names)
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
			return errors.New("the status of a boot set has none of its members")
		}
		return err
	}, "session", session, "status", name)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (d *decoder) phase(index int, names Names) (bos.Phase, error) {
	var p bos.Phase
	err := d.object(func(member string) (err error) {
		switch member {
		case "name":
			p.Name, err = d.name()
		case "metadata":
			err = d.metadata(&p.Metadata)
		case "errors":
			err = d.errors(index, names)
		case "categories":
			err = d.list(func() error {
				c, err := d.category(index, names)
				if err != nil {
					return err
				}
				if len(p.Categories) == maxCategories {
					return fmt.Errorf("%s: more than %d categories", d.place(), maxCategories)
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
	slices.SortStableFunc(p.Categories, func(x, y bos.Category) int {
		return bos.PlaceIn(bos.CategoryOrder, x.Name) - bos.PlaceIn(bos.CategoryOrder, y.Name)
	})
	return p, err
}

func (d *decoder) category(phase int, names Names) (bos.Category, error) {
	var c bos.Category
	var early []string // nodes that stand before the name of their category
	err := d.object(func(member string) (err error) {
		switch {
		case member == "name":
			c.Name, err = d.name()
		case member == "node_list" && c.Name == "":
			err = d.list(func() error {
				node, err := d.text()
				early = append(early, string(node))
				return err
			})
		case member == "node_list":
			err = d.nodes(phase, &c, names)
		default:
			err = d.SkipValue()
		}
		return err
	})
	if err == nil && c.Name == "" {
		err = errors.New("a category has no name")
	}
	if err != nil {
		return c, err
	}
	for _, node := range early {
		names.add(phase, &c, []byte(node))
	}
	return c, nil
}

func (d *decoder) nodes(phase int, c *bos.Category, names Names) error {
	return d.list(func() error {
		name, err := d.text()
		if err != nil {
			return err
		}
		names.add(phase, c, name)
		return nil
	})
}

// add counts a node of a category and passes on its name.
func (names Names) add(phase int, c *bos.Category, node []byte) {
	c.Nodes++
	if names.Node != nil {
		names.Node(phase, c.Name, node)
	}
}

// errors reads the error messages of a phase and the nodes that each is about.
// The object is missing where there are none; null is taken for that, too.
func (d *decoder) errors(phase int, names Names) error {
	if names.Error == nil || d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	return d.object(func(message string) error {
		names.Error(phase, message, nil)
		return d.list(func() error {
			node, err := d.text()
			if err == nil {
				names.Error(phase, message, node)
			}
			return err
		})
	})
}
