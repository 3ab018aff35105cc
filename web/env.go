package web

import (
	"net/http"
	"net/netip"
	"strings"

	"go.uber.org/zap"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/gateway"
)

// Env is what every surface is made of.
type Env struct {
	Gateway *gateway.Gateway
	Log     *zap.Logger

	// Peer tells a request's client address, as the operator's proxies are trusted
	// to tell it, and its id. nil takes the connection's address and no id.
	Peer func(*http.Request) (ip netip.Addr, requestID string)

	// Metrics answers the process's figures; nil where there are none to answer.
	Metrics http.Handler

	// Count is told how each request ended, for metrics; nil for nobody.
	Count func(surface, outcome string)
}

// Caller finds out who makes a request. pathToken is the key of a /t/<key>/ path,
// "" where there is none. It errs for credentials that contradict each other or
// stand where they must not; whether they are any good, [gateway.Gateway.Authorize]
// says.
func (e *Env) Caller(r *http.Request, pathToken string) (*gateway.Caller, error) {
	c := e.Nobody(r)
	if pathToken == "" {
		pathToken, _ = r.Context().Value(pathTokenKey{}).(string)
	}
	token, err := authz.Credentials(r, pathToken)
	if err != nil {
		e.Gateway.Refused(c, err) // such a key is in somebody's log by now
		return nil, err
	}
	c.Token = token
	return c, nil
}

// Changer is the caller of a request that may change something: nobody without a key
// in force does, so that is said before anything of a body is read.
func (e *Env) Changer(r *http.Request) (*gateway.Caller, error) {
	c, err := e.Caller(r, "")
	if err == nil && r.Method != http.MethodGet && r.Method != http.MethodHead {
		err = e.Gateway.NeedKey(c)
	}
	return c, err
}

// Nobody is a request's caller without its credential.
func (e *Env) Nobody(r *http.Request) *gateway.Caller {
	c := new(gateway.Caller)
	if e.Peer != nil {
		c.IP, c.RequestID = e.Peer(r)
	} else if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		c.IP = ap.Addr().Unmap()
	}
	return c
}

// Fault turns an error into what the caller may see, and logs what nobody foresaw.
func (e *Env) Fault(r *http.Request, err error) *gateway.Error {
	fault, expected := gateway.AsError(err)
	if !expected && r.Context().Err() == nil {
		id := ""
		if e.Peer != nil {
			_, id = e.Peer(r)
		}
		if log := e.Log; log != nil {
			log.Error("request failed", zap.String("method", r.Method), zap.String("route", SafePath(r.URL.Path)),
				zap.String("request_id", id), zap.Error(err))
		}
	}
	return fault
}

// Realm names the gateway in a challenge.
const Realm = "fairway"

// Challenge asks for a credential (RFC 9110 §11.6.1): Basic first, for pip and
// browsers know no other.
func Challenge(h http.Header) {
	h["Www-Authenticate"] = []string{`Basic realm="` + Realm + `", charset="UTF-8"`, `Bearer realm="` + Realm + `"`}
}

// WriteText answers an error as one sentence of plain text, which is what conda's
// and Python's clients print.
func (e *Env) WriteText(w http.ResponseWriter, r *http.Request, err error) {
	fault := e.Fault(r, err)
	ErrorHeaders(w.Header(), fault.Status)
	w.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
	w.WriteHeader(fault.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(fault.Message + "\n"))
	}
}

// ErrorHeaders sets what an answer of this status owes its client, whatever shape
// its body has.
func ErrorHeaders(h http.Header, status int) {
	h["Cache-Control"] = []string{"no-store"}
	h["X-Content-Type-Options"] = noSniff
	switch status {
	case http.StatusUnauthorized:
		Challenge(h)
	case http.StatusTooManyRequests:
		h["Retry-After"] = []string{"60"}
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		h["Retry-After"] = []string{"5"}
	}
}

// SafePath is a path without anything secret, for logs.
func SafePath(path string) string {
	for {
		before, rest, found := strings.Cut(path, "/t/")
		if !found {
			return path
		}
		_, after, _ := strings.Cut(rest, "/")
		path = before + "/" + after
	}
}

// Canonical reports whether a request's path is the one spelling of it that is
// served. Empty and dot segments, backslashes, control characters and encoded
// separators are refused, so that what is decided on is what is served.
func Canonical(r *http.Request) bool {
	p := r.URL.Path
	if len(p) == 0 || p[0] != '/' || strings.Contains(p, "//") || strings.Contains(p, `\`) {
		return false
	}
	for i := 0; i < len(p); i++ {
		if p[i] < 0x20 || p[i] == 0x7f {
			return false
		}
	}
	for seg := range strings.SplitSeq(p[1:], "/") {
		if seg == "." || seg == ".." {
			return false
		}
	}
	if raw := r.URL.RawPath; raw != "" {
		low := strings.ToLower(raw)
		for _, bad := range []string{"%2f", "%5c", "%2e", "%00"} {
			if strings.Contains(low, bad) {
				return false
			}
		}
	}
	return true
}

// Served counts an answer, for metrics.
func (e *Env) Served(surface, outcome string) {
	if e.Count != nil {
		e.Count(surface, outcome)
	}
}

// Outcome is the metric label of an error's status.
func Outcome(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "unauthorized"
	case status == http.StatusForbidden:
		return "forbidden"
	case status == http.StatusNotFound:
		return "not_found"
	case status == http.StatusTooManyRequests:
		return "throttled"
	case status >= 500:
		return "error"
	default:
		return "refused"
	}
}
