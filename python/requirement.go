package python

import (
	"fmt"
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
	if len(s) > MaxRequirementLen {
		return Requirement{}, fmt.Errorf("requirement of %d bytes is too long: expected at most %d", len(s), MaxRequirementLen)
	}
	r, expected := scanRequirement(s)
	if expected != "" {
		return Requirement{}, fmt.Errorf("requirement %q is not one: expected %s", clip(s), expected)
	}
	return r, nil
}

// scanRequirement reads a requirement, or says what it misses.
func scanRequirement(s string) (r Requirement, expected string) {
	var ok bool
	rest := blankLeft(s)
	if r.Name, rest, ok = cutIdentifier(rest); !ok {
		return r, "a project name first"
	}
	rest = blankLeft(rest)
	if after, found := strings.CutPrefix(rest, "["); found {
		if r.Extras, rest, ok = cutExtras(after); !ok {
			return r, "names with commas between them in the brackets"
		}
		rest = blankLeft(rest)
	}
	if after, found := strings.CutPrefix(rest, "@"); found {
		after = blankLeft(after)
		end := strings.IndexAny(after, requirementBlank)
		if end < 0 {
			end = len(after)
		}
		if end == 0 {
			return r, "a URL after @"
		}
		r.URL, rest = after[:end], after[end:]
	} else if r.Specifiers, rest, ok = cutSpecifiers(rest); !ok {
		return r, "a version specifier, such as >=1.2, after the name"
	}
	rest = blankLeft(rest)
	if rest == "" {
		return r, ""
	}
	if rest[0] != ';' {
		return r, "a semicolon and a marker, or the end"
	}
	if r.Marker = strings.Trim(rest[1:], requirementBlank); !ValidMarker(r.Marker) {
		return r, `a marker, such as python_version < "3.9", after the semicolon`
	}
	return r, ""
}

// requirementBlank is the white space between the parts of a requirement.
const requirementBlank = " \t"

func blankLeft(s string) string { return strings.TrimLeft(s, requirementBlank) }

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

// cutSpecifiers takes clauses with commas between them, perhaps in brackets, off
// the front of s. A comma may follow the last.
func cutSpecifiers(s string) (set Specifiers, rest string, ok bool) {
	rest, bracket := strings.CutPrefix(s, "(")
	rest = blankLeft(rest)
	var clauses []string
	for {
		end := specifierLen(rest)
		if end == 0 {
			break
		}
		clauses = append(clauses, rest[:end])
		rest = blankLeft(rest[end:])
		after, more := strings.CutPrefix(rest, ",")
		if !more {
			break
		}
		rest = blankLeft(after)
	}
	if bracket {
		if rest, ok = strings.CutPrefix(rest, ")"); !ok {
			return nil, "", false
		}
	}
	set, err := ParseSpecifiers(strings.Join(clauses, ","))
	return set, rest, err == nil
}

// specifierLen is the length of the longest clause s begins with, 0 for none.
// What follows "===" may be anything, commas included.
func specifierLen(s string) int {
	for _, op := range operators {
		text, found := strings.CutPrefix(s, op)
		if !found {
			continue
		}
		text = strings.TrimLeftFunc(text, blank)
		if op == "===" {
			if end := strings.IndexFunc(text, endsArbitrary); end >= 0 {
				text = text[end:]
			} else {
				text = ""
			}
			return len(s) - len(text)
		}
		v, rest, ok := scanPublic(asciiLower(text))
		if !ok {
			return 0
		}
		if op == "==" || op == "!=" {
			if after, wildcard := strings.CutPrefix(rest, ".*"); wildcard && !v.IsPrerelease() && !v.hasPost {
				rest = after
			} else if after, local := strings.CutPrefix(rest, "+"); local {
				end := localLen(after)
				if end > 0 {
					rest = after[end:]
				}
			}
		}
		return len(s) - len(rest)
	}
	return 0
}

// localLen is the length of the longest local version s begins with.
func localLen(s string) (end int) {
	for i := 0; i < len(s) && alnum(s[i]); {
		for i < len(s) && alnum(s[i]) {
			i++
		}
		end = i
		if i < len(s) && separator(s[i]) {
			i++
		}
	}
	return end
}

// asciiLower keeps the length of s, which strings.ToLower need not.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
