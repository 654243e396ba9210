package bosv2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// client sends the requests of the v2 API.
type client struct{ *bosclient.Client }

// Limits of what BOS may send.
const (
	// maxNodeList is the size of the names of all nodes in one string: BOS allows 524,288
	// characters.
	maxNodeList = 640 << 10
	// maxSessions is the maximum number of sessions in a list, and maxNames the size of
	// all names that they have and give, in bytes.
	maxSessions = 10_000
	maxNames    = 2 << 20
	// maxBootSets is the maximum number of boot sets of a template. Most have one.
	maxBootSets = 256
	// maxMessage is how much is kept of an error message, and maxLimit of the limit of a
	// session, both in bytes. Once those in a list, or the different errors of the nodes
	// of a session, have come to maxTexts, it is maxBrief of each.
	maxMessage = 1 << 10
	maxLimit   = 4 << 10
	maxTexts   = 2 << 20
	maxBrief   = 100
)

// The resources of BOS v2.
var (
	// GET /v2/sessions: a session takes 400 bytes, and 15 more for each of its nodes.
	list = bosclient.Resource{Name: "list", Alone: true, Limits: bosclient.Limits{
		Bytes: 512 << 20, String: maxNodeList, Names: 16 * maxSessions, Members: 32 * maxSessions}}
	// GET /v2/sessions/{name}
	description = bosclient.Resource{Name: "session", Limits: bosclient.Limits{String: maxNodeList}}
	// GET /v2/sessions/{name}/status
	status = bosclient.Resource{Name: "status", Limits: bosclient.Limits{Bytes: 8 << 20}}
	// GET /v2/components: a node takes up to 3.3 kB, and has about 40 members. Releases
	// without paging send all nodes at once.
	components = bosclient.Resource{Name: "components", Limits: bosclient.Limits{
		Bytes: 128 << 20, Names: 32 * bos.MaxNodes, Members: 64 * bos.MaxNodes}}
	// GET /v2/sessiontemplates/{name}
	template = bosclient.Resource{Name: "template"}
	// GET /v2/options
	options = bosclient.Resource{Name: "options"}
)

// Resources lists the names of the resources of BOS v2 in metrics.
var Resources = []string{list.Name, description.Name, status.Name, components.Name, template.Name, options.Name}

// decoder reads documents of the v2 API. Any member may be missing, null or empty.
type decoder struct{ *bosclient.Decoder }

// get reads the resource whose path below /v2 consists of the segments.
func (c client) get(ctx context.Context, r bosclient.Resource, tenant string, query url.Values, decode func(decoder) error, segments ...string) error {
	request := bosclient.Request{Resource: r, Path: append([]string{"v2"}, segments...), Query: query, Tenant: tenant}
	return c.Get(ctx, request, func(d *bosclient.Decoder) error { return decode(decoder{d}) })
}

// object is like Object, but accepts null for an empty object.
func (d decoder) object(member func(name string) error) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	return d.Object(member)
}

// record is a session as BOS describes it.
type record struct {
	*bos.Session
	state      string // pending, running, complete, or "" if BOS does not say
	components string // the names of its nodes, separated by commas
	wrong      error  // says which of its values makes no sense, if one does
}

// The states of sessions.
const (
	statePending  = "pending"
	stateRunning  = "running"
	stateComplete = "complete"
)

// sessions lists the sessions that are in a state, or all of them if it is "".
func (c client) sessions(ctx context.Context, state string) (records []record, err error) {
	query := url.Values{}
	if state != "" {
		query.Set("status", state)
	}
	err = c.get(ctx, list, "", query, func(d decoder) error {
		names, texts := 0, 0
		most := extent{limit: maxLimit, message: maxMessage}
		return d.Array(func() error {
			r, err := d.session(most)
			if err != nil {
				return err
			}
			if names += len(r.ID) + len(r.Tenant) + len(r.Template) + len(r.Operation); names > maxNames {
				return bosclient.MoreThan(maxNames>>20, "MiB of names of sessions")
			}
			if texts += len(r.Limit) + len(r.SetupError); texts > maxTexts {
				most = extent{limit: maxBrief, message: maxBrief}
			}
			if r.ID == "" {
				return fmt.Errorf("%s: a session has no name", d.Place())
			}
			if records = append(records, r); len(records) > maxSessions {
				return bosclient.MoreThan(maxSessions, "sessions")
			}
			return nil
		})
	}, "sessions")
	if e := new(bos.Error); errors.As(err, &e) && e.Reason == bos.NotFound {
		e.Detail = "there is no BOS v2 API at this address; it came with CSM 1.3"
	}
	return records, err
}

// session reads the description of a session, with the names of its nodes.
func (c client) session(ctx context.Context, k bos.Key) (r record, err error) {
	err = c.get(ctx, description, k.Tenant, nil, func(d decoder) (err error) {
		r, err = d.session(extent{limit: maxLimit, message: maxMessage, nodes: maxNodeList})
		return cmp.Or(err, r.wrong)
	}, "sessions", k.ID)
	if err != nil {
		return r, err
	}
	r.ID, r.Tenant = k.ID, k.Tenant
	return r, nil
}

// extent is how much is kept of the texts of a session, in bytes.
type extent struct {
	limit, message int
	nodes          int // 0 if the names of the nodes are not wanted: they are most of a session
}

// session reads the record of a session.
func (d decoder) session(most extent) (record, error) {
	r := record{Session: &bos.Session{API: bos.APIv2}}
	pass := func(err error) error { // over what makes no sense, to what follows
		if _, ok := errors.AsType[bosclient.NonsenseError](err); ok {
			r.wrong = cmp.Or(r.wrong, err)
			return nil
		}
		return err
	}
	err := d.Object(func(name string) (err error) {
		switch name {
		case "name":
			r.ID, err = d.Scalar()
		case "tenant":
			r.Tenant, err = d.Scalar()
		case "operation":
			r.Operation, err = d.Word()
			r.Operation = strings.ToLower(r.Operation)
		case "template_name":
			r.Template, err = d.Scalar()
		case "limit":
			r.Limit, err = d.Prose(most.limit)
		case "stage":
			r.Staged, err = d.flag()
		case "include_disabled":
			r.IncludeDisabled, err = d.flag()
		case "status":
			err = d.object(func(name string) (err error) {
				switch name {
				case "start_time":
					r.StartTime, err = d.Time()
				case "end_time":
					r.StopTime, err = d.Time()
				case "status":
					r.state, err = d.Word()
					r.state = strings.ToLower(r.state)
				case "error":
					r.SetupError, err = d.Prose(most.message)
				default:
					err = d.SkipValue()
				}
				return pass(err)
			})
		case "components":
			if most.nodes == 0 {
				return d.SkipValue()
			}
			r.components, err = d.Prose(most.nodes)
		default:
			err = d.SkipValue()
		}
		return pass(err)
	})
	if r.state != "" {
		r.InProgress, r.Complete = bos.Some(r.state == stateRunning), bos.Some(r.state == stateComplete)
		if r.state != stateComplete {
			r.StopTime = time.Time{}
		}
	}
	return r, err
}

func (d decoder) flag() (bool, error) {
	f, err := d.Flag()
	return f.Value, err
}

// counts are the numbers of nodes in the status of a session.
type counts struct {
	final                   bool // they were saved at the end of the session
	known                   bool
	managed, stable, failed int
}

// status reads the numbers of nodes of a session. BOS gives percentages of the nodes that
// it manages for it, rounded to two places.
func (c client) status(ctx context.Context, k bos.Key) (n counts, err error) {
	var stable, failed float64
	err = c.get(ctx, status, k.Tenant, nil, func(d decoder) error {
		return d.Object(func(name string) (err error) {
			switch name {
			case "status":
				var state string
				state, err = d.Word()
				n.final = strings.EqualFold(state, stateComplete)
			case "managed_components_count":
				var managed bos.Optional[int]
				managed, err = d.Count()
				n.managed, n.known = managed.Value, managed.Present
			case "percent_successful":
				stable, err = d.percent()
			case "percent_failed":
				failed, err = d.percent()
			default:
				err = d.SkipValue()
			}
			return err
		})
	}, "sessions", k.ID, "status")
	n.stable, n.failed = n.share(stable), n.share(failed)
	return n, err
}

// share is how many nodes a percentage stands for, exactly so below 10,000 nodes.
func (n counts) share(percent float64) int {
	return int(math.Round(percent * float64(n.managed) / 100))
}

func (d decoder) percent() (float64, error) {
	s, err := d.Word()
	if err != nil || s == "" {
		return 0, err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= 100) {
		return 0, d.Nonsense("%q is not a percentage", s)
	}
	return f, nil
}

// pageSize is how many components are asked for at once. BOS does as much itself.
const pageSize = 2800

// components calls each with every component that the query selects, in no particular
// order and perhaps more than once. The component is only valid during the call.
//
// Releases before 2.32 do not know pages, and send everything at once: then there is more
// than was asked for, or what came before comes again.
func (c client) components(ctx context.Context, tenant string, query url.Values, each func(*component) error) error {
	after, total := "", 0
	for {
		page := url.Values{"page_size": {strconv.Itoa(pageSize)}}
		maps.Copy(page, query)
		if after != "" {
			page.Set("start_after_id", after)
		}
		last, n, again := after, 0, false
		err := c.get(ctx, components, tenant, page, func(d decoder) error {
			var node component
			return d.Array(func() error {
				node = component{}
				if err := d.component(&node); err != nil {
					return err
				}
				if node.ID == "" {
					return fmt.Errorf("%s: a component has no id", d.Place())
				}
				n++
				again = again || after != "" && node.ID <= after
				last = max(last, node.ID)
				return each(&node)
			})
		}, "components")
		if err != nil {
			return err
		}
		if total += n; total > 2*bos.MaxNodes {
			return &bos.Error{Reason: bos.Malformed, URL: c.Address("v2", "components"), Detail: bosclient.MoreThan(2*bos.MaxNodes, "components").Error()}
		}
		if n != pageSize || again {
			return nil
		}
		after = last
	}
}

// component is what BOS says of a node.
type component struct {
	bos.Component
	stagedConfiguration bos.Optional[string]
	stagedKernel        string
}

// as returns what is known of the node for a session. If it is staged, and not yet applied,
// what counts is what the node is to run then.
func (c *component) as(session string) *bos.Component {
	if c.Session != session && c.StagedSession == session {
		c.Configuration, c.Kernel = c.stagedConfiguration, c.stagedKernel
	}
	return &c.Component
}

// component reads what BOS says of a node.
func (d decoder) component(c *component) error {
	return d.Object(func(name string) (err error) {
		switch name {
		case "id":
			c.ID, err = d.Scalar()
		case "enabled":
			c.Enabled, err = d.flag()
		case "error":
			c.Error, err = d.Prose(maxMessage)
		case "session":
			c.Session, err = d.OptionalText()
		case "retry_policy":
			c.RetryPolicy, err = d.whole()
		case "status":
			err = d.object(func(name string) (err error) {
				switch name {
				case "phase":
					c.Phase, err = d.OptionalText()
				case "status":
					c.Status, err = d.OptionalText()
				default:
					err = d.SkipValue()
				}
				return err
			})
		case "last_action":
			err = d.object(func(name string) (err error) {
				switch name {
				case "action":
					c.Action, err = d.OptionalText()
				case "last_updated":
					c.ActionTime, err = d.Time()
				default:
					err = d.SkipValue()
				}
				return err
			})
		case "event_stats":
			err = d.object(func(name string) (err error) {
				var n bos.Optional[int]
				switch name {
				case "power_on_attempts":
					n, err = d.Count()
					c.PowerOns = n.Value
				case "power_off_graceful_attempts", "power_off_forceful_attempts":
					n, err = d.Count()
					c.PowerOffs += n.Value
				default:
					err = d.SkipValue()
				}
				return err
			})
		case "desired_state":
			err = d.bootState(&c.Configuration, &c.Kernel, nil)
		case "staged_state":
			err = d.bootState(&c.stagedConfiguration, &c.stagedKernel, &c.StagedSession)
		default:
			err = d.SkipValue()
		}
		return err
	})
}

// bootState reads what a node is to run.
func (d decoder) bootState(configuration *bos.Optional[string], kernel, session *string) error {
	return d.object(func(name string) (err error) {
		switch {
		case name == "configuration":
			configuration.Present = d.PeekKind() == '"'
			configuration.Value, err = d.OptionalText()
		case name == "session" && session != nil:
			*session, err = d.OptionalText()
		case name == "boot_artifacts":
			err = d.object(func(name string) (err error) {
				if name == "kernel" {
					*kernel, err = d.OptionalText()
					return err
				}
				return d.SkipValue()
			})
		default:
			err = d.SkipValue()
		}
		return err
	})
}

// whole reads a whole number, which may be negative.
func (d decoder) whole() (bos.Optional[int], error) {
	s, err := d.Word()
	if err != nil || s == "" {
		return bos.Optional[int]{}, err
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return bos.Optional[int]{}, d.Nonsense("%q is not a whole number", s)
	}
	return bos.Some(n), nil
}

// bootSet is a boot set of a template.
type bootSet struct {
	name          string
	nodes         map[string]bool // nil if it does not name them
	path          string          // of the manifest of the image
	configuration string
}

// template reads the boot sets of a session template, in the order in which BOS works
// through them.
func (c client) template(ctx context.Context, tenant, name string) (sets []bootSet, err error) {
	err = c.get(ctx, template, tenant, nil, func(d decoder) error {
		some := false
		err := d.Object(func(name string) error {
			if name != "boot_sets" || d.PeekKind() == 'n' {
				return d.SkipValue()
			}
			some = true
			return d.Object(func(name string) error {
				if err := d.CheckName([]byte(name)); err != nil {
					return err
				}
				set, err := d.bootSet()
				set.name = name
				if sets = append(sets, set); len(sets) > maxBootSets {
					return bosclient.MoreThan(maxBootSets, "boot sets")
				}
				return err
			})
		})
		if err == nil && !some {
			return errors.New("the template has no boot_sets")
		}
		return err
	}, "sessiontemplates", name)
	return sets, err
}

func (d decoder) bootSet() (set bootSet, err error) {
	err = d.object(func(name string) (err error) {
		switch name {
		case "node_list":
			err = d.List(func() error {
				node, err := d.Text()
				if set.nodes == nil {
					set.nodes = make(map[string]bool)
				}
				set.nodes[string(node)] = true
				return err
			})
		case "path":
			set.path, err = d.Scalar()
		case "cfs":
			err = d.object(func(name string) (err error) {
				if name == "configuration" {
					set.configuration, err = d.Scalar()
					return err
				}
				return d.SkipValue()
			})
		default:
			err = d.SkipValue()
		}
		return err
	})
	return set, err
}

// waits are the times that BOS is set up to wait, in seconds; 0 if it does not say.
type waits struct{ powerOff, boot, poll int }

// options reads what BOS is set up to do.
func (c client) options(ctx context.Context) (w waits, err error) {
	err = c.get(ctx, options, "", nil, func(d decoder) error {
		return d.Object(func(name string) (err error) {
			var n bos.Optional[int]
			switch name {
			case "max_power_off_wait_time":
				n, err = d.Count()
				w.powerOff = n.Value
			case "max_boot_wait_time":
				n, err = d.Count()
				w.boot = n.Value
			case "polling_frequency":
				n, err = d.Count()
				w.poll = n.Value
			default:
				err = d.SkipValue()
			}
			return err
		})
	}, "options")
	return w, err
}
