package pyweb

import (
	"net/http"
	"time"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// Options are the limits of the surface; zero fields take the defaults.
type Options struct {
	BodyIdle time.Duration // longest pause in an upload's body; 30 s
	MaxField int64         // largest field of an upload's form beside the file, bytes; 4 MiB
}

// Defaults of [Options].
const (
	DefaultBodyIdle = 30 * time.Second
	DefaultMaxField = 4 << 20
)

// Surface is the Python side of the gateway.
type Surface struct {
	env    *web.Env
	opts   Options
	router *web.Router
}

// New makes the surface.
func New(env *web.Env, o Options) *Surface {
	if o.BodyIdle == 0 {
		o.BodyIdle = DefaultBodyIdle
	}
	if o.MaxField == 0 {
		o.MaxField = DefaultMaxField
	}
	s := &Surface{env: env, opts: o}
	s.router = web.NewRouter(s.routes(), s.deny)
	return s
}

// Routes is the table of the surface.
func (s *Surface) Routes() []web.Route { return s.router.Routes() }

// Serve answers a request for one of the routes; false when none matches.
func (s *Surface) Serve(w http.ResponseWriter, r *http.Request) bool { return s.router.Serve(w, r) }

// keygenMount is where Keygen's clients look for the index.
const keygenMount = "/v1/accounts/{account}/engines/pypi"

func (s *Surface) routes() []web.Route {
	closed := []string{"package:read-closed"}
	either := []string{"package:read-closed", "proxy:fetch"} // an own name, or one that is passed through
	routes := []web.Route{
		{Method: "POST", Pattern: "/pypi/legacy/", Permission: "package:upload", Handler: s.upload},
		{Method: "POST", Pattern: "/pypi/legacy", Permission: "package:upload", Handler: s.upload},
		{Method: "POST", Pattern: "/legacy/", Permission: "package:upload", Handler: s.upload},
		{Method: "POST", Pattern: "/legacy", Permission: "package:upload", Handler: s.upload},
		{Method: "DELETE", Pattern: "/pypi/files/" + gateway.LocalFiles + "/{name}/{file}", Permission: "package:delete", Handler: s.deleteFile},
		{Method: "GET", Pattern: "/pypi/integrity/{name}/{version}/{file}/provenance", Permission: "package:read", Further: either, Handler: s.provenance},
		{Method: "GET", Pattern: "/api/v1/python", Permission: "package:read", Handler: s.listNames},
		{Method: "GET", Pattern: "/api/v1/python/{name}", Permission: "package:read", Handler: s.getName},
		{Method: "PATCH", Pattern: "/api/v1/python/{name}", Permission: "channel:update", Handler: s.setName},
		{Method: "DELETE", Pattern: "/api/v1/python/{name}", Permission: "package:delete", Handler: s.deleteName},
		{Method: "POST", Pattern: "/api/v1/python/{name}/yank", Permission: "package:yank", Handler: s.yank},
		{Method: "POST", Pattern: "/api/v1/python/{name}/unyank", Permission: "package:yank", Handler: s.unyank},
		{Method: "GET", Pattern: "/api/v1/python/{name}/why", Permission: "package:read", Further: either, Handler: s.why},
		{Method: "POST", Pattern: "/api/v1/python/{name}/purge", Permission: "cache:purge", Handler: s.purge},
		{Method: "GET", Pattern: "/api/v1/reserved", Permission: "channel:read", Handler: s.listReserved},
		{Method: "PUT", Pattern: "/api/v1/reserved/{pattern}", Permission: "project:update", Handler: s.reserve},
		{Method: "DELETE", Pattern: "/api/v1/reserved/{pattern}", Permission: "project:update", Handler: s.unreserve},
	}
	for _, mount := range []string{"/pypi", keygenMount} {
		routes = append(routes,
			web.Route{Method: "GET", Pattern: mount + "/simple/", Permission: "package:read", Further: closed, Handler: s.index},
			web.Route{Method: "GET", Pattern: mount + "/simple", Permission: "package:read", Further: closed, Handler: s.addSlash},
			web.Route{Method: "GET", Pattern: mount + "/simple/{name}/", Permission: "package:read", Further: either, Handler: s.project},
			web.Route{Method: "GET", Pattern: mount + "/simple/{name}", Permission: "package:read", Further: either, Handler: s.addSlash},
			web.Route{Method: "GET", Pattern: mount + "/files/" + gateway.LocalFiles + "/{name}/{file}", Permission: "package:read", Further: closed, Handler: s.file},
			web.Route{Method: "GET", Pattern: mount + "/files/{upstream}/{path...}", Permission: "proxy:fetch", Handler: s.upstreamFile},
		)
	}
	return routes
}

// fail answers a refusal with its reason in the body and in a header: pip shows
// neither, but whoever looks into what pip said finds it.
func (s *Surface) fail(w http.ResponseWriter, r *http.Request, err error) {
	fault, _ := gateway.AsError(err)
	s.env.Served("pypi", web.Outcome(fault.Status))
	w.Header()["X-Fairway-Reason"] = []string{fault.Message}
	s.env.WriteText(w, r, err)
}

func (s *Surface) deny(w http.ResponseWriter, r *http.Request, status int, message string) {
	s.fail(w, r, &gateway.Error{Status: status, Message: message})
}

// refuse answers an error of a request that may still be sending its body.
func (s *Surface) refuse(w http.ResponseWriter, r *http.Request, err error) {
	web.Drain(w, r)
	s.fail(w, r, err)
}
