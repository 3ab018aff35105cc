package web

import (
	"net/http"
	"slices"
	"strings"
)

// Route is one row of a surface's table: what is served, and how.
//
// Pattern is a path whose segments are literals or {name}, which takes one
// segment; {name...} takes one or more, anywhere in the pattern but only once, so
// that channels with several segments can stand before a subdir and a file.
type Route struct {
	Method  string // GET serves HEAD too
	Pattern string
	// Permission names what a caller needs ("package:upload"), for the route table
	// and the API's description: "" for routes that need none. The operation behind
	// the handler is what enforces it.
	Permission string
	// Further names what some requests need beside it, or instead: to replace a file,
	// to read what is closed, for a query's fields.
	Further []string
	Handler func(w http.ResponseWriter, r *http.Request, p Params)
}

// Permissions are all that requests of the route may need.
func (r *Route) Permissions() []string {
	if r.Permission == "" {
		return r.Further
	}
	return append([]string{r.Permission}, r.Further...)
}

// Params are what a pattern's variables matched, by name.
type Params map[string]string

// Router finds the route of a request in a table.
type Router struct {
	routes  []Route
	matcher []pattern
	deny    func(w http.ResponseWriter, r *http.Request, status int, message string)
}

// NewRouter makes a router. deny answers requests whose method no route of their
// path has. It panics for a pattern that is none, which is a programming error.
func NewRouter(routes []Route, deny func(w http.ResponseWriter, r *http.Request, status int, message string)) *Router {
	rt := &Router{routes: routes, deny: deny}
	for _, route := range routes {
		rt.matcher = append(rt.matcher, compile(route.Pattern))
	}
	return rt
}

// Routes returns the table.
func (rt *Router) Routes() []Route { return rt.routes }

// Serve answers a request that one of the routes is for. It reports false, and
// touches nothing, when no pattern matches the path. Of two that match, the one with
// more literal segments wins, and then the longer one, whatever their methods: a path
// that is spelt out in one pattern is never a variable's value in another.
func (rt *Router) Serve(w http.ResponseWriter, r *http.Request) bool {
	segments := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	best := -1
	for i := range rt.matcher {
		if rt.matcher[i].matches(segments) && (best < 0 || rt.matcher[i].before(&rt.matcher[best])) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	var allowed []string
	for i := range rt.routes {
		if rt.routes[i].Pattern != rt.routes[best].Pattern {
			continue
		}
		m := rt.routes[i].Method
		if m == r.Method || m == http.MethodGet && r.Method == http.MethodHead {
			rt.routes[i].Handler(w, r, rt.matcher[i].params(segments))
			return true
		}
		allowed = append(allowed, m)
		if m == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	rt.deny(w, r, http.StatusMethodNotAllowed, "method "+r.Method+" is not served here: "+list+" is expected")
	return true
}

// pattern is a compiled Route.Pattern.
type pattern struct {
	segments []string // literals, or "{name}"
	many     int      // index of the {name...} segment, -1 for none
	literals int
}

func compile(text string) pattern {
	p := pattern{many: -1, segments: strings.Split(strings.TrimPrefix(text, "/"), "/")}
	for i, s := range p.segments {
		switch {
		case !strings.HasPrefix(s, "{"):
			p.literals++
		case strings.HasSuffix(s, "...}"):
			if p.many >= 0 {
				panic("route " + text + " has two variables of many segments")
			}
			p.many = i
			p.segments[i] = "{" + s[1:len(s)-4] + "}"
		case !strings.HasSuffix(s, "}"):
			panic("route " + text + " has an unclosed variable")
		}
	}
	return p
}

// before reports whether p is the more exact of two patterns that match a path.
func (p *pattern) before(q *pattern) bool {
	if p.literals != q.literals {
		return p.literals > q.literals
	}
	return len(p.segments) > len(q.segments)
}

func (p *pattern) matches(segments []string) bool {
	extra := len(segments) - len(p.segments)
	if extra < 0 || extra > 0 && p.many < 0 {
		return false
	}
	for i, want := range p.segments {
		from, to := p.span(i, extra)
		for _, got := range segments[from:to] {
			if want[:min(1, len(want))] == "{" && got != "" || got == want {
				continue
			}
			return false
		}
	}
	return true
}

// span is the run of a path's segments that the pattern's i-th one takes.
func (p *pattern) span(i, extra int) (from, to int) {
	switch {
	case p.many < 0 || i < p.many:
		return i, i + 1
	case i == p.many:
		return i, i + 1 + extra
	default:
		return i + extra, i + extra + 1
	}
}

func (p *pattern) params(segments []string) Params {
	out := Params{}
	for i, s := range p.segments {
		if strings.HasPrefix(s, "{") {
			from, to := p.span(i, len(segments)-len(p.segments))
			out[s[1:len(s)-1]] = strings.Join(segments[from:to], "/")
		}
	}
	return out
}
