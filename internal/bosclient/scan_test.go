package bosclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// divided is a document that arrives in parts.
func divided(parts ...string) io.Reader {
	var readers []io.Reader
	for _, p := range parts {
		readers = append(readers, strings.NewReader(p))
	}
	return io.MultiReader(readers...)
}

// readWhole reads a document of any shape as encoding/json would.
func readWhole(d *Decoder) (value any, err error) {
	switch d.PeekKind() {
	case '{':
		object := make(map[string]any)
		return object, d.Object(func(name string) (err error) {
			object[name], err = readWhole(d)
			return err
		})
	case '[':
		array := []any{}
		return array, d.Array(func() error {
			element, err := readWhole(d)
			array = append(array, element)
			return err
		})
	case '"':
		text, err := d.Prose(1 << 20)
		return text, err
	case '0':
		text, err := d.Scalar()
		return json.Number(text), err
	case 't', 'f':
		flag, err := d.Flag()
		return flag.Value, err
	case 'n':
		return nil, d.SkipValue()
	default:
		return nil, d.unexpected('{')
	}
}

// The limits hold wherever the document happens to be divided, and whether it is skipped
// or read.
func TestLimitsOfDividedDocuments(t *testing.T) {
	limits := Limits{Bytes: 100, String: 4, Members: 2}
	for _, tt := range []struct{ name, document, want string }{
		{"strings of four bytes", `{"a:b:": "1234", "b": ["", "1\"4"]}`, ""},
		{"a string of five", `["12345"]`, "a string in the response is longer than 4 bytes"},
		{"an escape counts as two", `["\\\"a"]`, "a string in the response is longer than 4 bytes"},
		{"a quotation mark behind two backslashes", `["\\", "a"]`, ""},
		{"a string that does not end", `["1234`, "ends too early"},
		{"a string of five that does not end", `["12345`, "a string in the response is longer than 4 bytes"},
		{"a number of four", `[-1.0]`, ""},
		{"three members", `[{"a":":"},{"b":1,"c":2}]`, "more than 2 members of objects in the response"},
		{"a hundred bytes", "[1" + strings.Repeat(" ", 97) + "]", ""},
		{"a hundred bytes and one", "[1" + strings.Repeat(" ", 98) + "]", "the response is longer than 100 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range len(tt.document) {
				for j := i; j < len(tt.document); j++ {
					for _, read := range []func(*Decoder) error{(*Decoder).SkipValue, func(d *Decoder) error { _, err := readWhole(d); return err }} {
						err, _ := decodeAll(divided(tt.document[:i], tt.document[i:j], tt.document[j:]), limits, read)
						if got := fmt.Sprint(err); !strings.Contains(got, tt.want) || tt.want == "" && err != nil {
							t.Fatalf("divided at %d and %d: error %q, want %q", i, j, got, tt.want)
						}
					}
				}
			}
		})
	}
}

// A number need not fit in memory unless it is read.
func TestLongNumbers(t *testing.T) {
	for number, want := range map[string]string{"-1.0": "", "-1.00": "a number in the response is longer than 4 bytes"} {
		if err := decodeText(number, Limits{String: 4}, (*Decoder).SkipValue); err != nil {
			t.Errorf("%s is not skipped: %v", number, err)
		}
		err := decodeText(number, Limits{String: 4}, func(d *Decoder) error { _, err := d.Scalar(); return err })
		if (err != nil) != (want != "") || err != nil && err.Error() != want {
			t.Errorf("%s: error %v, want %q", number, err, want)
		}
	}
}

// A stream that breaks is not taken for a document that is wrong, nor one that is wrong for
// a stream that breaks.
func TestBrokenStreams(t *testing.T) {
	broken := errors.New("broken")
	const document = ` {"a": [1.5, true, "b\u00e4", null], "c": {}} `
	for i := range len(document) + 1 {
		for _, read := range []func(*Decoder) error{(*Decoder).SkipValue, func(d *Decoder) error { _, err := readWhole(d); return err }} {
			stream := io.MultiReader(strings.NewReader(document[:i]), iotest.ErrReader(broken))
			if err, reason := decodeAll(stream, Limits{}, read); err == nil || reason != broken {
				t.Errorf("after %q: error %v, because %v", document[:i], err, reason)
			}
			if err, reason := decodeAll(strings.NewReader(document[:i]), Limits{}, read); reason != nil || (err != nil) != (i < len(document)-1) {
				t.Errorf("nothing but %q: error %v, because %v", document[:i], err, reason)
			}
		}
	}
	idle := readerFunc(func([]byte) (int, error) { return 0, nil })
	if _, reason := decodeAll(idle, Limits{}, (*Decoder).SkipValue); reason != io.ErrNoProgress {
		t.Errorf("nothing ever arrives: %v", reason)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestPlacesOfErrors(t *testing.T) {
	for document, want := range map[string]string{
		``:                                 "the response is empty",
		" \n\t":                            "the response is empty",
		`<html>`:                           `the whole response: invalid character '<' at the beginning of a value, at byte 0`,
		`[1,]`:                             `/1: invalid character ']' at the beginning of a value, at byte 3`,
		`[1 2]`:                            `/0: invalid character '2' behind a value, at byte 3`,
		`{"a":{"b/~c":[0,{"d":tru}]}}`:     `/a/b~1~0c/1/d: invalid character '}' in true, at byte 24`,
		`{"a":1,}`:                         `the whole response: invalid character '}' at the beginning of a name, at byte 7`,
		`{"a" 1}`:                          `/a: invalid character '1' behind a name, at byte 5`,
		`[[],["` + "\n" + `"]]`:            `/1/0: invalid character '\n' in a string, at byte 6`,
		`["\ud80x"]`:                       `/0: invalid escape sequence in a string, at byte 1`,
		`[01]`:                             `/0: invalid character '1' behind a value, at byte 2`,
		`[1.e]`:                            `/0: invalid character 'e' in a number, at byte 3`,
		`{"a":{"b":1,"b":2}}`:              `/a/b: duplicate name in an object, at byte 18`,
		`[] x`:                             `the whole response: invalid character 'x' behind the value, at byte 3`,
		`[] []`:                            "more than one JSON value",
		`{"a":["b`:                         `/a/0: the response ends too early: unexpected EOF`,
		strings.Repeat("[", maxDepth+1):    "more than 10000 objects and arrays in each other",
		strings.Repeat(`{"":`, maxDepth+1): "more than 10000 objects and arrays in each other",
	} {
		err := decodeText(document, Limits{}, func(d *Decoder) error { _, err := readWhole(d); return err })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: error %v, want %s", document, err, want)
		}
	}
}

// Every byte that does not stand for itself is found wherever it stands, and no other.
func TestPlain(t *testing.T) {
	for _, usual := range []byte(" !#[]~\x7f") {
		text := bytes.Repeat([]byte{usual}, 100)
		for at := range text {
			for c := range 256 {
				text[at] = byte(c)
				want := at
				if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
					want = len(text)
				}
				if got := plain(text); got != want {
					t.Fatalf("plain(%q) = %d, want %d", text, got, want)
				}
			}
			text[at] = usual
			if got := plain(text[at:]); got != len(text)-at {
				t.Fatalf("plain(%q) = %d", text[at:], got)
			}
		}
	}
}

// The decoder reads what another library reads, in whatever parts the document arrives,
// and refuses what that refuses.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e+3,0,true,false,null,"b\u00e4\n\ud83d\ude80\ud800"],"":{"a":{}}}`,
		"\uFEFF[1]", "\"\xff\xc3\"", `[1,]`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `01`, `"\x"`, "\"\x01\"", `1 2`, `nul`, `-`, `"`, ``,
		"[\n        \"x1000c0s0b0n0\",\n        \"x1000c0s0b0n1\"\n      ]", `[[[[{"a":[{}]}]]]]`,
		`[{"a":1,"b":2},{"a":1,"b":2},{"a":"" , "b":{"a":0,"b":[0,"b"]},"c":1},{"b":1,"a":2},{,"b":1},{"a":1,"b":2,}]`, `1e`, `1.`, "\x00", "[1\u00a0]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		if len(document) <= maxName { // others may exceed a limit
			checkScan(t, document)
		}
	})
}

// What stands between members is remembered from one document to the next: where it must
// not stand it is refused all the same.
func TestScanOfSimilarDocuments(t *testing.T) {
	for _, document := range []string{
		`{"a":{"b":1}"b":2}`, `{"q":1,"w":2}`, `{"q":{,"w":1}}`, `{"q":{"w":1,"q":2}}`, `{"w":{"q":1},"q":{"w":1}}`,
		`{"q":{"w":1"q":2}}`, `{"w":{"q":1}"q":2}`, `{,"q":1}`, `{"q":1"w":2}`, `[{"q":1,"w":2},{"q":1"w":2}]`,
		`{"` + strings.Repeat("\xff", 100) + `":1}`, // what it means is longer than what stands there
	} {
		checkScan(t, []byte(document))
	}
	many := "{"
	for i := range 60 { // equal names in objects that stand side by side
		many += fmt.Sprintf(`"%d":{"q":1},`, i)
	}
	checkScan(t, []byte(many+`"q":1}`))
	checkScan(t, []byte(many+`"7":1}`))
	random := rand.New(rand.NewPCG(1, 1))
	var value func(depth int) string
	members := func(depth int, begin, end, name string) string {
		text := begin
		for i := range random.IntN(4) {
			if i > 0 {
				text += ","
			}
			if name != "" {
				text += `"` + name[:random.IntN(len(name)+1)] + `":`
			}
			text += value(depth + 1)
		}
		return text + end
	}
	value = func(depth int) string {
		switch k := random.IntN(5); {
		case depth > 4 || k == 0:
			return []string{"1", `""`, `"a"`, "null"}[random.IntN(4)]
		case k < 4:
			return members(depth, "{", "}", "abc")
		default:
			return members(depth, "[", "]", "")
		}
	}
	for range 20_000 {
		document := []byte(value(0))
		if at := random.IntN(len(document)); random.IntN(2) == 0 { // break it, mostly
			document[at] = `{}[],:"1 `[random.IntN(9)]
		}
		if len(document) <= maxName {
			checkScan(t, document)
		}
		if t.Failed() {
			return
		}
	}
}

// checkScan checks that the decoder and another library agree about a document.
func checkScan(t *testing.T, document []byte) {
	t.Helper()
	want, wantErr := readReference(document)
	for name, stream := range map[string]io.Reader{
		"at once":      bytes.NewReader(document),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(document)),
		"in halves":    iotest.HalfReader(bytes.NewReader(document)),
		"with its end": iotest.DataErrReader(bytes.NewReader(document)),
	} {
		var got any
		err, broken := decodeAll(stream, Limits{}, func(d *Decoder) (err error) {
			got, err = readWhole(d)
			return err
		})
		if (err != nil) != (wantErr != nil) || broken != nil {
			t.Errorf("%s, %s: error %v (%v), want %v", document, name, err, broken, wantErr)
		}
		if err == nil && fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s, %s: got %q, want %q", document, name, got, want)
		}
	}
	for name, stream := range map[string]io.Reader{
		"at once":      bytes.NewReader(document),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(document)),
	} {
		if err, broken := decodeAll(stream, Limits{}, (*Decoder).SkipValue); (err != nil) != (wantErr != nil) || broken != nil {
			t.Errorf("%s, skipped %s: error %v (%v), want %v", document, name, err, broken, wantErr)
		}
	}
}

// readReference reads a document with another library.
func readReference(document []byte) (value any, err error) {
	document = bytes.TrimPrefix(document, []byte(byteOrderMark))
	d := jsontext.NewDecoder(bytes.NewBuffer(document), jsontext.AllowInvalidUTF8(true))
	if value, err = referenceValue(d); err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, fmt.Errorf("more than one value: %w", err)
	}
	return value, nil
}

func referenceValue(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		object := make(map[string]any)
		for d.PeekKind() != '}' {
			token, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			name := token.String()
			if object[name], err = referenceValue(d); err != nil {
				return nil, err
			}
		}
		_, err = d.ReadToken()
		return object, err
	case '[':
		array := []any{}
		for d.PeekKind() != ']' {
			element, err := referenceValue(d)
			if err != nil {
				return nil, err
			}
			array = append(array, element)
		}
		_, err = d.ReadToken()
		return array, err
	case '"':
		return strings.TrimSpace(token.String()), nil
	case '0':
		return json.Number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	default:
		return nil, nil
	}
}
