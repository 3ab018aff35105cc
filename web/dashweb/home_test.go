package dashweb_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
	"github.com/fairwayhq/fairway/web/dashweb"
)

func TestHomeListsWhatTheCallerMayRead(t *testing.T) {
	t.Parallel()
	ctx, local := context.Background(), gateway.LocalCaller("test")
	g, err := gateway.Open(ctx, gateway.Config{Dir: t.TempDir(), PublicURL: "https://packages.example.com:8443/below"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	visibility, evil := "open", `<script>alert("x")</script>`
	for name, s := range map[string]gateway.ChannelSettings{"free": {Visibility: &visibility, Description: &evil}, "team": {}} {
		if _, err := g.CreateChannel(ctx, local, name, s); err != nil {
			t.Fatal(err)
		}
	}
	key, err := g.CreateKey(ctx, local, gateway.KeyRequest{Name: "me", Policy: "reader"})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path, key string) (*http.Response, string) {
		t.Helper()
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "evil.example"
		if key != "" {
			r.SetBasicAuth("x", key)
		}
		rec := httptest.NewRecorder()
		if !dashweb.New(&web.Env{Gateway: g}).Serve(rec, r) {
			t.Fatalf("%s is served by nobody", path)
		}
		return rec.Result(), rec.Body.String()
	}
	res, page := get("/-/", "")
	if !strings.Contains(page, ">free<") || strings.Contains(page, ">team<") || strings.Contains(page, evil) || strings.Contains(page, "evil.example") ||
		!strings.Contains(page, "https://packages.example.com") || !strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("for nobody: %v\n%s", res.Header, page)
	}
	if !strings.Contains(page, "pixi auth login packages.example.com --token") {
		t.Errorf("pixi knows hosts by their name alone: %s", page)
	}
	// The page may stand below a folder of another site, which its links do not know.
	if strings.Contains(page, `href="/`) {
		t.Errorf("a link leads to the root of the host: %s", page)
	}
	if _, page := get("/-/", key.Value); !strings.Contains(page, ">team<") || strings.Contains(page, key.Value) {
		t.Errorf("for a reader: %s", page)
	}
	if res, _ := get("/-/login", ""); res.StatusCode != 401 || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("login without a key: %d %v", res.StatusCode, res.Header)
	}
	if res, _ := get("/-/login", key.Value); res.StatusCode != 303 || res.Header.Get("Location") != "./" {
		t.Errorf("login with a key: %d %v", res.StatusCode, res.Header)
	}
}
