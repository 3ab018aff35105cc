package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/python"
)

// Scope narrows a key to some engines, channels, subdirs and packages. A resource
// is covered if every dimension covers it. The zero value narrows nothing.
//
// Of a dimension that a resource leaves empty:
//   - permissions on packages, and to look at what is there, pass: they are decided
//     again when the name is known. But Python has no channels and no subdirs, so
//     nothing of it is covered by a list of those, unless the key names the engine
//     pypi beside it;
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
		return fmt.Errorf("reading scope: %w", worded(err))
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

// worded says what is wrong with a scope's JSON without the names of our types.
func worded(err error) error {
	var other *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &other):
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	case other.Field == "":
		return fmt.Errorf("it is a JSON %s: an object is expected", other.Value)
	}
	return fmt.Errorf("%s has a JSON %s: a list of names is expected", quote(other.Field), other.Value)
}

// CheckEngines refuses a scope that names an engine which does not exist: unlike other
// names, none comes to be later. It is for scopes that are being made, not for those
// that keys have.
func (s *Scope) CheckEngines() error {
	known := []string{EngineConda, EnginePyPI}
	for _, p := range s.Engines.exact {
		if !slices.ContainsFunc(known, func(engine string) bool { return matches([]string{p}, engine) }) {
			return fmt.Errorf("there is no engine %s: %s is expected", quote(p), strings.Join(known, " or "))
		}
	}
	return nil
}

// All reports whether the scope narrows nothing.
func (s *Scope) All() bool {
	return !s.Engines.limited && !s.Channels.limited && !s.Subdirs.limited && !s.Packages.limited
}

// within reports whether s covers nothing that held does not.
func (s *Scope) within(held *Scope) bool {
	if s.Engines.limited && !held.Engines.limited && matches(s.Engines.exact, EnginePyPI) && (held.Channels.limited || held.Subdirs.limited) {
		return false // naming the engine opens Python to s, and held has not got it
	}
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
	case onShared, onAccount:
		return forbidden("this key is limited to a scope: " + p.String() + " needs a key without one")
	case onItem, onWhole:
	}
	bare := res.Engine == EnginePyPI // no channels or subdirs
	named := bare && s.Engines.limited
	if d := s.Engines.check(p, "engine", res.Engine, false, exactForm); d != nil {
		return d
	}
	if named {
		// The key names Python beside its channels: it is for both.
	} else if d := s.Channels.check(p, "channel", res.Channel, bare, exactForm); d != nil {
		return d
	} else if d := s.Subdirs.check(p, "subdir", res.Subdir, bare, exactForm); d != nil {
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
