package site

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

// world is a gateway behind all its surfaces, with a key of the administrator.
type world struct {
	t     testing.TB
	g     *gateway.Gateway
	site  *Site
	admin string

	describe *description
}

func newWorld(t testing.TB, cfg gateway.Config) *world {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	g, err := gateway.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "up 1\n")
	})
	w := &world{t: t, g: g, site: New(&web.Env{Gateway: g, Metrics: metrics}, Options{})}
	_, document := w.do("GET", "/-/openapi.json", "", "")
	w.describe = describe(t, w.site, []byte(document))
	w.admin = w.key(gateway.KeyRequest{Name: "admin", Policy: "admin"})
	return w
}

func (w *world) key(r gateway.KeyRequest) string {
	w.t.Helper()
	made, err := w.g.CreateKey(ctx, gateway.LocalCaller("test"), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.Value
}

// do sends a request with a key, "" for none, and returns the answer with its body.
// It checks that the answer is one that the API's description promises.
func (w *world) do(method, path, key, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	if !w.site.All()(rec, r) {
		w.t.Fatalf("%s %s was answered by nobody", method, path)
	}
	res := rec.Result()
	raw, _ := io.ReadAll(res.Body)
	if w.describe != nil {
		w.describe.check(w.t, r, res, raw)
	}
	return res, string(raw)
}

// want sends a request, checks its status, and decodes what it answers.
func (w *world) want(status int, method, path, key, body string) map[string]any {
	w.t.Helper()
	res, raw := w.do(method, path, key, body)
	if res.StatusCode != status {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, raw, status)
	}
	var doc map[string]any
	if strings.HasPrefix(strings.TrimSpace(raw), "[") {
		var list []any
		if err := json.Unmarshal([]byte(raw), &list); err != nil {
			w.t.Fatal(err)
		}
		return map[string]any{"list": list}
	}
	_ = json.Unmarshal([]byte(raw), &doc)
	return doc
}

func (w *world) publish(channel string, s condatest.Spec) {
	w.t.Helper()
	filename, data := condatest.Build(s)
	res, raw := w.do("POST", "/api/v1/upload/"+channel, w.admin, string(data), "X-File-Name", filename, "Content-Type", "application/octet-stream")
	if res.StatusCode != http.StatusCreated {
		w.t.Fatalf("upload: %d %s", res.StatusCode, raw)
	}
}

func TestComposablePromptsKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	made := w.want(201, "POST", "/api/v1/apikeys", w.admin, `{"name":"ci","role":"developer","expires_at":"2099-01-01T00:00:00Z"}`)
	value, _ := made["value"].(string)
	if !strings.HasPrefix(value, "sk-") || made["role"] != "developer" || made["type"] != "sk" || made["enabled"] != true ||
		made["maskedValue"] != value[:10]+"****" || made["expires_at"] != "2099-01-01T00:00:00.000Z" {
		t.Errorf("made %v", made)
	}
	id := made["id"].(string)
	got := w.want(200, "GET", "/api/v1/apikeys/"+id, w.admin, "")
	if _, shown := got["value"]; shown || got["name"] != "ci" {
		t.Errorf("got %v", got)
	}
	w.want(400, "GET", "/api/v1/apikeys/"+id+"?withValue=true", w.admin, "")
	w.want(409, "POST", "/api/v1/apikeys", w.admin, `{"name":"ci","role":"reader"}`)
	w.want(400, "POST", "/api/v1/apikeys", w.admin, `{"name":"x","role":"king"}`)
	w.want(400, "POST", "/api/v1/apikeys", w.admin, `{"name":"x"}`)
	w.want(400, "POST", "/api/v1/apikeys", w.admin, `{"name":"x","role":"reader","surprise":1}`)
	w.want(403, "POST", "/api/v1/apikeys", value, `{"name":"x","role":"reader"}`)
	w.want(401, "GET", "/api/v1/apikeys", "", "")

	// What was read can be sent back.
	got["enabled"] = false
	raw, _ := json.Marshal(got)
	if w.want(200, "PUT", "/api/v1/apikeys/"+id, w.admin, string(raw))["enabled"] != false {
		t.Error("not disabled")
	}
	w.want(401, "GET", "/api/v1/channels", value, "")
	w.want(200, "PUT", "/api/v1/apikeys/"+id, w.admin, `{"enabled":true,"role":"reader"}`)
	w.want(400, "PUT", "/api/v1/apikeys/"+id, w.admin, `{"type":"pk"}`)
	w.want(400, "PUT", "/api/v1/apikeys/"+id, w.admin, `{"expires_at":"2098-01-01T00:00:00Z"}`)
	rotated := w.want(200, "POST", "/api/v1/apikeys/"+id+"/rotate", w.admin, `{"grace":"1h"}`)
	w.want(200, "GET", "/api/v1/channels", value, "")
	w.want(200, "GET", "/api/v1/channels", rotated["value"].(string), "")
	w.want(200, "POST", "/api/v1/apikeys/"+id+"/rotate", w.admin, "")
	w.want(401, "GET", "/api/v1/channels", value, "")
	if gone := w.want(200, "DELETE", "/api/v1/apikeys/"+id, w.admin, ""); gone["acknowledged"] != true || gone["deletedCount"] != 1.0 {
		t.Errorf("deleted %v", gone)
	}
	if e := w.want(404, "GET", "/api/v1/apikeys/"+id, w.admin, ""); e["error"] != "Not Found" || e["status"] != 404.0 || e["message"] == "" {
		t.Errorf("error %v", e)
	}
}

func TestPublicKeysForBrowsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	app := w.key(gateway.KeyRequest{Name: "app", Policy: "application"})
	first := w.want(200, "GET", "/api/v1/apikeys/pk?ttl=3600", app, "")
	if len(first) != 2 || !strings.HasPrefix(first["value"].(string), "pk-") || first["expire_at"] == "" {
		t.Errorf("answered %v, want exactly expire_at and value", first)
	}
	if again := w.want(200, "GET", "/api/v1/pk", app, ""); again["value"] != first["value"] {
		t.Error("a valid public key is not told again")
	}
	w.want(400, "GET", "/api/v1/pk?ttl=0", app, "")
	w.want(403, "GET", "/api/v1/pk", w.key(gateway.KeyRequest{Name: "r", Policy: "reader"}), "")

	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"free","visibility":"open"}`)
	res, _ := w.do("GET", "/free/noarch/repodata.json", first["value"].(string), "", "Origin", "https://app.example")
	if res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a page reads with its public key: %d %v", res.StatusCode, res.Header)
	}
	// What somebody else was answered, a cache must not give to a page, which could not read it.
	for _, path := range []string{"/free/noarch/repodata.json", "/free/noarch/repodata_shards.msgpack.zst", "/-/"} {
		if res, _ := w.do("GET", path, "", ""); !strings.Contains(res.Header.Get("Vary"), "Origin") || len(res.Header["Vary"]) != 1 {
			t.Errorf("%s varies with %v, want Origin too", path, res.Header["Vary"])
		}
	}
	res, _ = w.do("OPTIONS", "/free/noarch/repodata.json", "", "", "Origin", "https://app.example",
		"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization")
	if res.StatusCode != 204 || !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", res.StatusCode, res.Header)
	}
	// An image on somebody's page makes no keys with the password that a browser remembers.
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://app.example"}} {
		if res, _ := w.do("GET", "/api/v1/pk?name=made", app, "", headers...); res.StatusCode != 403 {
			t.Errorf("a page of another origin has a key made: %d", res.StatusCode)
		}
	}
	if res, _ := w.do("GET", "/api/v1/pk?name=made", app, "", "Sec-Fetch-Site", "none"); res.StatusCode != 200 {
		t.Errorf("an address that somebody typed: %d", res.StatusCode)
	}
	res, _ = w.do("GET", "/api/v1/apikeys", w.admin, "", "Origin", "https://app.example")
	if res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a page of another origin may read with a secret key")
	}
}

func TestCatenaKeysAndPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	for _, at := range []string{"/api/v1/permissions", "/api/v1/api_keys/permissions"} {
		if all := w.want(200, "GET", at, w.admin, "")["permissions"].([]any); len(all) < 20 {
			t.Errorf("%s: %v", at, all)
		}
	}
	policy := w.want(201, "POST", "/api/v1/api_keys/policies", w.admin, `{"name":"pull","permissions":["channel:read"]}`)["policy"].(map[string]any)
	w.want(409, "POST", "/api/v1/policies", w.admin, `{"name":"pull","permissions":[]}`)
	w.want(400, "POST", "/api/v1/policies", w.admin, `{"name":"x","permissions":["channel:*"]}`)
	id := policy["id"].(string)
	made := w.want(201, "POST", "/api/v1/api_keys", w.admin, `{"name":"k","policyId":"`+id+`"}`)
	value, keyID := made["value"].(string), made["apiKey"].(map[string]any)["id"].(string)
	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"c"}`)
	w.want(200, "GET", "/api/v1/channels/c", value, "")
	w.want(200, "PATCH", "/api/v1/policies/"+id, w.admin, `{"permissions":["package:read"]}`)
	w.want(403, "GET", "/api/v1/channels/c", value, "")
	w.want(200, "PATCH", "/api/v1/api_keys/"+keyID, w.admin, `{"policyId":"reader"}`)
	w.want(200, "GET", "/api/v1/channels/c", value, "")
	w.want(200, "PATCH", "/api/v1/api_keys/"+keyID, w.admin, `{"policyId":"`+id+`"}`)
	if all := w.want(200, "GET", "/api/v1/api_keys", w.admin, "")["apiKeys"].([]any); len(all) != 2 {
		t.Errorf("listed %v", all)
	}
	if e := w.want(409, "PATCH", "/api/v1/policies/reader", w.admin, `{"permissions":[]}`); e["code"] != 6.0 || e["details"] == nil {
		t.Errorf("changing a built-in policy: %v", e)
	}
	if gone := w.want(200, "DELETE", "/api/v1/policies/"+id, w.admin, ""); gone["deletedApiKeys"] != 1.0 {
		t.Errorf("deleted %v", gone)
	}
	w.want(401, "GET", "/api/v1/channels/c", value, "")
	w.want(404, "GET", "/api/v1/api_keys/"+keyID, w.admin, "")
}

func TestKeygenEngines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{Account: "acme"})
	if doc := w.want(200, "GET", "/v1/accounts/acme/engines", w.admin, ""); len(doc["data"].([]any)) != 0 {
		t.Errorf("before any package: %v", doc)
	}
	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"c"}`)
	w.publish("c", condatest.Spec{Name: "a", Version: "1", Build: "0", Subdir: "noarch"})
	doc := w.want(200, "GET", "/v1/accounts/acme/engines?page[size]=1&page[number]=1", w.admin, "")
	engine := doc["data"].([]any)[0].(map[string]any)
	if engine["type"] != "engines" || engine["attributes"].(map[string]any)["key"] != "conda" ||
		doc["links"].(map[string]any)["meta"].(map[string]any)["count"] != 1.0 {
		t.Errorf("%v", doc)
	}
	account := engine["relationships"].(map[string]any)["account"].(map[string]any)["data"].(map[string]any)["id"].(string)
	for _, at := range []string{"/v1/accounts/acme/engines/conda", "/v1/accounts/" + account + "/engines/" + engine["id"].(string)} {
		w.want(200, "GET", at, w.admin, "")
	}
	res, raw := w.do("GET", "/v1/accounts/acme/engines/conda", "", "")
	if res.StatusCode != 404 || res.Header.Get("Content-Type") != "application/vnd.api+json" || !strings.Contains(raw, `"code":"NOT_FOUND"`) {
		t.Errorf("unseen by nobody: %d %v %s", res.StatusCode, res.Header, raw)
	}
	for query, parameter := range map[string]string{
		"limit=0": "limit", "limit=101": "limit", "page[size]=5": "page[number]", "page[size]=x&page[number]=1": "page[size]", "page[number]=1": "page[size]",
	} {
		if _, raw := w.do("GET", "/v1/accounts/acme/engines?"+query, w.admin, ""); !strings.Contains(raw, `"parameter":"`+parameter+`"`) {
			t.Errorf("%s: %s", query, raw)
		}
	}
	w.want(404, "GET", "/v1/accounts/other/engines", w.admin, "")
	if _, raw := w.do("GET", "/v1/accounts/acme/engines", "wrong", ""); !strings.Contains(raw, "TOKEN_INVALID") {
		t.Error(raw)
	}
}

func TestGraphQL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	query := func(key, q string) (map[string]any, string) {
		t.Helper()
		body, _ := json.Marshal(map[string]string{"query": q})
		res, raw := w.do("POST", "/api/graphql", key, string(body))
		if res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", q, res.StatusCode, raw)
		}
		var doc struct{ Data map[string]any }
		_ = json.Unmarshal([]byte(raw), &doc)
		return doc.Data, raw
	}
	if data, _ := query(w.admin, "query { viewer { login } }"); data["viewer"].(map[string]any)["login"] != "admin" {
		t.Errorf("%v", data)
	}
	for _, key := range []string{"", "sk-wrong"} {
		if data, raw := query(key, "{ viewer { login } }"); data["viewer"] != nil || strings.Contains(raw, "errors") {
			t.Errorf("viewer of %q: %s", key, raw)
		}
	}
	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"c","description":"ours"}`)
	for _, s := range []condatest.Spec{
		{Name: "a", Version: "1.9", Build: "0", Subdir: "noarch"}, {Name: "a", Version: "1.10", Build: "0", Subdir: "linux-64"},
		{Name: "b", Version: "1", Build: "0", Subdir: "noarch"},
	} {
		w.publish("c", s)
	}
	_, raw := query(w.admin, `{ channel(name:"c") { name description packages(limit:1, page:1) { pages totalCount page { name } } } }`)
	if !strings.Contains(raw, `{"channel":{"name":"c","description":"ours","packages":{"pages":2,"totalCount":2,"page":[{"name":"b"}]}}}`) {
		t.Error(raw)
	}
	_, raw = query(w.admin, `{ package(channelName:"c", name:"a") { latestVersion { version totalCount } variants(platform:"noarch") { page { version buildString platform filename yankedReason rawIndex } } } }`)
	if !strings.Contains(raw, `"version":"1.10","totalCount":2`) || !strings.Contains(raw, `"filename":"a-1.9-0.conda","yankedReason":null,"rawIndex":{`) {
		t.Error(raw)
	}
	if data, _ := query("", `{ channel(name:"c") { name } }`); data["channel"] != nil {
		t.Errorf("nobody sees a licensed channel: %v", data)
	}
	_, raw = query(w.admin, `mutation { createApiKey(name:"mine", expiresAt:"2099-01-01T00:00:00Z") { key } }`)
	_, value, _ := strings.Cut(raw, `"key":"`)
	value, _, _ = strings.Cut(value, `"`)
	if data, _ := query(value, "{ viewer { login } }"); data["viewer"].(map[string]any)["login"] != "mine" {
		t.Errorf("the new key: %s", raw)
	}
	query(w.admin, `mutation { deleteApiKey(name:"mine") }`)
	if data, _ := query(value, "{ viewer { login } }"); data["viewer"] != nil {
		t.Error("a deleted key is somebody")
	}
	_, raw = query(w.admin, `mutation { updateChannel(name:"c", isPublic:true) { isPublic } batchDeletePackageVariants(channelName:"c", entries:[{subdir:"noarch",filename:"b-1-0.conda"},{subdir:"noarch",filename:"z-1-0.conda"}]) { deleted errors { filename } } }`)
	if !strings.Contains(raw, `"isPublic":true`) || !strings.Contains(raw, `"deleted":1,"errors":[{"filename":"z-1-0.conda"}]`) {
		t.Error(raw)
	}
	for name, hostile := range map[string]string{
		"aliases": "{" + strings.Repeat(` a: viewer { login }`, 1) + strings.Repeat(` x`+": viewer { login }", 1) + aliases(600) + "}",
		"depth":   "{ channel(name:\"c\") { packages { page " + strings.Repeat("{ channel { packages { page ", 8) + "{ name }" + strings.Repeat("}}}", 8) + " } } }",
		"cost":    "{" + costly(40) + "}",
	} {
		if _, raw := query(w.admin, hostile); !strings.Contains(raw, `"errors"`) {
			t.Errorf("%s: %.300s", name, raw)
		}
	}
	res, _ := w.do("POST", "/api/graphql", w.admin, `{"query":"`+strings.Repeat(" ", 300<<10)+`"}`)
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge body: %d", res.StatusCode)
	}
	if _, raw := query(w.admin, `{ __schema { queryType { name } } }`); !strings.Contains(raw, `"Query"`) {
		t.Error(raw)
	}
}

func aliases(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" q" + string(rune('a'+i%26)) + strings.Repeat("z", i/26) + ": viewer { login }")
	}
	return b.String()
}

func costly(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" q" + strings.Repeat("z", i) + `: channel(name:"c") { packages(limit:500) { totalCount } }`)
	}
	return b.String()
}

func TestPythonSurface(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	filename, data := pythontest.Wheel(pythontest.Spec{Name: "Ours", Version: "1.0"})
	res, raw := w.do("POST", "/legacy/", w.admin, string(form(t, filename, data, map[string]string{
		":action": "file_upload", "protocol_version": "1", "name": "Ours", "version": "1.0", "filetype": "bdist_wheel", "md5_digest": "",
		"sha256_digest": sum(data),
	})), "Content-Type", "multipart/form-data; boundary=xyz")
	if res.StatusCode != 200 {
		t.Fatalf("upload: %d %s", res.StatusCode, raw)
	}
	res, raw = w.do("GET", "/pypi/simple/ours/", w.admin, "", "Accept", "application/vnd.pypi.simple.v1+json")
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/vnd.pypi.simple.v1+json" || !strings.Contains(raw, `"../../files/local/ours/`+filename+`"`) {
		t.Fatalf("page: %d %v %s", res.StatusCode, res.Header, raw)
	}
	if again, _ := w.do("GET", "/pypi/simple/ours/", w.admin, "", "Accept", "application/vnd.pypi.simple.v1+json", "If-None-Match", res.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("unchanged: %d", again.StatusCode)
	}
	if res, raw := w.do("GET", "/pypi/files/local/ours/"+filename, w.admin, ""); res.StatusCode != 200 || raw != string(data) {
		t.Errorf("file: %d", res.StatusCode)
	}
	if res, raw := w.do("GET", "/pypi/files/local/ours/"+filename+".metadata", w.admin, ""); res.StatusCode != 200 || !strings.Contains(raw, "Name: Ours") {
		t.Errorf("metadata: %d %s", res.StatusCode, raw)
	}
	if res, _ := w.do("GET", "/pypi/simple/Ours/?format=x", w.admin, ""); res.StatusCode != 307 || res.Header.Get("Location") != "../ours/?format=x" {
		t.Errorf("another spelling: %d %v", res.StatusCode, res.Header)
	}
	if res, _ := w.do("GET", "/pypi/simple/Ours", w.admin, ""); res.Header.Get("Location") != "ours/" {
		t.Errorf("without a slash: %v", res.Header)
	}
	for _, path := range []string{"/pypi/simple/", "/pypi/simple", "/pypi/simple/ours/", "/pypi/simple/unknown/", "/pypi/simple/Unknown", "/pypi/files/local/ours/" + filename, "/pypi/files/pypi/packages/x/x-1-py3-none-any.whl"} {
		if res, _ := w.do("GET", path, "", ""); res.StatusCode != 401 || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic") {
			t.Errorf("%s for nobody: %d %v", path, res.StatusCode, res.Header)
		}
	}
	w.want(404, "GET", "/pypi/simple/unknown/", w.admin, "")
	w.want(200, "PATCH", "/api/v1/python/ours", w.admin, `{"visibility":"open"}`)
	if res, _ := w.do("GET", "/v1/accounts/default/engines/pypi/simple/ours/", "", ""); res.StatusCode != 200 {
		t.Errorf("open, by Keygen's route: %d", res.StatusCode)
	}
	// As rattler asks with a conda token: the links of the page stay below it.
	if res, raw := w.do("GET", "/t/"+w.admin+"/pypi/simple/ours/", "", ""); res.StatusCode != 200 || !strings.Contains(raw, "../../files/local/ours/") {
		t.Errorf("below /t/: %d %s", res.StatusCode, raw)
	}
	w.want(401, "GET", "/t/sk-wrong/pypi/simple/ours/", "", "")
	w.want(400, "GET", "/t/sk-wrong/pypi/simple/ours/", w.admin, "")
	w.want(405, "POST", "/t/"+w.admin+"/pypi/legacy/", "", "") // such a path is for reading alone
	w.want(404, "GET", "/v1/accounts/nope/engines/pypi/simple/ours/", w.admin, "")
	w.want(200, "PUT", "/api/v1/reserved/Acme_*", w.admin, "")
	if res, _ := w.do("GET", "/pypi/simple/acme-x/", w.admin, ""); res.StatusCode != 403 {
		t.Errorf("a reserved name: %d", res.StatusCode)
	}
	if got := w.want(200, "GET", "/api/v1/python/acme-x/why", w.admin, ""); got["reserved"] != true {
		t.Errorf("why: %v", got)
	}
	w.want(200, "POST", "/api/v1/python/ours/yank", w.admin, `{"version":"1.0","reason":"bad"}`)
	if _, raw := w.do("GET", "/pypi/simple/ours/", w.admin, ""); !strings.Contains(raw, `data-yanked="bad"`) {
		t.Error(raw)
	}
	w.want(400, "POST", "/api/v1/python/ours/yank", w.admin, `{}`)
	w.want(200, "DELETE", "/pypi/files/local/ours/"+filename, w.admin, "")
	w.want(200, "DELETE", "/api/v1/python/ours", w.admin, "")
	if got := w.want(200, "GET", "/api/v1/reserved", w.admin, "")["list"].([]any); len(got) != 2 {
		t.Errorf("reserved after the deletion: %v", got)
	}
}

func TestPathsInOneSpellingAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	for _, path := range []string{"//api/v1/apikeys", "/api//v1/apikeys", "/c/../api/v1/apikeys", "/c/%2e%2e/x", "/c%2fnoarch/repodata.json", `/c/noarch\repodata.json`} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawPath = path, path
		if unescaped := strings.NewReplacer("%2e", ".", "%2f", "/").Replace(path); unescaped != path {
			r.URL.Path = unescaped
		}
		r.Header.Set("Authorization", "Bearer "+w.admin)
		rec := httptest.NewRecorder()
		w.site.All()(rec, r)
		if rec.Code != 404 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	w.want(404, "GET", "/api/v1/nothing", w.admin, "")
	if res, _ := w.do("PATCH", "/api/v1/apikeys", w.admin, ""); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// Who asks by time alone is not told that an index is unchanged which changed within one
// and the same second.
func TestChangesWithinASecondAreSeenByTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2020, 5, 1, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, gateway.Config{Now: func() time.Time { return now }})
	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"c"}`)
	told := map[string]string{}
	for n := range 5 {
		now = now.Add(600 * time.Millisecond)
		w.publish("c", condatest.Spec{Name: "a", Version: strconv.Itoa(n), Build: "0", Subdir: "noarch"})
		filename, data := pythontest.Wheel(pythontest.Spec{Name: "ours", Version: strconv.Itoa(n)})
		if res, raw := w.do("POST", "/legacy/", w.admin, string(form(t, filename, data, map[string]string{
			":action": "file_upload", "protocol_version": "1", "name": "ours", "version": strconv.Itoa(n), "filetype": "bdist_wheel", "sha256_digest": sum(data),
		})), "Content-Type", "multipart/form-data; boundary=xyz"); res.StatusCode != 200 {
			t.Fatalf("upload: %d %s", res.StatusCode, raw)
		}
		for _, path := range []string{"/c/noarch/repodata.json", "/c/noarch/repodata_shards.msgpack.zst", "/pypi/simple/ours/"} {
			since := told[path]
			if since == "" {
				since = now.Add(-time.Hour).Format(http.TimeFormat)
			}
			res, _ := w.do("GET", path, w.admin, "", "If-Modified-Since", since)
			if res.StatusCode != 200 {
				t.Errorf("%s, change %d, since %s: %d", path, n, since, res.StatusCode)
			}
			if told[path] = res.Header.Get("Last-Modified"); told[path] == "" {
				t.Errorf("%s has no Last-Modified", path)
			}
			if res, _ := w.do("GET", path, w.admin, "", "If-Modified-Since", told[path]); res.StatusCode != 304 {
				t.Errorf("%s, unchanged: %d", path, res.StatusCode)
			}
		}
	}
}

// What an API does not serve, it refuses in its own words, as it does all else; whoever
// asks learns no more than that.
func TestUnknownPathsAreRefusedAsTheirAPIDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	const (
		text, composable, catena = "nothing is served", `{"error":"Not Found","status":404,"message":"nothing`, `{"code":5,"message":"nothing`
		keygen, pypi             = `{"meta":{"id":"`, `{"message":"Token request failed","errors":[{"code":"unavailable","description":"nothing`
	)
	for path, want := range map[string]string{
		"/api": composable, "/api/": composable, "/api/v1": composable, "/api/v1/nothing": composable, "/api/v1/apikeys/a/b": composable,
		"/api/v1/projects/a/b": composable, "/api/v1/audit/x": composable, "/api/graphql/x": composable,
		"/api/v1/api_keys/a/b": catena, "/api/v1/policies/a/b": catena, "/api/v1/permissions/a": catena,
		"/v1": keygen, "/v1/accounts": keygen, "/v1/accounts/default/engines/a/b": keygen, "/v1/accounts/default/engines/pypix/x": keygen,
		"/_": pypi, "/_/oidc/x": pypi,
		"/api/oidc/x": text, "/api/channels/c": text, "/api/v1/upload": text, "/api/v1/python/a/b/c": text, "/api/v1/reserved/a/b": text,
		"/v1/accounts/default/engines/pypi/x": text, "/pypi/x": text, "/legacy/x": text, "/-/x": text,
	} {
		media := map[string]string{text: "text/plain; charset=utf-8", keygen: "application/vnd.api+json"}[want]
		if media == "" {
			media = "application/json"
		}
		var answers []string
		for _, key := range []string{"", w.admin} {
			for _, method := range []string{"GET", "POST", "DELETE"} {
				res, body := w.do(method, path, key, "")
				if res.StatusCode != 404 || !strings.HasPrefix(body, want) || res.Header.Get("Content-Type") != media || res.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s %s: %d %v %s", method, path, res.StatusCode, res.Header, body)
				}
				if want == keygen { // each has an id of its own
					if !strings.Contains(body, `"code":"NOT_FOUND"`) {
						t.Errorf("%s %s: %s", method, path, body)
					}
					continue
				}
				answers = append(answers, body)
			}
		}
		if len(slices.Compact(answers)) > 1 {
			t.Errorf("%s: %q: one answer for all is expected", path, answers)
		}
	}
	for path, want := range map[string]string{
		"/v1//accounts": `"errors":[{`, "/api/v1/apikeys/.": `{"error":"Not Found"`, "/api/v1/policies//x": `{"code":5`, "/c//x": "the path is not",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		rec := httptest.NewRecorder()
		w.site.All()(rec, r)
		if body := rec.Body.String(); rec.Code != 404 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, rec.Code, body)
		}
	}
	for path, want := range map[string]string{"/api/graphql": `{"errors":[{"message":"this is a page of another origin`, "/api/v1/policies": `{"code":7`} {
		if res, body := w.do("POST", path, w.admin, "{}", "Sec-Fetch-Site", "cross-site"); res.StatusCode != 403 || !strings.HasPrefix(body, want) {
			t.Errorf("%s from another origin: %d %s", path, res.StatusCode, body)
		}
	}
}

func TestProjectsAndAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	w.want(201, "POST", "/api/v1/projects", w.admin, `{"name":"web"}`)
	w.want(409, "POST", "/api/v1/projects", w.admin, `{"name":"web"}`)
	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"webc","project":"web"}`)
	w.want(409, "DELETE", "/api/v1/projects/web", w.admin, "")
	w.want(200, "PATCH", "/api/v1/projects/web", w.admin, `{"name":"site"}`)
	bound := w.key(gateway.KeyRequest{Name: "bound", Policy: "admin", Project: "site"})
	w.want(403, "GET", "/api/v1/audit", bound, "")
	if got := w.want(200, "GET", "/api/v1/projects", bound, "")["list"].([]any); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if keys := w.want(200, "GET", "/api/v1/apikeys", bound, "")["list"].([]any); len(keys) != 1 {
		t.Errorf("a bound key sees %v", keys)
	}
	page := w.want(200, "GET", "/api/v1/audit?limit=2&kind=project", w.admin, "")
	rows := page["rows"].([]any)
	if len(rows) != 2 || rows[0].(map[string]any)["action"] != "project.rename" || page["next"] == 0.0 {
		t.Errorf("%v", page)
	}
	for _, q := range []string{"since=yesterday", "since=", "until=", "before=", "limit="} {
		w.want(400, "GET", "/api/v1/audit?"+q, w.admin, "")
	}
	for _, limit := range []string{"0", "-5", "1001", "99999999999999999999", "many"} {
		if got := w.want(400, "GET", "/api/v1/audit?limit="+limit, w.admin, ""); !strings.Contains(got["message"].(string), "1 to 1000 rows") {
			t.Errorf("limit=%s: %v: a sentence with the bounds is expected", limit, got["message"])
		}
	}
}

// form is an upload's body, its boundary "xyz".
func form(t testing.TB, filename string, data []byte, fields map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	for k, v := range fields {
		b.WriteString("--xyz\r\nContent-Disposition: form-data; name=\"" + k + "\"\r\n\r\n" + v + "\r\n")
	}
	b.WriteString("--xyz\r\nContent-Disposition: form-data; name=\"content\"; filename=\"" + filename + "\"\r\nContent-Type: application/octet-stream\r\n\r\n")
	b.Write(data)
	b.WriteString("\r\n--xyz--\r\n")
	return b.Bytes()
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
