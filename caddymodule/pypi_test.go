package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/passthrough"
)

// Credentials of an upstream come from the environment or a file; one that is not
// set is an error instead of an empty password.
func TestUpstreamPlaceholders(t *testing.T) {
	t.Setenv("FAIRWAY_TEST_USER", "ada")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("lovelace\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	apply := func(u ...Upstream) (*passthrough.Config, error) {
		cfg := gateway.Config{Dir: "/data"}
		err := (&PyPI{Upstreams: u}).apply(&cfg, caddy.NewReplacer())
		return cfg.Passthrough, err
	}
	got, err := apply(
		Upstream{Name: "inner", URL: "https://index.example.com/simple/", Username: "{env.FAIRWAY_TEST_USER}", Password: "{file." + secret + "}"},
		Upstream{Name: "pypi"}, Upstream{Name: "old", URL: "off"},
	)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Upstreams) != 2 || got.Upstreams[0].Username != "ada" || got.Upstreams[0].Password != "lovelace" ||
		got.Upstreams[1].URL != passthrough.PyPI().URL || got.Dir != "/data/cache" {
		t.Errorf("%+v", got)
	}
	if got, err := apply(Upstream{Name: "pypi", URL: "off"}); err != nil || got != nil {
		t.Errorf("%+v, %v: no pass-through is expected", got, err)
	}
	for _, bad := range []Upstream{
		{Name: "pypi", Password: "{env.FAIRWAY_TEST_NOT_SET}"},
		{Name: "pypi", Password: "{file./no/such/file}"},
		{Name: "pypi", URL: "ftp://index.example.com/simple/"},
		{Name: "pypi", URL: "https://ada:lovelace@index.example.com/simple/"},
	} {
		if _, err := apply(bad); err == nil || strings.Contains(err.Error(), "lovelace") {
			t.Errorf("%+v: %v: a refusal without the secret is expected", bad, err)
		}
	}
}

// The pass-through of a Caddyfile works: commands fetch ahead through it, say what
// it does, and count.
func TestPassthroughCommands(t *testing.T) {
	var asked atomic.Int64
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/simple/tool/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(`<!DOCTYPE html><a href="/f/tool-1.0.tar.gz#sha256=2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae">tool-1.0.tar.gz</a>`))
		case "/f/tool-1.0.tar.gz":
			_, _ = w.Write([]byte("foo"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer upstream.Close()
	app := "upstream mirror " + upstream.URL + "/simple/ {\n private_hosts 127.0.0.1\n deny evil-*\n }"
	s := start(t, config{global: "metrics", app: app})
	got := fromJSON[prefetched](t, s.must("python", "prefetch", "tool==1.0", "--json"))
	if got.Files != 1 || got.Bytes != 3 || asked.Load() == 0 {
		t.Errorf("%+v after %d requests", got, asked.Load())
	}
	if got := s.refused("python", "prefetch", "evil-tool", "nothing-like-it"); !strings.Contains(got, "2 of 2") {
		t.Error(got)
	}
	if out := s.must("python", "why", "tool"); !strings.Contains(out, "mirror") || !strings.Contains(out, "1 file shown") {
		t.Error(out)
	}
	if out := s.must("python", "why", "Evil-Tool"); !strings.Contains(out, "evil-tool") {
		t.Error(out)
	}
	s.must("python", "set", "own")
	if out := s.must("python", "why", "own"); !strings.Contains(out, "never asked of an upstream") {
		t.Error(out)
	}
	if text := s.metrics(); !strings.Contains(text, `fairway_upstream_files_total{result="miss"}`) ||
		!strings.Contains(text, `fairway_upstream_bytes_total{source="upstream"} 3`) {
		t.Error(ours(text))
	}
}
