package site

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/oidc"
)

// ci is an issuer of OIDC tokens.
type ci struct {
	*httptest.Server
	key *rsa.PrivateKey
	ids int
}

func newCI(t *testing.T) *ci {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	is := &ci{key: key}
	is.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	}))
	t.Cleanup(is.Close)
	return is
}

func (is *ci) token(t *testing.T, subject, audience string, now time.Time) string {
	t.Helper()
	is.ids++
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: is.key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := json.Marshal(map[string]any{
		"iss": is.URL, "sub": subject, "aud": audience, "jti": fmt.Sprint(is.ids), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := signed.CompactSerialize()
	return raw
}

func TestTrustedPublishing(t *testing.T) {
	t.Parallel()
	is := newCI(t)
	now := time.Now()
	channels, _ := authz.ParseNames([]string{"lic"})
	engines, _ := authz.ParseNames([]string{"conda", "pypi"})
	publishers := []gateway.TrustedPublisher{{
		Publisher: oidc.Publisher{Name: "ci", Issuer: is.URL, JWKS: is.URL + "/jwks", Audience: "packages.example", Subjects: []string{"repo:acme/*:main"}},
		Scope:     authz.Scope{Channels: channels, Engines: engines},
	}}
	cfg := gateway.Config{TrustedPublishers: publishers, Now: func() time.Time { return now }}
	w := newWorld(t, cfg)
	w.populate()
	if got := w.want(200, "GET", "/_/oidc/audience", "", ""); got["audience"] != "packages.example" {
		t.Errorf("audience: %v", got)
	}
	raw := is.token(t, "repo:acme/app:main", "packages.example", now)
	res, key := w.do("POST", "/api/oidc/mint_token", "", `{"token":"`+raw+`"}`)
	if res.StatusCode != 200 || !authz.ValidToken(key) || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("prefix.dev's way: %d %q", res.StatusCode, key)
	}
	filename, data := condatest.Build(condatest.Spec{Name: "made", Version: "1", Build: "0", Subdir: "noarch"})
	if res, body := w.do("POST", "/api/v1/upload/lic", key, string(data), "X-File-Name", filename); res.StatusCode != 201 {
		t.Errorf("an upload by the job: %d %s", res.StatusCode, body)
	}
	if res, _ := w.do("POST", "/api/v1/upload/free", key, string(data), "X-File-Name", filename); res.StatusCode != 403 {
		t.Errorf("into a channel that is not its own: %d", res.StatusCode)
	}
	minted := w.want(200, "POST", "/_/oidc/mint-token", "", `{"token":"`+is.token(t, "repo:acme/lib:main", "packages.example", now)+`"}`)
	if minted["success"] != true || minted["expires"] != float64(now.Add(15*time.Minute).Unix()) {
		t.Errorf("PyPI's way: %v", minted)
	}
	if res, _ := w.do("GET", "/pypi/simple/ours/", "", "", "Authorization", basic("__token__", minted["token"].(string))); res.StatusCode != 200 {
		t.Errorf("Python, as twine and uv send it: %d", res.StatusCode)
	}
	for name, token := range map[string]string{
		"used":             raw,
		"another subject":  is.token(t, "repo:evil/app:main", "packages.example", now),
		"another audience": is.token(t, "repo:acme/app:main", "pypi", now),
		"nonsense":         "a.b.c",
	} {
		if res, _ := w.do("POST", "/api/oidc/mint_token", "", `{"token":"`+token+`"}`); res.StatusCode != 422 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
		got := w.want(422, "POST", "/_/oidc/mint-token", "", `{"token":"`+token+`"}`)
		if got["message"] != "Token request failed" || len(got["errors"].([]any)) != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
	// A reload forgets no token.
	cfg.TrustedPublishers = append(publishers, gateway.TrustedPublisher{Publisher: oidc.Publisher{Name: "two", Issuer: "https://x.example", Audience: "a", Subjects: []string{"b"}}})
	if err := w.g.ApplySettings(cfg); err != nil {
		t.Fatal(err)
	}
	w.want(422, "POST", "/_/oidc/mint-token", "", `{"token":"`+raw+`"}`)
	rows, err := w.g.Audit(context.Background(), gateway.LocalCaller("test"), catalog.AuditFilter{Action: "key.mint-trusted"})
	if err != nil || len(rows) < 2 || rows[len(rows)-1].Actor.Name != "trusted publisher ci" {
		t.Errorf("audit: %d rows, %v", len(rows), err)
	}
	now = now.Add(15 * time.Minute)
	if res, _ := w.do("GET", "/lic/noarch/repodata.json", key, ""); res.StatusCode != 401 {
		t.Errorf("after its time: %d", res.StatusCode)
	}
}

func basic(user, password string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}
