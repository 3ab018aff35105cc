package python

import (
	"fmt"
	"strings"
)

// Specifiers is a set of version specifiers (PEP 440), all of which must hold.
// The zero value holds for every version.
type Specifiers []Specifier

// Specifier is one clause, such as ">=1.2" or "==1.2.*".
type Specifier struct {
	// Operator is one of ~= == != <= >= < > ===.
	Operator string
	// Text is what follows the operator, as written, without blanks.
	Text string
	// Version is Text read as a version; the zero Version for "===" with a
	// text that is none.
	Version Version
	// Wildcard is set for "==V.*" and "!=V.*", whose Version is V.
	Wildcard bool
}

// maxSpecifiers is the number of clauses in one set. Nothing real has more
// than some twenty.
const maxSpecifiers = 200

// ParseSpecifiers reads clauses with commas between them; empty text and empty
// clauses are permitted.
func ParseSpecifiers(s string) (Specifiers, error) {
	var set Specifiers
	for clause := range strings.SplitSeq(s, ",") {
		clause = trimBlank(clause)
		if clause == "" {
			continue
		}
		if len(set) == maxSpecifiers {
			return nil, fmt.Errorf("specifier has more than %d clauses", maxSpecifiers)
		}
		sp, ok := parseClause(clause)
		if !ok {
			return nil, fmt.Errorf("specifier %q is not one: expected clauses as in PEP 440, such as >=1.2,!=1.3.*", clip(clause))
		}
		set = append(set, sp)
	}
	return set, nil
}

// operators has longer operators before their beginnings.
var operators = [...]string{"===", "~=", "==", "!=", "<=", ">=", "<", ">"}

func parseClause(s string) (Specifier, bool) {
	for _, op := range operators {
		rest, found := strings.CutPrefix(s, op)
		if !found {
			continue
		}
		sp := Specifier{Operator: op, Text: trimBlank(rest)}
		if len(sp.Text) > MaxVersionLen {
			return Specifier{}, false
		}
		if op == "===" {
			sp.Version, _ = scanVersion(strings.ToLower(sp.Text))
			return sp, strings.IndexFunc(sp.Text, endsArbitrary) < 0
		}
		text := strings.ToLower(sp.Text)
		if op == "==" || op == "!=" {
			text, sp.Wildcard = strings.CutSuffix(text, ".*")
		}
		var ok bool
		if sp.Version, ok = scanVersion(text); !ok {
			return Specifier{}, false
		}
		v := sp.Version
		switch {
		case sp.Wildcard:
			ok = !v.IsPrerelease() && !v.hasPost && !v.HasLocal()
		case op == "~=":
			ok = len(v.release) > 1 && !v.HasLocal()
		case op != "==" && op != "!=":
			ok = !v.HasLocal()
		}
		return sp, ok
	}
	return Specifier{}, false
}

// endsArbitrary reports whether r cannot be part of what follows "===".
func endsArbitrary(r rune) bool { return blank(r) || r == ';' || r == ')' }

// String writes the clauses as they were read, without blanks.
func (set Specifiers) String() string {
	var b strings.Builder
	for i, sp := range set {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(sp.Operator)
		b.WriteString(sp.Text)
	}
	return b.String()
}

// Prereleases reports whether a clause names a pre-release, by which the whole
// set accepts them (PEP 440, "Handling of pre-releases").
func (set Specifiers) Prereleases() bool {
	for _, sp := range set {
		if sp.Operator != "!=" && !sp.Wildcard && sp.Version.IsPrerelease() {
			return true
		}
	}
	return false
}

// Contains reports whether v satisfies every clause. Whether pre-releases are
// wanted at all is the caller's question; see Filter.
func (set Specifiers) Contains(v Version) bool {
	for _, sp := range set {
		if !sp.contains(v) {
			return false
		}
	}
	return true
}

// Filter returns those of versions which an installer would choose from:
// pre-releases only if prereleases is set, a clause names one, or nothing else
// satisfies the set.
func (set Specifiers) Filter(versions []Version, prereleases bool) []Version {
	prereleases = prereleases || set.Prereleases()
	var all, final []Version
	for _, v := range versions {
		if !set.Contains(v) {
			continue
		}
		all = append(all, v)
		if !v.IsPrerelease() {
			final = append(final, v)
		}
	}
	if prereleases || len(final) == 0 {
		return all
	}
	return final
}

func (sp Specifier) contains(v Version) bool {
	w := sp.Version
	switch sp.Operator {
	case "===":
		return strings.EqualFold(v.String(), sp.Text)
	case "==":
		return sp.equal(v)
	case "!=":
		return !sp.equal(v)
	case "<=":
		return v.comparePublic(w) <= 0
	case ">=":
		return v.Compare(w) >= 0
	case "<":
		// A pre-release of W is not below W, unless W is one itself.
		if !w.IsPrerelease() {
			w.hasDev = true
		}
		return v.Compare(w) < 0
	case ">":
		// A post-release of W is not above W, unless W is one itself; nor is a
		// local version of W.
		if v.comparePublic(w) <= 0 {
			return false
		}
		if w.hasDev || w.hasPost {
			return true
		}
		return !v.sameBase(w) || v.preKind != w.preKind || v.pre != w.pre
	default: // ~=
		return v.Compare(w) >= 0 && v.hasPrefix(w.epoch, w.release[:len(w.release)-1])
	}
}

func (sp Specifier) equal(v Version) bool {
	switch {
	case sp.Wildcard:
		return v.hasPrefix(sp.Version.epoch, sp.Version.release)
	case sp.Version.HasLocal():
		return v.Compare(sp.Version) == 0
	default:
		return v.comparePublic(sp.Version) == 0
	}
}

// sameBase reports whether epoch and release are equal.
func (v Version) sameBase(w Version) bool {
	return v.epoch == w.epoch && compareRelease(v.release, w.release) == 0
}

// hasPrefix reports whether v's release begins with release, zeros added to v
// as needed.
func (v Version) hasPrefix(epoch number, release []number) bool {
	if v.epoch != epoch {
		return false
	}
	for i, n := range release {
		var m number
		if i < len(v.release) {
			m = v.release[i]
		}
		if m != n {
			return false
		}
	}
	return true
}
