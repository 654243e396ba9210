package bosclient

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
)

// maxName is the maximum length of a name in bytes, as it is kept as long as its session.
const maxName = 1 << 10

// Limits are the largest sizes of what a response may hold, as some things take more
// memory than their bytes. Zero stands for the default, which is for documents that
// describe one thing. Four documents at their limits, and what the exporter keeps of
// them, fit in a container of 128 MiB.
type Limits struct {
	// Bytes is the size of the response, decompressed: 1 MiB by default.
	Bytes int64
	// String is the length of any string in bytes, even of one that is skipped, as a
	// decoder holds the whole of it: 256 KiB by default. 12,000 node names, as in the
	// limit of a session or in an error message, take 200 kB.
	String int
	// Names is the number of names that are read: 120,000 by default. That is of 12,000
	// nodes, each twice in three phases and in their errors, and some more.
	Names int
	// Members is the number of members of all objects, which a decoder remembers to
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

// bodyReader reads a JSON document within limits, before a decoder could buffer what
// exceeds them. It skips a byte order mark.
type bodyReader struct {
	r      *bufio.Reader
	limits Limits
	read   int64
	// err is why the body could not be read to its end, which decoders conceal.
	err error

	quoted  bool // within a string
	escaped bool // behind a backslash in it
	length  int  // of the string so far
	members int  // of all objects so far
}

func newBodyReader(r io.Reader, limits Limits) *bodyReader {
	b := &bodyReader{r: bufio.NewReader(r), limits: limits}
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
	case b.read > b.limits.Bytes:
		b.err = longerThan("the response", b.limits.Bytes)
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
	for len(part) > 0 {
		if !b.quoted {
			outside, inside, quote := bytes.Cut(part, []byte{'"'})
			if b.members += bytes.Count(outside, []byte{':'}); b.members > b.limits.Members {
				return MoreThan(b.limits.Members, "members of objects in the response")
			}
			b.quoted, b.length, part = quote, 0, inside
			continue
		}
		n := len(part) // bytes of the string, up to its end or an escape
		end := bytes.IndexByte(part, '"')
		if end >= 0 {
			n = end
		}
		switch backslash := bytes.IndexByte(part[:n], '\\'); {
		case b.escaped:
			b.escaped, n, end = false, 1, -1
		case backslash >= 0:
			b.escaped, n, end = true, backslash+1, -1
		}
		if b.length += n; b.length > b.limits.String {
			return longerThan("a string in the response", int64(b.limits.String))
		}
		if part = part[n:]; end >= 0 {
			b.quoted, part = false, part[1:]
		}
	}
	return nil
}
