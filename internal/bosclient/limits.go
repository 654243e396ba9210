package bosclient

import (
	"cmp"
	"fmt"
)

// maxName is the maximum length of a name in bytes, as it is kept as long as its session.
const maxName = 1 << 10

// Limits are the largest sizes of what a response may hold, as some things take more
// memory than their bytes. Zero stands for the default, which is for documents that
// describe one thing. Four such documents at their limits, and what the exporter keeps
// of a few, fit in a container of 128 MiB.
type Limits struct {
	// Bytes is the size of the response, decompressed: 1 MiB by default.
	Bytes int64
	// String is the length of any string in bytes, even of one that is skipped, and of
	// numbers that are read: 256 KiB by default. 12,000 node names, as in the limit of a
	// session or in an error message, take 200 kB.
	String int
	// Names is the number of names that are read: 120,000 by default. That is of 12,000
	// nodes, each twice in three phases and in their errors, and some more.
	Names int
	// Members is the number of members of all objects, which the decoder remembers to
	// find duplicates: 20,000 by default, for 12,000 different errors and some more.
	Members int
}

func (l Limits) orDefault() Limits {
	return Limits{
		Bytes:   cmp.Or(l.Bytes, 1<<20),
		String:  cmp.Or(l.String, 256<<10),
		Names:   cmp.Or(l.Names, 120_000),
		Members: cmp.Or(l.Members, 20_000),
	}
}

// byteOrderMark is what some programs put at the beginning of UTF-8.
const byteOrderMark = "\uFEFF"

// limitError is the error of something that exceeds its limit.
type limitError string

func (e limitError) Error() string { return string(e) }

// longerThan is the error of something that exceeds a number of bytes.
func longerThan(what string, limit int64) error {
	return limitError(what + " is longer than " + size(limit))
}

// MoreThan is the error of too many of something.
func MoreThan(limit int, what string) error {
	return limitError(fmt.Sprintf("there are more than %d %s", limit, what))
}

// size formats a power of two.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	default:
		return fmt.Sprintf("%d bytes", bytes)
	}
}
