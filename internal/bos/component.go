package bos

import "time"

// Component is what BOS v2 says of a node as it is now, whoever acts on it. Any member may
// be missing in its answer; it is then zero here.
type Component struct {
	ID            string
	Enabled       bool
	Error         string
	Session       string // the session that acts on the node, or acted on it last
	StagedSession string // the session that is staged for it
	Phase         string // powering_off, powering_on, configuring or ""
	Status        string // status.status, the override included
	Action        string // the last action of BOS
	ActionTime    time.Time
	PowerOns      int // attempts since the session began, or since BOS last reset them
	PowerOffs     int // the same, graceful and forceful ones together
	// Configuration is that of the desired state: present and empty where none is wanted.
	Configuration Optional[string]
	Kernel        string // path of the desired kernel, which tells the image
	RetryPolicy   Optional[int]
}
