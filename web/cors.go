package web

import (
	"net/http"
	"strings"

	"github.com/fairwayhq/fairway/authz"
)

// originHeader is what a browser adds to what a page asks of another origin.
const originHeader = "Origin"

// CORS lets pages of other origins read with a public key: those are made for
// browsers, see open data alone and change nothing. It answers a preflight itself
// and reports true; of other requests it sets a header and reports false.
//
// Credentials that a browser adds by itself are never allowed, and nothing but reads
// is: a page cannot use a secret key that it does not hold.
func CORS(w http.ResponseWriter, r *http.Request) bool {
	if len(r.Header[originHeader]) == 0 {
		return false
	}
	h := w.Header()
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		h["Access-Control-Allow-Origin"] = []string{"*"}
		h["Access-Control-Allow-Methods"] = []string{"GET, HEAD"}
		h["Access-Control-Allow-Headers"] = []string{"Authorization, X-API-Key, Accept, Range, If-None-Match, If-Range"}
		h["Access-Control-Max-Age"] = []string{"600"}
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if token, err := authz.Credentials(r, ""); err == nil && !strings.HasPrefix(token, authz.SecretKey.String()+"-") {
			h["Access-Control-Allow-Origin"] = []string{"*"}
			h["Access-Control-Expose-Headers"] = []string{"ETag, Content-Range, Accept-Ranges, X-Fairway-Reason"}
		}
	}
	return false
}

var protection = http.NewCrossOriginProtection()

// OtherOrigin reports whether a page of another origin makes a browser send r, as far as
// browsers tell (Sec-Fetch-Site, Origin): for what changes something though it is a GET,
// for a browser that was given a key as a password sends it along with those, too.
func OtherOrigin(r *http.Request) bool {
	change := r.WithContext(r.Context())
	change.Method = http.MethodPost
	return protection.Check(change) != nil
}
