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
