package bosclient

import (
	"bufio"
	"fmt"
	"io"
)

// Limits of a document besides its size, as some things take more memory than their
// bytes. Four documents at their limits, and what the exporter keeps of them, fit in a
// container of 128 MiB.
const (
	// maxString is the maximum length of any string in bytes, even of one that is
	// skipped: a decoder holds the whole of it. 12,000 node names, as in the limit of
	// a session or in an error message, take 200 kB.
	maxString = 256 << 10
	// maxName is the maximum length of a name, which is kept as long as its session.
	maxName = 1 << 10
	// maxNames is the maximum number of names that are read: of 12,000 nodes, each
	// twice in three phases and in their errors, and some more.
	maxNames = 120_000
	// maxMembers is the maximum number of members of all objects, which a decoder
	// remembers to find duplicates: 12,000 different errors, and some more.
	maxMembers = 20_000
	// maxSessions is the maximum number of sessions in a list, several times as many
	// as those at which BOS begins to hang.
	maxSessions = 10_000
)

// byteOrderMark is what some programs put at the beginning of UTF-8.
const byteOrderMark = "\uFEFF"

// limitError is the error of something that exceeds its limit.
type limitError string

func (e limitError) Error() string { return string(e) }

// longerThan is the error of something that exceeds a number of bytes.
func longerThan(what string, limit int64) error {
	return limitError(what + " is longer than " + size(limit))
}

// moreThan is the error of too many of something.
func moreThan(limit int, what string) error {
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

// bodyReader reads a JSON document within limits, before a decoder could buffer what
// exceeds them. It skips a byte order mark.
type bodyReader struct {
	r     *bufio.Reader
	limit int64
	read  int64
	// err is why the body could not be read to its end, which decoders conceal.
	err error

	quoted  bool // within a string
	escaped bool // behind a backslash in it
	length  int  // of the string so far
	members int  // of all objects so far
}

func newBodyReader(r io.Reader, limit int64) *bodyReader {
	b := &bodyReader{r: bufio.NewReader(r), limit: limit}
	if start, _ := b.r.Peek(len(byteOrderMark)); string(start) == byteOrderMark {
		_, _ = b.r.Discard(len(byteOrderMark)) // has just been peeked
	}
	return b
}

// Read implements io.Reader.
func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	switch {
	case b.read > b.limit:
		b.err = longerThan("the response", b.limit)
	case err != nil && err != io.EOF:
		b.err = err
	default:
		b.err = b.check(p[:n])
	}
	if b.err != nil {
		return 0, b.err
	}
	return n, err
}

// check checks the next part of the document.
func (b *bodyReader) check(part []byte) error {
	for _, c := range part {
		switch {
		case !b.quoted:
			b.quoted, b.length = c == '"', 0
			if c == ':' {
				if b.members++; b.members > maxMembers {
					return moreThan(maxMembers, "members of objects in the response")
				}
			}
			continue
		case b.escaped:
			b.escaped = false
		case c == '\\':
			b.escaped = true
		case c == '"':
			b.quoted = false
			continue
		}
		if b.length++; b.length > maxString {
			return longerThan("a string in the response", maxString)
		}
	}
	return nil
}
