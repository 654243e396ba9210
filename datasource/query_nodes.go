package datasource

import (
	"strings"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// nodes has one row for each node, phase and category: a node that is in two
// categories of a phase has two rows, which say so.
func nodes(v *view) (data.Frames, error) {
	var ids, sets, phases, categories, names, cabinets, chassis, slots, bmcs, alsoIn, texts []string
	var numbers []*int64
	rows := v.cut()
	err := v.eachPhaseRoster(func(w inventory.Whole, set string, p bos.PhaseRoster) {
		in := twice(p)
		fates := sync.OnceValue(func() map[string]bos.Fate { return w.Roster.Fates(w.Session.Session) })
		messages := make(map[string]string)
		for _, e := range p.Errors {
			for _, n := range e.Nodes {
				messages[n] = join(messages[n], e.Message)
			}
		}
		for _, c := range p.Categories {
			if !v.query.Category.hasName(c.Name) {
				continue
			}
			for _, n := range c.Nodes {
				if !v.query.hasNode(n) || !rows.fits() {
					continue
				}
				ids = append(ids, w.ID)
				sets = append(sets, set)
				phases = append(phases, p.Name)
				categories = append(categories, c.Name)
				names = append(names, n)
				x, ok := bos.ParseXname(n)
				var place bos.Place
				var number *int64
				if ok {
					place = x.Place()
					i := int64(x.Node)
					number = &i
				}
				cabinets = append(cabinets, place.Cabinet)
				chassis = append(chassis, place.Chassis)
				slots = append(slots, place.Slot)
				bmcs = append(bmcs, place.BMC)
				numbers = append(numbers, number)
				alsoIn = append(alsoIn, others(in[n], c.Name))
				texts = append(texts, remark(w, c.Name, n, fates, messages[n]))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	rows.told(v, "rows of nodes")
	return v.frame(
		v.sessionField(ids),
		v.bootSetField(sets),
		v.phaseField(phases),
		mapped(field("category", "Category", "Where the node is in the phase", categories), categoryColours),
		v.nodeField(names),
		field("cabinet", "Cabinet", "Xname of the cabinet", cabinets),
		field("chassis", "Chassis", "Xname of the chassis", chassis),
		field("slot", "Slot", "Xname of the slot or blade", slots),
		field("bmc", "BMC", "Xname of the BMC", bmcs),
		field("node_number", "Node number", "Number of the node at its BMC", numbers),
		field("also_in", "Also in", "Other categories that the node is in as well: one that did not become ready is in succeeded and failed of boot", alsoIn),
		wide(field("error", "Error", "What BOS says went wrong with the node in the phase; or that it says nothing of a failure; or that the session stopped before the node was done", texts), 420),
	), nil
}

// remark is what is to be said of a node in a category: the message of BOS, or
// what is missing.
func remark(w inventory.Whole, category, node string, fates func() map[string]bos.Fate, message string) string {
	switch {
	case message != "":
		return message
	case category == bos.Failed:
		return noMessage
	case !w.StopTime.IsZero() && (category == bos.NotStarted || category == bos.InProgress) && fates()[node] == bos.FateUnfinished:
		return "unfinished: the session stopped while the node was " + strings.ReplaceAll(category, "_", " ")
	default:
		return ""
	}
}

// noMessage stands where BOS lists a node as failed and has no error for it.
const noMessage = "failed without a message"

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// twice has the categories of the nodes that are in more than one.
func twice(p bos.PhaseRoster) map[string][]string {
	first := make(map[string]string)
	in := make(map[string][]string)
	for _, c := range p.Categories {
		for _, n := range c.Nodes {
			if before, ok := first[n]; !ok {
				first[n] = c.Name
			} else if in[n] == nil {
				in[n] = []string{before, c.Name}
			} else {
				in[n] = append(in[n], c.Name)
			}
		}
	}
	return in
}

// others joins the categories but one.
func others(categories []string, but string) string {
	var rest string
	for _, c := range categories {
		if c != but {
			rest = join(rest, c)
		}
	}
	return rest
}

// eachPhaseRoster calls each with the named nodes of the phases that the query
// takes.
func (v *view) eachPhaseRoster(each func(w inventory.Whole, bootSet string, p bos.PhaseRoster)) error {
	return v.wholes(func(w inventory.Whole) {
		for _, b := range w.Roster.BootSets {
			if !v.query.BootSet.has(b.Name) {
				continue
			}
			for _, p := range b.Phases {
				if v.query.Phase.hasName(p.Name) {
					each(w, b.Name, p)
				}
			}
		}
	})
}
