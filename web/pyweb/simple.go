package pyweb

import (
	"io"
	"net/http"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/web"
)

// Cache-Control of own pages (RFC 9111). pip's cache ignores no-cache and looks at
// max-age alone; uv and others obey no-cache: so both, and every request is
// revalidated against the ETag.
const (
	cachePage     = "private, max-age=0, no-cache"
	cachePageOpen = "public, max-age=0, no-cache"
	cacheFile     = "private, max-age=31536000, immutable" // a file name is never used for other bytes
	cacheFileOpen = "public, max-age=31536000, immutable"
)

// index serves the list of the own names that the caller may read. Who is nobody
// and would see nothing is asked for a key, but for Keygen's clients, whose lists
// filter and never refuse.
func (s *Surface) index(w http.ResponseWriter, r *http.Request, p web.Params) {
	c, ok := s.caller(w, r, p)
	if !ok {
		return
	}
	page, err := s.indexFor(c, p)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.page(w, r, page, time.Time{}, cachePage)
}

func (s *Surface) indexFor(c *gateway.Caller, p web.Params) (*python.Rendered, error) {
	page, names, err := s.env.Gateway.PyIndex(c)
	if _, keygen := p["account"]; err == nil && names == 0 && c.Token == "" && !keygen {
		err = s.env.Gateway.Authorize(c, authz.PackageRead, &authz.Resource{Engine: "pypi"})
	}
	return page, err
}

// project serves a name's page: its own, or the upstream's.
func (s *Surface) project(w http.ResponseWriter, r *http.Request, p web.Params) {
	c, ok := s.caller(w, r, p)
	if !ok {
		return
	}
	name := python.Normalise(p["name"])
	page, own, known, err := s.env.Gateway.PyPageOf(r.Context(), c, name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !known {
		s.upstreamPage(w, r, c, p, name)
		return
	}
	if name != p["name"] {
		redirect(w, r, "../"+name+"/")
		return
	}
	cache := cachePage
	if own.Vis == authz.Open {
		cache = cachePageOpen
	}
	s.page(w, r, page.Rendered, page.Modified, cache)
}

// page answers one representation of a rendered page.
func (s *Surface) page(w http.ResponseWriter, r *http.Request, page *python.Rendered, modified time.Time, cache string) {
	t, err := python.NegotiateType(r.Header["Accept"], format(r))
	if err != nil {
		s.fail(w, r, gateway.Errorf(http.StatusNotAcceptable, "%s", err.Error()))
		return
	}
	e := python.NegotiateEncoding(r.Header["Accept-Encoding"])
	s.env.Served("pypi", "page")
	web.Serve(w, r, &web.Content{
		Type: t.ContentType(), Encoding: e.String(), ETag: page.ETag(t, e), CacheControl: cache,
		Vary: "Accept, Accept-Encoding", Modified: modified, Size: page.Size(t, e), Body: pageBody{page, t, e},
	})
}

// pageBody is one representation of a page.
type pageBody struct {
	page *python.Rendered
	t    python.MediaType
	e    python.Encoding
}

// WriteTo implements [web.Body].
func (b pageBody) WriteTo(w io.Writer) (int64, error) { return b.page.WriteTo(w, b.t, b.e) }

// NewReader implements [web.Body].
func (b pageBody) NewReader() io.ReadSeeker { return b.page.NewReader(b.t, b.e) }

// format is the query parameter of that name (PEP 691), nil where there is none.
func format(r *http.Request) []string {
	if r.URL.RawQuery == "" {
		return nil
	}
	return r.URL.Query()["format"]
}

// addSlash redirects to the URL that ends in a slash, for callers whom that would
// serve: nobody learns from a redirect what a refusal would not say.
func (s *Surface) addSlash(w http.ResponseWriter, r *http.Request, p web.Params) {
	c, ok := s.caller(w, r, p)
	if !ok {
		return
	}
	to, name := "simple/", python.Normalise(p["name"])
	var err error
	if name == "" {
		_, err = s.indexFor(c, p)
	} else {
		to, err = name+"/", s.env.Gateway.MayReadPython(c, name)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	redirect(w, r, to)
}

// redirect points to another page by a relative URL, which holds behind every
// proxy and names no host. It is not permanent: pip would keep that for ever.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	h := w.Header()
	h["Location"] = []string{to}
	h["Cache-Control"] = []string{"no-store"}
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// caller finds out who asks, and for Keygen's routes that the account exists.
func (s *Surface) caller(w http.ResponseWriter, r *http.Request, p web.Params) (*gateway.Caller, bool) {
	c, err := s.env.Caller(r, "")
	if account, ok := p["account"]; ok && err == nil {
		if acc := s.env.Gateway.Account(); account != acc.Slug && account != acc.ID {
			err = gateway.Errorf(http.StatusNotFound, "account %.80q does not exist", account)
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return nil, false
	}
	return c, true
}

var _ web.Body = pageBody{}
