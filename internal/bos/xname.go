package bos

import (
	"cmp"
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
