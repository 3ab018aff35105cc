package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// aged is a wheel that was uploaded that long ago.
func aged(name, version string, age time.Duration) upstreamtest.File {
	f := wheelFile(name, version)
	f.UploadTime = time.Now().Add(-age)
	return f
}

// report is what 'python why --json' tells.
type report struct {
	Own, Reserved     bool
	Refused, Upstream string
	Shown             int
	Held              []struct{ File, Version, Reason, Until string }
}

func why(t *testing.T, g *harness.Gateway, name string) (r report) {
	t.Helper()
	must(t, json.Unmarshal([]byte(g.MustCLI("python", "why", name, "--json")), &r))
	return r
}

// Young files are on no page, served at no URL and prefetched by no list, whoever
// knows their address; why says so; exemptions pass; and what is held comes out by
// itself.
func TestPythonCooldown(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	up := upstreamtest.New(t)
	young, old := aged("demo", "2.0", day), aged("demo", "1.0", 30*day)
	soon := aged("demo", "1.5", 7*day-4*time.Second)
	undated := wheelFile("demo", "3.0")
	undated.UploadTime = time.Time{}
	up.Add("demo", old, soon, young, undated)
	up.Add("exempt", aged("exempt", "9.0", time.Hour))
	up.Add("half", aged("half", "1.0", time.Hour), aged("half", "1.1", time.Hour))
	g := behind(t, up, "", "cooldown 7d", "cooldown_exempt exempt half==1.1")
	key := g.Key("executor")
	page, r := simplePage(t, g, key, "demo")
	if got := filesOf(page); !slices.Equal(got, []string{old.Filename}) || !slices.Equal(page.Versions, []string{"1.0"}) {
		t.Errorf("the page lists %v of the versions %v", got, page.Versions)
	}
	if r.Header.Get("X-Fairway-Withheld") != "3" || !strings.Contains(r.Header.Get("Cache-Control"), "max-age=0") {
		t.Errorf("of a page with files withheld the headers are %v", r.Header)
	}
	g.Expect(t, 200, harness.Request{Path: fileURL(up, "demo", old.Filename), Key: key})
	for _, f := range []upstreamtest.File{young, undated} {
		for _, suffix := range []string{"", ".metadata"} {
			r := g.Expect(t, 403, harness.Request{Path: fileURL(up, "demo", f.Filename) + suffix, Key: key})
			if !strings.Contains(r.Text(), "cooldown") {
				t.Errorf("%s is refused as %q", f.Filename, r.Text())
			}
		}
		if n := up.Count(up.Path("demo", f.Filename)); n > 0 {
			t.Errorf("%s was fetched although it is withheld", f.Filename)
		}
	}
	for name, want := range map[string][]string{"exempt": {"exempt-9.0-py3-none-any.whl"}, "half": {"half-1.1-py3-none-any.whl"}} {
		if page, _ := simplePage(t, g, key, name); !slices.Equal(filesOf(page), want) {
			t.Errorf("%s lists %v: %v is expected", name, filesOf(page), want)
		}
	}
	rep := why(t, g, "Demo")
	if rep.Upstream != "pypi" || rep.Shown < 1 || len(rep.Held) < 2 {
		t.Fatalf("why tells %+v", rep)
	}
	held := map[string]string{}
	for _, h := range rep.Held {
		held[h.Version] = h.Until
		if !strings.Contains(h.Reason, "cooldown") {
			t.Errorf("%s is held because %q", h.File, h.Reason)
		}
	}
	if until, err := time.Parse(time.RFC3339, held["2.0"]); err != nil || until.Sub(young.UploadTime.Add(7*day)).Abs() > 2*time.Second {
		t.Errorf("2.0 is held until %q", held["2.0"])
	}
	if until, err := time.Parse(time.RFC3339, held["3.0"]); err != nil || time.Until(until) < 6*day {
		t.Errorf("what has no date is held until %q: 7 days from when it was first seen are expected", held["3.0"])
	}
	s := harness.NewSandbox(t)
	if _, errs, code := g.CLI("python", "prefetch", "-r", s.Write("r.txt", []byte("demo==2.0\n"))); code != 1 || !strings.Contains(errs, "demo") {
		t.Errorf("prefetching a withheld version: exit status %d, %s", code, errs)
	}
	g.MustCLI("python", "prefetch", "-r", s.Write("ok.txt", []byte("demo\nexempt>=9 ; python_version > '3'\n")))
	if n := up.Count(up.Path("exempt", "exempt-9.0-py3-none-any.whl")); n == 0 {
		t.Error("what was prefetched was not fetched")
	}
	// Its time comes while the page is in memory.
	g.Await("file whose cooldown ended", func() bool {
		page, _ := simplePage(t, g, key, "demo")
		return slices.Contains(filesOf(page), soon.Filename)
	})
	g.Expect(t, 200, harness.Request{Path: fileURL(up, "demo", soon.Filename), Key: key})

	// First seen is remembered over a restart and a purge.
	before := held["3.0"]
	g.Expect(t, 200, harness.Request{Method: "POST", Path: "/api/v1/python/demo/purge", Key: g.Key("admin")})
	g.Restart()
	for _, h := range why(t, g, "demo").Held {
		if h.Version == "3.0" && h.Until != before {
			t.Errorf("after a purge and a restart 3.0 is held until %s: %s is expected", h.Until, before)
		}
	}
	takes(t, s, withUser(g.URL, key, "", "/pypi/simple/"), "exempt", "exempt", "9.0")
}

// Globs allow and deny by normalised name, for pages and files, before anything is
// asked.
func TestPythonAllowAndDeny(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	for _, n := range []string{"good", "good-evil", "other"} {
		up.Add(n, wheelFile(n, "1.0"))
	}
	g := behind(t, up, "", "allow good*", "deny *-Evil")
	key := g.Key("executor")
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/good/", Key: key})
	up.Forget()
	for _, name := range []string{"good-evil", "other"} {
		r := g.Expect(t, 403, harness.Request{Path: "/pypi/simple/" + name + "/", Key: key})
		if r.Header.Get("X-Fairway-Reason") == "" || r.Header.Get("Location") != "" {
			t.Errorf("%s is refused with %v", name, r.Header)
		}
		g.Expect(t, 403, harness.Request{Path: fileURL(up, name, wheelFile(name, "1.0").Filename), Key: key})
		g.Expect(t, 403, harness.Request{Path: fileURL(up, name, wheelFile(name, "1.0").Filename) + ".metadata", Key: key})
	}
	if n := len(up.Requests()); n > 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
}

// A key that is limited to some packages gets the files of these and of no others,
// also where the name of a file does not say whose it is.
func TestPythonScopedKeys(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	const egg, old = "-1.0-py2.7.egg", "-1.0-1.tar.gz"
	for _, name := range []string{"demo", "other"} {
		for _, end := range []string{egg, old} {
			up.Add(name, upstreamtest.File{Filename: name + end, Content: []byte("of " + name), UploadTime: time.Now().Add(-time.Hour)})
		}
	}
	g := behind(t, up, "")
	key := g.Key("executor", "--package", "demo")
	for _, end := range []string{egg, old} {
		demo, other := fileURL(up, "demo", "demo"+end), fileURL(up, "other", "other"+end)
		for range 2 { // on its way, and out of the cache
			r := g.Expect(t, 200, harness.Request{Path: demo, Key: key})
			if string(r.Body) != "of demo" {
				t.Errorf("%s has %q", demo, r.Body)
			}
			g.Expect(t, 403, harness.Request{Path: other, Key: key})
			g.Expect(t, 403, harness.Request{Path: other + ".metadata", Key: key})
			g.Expect(t, 200, harness.Request{Path: other, Key: g.Key("executor")})
		}
	}
}

// The redirecting modes send clients to the upstream's own URLs, without a
// credential, and only those who may go there.
func TestPythonRedirectAndIndexModes(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	f := wheelFile("demo", "1.0")
	up.Add("demo", f)
	up.Add("mine", wheelFile("mine", "9.0"))
	for mode, c := range map[string]struct{ options []string }{
		"redirect": {[]string{"mode redirect", "deny denied"}}, "index": {[]string{"mode index", "deny denied"}},
		"cooldown makes an index of it": {[]string{"mode redirect", "deny denied", "cooldown 1d"}},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			g := behind(t, up, "", c.options...)
			admin, key := g.Key("admin"), g.Key("executor")
			g.MustCLI("python", "set", "mine") // or its first upload would ask the upstream whether it has it
			g.PublishPython(admin, pythontest.Spec{Name: "mine", Version: "1.0"})
			g.MustCLI("reserve", "kept")
			index := withUser(g.URL, "__token__", key, "/pypi/simple/")
			if mode == "redirect" {
				for _, spelled := range []string{"demo", "Demo"} {
					r := g.Expect(t, 307, harness.Request{Path: "/pypi/simple/" + spelled + "/", Key: key})
					if to := r.Header.Get("Location"); spelled == "demo" && to != up.Simple()+"demo/" || r.Header.Get("Cache-Control") != "no-store" || strings.Contains(to, key) {
						t.Errorf("%s is sent to %q with Cache-Control %q", spelled, to, r.Header.Get("Cache-Control"))
					}
				}
			} else {
				page, _ := simplePage(t, g, key, "demo")
				if page.Files[0].URL != up.HTTP.URL+up.Path("demo", f.Filename) {
					t.Errorf("the file's URL is %s", page.Files[0].URL)
				}
			}
			for path, status := range map[string]int{"mine": 200, "kept": 403, "denied": 403} {
				r := g.Expect(t, status, harness.Request{Path: "/pypi/simple/" + path + "/", Key: key})
				if r.Header.Get("Location") != "" || strings.Contains(r.Text(), up.HTTP.URL) {
					t.Errorf("%s leads to the upstream", path)
				}
			}
			for _, name := range []string{"demo", "mine", "kept", "denied", "unknown"} {
				g.Expect(t, 401, harness.Request{Path: "/pypi/simple/" + name + "/"})
				g.Expect(t, 401, harness.Request{Path: "/pypi/simple/" + name + "/", Key: "fw_sk_wrong"})
			}
			takes(t, harness.NewSandbox(t), index, "demo", "demo", "1.0")
		})
	}
	t.Cleanup(func() {
		for _, r := range up.Requests() {
			if strings.Contains(r.Path, "mine") || strings.Contains(r.Path, "kept") || strings.Contains(r.Path, "denied") || r.Header.Get("Authorization") != "" {
				t.Errorf("the upstream got %s with %v", r.Path, r.Header)
			}
		}
	})
}

// Several upstreams are asked in order; the first that has a name has all of it, and
// one that fails is not passed over. Each gets its own credential, and nobody
// another's.
func TestPythonSeveralUpstreams(t *testing.T) {
	t.Parallel()
	inner, outer, files := upstreamtest.New(t), upstreamtest.New(t), upstreamtest.New(t)
	inner.Set(upstreamtest.Options{Username: "ada", Password: "lovelace"})
	inner.Add("shared", wheelFile("shared", "1.0"))
	outer.Add("shared", wheelFile("shared", "99.0"))
	outer.Add("public", wheelFile("public", "1.0"))
	moved := wheelFile("moved", "1.0")
	files.Add("moved", moved)
	moved.URL = files.HTTP.URL + files.Path("moved", moved.Filename)
	inner.Add("moved", moved)
	relayed := wheelFile("relayed", "1.0")
	inner.Add("relayed", relayed)
	files.Add("relayed", relayed)
	inner.On(inner.Path("relayed", relayed.Filename), upstreamtest.Redirect(302, files.HTTP.URL+files.Path("relayed", relayed.Filename)))

	host := strings.TrimPrefix(files.HTTP.URL, "http://")
	g := harness.Start(t, harness.Options{
		Env: []string{"INNER_PASSWORD=lovelace"},
		App: fmt.Sprintf("upstream inner %s {\nusername ada\npassword {env.INNER_PASSWORD}\nfile_hosts %s\npage_freshness 1ns\nnegative_ttl 1ns\n}\nupstream outer %s", inner.Simple(), host, outer.Simple()),
	})
	key := g.Key("executor")
	if page, _ := simplePage(t, g, key, "shared"); !slices.Equal(page.Versions, []string{"1.0"}) {
		t.Errorf("shared has the versions %v: those of the first upstream alone are expected", page.Versions)
	}
	if n := outer.Count("/simple/shared/"); n > 0 {
		t.Error("the second upstream was asked for what the first has")
	}
	at := "/pypi/files/outer" + outer.Path("shared", "shared-99.0-py3-none-any.whl")
	g.Expect(t, 404, harness.Request{Path: at, Key: key})
	if page, _ := simplePage(t, g, key, "public"); len(page.Files) != 1 || !strings.HasPrefix(page.Files[0].URL, "../../files/outer/") {
		t.Errorf("public lists %+v", page.Files)
	}
	for _, f := range []upstreamtest.File{moved, relayed} {
		name := strings.Split(f.Filename, "-")[0]
		page, _ := simplePage(t, g, key, name)
		base, err := url.Parse(g.URL + "/pypi/simple/" + name + "/")
		must(t, err)
		link, err := base.Parse(page.Files[0].URL)
		must(t, err)
		if r := g.Expect(t, 200, harness.Request{Path: link.EscapedPath(), Key: key}); !bytes.Equal(r.Body, f.Content) {
			t.Errorf("%s has other bytes", f.Filename)
		}
	}
	inner.On("/simple/", upstreamtest.Status(500))
	checkOutage(t, "a name that only the second has, while the first fails", answerOf(t, g, key, "never-asked"))
	outer.Add("never-asked", wheelFile("never-asked", "1.0"))
	checkOutage(t, "a name that the second has by now", answerOf(t, g, key, "never-asked"))
	if r := answerOf(t, g, key, "shared"); r.Status != 200 || r.Header.Get("X-Fairway-Stale") == "" || !strings.Contains(r.Text(), "1.0") || strings.Contains(r.Text(), "99.0") {
		t.Errorf("while the first fails, shared is %d %s", r.Status, r.Text())
	}
	for _, up := range []*upstreamtest.Server{outer, files} {
		for _, r := range up.Requests() {
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s got a credential with %s", up.HTTP.URL, r.Path)
			}
		}
	}
	for _, r := range inner.Requests() {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") || strings.Contains(r.Header.Get("Authorization"), key) {
			t.Errorf("the first upstream got %q with %s", r.Header.Get("Authorization"), r.Path)
		}
	}
	if log := g.Log(); strings.Contains(log, "lovelace") {
		t.Error("the log holds an upstream's password")
	}
}

// A link to a host that nobody permitted leads nowhere, and why says so.
func TestPythonForeignFileHosts(t *testing.T) {
	t.Parallel()
	up, foreign := upstreamtest.New(t), upstreamtest.New(t)
	f := wheelFile("demo", "1.0")
	foreign.Add("demo", f)
	f.URL = foreign.HTTP.URL + foreign.Path("demo", f.Filename)
	up.Add("demo", f, wheelFile("demo", "2.0"))
	g := behind(t, up, "")
	key := g.Key("executor")
	if page, _ := simplePage(t, g, key, "demo"); !slices.Equal(page.Versions, []string{"2.0"}) {
		t.Errorf("the page lists %v", filesOf(page))
	}
	rep := why(t, g, "demo")
	if len(rep.Held) != 1 || !strings.Contains(rep.Held[0].Reason, "file hosts") {
		t.Errorf("why tells %+v", rep)
	}
	host := strings.TrimPrefix(foreign.HTTP.URL, "http://")
	for _, path := range []string{"@" + host, "@http+" + host, "@https+" + host, "@169.254.169.254", "@localhost"} {
		r := g.Do(harness.Request{Path: "/pypi/files/pypi/" + path + foreign.Path("demo", f.Filename), Key: key})
		if r.Status != 403 && r.Status != 404 {
			t.Errorf("%s: %d %s", path, r.Status, r.Text())
		}
	}
	if n := len(foreign.Requests()); n > 0 {
		t.Errorf("the foreign host was asked %d times", n)
	}
}

// The first upload of a name that the upstream has is warned of or refused, as
// configured; from then on the name is the gateway's.
func TestPythonUploadConflict(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	for _, name := range []string{"taken", "kept"} {
		up.Add(name, wheelFile(name, "9.0"))
	}
	wheel, data := pythontest.Wheel(pythontest.Spec{Name: "taken", Version: "1.0"})
	t.Run("nobody is told", func(t *testing.T) {
		t.Parallel()
		asked := upstreamtest.New(t)
		asked.Add("taken", wheelFile("taken", "9.0"))
		g := behind(t, asked, "")
		if r := g.Expect(t, 200, harness.PyUploadRequest(g.Key("developer"), wheel, data, nil)); r.Header.Get("X-Fairway-Warning") != "" {
			t.Errorf("warned of what nobody knew: %v", r.Header)
		}
		if requests := asked.Requests(); len(requests) > 0 {
			t.Errorf("a first upload told the upstream its name: %v", requests)
		}
		asking := behind(t, asked, "upstream_conflict warn")
		if r := asking.Expect(t, 200, harness.PyUploadRequest(asking.Key("developer"), wheel, data, nil)); r.Header.Get("X-Fairway-Warning") == "" {
			t.Errorf("asked, and not warned: %v", r.Header)
		}
	})
	t.Run("warn", func(t *testing.T) {
		t.Parallel()
		g := behind(t, up, "")
		key := g.Key("developer")
		if page, _ := simplePage(t, g, key, "taken"); !slices.Equal(page.Versions, []string{"9.0"}) {
			t.Errorf("before the upload taken has %v", page.Versions)
		}
		r := g.Expect(t, 200, harness.PyUploadRequest(key, wheel, data, nil))
		if r.Header.Get("X-Fairway-Warning") == "" || !strings.Contains(r.Text(), `"warning"`) {
			t.Errorf("the upload is answered %s with %v", r.Text(), r.Header)
		}
		if page, _ := simplePage(t, g, key, "taken"); !slices.Equal(page.Versions, []string{"1.0"}) {
			t.Errorf("after the upload taken has %v", page.Versions)
		}
		g.Expect(t, 403, harness.Request{Path: fileURL(up, "taken", "taken-9.0-py3-none-any.whl"), Key: key})
		if page, _ := simplePage(t, g, key, "kept"); len(page.Files) != 1 {
			t.Error("other names are no longer passed through")
		}
	})
	t.Run("refuse", func(t *testing.T) {
		t.Parallel()
		g := behind(t, up, "upstream_conflict refuse", "negative_ttl 1ns", "page_timeout 500ms")
		key := g.Key("developer")
		r := g.Expect(t, 403, harness.PyUploadRequest(key, wheel, data, nil))
		if !strings.Contains(r.Text(), "reserve") {
			t.Errorf("the refusal is %s", r.Text())
		}
		g.PublishPython(key, pythontest.Spec{Name: "free", Version: "1.0"})
		g.MustCLI("reserve", "kept")
		g.PublishPython(key, pythontest.Spec{Name: "kept", Version: "1.0"})
		g.Expect(t, 404, harness.Request{Path: "/api/v1/python/taken", Key: key})
		// Who cannot ask does not guess.
		broken := upstreamtest.New(t)
		broken.On("/", upstreamtest.Hang())
		deaf := behind(t, broken, "upstream_conflict refuse", "page_timeout 500ms")
		deaf.Expect(t, 503, harness.PyUploadRequest(deaf.Key("developer"), wheel, data, nil))
	})
}
