package caddymodule

import (
	"fmt"
	"path/filepath"
	"regexp"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/passthrough"
)

// PyPI says which Python indexes names are passed through to that are unknown
// here, and how. Zero fields take their defaults.
type PyPI struct {
	// The upstream indexes, asked in order; the first that has a name owns it.
	Upstreams []Upstream `json:"upstreams,omitempty"`

	// What is done with a name that is not owned here. proxy: its files are fetched,
	// verified, kept and served. redirect: the client is sent to the upstream. index:
	// pages are served, their files come from the upstream. Default: proxy.
	Mode string `json:"mode,omitempty"`

	// Names that are passed through, as globs over normalised names. Default: all.
	Allow []string `json:"allow,omitempty"`

	// Names that are never passed through; wins over allow.
	Deny []string `json:"deny,omitempty"`

	// Files that the upstream has had for less than this are withheld. Default: 0.
	Cooldown caddy.Duration `json:"cooldown,omitempty"`

	// What cooldown does not hold for: name or name==version, globs in the name.
	CooldownExempt []string `json:"cooldown_exempt,omitempty"`

	// Whether nothing is fetched and only what is kept already is served. Default:
	// false.
	Offline bool `json:"offline,omitempty"`

	// Folder of what was fetched; safe to delete. Default: cache in the data
	// folder.
	CacheDir string `json:"cache_dir,omitempty"`

	// Disk budget of fetched files, in bytes. Default: 50 GiB.
	CacheSize int64 `json:"cache_size,omitempty"`

	// Memory budget of hot pages, in bytes. Default: 64 MiB.
	MemorySize int64 `json:"memory_size,omitempty"`

	// Longest time that a page is served without asking the upstream. Default: 10m.
	PageFreshness caddy.Duration `json:"page_freshness,omitempty"`

	// How long "no such project" is remembered. Default: 30s.
	NegativeTTL caddy.Duration `json:"negative_ttl,omitempty"`

	// How long a page goes on being served while the upstream fails. Default: 7d.
	StaleFor caddy.Duration `json:"stale_for,omitempty"`

	// Largest page of an upstream, in bytes. Default: 64 MiB.
	MaxPage int64 `json:"max_page,omitempty"`

	// Largest file of an upstream, in bytes. Default: 10 GiB.
	MaxFile int64 `json:"max_file,omitempty"`

	// Time to connect to an upstream. Default: 10s.
	ConnectTimeout caddy.Duration `json:"connect_timeout,omitempty"`

	// Time for a whole page. Default: 30s.
	PageTimeout caddy.Duration `json:"page_timeout,omitempty"`

	// Longest pause in a file's body. Default: 30s.
	StallTimeout caddy.Duration `json:"stall_timeout,omitempty"`

	// Failures in a row after which an upstream is left alone for a while. Default: 5.
	BreakerAfter int `json:"breaker_after,omitempty"`

	// How long it is left alone. Default: 30s.
	BreakerFor caddy.Duration `json:"breaker_for,omitempty"`

	// Hosts, or host:port, that may resolve to loopback, private or link-local
	// addresses; all others may not. An upstream whose URL has such an address itself,
	// or localhost, needs no entry.
	PrivateHosts []string `json:"private_hosts,omitempty"`
}

// Upstream is one simple index (PEP 503, PEP 691).
type Upstream struct {
	// Names it in metrics, messages and the URLs of its files.
	Name string `json:"name"`

	// URL of the simple index, or off for none. Default: PyPI's, for the name pypi.
	URL string `json:"url,omitempty"`

	// Credential for the URL's own host. Placeholders such as {env.PYPI_PASSWORD} or
	// {file./run/secrets/pypi} keep it out of the configuration.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`

	// Hosts that its files may come from beside the URL's own.
	FileHosts []string `json:"file_hosts,omitempty"`
}

// upstreamOff is the URL that stands for no upstream.
const upstreamOff = "off"

// upstreamName is what an upstream may be called: it stands in URLs.
var upstreamName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// apply makes the pass-through of cfg; none where every upstream is off.
func (p *PyPI) apply(cfg *gateway.Config, repl *caddy.Replacer) (err error) {
	out := passthrough.Config{
		Allow: p.Allow, Deny: p.Deny, Cooldown: duration(p.Cooldown),
		CooldownExempt: p.CooldownExempt, Offline: p.Offline, PageFreshness: duration(p.PageFreshness),
		NegativeTTL: duration(p.NegativeTTL), StaleFor: duration(p.StaleFor), CacheBytes: p.CacheSize,
		MemoryBytes: p.MemorySize, MaxPage: p.MaxPage, MaxFile: p.MaxFile,
		ConnectTimeout: duration(p.ConnectTimeout), PageTimeout: duration(p.PageTimeout),
		StallTimeout: duration(p.StallTimeout), BreakerAfter: p.BreakerAfter, BreakerFor: duration(p.BreakerFor),
		PrivateHosts: p.PrivateHosts, Log: cfg.Log,
	}
	if p.Mode != "" {
		if out.Mode, err = passthrough.ParseMode(p.Mode); err != nil {
			return err
		}
	}
	if out.Dir, err = resolve(repl, "cache_dir", p.CacheDir); err != nil {
		return err
	}
	if out.Dir == "" {
		out.Dir = filepath.Join(cfg.Dir, "cache")
	}
	if out.Dir, err = filepath.Abs(out.Dir); err != nil {
		return fmt.Errorf("resolving cache_dir: %w", err)
	}
	out.Dir = withoutLinks(out.Dir)
	for _, u := range p.Upstreams {
		up, err := u.resolve(repl)
		if err != nil {
			return fmt.Errorf("upstream %s: %w", u.Name, err)
		}
		if up.URL != upstreamOff {
			out.Upstreams = append(out.Upstreams, up)
		}
	}
	if len(out.Upstreams) == 0 {
		return nil
	}
	cfg.Passthrough = &out
	return out.Validate()
}

// resolve fills placeholders and the default in.
func (u Upstream) resolve(repl *caddy.Replacer) (up passthrough.Upstream, err error) {
	up = passthrough.Upstream{Name: u.Name, FileHosts: u.FileHosts}
	for _, f := range []struct {
		name string
		from string
		to   *string
	}{{"url", u.URL, &up.URL}, {"username", u.Username, &up.Username}, {"password", u.Password, &up.Password}} {
		if *f.to, err = resolve(repl, f.name, f.from); err != nil {
			return up, err
		}
	}
	if standard := passthrough.PyPI(); up.URL == "" && u.Name == standard.Name {
		up.URL = standard.URL
	}
	return up, nil
}

// resolve fills the placeholders of a setting in; one that is unset is an error.
func resolve(repl *caddy.Replacer, name, value string) (string, error) {
	out, err := repl.ReplaceOrErr(value, true, true)
	if err != nil {
		return "", fmt.Errorf("resolving %s: %w", name, err)
	}
	return out, nil
}

// validate refuses what holds for no pass-through, before placeholders are known.
func (p *PyPI) validate() error {
	if p.Mode != "" {
		if _, err := passthrough.ParseMode(p.Mode); err != nil {
			return err
		}
	}
	for _, u := range p.Upstreams {
		switch {
		case !upstreamName.MatchString(u.Name):
			return fmt.Errorf("upstream name %q: 1 to 32 of a-z, 0-9 and '-', with a letter or digit at both ends, are expected", u.Name)
		case u.URL == "" && u.Name != passthrough.PyPI().Name:
			return fmt.Errorf("upstream %q has no URL: only pypi has a default", u.Name)
		}
	}
	return nil
}

// options are the Caddyfile's names of what holds for all upstreams.
func (p *PyPI) options() options {
	return options{
		"mode":            word(&p.Mode, "proxy", "redirect", "index"),
		"allow":           words(&p.Allow),
		"deny":            words(&p.Deny),
		"cooldown":        periodOrNone(&p.Cooldown),
		"cooldown_exempt": words(&p.CooldownExempt),
		"offline":         toggle(&p.Offline),
		"cache_dir":       text(&p.CacheDir),
		"cache_size":      size(&p.CacheSize),
		"memory_size":     size(&p.MemorySize),
		"page_freshness":  period(&p.PageFreshness),
		"negative_ttl":    period(&p.NegativeTTL),
		"stale_for":       period(&p.StaleFor),
		"max_page":        size(&p.MaxPage),
		"max_file":        size(&p.MaxFile),
		"connect_timeout": period(&p.ConnectTimeout),
		"page_timeout":    period(&p.PageTimeout),
		"stall_timeout":   period(&p.StallTimeout),
		"breaker_after":   count(&p.BreakerAfter),
		"breaker_for":     period(&p.BreakerFor),
		"private_hosts":   words(&p.PrivateHosts),
	}
}

// options are the Caddyfile's names of what holds for one upstream.
func (u *Upstream) options() options {
	return options{
		"username":   text(&u.Username),
		"password":   text(&u.Password),
		"file_hosts": words(&u.FileHosts),
	}
}
