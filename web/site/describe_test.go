package site

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
	"github.com/fairwayhq/fairway/web/openapi"
)

// description is the served document, read by a library that is not ours, with a way
// from a request to its operation.
type description struct {
	doc    *openapi3.T
	routes []web.Route
	router *web.Router
	mu     sync.Mutex
	found  int
}

func describe(t testing.TB, s *Site, document []byte) *description {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	d := &description{doc: doc, routes: s.Routes(), found: -1}
	finders := make([]web.Route, len(d.routes))
	for i, r := range d.routes {
		r.Handler = func(http.ResponseWriter, *http.Request, web.Params) { d.found = i }
		finders[i] = r
	}
	d.router = web.NewRouter(finders, func(http.ResponseWriter, *http.Request, int, string) {})
	return d
}

// operation finds what the document says of a request; nil for a method or a path
// that is not served.
func (d *description) operation(r *http.Request) (*openapi3.Operation, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = -1
	if !d.router.Serve(header{}, r) || d.found < 0 {
		return nil, ""
	}
	route := d.routes[d.found]
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if strings.HasPrefix(route.Pattern, "/{channel...}") && slices.Contains([]string{"api", "v1", "_"}, first) {
		return nil, "" // no channel begins so
	}
	path := strings.ReplaceAll(route.Pattern, "...}", "}")
	return d.doc.Paths.Value(path).GetOperation(route.Method), route.Method + " " + route.Pattern
}

// check reports an answer that the document does not promise: another status, another
// media type, or a body that is not of its schema.
func (d *description) check(t testing.TB, r *http.Request, res *http.Response, body []byte) {
	t.Helper()
	op, at := d.operation(r)
	if op == nil || res.StatusCode == http.StatusMethodNotAllowed {
		return
	}
	promised := op.Responses.Status(res.StatusCode)
	if promised == nil {
		t.Errorf("%s: %s answers %d, which is not described: %.200s", at, r.URL, res.StatusCode, body)
		return
	}
	media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	if len(body) == 0 || r.Method == http.MethodHead || len(promised.Value.Content) == 0 {
		return
	}
	content := promised.Value.Content[media]
	if content == nil {
		t.Errorf("%s: %d has the media type %q, which is not described", at, res.StatusCode, media)
		return
	}
	if content.Schema == nil || !strings.HasSuffix(media, "json") {
		return
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Errorf("%s: %d is no JSON: %v", at, res.StatusCode, err)
		return
	}
	if err := content.Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%s: %d is not as described: %v\n%.400s", at, res.StatusCode, err, body)
	}
}

// header is a writer that keeps nothing.
type header struct{}

func (header) Header() http.Header         { return http.Header{} }
func (header) Write(p []byte) (int, error) { return len(p), nil }
func (header) WriteHeader(int)             {}

func TestTheDescriptionIsOpenAPIAndKnowsEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	doc := w.describe.doc
	if err := doc.Validate(context.Background()); err != nil {
		t.Errorf("the document is not valid: %v", err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("version %q", doc.OpenAPI)
	}
	served, ids := map[string]bool{}, map[string]bool{}
	for _, r := range w.site.Routes() {
		path := strings.ReplaceAll(r.Pattern, "...}", "}")
		at := r.Method + " " + path
		if served[at] {
			t.Errorf("%s is served twice", at)
		}
		served[at] = true
		item := doc.Paths.Value(path)
		if item == nil || item.GetOperation(r.Method) == nil {
			t.Errorf("%s is not described", at)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !served[method+" "+path] {
				t.Errorf("%s %s is described and not served", method, path)
			}
			if ids[op.OperationID] {
				t.Errorf("two operations have the id %s", op.OperationID)
			}
			ids[op.OperationID] = true
		}
	}
	if len(ids) < 80 {
		t.Errorf("%d operations", len(ids))
	}
}

// Clients that are made from the description find the gateway where it is, if that is
// below a folder of another site, too.
func TestTheDescriptionSaysWhereTheGatewayIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	for public, want := range map[string]string{
		"": "/", "https://packages.example.com": "https://packages.example.com", "https://example.com/packages/": "https://example.com/packages",
	} {
		rec := httptest.NewRecorder()
		New(w.site.env, Options{PublicURL: public}).All()(rec, httptest.NewRequest("GET", "/-/openapi.json", nil))
		doc, err := openapi3.NewLoader().LoadFromData(rec.Body.Bytes())
		if err != nil || len(doc.Servers) != 1 || doc.Servers[0].URL != want {
			t.Errorf("%q: %v, %v: %s is expected", public, doc.Servers, err, want)
		}
	}
}

func TestNoSiteIsMadeWithAnUndescribedRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	all := w.site.Routes()
	if _, err := openapi.Build(all, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := openapi.Build(all[1:], ""); err == nil {
		t.Error("a description without a route passes")
	}
	if _, err := openapi.Build(append(all, web.Route{Method: "GET", Pattern: "/new"}), ""); err == nil || !strings.Contains(err.Error(), "/new") {
		t.Errorf("a route without a description: %v", err)
	}
}

func TestNoSiteIsMadeWithAnUnknownOrUnusedPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	all := w.site.Routes()
	if err := web.CheckPermissions(all); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"channel:reda", "channel:upload", "any"} { // a slip, an alias, a wildcard
		if err := web.CheckPermissions(append(all, web.Route{Pattern: "/x", Permission: name})); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, p := range authz.Permissions() {
		var without []web.Route
		for _, r := range all {
			if r.Permission == p.Name {
				r.Permission = ""
			}
			var further []string
			for _, f := range r.Further {
				if f != p.Name {
					further = append(further, f)
				}
			}
			r.Further = further
			without = append(without, r)
		}
		if err := web.CheckPermissions(without); err == nil || !strings.Contains(err.Error(), p.Name) {
			t.Errorf("nothing asks for %s: %v", p.Name, err)
		}
	}
}

func TestTheDescriptionIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	for path, want := range map[string]struct{ media, holds string }{
		"/-/openapi.json":   {"application/json", `"openapi": "3.1.0"`},
		"/-/api":            {"text/html; charset=utf-8", "/api/v1/apikeys/{id}/rotate"},
		"/-/schema.graphql": {"text/plain; charset=utf-8", "type Query"},
	} {
		res, body := w.do("GET", path, "", "")
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != want.media || !strings.Contains(body, want.holds) {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.Header.Get("Content-Type"))
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") {
			t.Errorf("%s: %s", path, csp)
		}
		if strings.Contains(body, "<script") || loads(body, "http://") || loads(body, "https://") {
			t.Errorf("%s loads something", path)
		}
		if again, _ := w.do("GET", path, "", "", "If-None-Match", res.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("%s unchanged: %d", path, again.StatusCode)
		}
	}
	var doc map[string]any
	_, raw := w.do("GET", "/-/openapi.json", "", "")
	if err := json.NewDecoder(bytes.NewReader([]byte(raw))).Decode(&doc); err != nil {
		t.Error(err)
	}
}

// loads reports whether a page loads from elsewhere.
func loads(body, scheme string) bool {
	return strings.Contains(body, `src="`+scheme) || strings.Contains(body, `href="`+scheme)
}
