package bos

import "slices"

// Categories that BOS knows. Other names pass through.
const (
	NotStarted = "not_started"
	InProgress = "in_progress"
	Succeeded  = "succeeded"
	Failed     = "failed"
	Excluded   = "excluded"
	OnHold     = "on_hold"    // v2: given up, because BOS has lost sight of the node
	Superseded = "superseded" // v2: taken over by another session before it was done
)

// Unfinished is no category of BOS: it stands beside Failed, Succeeded and Excluded where
// what became of nodes is told, whichever phase they are in.
const Unfinished = "unfinished"

// CategoryOrder is the order in which categories are shown.
var CategoryOrder = []string{NotStarted, InProgress, Succeeded, Failed, Excluded, OnHold, Superseded}

// CommonCategories are those that sessions of every API have.
var CommonCategories = CategoryOrder[:5]

// worst lists the categories by urgency, the most urgent first; "" stands for any other.
var worst = []string{Failed, OnHold, InProgress, NotStarted, Unfinished, "", Succeeded, Excluded, Superseded}

// WorstFirst orders categories by urgency: nodes that failed come first, then unfinished
// ones, those in unknown categories last, then the rest.
func WorstFirst(a, b string) int {
	place := func(category string) int {
		if i := slices.Index(worst, category); i >= 0 {
			return i
		}
		return slices.Index(worst, "")
	}
	return place(a) - place(b)
}

// Tally counts distinct nodes by what became of them. Each node is counted once.
type Tally struct {
	Failed     int // in any phase
	Unfinished int // not started or in progress
	Succeeded  int
	Excluded   int
}

// Nodes is the number of distinct nodes.
func (t Tally) Nodes() int { return t.Failed + t.Unfinished + t.Succeeded + t.Excluded }

// Plus adds up two tallies.
func (t Tally) Plus(u Tally) Tally {
	return Tally{t.Failed + u.Failed, t.Unfinished + u.Unfinished, t.Succeeded + u.Succeeded, t.Excluded + u.Excluded}
}
