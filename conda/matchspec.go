package conda

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// MatchSpec is a query for packages (CEP 29), as a dependency states one.
type MatchSpec struct {
	Name string // in lower case

	version *constraint // nil for any
	build   string      // in lower case, with stars; "" for any
	buildRE *regexp.Regexp
	v3      string // the key that only repodata revision 3 can say, "" if none
}

// maxSpec bounds the length in bytes of a match spec.
const maxSpec = 2048

// ParseMatchSpec reads a dependency as conda and rattler do, legacy forms
// included: "python >=3.6,<4", "foo 1.*", "foo=1.2=py_0", "foo[version='>=1']".
// The name is to be exact: a dependency on whatever matches a pattern is none.
// The error is an [*InvalidError].
func ParseMatchSpec(s string) (*MatchSpec, error) {
	fail := func(why string) (*MatchSpec, error) {
		return nil, invalid("the dependency %s is not valid: %s (CEP 29)", clip(s), why)
	}
	if len(s) > maxSpec {
		return fail("it is too long")
	}
	if !utf8.ValidString(s) || strings.IndexFunc(s, isControl) >= 0 {
		return fail("it has control characters")
	}
	rest := s
	if i := strings.IndexByte(rest, '#'); i >= 0 && !strings.Contains(rest[:i], "[") {
		rest = rest[:i] // a comment
	}
	if strings.Contains(rest, ";") && !strings.Contains(rest, "[") {
		return fail("conditions after ';' are not part of the syntax")
	}
	rest = strings.TrimSpace(rest)
	m := &MatchSpec{}
	fields := ""
	if i := strings.IndexByte(rest, '['); i >= 0 && !strings.Contains(rest[:i], "^") {
		if !strings.HasSuffix(rest, "]") {
			return fail("a bracket is not closed")
		}
		rest, fields = strings.TrimSpace(rest[:i]), rest[i+1:len(rest)-1]
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		if strings.ContainsAny(rest[:i], " <>=!~^*|,()") {
			return fail("a channel and a name are expected around ':'")
		}
		rest = rest[i+1:]
	}
	n := strings.IndexAny(rest, " \t<>=!~")
	if n < 0 {
		n = len(rest)
	}
	if why := m.setName(rest[:n]); why != "" {
		return fail(why)
	}
	if rest = strings.TrimSpace(rest[n:]); rest != "" {
		if why := m.setVersionAndBuild(rest); why != "" {
			return fail(why)
		}
	}
	if fields != "" {
		if why := m.setFields(fields); why != "" {
			return fail(why)
		}
	}
	return m, nil
}

// setName takes the name; clients read it in any case.
func (m *MatchSpec) setName(name string) string {
	switch {
	case name == "":
		return "it has no name"
	case len(name) > maxPart:
		return "its name is too long"
	case strings.ContainsAny(name, "*^$"):
		return "an exact name is expected, not a pattern"
	}
	for i := range len(name) {
		if c := name[i]; !isLower(c|0x20) && !isDigit(c) && !isSeparator(c) {
			return "its name has other characters than letters, digits, '-', '_' and '.'"
		}
	}
	m.Name = strings.ToLower(name)
	return ""
}

// setVersionAndBuild takes what follows the name: a version constraint, then
// perhaps a build, with a space or a '=' between them.
func (m *MatchSpec) setVersionAndBuild(s string) string {
	const why = "its version constraint cannot be read"
	p := constraintParser{s: s}
	c, ok := p.alternatives()
	if !ok {
		return why
	}
	m.version = c
	literal := s[:len(s)-len(p.s)]
	build := strings.TrimSpace(p.s)
	if build == "" {
		return ""
	}
	if build[0] == '=' {
		build = strings.TrimSpace(build[1:])
	} else if len(p.s) == len(strings.TrimLeft(p.s, " \t")) {
		return why
	}
	c.exactly(literal)
	return m.setBuild(build)
}

// setBuild takes an exact build, one with stars, or a regular expression.
func (m *MatchSpec) setBuild(s string) string {
	if strings.HasPrefix(s, "^") && strings.HasSuffix(s, "$") {
		re, err := regexp.Compile("(?i)" + s)
		if err != nil {
			return "the regular expression of its build cannot be read"
		}
		m.buildRE = re
		return ""
	}
	if s == "" || len(s) > maxPart {
		return "its build is empty or too long"
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c|0x20) && !isDigit(c) && strings.IndexByte("._+*-", c) < 0 {
			return "its build has other characters than letters, digits, '.', '_', '+' and '*'"
		}
	}
	m.build = strings.ToLower(s)
	return ""
}

// Match reports whether a package of that name, version and build is meant.
// Constraints in brackets other than version and build are not looked at.
func (m *MatchSpec) Match(name string, v Version, build string) bool {
	switch {
	case m.Name != name,
		m.version != nil && !m.version.match(v),
		m.buildRE != nil && !m.buildRE.MatchString(build),
		m.build != "" && !matchGlob(m.build, strings.ToLower(build)):
		return false
	}
	return true
}

func isControl(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }
