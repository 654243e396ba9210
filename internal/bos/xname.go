package bos

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Xname is the physical name of a node: xCABINETcCHASSISsSLOTbBMCnNODE, such as
// x3000c0s19b4n0.
type Xname struct {
	Cabinet, Chassis, Slot, BMC, Node int
}

// ParseXname parses the xname of a node, in any case and with leading zeros or
// surrounding white space. Only the cabinet (up to four digits) and the chassis (0 to 7)
// are bounded: slots, BMCs and nodes beyond the documented numbers exist. ok is false
// for anything but the name of a node.
func ParseXname(name string) (x Xname, ok bool) {
	rest := strings.ToLower(strings.TrimSpace(name))
	for _, field := range []struct {
		letter byte
		into   *int
	}{{'x', &x.Cabinet}, {'c', &x.Chassis}, {'s', &x.Slot}, {'b', &x.BMC}, {'n', &x.Node}} {
		if rest == "" || rest[0] != field.letter {
			return Xname{}, false
		}
		rest = rest[1:]
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			*field.into = *field.into*10 + int(rest[digits]-'0')
			digits++
			if *field.into > 1e8 {
				return Xname{}, false
			}
		}
		if digits == 0 {
			return Xname{}, false
		}
		rest = rest[digits:]
	}
	if rest != "" || x.Cabinet > 9999 || x.Chassis > 7 {
		return Xname{}, false
	}
	return x, true
}

// String returns the canonical name of the node.
func (x Xname) String() string {
	return x.Place().Node
}

// Place names a node and everything that contains it: x3000c0s19b4n0 is on the BMC
// x3000c0s19b4, in the slot x3000c0s19, the chassis x3000c0 and the cabinet x3000.
type Place struct {
	Cabinet, Chassis, Slot, BMC, Node string
}

// Place returns the names of the node and of everything that contains it.
func (x Xname) Place() Place {
	// All names are prefixes of the name of the node.
	var ends [5]int
	name := make([]byte, 0, 24)
	for i, n := range [5]int{x.Cabinet, x.Chassis, x.Slot, x.BMC, x.Node} {
		name = strconv.AppendInt(append(name, "xcsbn"[i]), int64(n), 10)
		ends[i] = len(name)
	}
	node := string(name)
	return Place{node[:ends[0]], node[:ends[1]], node[:ends[2]], node[:ends[3]], node}
}

// Level is a kind of place.
type Level string

// Levels of places.
const (
	AtCabinet Level = "cabinet"
	AtChassis Level = "chassis"
	AtSlot    Level = "slot"
	AtBMC     Level = "bmc"
	AtNode    Level = "node"
)

// Levels lists the levels of places, from the largest to the single node.
var Levels = []Level{AtCabinet, AtChassis, AtSlot, AtBMC, AtNode}

// At returns the name of the place at a level.
func (p Place) At(l Level) string {
	switch l {
	case AtCabinet:
		return p.Cabinet
	case AtChassis:
		return p.Chassis
	case AtSlot:
		return p.Slot
	case AtBMC:
		return p.BMC
	default:
		return p.Node
	}
}

// Between returns the part of the xname that tells where a place of the level inner is in
// one of the level outer: all other numbers are 0.
func (x Xname) Between(outer, inner Level) Xname {
	for i, number := range []*int{&x.Cabinet, &x.Chassis, &x.Slot, &x.BMC, &x.Node} {
		if i <= slices.Index(Levels, outer) || i > slices.Index(Levels, inner) {
			*number = 0
		}
	}
	return x
}

// Pattern returns the glob pattern of the names of the nodes in a place of the level.
func (l Level) Pattern(place string) string {
	switch l {
	case AtCabinet:
		return place + "c*"
	case AtChassis:
		return place + "s*"
	case AtSlot:
		return place + "b*"
	case AtBMC:
		return place + "n*"
	default:
		return place
	}
}

// Compare orders xnames numerically, field by field.
func (x Xname) Compare(y Xname) int {
	return cmp.Or(
		cmp.Compare(x.Cabinet, y.Cabinet),
		cmp.Compare(x.Chassis, y.Chassis),
		cmp.Compare(x.Slot, y.Slot),
		cmp.Compare(x.BMC, y.BMC),
		cmp.Compare(x.Node, y.Node),
	)
}
