package datasource

import (
	"strings"

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
	err := v.eachPhaseRoster(func(w inventory.Whole, set string, p bos.PhaseRoster, fates map[string]bos.Fate) {
		in := make(map[string][]string) // the categories of each node
		for _, c := range p.Categories {
			for _, n := range c.Nodes {
				in[n] = append(in[n], c.Name)
			}
		}
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
				var cabinet, chass, slot, bmc string
				var number *int64
				if ok {
					cabinet, chass, slot, bmc = x.CabinetName(), x.ChassisName(), x.SlotName(), x.BMCName()
					i := int64(x.Node)
					number = &i
				}
				cabinets = append(cabinets, cabinet)
				chassis = append(chassis, chass)
				slots = append(slots, slot)
				bmcs = append(bmcs, bmc)
				numbers = append(numbers, number)
				alsoIn = append(alsoIn, others(in[n], c.Name))
				texts = append(texts, remark(w, c.Name, fates[n], messages[n]))
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
		field("error", "Error", "What BOS says went wrong with the node in the phase; or that it says nothing of a failure; or that the session stopped before the node was done", texts),
	), nil
}

// remark is what is to be said of a node in a category: the message of BOS, or
// what is missing.
func remark(w inventory.Whole, category string, fate bos.Fate, message string) string {
	switch {
	case message != "":
		return message
	case category == bos.Failed:
		return noMessage
	case !w.StopTime.IsZero() && fate == bos.FateUnfinished && (category == bos.NotStarted || category == bos.InProgress):
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
// takes, and with what became of the nodes of their session.
func (v *view) eachPhaseRoster(each func(w inventory.Whole, bootSet string, p bos.PhaseRoster, fates map[string]bos.Fate)) error {
	return v.wholes(func(w inventory.Whole) {
		fates := w.Roster.Fates(w.Session.Session)
		for _, b := range w.Roster.BootSets {
			if !v.query.BootSet.has(b.Name) {
				continue
			}
			for _, p := range b.Phases {
				if v.query.Phase.hasName(p.Name) {
					each(w, b.Name, p, fates)
				}
			}
		}
	})
}
