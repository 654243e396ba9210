package bosclient

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// decoder walks a JSON document once, holding none of it.
type decoder struct {
	*jsontext.Decoder
	scratch []byte
}

// decodeAll has the one JSON value of r decoded, and refuses anything behind it.
func decodeAll(r io.Reader, decode func(*decoder) error) error {
	d := &decoder{Decoder: jsontext.NewDecoder(r)}
	if err := decode(d); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		if err == nil {
			err = fmt.Errorf("more than one JSON value")
		}
		return err
	}
	return nil
}

// object calls member for each name of an object; member reads the value.
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

// list is array, but takes null for an empty one: servers leave nulls out, or do
// not.
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

// unexpected is the error of a value that is not of the kind it must be.
func (d *decoder) unexpected(want jsontext.Kind) error {
	got := d.PeekKind()
	if got == jsontext.KindInvalid {
		_, err := d.ReadToken() // says why
		if err == io.EOF {
			return fmt.Errorf("the answer is empty")
		}
		return err
	}
	return fmt.Errorf("%s: want %s, got %s", d.place(), kindName(want), kindName(got))
}

// place is where in the document the decoder is, as a JSON pointer.
func (d *decoder) place() string {
	if p := d.StackPointer(); p != "" {
		return string(p)
	}
	return "the whole answer"
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

// text reads a string. Its bytes are valid until the next read.
func (d *decoder) text() ([]byte, error) {
	if d.PeekKind() != '"' {
		return nil, d.unexpected('"')
	}
	v, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(v, '\\') >= 0 {
		d.scratch, err = jsontext.AppendUnquote(d.scratch[:0], v)
		return d.scratch, err
	}
	return v[1 : len(v)-1], nil
}

// name reads the name of a phase or category, which BOS gives in any case.
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

// scalar reads a string, number, flag or null as text; null is "".
func (d *decoder) scalar() (string, error) {
	switch d.PeekKind() {
	case 'n':
		return "", d.SkipValue()
	case '"', '0', 't', 'f':
		t, err := d.ReadToken()
		return t.String(), err
	default:
		return "", d.unexpected('"')
	}
}

// word reads a scalar without white space around it.
func (d *decoder) word() (string, error) {
	s, err := d.scalar()
	return strings.TrimSpace(s), err
}

// Metadata is bool or int or string, "" or null or missing, as the release and
// the age of the session have it (bos.md, Metadata). What has a value that makes
// no sense is an error: without its stop time, say, an ended session would look
// stuck.

func (d *decoder) flag() (bos.Optional[bool], error) {
	s, err := d.word()
	if err != nil || s == "" {
		return bos.Optional[bool]{}, err
	}
	b, err := strconv.ParseBool(strings.ToLower(s)) // takes 0 and 1, too
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

// metadataMember reads the value of a member if it is one of the metadata.
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

// metadata reads an object of metadata; null and "" have none.
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
