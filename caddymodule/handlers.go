package caddymodule

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
	"github.com/fairwayhq/fairway/web/site"
)

func init() {
	caddy.RegisterModule(Handler{})
	caddy.RegisterModule(CondaHandler{})
	caddy.RegisterModule(PyPIHandler{})
	caddy.RegisterModule(APIHandler{})
	caddy.RegisterModule(DashboardHandler{})
}

// Handler serves every surface: conda channels, the Python index, the management
// APIs and the pages for people. It is what the directive fairway makes.
type Handler struct{ part }

// CondaHandler serves conda channels and takes their uploads.
type CondaHandler struct{ part }

// PyPIHandler serves the Python index, its uploads and its pass-through. What is
// not its own goes on to the next handler.
type PyPIHandler struct{ part }

// APIHandler serves keys, policies, projects, engines, GraphQL and the audit
// trail. What is not its own goes on to the next handler.
type APIHandler struct{ part }

// DashboardHandler serves pages for people, health and readiness below /-/. What
// is not its own goes on to the next handler.
type DashboardHandler struct{ part }

// CaddyModule implements [caddy.Module].
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.fairway", New: func() caddy.Module { return new(Handler) }}
}

// CaddyModule implements [caddy.Module].
func (CondaHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.fairway_conda", New: func() caddy.Module { return new(CondaHandler) }}
}

// CaddyModule implements [caddy.Module].
func (PyPIHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.fairway_pypi", New: func() caddy.Module { return new(PyPIHandler) }}
}

// CaddyModule implements [caddy.Module].
func (APIHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.fairway_api", New: func() caddy.Module { return new(APIHandler) }}
}

// CaddyModule implements [caddy.Module].
func (DashboardHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.fairway_dashboard", New: func() caddy.Module { return new(DashboardHandler) }}
}

// Provision implements [caddy.Provisioner].
func (h *Handler) Provision(ctx caddy.Context) error {
	return h.open(ctx, (*site.Site).All)
}

// Provision implements [caddy.Provisioner].
func (h *CondaHandler) Provision(ctx caddy.Context) error {
	return h.open(ctx, (*site.Site).Conda)
}

// Provision implements [caddy.Provisioner].
func (h *PyPIHandler) Provision(ctx caddy.Context) error {
	return h.open(ctx, (*site.Site).PyPI)
}

// Provision implements [caddy.Provisioner].
func (h *APIHandler) Provision(ctx caddy.Context) error {
	return h.open(ctx, (*site.Site).API)
}

// Provision implements [caddy.Provisioner].
func (h *DashboardHandler) Provision(ctx caddy.Context) error {
	return h.open(ctx, (*site.Site).Dashboard)
}

// part is what the handlers share: each serves some of one site.
type part struct {
	drain   *drain
	gateway *gateway.Gateway
	serve   func(http.ResponseWriter, *http.Request) bool
}

// open finds the app and chooses what is served of its site.
func (p *part) open(ctx caddy.Context, choose func(*site.Site) func(http.ResponseWriter, *http.Request) bool) error {
	app, err := findApp(ctx)
	if err != nil {
		return err
	}
	env := app.env(ctx.Logger())
	env.Metrics = promhttp.HandlerFor(ctx.GetMetricsRegistry(), promhttp.HandlerOpts{})
	p.drain, p.gateway = app.drain, env.Gateway
	p.serve = choose(site.New(env, app.siteOptions()))
	return nil
}

// findApp returns the configuration's app.
func findApp(ctx caddy.Context) (*App, error) {
	v, err := ctx.AppIfConfigured("fairway")
	switch {
	case errors.Is(err, caddy.ErrNotConfigured):
		return nil, errNoApp
	case err != nil:
		return nil, err // Caddy loads apps in any order: this one may be asked for first, and fail
	}
	app, ok := v.(*App)
	if !ok || app.state == nil {
		return nil, errNoApp
	}
	return app, nil
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler]. The lease keeps the data
// folder open under requests that outlive their configuration.
func (p *part) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	release, ok := p.gateway.Acquire()
	if !ok {
		closed := p.gateway.Closed()
		web.ErrorHeaders(w.Header(), closed.Status)
		http.Error(w, closed.Message, closed.Status)
		return nil
	}
	defer release()
	if p.drain.begun.Load() || asksFirst(r) {
		lastAnswer(w)
	}
	if p.serve(w, r) {
		return nil
	}
	return next.ServeHTTP(w, r)
}

// asksFirst reports whether a client sends its body only once it is asked to, by
// "100 Continue" (RFC 9110 §10.1.1). Such a request is the last on its connection.
// Before an answer net/http reads some of a body that is left over, for the sake of
// clients that send before they listen. It would spare one that was not asked for,
// but cannot tell behind Caddy's own reader, and a refusal would wait for a body that
// waits for it. Where the connection ends with the answer nothing is read.
func asksFirst(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.Header.Get("Expect") != ""
}

// lastAnswer has the connection closed after the answer.
func lastAnswer(w http.ResponseWriter) { w.Header()["Connection"] = []string{"close"} }

// peer tells a request's client as Caddy's trusted_proxies has it, and its id for
// requests that change something.
func peer(r *http.Request) (netip.Addr, string) {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	ip, err := netip.ParseAddr(text)
	if err != nil {
		if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			ip = ap.Addr()
		}
	}
	id := ""
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
			id, _ = repl.GetString("http.request.uuid")
		}
	}
	return ip.Unmap(), id
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*CondaHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*PyPIHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*APIHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*DashboardHandler)(nil)
)
