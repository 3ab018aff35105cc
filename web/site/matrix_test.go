package site

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/python/pythontest"
)

// The matrix: every route, with every state that a credential can be in, in every
// form that it can come in. What is expected is computed below from the table of
// roles, typed out once more, and from no code of the gateway's.

// kind is what a request is about, as far as the expected answer goes.
type kind int

const (
	free   kind = iota // asks nobody for anything
	lists              // shows what the caller may see, if that is nothing, too
	viewer             // answers anybody the same
	login              // any valid key
	object             // a channel, a name, or something in one
	anew               // something that is not there, and would be the caller's project's
	keys               // keys of the caller's part of the account
	ours               // what the account has, a project's key sees its own of it, and a scoped one nothing
	whole              // the account: scoped keys have no part in it
	shared             // likewise, and keys that are bound to a project may not touch it
)

// row is a request of a route.
type row struct {
	method, pattern string // of the route
	path, body      string // of the request
	kind            kind
	need            string // permission
	engine          string // conda, pypi, or ""
	named           bool   // the request names a channel or a package, before it is decided on
	large           bool   // the permission is on a channel or name with all in it
	project         string // owner: "", "p" or "q"
	visibility      string // "" is licensed
	allowed         int    // status for who may
	headers         []string
}

var (
	roleTable = map[string]string{
		"reader":      "channel:read package:read engine:read",
		"executor":    "channel:read package:read engine:read proxy:fetch",
		"application": "channel:read package:read engine:read proxy:fetch key:request-public",
		"developer": "channel:read package:read engine:read proxy:fetch key:request-public package:read-closed package:upload package:yank " +
			"channel:create channel:update channel:reindex",
		"admin": "channel:read package:read engine:read proxy:fetch key:request-public package:read-closed package:upload package:yank " +
			"channel:create channel:update channel:reindex package:overwrite package:delete channel:delete cache:purge " +
			"key:read key:create key:update key:delete key:rotate policy:read policy:create policy:update policy:delete " +
			"project:update audit:read metrics:read",
	}
	publicTable    = strings.Fields("channel:read package:read engine:read proxy:fetch")
	anonymousTable = strings.Fields("channel:read package:read engine:read")
)

// state is what a credential is.
type state struct {
	name    string
	token   string
	valid   bool
	outside bool     // sent from an address that is not in its list
	holds   []string // permissions
	public  bool
	scoped  bool   // to channels that are not asked for
	project string // "", "p", "q"
}

// expect is the second implementation of who may do what.
func expect(s *state, r *row) int {
	open := r.visibility == "open" && slices.Contains(anonymousTable, r.need)
	switch {
	case r.kind == free || r.kind == viewer:
		return r.allowed
	case s.token == "" && (r.kind == lists || r.kind == object && open):
		return r.allowed
	case s.token == "", !s.valid:
		return 401
	case s.outside:
		return 403
	case r.kind == lists || r.kind == login || r.kind == object && open:
		return r.allowed
	case !slices.Contains(s.holds, r.need):
		return 403
	}
	if r.kind == object || r.kind == anew || r.kind == ours {
		if s.public && r.visibility != "open" {
			return 403
		}
		if r.visibility == "closed" && !slices.Contains(s.holds, "package:read-closed") {
			return 403
		}
	}
	if s.project != "" {
		reads := slices.Contains(publicTable, r.need)
		switch {
		case r.kind == shared:
			return 403
		case r.kind == object && r.project != s.project && (!reads || r.project != "" && r.visibility != "open"):
			return 403
		}
	}
	if s.scoped {
		switch {
		case r.kind == whole || r.kind == shared || r.kind == ours:
			return 403
		case r.kind == keys:
		case r.engine == "pypi": // in no channel
			return 403
		case r.named || r.large:
			return 403
		}
	}
	return r.allowed
}

const wheelName = "ours-1.0-py3-none-any.whl"

// populate makes what the rows ask for.
func (w *world) populate() {
	w.t.Helper()
	for _, p := range []string{"p", "q"} {
		w.want(201, "POST", "/api/v1/projects", w.admin, `{"name":"`+p+`"}`)
	}
	for _, ch := range []string{`{"name":"lic"}`, `{"name":"free","visibility":"open"}`, `{"name":"shut","visibility":"closed"}`, `{"name":"mine","project":"p"}`, `{"name":"theirs","project":"q"}`} {
		w.want(201, "POST", "/api/v1/channels", w.admin, ch)
	}
	for _, ch := range []string{"lic", "free", "shut", "mine", "theirs"} {
		w.publish(ch, condatest.Spec{Name: "a", Version: "1", Build: "0", Subdir: "noarch"})
	}
	for name, settings := range map[string]string{"Ours": "{}", "Py-Free": `{"visibility":"open"}`, "Py-Shut": `{"visibility":"closed"}`, "Py-Mine": `{"project":"p"}`} {
		filename, data := pythontest.Wheel(pythontest.Spec{Name: name, Version: "1.0"})
		res, raw := w.do("POST", "/legacy/", w.admin, string(form(w.t, filename, data, map[string]string{
			":action": "file_upload", "name": name, "version": "1.0", "filetype": "bdist_wheel", "sha256_digest": sum(data),
		})), "Content-Type", "multipart/form-data; boundary=xyz")
		if res.StatusCode != 200 {
			w.t.Fatalf("%s: %d %s", name, res.StatusCode, raw)
		}
		w.want(200, "PATCH", "/api/v1/python/"+name, w.admin, settings)
	}
}

// states makes a credential of every state.
func (w *world) states(now *time.Time) []state {
	w.t.Helper()
	unknown, _ := authz.NewToken(authz.SecretKey)
	wrongSum := []byte(w.admin)
	wrongSum[len(wrongSum)-1] ^= 1
	wrongSecret := []byte(w.admin)
	wrongSecret[20] = map[bool]byte{true: 'b', false: 'a'}[wrongSecret[20] == 'a']
	all := []state{
		{name: "none"}, {name: "malformed", token: "Sekrit-1"}, {name: "wrong checksum", token: string(wrongSum)},
		{name: "wrong secret", token: string(wrongSecret)}, {name: "unknown", token: unknown},
	}
	field := strings.Fields
	for role, holds := range roleTable {
		all = append(all, state{name: role, token: w.key(gateway.KeyRequest{Name: "role " + role, Policy: role}), valid: true, holds: field(holds)})
	}
	for _, p := range field(roleTable["admin"]) {
		policy := w.want(201, "POST", "/api/v1/policies", w.admin, `{"name":"only `+p+`","permissions":["`+p+`"]}`)["policy"].(map[string]any)
		all = append(all, state{name: "only " + p, token: w.key(gateway.KeyRequest{Name: "only " + p, Policy: policy["id"].(string)}), valid: true, holds: []string{p}})
	}
	admin := field(roleTable["admin"])
	disabled := w.key(gateway.KeyRequest{Name: "disabled", Policy: "admin"})
	w.want(200, "PUT", "/api/v1/apikeys/disabled", w.admin, `{"enabled":false}`)
	expired := w.key(gateway.KeyRequest{Name: "expired", Policy: "admin", Expires: now.Add(time.Second)})
	inGrace := w.key(gateway.KeyRequest{Name: "in grace", Policy: "admin"})
	w.want(200, "POST", "/api/v1/apikeys/in%20grace/rotate", w.admin, `{"grace":"24h"}`)
	after := w.key(gateway.KeyRequest{Name: "after", Policy: "admin"})
	rotated := w.want(200, "POST", "/api/v1/apikeys/after/rotate", w.admin, `{"grace":"1s"}`)["value"].(string)
	*now = now.Add(2 * time.Second)
	deleted := w.key(gateway.KeyRequest{Name: "deleted", Policy: "admin"})
	w.want(200, "DELETE", "/api/v1/apikeys/deleted", w.admin, "")
	app := w.key(gateway.KeyRequest{Name: "app", Policy: "application"})
	pk := w.want(200, "GET", "/api/v1/pk", app, "")["value"].(string)
	elsewhere, err := authz.ParseNames([]string{"elsewhere", "else-*"})
	if err != nil {
		w.t.Fatal(err)
	}
	return append(all,
		state{name: "disabled", token: disabled}, state{name: "expired", token: expired}, state{name: "deleted", token: deleted},
		state{name: "rotated, in grace", token: inGrace, valid: true, holds: admin},
		state{name: "rotated, after grace", token: after}, state{name: "rotated, new value", token: rotated, valid: true, holds: admin},
		state{name: "public", token: pk, valid: true, public: true, holds: publicTable},
		state{name: "scoped elsewhere", token: w.key(gateway.KeyRequest{Name: "scoped", Policy: "admin", Scope: authz.Scope{Channels: elsewhere}}), valid: true, scoped: true, holds: admin},
		state{name: "of project p", token: w.key(gateway.KeyRequest{Name: "p", Policy: "admin", Project: "p"}), valid: true, project: "p", holds: admin},
		state{name: "of project q", token: w.key(gateway.KeyRequest{Name: "q", Policy: "admin", Project: "q"}), valid: true, project: "q", holds: admin},
		state{name: "from elsewhere", token: w.key(gateway.KeyRequest{Name: "cidr", Policy: "admin", CIDRs: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}), valid: true, outside: true, holds: admin},
	)
}

// forms are the ways in which a request can carry a key.
var forms = map[string]func(r *http.Request, token string){
	"Bearer":                 func(r *http.Request, token string) { r.Header.Set("Authorization", "Bearer "+token) },
	"token":                  func(r *http.Request, token string) { r.Header.Set("Authorization", "token "+token) },
	"License":                func(r *http.Request, token string) { r.Header.Set("Authorization", "License "+token) },
	"Basic, key as password": func(r *http.Request, token string) { r.SetBasicAuth("__token__", token) },
	"Basic, key as user":     func(r *http.Request, token string) { r.SetBasicAuth(token, "") },
	"X-API-Key":              func(r *http.Request, token string) { r.Header.Set("X-API-Key", token) },
	"path":                   nil,
}

// request makes a row's request with a credential in a form; false where the form does
// not apply.
func (r *row) request(form, token string) (*http.Request, bool) {
	path, inPath := strings.CutPrefix(r.path, "/t/{key}")
	if inPath != (form == "path") || inPath && token == "" {
		return nil, false
	}
	if inPath {
		path = "/t/" + token + path
	}
	q := httptest.NewRequest(r.method, path, strings.NewReader(r.body))
	q.RemoteAddr = "192.0.2.7:1234"
	if strings.HasPrefix(r.body, "{") {
		q.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(r.headers); i += 2 {
		q.Header.Set(r.headers[i], r.headers[i+1])
	}
	if token != "" && !inPath {
		forms[form](q, token)
	}
	return q, true
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, gateway.Config{FailuresPerMinute: 1 << 30, Now: func() time.Time { return now }})
	w.populate()
	states := w.states(&now)
	rows := matrixRows()
	covered := map[string]bool{}
	serve, requests := w.site.All(), 0
	for i := range rows {
		r := &rows[i]
		covered[r.method+" "+r.pattern] = true
		for j := range states {
			s := &states[j]
			want := expect(s, r)
			for form := range forms {
				q, applies := r.request(form, s.token)
				if !applies {
					continue
				}
				requests++
				rec := httptest.NewRecorder()
				serve(rec, q)
				res := rec.Result()
				body, _ := io.ReadAll(res.Body)
				if res.StatusCode != want {
					t.Errorf("%s %s, %s as %s: %d %.160s, want %d", r.method, r.path, s.name, form, res.StatusCode, body, want)
				}
				if s.token != "" && len(s.token) == authz.TokenLen && strings.Contains(string(body)+fmt.Sprint(res.Header), s.token[15:47]) {
					t.Errorf("%s %s, %s: the answer holds the secret", r.method, r.path, s.name)
				}
				if res.StatusCode == 401 && len(res.Header["Www-Authenticate"]) == 0 {
					t.Errorf("%s %s, %s: a 401 without a challenge", r.method, r.path, s.name)
				}
				if form == "Bearer" || form == "path" {
					w.describe.check(t, q, res, body)
				}
				if op, at := w.describe.operation(q); form == "Bearer" && (op == nil || at != r.method+" "+r.pattern) {
					t.Fatalf("%s %s is of the route %s, not of %s", r.method, r.path, at, r.pattern)
				}
			}
		}
	}
	for _, route := range w.site.Routes() {
		if !covered[route.Method+" "+route.Pattern] {
			t.Errorf("%s %s is in no row of the matrix", route.Method, route.Pattern)
		}
	}
	t.Logf("%d routes, %d rows, %d states, %d forms: %d requests", len(w.site.Routes()), len(rows), len(states), len(forms), requests)
}
