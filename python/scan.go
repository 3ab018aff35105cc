package python

import "strings"

// scanVersion reads a whole lower-case version without blanks around it, by
// the grammar in appendix B of PEP 440.
func scanVersion(s string) (v Version, ok bool) {
	v, rest, ok := scanPublic(s)
	if !ok {
		return Version{}, false
	}
	if rest == "" {
		return v, true
	}
	if rest[0] != '+' {
		return Version{}, false
	}
	v.local, ok = scanLocal(rest[1:])
	return v, ok
}

// scanPublic reads the longest public version s begins with, and returns what
// follows it.
func scanPublic(s string) (v Version, rest string, ok bool) {
	s = strings.TrimPrefix(s, "v")
	n, rest, ok := scanNumber(s)
	if !ok {
		return Version{}, "", false
	}
	if after, found := strings.CutPrefix(rest, "!"); found {
		v.epoch = n
		if n, rest, ok = scanNumber(after); !ok {
			return Version{}, "", false
		}
	}
	v.release = append(make([]number, 0, 4), n)
	for len(rest) > 1 && rest[0] == '.' && digit(rest[1]) {
		n, rest, _ = scanNumber(rest[1:])
		v.release = append(v.release, n)
	}
	if kind, n, after, found := scanLabel(rest, preLabels[:]); found {
		v.preKind, v.pre, rest = kind, n, after
	}
	if len(rest) > 1 && rest[0] == '-' && digit(rest[1]) {
		v.hasPost = true
		v.post, rest, _ = scanNumber(rest[1:])
	} else if _, n, after, found := scanLabel(rest, postLabels[:]); found {
		v.hasPost, v.post, rest = true, n, after
	}
	if _, n, after, found := scanLabel(rest, devLabels[:]); found {
		v.hasDev, v.dev, rest = true, n, after
	}
	return v, rest, true
}

type label struct {
	text string
	kind byte
}

// The spellings of each part; a longer one comes before its beginnings.
var (
	preLabels = [...]label{{"alpha", 'a'}, {"a", 'a'}, {"beta", 'b'}, {"b", 'b'},
		{"preview", 'c'}, {"pre", 'c'}, {"c", 'c'}, {"rc", 'c'}}
	postLabels = [...]label{{"post", 'p'}, {"rev", 'p'}, {"r", 'p'}}
	devLabels  = [...]label{{"dev", 'd'}}
)

// scanLabel reads an optional separator, one of labels, another optional
// separator and an optional number.
func scanLabel(s string, labels []label) (kind byte, n number, rest string, ok bool) {
	t := s
	if t != "" && separator(t[0]) {
		t = t[1:]
	}
	for _, l := range labels {
		after, found := strings.CutPrefix(t, l.text)
		if !found {
			continue
		}
		if n, rest, ok := scanNumber(after); ok {
			return l.kind, n, rest, true
		}
		if after != "" && separator(after[0]) {
			after = after[1:] // part of the label even when no number follows
			if n, rest, ok := scanNumber(after); ok {
				return l.kind, n, rest, true
			}
		}
		return l.kind, "", after, true
	}
	return 0, "", s, false
}

func scanLocal(s string) ([]localPart, bool) {
	var parts []localPart
	for {
		end := 0
		numeric := true
		for end < len(s) && alnum(s[end]) {
			numeric = numeric && digit(s[end])
			end++
		}
		if end == 0 {
			return nil, false
		}
		if numeric {
			parts = append(parts, localPart{number: number(strings.TrimLeft(s[:end], "0"))})
		} else {
			parts = append(parts, localPart{word: s[:end]})
		}
		if end == len(s) {
			return parts, true
		}
		if !separator(s[end]) {
			return nil, false
		}
		s = s[end+1:]
	}
}

// scanNumber reads decimal digits; at least one must be there.
func scanNumber(s string) (n number, rest string, ok bool) {
	end := 0
	for end < len(s) && digit(s[end]) {
		end++
	}
	return number(strings.TrimLeft(s[:end], "0")), s[end:], end > 0
}
