package bos

import (
	"cmp"
	"fmt"
	"strings"
)

// Xname is the physical name of a node: xCABINETcCHASSISsSLOTbBMCnNODE, such as
// x3000c0s19b4n0.
type Xname struct {
	Cabinet, Chassis, Slot, BMC, Node int
}

// ParseXname reads the name of a node in any case, with leading zeros or white
// space around it. Only cabinet (up to four digits) and chassis (0 to 7) are
// bounded: slots, BMCs and nodes beyond the documented numbers do exist. ok is
// false for anything that is not a node.
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

// String is the canonical name of the node.
func (x Xname) String() string { return fmt.Sprintf("%sn%d", x.BMCName(), x.Node) }

// BMCName is the name of the node's BMC, such as x3000c0s19b4.
func (x Xname) BMCName() string { return fmt.Sprintf("%sb%d", x.SlotName(), x.BMC) }

// SlotName is the name of the node's slot or blade, such as x3000c0s19.
func (x Xname) SlotName() string { return fmt.Sprintf("%ss%d", x.ChassisName(), x.Slot) }

// ChassisName is the name of the node's chassis, such as x3000c0.
func (x Xname) ChassisName() string { return fmt.Sprintf("%sc%d", x.CabinetName(), x.Chassis) }

// CabinetName is the name of the node's cabinet, such as x3000.
func (x Xname) CabinetName() string { return fmt.Sprintf("x%d", x.Cabinet) }

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

// CompareNodes orders node names: xnames numerically, then all others as text.
func CompareNodes(a, b string) int {
	x, xok := ParseXname(a)
	y, yok := ParseXname(b)
	switch {
	case xok && yok:
		return cmp.Or(x.Compare(y), cmp.Compare(a, b))
	case xok:
		return -1
	case yok:
		return 1
	default:
		return cmp.Compare(a, b)
	}
}
