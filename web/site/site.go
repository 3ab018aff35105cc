// Package site puts the surfaces of the gateway together: which of them answers a
// path, and in which order they are asked.
package site

import (
	"net/http"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/web"
	"github.com/fairwayhq/fairway/web/condaweb"
	"github.com/fairwayhq/fairway/web/dashweb"
)

// Options are the limits that a site's surfaces share; zero fields take their
// defaults.
type Options struct {
	BodyIdle time.Duration // longest pause in an upload's body
}

// Site is every surface over one gateway.
type Site struct {
	conda *condaweb.Surface
	dash  *dashweb.Surface
}

// serve answers a request, or reports false and touches nothing.
type serve = func(http.ResponseWriter, *http.Request) bool

// New makes the surfaces.
func New(env *web.Env, o Options) *Site {
	return &Site{
		conda: condaweb.New(env, condaweb.Options{BodyIdle: o.BodyIdle}),
		dash:  dashweb.New(env),
	}
}

// All serves everything. What no other surface has is below a channel.
func (s *Site) All() serve {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !web.Canonical(r) {
			s.conda.ServeHTTP(w, r) // which refuses it
			return true
		}
		first, _, _ := strings.Cut(r.URL.Path[1:], "/")
		switch first {
		case "-":
			return s.dash.Serve(w, r)
		case "":
			http.Redirect(w, r, "/-/", http.StatusFound)
			return true
		}
		s.conda.ServeHTTP(w, r)
		return true
	}
}

// Conda serves channels and their API.
func (s *Site) Conda() serve {
	return func(w http.ResponseWriter, r *http.Request) bool {
		s.conda.ServeHTTP(w, r)
		return true
	}
}

// PyPI serves the Python index.
func (s *Site) PyPI() serve {
	return func(http.ResponseWriter, *http.Request) bool { return false }
}

// API serves the management APIs.
func (s *Site) API() serve {
	return func(http.ResponseWriter, *http.Request) bool { return false }
}

// Dashboard serves pages for people, health and readiness.
func (s *Site) Dashboard() serve { return s.dash.Serve }

// Routes is the table of every surface, for the API's description and its tests.
func (s *Site) Routes() []web.Route {
	var all []web.Route
	all = append(all, s.dash.Routes()...)
	all = append(all, s.conda.Routes()...)
	return all
}
