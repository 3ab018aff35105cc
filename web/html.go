package web

import "net/http"

// HTMLHeaders sets what a page for people is protected by: nothing may be loaded
// or run but its own inline styles, whatever a package's metadata says.
func HTMLHeaders(h http.Header) {
	h["Content-Security-Policy"] = []string{"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}
	h["Referrer-Policy"] = []string{"no-referrer"}
	h["X-Content-Type-Options"] = noSniff
}
