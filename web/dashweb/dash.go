package dashweb

import (
	"net/http"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// Surface is an http handler for paths below /-/.
type Surface struct {
	env    *web.Env
	router *web.Router
}

// New makes the surface.
func New(env *web.Env) *Surface {
	s := &Surface{env: env}
	s.router = web.NewRouter([]web.Route{
		{Method: "GET", Pattern: "/-/healthz", Handler: s.health},
		{Method: "GET", Pattern: "/-/readyz", Handler: s.ready},
		{Method: "GET", Pattern: "/-/metrics", Permission: "metrics:read", Handler: s.metrics},
		{Method: "GET", Pattern: "/-/", Handler: s.home},
		{Method: "GET", Pattern: "/-/login", Handler: s.login},
	}, s.deny)
	return s
}

// Routes is the surface's table.
func (s *Surface) Routes() []web.Route { return s.router.Routes() }

// Serve answers a request below /-/; false when it is for nothing here.
func (s *Surface) Serve(w http.ResponseWriter, r *http.Request) bool {
	return s.router.Serve(w, r)
}

// health answers 200 as long as the process answers at all.
func (s *Surface) health(w http.ResponseWriter, _ *http.Request, _ web.Params) {
	web.WriteJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// ready answers 200 when every index can be served.
func (s *Surface) ready(w http.ResponseWriter, r *http.Request, _ web.Params) {
	if !s.env.Gateway.Ready() {
		s.deny(w, r, http.StatusServiceUnavailable, "the gateway is not ready: its indexes are being loaded, or its disk failed")
		return
	}
	web.WriteJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ready"})
}

// metrics answers the figures that Caddy's admin endpoint has, to who holds the
// permission.
func (s *Surface) metrics(w http.ResponseWriter, r *http.Request, _ web.Params) {
	c, err := s.env.Caller(r, "")
	if err == nil {
		err = s.env.Gateway.MayReadMetrics(c)
	}
	if err == nil && s.env.Metrics == nil {
		err = gateway.Errorf(http.StatusNotFound, "no metrics are kept here: the admin endpoint has them")
	}
	if err != nil {
		s.env.WriteText(w, r, err)
		return
	}
	w.Header()["Cache-Control"] = []string{"no-store"}
	s.env.Metrics.ServeHTTP(w, r)
}

func (s *Surface) deny(w http.ResponseWriter, r *http.Request, status int, message string) {
	s.env.WriteText(w, r, &gateway.Error{Status: status, Message: message})
}
