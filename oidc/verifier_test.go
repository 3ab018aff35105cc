package oidc

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// issuer is an OIDC issuer of the tests' own.
type issuer struct {
	*httptest.Server
	key  *rsa.PrivateKey
	down bool
	asks int
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	is := &issuer{key: key}
	is.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.asks++
		if is.down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]any{"issuer": is.URL, "jwks_uri": is.URL + "/jwks", "id_token_signing_alg_values_supported": []string{"RS256"}})
		case "/jwks":
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
		}
	}))
	t.Cleanup(is.Close)
	return is
}

// token signs claims with a key.
func token(t *testing.T, key any, alg jose.SignatureAlgorithm, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := json.Marshal(claims)
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := signed.CompactSerialize()
	return raw
}

func TestVerify(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	publishers := []Publisher{
		{Name: "other", Issuer: is.URL, Audience: "elsewhere", Subjects: []string{"*"}},
		{
			Name: "ci", Issuer: is.URL, Audience: "packages", Subjects: []string{"repo:acme/*:ref:refs/heads/main"},
			Claims: map[string]string{"environment": "release", "runs": "12345678"},
		},
	}
	v, err := New(publishers, Options{Client: is.Client(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]any{
		"iss": is.URL, "sub": "repo:acme/app:ref:refs/heads/main", "aud": []string{"x", "packages"}, "jti": "1",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "environment": "release", "runs": 12345678,
	}
	stranger, _ := rsa.GenerateKey(rand.Reader, 2048)
	with := func(change map[string]any) map[string]any {
		c := maps.Clone(good)
		maps.Copy(c, change)
		return c
	}
	sign := func(claims map[string]any) string { return token(t, is.key, jose.RS256, claims) }
	for name, raw := range map[string]string{
		"not a token":         "abc",
		"too long":            strings.Repeat("a", MaxToken+1),
		"unknown issuer":      sign(with(map[string]any{"iss": "https://elsewhere.example"})),
		"another audience":    sign(with(map[string]any{"aud": "pypi"})),
		"another subject":     sign(with(map[string]any{"sub": "repo:evil/app:ref:refs/heads/main"})),
		"a subject of deeper": sign(with(map[string]any{"sub": "repo:acme/app/x:ref:refs/heads/main"})),
		"another claim":       sign(with(map[string]any{"environment": "test"})),
		"no such claim":       sign(with(map[string]any{"environment": nil})),
		"another number":      sign(with(map[string]any{"runs": 12345679})),
		"a subject of SUB":    sign(with(map[string]any{"sub": "repo:evil/app:ref:refs/heads/main", "SUB": good["sub"]})),
		"an audience of Aud":  sign(with(map[string]any{"aud": "pypi", "Aud": "packages"})),
		"an id of \u017fub":   sign(with(map[string]any{"sub": "repo:evil/app:ref:refs/heads/main", "\u017fub": good["sub"]})),
		"an expiry of EXP":    sign(with(map[string]any{"exp": 1, "eXP": now.Add(time.Minute).Unix()})),
		"expired":             sign(with(map[string]any{"exp": now.Add(-time.Minute).Unix()})),
		"signed by another":   token(t, stranger, jose.RS256, good),
		"signed by a secret":  token(t, []byte(strings.Repeat("k", 32)), jose.HS256, good),
		"changed":             tampered(sign(good)),
	} {
		if _, _, err := v.Verify(context.Background(), raw); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		} else if len(raw) > 20 && len(raw) <= MaxToken && strings.Contains(err.Error(), raw[:20]) {
			t.Errorf("%s: the error holds the token: %v", name, err)
		}
	}
	asked := is.asks
	i, subject, err := v.Verify(context.Background(), sign(good))
	if err != nil || publishers[i].Name != "ci" || subject != good["sub"] {
		t.Fatalf("publisher %d, subject %q, %v", i, subject, err)
	}
	if is.asks != asked {
		t.Errorf("the issuer's keys were fetched again: %d requests, then %d", asked, is.asks)
	}
	if _, _, err := v.Verify(context.Background(), sign(good)); !errors.Is(err, ErrInvalid) {
		t.Errorf("the same token again: %v", err)
	}
	if _, _, err := v.Verify(context.Background(), sign(with(map[string]any{"jti": "2"}))); err != nil {
		t.Errorf("another token of the job: %v", err)
	}
}

// tampered changes the payload under a signature.
func tampered(raw string) string {
	parts := strings.Split(raw, ".")
	mid := []byte(parts[1])
	mid[len(mid)/2] ^= 1
	return parts[0] + "." + string(mid) + "." + parts[2]
}

func TestIssuerDown(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	is.down = true
	v, err := New([]Publisher{{Name: "ci", Issuer: is.URL, Audience: "a", Subjects: []string{"*"}}}, Options{Client: is.Client()})
	if err != nil {
		t.Fatal(err)
	}
	raw := token(t, is.key, jose.RS256, map[string]any{"iss": is.URL, "sub": "s", "aud": "a", "exp": time.Now().Add(time.Minute).Unix()})
	if _, _, err := v.Verify(context.Background(), raw); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
	is.down = false
	if _, _, err := v.Verify(context.Background(), raw); err != nil {
		t.Errorf("once it is back: %v", err)
	}
}

// TestIssuerHangs: everybody who comes while an issuer is asked shares its answer, and
// nobody waits longer than their own request lasts.
func TestIssuerHangs(t *testing.T) {
	t.Parallel()
	const jobs = 8
	release := make(chan struct{})
	is := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(is.Close)
	v, err := New([]Publisher{{Name: "ci", Issuer: is.URL, Audience: "a", Subjects: []string{"*"}}}, Options{Client: is.Client()})
	if err != nil {
		t.Fatal(err)
	}
	key, _ := rsa.GenerateKey(rand.Reader, 2048)
	raw := token(t, key, jose.RS256, map[string]any{"iss": is.URL, "sub": "s", "aud": "a", "exp": time.Now().Add(time.Minute).Unix()})
	ended := make(chan error, jobs)
	for range jobs {
		go func() {
			_, _, err := v.Verify(t.Context(), raw)
			ended <- err
		}()
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := v.Verify(gone, raw); !errors.Is(err, ErrUnavailable) {
		t.Errorf("for who is gone: %v", err)
	}
	close(release)
	for range jobs {
		if err := <-ended; !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
}

// TestIssuerGoesTooFar: what an issuer answers is bounded, and it leads nobody to other
// hosts: the token's sender could have the gateway ask there, or read for ever.
func TestIssuerGoesTooFar(t *testing.T) {
	t.Parallel()
	is, asked := newIssuer(t), false
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked = true
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &is.key.PublicKey, KeyID: "k1", Algorithm: "RS256"}}})
	}))
	t.Cleanup(private.Close)
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, private.URL, http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/here":
			http.Redirect(w, r, "/keys", http.StatusFound)
		case "/endless":
			_, _ = io.WriteString(w, `{"keys":[`)
			for err := error(nil); err == nil; {
				_, err = w.Write(make([]byte, 1<<16))
			}
		case "/keys", "/most":
			raw, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &is.key.PublicKey, KeyID: "k1", Algorithm: "RS256"}}})
			if r.URL.Path == "/most" {
				raw = append(raw, strings.Repeat(" ", maxDocument-len(raw))...)
			}
			_, _ = w.Write(raw)
		}
	}))
	t.Cleanup(far.Close)
	for path, want := range map[string]error{"/away": ErrUnavailable, "/loop": ErrUnavailable, "/endless": ErrUnavailable, "/here": nil, "/keys": nil, "/most": nil} {
		v, err := New([]Publisher{{Name: "ci", Issuer: far.URL, JWKS: far.URL + path, Audience: "a", Subjects: []string{"*"}}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		raw := token(t, is.key, jose.RS256, map[string]any{"iss": far.URL, "sub": "s", "aud": "a", "exp": time.Now().Add(time.Minute).Unix()})
		if _, _, err := v.Verify(t.Context(), raw); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		} else if u := new(Unavailable); errors.As(err, &u) != (want != nil) || want != nil && (u.Cause == nil || !strings.HasSuffix(err.Error(), far.URL)) {
			t.Errorf("%s: %v because of %v: a cause is expected, which the text does not have", path, err, u.Cause)
		}
	}
	if asked {
		t.Error("another host was asked")
	}
}

func TestPublisherMustBeComplete(t *testing.T) {
	t.Parallel()
	for _, p := range []Publisher{
		{Issuer: "https://a", Audience: "b"}, {Issuer: "https://a", Subjects: []string{"*"}}, {Audience: "b", Subjects: []string{"*"}},
		{Issuer: "https://a", Audience: "b", Subjects: []string{"["}},
	} {
		if _, err := New([]Publisher{p}, Options{}); err == nil {
			t.Errorf("%+v passed", p)
		}
	}
}
