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

// decoder reads a JSON document in one pass, without holding it in memory.
type decoder struct {
	*jsontext.Decoder
	scratch []byte
	names   int // read so far
}

// decodeAll passes the JSON value of r to decode and refuses anything after it.
// Text that is not valid Unicode, in the output of some tool perhaps, is no reason
// to lose the document: each invalid byte or surrogate becomes U+FFFD.
func decodeAll(r io.Reader, decode func(*decoder) error) error {
	d := &decoder{Decoder: jsontext.NewDecoder(r, jsontext.AllowInvalidUTF8(true))}
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

// object calls member with each name in an object; member reads the value.
func (d *decoder) object(member func(name string) error) error {
	return d.inside('{', '}', func() error {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		return member(name.String())
	})
}

// array calls element for each element of an array; element reads it.
func (d *decoder) array(element func() error) error {
	return d.inside('[', ']', element)
}

// list is like array, but accepts null for an empty one.
func (d *decoder) list(element func() error) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	return d.array(element)
}

func (d *decoder) inside(begin, end jsontext.Kind, next func() error) error {
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
func (d *decoder) unexpected(want jsontext.Kind) error {
	got := d.PeekKind()
	if got == jsontext.KindInvalid {
		_, err := d.ReadToken() // says why
		if err == io.EOF {
			return errors.New("the response is empty")
		}
		return err
	}
	return fmt.Errorf("%s: want %s, got %s", d.place(), kindName(want), kindName(got))
}

// place is the position in the document, as a JSON pointer.
func (d *decoder) place() string {
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

// text reads a string that is a name. Its bytes are valid until the next read.
func (d *decoder) text() ([]byte, error) {
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
	return text, d.checkName(text)
}

// checkName refuses a name of absurd length, and an absurd number of names.
func (d *decoder) checkName(name []byte) error {
	d.names++
	switch {
	case len(name) > maxName:
		return fmt.Errorf("%s: %w", d.place(), longerThan("a name", maxName))
	case d.names > maxNames:
		return moreThan(maxNames, "names in the response")
	default:
		return nil
	}
}

// name reads the name of a phase or category, which servers write in any case.
func (d *decoder) name() (string, error) {
	text, err := d.text()
	if err != nil {
		return "", err
	}
	name := strings.ToLower(strings.TrimSpace(string(text)))
	if name == "" {
		return "", fmt.Errorf("%s: the name is empty", d.place())
	}
	return name, nil
}

// scalar reads a name, number, flag or null as text; null is "".
func (d *decoder) scalar() (string, error) {
	switch d.PeekKind() {
	case '"':
		text, err := d.text()
		return string(text), err
	case 'n':
		return "", d.SkipValue()
	case '0', 't', 'f':
		v, err := d.ReadValue()
		return string(v), cmp.Or(err, d.checkName(v))
	default:
		return "", d.unexpected('"')
	}
}

// word reads a scalar and trims white space.
func (d *decoder) word() (string, error) {
	s, err := d.scalar()
	return strings.TrimSpace(s), err
}

// Metadata is a bool, int or string, "", null or absent, depending on the release
// and on the age of the session (bos.md, Metadata). A value that makes no sense is
// an error: without its stop time, for example, an ended session would look stuck.

func (d *decoder) flag() (bos.Optional[bool], error) {
	s, err := d.word()
	if err != nil || s == "" {
		return bos.Optional[bool]{}, err
	}
	b, err := strconv.ParseBool(strings.ToLower(s)) // accepts 0 and 1, too
	if err != nil {
		return bos.Optional[bool]{}, fmt.Errorf("%s: %q is neither true nor false", d.place(), clip(s))
	}
	return bos.Some(b), nil
}

func (d *decoder) count() (bos.Optional[int], error) {
	s, err := d.word()
	if err != nil || s == "" {
		return bos.Optional[int]{}, err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || f < 0 || f > math.MaxInt32 {
		return bos.Optional[int]{}, fmt.Errorf("%s: %q is not a count", d.place(), clip(s))
	}
	return bos.Some(int(f)), nil
}

func (d *decoder) time() (time.Time, error) {
	s, err := d.word()
	if err != nil || s == "" {
		return time.Time{}, err
	}
	t, err := parseTime(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", d.place(), err)
	}
	return t, nil
}

// metadataMember reads the value of a member if it belongs to the metadata.
func (d *decoder) metadataMember(name string, m *bos.Metadata) (known bool, err error) {
	switch name {
	case "in_progress":
		m.InProgress, err = d.flag()
	case "complete":
		m.Complete, err = d.flag()
	case "error_count":
		m.ErrorCount, err = d.count()
	case "start_time":
		m.StartTime, err = d.time()
	case "stop_time":
		m.StopTime, err = d.time()
	default:
		return false, nil
	}
	return true, err
}

// metadata reads an object of metadata; null and "" are empty ones.
func (d *decoder) metadata(m *bos.Metadata) error {
	if d.PeekKind() == 'n' || d.PeekKind() == '"' {
		if s, err := d.scalar(); err != nil || s != "" {
			return cmp.Or(err, fmt.Errorf("%s: want an object, got a string", d.place()))
		}
		return nil
	}
	return d.object(func(name string) error {
		if known, err := d.metadataMember(name, m); known {
			return err
		}
		return d.SkipValue()
	})
}
