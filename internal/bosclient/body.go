package bosclient

import (
	"bufio"
	"fmt"
	"io"
)

// Maximum lengths in bytes.
const (
	// maxString is that of any string in a document, even one that is skipped: a
	// decoder holds the whole of it. 12,000 node names, as in the limit of a
	// session or in an error message, take 200 kB.
	maxString = 256 << 10
	// maxName is that of a name, which is kept for as long as the session.
	maxName = 1 << 10
)

// byteOrderMark is what some programs put at the beginning of UTF-8.
const byteOrderMark = "\uFEFF"

// limitError is the error of something that is larger than its limit.
type limitError struct {
	what  string
	limit int64
}

func (e limitError) Error() string { return e.what + " is longer than " + size(e.limit) }

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

// bodyReader reads a JSON document of limited size with strings of limited length.
// It skips a byte order mark.
type bodyReader struct {
	r     *bufio.Reader
	limit int64
	read  int64
	// err is why the body could not be read to its end, which decoders conceal.
	err error

	quoted  bool // within a string
	escaped bool // behind a backslash in it
	length  int  // of the string so far
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
		b.err = limitError{"the response", b.limit}
	case b.tooLong(p[:n]):
		b.err = limitError{"a string in the response", maxString}
	case err != nil && err != io.EOF:
		b.err = err
	default:
		return n, err
	}
	return 0, b.err
}

// tooLong tells whether the string at the end of a part of the document, or one
// that ends in it, exceeds maxString.
func (b *bodyReader) tooLong(part []byte) bool {
	for _, c := range part {
		switch {
		case !b.quoted:
			b.quoted, b.length = c == '"', 0
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
			return true
		}
	}
	return false
}
