package bosclient

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// scanner takes a stream apart into the tokens of one JSON document (RFC 8259), within
// limits. All of the document is checked, also what is skipped. Two things are tolerated:
// a byte order mark, and text that is not valid Unicode.
//
// Only what stands between pos and the end of buf is in memory: a part of the document, or
// one string as a whole. Bytes that a method returns are valid until the next read.
type scanner struct {
	r      io.Reader
	limits Limits
	buf    []byte
	pos    int   // of what comes next, in buf
	passed int64 // the bytes before buf
	// failed is why the document could not be read to its end: it exceeds a limit, or it
	// did not arrive.
	failed error
	ended  bool // the stream has

	members int      // of all objects so far
	open    []frame  // the objects and arrays around pos
	names   []uint64 // hashes of the names of all members of the objects in open
	*habits
}

// frame is an object or array that is being read.
type frame struct {
	array bool
	begun int    // how many of its members or elements have been begun
	name  string // of the current member, for people
	hash  uint64 // of that name
	names int    // where the names of its members begin in scanner.names
	// seen has a bit for each of these names; doubtful is set if two may be the same.
	seen     [2]uint64
	doubtful bool
}

// maxDepth is how many objects and arrays may be nested in each other.
const maxDepth = 10_000

// bufferSize is how much is read at once. Only a long string takes more.
const bufferSize = 64 << 10

// habits are texts that have occurred, in this document or in others, and may again.
type habits struct {
	texts [128][2]string // by their hashes; the later one of two comes first
	links [1024]link     // by where they stand; few may share an entry, as they would displace each other
	times [128]struct {  // by the hashes of their texts
		text string
		time time.Time
	}
}

// longestShared is how many bytes a text may have to become a habit.
const longestShared = 128

// workspace is the memory that a scanner takes.
type workspace struct {
	buffer [bufferSize]byte
	habits habits
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// more reads on, and reports whether there is more of the document. It may move what is in
// buf from pos on.
func (s *scanner) more() bool {
	if s.pos > 0 {
		s.passed += int64(s.pos)
		s.buf = s.buf[:copy(s.buf, s.buf[s.pos:])]
		s.pos = 0
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = slices.Grow(s.buf, len(s.buf))
	}
	for range 100 {
		if s.ended || s.failed != nil {
			return false
		}
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		switch {
		case s.passed+int64(len(s.buf)) > s.limits.Bytes:
			s.failed = longerThan("the response", s.limits.Bytes)
			return false
		case err == io.EOF:
			s.ended = true
		case err != nil:
			s.failed = err
			return false
		}
		if n > 0 {
			return true
		}
	}
	s.failed = io.ErrNoProgress
	return false
}

// skipMark skips a byte order mark at the beginning of the document.
func (s *scanner) skipMark() {
	if s.have(len(byteOrderMark)) && bytes.HasPrefix(s.buf, []byte(byteOrderMark)) {
		s.pos = len(byteOrderMark)
	}
}

// next skips white space and returns the byte that follows, or 0 at the end of the document.
func (s *scanner) next() byte {
	for {
		for s.pos < len(s.buf) {
			c := s.buf[s.pos]
			if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
				return c
			}
			s.pos += 1 + indentation(s.buf[s.pos+1:])
		}
		if !s.more() {
			return 0
		}
	}
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x80 * everyByte
)

// indentation returns the number of spaces at the beginning of b, eight of which are
// compared at a time.
func indentation(b []byte) (n int) {
	for ; n <= len(b)-8; n += 8 {
		if other := binary.LittleEndian.Uint64(b[n:]) ^ ' '*everyByte; other != 0 {
			return n + bits.TrailingZeros64(other)/8
		}
	}
	return n
}

// plain returns how many bytes at the beginning of b are ASCII characters that stand for
// themselves in a string. It looks at eight at a time, and at four times as many behind the
// first 16, within which most names end.
func plain(b []byte) (n int) {
	word := func(i int) uint64 { return special(binary.LittleEndian.Uint64(b[i:])) }
	for n <= len(b)-8 {
		if found := word(n); found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
		n += 8
		for n >= 16 && n <= len(b)-32 && word(n)|word(n+8)|word(n+16)|word(n+24) == 0 {
			n += 32
		}
	}
	for n < len(b) && b[n] >= ' ' && b[n] != '"' && b[n] != '\\' && b[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// special has the highest bit of each byte set that is not plain. (A borrow may set it in
// further bytes, but only behind one where it is rightly set.)
func special(w uint64) uint64 {
	controlOrQuote := w ^ 2*everyByte - (' '+1)*everyByte // '"' ^ 2 is ' '
	escape := w ^ '\\'*everyByte - everyByte
	return (w | controlOrQuote | escape) & highBits
}

// str reads a string, and returns it as it stands in the document, with its quotation
// marks; literal reports whether it means just what stands between these. A string that is
// not to be kept is not returned and need not fit in memory.
func (s *scanner) str(keep bool) (quoted []byte, literal bool, err error) {
	n, gone := 1, 0 // length of what has been read, in buf and before it
	literal = true
	for {
		n += plain(s.buf[s.pos+n:])
		if gone+n-1 > s.limits.String {
			return nil, false, s.fail(longerThan("a string in the response", int64(s.limits.String)))
		}
		if s.pos+n == len(s.buf) {
			if !keep {
				s.pos += n
				gone, n = gone+n, 0
			}
			if !s.more() {
				return nil, false, s.invalid(n, "in a string")
			}
			continue
		}
		switch c := s.buf[s.pos+n]; {
		case c == '"':
			quoted = s.buf[s.pos : s.pos+n+1]
			s.pos += n + 1
			return quoted, literal, nil
		case c == '\\':
			literal = false
			length, err := s.escape(n)
			if err != nil {
				return nil, false, err
			}
			n += length
		case c < ' ':
			return nil, false, s.invalid(n, "in a string")
		default: // beyond ASCII
			literal = false
			n++
		}
	}
}

// escape checks the escape sequence n bytes behind pos and returns its length.
func (s *scanner) escape(n int) (length int, err error) {
	if !s.have(n + 2) {
		return 0, s.invalid(n+1, "in a string")
	}
	switch s.buf[s.pos+n+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
		for i := 2; i < 6; i++ {
			if !s.have(n + i + 1) {
				return 0, s.invalid(n+i, "in a string")
			}
			switch c := s.buf[s.pos+n+i]; {
			case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			default:
				return 0, s.syntax("invalid escape sequence in a string")
			}
		}
		return 6, nil
	default:
		return 0, s.syntax("invalid escape sequence in a string")
	}
}

// have reports whether n bytes from pos on are in the buffer, after reading on if necessary.
func (s *scanner) have(n int) bool {
	for len(s.buf)-s.pos < n {
		if !s.more() {
			return false
		}
	}
	return true
}

// text reads a string and returns what it means. Each invalid byte or surrogate in it
// becomes U+FFFD.
func (s *scanner) text() ([]byte, error) {
	rest := s.buf[s.pos+1:]
	if n := plain(rest); n < len(rest) && rest[n] == '"' && n <= s.limits.String {
		s.pos += n + 2
		return rest[:n], nil // as most
	}
	quoted, literal, err := s.str(true)
	if err != nil {
		return nil, err
	}
	if literal {
		return quoted[1 : len(quoted)-1], nil
	}
	var text string
	err = json.Unmarshal(quoted, &text)
	return []byte(text), err
}

// number reads a number and returns it as it stands in the document. One that is not to be
// kept is not returned and need not fit in memory.
func (s *scanner) number(keep bool) ([]byte, error) {
	if s.have(2) && s.buf[s.pos] >= '0' && s.buf[s.pos+1] <= ',' && s.buf[s.pos+1] != '+' {
		s.pos++ // one digit, as in most
		return s.buf[s.pos-1 : s.pos], nil
	}
	n := 0 // bytes behind pos that belong to the number
	accept := func(set string) bool {
		accepted := s.have(n+1) && strings.IndexByte(set, s.buf[s.pos+n]) >= 0
		if accepted {
			n++
		}
		return accepted
	}
	digits := func() (some bool) {
		for accept("0123456789") && n <= s.limits.String {
			some = true
			if !keep {
				s.pos, n = s.pos+n, 0
			}
		}
		return some
	}
	accept("-")
	valid := accept("0") || digits()
	if valid && accept(".") {
		valid = digits()
	}
	if valid && accept("eE") {
		accept("+-")
		valid = digits()
	}
	switch {
	case s.failed != nil:
		return nil, s.failed
	case n > s.limits.String:
		return nil, s.fail(longerThan("a number in the response", int64(s.limits.String)))
	case !valid:
		return nil, s.invalid(n, "in a number")
	}
	number := s.buf[s.pos : s.pos+n]
	s.pos += n
	return number, nil
}

// word reads true, false or null.
func (s *scanner) word(want string) error {
	for i := range len(want) {
		if !s.have(i+1) || s.buf[s.pos+i] != want[i] {
			return s.invalid(i, "in "+want)
		}
	}
	s.pos += len(want)
	return nil
}

// skip reads a value without keeping it.
func (s *scanner) skip() (err error) {
	switch kinds[s.next()] {
	case '{':
		return s.object(func(string) error { return s.skip() })
	case '[':
		return s.array(s.skip)
	case '"':
		_, _, err = s.str(false)
	case '0':
		_, err = s.number(false)
	case 't':
		err = s.word("true")
	case 'f':
		err = s.word("false")
	case 'n':
		err = s.word("null")
	default:
		err = s.invalid(0, atValue)
	}
	return err
}

// object reads an object, whose members' values are read by value.
func (s *scanner) object(value func(name string) error) error {
	if err := s.begin('{'); err != nil {
		return err
	}
	for {
		name, end, err := s.member()
		if end || err != nil {
			return err
		}
		if err := value(name); err != nil {
			return err
		}
	}
}

// array reads an array, whose elements are read by element.
func (s *scanner) array(element func() error) error {
	if err := s.begin('['); err != nil {
		return err
	}
	for {
		if more, err := s.another(); !more {
			return err
		}
		if err := element(); err != nil {
			return err
		}
	}
}

func (s *scanner) colon() error {
	if s.next() != ':' {
		return s.invalid(0, "behind a name")
	}
	s.pos++
	return s.countMember()
}

func (s *scanner) countMember() error {
	if s.members++; s.members > s.limits.Members {
		return s.fail(MoreThan(s.limits.Members, "members of objects in the response"))
	}
	return nil
}

// begin reads the beginning of an object or array.
func (s *scanner) begin(kind Kind) error {
	switch {
	case kinds[s.next()] != kind:
		return s.unexpected(kind)
	case len(s.open) == maxDepth:
		return s.tooDeep()
	}
	s.pos++
	s.open = append(s.open, frame{array: kind == '[', names: len(s.names)})
	return nil
}

// another reports whether there is another member or element in the innermost object or
// array, and reads as far as its name or value. Otherwise it reads the end.
func (s *scanner) another() (bool, error) {
	f := &s.open[len(s.open)-1]
	end := byte('}')
	if f.array {
		end = ']'
	}
	switch c := s.next(); {
	case c == end:
		s.pos++
		if err := s.endNames(f); err != nil {
			return false, err
		}
		s.open = s.open[:len(s.open)-1]
		return false, nil
	case f.begun == 0:
	case c == ',':
		s.pos++
	default:
		return false, s.invalid(0, "behind a value")
	}
	f.begun++
	return true, nil
}

// member reads as far as the value of the next member of the innermost object, and returns
// the member's name. Otherwise it reads the end of the object, and reports so.
func (s *scanner) member() (name string, end bool, err error) {
	f := &s.open[len(s.open)-1]
	from, first := bits.RotateLeft64(f.hash, 1), f.begun == 0
	if parent := len(s.open) - 2; parent >= 0 {
		from ^= s.open[parent].hash
	}
	usual := &s.links[from%uint64(len(s.links))]
	if from == usual.from && first == usual.first && len(usual.text) > 0 && bytes.HasPrefix(s.buf[s.pos:], usual.text) {
		s.pos += len(usual.text)
		f.begun, f.name, f.hash = 1, usual.name, usual.hash
		name, err = usual.name, s.countMember()
	} else {
		start, passed := s.pos, s.passed
		if more, err := s.another(); !more {
			return "", true, err
		}
		if name, err = s.name(f); err != nil {
			return "", false, err
		}
		s.next()
		if s.passed == passed && s.pos-start <= longestShared {
			*usual = link{from, first, append(usual.text[:0], s.buf[start:s.pos]...), f.hash, name}
		}
	}
	s.note(f)
	return name, false, err
}

// note takes down the name of a member. Each may occur once in an object.
func (s *scanner) note(f *frame) {
	const few = 32
	word, bit := &f.seen[f.hash>>63], uint64(1)<<(f.hash>>57&63)
	if *word&bit != 0 {
		names := s.names[f.names:]
		f.doubtful = f.doubtful || len(names) > few || slices.Contains(names, f.hash)
	}
	*word |= bit
	s.names = append(s.names, f.hash)
}

// link is what stands between the values of two members, or before that of the first. Where
// it is the same again it need not be taken apart.
type link struct {
	from  uint64 // the hash of the names of the member in front of it and of the object itself
	first bool   // there is no member in front of it, and so no comma in it
	text  []byte
	hash  uint64 // of name
	name  string // of the member behind it
}

// name reads the name of a member and the colon. Of a long name the frame has the beginning
// alone, as many objects may be open.
func (s *scanner) name(f *frame) (string, error) {
	f.begun = 0 // an error is one of the object
	if s.next() != '"' {
		return "", s.invalid(0, "at the beginning of a name")
	}
	text, err := s.text()
	if err != nil {
		return "", err
	}
	f.begun = 1
	f.hash = maphash.Bytes(seed, text)
	name := s.shared(text, f.hash)
	f.name = name
	if len(name) > longestShared {
		f.name = strings.Clone(name[:longestShared])
	}
	return name, s.colon()
}

// seed makes it impossible to choose texts that have the same hash.
var seed = maphash.MakeSeed()

// shared returns a text as a string, which seldom takes memory if the text is frequent.
func (s *scanner) shared(text []byte, hash uint64) string {
	if len(text) > longestShared {
		return string(text)
	}
	recent := &s.texts[hash%uint64(len(s.texts))]
	if recent[0] != string(text) {
		if recent[1] != string(text) {
			recent[1] = string(text)
		}
		recent[0], recent[1] = recent[1], recent[0]
	}
	return recent[0]
}

// endNames forgets the names of the members of an object, unless one has occurred twice.
func (s *scanner) endNames(f *frame) error {
	names := s.names[f.names:]
	s.names = s.names[:f.names]
	if !f.doubtful {
		return nil
	}
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			return s.syntax("duplicate name in an object")
		}
	}
	return nil
}

// Kind is what a value is, told from its first byte: one of { [ " 0 t f n. It is 0 where
// no value begins.
type Kind byte

// kinds holds the kind of the value that begins with a byte.
var kinds = [256]Kind{'{': '{', '[': '[', '"': '"', 't': 't', 'f': 'f', 'n': 'n', '-': '0',
	'0': '0', '1': '0', '2': '0', '3': '0', '4': '0', '5': '0', '6': '0', '7': '0', '8': '0', '9': '0'}

func (k Kind) String() string {
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

// unexpected is the error of a value that is not of the kind that it must be.
func (s *scanner) unexpected(want Kind) error {
	got := kinds[s.next()]
	if got == 0 {
		return s.invalid(0, atValue)
	}
	return fmt.Errorf("%s: want %s, got %s", s.Place(), want, got)
}

// end checks that nothing follows the value.
func (s *scanner) end() error {
	switch c := s.next(); {
	case kinds[c] != 0:
		return errors.New("more than one JSON value")
	case s.failed != nil || s.pos < len(s.buf):
		return s.invalid(0, "behind the value")
	default:
		return nil
	}
}

// fail is the end of reading, for a reason that does not lie in the syntax.
func (s *scanner) fail(err error) error {
	s.failed = err
	return err
}

// atValue is where invalid bytes are found that begin no value.
const atValue = "at the beginning of a value"

// invalid is the error of a document that has a byte, n bytes behind pos, where none like
// it may stand, or that ends there.
func (s *scanner) invalid(n int, where string) error {
	switch {
	case s.failed != nil:
		return s.failed
	case s.pos+n < len(s.buf):
		s.pos += n
		r, _ := utf8.DecodeRune(s.buf[s.pos:])
		return s.syntax(fmt.Sprintf("invalid character %q %s", r, where))
	case where == atValue && len(s.open) == 0:
		return errors.New("the response is empty")
	default:
		return fmt.Errorf("%s: the response ends too early: %w", s.Place(), io.ErrUnexpectedEOF)
	}
}

func (s *scanner) tooDeep() error {
	return s.syntax(fmt.Sprintf("more than %d objects and arrays in each other", maxDepth))
}

func (s *scanner) syntax(problem string) error {
	return fmt.Errorf("%s: %s, at byte %d", s.Place(), problem, s.passed+int64(s.pos))
}

// Place is the position in the document, as a JSON pointer.
func (s *scanner) Place() string {
	var b strings.Builder
	for _, f := range s.open {
		switch {
		case f.begun == 0:
		case f.array:
			b.WriteString("/" + strconv.Itoa(f.begun-1))
		default:
			b.WriteString("/" + escapes.Replace(f.name))
		}
	}
	if b.Len() == 0 {
		return "the whole response"
	}
	return clipTo(150, b.String()) // names in it may be long
}

// escapes are those of a JSON pointer.
var escapes = strings.NewReplacer("~", "~0", "/", "~1")
