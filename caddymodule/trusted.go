package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/oidc"
)

// TrustedPublisher is a CI job that gets a short-lived key for its OIDC token, so
// that it needs no stored one.
type TrustedPublisher struct {
	// Names it in the audit trail.
	Name string `json:"name"`

	// URL of who issues the tokens, as their iss has it.
	Issuer string `json:"issuer"`

	// URL of the issuer's key set. Default: the one that the issuer's discovery
	// document names.
	JWKS string `json:"jwks,omitempty"`

	// What a token's aud must hold.
	Audience string `json:"audience"`

	// Patterns of a token's sub, * standing for anything without a slash. One must
	// match.
	Subjects []string `json:"subjects"`

	// Further claims that a token must have with these very values.
	Claims map[string]string `json:"claims,omitempty"`

	// Role or policy of the key. Default: developer.
	Policy string `json:"policy,omitempty"`

	// Project that the key is bound to. Default: none.
	Project string `json:"project,omitempty"`

	// What the key is limited to, names or beginnings of them with a trailing *.
	// Default: nothing.
	Channels []string `json:"channels,omitempty"`
	Subdirs  []string `json:"subdirs,omitempty"`
	Packages []string `json:"packages,omitempty"`
	Engines  []string `json:"engines,omitempty"`

	// Life of the key. Default: 15m.
	TTL caddy.Duration `json:"ttl,omitempty"`
}

// publisher checks and converts p.
func (p TrustedPublisher) publisher() (out gateway.TrustedPublisher, err error) {
	for _, f := range []struct{ name, value string }{{"name", p.Name}, {"issuer", p.Issuer}, {"audience", p.Audience}} {
		if f.value == "" {
			return out, fmt.Errorf("trusted publisher %q has no %s: one is expected", p.Name, f.name)
		}
	}
	if len(p.Subjects) == 0 {
		return out, fmt.Errorf("trusted publisher %q has no subjects: one pattern or more is expected", p.Name)
	}
	if p.TTL < 0 {
		return out, fmt.Errorf("trusted publisher %q has a negative ttl", p.Name)
	}
	out = gateway.TrustedPublisher{
		Publisher: oidc.Publisher{
			Name: p.Name, Issuer: p.Issuer, JWKS: p.JWKS, Audience: p.Audience, Subjects: p.Subjects, Claims: p.Claims,
		},
		Policy: p.Policy, Project: p.Project, TTL: duration(p.TTL),
	}
	if out.Scope, err = scopeOf(p.Channels, p.Subdirs, p.Packages, p.Engines); err != nil {
		return out, fmt.Errorf("trusted publisher %q: %w", p.Name, err)
	}
	if err := out.Scope.CheckEngines(); err != nil {
		return out, fmt.Errorf("trusted publisher %q: %w", p.Name, err)
	}
	return out, nil
}

// scopeOf makes a scope of lists; a list that is not there limits nothing.
func scopeOf(channels, subdirs, packages, engines []string) (s authz.Scope, err error) {
	for _, list := range []struct {
		from []string
		to   *authz.Names
	}{{channels, &s.Channels}, {subdirs, &s.Subdirs}, {packages, &s.Packages}, {engines, &s.Engines}} {
		if len(list.from) == 0 {
			continue // an empty list would grant nothing
		}
		if *list.to, err = authz.ParseNames(list.from); err != nil {
			return s, err
		}
	}
	return s, nil
}

// options are the Caddyfile's names of what holds for one publisher.
func (p *TrustedPublisher) options() options {
	return options{
		"issuer":   text(&p.Issuer),
		"jwks":     text(&p.JWKS),
		"audience": text(&p.Audience),
		"subjects": words(&p.Subjects),
		"claims":   pairs(&p.Claims),
		"policy":   text(&p.Policy),
		"project":  text(&p.Project),
		"channels": words(&p.Channels),
		"subdirs":  words(&p.Subdirs),
		"packages": words(&p.Packages),
		"engines":  words(&p.Engines),
		"ttl":      period(&p.TTL),
	}
}

// parsePublisher reads one trusted_publisher block.
func (a *App) parsePublisher(d *caddyfile.Dispenser) error {
	name, err := argument(d, "a name for the audit trail")
	if err != nil {
		return err
	}
	for _, other := range a.TrustedPublishers {
		if other.Name == name {
			return d.Errf("trusted publisher %q is already there: names are expected to differ", name)
		}
	}
	p := TrustedPublisher{Name: name}
	if err := p.options().read(d, make(map[string]bool)); err != nil {
		return err
	}
	if _, err := p.publisher(); err != nil {
		return d.WrapErr(err)
	}
	a.TrustedPublishers = append(a.TrustedPublishers, p)
	return nil
}

// pairs reads a block of names and values.
func pairs(to *map[string]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if args := d.RemainingArgs(); len(args) > 0 {
			return d.Errf("%s has the value %q: a block of names and values is expected", name, args[0])
		}
		got := make(map[string]string)
		for nesting := d.Nesting(); d.NextBlock(nesting); {
			key := d.Val()
			value, err := argument(d, "one value")
			if err != nil {
				return err
			}
			if _, twice := got[key]; twice {
				return d.Errf("%s is already set: one value is expected", key)
			}
			got[key] = value
		}
		if len(got) == 0 {
			return d.Errf("%s is empty: a block of names and values is expected", name)
		}
		*to = got
		return nil
	}
}
