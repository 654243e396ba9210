package exporter

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"slices"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// blocks are what has been written, in order. Unlike a buffer they are never copied to grow.
type blocks [][]byte

// blockSize is the size in bytes of a block that follows others.
const blockSize = 32 << 10

// Write implements io.Writer.
func (b *blocks) Write(p []byte) (int, error) {
	last := len(*b) - 1
	if last < 0 || len((*b)[last])+len(p) > cap((*b)[last]) {
		size := len(p) // all that many texts need
		if last >= 0 {
			size = max(size, blockSize)
		}
		*b, last = append(*b, make([]byte, 0, size)), last+1
	}
	(*b)[last] = append((*b)[last], p...)
	return len(p), nil
}

// size returns how many bytes they are.
func (b blocks) size() int {
	n := 0
	for _, p := range b {
		n += len(p)
	}
	return n
}

// after returns what follows the first n bytes.
func (b blocks) after(n int) blocks {
	for len(b) > 0 && n >= len(b[0]) {
		n, b = n-len(b[0]), b[1:]
	}
	rest := slices.Clone(b)
	if n > 0 {
		rest[0] = rest[0][n:]
	}
	return rest
}

// coded is the beginning of a text in a content coding.
//
// Its parts could be complete members of gzip or frames of zstd, one after the other.
// Prometheus reads them, but many clients stop after the first, so all parts make one.
type coded struct {
	coding string
	blocks blocks
	sum    uint32 // the CRC-32 of the text and
	size   int    // its length, which end a gzip member
}

// coder codes the beginning of a text, which is written to it.
type coder struct {
	coded
	w interface { // writes to the blocks; nil without a coding
		io.Writer
		Flush() error
	}
}

// newCoder returns a coder of the content coding gzip, zstd or "", which is none.
func newCoder(coding string) (*coder, error) {
	c := &coder{coded: coded{coding: coding}}
	switch coding {
	case "gzip":
		c.w = gzip.NewWriter(&c.blocks)
	case "zstd":
		// A checksum would have to be that of what follows, too.
		w, err := zstd.NewWriter(&c.blocks, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, err
		}
		c.w = w
	}
	return c, nil
}

// Write implements io.Writer.
func (c *coder) Write(p []byte) (int, error) {
	if c.w == nil {
		return c.blocks.Write(p)
	}
	c.sum, c.size = crc32.Update(c.sum, crc32.IEEETable, p), c.size+len(p)
	return c.w.Write(p)
}

// flush returns all that has been written. Nothing can be written after that.
func (c *coder) flush() (*coded, error) {
	if c.w != nil {
		if err := c.w.Flush(); err != nil { // and not Close: what follows does that
			return nil, err
		}
	}
	begun := c.coded // without what the coder works with
	return &begun, nil
}

// code codes the beginning of a text.
func code(coding string, text blocks) (*coded, error) {
	if coding == "" {
		return &coded{blocks: text}, nil
	}
	c, err := newCoder(coding)
	if err != nil {
		return nil, err
	}
	for _, p := range text {
		if _, err := c.Write(p); err != nil {
			return nil, err
		}
	}
	return c.flush()
}

// end returns the rest of the text in the same coding.
func (c *coded) end(text []byte) ([]byte, error) {
	switch c.coding {
	case "gzip":
		var rest bytes.Buffer
		if err := flate.StatelessDeflate(&rest, text, true, nil); err != nil {
			return nil, err
		}
		end := binary.LittleEndian.AppendUint32(rest.Bytes(), crc32.Update(c.sum, crc32.IEEETable, text))
		return binary.LittleEndian.AppendUint32(end, uint32(c.size+len(text))), nil
	case "zstd":
		return c.endFrame(text)
	}
	return text, nil
}

// endFrame returns text as the last blocks of a frame of zstd, as it is: the library begins
// each stream with a frame of its own.
func (c *coded) endFrame(text []byte) ([]byte, error) {
	const (
		last = 1        // the bit in the header of a block; its size follows from the fourth on
		most = 64 << 10 // bytes of a block; twice as many are allowed
	)
	var rest []byte
	if len(c.blocks) == 0 { // nor has the library begun a frame
		header := zstd.Header{WindowSize: most}
		var err error
		if rest, err = header.AppendTo(rest); err != nil {
			return nil, err
		}
	}
	for {
		n := min(len(text), most)
		header := uint32(n) << 3
		if n == len(text) {
			header |= last
		}
		rest = append(rest, byte(header), byte(header>>8), byte(header>>16))
		rest, text = append(rest, text[:n]...), text[n:]
		if len(text) == 0 {
			return rest, nil
		}
	}
}

// send responds with the text, and the rest of it behind it. It returns an error if it has
// not sent anything.
func (c *coded) send(w http.ResponseWriter, rest []byte) error {
	rest, err := c.end(rest)
	if err != nil {
		return err
	}
	if c.coding != "" {
		w.Header().Set("Content-Encoding", c.coding)
	}
	for _, p := range c.blocks {
		if _, err := w.Write(p); err != nil {
			return nil // the client has gone
		}
	}
	_, _ = w.Write(rest)
	return nil
}
