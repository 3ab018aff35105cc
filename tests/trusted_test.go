package tests

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// ciService issues OIDC tokens to the jobs of a repository, at the address that GitHub's
// runners would ask.
func ciService(t *testing.T, subject string) *httptest.Server {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var (
		srv    *httptest.Server
		issued atomic.Int64
	)
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var doc any
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			doc = map[string]any{"issuer": srv.URL, "jwks_uri": srv.URL + "/jwks"}
		case "/jwks":
			doc = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}}
		case "/token":
			if r.Header.Get("Authorization") != "bearer runner" && r.Header.Get("Authorization") != "Bearer runner" {
				http.Error(w, "no runner", http.StatusUnauthorized)
				return
			}
			claims, _ := json.Marshal(map[string]any{
				"iss": srv.URL, "sub": subject, "aud": r.URL.Query().Get("audience"), "jti": fmt.Sprint(issued.Add(1)),
				"iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(), "environment": "release",
			})
			signed, err := signer.Sign(claims)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			raw, _ := signed.CompactSerialize()
			doc = map[string]any{"value": raw, "count": len(raw)}
		default:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(doc)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// A CI job publishes with nothing but the proof of which job it is: uv as it is, and
// twine's and rattler-build's requests one by one.
func TestTrustedPublishing(t *testing.T) {
	t.Parallel()
	ci := ciService(t, "repo:acme/tool:ref:refs/tags/v1")
	g := harness.Start(t, harness.Options{App: `failures_per_minute 1000
		trusted_publisher ci {
			issuer ` + ci.URL + `
			audience packages.example
			subjects repo:acme/*:ref:refs/tags/v1
			claims {
				environment release
			}
			packages tool* team-tool
		}`})
	wheel := func(name string) string {
		filename, data := pythontest.Wheel(pythontest.Spec{Name: name, Version: "1.0"})
		path := filepath.Join(t.TempDir(), filename)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// uv asks for the audience by https alone, whatever the URL that it publishes to.
	target, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(front.Close)
	publish := func(name string) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(harness.Interpreter(t, "python")), "uv"),
			"publish", "--trusted-publishing", "always", "--publish-url", front.URL+"/legacy/", "--allow-insecure-host", strings.TrimPrefix(front.URL, "https://"), wheel(name))
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "NO_PROXY=*", "UV_NO_CONFIG=1", "GITHUB_ACTIONS=true", "CI=true",
			"ACTIONS_ID_TOKEN_REQUEST_URL="+ci.URL+"/token?api-version=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=runner")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := publish("tool"); err != nil {
		t.Fatalf("uv publish: %v\n%s", err, out)
	}
	reader := g.Key("reader")
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/tool/", Key: reader})
	if out, err := publish("other"); err == nil || !strings.Contains(out, "403") {
		t.Errorf("a name that is not the job's: %v\n%s", err, out)
	}

	token := func() string {
		req, err := http.NewRequest(http.MethodGet, ci.URL+"/token?audience=packages.example", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "bearer runner")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var doc struct{ Value string }
		if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
			t.Fatal(err)
		}
		return doc.Value
	}
	mint := func(path, token string, status int) string {
		body, _ := json.Marshal(map[string]string{"token": token})
		return g.Expect(t, status, harness.Request{Method: "POST", Path: path, Body: body, Header: map[string]string{"Content-Type": "application/json"}}).Text()
	}
	raw := token()
	key := mint("/api/oidc/mint_token", raw, 200)
	g.Secret(key)
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/tool/", Key: key})
	g.Expect(t, 403, harness.Request{Path: "/api/v1/apikeys", Key: key})
	mint("/api/oidc/mint_token", raw, 422)
	g.MustCLI("reload", "--config", g.Config, "--address", g.Admin, "--force")
	mint("/_/oidc/mint-token", raw, 422)
	var minted struct {
		Success bool
		Token   string
		Expires int64
	}
	if err := json.Unmarshal([]byte(mint("/_/oidc/mint-token", token(), 200)), &minted); err != nil || !minted.Success {
		t.Errorf("%+v, %v", minted, err)
	}
	g.Secret(minted.Token)
	if left := time.Until(time.Unix(minted.Expires, 0)); left < 14*time.Minute || left > 15*time.Minute {
		t.Errorf("the key lives %s", left)
	}
	g.Restart()
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/tool/", Key: minted.Token})
	if trail := g.MustCLI("audit", "--json"); !strings.Contains(trail, "trusted publisher ci") || strings.Contains(trail, raw[len(raw)-40:]) {
		t.Error("the audit trail does not name the publisher, or holds its token")
	}
}
