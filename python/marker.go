package python

import (
	"encoding/hex"
	"strings"
)

// ValidMarker reports whether s has the form of an environment marker (PEP 508):
// comparisons between variables and quoted strings, joined by "and", "or" and
// brackets.
func ValidMarker(s string) bool {
	m := markerScanner{rest: s}
	return m.or(0) && m.rest == ""
}

// maxMarkerDepth is how deep the brackets of a marker may nest.
const maxMarkerDepth = 50

// markerVariables are the names that installers know: they refuse a requirement
// with any other. Dots are of the oldest spelling, in PEP 345.
var markerVariables = [...]string{
	"python_version", "python_full_version", "os_name", "os.name", "sys_platform", "sys.platform",
	"platform_release", "platform_system", "platform_version", "platform.version", "platform_machine", "platform.machine",
	"platform_python_implementation", "platform.python_implementation", "python_implementation",
	"implementation_name", "implementation_version", "extra", "extras", "dependency_groups",
}

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
	m.blank()
	if m.token("(") {
		if !m.or(depth+1) || !m.token(")") {
			return false
		}
	} else if !m.value() || !m.operator() || !m.value() {
		return false
	}
	m.blank()
	return true
}

func (m *markerScanner) value() bool {
	m.blank()
	for _, name := range markerVariables {
		if m.word(name) {
			m.blank()
			return true
		}
	}
	if m.rest == "" || m.rest[0] != '"' && m.rest[0] != '\'' {
		return false
	}
	end := 1 + strings.IndexByte(m.rest[1:], m.rest[0])
	if end == 0 || !validLiteral(m.rest[1:end]) {
		return false
	}
	m.rest = m.rest[end+1:]
	m.blank()
	return true
}

func (m *markerScanner) operator() bool {
	if m.word("in") {
		return true
	}
	if m.word("not") {
		before := len(m.rest)
		m.blank()
		return len(m.rest) < before && m.word("in")
	}
	for _, op := range operators {
		if m.token(op) {
			return true
		}
	}
	return false
}

func (m *markerScanner) blank() { m.rest = blankLeft(m.rest) }

func (m *markerScanner) token(text string) (found bool) {
	m.rest, found = strings.CutPrefix(m.rest, text)
	return found
}

// word is a token that no letter, digit or underscore may follow.
func (m *markerScanner) word(text string) bool {
	after, found := strings.CutPrefix(m.rest, text)
	if !found || after != "" && (alnum(after[0]) || after[0] == '_') {
		return false
	}
	m.rest = after
	return true
}

// validLiteral reports whether s can stand between quotes in Python: installers
// read it as a literal of that language. Characters by name are refused.
func validLiteral(s string) bool {
	if strings.ContainsAny(s, "\n\r\x00") {
		return false
	}
	for {
		at := strings.IndexByte(s, '\\')
		if at < 0 {
			return true
		}
		if s = s[at+1:]; s == "" {
			return false
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8, 'N': -1}[s[0]]
		if s = s[1:]; digits == 0 {
			continue
		}
		if digits < 0 || len(s) < digits {
			return false
		}
		code, err := hex.DecodeString(s[:digits])
		if err != nil || digits == 8 && (code[0] != 0 || code[1] > 0x10) {
			return false
		}
	}
}
