package site

import (
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/gateway"
)

// Whoever sends a body that is wrong is told what is wrong in their own words: a field
// as they wrote it, and no type or package of ours.
func TestWrongBodiesAreToldInWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	for body, says := range map[string]string{
		`{"name":5,"role":"reader"}`:                             `"name" is a JSON number: a string is expected`,
		`{"name":"a","role":"reader","enabled":"no"}`:            `"enabled" is a JSON string: true or false is expected`,
		`{"name":"a","role":"reader","cidrs":"10.0.0.0/8"}`:      `"cidrs" is a JSON string: a list is expected`,
		`{"name":"a","role":"reader","scope":5}`:                 `it is a JSON number: an object is expected`,
		`{"name":"a","role":"reader","scope":{"channels":"x"}}`:  `"channels" has a JSON string: a list of names is expected`,
		`{"name":"a","role":"reader","scope":{"channels":[1]}}`:  `"channels" has a JSON number: a list of names is expected`,
		`{"name":"a","role":"reader","scope":{"chanels":["x"]}}`: `unknown field "chanels"`,
		`{"name":"a","role":"reader","expires":"2099-01-01"}`:    `unknown field "expires"`,
		`{"name":"a","role":"reader","expires_at":""}`:           `expires_at is ""`,
		`{"name":"a","role":"reader"}}`:                          `more than one JSON value`,
		"{\"name\":\"\xff\",\"role\":\"reader\"}":                `no UTF-8`,
		`{"name":"a\u200b","role":"reader"}`:                     `"a\u200b" has a character that is not shown`,
	} {
		got, _ := w.want(400, "POST", "/api/v1/apikeys", w.admin, body)["message"].(string)
		if !strings.Contains(got, says) {
			t.Errorf("%s: %q, want %q in it", body, got, says)
		}
		for _, ours := range []string{"json:", "Go ", "plain.", "authz.", "scopeJSON"} {
			if strings.Contains(got, ours) {
				t.Errorf("%s: %q has %q of our own", body, got, ours)
			}
		}
	}
	if got := w.want(200, "GET", "/api/v1/apikeys", w.admin, "")["list"].([]any); len(got) != 1 {
		t.Errorf("keys were made: %v", got)
	}
	w.want(400, "POST", "/api/graphql", w.admin, "{\"query\":\"mutation { createApiKey(name:\\\"\xff\\\") { key } }\"}")
}

// Channels and Python tell in plain text.
func TestWrongBodiesOfChannels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"team","notices":{"notices":[{"message":"moving"}]}}`)
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"PATCH", "/api/v1/channels/team", `{"notices":true}`, 400, "it is a JSON bool"},
		{"PATCH", "/api/v1/channels/team", `{"notices":{"notices":"x"}}`, 400, `"notices" is a JSON string`},
		{"PUT", "/api/v1/patch/team/noarch", `{"packages":[]}`, 422, `"packages" is a JSON array`},
		{"PUT", "/api/v1/patch/team/noarch", `{"packages":`, 422, "unexpected end of JSON"},
	} {
		res, raw := w.do(tt.method, tt.path, w.admin, tt.body)
		if res.StatusCode != tt.status || !strings.Contains(raw, tt.says) || strings.Contains(raw, "json:") || strings.Contains(raw, "Go ") {
			t.Errorf("%s %s %s: %d %s, want %d and %q", tt.method, tt.path, tt.body, res.StatusCode, raw, tt.status, tt.says)
		}
	}
	notices := func() string { _, raw := w.do("GET", "/team/notices.json", w.admin, ""); return raw }
	if got := notices(); !strings.Contains(got, "moving") {
		t.Errorf("after changes that were refused: %s", got)
	}
	w.want(200, "PATCH", "/api/v1/channels/team", w.admin, `{"visibility":null,"project":null,"description":null,"notices":null}`)
	if got := notices(); strings.TrimSpace(got) != `{"notices":[]}` {
		t.Errorf("notices that were taken away: %s, which conda does not read", got)
	}
}

// Clients that write every field which they know of say null for those they leave.
func TestNullIsAFieldThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	made := w.want(201, "POST", "/api/v1/apikeys", w.admin,
		`{"name":"k","role":"reader","policy":null,"type":null,"expires_at":null,"enabled":null,"project":null,"scope":{"channels":["a"]},"cidrs":null}`)
	at := "/api/v1/apikeys/" + made["id"].(string)
	got := w.want(200, "PUT", at, w.admin, `{"name":null,"role":null,"type":null,"expires_at":null,"enabled":null,"policy":null,"project":null,"scope":null,"cidrs":null}`)
	if got["name"] != "k" || got["role"] != "reader" || got["scope"] == nil {
		t.Errorf("changed: %v", got)
	}
}
