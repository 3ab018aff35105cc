package web

import "net/http"

// HTMLHeaders sets what a page for people is protected by: nothing may be loaded
// or run but its own inline styles, whatever a package's metadata says.
func HTMLHeaders(h http.Header) {
	h["Content-Security-Policy"] = []string{"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}
	h["Referrer-Policy"] = []string{"no-referrer"}
	h["X-Content-Type-Options"] = noSniff
}

// RedirectTo sends a browser to another page by a relative reference, which holds
// wherever the gateway is mounted and names no host.
func RedirectTo(w http.ResponseWriter, status int, reference string) {
	h := w.Header()
	h["Location"] = []string{reference}
	h["Cache-Control"] = []string{"no-store"}
	w.WriteHeader(status)
}
