package caddymodule

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
	"github.com/fairwayhq/fairway/web/site"
)

func init() { caddy.RegisterModule(App{}) }

// App is the state that every Fairway handler of a configuration shares: one data
// folder with its catalog, package bytes, keys and indexes.
type App struct {
	// Folder that everything is kept in; one process owns it at a time. May hold
	// placeholders such as {env.HOME}. Default: fairway in Caddy's own data folder.
	Data string `json:"data,omitempty"`

	// Slug of the account that this gateway serves, as Keygen's API names it in
	// paths. Default: default.
	Account string `json:"account,omitempty"`

	// Largest conda package or Python file accepted, in bytes. Default: 10 GiB.
	MaxUpload int64 `json:"max_upload,omitempty"`

	// Largest attestation of an upload, in bytes. Default: 1 MiB.
	MaxAttestation int64 `json:"max_attestation,omitempty"`

	// Longest pause in an upload's body before it is given up. Default: 30s.
	BodyIdle caddy.Duration `json:"body_idle,omitempty"`

	// How long a superseded shard of a conda index stays served. Default: 168h, the
	// least that CEP 16 asks for.
	ShardRetention caddy.Duration `json:"shard_retention,omitempty"`

	// How long the bytes of a deleted file are kept. Default: 24h.
	BlobGrace caddy.Duration `json:"blob_grace,omitempty"`

	// How long audit rows are kept; 0 keeps them for ever. Default: 0.
	AuditRetention caddy.Duration `json:"audit_retention,omitempty"`

	// Wrong credentials a minute from one client address (a /64 for IPv6) before it
	// is answered 429. A valid key is never held back. Default: 30.
	FailuresPerMinute int `json:"failures_per_minute,omitempty"`

	// Life of a public key whose request names none. Default: 24h.
	PublicKeyTTL caddy.Duration `json:"public_key_ttl,omitempty"`

	// Whether open channels and packages need a key too. Default: false.
	NoAnonymous bool `json:"no_anonymous,omitempty"`

	// Whether the pass-through to other Python indexes needs no key. Default: false.
	AnonymousPassthrough bool `json:"anonymous_passthrough,omitempty"`

	// What the first upload of a Python name does which an upstream has too. known:
	// warn if its page is cached, and ask nothing. warn: ask the upstream, and warn.
	// refuse: ask, and refuse. Default: known.
	UpstreamConflict string `json:"upstream_conflict,omitempty"`

	// Limits of what is read out of a conda archive.
	Limits Limits `json:"limits,omitzero"`

	// Limits of what is read out of a Python archive.
	PythonLimits PythonLimits `json:"python_limits,omitzero"`

	// Where clients find the gateway, as https://packages.example.com: what must be an
	// absolute URL begins with it. Default: no such URL is emitted.
	PublicURL string `json:"public_url,omitempty"`

	// CI jobs that get a short-lived key for their OIDC token.
	TrustedPublishers []TrustedPublisher `json:"trusted_publishers,omitempty"`

	// The Python indexes that names unknown here are passed through to; none without.
	PyPI *PyPI `json:"pypi,omitempty"`

	ctx   caddy.Context
	log   *zap.Logger
	cfg   gateway.Config // with placeholders resolved
	state *shared
	drain *drain
}

// CaddyModule implements [caddy.Module].
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "fairway", New: func() caddy.Module { return new(App) }}
}

// Provision opens the data folder, or joins the configuration that has it open.
// Everything a request needs is ready when it returns: Caddy may start the HTTP
// app before this one.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.log = ctx, ctx.Logger()
	if errListen != nil {
		return errListen
	}
	// Caddy validates a module after it is provisioned, which here opens a folder.
	err := a.Validate()
	if err != nil {
		return err
	}
	if a.cfg, err = a.config(); err != nil {
		return err
	}
	if a.state, err = acquireState(ctx, a.cfg); err != nil {
		return err
	}
	if err := a.announceFirstKey(); err != nil {
		return err
	}
	if a.drain, err = newDrain(ctx); err != nil {
		return err
	}
	return a.state.metrics.register(ctx.GetMetricsRegistry())
}

// config resolves placeholders and defaults.
func (a *App) config() (gateway.Config, error) {
	repl := caddy.NewReplacer()
	data := a.Data
	if data == "" {
		data = filepath.Join(caddy.AppDataDir(), "fairway")
	}
	data, err := resolve(repl, "data", data)
	if err != nil {
		return gateway.Config{}, err
	}
	if data, err = filepath.Abs(data); err != nil {
		return gateway.Config{}, fmt.Errorf("resolving data folder: %w", err)
	}
	data = withoutLinks(data)
	cfg := gateway.Config{
		Dir: data, Account: a.Account, MaxUpload: a.MaxUpload, MaxAttestation: a.MaxAttestation,
		Conda: a.Limits.conda(), ShardRetention: duration(a.ShardRetention), BlobGrace: duration(a.BlobGrace),
		AuditRetention: duration(a.AuditRetention), FailuresPerMinute: a.FailuresPerMinute,
		PublicKeyTTL: duration(a.PublicKeyTTL), NoAnonymous: a.NoAnonymous,
		AnonymousPassthrough: a.AnonymousPassthrough, UpstreamConflict: a.UpstreamConflict,
		PublicURL: a.PublicURL, Python: a.PythonLimits.python(), Log: a.log,
	}
	for _, p := range a.TrustedPublishers {
		out, err := p.publisher()
		if err != nil {
			return gateway.Config{}, err
		}
		cfg.TrustedPublishers = append(cfg.TrustedPublishers, out)
	}
	if a.PyPI != nil {
		if err := a.PyPI.apply(&cfg, repl); err != nil {
			return gateway.Config{}, err
		}
	}
	return cfg, nil
}

// withoutLinks is the path that all links lead to, so that a folder which is open is
// known by whatever name a reload gives it. What is not there yet has none.
func withoutLinks(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(withoutLinks(parent), filepath.Base(path))
	}
	return path
}

// Validate implements [caddy.Validator].
func (a *App) Validate() error {
	switch a.UpstreamConflict {
	case "", gateway.ConflictKnown, gateway.ConflictWarn, gateway.ConflictRefuse:
	default:
		return fmt.Errorf("upstream_conflict is %q: known, warn or refuse is expected", a.UpstreamConflict)
	}
	if err := errors.Join(a.Limits.validate(), a.PythonLimits.validate()); err != nil {
		return err
	}
	if a.PyPI != nil {
		if err := a.PyPI.validate(); err != nil {
			return fmt.Errorf("pypi: %w", err)
		}
	}
	return noneNegative("", map[string]int64{
		"max_upload": a.MaxUpload, "max_attestation": a.MaxAttestation, "body_idle": int64(a.BodyIdle),
		"shard_retention": int64(a.ShardRetention), "blob_grace": int64(a.BlobGrace),
		"audit_retention": int64(a.AuditRetention), "failures_per_minute": int64(a.FailuresPerMinute),
		"public_key_ttl": int64(a.PublicKeyTTL),
	})
}

// Start implements [caddy.App].
func (a *App) Start() error {
	if err := a.state.enter(a); err != nil {
		return err
	}
	if firstKeyWanted() {
		return nil // it is made once the listeners are known
	}
	if keys, err := a.Gateway().HasKeys(a.ctx); err == nil && !keys {
		a.log.Info("no key exists yet; make the first one with: fairway key create --name admin --role admin")
	}
	return nil
}

// Stop implements [caddy.App]. Requests may still run: what they use is closed by
// the last Cleanup.
func (a *App) Stop() error { return nil }

// Cleanup implements [caddy.CleanerUpper].
func (a *App) Cleanup() error {
	if a.state == nil {
		return nil
	}
	err := a.state.leave(a)
	a.state = nil
	return err
}

// env is what the surfaces of this configuration are made of.
func (a *App) env(log *zap.Logger) *web.Env {
	return &web.Env{Gateway: a.Gateway(), Log: log, Peer: peer, Count: a.state.metrics.count}
}

func (a *App) siteOptions() site.Options {
	return site.Options{BodyIdle: duration(a.BodyIdle), PublicURL: a.PublicURL}
}

// Gateway is the state behind the app, for handlers of the same configuration.
func (a *App) Gateway() *gateway.Gateway { return a.state.gateway }

var errNoApp = errors.New("the fairway app is not configured: a global option block 'fairway { … }' is expected")

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
