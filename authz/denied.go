package authz

import (
	"net/http"
	"strconv"
	"strings"
)

// Denied is a refusal, as an error.
type Denied struct {
	Status int    // HTTP status: 401 for the credential, 403 for what it may not do
	Reason string // one sentence of at most 512 bytes, without secrets
}

func (d *Denied) Error() string { return d.Reason }

// Refusals without a value of their own are made once: a stranger's requests must
// not cost memory.
var (
	errMissing  = unauthorized("this needs a key: send it as 'Authorization: Bearer <key>', or as the password of Basic")
	errUnknown  = unauthorized("the credential is not a key of this gateway")
	errReplaced = unauthorized("this value of the key was replaced and its grace period is over: use the key's new value")
	errDisabled = unauthorized("this key is disabled: have it enabled, or use another")
	errIssuer   = unauthorized("the key that issued this one is disabled, expired or gone: ask for another")
	errPublic   = forbidden("this is a public key, which reads open data only: use a secret key")
	errClosed   = forbidden("this is closed: a key with the permission package:read-closed is expected")

	errLacking = func() (all [NumPerms]*Denied) {
		for i := range all {
			all[i] = forbidden("this key lacks the permission " + permissions[i].Name)
		}
		return all
	}()
)

// ExpiredPrefix begins the reason of a refusal whose key is known and whose time is
// over: some APIs have a code of its own for that.
const ExpiredPrefix = "this key expired"

func unauthorized(reason string) *Denied { return &Denied{http.StatusUnauthorized, reason} }
func forbidden(reason string) *Denied    { return &Denied{http.StatusForbidden, reason} }

func lacking(p Perm) *Denied {
	if p >= NumPerms {
		return forbidden("this key lacks the " + p.String())
	}
	return errLacking[p]
}

// quoted is how much of a value an error repeats, in bytes.
const quoted = 64

// quote makes a value from outside fit to be repeated in an error: short, on one
// line, and without a key that somebody put in the wrong place.
func quote(s string) string {
	if HoldsToken(s) {
		return "a value with a key in it"
	}
	if len(s) > quoted {
		s = strings.ToValidUTF8(s[:quoted], "") + "…"
	}
	return strconv.Quote(s)
}

// HoldsToken reports whether something of the form of a key is in s, which must then
// be neither shown nor kept.
func HoldsToken(s string) bool {
	for i := 0; i+TokenLen <= len(s); i++ {
		if isPrefix(s[i:i+prefixLen]) && base62(s[i+prefixLen:i+TokenLen]) {
			return true
		}
	}
	return false
}

var _ error = (*Denied)(nil)
