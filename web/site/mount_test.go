package site

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/gateway"
)

// A gateway below a folder of another site leads nobody out of that folder, and
// whoever leaves a slash out still finds the page.
func TestRedirectsHoldBelowAFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	for _, name := range []string{"team", "team/nested"} {
		if _, err := w.g.CreateChannel(ctx, gateway.LocalCaller("test"), name, gateway.ChannelSettings{}); err != nil {
			t.Fatal(err)
		}
	}
	reader := w.key(gateway.KeyRequest{Name: "reader", Policy: "reader"})
	all := w.site.All()
	mounted := http.StripPrefix("/packages", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { all(w, r) }))
	for _, tt := range []struct {
		path, key string
		status    int
		to        string
	}{
		{"/packages/", "", 302, "/packages/-/"},
		{"/packages/-/login", reader, 303, "/packages/-/"},
		{"/packages/team", reader, 302, "/packages/team/"},
		{"/packages/team/nested", reader, 302, "/packages/team/nested/"},
		{"/packages/t/" + reader + "/team/nested", "", 302, "/packages/t/" + reader + "/team/nested/"},
		{"/packages/team", "", 401, ""},
		{"/packages/other", reader, 404, ""},
		{"/packages/other/nested", reader, 404, ""},
		{"/packages/t/" + reader, "", 404, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, tt.path, nil)
		if tt.key != "" {
			r.SetBasicAuth("x", tt.key)
		}
		rec := httptest.NewRecorder()
		mounted.ServeHTTP(rec, r)
		to := ""
		if location := rec.Header().Get("Location"); location != "" {
			base, _ := url.Parse(tt.path)
			if next, err := base.Parse(location); err == nil {
				to = next.Path
			}
		}
		if rec.Code != tt.status || to != tt.to {
			t.Errorf("%s: %d to %q, want %d to %q: %s", tt.path, rec.Code, to, tt.status, tt.to, rec.Body)
		}
	}
}

// A key in the wrong place of a path is not repeated to whoever looks over the
// shoulder.
func TestRefusalsRepeatNoKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	for _, path := range []string{"/t/" + w.admin + "/t/" + w.admin + "/team/noarch/repodata.json", "/" + w.admin + "/noarch/a-1-0.conda", "/api/v1/channels/" + w.admin} {
		res, body := w.do("GET", path, w.admin, "")
		if res.StatusCode != 404 || len(body) == 0 || strings.Contains(body, w.admin) {
			t.Errorf("%d %s", res.StatusCode, body)
		}
	}
}

// A browser that a key was given to as a password sends it with every request to the
// gateway, whoever's page makes it. Such a page may change nothing.
func TestPagesOfOtherOriginsChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	for _, tt := range []struct {
		method, path string
		headers      map[string]string
		refused      bool
	}{
		{"POST", "/api/v1/apikeys", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, true},
		{"POST", "/api/v1/upload/team", map[string]string{"Sec-Fetch-Site": "cross-site"}, true},
		{"POST", "/api/graphql", map[string]string{"Sec-Fetch-Site": "same-site"}, true},
		{"POST", "/pypi/legacy/", map[string]string{"Origin": "https://evil.example"}, true},
		{"DELETE", "/api/v1/channels/team", map[string]string{"Origin": "null"}, true},
		{"PUT", "/team/noarch/a-1-0.conda", map[string]string{"Origin": "https://evil.example"}, true},
		{"POST", "/api/v1/apikeys", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://example.com"}, false},
		{"POST", "/api/v1/apikeys", map[string]string{"Origin": "http://example.com"}, false},
		{"POST", "/api/v1/apikeys", nil, false},
		{"GET", "/api/v1/apikeys", map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
	} {
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(`{"name":"theirs","role":"admin"}`))
		r.SetBasicAuth("x", w.admin)
		for name, value := range tt.headers {
			r.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		w.site.All()(rec, r)
		if refused := rec.Code == http.StatusForbidden; refused != tt.refused {
			t.Errorf("%s %s with %v: %d %s", tt.method, tt.path, tt.headers, rec.Code, rec.Body)
		}
	}
}
