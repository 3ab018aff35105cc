package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

func init() {
	caddy.RegisterModule(AuthHandler{})
	caddy.RegisterModule(AuthProvider{})
}

// AuthHandler lets a request on to the next handler if its key holds every
// permission, and answers 401 with a challenge or 403 otherwise. Anything that
// Caddy serves can stand behind it. Handlers after it find the key in the
// placeholders {http.auth.user.id}, {http.auth.user.name},
// {http.auth.user.project} and {http.auth.user.type}.
type AuthHandler struct{ guard }

// AuthProvider makes our keys one of the ways to authenticate in Caddy's own
// authentication handler, beside its others.
type AuthProvider struct{ guard }

// CaddyModule implements [caddy.Module].
func (AuthHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.fairway_auth", New: func() caddy.Module { return new(AuthHandler) }}
}

// CaddyModule implements [caddy.Module].
func (AuthProvider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.fairway", New: func() caddy.Module { return new(AuthProvider) }}
}

// guard decides whether a request's key holds permissions.
type guard struct {
	// What a key must hold, each of them: names such as package:read. Default: any
	// valid key will do.
	Permissions []string `json:"permissions,omitempty"`

	perms []authz.Perm
	env   *web.Env
}

// Provision implements [caddy.Provisioner].
func (g *guard) Provision(ctx caddy.Context) (err error) {
	if g.perms, err = parsePermissions(g.Permissions); err != nil {
		return err
	}
	app, err := findApp(ctx)
	if err != nil {
		return err
	}
	g.env = app.env(ctx.Logger())
	return nil
}

func parsePermissions(names []string) ([]authz.Perm, error) {
	perms := make([]authz.Perm, 0, len(names))
	for _, name := range names {
		p, err := authz.ParsePerm(name)
		if err != nil {
			return nil, err
		}
		perms = append(perms, p)
	}
	return perms, nil
}

// decide returns the request's key, or why it is refused.
func (g *guard) decide(r *http.Request) (*authz.Key, error) {
	release, ok := g.env.Gateway.Acquire()
	if !ok {
		return nil, g.env.Gateway.Closed()
	}
	defer release()
	c, err := g.env.Caller(r, "")
	if err != nil {
		return nil, err
	}
	if err := g.env.Gateway.Identify(c); err != nil {
		return nil, err
	}
	if c.Key() == nil {
		return nil, &authz.Denied{Status: http.StatusUnauthorized, Reason: "no key came with the request: one is expected here"}
	}
	// What stands behind the guard belongs to nobody's project, so a key of any may
	// pass. But it is no channel and no package: a key that is limited to some of
	// those has no business here.
	if !c.Key().Scope.All() {
		return nil, &authz.Denied{Status: http.StatusForbidden, Reason: "this key is limited to a scope: one without is expected here"}
	}
	res := authz.Resource{Project: c.Key().Project, Visibility: authz.Licensed}
	for _, p := range g.perms {
		if err := g.env.Gateway.Authorize(c, p, &res); err != nil {
			return nil, err
		}
	}
	return c.Key(), nil
}

// user is a key as Caddy knows users.
func user(k *authz.Key) caddyauth.User {
	return caddyauth.User{ID: k.ID, Metadata: map[string]string{
		"name": k.Name, "project": k.Project, "type": k.Type.String(),
	}}
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler]. A refusal goes through
// handle_errors, where a site has it.
func (h *AuthHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	key, err := h.decide(r)
	if err != nil {
		fault := h.env.Fault(r, err)
		h.env.Served("auth", web.Outcome(fault.Status))
		web.ErrorHeaders(w.Header(), fault.Status)
		if asksFirst(r) {
			lastAnswer(w)
		}
		return caddyhttp.Error(fault.Status, errors.New(fault.Message))
	}
	h.env.Served("auth", "ok")
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		u := user(key)
		repl.Set("http.auth.user.id", u.ID)
		for name, value := range u.Metadata {
			repl.Set("http.auth.user."+name, value)
		}
	}
	return next.ServeHTTP(w, r)
}

// Authenticate implements [caddyauth.Authenticator]. It knows 401 only, so a key
// without the permission is not authenticated either.
func (p *AuthProvider) Authenticate(w http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	key, err := p.decide(r)
	if err == nil {
		return user(key), true, nil
	}
	if fault, expected := gateway.AsError(err); !expected || fault.Status >= http.StatusInternalServerError {
		return caddyauth.User{}, false, err
	}
	web.Challenge(w.Header())
	if asksFirst(r) {
		lastAnswer(w)
	}
	return caddyauth.User{}, false, nil
}

var (
	_ caddy.Provisioner           = (*AuthHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*AuthHandler)(nil)
	_ caddy.Provisioner           = (*AuthProvider)(nil)
	_ caddyauth.Authenticator     = (*AuthProvider)(nil)
)
