package bosclient

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Decoder reads a JSON document in one pass, without holding it in memory.
type Decoder struct {
	scanner
	read int // names so far
}

// decodeAll passes the JSON value of a stream to decode and refuses anything after it.
// Broken is why the document could not be read to its end, if the reason is not what it
// says: an error of the stream or a limitError.
func decodeAll(r io.Reader, limits Limits, decode func(*Decoder) error) (err, broken error) {
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
	d := &Decoder{scanner: scanner{r: r, limits: limits.orDefault(), buf: w.buffer[:0], habits: &w.habits}}
	d.skipMark()
	if err = decode(d); err == nil {
		err = d.end()
	}
	return err, d.failed
}

// PeekKind returns what the next value is, and does not read it.
func (d *Decoder) PeekKind() Kind { return kinds[d.next()] }

// SkipValue reads a value of any kind.
func (d *Decoder) SkipValue() error { return d.skip() }

// Object calls member with the name of each member of an object; member reads the value.
func (d *Decoder) Object(member func(name string) error) error { return d.object(member) }

// Array calls element for each element of an array; element reads it.
func (d *Decoder) Array(element func() error) error { return d.array(element) }

// List is like Array, but accepts null for an empty one.
func (d *Decoder) List(element func() error) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	return d.Array(element)
}

// Prose reads a string, or null for "", that may be longer than a name: an error message,
// or a list of nodes. Beyond most bytes it is cut, which an ellipsis shows.
func (d *Decoder) Prose(most int) (string, error) {
	if d.PeekKind() == 'n' {
		return "", d.SkipValue()
	}
	if d.PeekKind() != '"' {
		return "", d.unexpected('"')
	}
	text, err := d.text()
	if err != nil {
		return "", err
	}
	return Cut(bytes.TrimSpace(text), most), nil
}

// Cut returns a text, or the first bytes of one that is longer than most bytes, which an
// ellipsis shows.
func Cut[T ~string | ~[]byte](text T, most int) string {
	if len(text) <= most {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "…"
}

// Text reads a string that is a name. Its bytes are valid until the next read.
func (d *Decoder) Text() ([]byte, error) {
	if d.PeekKind() != '"' {
		return nil, d.unexpected('"')
	}
	text, err := d.text()
	if err != nil {
		return nil, err
	}
	return text, d.CheckName(text)
}

// OptionalText is like Text, but accepts null for "".
func (d *Decoder) OptionalText() (string, error) {
	if d.PeekKind() == 'n' {
		return "", d.SkipValue()
	}
	text, err := d.Text()
	return d.share(text), err
}

// share returns a text as a string.
func (d *Decoder) share(text []byte) string { return d.shared(text, maphash.Bytes(seed, text)) }

// CheckName refuses a name of absurd length, and an absurd number of names.
func (d *Decoder) CheckName(name []byte) error {
	d.read++
	switch {
	case len(name) > maxName:
		return fmt.Errorf("%s: %w", d.Place(), longerThan("a name", maxName))
	case d.read > d.limits.Names:
		return MoreThan(d.limits.Names, "names in the response")
	default:
		return nil
	}
}

// Name reads the name of a phase or category, which servers write in any case.
func (d *Decoder) Name() (string, error) {
	text, err := d.Text()
	if err != nil {
		return "", err
	}
	name := strings.ToLower(strings.TrimSpace(string(text)))
	if name == "" {
		return "", fmt.Errorf("%s: the name is empty", d.Place())
	}
	return name, nil
}

// Scalar reads a name, number, flag or null as text; null is "".
func (d *Decoder) Scalar() (string, error) {
	b, err := d.scalar()
	return d.share(b), err
}

func (d *Decoder) scalar() ([]byte, error) {
	var text []byte
	var err error
	switch d.PeekKind() {
	case '"':
		return d.Text()
	case 'n':
		return nil, d.SkipValue()
	case '0':
		text, err = d.number(true)
	case 't':
		text, err = []byte("true"), d.word("true")
	case 'f':
		text, err = []byte("false"), d.word("false")
	default:
		return nil, d.unexpected('"')
	}
	if err != nil {
		return nil, err
	}
	return text, d.CheckName(text)
}

// Word reads a scalar and trims white space.
func (d *Decoder) Word() (string, error) {
	b, err := d.scalar()
	return d.share(bytes.TrimSpace(b)), err
}

// NonsenseError says that a value makes no sense where the document is well formed: what
// follows the value can still be read.
type NonsenseError struct{ err error }

func (e NonsenseError) Error() string { return e.err.Error() }

// Nonsense returns a NonsenseError about the value that was read last.
func (d *Decoder) Nonsense(format string, args ...any) error {
	return NonsenseError{fmt.Errorf("%s: "+format, append([]any{d.Place()}, args...)...)}
}

// Flags, counts and times come as a bool, int or string, "" or null, depending on the
// release and on the age of the session (bos.md, Metadata). A value that makes no sense is
// an error: without its stop time, for example, an ended session would look stuck.

// Flag reads true or false.
func (d *Decoder) Flag() (bos.Optional[bool], error) {
	switch d.PeekKind() {
	case 't':
		return bos.Some(true), d.word("true")
	case 'f':
		return bos.Some(false), d.word("false")
	default:
	}
	s, err := d.Word()
	if err != nil || s == "" {
		return bos.Optional[bool]{}, err
	}
	b, err := strconv.ParseBool(strings.ToLower(s)) // accepts 0 and 1, too
	if err != nil {
		return bos.Optional[bool]{}, d.Nonsense("%q is neither true nor false", clip(s))
	}
	return bos.Some(b), nil
}

// Count reads a whole number from 0.
func (d *Decoder) Count() (bos.Optional[int], error) {
	b, err := d.scalar()
	b = bytes.TrimSpace(b)
	switch {
	case err != nil || len(b) == 0:
		return bos.Optional[int]{}, err
	case len(b) == 1 && '0' <= b[0] && b[0] <= '9': // as most
		return bos.Some(int(b[0] - '0')), nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || f != math.Trunc(f) || f < 0 || f > math.MaxInt32 {
		return bos.Optional[int]{}, d.Nonsense("%q is not a count", clip(string(b)))
	}
	return bos.Some(int(f)), nil
}

// Time reads a time, zero if it is absent.
func (d *Decoder) Time() (time.Time, error) {
	b, err := d.scalar()
	b = bytes.TrimSpace(b)
	if err != nil || len(b) == 0 {
		return time.Time{}, err
	}
	usual := &d.times[maphash.Bytes(seed, b)%uint64(len(d.times))]
	if usual.text != string(b) {
		text := string(b)
		t, err := parseTime(text)
		if err != nil {
			return time.Time{}, d.Nonsense("%w", err)
		}
		usual.text, usual.time = text, t
	}
	return usual.time, nil
}
