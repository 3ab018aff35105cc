package authz

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

var (
	// ErrTwoCredentials: a request carries two credentials that differ. Which one
	// was meant cannot be known, so neither is used.
	ErrTwoCredentials = errors.New("the request carries two different credentials: one is expected")
	// ErrQueryToken: a credential is in the URL's query, from where it gets into
	// logs, histories and Referer headers.
	ErrQueryToken = errors.New("the URL's query carries a credential (token or auth): one in the Authorization header is expected")
)

// unreadable stands for a credential that is there but cannot be a key: it is
// refused as wrong, for a request with a credential never passes for nobody's.
const unreadable = "unreadable"

// Credentials finds the key that a request carries, "" for none. Whether it is any
// good, [Ring.Decide] says. It is taken, with space around it trimmed and the
// scheme in any case, from
//
//   - Authorization: Bearer KEY (RFC 6750), token KEY (anaconda-client), License
//     KEY (Keygen);
//   - Authorization: Basic (RFC 7617), with the key as password of any user, or as
//     user with an empty password;
//   - X-API-Key: KEY (quetz);
//   - pathToken, the key of a /t/KEY/ path (conda); "" where there is none.
//
// The same key twice is fine. Errors are [ErrTwoCredentials] and [ErrQueryToken].
func Credentials(r *http.Request, pathToken string) (token string, err error) {
	if r.URL.RawQuery != "" && queryToken(r.URL.RawQuery) {
		return "", ErrQueryToken
	}
	two := false
	add := func(found string) {
		switch {
		case found == "" || found == token:
		case token == "":
			token = found
		default:
			two = true
		}
	}
	for _, v := range r.Header["Authorization"] {
		add(authorization(v))
	}
	for _, v := range r.Header["X-Api-Key"] {
		add(strings.TrimSpace(v))
	}
	add(strings.TrimSpace(pathToken))
	if two {
		return "", ErrTwoCredentials
	}
	return token, nil
}

// authorization is the key in an Authorization header, "" for a blank one.
func authorization(v string) string {
	v = strings.TrimSpace(v)
	if v == "" {
		return ""
	}
	scheme, rest := v, ""
	if i := strings.IndexAny(v, " \t"); i >= 0 {
		scheme, rest = v[:i], strings.TrimSpace(v[i:])
	}
	switch {
	case strings.EqualFold(scheme, "Bearer"), strings.EqualFold(scheme, "token"), strings.EqualFold(scheme, "License"):
	case strings.EqualFold(scheme, "Basic"):
		rest = basic(rest)
	default:
		rest = ""
	}
	if rest == "" {
		return unreadable
	}
	return rest
}

// basic is the key in Basic's user and password, "" for neither.
func basic(v string) string {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
	if err != nil {
		return ""
	}
	user, password, found := strings.Cut(string(raw), ":")
	if password = strings.TrimSpace(password); password != "" {
		return password
	}
	if !found {
		return ""
	}
	return strings.TrimSpace(user)
}

// queryToken reports whether a parameter is named as a credential would be. It
// reads more generously than [url.ParseQuery], which drops what it cannot parse.
func queryToken(query string) bool {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if strings.EqualFold(name, "token") || strings.EqualFold(name, "auth") {
			return true
		}
	}
	return false
}
