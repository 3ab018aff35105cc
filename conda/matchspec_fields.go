package conda

import (
	"strconv"
	"strings"
)

// setFields takes what is in the brackets of a spec: key=value pairs, values in
// quotes where they hold commas or spaces, lists of them in brackets.
func (m *MatchSpec) setFields(s string) string {
	const why = "key=value pairs are expected between its brackets"
	seen := map[string]bool{}
	for s = strings.Trim(s, " \t"); s != ""; {
		n := 0
		for n < len(s) && (isLower(s[n]|0x20) || isDigit(s[n]) || s[n] == '_' || s[n] == '-') {
			n++
		}
		key := s[:n]
		s = strings.TrimLeft(s[n:], " \t")
		if key == "" || s == "" || s[0] != '=' {
			return why
		}
		value, rest, ok := fieldValue(strings.TrimLeft(s[1:], " \t"))
		if !ok {
			return why
		}
		if seen[key] {
			return "the key " + clip(key) + " is there twice"
		}
		seen[key] = true
		if why := m.setField(key, value); why != "" {
			return why
		}
		trimmed := strings.TrimLeft(rest, " \t")
		comma := strings.HasPrefix(trimmed, ",")
		if !comma && trimmed != "" && len(trimmed) == len(rest) {
			return why
		}
		s = strings.TrimLeft(strings.TrimPrefix(trimmed, ","), " \t")
		if comma && s == "" {
			return why
		}
	}
	return ""
}

// fieldValue reads one value from the beginning of s.
func fieldValue(s string) (value, rest string, ok bool) {
	if s == "" {
		return "", "", false
	}
	switch quote := s[0]; quote {
	case '"', '\'':
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`"'\`, s[i+1]) >= 0:
				i++
				b.WriteByte(s[i])
			case s[i] == quote:
				return b.String(), s[i+1:], true
			default:
				b.WriteByte(s[i])
			}
		}
		return "", "", false
	case '[':
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", false
		}
		return s[1:end], s[end+1:], true
	}
	end := strings.IndexAny(s, " \t,'\"[]")
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:], end > 0
}

// setField takes one pair. Those that name an artifact or a channel say nothing
// that could be misread, and are only known by their keys.
func (m *MatchSpec) setField(key, value string) string {
	switch key {
	case "version":
		p := constraintParser{s: value}
		c, ok := p.alternatives()
		if !ok || strings.TrimSpace(p.s) != "" {
			return "its version constraint cannot be read"
		}
		m.version = c
	case "build":
		m.build, m.buildRE = "", nil
		return m.setBuild(value)
	case "build_number":
		digits := strings.TrimSpace(strings.TrimLeft(value, "<>=!"))
		if _, err := strconv.ParseUint(digits, 10, 63); err != nil && value != "*" {
			return "its build_number is no number"
		}
	case "when", "extras", "flags":
		if value == "" {
			return "its " + key + " is empty"
		}
		m.v3 = key
	case "name", "channel", "subdir", "namespace", "url", "fn", "md5", "sha256", "license", "license_family",
		"features", "track_features", "noarch", "arch", "platform":
	default:
		return "the key " + clip(key) + " is not known"
	}
	return ""
}
