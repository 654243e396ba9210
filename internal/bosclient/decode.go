package bosclient

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// Decoder reads a JSON document in one pass, without holding it in memory.
type Decoder struct {
	*jsontext.Decoder
	scratch []byte
	limits  Limits
	names   int // read so far
}

// decodeAll passes the JSON value of r to decode and refuses anything after it.
// Text that is not valid Unicode, in the output of some tool perhaps, is no reason
// to lose the document: each invalid byte or surrogate becomes U+FFFD.
func decodeAll(r io.Reader, limits Limits, decode func(*Decoder) error) error {
	d := &Decoder{Decoder: jsontext.NewDecoder(r, jsontext.AllowInvalidUTF8(true)), limits: limits}
	if err := decode(d); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		if err == nil {
			err = errors.New("more than one JSON value")
		}
		return err
	}
	return nil
}

// Object calls member with each name in an object; member reads the value.
func (d *Decoder) Object(member func(name string) error) error {
	return d.inside('{', '}', func() error {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		return member(name.String())
	})
}

// Members is like Object for objects of which there are many. A name is as it stands in the
// document, escapes included, and valid until the next read.
func (d *Decoder) Members(member func(name []byte) error) error {
	return d.inside('{', '}', func() error {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		return member(name[1 : len(name)-1])
	})
}

// Prose reads a string, or null for "", that may be longer than a name: an error message,
// or a list of nodes. Beyond most bytes it is cut, which an ellipsis shows.
func (d *Decoder) Prose(most int) (string, error) {
	switch d.PeekKind() {
	case 'n':
		return "", d.SkipValue()
	case '"':
	default:
		return "", d.unexpected('"')
	}
	v, err := d.ReadValue()
	if err != nil {
		return "", err
	}
	// An error can only be about Unicode that is invalid, and has been replaced.
	d.scratch, _ = jsontext.AppendUnquote(d.scratch[:0], v)
	text := bytes.TrimSpace(d.scratch)
	if len(text) <= most {
		return string(text), nil
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "…", nil
}

// Array calls element for each element of an array; element reads it.
func (d *Decoder) Array(element func() error) error {
	return d.inside('[', ']', element)
}

// List is like array, but accepts null for an empty one.
func (d *Decoder) List(element func() error) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	return d.Array(element)
}

func (d *Decoder) inside(begin, end jsontext.Kind, next func() error) error {
	if d.PeekKind() != begin {
		return d.unexpected(begin)
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != end {
		if err := next(); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// unexpected is the error of a value that is not of the kind that it must be.
func (d *Decoder) unexpected(want jsontext.Kind) error {
	got := d.PeekKind()
	if got == jsontext.KindInvalid {
		_, err := d.ReadToken() // says why
		if err == io.EOF {
			return errors.New("the response is empty")
		}
		return err
	}
	return fmt.Errorf("%s: want %s, got %s", d.Place(), kindName(want), kindName(got))
}

// Place is the position in the document, as a JSON pointer.
func (d *Decoder) Place() string {
	if p := d.StackPointer(); p != "" {
		return clipTo(150, string(p)) // names in it may be long
	}
	return "the whole response"
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 'n':
		return "null"
	default:
		return "true or false"
	}
}

// Text reads a string that is a name. Its bytes are valid until the next read.
func (d *Decoder) Text() ([]byte, error) {
	if d.PeekKind() != '"' {
		return nil, d.unexpected('"')
	}
	v, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	text := v[1 : len(v)-1]
	if bytes.IndexByte(text, '\\') >= 0 || !utf8.Valid(text) {
		// An error can only be about Unicode that is invalid, and has been replaced.
		d.scratch, _ = jsontext.AppendUnquote(d.scratch[:0], v)
		text = d.scratch
	}
	return text, d.CheckName(text)
}

// CheckName refuses a name of absurd length, and an absurd number of names.
func (d *Decoder) CheckName(name []byte) error {
	d.names++
	switch {
	case len(name) > maxName:
		return fmt.Errorf("%s: %w", d.Place(), longerThan("a name", maxName))
	case d.names > d.limits.Names:
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
	switch d.PeekKind() {
	case '"':
		text, err := d.Text()
		return string(text), err
	case 'n':
		return "", d.SkipValue()
	case '0', 't', 'f':
		v, err := d.ReadValue()
		return string(v), cmp.Or(err, d.CheckName(v))
	default:
		return "", d.unexpected('"')
	}
}

// Word reads a scalar and trims white space.
func (d *Decoder) Word() (string, error) {
	s, err := d.Scalar()
	return strings.TrimSpace(s), err
}

// Flags, counts and times come as a bool, int or string, "" or null, depending on the
// release and on the age of the session (bos.md, Metadata). A value that makes no sense is
// an error: without its stop time, for example, an ended session would look stuck.

// Flag reads true or false.
func (d *Decoder) Flag() (bos.Optional[bool], error) {
	s, err := d.Word()
	if err != nil || s == "" {
		return bos.Optional[bool]{}, err
	}
	b, err := strconv.ParseBool(strings.ToLower(s)) // accepts 0 and 1, too
	if err != nil {
		return bos.Optional[bool]{}, fmt.Errorf("%s: %q is neither true nor false", d.Place(), clip(s))
	}
	return bos.Some(b), nil
}

// Count reads a whole number from 0.
func (d *Decoder) Count() (bos.Optional[int], error) {
	s, err := d.Word()
	if err != nil || s == "" {
		return bos.Optional[int]{}, err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || f < 0 || f > math.MaxInt32 {
		return bos.Optional[int]{}, fmt.Errorf("%s: %q is not a count", d.Place(), clip(s))
	}
	return bos.Some(int(f)), nil
}

// Time reads a time, zero if it is absent.
func (d *Decoder) Time() (time.Time, error) {
	s, err := d.Word()
	if err != nil || s == "" {
		return time.Time{}, err
	}
	t, err := parseTime(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", d.Place(), err)
	}
	return t, nil
}
