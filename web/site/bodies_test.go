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
