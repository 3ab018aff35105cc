package tests

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "modernc.org/sqlite" // to lock the catalog

	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// spellings of a name; canonical ones mean the name as it is, others are not served.
var spellings = []struct {
	name  string
	spell func(string) string
}{
	{"normalised", func(n string) string { return n }},
	{"capitals", strings.ToUpper},
	{"underscores", func(n string) string { return strings.ReplaceAll(n, "-", "_") }},
	{"dots", func(n string) string { return strings.ReplaceAll(n, "-", ".") }},
	{"runs", func(n string) string { return strings.ReplaceAll(n, "-", "-_.-") }},
	{"encoded letter", func(n string) string { return fmt.Sprintf("%%%02X", n[0]) + n[1:] }},
	{"encoded hyphen", func(n string) string { return strings.ReplaceAll(n, "-", "%2D") }},
	{"encoded dot", func(n string) string { return strings.ReplaceAll(n, "-", "%2E") }},
}

// A route is a way to ask for something of a name: n is the name as it is spelled.
type route struct {
	name string
	path func(h *house, s state, n string) string
	want func(s state, caller string) int // of GET with a canonical spelling, for who may read
	pass bool                             // a way into the pass-through, not to the house's own
	bare bool                             // the path has no name in it that could be spelled
	any  bool                             // what it answers does not depend on who asks
}

const keygenIndex = "/v1/accounts/default/engines/pypi"

func page(s state, _ string) int { return 200 }

func file(s state, _ string) int {
	switch {
	case s.locked:
		return 403
	case !s.file:
		return 404
	}
	return 200
}

func known(s state, _ string) int {
	if s.vis == "" {
		return 404
	}
	return 200
}

func forbidden(state, string) int { return 403 }

var routes = []route{
	{name: "page", want: page, path: func(_ *house, _ state, n string) string { return "/pypi/simple/" + n + "/" }},
	{name: "page without slash", want: func(state, string) int { return 307 }, path: func(_ *house, _ state, n string) string { return "/pypi/simple/" + n }},
	{name: "page, format JSON", want: page, path: func(_ *house, _ state, n string) string { return "/pypi/simple/" + n + "/?format=" + acceptJSON }},
	{name: "page, format HTML", want: page, path: func(_ *house, _ state, n string) string { return "/pypi/simple/" + n + "/?format=text/html" }},
	{name: "own file", want: file, path: func(_ *house, s state, n string) string { return harness.PyFilePath(n, s.wheel()) }},
	{name: "own metadata", want: file, path: func(_ *house, s state, n string) string { return harness.PyFilePath(n, s.wheel()) + ".metadata" }},
	{name: "file that is not there", want: func(s state, c string) int { return max(404*btoi(!s.locked), 403) }, path: func(_ *house, s state, n string) string {
		return harness.PyFilePath(n, s.module()+"-9.9.tar.gz")
	}},
	{name: "upstream's file", pass: true, bare: true, want: forbidden, path: func(h *house, s state, _ string) string { return fileURL(h.up, s.name, s.wheel()) }},
	{name: "upstream's metadata", pass: true, bare: true, want: forbidden, path: func(h *house, s state, _ string) string {
		return fileURL(h.up, s.name, s.wheel()) + ".metadata"
	}},
	{name: "upstream's file, by a spelled name", pass: true, want: forbidden, path: func(h *house, s state, n string) string {
		return "/pypi/files/pypi/x/" + strings.NewReplacer("-_.-", "_", "-", "_", "%2D", "%5F").Replace(n) + "-1.0-py3-none-any.whl"
	}},
	{name: "upstream's sdist, by a spelled name", pass: true, want: forbidden, path: func(h *house, s state, n string) string {
		return "/pypi/files/pypi/packages/" + n + "-1.0.tar.gz"
	}},
	{name: "upstream's file, on a host", pass: true, bare: true, want: forbidden, path: func(h *house, s state, _ string) string {
		return "/pypi/files/pypi/@" + strings.TrimPrefix(h.up.HTTP.URL, "http://") + h.up.Path(s.name, s.wheel())
	}},
	{name: "file of an unknown upstream", pass: true, bare: true, want: forbidden, path: func(h *house, s state, _ string) string {
		return "/pypi/files/other" + h.up.Path(s.name, s.wheel())
	}},
	{name: "provenance", want: func(s state, c string) int { return max(404*btoi(!s.locked), 403) }, path: func(_ *house, s state, n string) string {
		return "/pypi/integrity/" + n + "/1.0/" + s.wheel() + "/provenance"
	}},
	{name: "JSON API", any: true, want: func(state, string) int { return 404 }, path: func(_ *house, _ state, n string) string { return "/pypi/" + n + "/json" }},
	{name: "Keygen's page", want: page, path: func(_ *house, _ state, n string) string { return keygenIndex + "/simple/" + n + "/" }},
	{name: "Keygen's page without slash", want: func(state, string) int { return 307 }, path: func(_ *house, _ state, n string) string {
		return keygenIndex + "/simple/" + n
	}},
	{name: "Keygen's file", want: file, path: func(_ *house, s state, n string) string {
		return keygenIndex + strings.TrimPrefix(harness.PyFilePath(n, s.wheel()), "/pypi")
	}},
	{name: "Keygen's upstream file", pass: true, bare: true, want: forbidden, path: func(h *house, s state, _ string) string {
		return keygenIndex + strings.TrimPrefix(fileURL(h.up, s.name, s.wheel()), "/pypi")
	}},
	{name: "why", want: page, path: func(_ *house, _ state, n string) string { return "/api/v1/python/" + n + "/why" }},
	{name: "details", want: known, path: func(_ *house, _ state, n string) string { return "/api/v1/python/" + n }},
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// expected is the status that the documentation promises. It knows nothing of the
// program.
func expected(r route, s state, caller, method, spelling string) int {
	switch {
	case spelling == "encoded dot" && strings.Contains(s.name, "-") && !r.bare:
		return 404 // not a canonical path, whoever asks
	case r.name == "JSON API":
		return 404
	case method != http.MethodGet && method != http.MethodHead:
		return 405
	case caller == "wrong key":
		return 401
	case r.any:
		return r.want(s, caller)
	}
	// What asks the pass-through takes the right to use it, which is never anybody's.
	reserved := s.vis == ""
	pass := r.pass || reserved && (strings.Contains(r.name, "page") || r.name == "why" || r.name == "provenance")
	open := s.vis == "open" && !pass
	switch {
	case open:
	case caller == "nobody":
		return 401
	case caller == "public", caller == "scoped elsewhere":
		return 403
	case pass && caller == "reader":
		return 403
	case pass:
	case s.vis == "closed" && (caller == "reader" || caller == "executor" || caller == "application"):
		return 403
	case s.project && caller == "other project":
		return 403
	}
	switch {
	case reserved && (strings.Contains(r.name, "page") || r.name == "provenance"):
		return 403
	case spelling != "normalised" && spelling != "encoded letter" && spelling != "encoded hyphen" && strings.Contains(r.name, "page") &&
		(spelling == "capitals" || strings.Contains(s.name, "-")):
		return 307
	}
	return r.want(s, caller)
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodGet, http.MethodPut, http.MethodGet, http.MethodOptions}

var accepts = []string{acceptJSON, "text/html", "application/vnd.pypi.simple.v1+html;q=0.2, " + acceptJSON, "*/*", ""}

// A name of the house is never asked of, redirected to, or taken from upstream:
// whatever the spelling, the route, the method, the format, the caller and the
// name's state. Each answer is the one that the documentation promises.
func TestPythonConfusion(t *testing.T) {
	t.Parallel()
	h := build(t, "")
	type ask struct {
		what string
		q    harness.Request
		want int
	}
	asks := make(chan ask, 64)
	var cases atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for a := range asks {
				cases.Add(1)
				r, err := h.g.Try(a.q)
				if err != nil {
					t.Errorf("%s: %v", a.what, err)
					continue
				}
				if r.Status != a.want {
					t.Errorf("%s: %s %s: %d %.200s; %d is expected", a.what, a.q.Method, a.q.Path, r.Status, r.Text(), a.want)
				}
				h.checkAnswer(t, a.what, r)
			}
		})
	}
	callers := []string{
		"nobody", "wrong key", "reader", "executor", "application", "developer", "admin", "public", "scoped elsewhere", "scoped here", "other project", "same project",
	}
	n := 0
	for _, s := range states {
		for _, r := range routes {
			for _, caller := range callers {
				for i, sp := range spellings {
					// Every spelling for every route and state; methods and formats take turns,
					// and callers do but for those of most interest.
					n++
					if r.bare && i > 0 || caller != "nobody" && caller != "admin" && caller != "reader" && n%3 != 0 {
						continue
					}
					method, accept := methods[n%len(methods)], accepts[n%len(accepts)]
					a := ask{
						what: fmt.Sprintf("%s, %s, %s, %s", s.name, r.name, sp.name, caller),
						q:    harness.Request{Method: method, Path: r.path(h, s, sp.spell(s.name)), Key: h.keys[caller], Header: map[string]string{"Accept": accept}},
						want: expected(r, s, caller, method, sp.name),
					}
					asks <- a
				}
			}
		}
	}
	close(asks)
	wg.Wait()
	h.untouched(t)
	t.Logf("%d cases", cases.Load())
	if cases.Load() < 5000 {
		t.Errorf("only %d cases were tried", cases.Load())
	}

	// Commands and uploads ask the same question first.
	reqs := harness.NewSandbox(t)
	var lines []string
	for _, s := range states {
		lines = append(lines, s.name, strings.ToUpper(s.module())+">=1")
	}
	path := reqs.Write("requirements.txt", []byte(strings.Join(lines, "\n")))
	if out, errs, code := h.g.CLI("python", "prefetch", "-r", path); code == 0 {
		t.Errorf("names of the house were prefetched: %s%s", out, errs)
	}
	for _, s := range states {
		if out := h.g.MustCLI("python", "why", s.name); strings.Contains(out, "127.0.0.1") {
			t.Errorf("why %s: %s", s.name, out)
		}
		h.g.Expect(t, 200, harness.Request{Method: "POST", Path: "/api/v1/python/" + s.name + "/purge", Key: h.keys["admin"]})
		wheel, data := pythontest.Wheel(pythontest.Spec{Name: s.name, Version: "2.0"})
		h.g.Expect(t, 401, harness.PyUploadRequest("", wheel, data, nil))
		h.g.Expect(t, 403, harness.PyUploadRequest(h.keys["reader"], wheel, data, nil))
		want := 200
		if s.name == "own-quarantined" || s.name == "own-archived" {
			want = 403
		}
		h.g.Expect(t, want, harness.PyUploadRequest(h.keys["admin"], wheel, data, nil))
	}
	h.untouched(t)
}

// The same holds when the catalog is locked, damaged or gone, with a pass-through
// that is open to everybody: what cannot be told is refused, and a gateway whose
// names are lost does not start.
func TestPythonConfusionWithoutCatalog(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]struct {
		do     func(t *testing.T, h *house)
		starts bool // the gateway comes up again afterwards
	}{
		"removed while it runs": {func(t *testing.T, h *house) {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				_ = os.Remove(h.g.Data + "/catalog.db" + suffix)
			}
		}, false},
		"overwritten while it runs": {func(t *testing.T, h *house) {
			overwrite(t, h.g.Data+"/catalog.db")
			overwrite(t, h.g.Data+"/catalog.db-wal")
		}, false},
		"read-only": {func(t *testing.T, h *house) {
			must(t, os.Chmod(h.g.Data+"/catalog.db", 0o400))
			must(t, os.Chmod(h.g.Data, 0o500))
			t.Cleanup(func() { _ = os.Chmod(h.g.Data, 0o700) })
		}, true},
		"locked by another process": {func(t *testing.T, h *house) { lockCatalog(t, h.g.Data+"/catalog.db") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, "anonymous_passthrough")
			harm.do(t, h)
			h.probe(t)
			h.g.Kill()
			if name == "locked by another process" {
				return
			}
			err := h.g.TryLaunch()
			switch {
			case err == nil && !harm.starts:
				t.Error("the gateway starts without its catalog")
			case err == nil:
				h.probe(t)
			case harm.starts:
				t.Errorf("the gateway does not start: %v", err)
			}
			h.untouched(t)
		})
	}
}

// probe asks for every name in many ways, and cares only for where the answers come
// from.
func (h *house) probe(t *testing.T) {
	t.Helper()
	for _, s := range states {
		for _, r := range routes {
			for i, caller := range []string{"nobody", "admin", "reader"} {
				q := harness.Request{Path: r.path(h, s, spellings[(i+len(s.name)+len(r.name))%7].spell(s.name)), Key: h.keys[caller]}
				got, err := h.g.Try(q)
				if err != nil {
					t.Fatalf("%s: %v", q.Path, err)
				}
				h.checkAnswer(t, s.name+", "+r.name+", "+caller, got)
			}
		}
	}
	h.untouched(t)
}

func overwrite(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	_, err = f.WriteAt([]byte(noise(int(info.Size()))), 0)
	must(t, err)
}

// lockCatalog takes the catalog's write lock away from the gateway until the test
// ends.
func lockCatalog(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	must(t, err)
	db.SetMaxOpenConns(1)
	_, err = db.Exec("BEGIN EXCLUSIVE")
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
}
