package bossim

import "github.com/bos-exporter/bos-exporter/internal/bos"

// Nodes are the names of the first n compute nodes of a large machine: cabinets
// from x1000 of eight chassis, each with eight blades of four nodes, so 256 to a
// cabinet and 32 to a chassis.
func Nodes(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = bos.Xname{
			Cabinet: 1000 + i/256,
			Chassis: i / 32 % 8,
			Slot:    i / 4 % 8,
			BMC:     i / 2 % 2,
			Node:    i % 2,
		}.String()
	}
	return names
}

// LoginNodes are the names of the first n nodes for users to log in to, in a
// standard rack.
func LoginNodes(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = bos.Xname{Cabinet: 3000, Slot: 11 + 2*i}.String()
	}
	return names
}
