package apiweb

import (
	"net/http"
	"strings"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// Surface is the management side of the gateway.
type Surface struct {
	env    *web.Env
	router *web.Router
}

// New makes the surface.
func New(env *web.Env) *Surface {
	s := &Surface{env: env}
	s.router = web.NewRouter(s.routes(), func(w http.ResponseWriter, r *http.Request, status int, message string) {
		s.fail(w, r, s.shapeOf(r.URL.Path), &gateway.Error{Status: status, Message: message})
	})
	return s
}

// Routes is the table of the surface.
func (s *Surface) Routes() []web.Route { return s.router.Routes() }

// Serve answers a request for one of the routes; false when none matches.
func (s *Surface) Serve(w http.ResponseWriter, r *http.Request) bool { return s.router.Serve(w, r) }

// Refuse answers an error at a path below /api, /v1 or /_ as the API does that the path
// is of, whether or not there is such a route.
func (s *Surface) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.fail(w, r, s.shapeOf(r.URL.Path), err)
}

func (s *Surface) routes() []web.Route {
	seen := []string{"channel:read", "package:read", "package:read-closed"} // an engine is seen by its packages
	routes := []web.Route{
		{Method: "GET", Pattern: "/api/v1/apikeys", Permission: "key:read", Handler: s.listKeys},
		{Method: "GET", Pattern: "/api/v1/apikeys/", Permission: "key:read", Handler: s.listKeys},
		{Method: "POST", Pattern: "/api/v1/apikeys", Permission: "key:create", Handler: s.createKey},
		{Method: "POST", Pattern: "/api/v1/apikeys/", Permission: "key:create", Handler: s.createKey},
		{Method: "GET", Pattern: "/api/v1/apikeys/pk", Permission: "key:request-public", Handler: s.publicKey},
		{Method: "GET", Pattern: "/api/v1/pk", Permission: "key:request-public", Handler: s.publicKey},
		{Method: "GET", Pattern: "/api/v1/apikeys/{id}", Permission: "key:read", Handler: s.getKey},
		{Method: "PUT", Pattern: "/api/v1/apikeys/{id}", Permission: "key:update", Handler: s.updateKey},
		{Method: "DELETE", Pattern: "/api/v1/apikeys/{id}", Permission: "key:delete", Handler: s.deleteKey},
		{Method: "POST", Pattern: "/api/v1/apikeys/{id}/rotate", Permission: "key:rotate", Handler: s.rotateKey},

		{Method: "GET", Pattern: "/api/v1/api_keys", Permission: "key:read", Handler: s.catenaListKeys},
		{Method: "POST", Pattern: "/api/v1/api_keys", Permission: "key:create", Handler: s.catenaCreateKey},
		{Method: "GET", Pattern: "/api/v1/api_keys/{id}", Permission: "key:read", Handler: s.catenaGetKey},
		{Method: "PATCH", Pattern: "/api/v1/api_keys/{id}", Permission: "key:update", Handler: s.catenaUpdateKey},
		{Method: "DELETE", Pattern: "/api/v1/api_keys/{id}", Permission: "key:delete", Handler: s.catenaDeleteKey},
		{Method: "GET", Pattern: "/api/v1/permissions", Permission: "policy:read", Handler: s.listPermissions},
		{Method: "GET", Pattern: "/api/v1/api_keys/permissions", Permission: "policy:read", Handler: s.listPermissions},

		{Method: "GET", Pattern: "/v1/accounts/{account}/engines", Permission: "engine:read", Further: seen, Handler: s.listEngines},
		{Method: "GET", Pattern: "/v1/accounts/{account}/engines/{engine}", Permission: "engine:read", Further: seen, Handler: s.getEngine},

		{Method: "POST", Pattern: "/api/oidc/mint_token", Handler: s.mintPrefix},
		{Method: "GET", Pattern: "/_/oidc/audience", Handler: s.pypiAudience},
		{Method: "POST", Pattern: "/_/oidc/mint-token", Handler: s.mintPyPI},

		{Method: "GET", Pattern: "/api/v1/projects", Permission: "channel:read", Handler: s.listProjects},
		{Method: "POST", Pattern: "/api/v1/projects", Permission: "project:update", Handler: s.createProject},
		{Method: "PATCH", Pattern: "/api/v1/projects/{project}", Permission: "project:update", Handler: s.renameProject},
		{Method: "DELETE", Pattern: "/api/v1/projects/{project}", Permission: "project:update", Handler: s.deleteProject},
		{Method: "GET", Pattern: "/api/v1/audit", Permission: "audit:read", Handler: s.audit},
	}
	for _, at := range []string{"/api/v1/policies", "/api/v1/api_keys/policies"} {
		routes = append(routes,
			web.Route{Method: "GET", Pattern: at, Permission: "policy:read", Handler: s.listPolicies},
			web.Route{Method: "POST", Pattern: at, Permission: "policy:create", Handler: s.createPolicy},
			web.Route{Method: "GET", Pattern: at + "/{id}", Permission: "policy:read", Handler: s.getPolicy},
			web.Route{Method: "PATCH", Pattern: at + "/{id}", Permission: "policy:update", Handler: s.updatePolicy},
			web.Route{Method: "DELETE", Pattern: at + "/{id}", Permission: "policy:delete", Handler: s.deletePolicy},
		)
	}
	return routes
}

// shape writes an error as one of the APIs does.
type shape func(w http.ResponseWriter, r *http.Request, e *gateway.Error)

// shapeOf is the shape that errors have at a path.
func (s *Surface) shapeOf(path string) shape {
	segments := append(strings.Split(path, "/"), "", "", "") // "", api, v1, and what it is about
	switch segments[1] {
	case "v1":
		if len(segments) > 9 && segments[4] == "engines" && segments[5] == "pypi" {
			return s.text // below an engine is the Python index
		}
		return s.keygen("")
	case "_":
		return pypi
	}
	about := segments[2]
	if about == "v1" {
		about = segments[3]
	}
	switch about {
	case "api_keys", "policies", "permissions":
		return catena
	case "oidc", "channels", "upload", "delete", "yank", "unyank", "reindex", "patch", "python", "reserved":
		return s.text
	}
	return composable
}

// text is an error as prefix.dev's clients print it.
func (s *Surface) text(w http.ResponseWriter, r *http.Request, e *gateway.Error) {
	s.env.WriteText(w, r, e)
}

// serve runs fn for a request's caller and answers its result as JSON.
func (s *Surface) serve(w http.ResponseWriter, r *http.Request, as shape, fn func(*gateway.Caller) (status int, answer any, err error)) {
	c, err := s.env.Changer(r)
	var (
		status int
		answer any
	)
	if err == nil {
		status, answer, err = fn(c)
	}
	if err != nil {
		s.fail(w, r, as, err)
		return
	}
	s.env.Served("api", "managed")
	web.WriteJSON(w, status, answer)
}

func (s *Surface) fail(w http.ResponseWriter, r *http.Request, as shape, err error) {
	web.Drain(w, r)
	fault := s.env.Fault(r, err)
	s.env.Served("api", web.Outcome(fault.Status))
	web.ErrorHeaders(w.Header(), fault.Status)
	as(w, r, fault)
}

// composable is the error of Composable Prompts, and of what is our own.
func composable(w http.ResponseWriter, _ *http.Request, e *gateway.Error) {
	web.WriteJSON(w, e.Status, struct {
		Error   string `json:"error"`
		Status  int    `json:"status"`
		Message string `json:"message"`
	}{http.StatusText(e.Status), e.Status, e.Message})
}

// catena is the error of gRPC's JSON mapping, which Catena answers.
func catena(w http.ResponseWriter, _ *http.Request, e *gateway.Error) {
	web.WriteJSON(w, e.Status, struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Details []any  `json:"details"`
	}{grpcCode(e.Status), e.Message, []any{}})
}

// grpcCode is the canonical code of an HTTP status.
func grpcCode(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return 3 // INVALID_ARGUMENT
	case http.StatusUnauthorized:
		return 16 // UNAUTHENTICATED
	case http.StatusForbidden:
		return 7 // PERMISSION_DENIED
	case http.StatusNotFound:
		return 5 // NOT_FOUND
	case http.StatusConflict:
		return 6 // ALREADY_EXISTS
	case http.StatusTooManyRequests:
		return 8 // RESOURCE_EXHAUSTED
	case http.StatusMethodNotAllowed:
		return 12 // UNIMPLEMENTED
	case http.StatusServiceUnavailable:
		return 14 // UNAVAILABLE
	default:
		return 13 // INTERNAL
	}
}
