package tests

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// resolver asks a client which version of a project it would take.
type resolver struct {
	name string
	run  func(s *harness.Sandbox, index, requirement string) (out string, err error)
}

var resolvers = []resolver{
	{"pip", func(s *harness.Sandbox, index, requirement string) (string, error) {
		return s.Try("python", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--index-url", index, requirement)
	}},
	{"uv", func(s *harness.Sandbox, index, requirement string) (string, error) {
		return s.Try("python", "uv", "pip", "install", "--dry-run", "--target", "nowhere", "--no-deps", "--python", s.Interpreter("python"), "--default-index", index, requirement)
	}},
}

// takes fails the test unless every client would take this version; "" for none.
func takes(t *testing.T, s *harness.Sandbox, index, requirement, project, version string) {
	t.Helper()
	for _, r := range resolvers {
		out, err := r.run(s, index, requirement)
		out = strings.ReplaceAll(out, "_", "-") // pip tells file names, uv projects
		took := strings.Contains(out, project+"-"+version) || strings.Contains(out, project+"=="+version)
		switch {
		case version == "" && err == nil:
			t.Errorf("%s takes something for %s: nothing is expected\n%s", r.name, requirement, out)
		case version != "" && (err != nil || !took):
			t.Errorf("%s does not take %s for %s: %v\n%s", r.name, version, requirement, err, out)
		}
	}
}

// pip and uv pass over what is yanked, unless it is pinned, and what is for
// another Python; each change is visible to them at once, caches or not.
func TestPythonYankAndRequiresPython(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key, reader := g.Key("developer"), g.Key("reader")
	index := withUser(g.URL, reader, "", "/pypi/simple/")
	s := harness.NewSandbox(t)
	g.PublishPython(key, pythontest.Spec{Name: "app", Version: "1.0"})
	takes(t, s, index, "app", "app", "1.0")
	two, _ := g.PublishPython(key, pythontest.Spec{Name: "app", Version: "2.0"})
	takes(t, s, index, "app", "app", "2.0")
	g.PublishPython(key, pythontest.Spec{Name: "app", Version: "3.0", RequiresPython: ">=4"})
	takes(t, s, index, "app", "app", "2.0")

	g.Expect(t, 403, harness.Request{Method: "POST", Path: "/api/v1/python/app/yank", Key: reader, Body: []byte(`{"version":"2.0"}`)})
	g.Expect(t, 200, harness.Request{Method: "POST", Path: "/api/v1/python/App/yank", Key: key, Body: []byte(`{"version":"2","reason":"eats <data> & more"}`)})
	takes(t, s, index, "app", "app", "1.0")
	takes(t, s, index, "app==2.0", "app", "2.0")
	page, _ := simplePage(t, g, reader, "app")
	html := g.Expect(t, 200, harness.Request{Path: "/pypi/simple/app/?format=text/html", Key: reader})
	for _, f := range page.Files {
		if (f.Filename == two) != (f.Yanked == "eats <data> & more") {
			t.Errorf("%s is told as yanked: %v", f.Filename, f.Yanked)
		}
	}
	if !strings.Contains(html.Text(), `data-yanked="eats &lt;data&gt; &amp; more"`) || !strings.Contains(html.Text(), `data-requires-python="&gt;=4"`) {
		t.Errorf("the page in HTML is %s", html.Text())
	}
	out := s.Run("python", "pip", "install", "--target", "out", "--no-deps", "--index-url", index, "app==2.0")
	if !strings.Contains(out, "eats <data> & more") {
		t.Errorf("pip does not tell why 2.0 was yanked:\n%s", out)
	}
	installed(t, filepath.Join(s.Dir, "out"), map[string]string{"app": "2.0"})
	g.Restart()
	takes(t, s, index, "app", "app", "1.0")
	g.MustCLI("python", "unyank", "app", two)
	takes(t, s, index, "app", "app", "2.0")
	g.MustCLI("python", "yank", "app", "2.0", "--reason", "by hand")
	takes(t, s, index, "app", "app", "1.0")
	g.Expect(t, 404, harness.Request{Method: "POST", Path: "/api/v1/python/app/yank", Key: key, Body: []byte(`{"version":"9"}`)})
	g.Expect(t, 400, harness.Request{Method: "POST", Path: "/api/v1/python/app/yank", Key: key, Body: []byte(`{}`)})
}

// A project's status (PEP 792) is told, and does what the standard says of uploads
// and files.
func TestPythonStatus(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key, reader := g.Key("developer"), g.Key("reader")
	index := withUser(g.URL, reader, "", "/pypi/simple/")
	s := harness.NewSandbox(t)
	file, data := g.PublishPython(key, pythontest.Spec{Name: "app", Version: "1.0"})
	next, nextData := pythontest.Wheel(pythontest.Spec{Name: "app", Version: "1.1"})
	for _, c := range []struct {
		status       string
		upload, page int
		file         int
		files        []string
		installs     bool
	}{
		{"archived", 403, 200, 200, []string{file}, true},
		{"quarantined", 403, 200, 403, nil, false},
		{"deprecated", 200, 200, 200, []string{file}, true},
		{"active", 200, 200, 200, []string{file}, true},
	} {
		if c.status == "archived" {
			g.MustCLI("python", "set", "app", "--status", c.status, "--status-reason", "see <elsewhere>")
		} else {
			g.Expect(t, 200, harness.Request{Method: "PATCH", Path: "/api/v1/python/app", Key: key, Body: []byte(`{"status":"` + c.status + `","status_reason":"see <elsewhere>"}`)})
		}
		page, _ := simplePage(t, g, reader, "app")
		if page.Status.Status != c.status || page.Status.Reason != "see <elsewhere>" && c.status != "active" || !slices.Equal(filesOf(page), c.files) {
			t.Errorf("%s: the page tells %+v and lists %v", c.status, page.Status, filesOf(page))
		}
		html := g.Expect(t, c.page, harness.Request{Path: "/pypi/simple/app/", Key: reader, Header: map[string]string{"Accept": "text/html"}})
		if told := strings.Contains(html.Text(), `name="pypi:project-status" content="`+c.status+`"`); !told && c.status != "active" {
			t.Errorf("%s: the page in HTML does not tell it: %s", c.status, html.Text())
		}
		for _, suffix := range []string{"", ".metadata"} {
			g.Expect(t, c.file, harness.Request{Path: harness.PyFilePath("app", file) + suffix, Key: reader})
		}
		// An identical file is no way around it.
		g.Expect(t, c.upload, harness.PyUploadRequest(key, file, data, nil))
		if c.upload == 403 {
			g.Expect(t, 403, harness.PyUploadRequest(key, next, nextData, nil))
		}
		want := ""
		if c.installs {
			want = "1.0"
		}
		takes(t, s, index, "app", "app", want)
		g.Restart()
	}
	g.Expect(t, 400, harness.Request{Method: "PATCH", Path: "/api/v1/python/app", Key: key, Body: []byte(`{"status":"resting"}`)})
}

// A name and its visibility are made, listed and changed by key and by command, and
// each caller sees what is theirs.
func TestPythonNames(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	developer, reader := g.Key("developer"), g.Key("reader")
	g.MustCLI("python", "set", "Secret.Plan", "--visibility", "closed")
	g.MustCLI("python", "set", "shared", "--visibility", "open")
	g.PublishPython(developer, pythontest.Spec{Name: "app", Version: "1.0"})
	index := func(key string) string {
		return g.Expect(t, 200, harness.Request{Path: "/pypi/simple/", Key: key, Header: map[string]string{"Accept": "text/html"}}).Text()
	}
	for key, want := range map[string][]string{developer: {"app", "secret-plan", "shared"}, reader: {"app", "shared"}, "": {"shared"}} {
		text := index(key)
		for _, name := range []string{"app", "secret-plan", "shared"} {
			if strings.Contains(text, `href="`+name+`/"`) != slices.Contains(want, name) {
				t.Errorf("of %v the index shows %s", want, text)
			}
		}
	}
	g.Expect(t, 403, harness.Request{Path: "/pypi/simple/secret-plan/", Key: reader})
	g.Expect(t, 401, harness.Request{Path: "/pypi/simple/secret-plan/"})
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/secret-plan/", Key: developer})
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/shared/"})
	if list := g.MustCLI("python", "list"); !strings.Contains(list, "secret-plan") || !strings.Contains(list, "closed") {
		t.Errorf("'python list' prints %s", list)
	}
	g.Expect(t, 200, harness.Request{Method: "PATCH", Path: "/api/v1/python/secret-plan", Key: developer, Body: []byte(`{"visibility":"open"}`)})
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/secret-plan/"})
	g.MustCLI("python", "delete", "shared")
	if text := index(developer); strings.Contains(text, "shared/") {
		t.Errorf("a deleted name is listed: %s", text)
	}
}
