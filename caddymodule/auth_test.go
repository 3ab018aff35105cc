package caddymodule

import (
	"net/http"
	"strings"
	"testing"
)

// Anything that Caddy serves can stand behind our keys, and what stands there
// learns whose key it was.
func TestKeysInFrontOfAnything(t *testing.T) {
	s := start(t, config{body: `
	handle_errors {
		respond "sorry, {err.status_code}"
	}
	handle /private/* {
		fairway_auth package:upload package:read
		respond "hello {http.auth.user.id} {http.auth.user.name} {http.auth.user.type}"
	}
	handle /account/* {
		fairway_auth audit:read
		respond "the account's"
	}
	handle {
		respond "open"
	}`})
	reader, writer := s.must("key", "create", "--name", "r", "--role", "reader"), s.must("key", "create", "--name", "w", "--role", "developer")
	scoped := s.must("key", "create", "--name", "s", "--role", "developer", "--channel", "main")
	id := fromJSON[keyView](t, s.must("key", "show", "w", "--json")).ID

	for _, c := range []struct {
		key    string
		status int
		body   string
	}{
		{"", http.StatusUnauthorized, "sorry, 401"},
		{"sk-nonsense", http.StatusUnauthorized, "sorry, 401"},
		{reader, http.StatusForbidden, "sorry, 403"},
		{scoped, http.StatusForbidden, "sorry, 403"}, // what is behind is no channel of its scope
		{writer, http.StatusOK, "hello " + id + " w sk"},
	} {
		got := s.get("/private/x", c.key)
		if got.status != c.status || got.body != c.body {
			t.Errorf("%.10s: %d %q: %d %q is expected", c.key, got.status, got.body, c.status, c.body)
		}
		challenged := strings.Contains(strings.Join(got.header.Values("WWW-Authenticate"), ","), `Basic realm="fairway"`)
		if challenged != (c.status == http.StatusUnauthorized) {
			t.Errorf("%.10s: %d with challenge %v", c.key, got.status, challenged)
		}
	}
	// What the gateway's own routes refuse to a project's keys, the guard does, too.
	s.must("project", "create", "web")
	bound, admin := s.must("key", "create", "--name", "b", "--role", "admin", "--project", "web"), s.must("key", "create", "--name", "a", "--role", "admin")
	for path, want := range map[string][2]int{"/private/x": {http.StatusOK, http.StatusOK}, "/account/x": {http.StatusForbidden, http.StatusOK}} {
		if got := [2]int{s.get(path, bound).status, s.get(path, admin).status}; got != want {
			t.Errorf("%s: %d: %d is expected, for a project's key and the account's", path, got, want)
		}
	}
	if got := s.get("/", ""); got.body != "open" {
		t.Errorf("%d %q: what has no guard is open", got.status, got.body)
	}

	// The same key as a password.
	req, err := http.NewRequest(http.MethodGet, s.url("/private/x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("anybody", writer)
	if got := s.do(req); got.status != http.StatusOK {
		t.Errorf("Basic: %d", got.status)
	}
	s.must("key", "disable", "w")
	if got := s.get("/private/x", writer); got.status != http.StatusUnauthorized {
		t.Errorf("a disabled key got %d", got.status)
	}
}

// Our keys are one of the ways that Caddy's own authentication handler knows.
func TestAuthenticationProvider(t *testing.T) {
	s := start(t, config{body: `respond "hello {http.auth.user.name}"`})
	key := s.must("key", "create", "--name", "k", "--role", "reader")
	adapted, err := adapt(s.caddyfile(config{body: `respond "hello {http.auth.user.name}"`}))
	if err != nil {
		t.Fatal(err)
	}
	const handle = `"handle": [`
	before, after, found := strings.Cut(adapted, handle)
	if !found {
		t.Fatal(adapted)
	}
	if err := loadJSON(before + handle + `{"handler":"authentication","providers":{"fairway":{"permissions":["package:read"]}}},` + after); err != nil {
		t.Fatal(err)
	}
	if got := s.get("/", ""); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
		t.Errorf("nobody got %d", got.status)
	}
	if got := s.get("/", key); got.status != http.StatusOK || got.body != "hello k" {
		t.Errorf("%d %q", got.status, got.body)
	}
}

// A handler of ours without the app is a configuration error that says what is
// missing.
func TestHandlersNeedTheApp(t *testing.T) {
	for _, handler := range []string{"fairway", "fairway_conda", "fairway_pypi", "fairway_api", "fairway_dashboard", "fairway_auth"} {
		err := loadJSON(`{"admin":{"disabled":true,"config":{"persist":false}},"apps":{"http":{"servers":{"s":{"listen":["127.0.0.1:0"],
			"routes":[{"handle":[{"handler":"` + handler + `"}]}]}}}}}`)
		if err == nil || !strings.Contains(err.Error(), "fairway { … }") {
			t.Errorf("%s: %v", handler, err)
		}
	}
}
