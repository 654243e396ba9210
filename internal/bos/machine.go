package bos

import "time"

// Machine counts the components of BOS v2: the machine as it is at a time, whoever acts on
// it.
type Machine struct {
	// At is when the first of the components was asked for, by our clock.
	At time.Time
	// Nodes is the number of nodes by what BOS says of them.
	Nodes map[ComponentState]int
	// Enabled is the number of enabled nodes by the name of their session; BOS acts on
	// them. It leaves out those that belong to none, and is nil if that is not known.
	Enabled map[string]int
}

// ComponentState is what BOS says of a node.
type ComponentState struct {
	Status  string
	Enabled bool
}

// NewMachine counts components.
func NewMachine(at time.Time, components []Component) *Machine {
	m := &Machine{At: at, Nodes: make(map[ComponentState]int), Enabled: make(map[string]int)}
	for i := range components {
		c := &components[i]
		m.Nodes[ComponentState{c.Status, c.Enabled}]++
		if c.Enabled && c.Session != "" {
			m.Enabled[c.Session]++
		}
	}
	return m
}

// Orphans is the number of enabled nodes whose session is not there.
func (m *Machine) Orphans(there func(session string) bool) int {
	orphans := 0
	for session, nodes := range m.Enabled {
		if !there(session) {
			orphans += nodes
		}
	}
	return orphans
}
