package oidc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"
)

// Publisher says whose tokens are trusted.
type Publisher struct {
	Name     string // names it in the audit trail
	Issuer   string // the issuer's URL, as in its tokens' iss
	JWKS     string // URL of its key set; "" to discover it at the issuer
	Audience string // what aud must hold
	// Subjects are patterns of sub, "*" standing for anything without a slash (see
	// [path.Match]); one must match.
	Subjects []string
	// Claims are further claims that must hold these very values.
	Claims map[string]string
}

// Limits of what is read of a token and of an issuer.
const (
	MaxToken     = 16 << 10 // bytes
	fetchTimeout = 10 * time.Second
	clockSkew    = 30 * time.Second
)

var (
	// ErrInvalid: the token proves nothing; its text says why and holds nothing of it.
	ErrInvalid = errors.New("the OIDC token is not accepted")
	// ErrUnavailable: the issuer's keys cannot be fetched now; see [Unavailable].
	ErrUnavailable = errors.New("the OIDC issuer's keys cannot be fetched")
)

// Unavailable is [ErrUnavailable] of an issuer. Its text is for whoever sent the token,
// and names the issuer alone.
type Unavailable struct {
	Issuer string
	Cause  error // for the operator
}

// Error implements error.
func (u *Unavailable) Error() string { return ErrUnavailable.Error() + ": " + u.Issuer }

// Unwrap makes it an [ErrUnavailable].
func (u *Unavailable) Unwrap() error { return ErrUnavailable }

// Verifier checks tokens of configured publishers. The issuers' key sets are
// fetched when they are needed and kept until a token names an unknown key.
type Verifier struct {
	publishers []Publisher
	client     *http.Client
	now        func() time.Time
	used       *Used
	issuers    map[string]*issuerKeys // by URL; the map itself never changes
}

// issuerKeys is the key set of one issuer. While it is being looked for, tokens of
// that issuer wait for one and the same answer, and no others wait.
type issuerKeys struct {
	set    atomic.Pointer[gooidc.KeySet] // nil until it was found
	search singleflight.Group
}

// Options are what a [Verifier] works with; zero fields take what the comments say.
type Options struct {
	Client *http.Client     // one that gives up after 10 s
	Now    func() time.Time // the clock
	Used   *Used            // a memory of its own
}

// New makes a verifier.
func New(publishers []Publisher, o Options) (*Verifier, error) {
	issuers := make(map[string]*issuerKeys)
	for _, p := range publishers {
		if p.Issuer == "" || p.Audience == "" || len(p.Subjects) == 0 {
			return nil, fmt.Errorf("trusted publisher %q lacks its issuer, audience or subjects: all three are expected", p.Name)
		}
		for _, s := range p.Subjects {
			if _, err := path.Match(s, ""); err != nil {
				return nil, fmt.Errorf("subject %q of trusted publisher %q is no pattern: %w", s, p.Name, err)
			}
		}
		issuers[p.Issuer] = new(issuerKeys)
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: fetchTimeout}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Used == nil {
		o.Used = new(Used)
	}
	return &Verifier{publishers: publishers, client: careful(o.Client), now: o.Now, used: o.Used, issuers: issuers}, nil
}

// Audiences lists what tokens may be made for, in the order of configuration.
func (v *Verifier) Audiences() []string {
	var out []string
	for _, p := range v.publishers {
		out = append(out, p.Audience)
	}
	return out
}

// Verify returns the index of the publisher whose token this is, and the token's
// subject. A token is taken once. Errors are [ErrInvalid] or [ErrUnavailable].
func (v *Verifier) Verify(ctx context.Context, raw string) (publisher int, subject string, err error) {
	claims, err := peek(raw)
	if err != nil {
		return 0, "", err
	}
	matched := false
	for i := range v.publishers {
		p := &v.publishers[i]
		if p.Issuer != claims.Issuer {
			continue
		}
		if !matched { // one issuer, one verification
			if claims, err = v.verify(ctx, p, raw); err != nil {
				return 0, "", err
			}
			matched = true
		}
		if p.matches(claims) {
			return i, claims.Subject, v.used.once(claims, raw, v.now())
		}
	}
	if !matched {
		return 0, "", fmt.Errorf("%w: its issuer %.100q is not configured here", ErrInvalid, claims.Issuer)
	}
	return 0, "", fmt.Errorf("%w: no trusted publisher has its audience %.200q and its subject %.200q", ErrInvalid, claims.Audience, claims.Subject)
}

// tokenClaims are the claims that matter.
type tokenClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expiry   float64  `json:"exp"`
	ID       string   `json:"jti"`

	all map[string]json.RawMessage
}

// audience is a string or a list of them (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON implements [json.Unmarshaler].
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// peek reads claims that nobody has vouched for yet.
func peek(raw string) (*tokenClaims, error) {
	if len(raw) > MaxToken {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are expected", ErrInvalid, len(raw), MaxToken)
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: it is no JSON web token", ErrInvalid)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("%w: it is no JSON web token", ErrInvalid)
	}
	return parseClaims(payload)
}

// decisive are the claims that are read by name, here and in go-oidc.
var decisive = [...]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// parseClaims reads claims, whose names differ by case (RFC 7519 §10.1.1). Go's JSON
// takes any case for any other, so a job that may name a claim of its own could set
// another's: a token with both is refused.
func parseClaims(payload []byte) (*tokenClaims, error) {
	c := new(tokenClaims)
	if json.Unmarshal(payload, c) != nil || json.Unmarshal(payload, &c.all) != nil {
		return nil, fmt.Errorf("%w: its claims cannot be read", ErrInvalid)
	}
	for name := range c.all {
		for _, known := range decisive {
			if name != known && strings.EqualFold(name, known) {
				return nil, fmt.Errorf("%w: it has a claim %q, %q is expected", ErrInvalid, name, known)
			}
		}
	}
	return c, nil
}

// verify checks signature, algorithm, issuer and times.
func (v *Verifier) verify(ctx context.Context, p *Publisher, raw string) (*tokenClaims, error) {
	keys, err := v.keySet(ctx, p)
	if err != nil {
		return nil, err
	}
	verifier := gooidc.NewVerifier(p.Issuer, keys, &gooidc.Config{
		SkipClientIDCheck:    true, // each publisher has an audience of its own
		SupportedSigningAlgs: []string{gooidc.RS256, gooidc.RS384, gooidc.RS512, gooidc.ES256, gooidc.ES384, gooidc.ES512, gooidc.PS256, gooidc.EdDSA},
		Now:                  func() time.Time { return v.now().Add(-clockSkew) },
	})
	token, err := verifier.Verify(gooidc.ClientContext(ctx, v.client), raw)
	if err != nil {
		if strings.Contains(err.Error(), "fetching keys") {
			return nil, &Unavailable{p.Issuer, err}
		}
		var late *gooidc.TokenExpiredError
		if errors.As(err, &late) {
			return nil, fmt.Errorf("%w: it expired at %s", ErrInvalid, late.Expiry.UTC().Format(time.RFC3339))
		}
		return nil, fmt.Errorf("%w: its signature, issuer or times do not hold", ErrInvalid)
	}
	var payload json.RawMessage
	if err := token.Claims(&payload); err != nil {
		return nil, fmt.Errorf("%w: its claims cannot be read", ErrInvalid)
	}
	return parseClaims(payload)
}

// keySet finds an issuer's keys, asking it where they are on the first use. Tokens that
// come while it is asked share the answer: an issuer that does not answer costs each of
// them one timeout, and not one for everybody who came before.
func (v *Verifier) keySet(ctx context.Context, p *Publisher) (gooidc.KeySet, error) {
	issuer := v.issuers[p.Issuer]
	if set := issuer.set.Load(); set != nil {
		return *set, nil
	}
	found := issuer.search.DoChan("", func() (any, error) {
		set, err := v.findKeys(ctx, p)
		if err != nil {
			return nil, err
		}
		issuer.set.Store(&set)
		return set, nil
	})
	select {
	case r := <-found:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(gooidc.KeySet), nil
	case <-ctx.Done():
		return nil, &Unavailable{p.Issuer, ctx.Err()}
	}
}

// findKeys makes the key set of a publisher's issuer.
func (v *Verifier) findKeys(ctx context.Context, p *Publisher) (gooidc.KeySet, error) {
	// The set outlives the request that made it.
	long := gooidc.ClientContext(context.WithoutCancel(ctx), v.client)
	if p.JWKS != "" {
		return gooidc.NewRemoteKeySet(long, p.JWKS), nil
	}
	provider, err := gooidc.NewProvider(long, p.Issuer)
	if err != nil {
		return nil, &Unavailable{p.Issuer, err}
	}
	var doc struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := provider.Claims(&doc); err != nil || doc.JWKS == "" {
		return nil, &Unavailable{p.Issuer, errors.New("its discovery document has no jwks_uri")}
	}
	return gooidc.NewRemoteKeySet(long, doc.JWKS), nil
}

// matches compares a verified token with what is configured.
func (p *Publisher) matches(c *tokenClaims) bool {
	hasAudience := false
	for _, a := range c.Audience {
		hasAudience = hasAudience || a == p.Audience
	}
	hasSubject := false
	for _, s := range p.Subjects {
		ok, _ := path.Match(s, c.Subject)
		hasSubject = hasSubject || ok
	}
	if !hasAudience || !hasSubject {
		return false
	}
	for name, want := range p.Claims {
		if got, ok := claimText(c.all[name]); !ok || got != want {
			return false
		}
	}
	return true
}

// claimText is a claim as a configuration writes it: a number keeps its digits, where a
// float64 has an exponent from a million on. ok is false for a claim that is not there.
func claimText(raw json.RawMessage) (text string, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var got any
	if err := d.Decode(&got); err != nil || got == nil {
		return "", false
	}
	return fmt.Sprint(got), true
}
