package site

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/gateway"
)

func TestCredentialsThatAreRefusedForWhereTheyStand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	w.populate()
	other := w.key(gateway.KeyRequest{Name: "other", Policy: "admin"})
	for _, path := range []string{"/api/v1/apikeys", "/api/v1/channels", "/lic/noarch/repodata.json", "/pypi/simple/ours/", "/v1/accounts/default/engines", "/-/"} {
		if res, body := w.do("GET", path, w.admin, "", "X-API-Key", other); res.StatusCode != 400 || strings.Contains(body, other[15:47]) {
			t.Errorf("%s with two keys: %d %s", path, res.StatusCode, body)
		}
		if res, _ := w.do("GET", path, w.admin, "", "X-API-Key", w.admin); res.StatusCode != 200 {
			t.Errorf("%s with one key twice: %d", path, res.StatusCode)
		}
		for _, query := range []string{"token=" + other, "auth=" + other, "a=1;TOKEN=" + other, "%74oken=" + other} {
			if res, body := w.do("GET", path+"?"+query, w.admin, ""); res.StatusCode != 400 || strings.Contains(body, other[15:47]) {
				t.Errorf("%s?%s: %d %s", path, query, res.StatusCode, body)
			}
		}
	}
	if res, _ := w.do("GET", "/t/"+other+"/lic/noarch/repodata.json", w.admin, ""); res.StatusCode != 400 {
		t.Errorf("another key in the path: %d", res.StatusCode)
	}
	// The rows are written behind the answers.
	w.await("rows of both refusals", func() bool {
		raw, err := json.Marshal(w.want(200, "GET", "/api/v1/audit?action=authenticate", w.admin, "")["rows"])
		return err == nil && strings.Contains(string(raw), "two different credentials") && strings.Contains(string(raw), "query carries a credential")
	})
}

// await polls until cond holds; the test's own time limit ends it.
func (w *world) await(what string, cond func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			w.t.Fatalf("there was no %s", what)
		case <-tick.C:
		}
	}
}

func TestKeysThatMayBeUsedFromSomeAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	made := w.want(201, "POST", "/api/v1/apikeys", w.admin, `{"name":"office","role":"admin","cidrs":["10.0.0.0/8","2001:db8::/32","192.0.2.9"]}`)
	value := made["value"].(string)
	from := func(address string) int {
		r := httptest.NewRequest("GET", "/api/v1/channels", nil)
		r.RemoteAddr = address
		r.Header.Set("Authorization", "Bearer "+value)
		rec := httptest.NewRecorder()
		w.site.All()(rec, r)
		return rec.Code
	}
	for address, want := range map[string]int{
		"10.1.2.3:1": 200, "192.0.2.9:1": 200, "[2001:db8:1::7]:1": 200, "[::ffff:10.1.2.3]:1": 200,
		"11.0.0.1:1": 403, "192.0.2.8:1": 403, "[2001:db9::1]:1": 403,
	} {
		if got := from(address); got != want {
			t.Errorf("from %s: %d, want %d", address, got, want)
		}
	}
	w.want(200, "PUT", "/api/v1/apikeys/office", w.admin, `{"cidrs":["11.0.0.0/8"]}`)
	if from("10.1.2.3:1") != 403 || from("11.0.0.1:1") != 200 {
		t.Error("a changed list does not hold from the next request on")
	}
	w.want(400, "POST", "/api/v1/apikeys", w.admin, `{"name":"x","role":"reader","cidrs":["10.0.0.0/33"]}`)
	if got := w.want(400, "POST", "/api/v1/apikeys", w.admin, `{"name":"x","role":"reader","scope":{"engines":["conda","npm"]}}`); got["message"] != `there is no engine "npm": conda or pypi is expected` {
		t.Errorf("an engine that does not exist: %v", got)
	}
}

// What the account lists may be the names of what others keep to themselves.
func TestScopedKeysSeeNamesOfTheirScopeAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	w.want(201, "POST", "/api/v1/projects", w.admin, `{"name":"moon"}`)
	for _, name := range []string{"moon-rocket", "acme-*", "acme-tool"} {
		w.want(200, "PUT", "/api/v1/reserved/"+name, w.admin, "")
	}
	for scope, want := range map[string]string{
		`{"packages":["ACME_*"]}`:                  "200 [acme-* acme-tool]",
		`{"packages":["acme.tool"]}`:               "200 [acme-tool]",
		`{"packages":[]}`:                          "200 []",
		`{"engines":["pypi"]}`:                     "200 [acme-* acme-tool moon-rocket]",
		`{"engines":["pypi"],"channels":["team"]}`: "200 [acme-* acme-tool moon-rocket]",
		`{"engines":["conda"]}`:                    "403",
		`{"channels":["team"]}`:                    "403",
		`{"channels":[]}`:                          "403",
	} {
		made := w.want(201, "POST", "/api/v1/apikeys", w.admin, `{"name":`+strconv.Quote(scope)+`,"role":"reader","scope":`+scope+`}`)
		key := made["value"].(string)
		res, raw := w.do("GET", "/api/v1/reserved", key, "")
		got := strconv.Itoa(res.StatusCode)
		if res.StatusCode == 200 {
			var names []string
			if err := json.Unmarshal([]byte(raw), &names); err != nil {
				t.Fatal(err)
			}
			got += " " + fmt.Sprint(names)
		}
		if got != want {
			t.Errorf("reserved names, by a key of %s: %s, want %s", scope, got, want)
		}
		if res, raw := w.do("GET", "/api/v1/projects", key, ""); res.StatusCode != 403 || strings.Contains(raw, "moon") {
			t.Errorf("projects, by a key of %s: %d %s", scope, res.StatusCode, raw)
		}
	}
}

func TestWhatIsReadCanBeSentBackAndNothingElseChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	w.want(201, "POST", "/api/v1/projects", w.admin, `{"name":"p"}`)
	made := w.want(201, "POST", "/api/v1/apikeys", w.admin,
		`{"name":"k","role":"reader","project":"p","expires_at":"2099-01-01T01:00:00+01:00","scope":{"channels":["b","a*"]},"cidrs":["10.0.0.0/8"]}`)
	at := "/api/v1/apikeys/" + made["id"].(string)
	read := w.want(200, "GET", at, w.admin, "")
	raw, _ := json.Marshal(read)
	w.want(200, "PUT", at, w.admin, string(raw))
	for body, status := range map[string]int{
		`{"expires_at":"2099-01-01T00:00:00Z"}`: 200, // the same instant
		`{"expires_at":"2099-01-01T00:00:01Z"}`: 400,
		`{"scope":{"channels":["a*","b"]}}`:     200, // the same lists
		`{"scope":{"channels":["*"]}}`:          400,
		`{"scope":{}}`:                          400,
		`{"project":"p"}`:                       200,
		`{"project":"q"}`:                       400,
		`{"type":"pk"}`:                         400,
		`{"value":"sk-x"}`:                      400,
		`{"role":"admin","policy":"reader"}`:    400,
		`{"role":"admin"} {"role":"reader"}`:    400,
		`{"name":"` + w.admin + `"}`:            400,
		`{"name":"k","cidrs":["10.1.0.0/16"]}`:  200,
	} {
		w.want(status, "PUT", at, w.admin, body)
	}
	if got := w.want(200, "GET", at, w.admin, ""); got["role"] != "reader" || fmt.Sprint(got["scope"]) != fmt.Sprint(read["scope"]) {
		t.Errorf("changed: %v", got)
	}
}

func TestKeygenTellsWhatIsWrongWithACredential(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, gateway.Config{Now: func() time.Time { return now }})
	expired := w.key(gateway.KeyRequest{Name: "e", Policy: "reader", Expires: now.Add(time.Second)})
	now = now.Add(time.Minute)
	for credential, code := range map[string]string{
		"Bearer " + expired: "TOKEN_EXPIRED", "Bearer nonsense": "TOKEN_INVALID", "License nonsense": "LICENSE_INVALID",
		"Bearer 6f0c8a9e-2f7e-4c55-9a0a-0c6ab61b4ad5": "TOKEN_FORMAT_INVALID",
	} {
		res, body := w.do("GET", "/v1/accounts/default/engines", "", "", "Authorization", credential)
		if res.StatusCode != 401 || !strings.Contains(body, `"code":"`+code+`"`) || !strings.Contains(body, `"meta":{"id":"`) || strings.Contains(body, `"data"`) {
			t.Errorf("%.20s: %d %s", credential, res.StatusCode, body)
		}
	}
	if res, body := w.do("POST", "/v1/accounts/default/engines", w.admin, ""); res.StatusCode != 405 || !strings.Contains(body, `"errors":[{`) {
		t.Errorf("another method: %d %s", res.StatusCode, body)
	}
	if res, body := w.do("PUT", "/api/v1/policies", w.admin, ""); res.StatusCode != 405 || !strings.Contains(body, `"details":[]`) {
		t.Errorf("another method of Catena's: %d %s", res.StatusCode, body)
	}
	only := w.want(201, "POST", "/api/v1/policies", w.admin, `{"name":"no engines","permissions":["channel:read","package:read"]}`)["policy"].(map[string]any)
	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"c"}`)
	w.publish("c", condatest.Spec{Name: "a", Version: "1", Build: "0", Subdir: "noarch"})
	blind := w.key(gateway.KeyRequest{Name: "blind", Policy: only["id"].(string)})
	if all := w.want(200, "GET", "/v1/accounts/default/engines", blind, "")["data"].([]any); len(all) != 0 {
		t.Errorf("a key without engine:read sees %v", all)
	}
}

// A path that has a meaning of its own is never the name of a key or a policy.
func TestSpeltOutPathsAreNoNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	w.key(gateway.KeyRequest{Name: "pk", Policy: "reader"})
	w.want(405, "DELETE", "/api/v1/apikeys/pk", w.admin, "")
	w.want(405, "PATCH", "/api/v1/api_keys/policies", w.admin, `{"name":"x"}`)
	w.want(405, "DELETE", "/api/v1/api_keys/permissions", w.admin, "")
	for path, allowed := range map[string]string{"/c/noarch/x": "GET, HEAD, PUT", "/c/noarch/": "GET, HEAD", "/t/" + w.admin + "/c/noarch/x": "GET, HEAD", "/c/noarch/shards/x": "GET, HEAD", "/": "GET, HEAD"} {
		if res, _ := w.do("DELETE", path, w.admin, ""); res.StatusCode != 405 || res.Header.Get("Allow") != allowed {
			t.Errorf("%s: %d, Allow %q, want %q", path, res.StatusCode, res.Header.Get("Allow"), allowed)
		}
	}
}

// A wrong key must not have an uploader send its package again and again.
func TestUploadsAreNeverAskedToTryAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{FailuresPerMinute: 2})
	w.populate()
	wrong, _ := authz.NewToken(authz.SecretKey)
	throttled := 0
	for range 8 {
		if res, _ := w.do("POST", "/api/v1/upload/lic", wrong, "x", "X-File-Name", "a-9-0.conda"); res.StatusCode != 401 {
			t.Errorf("an upload: %d", res.StatusCode)
		}
		if res, _ := w.do("GET", "/lic/noarch/repodata.json", wrong, ""); res.StatusCode == 429 {
			throttled++
		}
	}
	if throttled == 0 {
		t.Error("other requests are not throttled")
	}
}

// Every change is in force when its answer is there: 1,000 rounds of one and the next
// request, in four lines that run at once.
func TestChangesAreInForceWhenTheyAreAnswered(t *testing.T) {
	t.Parallel()
	const lines, rounds = 4, 250
	w := newWorld(t, gateway.Config{FailuresPerMinute: 1 << 30})
	w.describe = nil // others compare answers with their description, which takes longer than they do
	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"c"}`)
	var all sync.WaitGroup
	for line := range lines {
		all.Go(func() { w.changeAndAsk(line, rounds) })
	}
	all.Wait()
}

func (w *world) changeAndAsk(line, rounds int) {
	name := fmt.Sprintf("line-%d", line)
	policy := w.status("POST", "/api/v1/policies", w.admin, `{"name":"`+name+`","permissions":["channel:read"]}`, 201)["policy"].(map[string]any)["id"].(string)
	made := w.status("POST", "/api/v1/apikeys", w.admin, `{"name":"`+name+`","policy":"`+policy+`"}`, 201)
	id, value := made["id"].(string), made["value"].(string)
	asks := func(round, want int) {
		w.t.Helper()
		if res, body := w.do("GET", "/api/v1/channels/c", value, ""); res.StatusCode != want {
			w.t.Errorf("line %d, round %d: %d %s, want %d", line, round, res.StatusCode, body, want)
		}
	}
	for round := range rounds {
		switch round % 5 {
		case 0:
			w.status("PUT", "/api/v1/apikeys/"+id, w.admin, `{"enabled":false}`, 200)
			asks(round, 401)
			w.status("PUT", "/api/v1/apikeys/"+id, w.admin, `{"enabled":true}`, 200)
		case 1:
			w.status("PATCH", "/api/v1/policies/"+policy, w.admin, `{"permissions":["package:read"]}`, 200)
			asks(round, 403)
			w.status("PATCH", "/api/v1/policies/"+policy, w.admin, `{"permissions":["channel:read"]}`, 200)
		case 2:
			old := value
			value = w.status("POST", "/api/v1/apikeys/"+id+"/rotate", w.admin, "", 200)["value"].(string)
			if res, _ := w.do("GET", "/api/v1/channels/c", old, ""); res.StatusCode != 401 {
				w.t.Errorf("line %d, round %d: the old value: %d", line, round, res.StatusCode)
			}
		case 3:
			w.status("PATCH", "/api/v1/api_keys/"+id, w.admin, `{"policyId":"admin"}`, 200)
			if res, _ := w.do("GET", "/api/v1/audit?limit=1", value, ""); res.StatusCode != 200 {
				w.t.Errorf("line %d, round %d: a new policy: %d", line, round, res.StatusCode)
			}
			w.status("PATCH", "/api/v1/api_keys/"+id, w.admin, `{"policyId":"`+policy+`"}`, 200)
			if res, _ := w.do("GET", "/api/v1/audit?limit=1", value, ""); res.StatusCode != 403 {
				w.t.Errorf("line %d, round %d: the old policy again: %d", line, round, res.StatusCode)
			}
		case 4:
			w.status("DELETE", "/api/v1/apikeys/"+id, w.admin, "", 200)
			asks(round, 401)
			made := w.status("POST", "/api/v1/apikeys", w.admin, `{"name":"`+name+`","policy":"`+policy+`"}`, 201)
			id, value = made["id"].(string), made["value"].(string)
		}
		asks(round, 200)
	}
}

// status is want for goroutines: it does not end the test.
func (w *world) status(method, path, key, body string, want int) map[string]any {
	res, raw := w.do(method, path, key, body)
	if res.StatusCode != want {
		w.t.Errorf("%s %s: %d %s, want %d", method, path, res.StatusCode, raw, want)
	}
	var doc map[string]any
	_ = json.Unmarshal([]byte(raw), &doc)
	return doc
}

// After everything was done with keys that can be done with them, no key and no secret
// part of one is in the log, in the data folder or in the audit trail.
func TestNoSecretIsKeptOrTold(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&log), zap.DebugLevel))
	dir := t.TempDir()
	w := newWorld(t, gateway.Config{Dir: dir, Log: logger})
	w.populate()
	values := []string{w.admin}
	add := func(doc map[string]any) string {
		v := doc["value"].(string)
		values = append(values, v)
		return v
	}
	first := add(w.want(201, "POST", "/api/v1/apikeys", w.admin, `{"name":"a","role":"admin"}`))
	add(w.want(201, "POST", "/api/v1/api_keys", w.admin, `{"name":"b","policyId":"application"}`))
	add(w.want(200, "POST", "/api/v1/apikeys/a/rotate", w.admin, `{"grace":"1h"}`))
	add(w.want(200, "GET", "/api/v1/pk", first, ""))
	made := w.want(200, "POST", "/api/graphql", w.admin, `{"query":"mutation { createApiKey(name:\"c\") { key } }"}`)
	values = append(values, made["data"].(map[string]any)["createApiKey"].(map[string]any)["key"].(string))
	// A key in every place where one can be put by mistake.
	for _, path := range []string{
		"/" + first + "/noarch/repodata.json", "/lic/noarch/" + first, "/lic/" + first + "/repodata.json", "/t/" + first + "/t/" + first + "/x",
		"/api/v1/channels/" + first, "/api/v1/python/" + first, "/api/v1/apikeys/" + first, "/api/v1/policies/" + first,
		"/pypi/simple/" + first + "/", "/v1/accounts/" + first + "/engines", "/api/v1/audit?actor=" + first, "/-/" + first, "/?token=" + first,
	} {
		for _, key := range []string{"", "nonsense", first} {
			w.do("GET", path, key, "")
		}
	}
	w.do("POST", "/api/v1/apikeys", w.admin, `{"name":"`+first+`","role":"reader"}`)
	w.do("POST", "/api/v1/channels", w.admin, `{"name":"`+first+`"}`)
	w.do("POST", "/api/v1/projects", w.admin, `{"name":"`+first+`"}`)
	w.do("POST", "/api/v1/upload/"+first, w.admin, "x", "X-File-Name", first+"-1-0.conda")
	w.do("PUT", "/api/v1/reserved/"+first, "", "")
	for _, path := range []string{"/api/v1/apikeys", "/api/v1/api_keys", "/api/v1/audit?limit=1000", "/-/metrics", "/api/v1/apikeys/a", "/-/"} {
		_, body := w.do("GET", path, w.admin, "")
		w.without(values, path, []byte(body))
	}
	if err := w.g.Close(); err != nil {
		t.Fatal(err)
	}
	w.without(values, "the log", log.Bytes())
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		raw, err := os.ReadFile(path)
		w.without(values, path, raw)
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

func (w *world) without(values []string, where string, raw []byte) {
	w.t.Helper()
	for i, v := range values {
		if bytes.Contains(raw, []byte(v[15:47])) {
			w.t.Errorf("%s holds the secret of key %d", where, i)
		}
	}
}

// Of a change that nobody with a key asks for, no byte of the body matters.
func TestChangesAskForAKeyBeforeTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	for _, route := range w.site.Routes() {
		open := route.Permission == "" // health, GraphQL, OIDC: they need none
		if route.Method == "GET" || open {
			continue
		}
		path := route.Pattern
		for _, p := range []struct{ from, to string }{{"{channel...}", "c"}, {"{subdir}", "noarch"}, {"{file}", "a-1-0.conda"}, {"{account}", "default"}} {
			path = strings.ReplaceAll(path, p.from, p.to)
		}
		path = regexp.MustCompile(`\{[a-z.]+\}`).ReplaceAllString(path, "x")
		if res, raw := w.do(route.Method, path, "", "{broken"); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %s with a broken body and no key: %d %s", route.Method, path, res.StatusCode, raw)
		}
	}
}
