package bos

import "slices"

// Categories that BOS knows. Other names pass through.
const (
	NotStarted = "not_started"
	InProgress = "in_progress"
	Succeeded  = "succeeded"
	Failed     = "failed"
	Excluded   = "excluded"
)

// CategoryOrder is the order in which categories are shown.
var CategoryOrder = []string{NotStarted, InProgress, Succeeded, Failed, Excluded}

// rank orders categories by precedence: a node that is in several categories of
// a phase counts in the one of the highest rank (bos.md, Nodes in two
// categories). Zero means that a node is in no category at all.
type rank uint8

const (
	rankAbsent rank = iota
	rankOther
	rankExcluded
	rankSucceeded
	rankNotStarted
	rankInProgress
	rankFailed
)

func rankOf(category string) rank {
	switch category {
	case Failed:
		return rankFailed
	case InProgress:
		return rankInProgress
	case NotStarted:
		return rankNotStarted
	case Succeeded:
		return rankSucceeded
	case Excluded:
		return rankExcluded
	default:
		return rankOther
	}
}

// worst are categories by how much their nodes ask to be looked at, the most first.
var worst = []string{Failed, InProgress, NotStarted, "", Succeeded, Excluded}

// WorstFirst compares categories so that those come first whose nodes ask to be looked
// at: failed, then unfinished ones, of which those that are not known here are the last,
// then the rest.
func WorstFirst(a, b string) int {
	place := func(category string) int {
		if i := slices.Index(worst, category); i >= 0 {
			return i
		}
		return slices.Index(worst, "")
	}
	return place(a) - place(b)
}

// Fate is what became of a node.
type Fate uint8

// The fates, the worst last. A node in a category that is not known here is
// unfinished: success is claimed on evidence only.
const (
	FateExcluded Fate = iota
	FateSucceeded
	FateUnfinished // not started or in progress
	FateFailed
)

func (r rank) fate() Fate {
	switch r {
	case rankFailed:
		return FateFailed
	case rankSucceeded:
		return FateSucceeded
	case rankExcluded:
		return FateExcluded
	default:
		return FateUnfinished
	}
}

// Tally counts distinct nodes by what became of them. Every node is in exactly
// one of the four numbers.
type Tally struct {
	Failed     int // in any phase
	Unfinished int // not started or in progress
	Succeeded  int
	Excluded   int
}

// Nodes is the number of distinct nodes.
func (t Tally) Nodes() int { return t.Failed + t.Unfinished + t.Succeeded + t.Excluded }

// Add counts a node.
func (t *Tally) Add(f Fate) {
	switch f {
	case FateFailed:
		t.Failed++
	case FateSucceeded:
		t.Succeeded++
	case FateExcluded:
		t.Excluded++
	default:
		t.Unfinished++
	}
}
