package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

type pathTokenKey struct{}

// CutPathToken takes the /t/<key> off the beginning of a read's path and keeps the
// key for [Env.Caller]. rattler puts it before every path of a host that it knows a
// conda token for, those of the Python index included.
func CutPathToken(r *http.Request) (*http.Request, bool) {
	token, rest, found := strings.Cut(strings.TrimPrefix(r.URL.Path, "/t/"), "/")
	if !found || !strings.HasPrefix(r.URL.Path, "/t/") || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return r, false
	}
	out := r.WithContext(context.WithValue(r.Context(), pathTokenKey{}, token))
	out.URL = new(url.URL)
	*out.URL = *r.URL
	out.URL.Path, out.URL.RawPath = "/"+rest, ""
	return out, true
}
