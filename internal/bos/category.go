package bos

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

// fate is what became of a node, the worst last. A node in a category that is
// not known here is unfinished: success is claimed on evidence only.
type fate uint8

const (
	fateExcluded fate = iota
	fateSucceeded
	fateUnfinished
	fateFailed
)

func (r rank) fate() fate {
	switch r {
	case rankFailed:
		return fateFailed
	case rankSucceeded:
		return fateSucceeded
	case rankExcluded:
		return fateExcluded
	default:
		return fateUnfinished
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

func (t *Tally) add(f fate) {
	switch f {
	case fateFailed:
		t.Failed++
	case fateSucceeded:
		t.Succeeded++
	case fateExcluded:
		t.Excluded++
	default:
		t.Unfinished++
	}
}
