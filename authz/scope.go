package authz

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/python"
)

// Limits of a list of patterns.
const (
	MaxPatterns   = 100 // patterns in a list
	MaxPatternLen = 255 // bytes of a pattern
)

// Names is one dimension of a scope: every name, or a list of patterns. The zero
// value is every name; an empty list is none.
type Names struct {
	limited bool // false: every name

	// The patterns as given, sorted, each an exact name or a prefix with '*'; the
	// same in lower case, for conda's package names; and normalised by PEP 503.
	// Those equal to the first share its memory.
	exact, lower, pypi []string
}

// ParseNames makes a list of patterns: exact names, or beginnings of names with a
// trailing '*'. They may name what does not exist yet. A list with a bare "*" is
// every name; an empty or nil list grants nothing. Errors name the pattern.
func ParseNames(patterns []string) (Names, error) {
	if len(patterns) > MaxPatterns {
		return Names{}, fmt.Errorf("the list has %d patterns: at most %d are expected", len(patterns), MaxPatterns)
	}
	list := slices.Clone(patterns)
	slices.Sort(list)
	list = slices.Compact(list)
	for _, p := range list {
		if err := checkPattern(p); err != nil {
			return Names{}, err
		}
		if p == "*" {
			return Names{}, nil
		}
	}
	return Names{limited: true, exact: list, lower: mapped(list, strings.ToLower), pypi: mapped(list, python.Normalise)}, nil
}

func checkPattern(p string) error {
	name := strings.TrimSuffix(p, "*")
	switch {
	case p == "":
		return fmt.Errorf(`"" is no pattern: a name, or the beginning of one and '*', is expected`)
	case len(p) > MaxPatternLen:
		return fmt.Errorf("pattern %s has %d bytes: at most %d are expected", quote(p), len(p), MaxPatternLen)
	case strings.Contains(name, "*"):
		return fmt.Errorf("pattern %s has a '*' before its end: one at the end is expected", quote(p))
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return fmt.Errorf("pattern %s has a space or a character outside ASCII: a name, or the beginning of one and '*', is expected", quote(p))
	}
	return nil
}

// mapped applies f to what stands before each pattern's '*'.
func mapped(list []string, f func(string) string) []string {
	out := make([]string, len(list))
	for i, p := range list {
		if prefix, glob := strings.CutSuffix(p, "*"); glob {
			out[i] = f(prefix) + "*"
		} else {
			out[i] = f(p)
		}
	}
	if slices.Equal(out, list) {
		return list
	}
	return out
}

// All reports whether every name is meant.
func (n Names) All() bool { return !n.limited }

// Patterns is the list, sorted; nil where every name is meant, and not nil for the
// list that grants nothing.
func (n Names) Patterns() []string {
	if !n.limited {
		return nil
	}
	return append([]string{}, n.exact...)
}

// within reports whether every name that n covers is covered by held. Both are
// compared by the given form of their patterns.
func (n *Names) within(held *Names, form func(*Names) []string) bool {
	if !held.limited {
		return true
	}
	if !n.limited {
		return false
	}
	for _, p := range form(n) {
		// A glob is within another if its prefix is: the '*' is one more character.
		if !matches(form(held), p) {
			return false
		}
	}
	return true
}

func exactForm(n *Names) []string { return n.exact }

// lowerForm is for packages, where it decides for Python, too: normalising keeps
// one name the beginning of another.
func lowerForm(n *Names) []string { return n.lower }

// matches reports whether one of the patterns covers name, both in the same form.
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if last := len(p) - 1; p[last] == '*' {
			if strings.HasPrefix(name, p[:last]) {
				return true
			}
		} else if p == name {
			return true
		}
	}
	return false
}

// Scope narrows a key to some engines, channels, subdirs and packages. A resource
// is covered if every dimension covers it. The zero value narrows nothing.
//
// Of a dimension that a resource leaves empty:
//   - permissions on packages, and to look at what is there, pass: they are decided
//     again when the name is known. But Python has no channels and no subdirs, so
//     nothing of it is covered by a list of those;
//   - permissions on a whole channel or Python name need it to be unlimited;
//   - permissions on keys do not ask for the scope at all, for the subset rule does
//     ([CanGrant]); those on the account need every dimension to be unlimited.
//
// Channels, subdirs and engines are compared exactly, conda's packages in lower
// case, Python's as PEP 503 has it.
type Scope struct{ Engines, Channels, Subdirs, Packages Names }

// scopeJSON is a scope on the wire: what is absent or null is unlimited, an empty
// list grants nothing.
type scopeJSON struct {
	Engines  []string `json:"engines,omitzero"`
	Channels []string `json:"channels,omitzero"`
	Subdirs  []string `json:"subdirs,omitzero"`
	Packages []string `json:"packages,omitzero"`
}

// MarshalJSON writes the lists that limit, each sorted: equal scopes have equal
// JSON.
func (s Scope) MarshalJSON() ([]byte, error) {
	return json.Marshal(scopeJSON{s.Engines.Patterns(), s.Channels.Patterns(), s.Subdirs.Patterns(), s.Packages.Patterns()})
}

// UnmarshalJSON reads what MarshalJSON writes. A member that is not known is an
// error: a misspelt limit must not fall open.
func (s *Scope) UnmarshalJSON(b []byte) error {
	var w scopeJSON
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return fmt.Errorf("reading scope: %w", err)
	}
	var out Scope
	for _, dim := range []struct {
		what     string
		patterns []string
		names    *Names
	}{
		{"engines", w.Engines, &out.Engines},
		{"channels", w.Channels, &out.Channels},
		{"subdirs", w.Subdirs, &out.Subdirs},
		{"packages", w.Packages, &out.Packages},
	} {
		if dim.patterns == nil {
			continue
		}
		names, err := ParseNames(dim.patterns)
		if err != nil {
			return fmt.Errorf("reading %s of the scope: %w", dim.what, err)
		}
		*dim.names = names
	}
	*s = out
	return nil
}

// All reports whether the scope narrows nothing.
func (s *Scope) All() bool {
	return !s.Engines.limited && !s.Channels.limited && !s.Subdirs.limited && !s.Packages.limited
}

// within reports whether s covers nothing that held does not.
func (s *Scope) within(held *Scope) bool {
	return s.Engines.within(&held.Engines, exactForm) && s.Channels.within(&held.Channels, exactForm) &&
		s.Subdirs.within(&held.Subdirs, exactForm) && s.Packages.within(&held.Packages, lowerForm)
}

// check refuses a permission on a resource that the scope does not cover.
func (s *Scope) check(p Perm, res *Resource) *Denied {
	if s.All() {
		return nil
	}
	switch permissions[p].level {
	case onKeys:
		return nil
	case onAccount:
		return forbidden("this key is limited to a scope: " + p.String() + " needs a key without one")
	case onItem, onWhole:
	}
	bare := res.Engine == EnginePyPI // no channels or subdirs
	if d := s.Engines.check(p, "engine", res.Engine, false, exactForm); d != nil {
		return d
	}
	if d := s.Channels.check(p, "channel", res.Channel, bare, exactForm); d != nil {
		return d
	}
	if d := s.Subdirs.check(p, "subdir", res.Subdir, bare, exactForm); d != nil {
		return d
	}
	if !s.Packages.limited || res.Package == "" {
		return s.Packages.check(p, "package", "", false, lowerForm)
	}
	if bare {
		return s.Packages.check(p, "package", python.Normalise(res.Package), false, func(n *Names) []string { return n.pypi })
	}
	return s.Packages.check(p, "package", strings.ToLower(res.Package), false, lowerForm)
}

// check decides on one dimension. absent says that the resource cannot have it.
func (n *Names) check(p Perm, what, value string, absent bool, form func(*Names) []string) *Denied {
	switch {
	case !n.limited:
		return nil
	case value != "":
		if matches(form(n), value) {
			return nil
		}
		return forbidden("the scope of this key does not cover the " + what + " " + quote(value))
	case absent:
		return forbidden("this key is limited to some " + what + "s, and Python packages are in none")
	case permissions[p].level == onItem:
		return nil
	}
	return forbidden("this key is limited to some " + what + "s: " + p.String() + " needs a key for all of them")
}

var (
	_ json.Marshaler   = Scope{}
	_ json.Unmarshaler = (*Scope)(nil)
)
