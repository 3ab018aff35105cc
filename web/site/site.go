package site

import (
	"net/http"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
	"github.com/fairwayhq/fairway/web/apiweb"
	"github.com/fairwayhq/fairway/web/condaweb"
	"github.com/fairwayhq/fairway/web/dashweb"
	"github.com/fairwayhq/fairway/web/graphqlweb"
	"github.com/fairwayhq/fairway/web/openapi"
	"github.com/fairwayhq/fairway/web/pyweb"
)

// Options are what a site's surfaces share; zero fields take their defaults.
type Options struct {
	BodyIdle  time.Duration // longest pause in an upload's body
	PublicURL string        // where clients find the site; "" for the root of any host
}

// Site is every surface over one gateway.
type Site struct {
	env   *web.Env
	conda *condaweb.Surface
	pypi  *pyweb.Surface
	api   *apiweb.Surface
	graph *graphqlweb.Surface
	dash  *dashweb.Surface
	about *openapi.Surface
}

// serve answers a request, or reports false and touches nothing.
type serve = func(http.ResponseWriter, *http.Request) bool

// New makes the surfaces. It panics where the permissions that routes name are not
// those that are declared, or where a route is not described: no gateway starts with
// such a mistake in its code.
func New(env *web.Env, o Options) *Site {
	s := &Site{
		env:   env,
		conda: condaweb.New(env, condaweb.Options{BodyIdle: o.BodyIdle}),
		pypi:  pyweb.New(env, pyweb.Options{BodyIdle: o.BodyIdle}),
		api:   apiweb.New(env),
		graph: graphqlweb.New(env),
		dash:  dashweb.New(env),
	}
	routes := s.surfaceRoutes()
	if err := web.CheckPermissions(routes); err != nil {
		panic("fairway: " + err.Error())
	}
	var err error
	if s.about, err = openapi.New(env, routes, o.PublicURL); err != nil {
		panic("fairway: " + err.Error())
	}
	return s
}

// All serves everything. What no other surface has is below a channel, whose name
// never begins with a segment that is somebody else's (see conda.ValidChannel).
func (s *Site) All() serve {
	return s.guarded(func(w http.ResponseWriter, r *http.Request) bool {
		first, _, _ := strings.Cut(r.URL.Path[1:], "/")
		switch first {
		case "":
			return s.root(w, r)
		case "-":
			return s.dash.Serve(w, r) || s.about.Serve(w, r) || s.nothing(w, r)
		case "pypi", "legacy":
			return s.pypi.Serve(w, r) || s.nothing(w, r)
		case "t":
			if inner, ok := web.CutPathToken(r); ok && strings.HasPrefix(inner.URL.Path, "/pypi/") {
				return s.pypi.Serve(w, inner) || s.nothing(w, r)
			}
		case "api", "v1", "_":
			return s.api.Serve(w, r) || s.graph.Serve(w, r) || s.pypi.Serve(w, r) || s.conda.ServeRoute(w, r) || s.nothing(w, r)
		}
		s.conda.ServeHTTP(w, r)
		return true
	})
}

// Conda serves channels and their API.
func (s *Site) Conda() serve {
	return s.guarded(func(w http.ResponseWriter, r *http.Request) bool {
		s.conda.ServeHTTP(w, r)
		return true
	})
}

// PyPI serves the Python index.
func (s *Site) PyPI() serve {
	return s.guarded(func(w http.ResponseWriter, r *http.Request) bool {
		if inner, ok := web.CutPathToken(r); ok && strings.HasPrefix(inner.URL.Path, "/pypi/") {
			r = inner
		}
		return s.pypi.Serve(w, r)
	})
}

// API serves the management APIs.
func (s *Site) API() serve {
	return s.guarded(func(w http.ResponseWriter, r *http.Request) bool {
		return s.api.Serve(w, r) || s.graph.Serve(w, r)
	})
}

// Dashboard serves pages for people, health and readiness.
func (s *Site) Dashboard() serve {
	return s.guarded(func(w http.ResponseWriter, r *http.Request) bool {
		return s.dash.Serve(w, r) || s.about.Serve(w, r)
	})
}

// root leads to the page for people. Nothing else is at the root.
func (s *Site) root(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header()["Allow"] = []string{"GET, HEAD"}
		web.Drain(w, r)
		s.env.WriteText(w, r, gateway.Errorf(http.StatusMethodNotAllowed, "method %.20s is not served here: GET, HEAD is expected", r.Method))
		return true
	}
	web.RedirectTo(w, http.StatusFound, "-/")
	return true
}

// guarded refuses paths that could mean one thing to a decision and another to what
// is served, and answers what browsers ask before they ask. Whatever changes something
// is refused to pages of other origins: a browser that was given a key as a password
// sends it along with their requests, too.
func (s *Site) guarded(next serve) serve {
	origin := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !web.Canonical(r) {
			return s.refuse(w, r, http.StatusNotFound, "the path is not in its plain form: no empty or dot segments and no encoded separators are expected")
		}
		if web.CORS(w, r) {
			return true
		}
		if origin.Check(r) != nil {
			return s.refuse(w, r, http.StatusForbidden, "this is a page of another origin: it may read here, and change nothing")
		}
		return next(w, r)
	}
}

// nothing answers paths below a surface's own segment that it does not serve.
func (s *Site) nothing(w http.ResponseWriter, r *http.Request) bool {
	return s.refuse(w, r, http.StatusNotFound, "nothing is served at this path")
}

// refuse answers an error as whatever the path is of does.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, status int, message string) bool {
	err := gateway.Errorf(status, "%s", message)
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case first == "api" && rest == "graphql":
		s.graph.Refuse(w, r, err)
	case first == "api", first == "v1", first == "_":
		s.api.Refuse(w, r, err)
	default:
		web.Drain(w, r)
		s.env.WriteText(w, r, err)
	}
	return true
}

// Routes is the table of everything that is served, for tests of it.
func (s *Site) Routes() []web.Route { return append(s.surfaceRoutes(), s.about.Routes()...) }

func (s *Site) surfaceRoutes() []web.Route {
	all := []web.Route{{
		Method: "GET", Pattern: "/", Handler: func(w http.ResponseWriter, r *http.Request, _ web.Params) { s.root(w, r) },
	}}
	all = append(all, s.dash.Routes()...)
	all = append(all, s.conda.Routes()...)
	for _, r := range s.pypi.Routes() {
		all = append(all, r)
		if r.Method == http.MethodGet && strings.HasPrefix(r.Pattern, "/pypi/") {
			r.Pattern = "/t/{key}" + r.Pattern // see web.CutPathToken
			all = append(all, r)
		}
	}
	all = append(all, s.api.Routes()...)
	all = append(all, s.graph.Routes()...)
	return all
}
