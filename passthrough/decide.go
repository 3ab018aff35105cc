package passthrough

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/python"
)

// Local knows the names of the house. It is asked before anything goes upstream.
type Local interface {
	// Owns reports whether a normalised name is local (also when it is empty, hidden,
	// closed or deleted) or reserved, whoever asks. An error means that this cannot be
	// told now; then nothing is asked of an upstream.
	Owns(name string) (owned bool, err error)
}

// Decide says whether a name, in any spelling, may be asked of an upstream, and
// returns its normalised form. The error is a [*Refusal]. Every operation of this
// package begins with it.
func (p *Mirror) Decide(name string) (string, error) {
	if !python.ValidName(name) {
		return "", p.refused(refuse(NotFound, nil, "%q is no name of a Python project", clip(name)))
	}
	name = python.Normalise(name)
	owned, err := p.local.Owns(name)
	if err != nil {
		return "", p.refused(refuse(Unavailable, err, "the catalog cannot tell now whether %s is a name of this gateway: try again later", name))
	}
	if owned {
		return "", p.refused(refuse(Owned, nil, "%s is a name of this gateway or reserved by it: it is never taken from an upstream", name))
	}
	if reason := p.rules.blocks(name); reason != "" {
		return "", p.refused(refuse(Blocked, nil, "%s", reason))
	}
	return name, nil
}

func (p *Mirror) refused(r *Refusal) *Refusal {
	switch r.Kind {
	case Owned, Blocked, Withheld:
		p.stats.blocked.Add(1)
	}
	return r
}

// rules are the operator's globs and cooldown, parsed.
type rules struct {
	allow, deny []string
	cooldown    time.Duration
	exempt      []exemption
}

// exemption lets a project, or one version of it, pass without cooldown.
type exemption struct {
	name    string         // glob
	version python.Version // zero for all
}

func newRules(c Config) (rules, error) {
	r := rules{cooldown: c.Cooldown}
	var err error
	if r.allow, err = globs("allow", c.Allow); err != nil {
		return r, err
	}
	if r.deny, err = globs("deny", c.Deny); err != nil {
		return r, err
	}
	for _, entry := range c.CooldownExempt {
		name, version, found := strings.Cut(entry, "==")
		g, err := globs("cooldown exemption", []string{strings.TrimSpace(name)})
		if err != nil {
			return r, err
		}
		e := exemption{name: g[0]}
		if found {
			if e.version, err = python.ParseVersion(version); err != nil {
				return r, fmt.Errorf("cooldown exemption %q has no valid version: expected name or name==version", entry)
			}
		}
		r.exempt = append(r.exempt, e)
	}
	return r, nil
}

// globs normalises patterns, so that "My_Corp.*" matches what it means.
func globs(what string, patterns []string) ([]string, error) {
	out := make([]string, 0, len(patterns))
	for _, p := range patterns {
		if p == "" || strings.Trim(strings.ToLower(p), "abcdefghijklmnopqrstuvwxyz0123456789-_.*?") != "" {
			return nil, fmt.Errorf("%s pattern %q is not valid: expected a project name, in which '*' and '?' are wild", what, p)
		}
		out = append(out, python.Normalise(p))
	}
	return out, nil
}

// blocks returns the reason why a name is not asked for, or "".
func (r *rules) blocks(name string) string {
	if g := match(r.deny, name); g != "" {
		return fmt.Sprintf("%s is blocked by this gateway's rule deny %s", name, g)
	}
	if len(r.allow) > 0 && match(r.allow, name) == "" {
		return fmt.Sprintf("%s is not among the projects that this gateway allows", name)
	}
	return ""
}

func match(globs []string, name string) string {
	for _, g := range globs {
		if ok, _ := path.Match(g, name); ok {
			return g
		}
	}
	return ""
}

// holds reports whether a file is still in its cooldown, and until when. since is
// when it was uploaded or, where the upstream does not say, first seen here; a
// file of unknown age is held for good.
func (r *rules) holds(name, version string, since, now time.Time) (until time.Time, held bool) {
	if r.cooldown <= 0 || r.exempted(name, version) {
		return time.Time{}, false
	}
	if since.IsZero() {
		return time.Time{}, true
	}
	until = since.Add(r.cooldown)
	return until, now.Before(until)
}

func (r *rules) exempted(name, version string) bool {
	for _, e := range r.exempt {
		if ok, _ := path.Match(e.name, name); !ok {
			continue
		}
		if e.version.IsZero() {
			return true
		}
		if v, err := python.ParseVersion(version); err == nil && v.Compare(e.version) == 0 {
			return true
		}
	}
	return false
}

// clip shortens what a client sent, for messages.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
