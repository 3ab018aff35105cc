package authz

import (
	"errors"
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
		return errors.New(`"" is no pattern: a name, or the beginning of one and '*', is expected`)
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
