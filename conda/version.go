package conda

import (
	"cmp"
	"strconv"
	"strings"
)

// Version is a version of a package, taken apart for comparison (CEP 33).
type Version struct {
	text  string
	main  [][]atom // the epoch, then the segments
	local [][]atom
}

// atom is a run of digits or of other characters. Words come before numbers,
// except that "post" comes after all of them; "dev" comes before the other words.
type atom struct {
	kind byte
	num  uint64
	word string
}

const (
	word, number, post = 0, 1, 2

	// dev takes the place of "dev": upper case sorts before all other words,
	// which are in lower case or begin with an underscore.
	dev = "DEV"
	// maxNumber is the largest run of digits that every client can hold.
	maxNumber = 1<<63 - 1
)

// ParseVersion reads a version as conda does: case does not matter, and hyphens
// stand for underscores where there is none. The error is an [*InvalidError].
func ParseVersion(s string) (Version, error) {
	v := Version{text: strings.ToLower(strings.TrimSpace(s))}
	fail := func(why string) (Version, error) {
		return Version{}, invalid("the version %s is not valid: %s (CEP 33)", clip(s), why)
	}
	if strings.Contains(v.text, "-") && !strings.Contains(v.text, "_") {
		v.text = strings.ReplaceAll(v.text, "-", "_")
	}
	for i := range len(v.text) {
		if c := v.text[i]; !isLower(c) && !isDigit(c) && c != '.' && c != '_' && c != '+' && c != '!' {
			return fail("only letters, digits, '.', '_', '+' and '!' are expected")
		}
	}
	epoch, rest, ok := strings.Cut(v.text, "!")
	if !ok {
		epoch, rest = "0", v.text
	} else if epoch == "" || strings.TrimLeft(epoch, "0123456789") != "" || strings.Contains(rest, "!") {
		return fail("one '!' with a number before it is expected")
	}
	main, local, hasLocal := strings.Cut(rest, "+")
	if strings.Contains(local, "+") {
		return fail("at most one '+' is expected")
	}
	if main == "" || main == "_" {
		return fail("it is empty, or nothing but an underscore") // which conda takes, and rattler reads no index with
	}
	// A last underscore belongs to the segment before it: 1.0.1_ comes before
	// 1.0.1a, which openssl needs.
	tail := ""
	if strings.HasSuffix(main, "_") {
		main, tail = main[:len(main)-1], "_"
	}
	v.main = make([][]atom, 1, 4)
	if v.main[0], ok = atoms(epoch, ""); !ok {
		return fail("its epoch is too large")
	}
	if v.main, ok = segments(v.main, main, tail); !ok {
		return fail("a segment is empty, or a number too large")
	}
	if hasLocal {
		if v.local, ok = segments(nil, local, ""); !ok {
			return fail("a segment of its local part is empty, or a number too large")
		}
	}
	return v, nil
}

// segments splits s at dots and underscores, and appends what the segments are
// made of; tail goes to the last.
func segments(all [][]atom, s, tail string) ([][]atom, bool) {
	for more := true; more; {
		segment, rest, end := s, "", ""
		i := strings.IndexAny(s, "._")
		if more = i >= 0; more {
			segment, rest = s[:i], s[i+1:]
		} else {
			end = tail
		}
		a, ok := atoms(segment, end)
		if !ok {
			return nil, false
		}
		all, s = append(all, a), rest
	}
	return all, true
}

// atoms splits one segment into runs. One that begins with a letter gets a zero
// before it, to keep numbers and words in phase.
func atoms(s, tail string) ([]atom, bool) {
	s += tail
	if s == "" {
		return nil, false
	}
	var all []atom
	if !isDigit(s[0]) {
		all = append(all, atom{kind: number})
	}
	for len(s) > 0 {
		n := 1
		for n < len(s) && isDigit(s[n]) == isDigit(s[0]) {
			n++
		}
		run := s[:n]
		s = s[n:]
		switch {
		case isDigit(run[0]):
			num, err := strconv.ParseUint(run, 10, 64)
			if err != nil || num > maxNumber {
				return nil, false
			}
			all = append(all, atom{kind: number, num: num})
		case run == "post":
			all = append(all, atom{kind: post})
		case run == "dev":
			all = append(all, atom{word: dev})
		default:
			all = append(all, atom{word: run})
		}
	}
	return all, true
}

// String is the version in lower case.
func (v Version) String() string { return v.text }

// Compare orders v and w: -1, 0 or +1. Versions that are written differently can
// be equal: 1.0 and 1.0.0 are.
func (v Version) Compare(w Version) int {
	return cmp.Or(compareSegments(v.main, w.main), compareSegments(v.local, w.local))
}

func compareSegments(a, b [][]atom) int {
	for i := range max(len(a), len(b)) {
		if c := compareAtoms(at(a, i), at(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

func compareAtoms(a, b []atom) int {
	zero := atom{kind: number}
	for i := range max(len(a), len(b)) {
		x, y := zero, zero
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if c := cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(x.num, y.num), strings.Compare(x.word, y.word)); c != 0 {
			return c
		}
	}
	return 0
}

// at is the i-th segment; a missing one is empty.
func at(s [][]atom, i int) []atom {
	if i < len(s) {
		return s[i]
	}
	return nil
}

// startsWith reports whether v is prefix, or prefix with more behind it: 1.2.3
// starts with 1.2, and 1.2rc1 with 1.2r.
func (v Version) startsWith(prefix Version) bool {
	a, b := v.main, prefix.main
	if len(prefix.local) > 0 {
		if compareSegments(a, b) != 0 {
			return false
		}
		a, b = v.local, prefix.local
	}
	last := len(b) - 1
	if compareSegments(a[:min(last, len(a))], b[:last]) != 0 {
		return false
	}
	x, y := at(a, last), b[last]
	end := len(y) - 1
	if compareAtoms(x[:min(end, len(x))], y[:end]) != 0 {
		return false
	}
	have := atom{kind: number}
	if end < len(x) {
		have = x[end]
	}
	want := y[end]
	if want.kind == word && have.kind == word {
		return strings.HasPrefix(have.word, want.word)
	}
	return have == want
}
