package python

import (
	"fmt"
	"slices"
	"strings"
)

// MaxRequirementLen is the length in bytes of the longest requirement accepted.
const MaxRequirementLen = 8 << 10

// Requirement is a dependency specifier (PEP 508):
// name[extra,…] specifier ; marker, or name @ url ; marker.
type Requirement struct {
	Name       string   // as written
	Extras     []string // as written
	Specifiers Specifiers
	URL        string
	Marker     string // checked for its form, not evaluated
}

// ParseRequirement reads one requirement.
func ParseRequirement(s string) (Requirement, error) {
	bad := func(expected string) (Requirement, error) {
		return Requirement{}, fmt.Errorf("requirement %q is not one: expected %s", clip(s), expected)
	}
	if len(s) > MaxRequirementLen {
		return Requirement{}, fmt.Errorf("requirement of %d bytes is too long: expected at most %d", len(s), MaxRequirementLen)
	}
	var r Requirement
	var ok bool
	rest := blankLeft(s)
	if r.Name, rest, ok = cutIdentifier(rest); !ok {
		return bad("a project name first")
	}
	rest = blankLeft(rest)
	if strings.HasPrefix(rest, "[") {
		if r.Extras, rest, ok = cutExtras(rest[1:]); !ok {
			return bad("names with commas between them in the brackets")
		}
		rest = blankLeft(rest)
	}
	if after, found := strings.CutPrefix(rest, "@"); found {
		after = blankLeft(after)
		end := strings.IndexAny(after, pyBlank)
		if end < 0 {
			end = len(after)
		}
		if end == 0 {
			return bad("a URL after @")
		}
		r.URL, rest = after[:end], blankLeft(after[end:])
	} else {
		text := rest
		if end := strings.IndexByte(rest, ';'); end >= 0 {
			text, rest = rest[:end], rest[end:]
		} else {
			rest = ""
		}
		if text = strings.Trim(text, pyBlank); strings.HasPrefix(text, "(") {
			if !strings.HasSuffix(text, ")") {
				return bad("a closing bracket")
			}
			text = text[1 : len(text)-1]
		}
		var err error
		if r.Specifiers, err = ParseSpecifiers(text); err != nil {
			return bad("a version specifier, such as >=1.2, after the name")
		}
	}
	if rest == "" {
		return r, nil
	}
	if rest[0] != ';' {
		return bad("a semicolon and a marker, or the end")
	}
	r.Marker = strings.Trim(rest[1:], pyBlank)
	if !ValidMarker(r.Marker) {
		return bad("a marker, such as python_version < \"3.9\", after the semicolon")
	}
	return r, nil
}

// ValidMarker reports whether s has the form of an environment marker:
// comparisons between variables and quoted strings, joined by "and", "or" and
// brackets. Variables need not be known ones.
func ValidMarker(s string) bool {
	m := markerScanner{rest: s}
	return m.or(0) && blankLeft(m.rest) == ""
}

// maxMarkerDepth is how deep the brackets of a marker may nest.
const maxMarkerDepth = 50

type markerScanner struct{ rest string }

func (m *markerScanner) or(depth int) bool {
	if depth > maxMarkerDepth || !m.atom(depth) {
		return false
	}
	for m.word("and") || m.word("or") {
		if !m.atom(depth) {
			return false
		}
	}
	return true
}

func (m *markerScanner) atom(depth int) bool {
	m.rest = blankLeft(m.rest)
	if after, found := strings.CutPrefix(m.rest, "("); found {
		m.rest = after
		if !m.or(depth + 1) {
			return false
		}
		m.rest = blankLeft(m.rest)
		after, found = strings.CutPrefix(m.rest, ")")
		m.rest = after
		return found
	}
	return m.value() && m.operator() && m.value()
}

func (m *markerScanner) value() bool {
	m.rest = blankLeft(m.rest)
	if m.rest == "" {
		return false
	}
	if q := m.rest[0]; q == '"' || q == '\'' {
		end := strings.IndexByte(m.rest[1:], q)
		if end < 0 {
			return false
		}
		m.rest = m.rest[end+2:]
		return true
	}
	name, rest, ok := cutIdentifier(m.rest)
	if !ok || slices.Contains([]string{"and", "or", "in", "not"}, name) {
		return false
	}
	m.rest = rest
	return true
}

func (m *markerScanner) operator() bool {
	m.rest = blankLeft(m.rest)
	for _, op := range operators {
		if after, found := strings.CutPrefix(m.rest, op); found {
			m.rest = after
			return true
		}
	}
	return m.word("in") || m.word("not") && m.word("in")
}

// word takes a whole word.
func (m *markerScanner) word(w string) bool {
	rest := blankLeft(m.rest)
	after, found := strings.CutPrefix(rest, w)
	if !found || after != "" && (alnum(after[0]) || separator(after[0])) {
		return false
	}
	m.rest = after
	return true
}

// cutIdentifier takes a name off the front of s.
func cutIdentifier(s string) (name, rest string, ok bool) {
	end := 0
	for end < len(s) && (alnum(s[end]) || separator(s[end])) {
		end++
	}
	return s[:end], s[end:], ValidName(s[:end])
}

// cutExtras takes "a, b]" off the front of s.
func cutExtras(s string) (extras []string, rest string, ok bool) {
	if after, found := strings.CutPrefix(blankLeft(s), "]"); found {
		return nil, after, true
	}
	for {
		name, rest, ok := cutIdentifier(blankLeft(s))
		if !ok {
			return nil, "", false
		}
		extras = append(extras, name)
		rest = blankLeft(rest)
		switch {
		case strings.HasPrefix(rest, "]"):
			return extras, rest[1:], true
		case strings.HasPrefix(rest, ","):
			s = rest[1:]
		default:
			return nil, "", false
		}
	}
}

func blankLeft(s string) string { return strings.TrimLeft(s, pyBlank) }
