package caddymodule

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

func init() { caddy.RegisterModule(AdminAPI{}) }

// AdminAPI is what the command line talks to: one POST route below /fairway/ for
// each command, JSON in and out. Whoever reaches Caddy's admin endpoint can replace
// the whole configuration already, so callers are the local operator and are asked
// for no key. Caddy checks hosts and origins before; on top of that a body must be
// declared as JSON, which no web page can send here without asking first.
type AdminAPI struct{}

// CaddyModule implements [caddy.Module].
func (AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.fairway", New: func() caddy.Module { return new(AdminAPI) }}
}

// Routes implements [caddy.AdminRouter].
func (AdminAPI) Routes() []caddy.AdminRoute {
	var all []caddy.AdminRoute
	for _, routes := range [][]caddy.AdminRoute{
		keyOperations(), policyOperations(), projectOperations(), channelOperations(), condaOperations(), pythonOperations(), upkeepOperations(),
	} {
		all = append(all, routes...)
	}
	return all
}

// adminPrefix is where the routes are.
const adminPrefix = "/fairway/"

// maxAdminBody bounds a request; patch instructions are the largest.
const maxAdminBody = 64<<20 + 1<<20

// call is one request to the running gateway, by the operator at the machine.
type call struct {
	context.Context
	*gateway.Gateway

	by     *gateway.Caller
	report func(any) // tells how far a long operation is
}

// none is the input or the output of an operation that has none.
type none struct{}

// operation makes the route of one command.
func operation[In, Out any](name string, run func(call, In) (Out, error)) caddy.AdminRoute {
	return caddy.AdminRoute{Pattern: adminPrefix + name, Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		answer(w, r, func(c call, body *json.Decoder) (any, error) {
			var in In
			if err := body.Decode(&in); err != nil {
				return nil, gateway.Errorf(http.StatusBadRequest, "the body cannot be read: %s", strings.TrimPrefix(err.Error(), "json: "))
			}
			return run(c, in)
		})
		return nil
	})}
}

// message is one line of an answer: progress any number of times, then a result or
// an error.
type message struct {
	Progress any             `json:"progress,omitempty"`
	Result   any             `json:"result,omitempty"`
	Error    *operationError `json:"error,omitempty"`
}

type operationError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// answer runs an operation and writes its messages, a line of JSON each.
func answer(w http.ResponseWriter, r *http.Request, run func(call, *json.Decoder) (any, error)) {
	control := http.NewResponseController(w)
	// The admin server's read timeout is for its own short requests; it would end an
	// import's context after ten seconds.
	_ = control.SetReadDeadline(time.Time{})
	h := w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Cache-Control", "no-store")
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)

	result, err := func() (any, error) {
		if err := admissible(r); err != nil {
			return nil, err
		}
		g, err := activeGateway()
		if err != nil {
			return nil, err
		}
		release, ok := g.Acquire()
		if !ok {
			return nil, g.Closed()
		}
		defer release()
		body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
		body.DisallowUnknownFields()
		return run(call{
			Context: r.Context(), Gateway: g, by: gateway.LocalCaller(catalog.NewID()),
			report: func(v any) {
				_ = out.Encode(message{Progress: v})
				_ = control.Flush()
			},
		}, body)
	}()
	if err != nil {
		fault, expected := gateway.AsError(err)
		if !expected && r.Context().Err() == nil {
			caddy.Log().Named("admin.api.fairway").Error("operation failed", zap.String("route", r.URL.Path), zap.Error(err))
			// The operator owns the log as well; no need to send them there.
			fault = gateway.Errorf(fault.Status, "%s", err.Error())
		}
		w.WriteHeader(fault.Status) // does nothing after the first progress
		_ = out.Encode(message{Error: &operationError{fault.Status, fault.Message}})
		return
	}
	_ = out.Encode(message{Result: result})
}

// admissible refuses what no command sends.
func admissible(r *http.Request) error {
	if r.Method != http.MethodPost {
		return gateway.Errorf(http.StatusMethodNotAllowed, "method %s is not served here: POST is expected", r.Method)
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return gateway.Errorf(http.StatusUnsupportedMediaType, "the body is not declared as JSON: Content-Type application/json is expected")
	}
	return nil
}

// activeGateway is the running configuration's: admin routes outlive the
// configuration that they were made with.
func activeGateway() (*gateway.Gateway, error) {
	v, err := caddy.ActiveContext().AppIfConfigured("fairway")
	app, ok := v.(*App)
	if err != nil || !ok || app.state == nil {
		return nil, gateway.Errorf(http.StatusServiceUnavailable, "%s", errNoApp.Error())
	}
	return app.Gateway(), nil
}

// timeOf is a stored time for people and scripts, "" for none.
func timeOf(ms int64) string { return web.Time(ms) }

var _ caddy.AdminRouter = AdminAPI{}
