package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// pyPage is a project's page as JSON.
type pyPage struct {
	Meta struct {
		Version string `json:"api-version"`
	} `json:"meta"`
	Name     string
	Versions []string
	Files    []struct {
		Filename, URL, Provenance string
		Hashes                    map[string]string
		Size                      int64
		Yanked                    any
		RequiresPython            string `json:"requires-python"`
		UploadTime                string `json:"upload-time"`
		CoreMetadata              any    `json:"core-metadata"`
	}
	Status struct {
		Status, Reason string
	} `json:"project-status"`
}

const acceptJSON = "application/vnd.pypi.simple.v1+json"

func simplePage(t *testing.T, g *harness.Gateway, key, name string) (p pyPage, r *harness.Response) {
	t.Helper()
	r = g.Expect(t, 200, harness.Request{Path: "/pypi/simple/" + name + "/", Key: key, Header: map[string]string{"Accept": acceptJSON}})
	must(t, json.Unmarshal(r.Body, &p))
	return p, r
}

// filesOf are the file names on a page.
func filesOf(p pyPage) (out []string) {
	for _, f := range p.Files {
		out = append(out, f.Filename)
	}
	slices.Sort(out)
	return out
}

// Every uploader publishes wheels and sdists, to each form of the upload's URL; an
// identical upload is a success, and the files install at once.
func TestPythonUploaders(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	g := behind(t, up, "upstream_conflict refuse")
	key := g.Key("developer")
	// Each makes dist/ or has what it needs to build; it may be run twice.
	for name, c := range map[string]struct {
		builds string // backend with which the tool builds itself
		run    func(s *harness.Sandbox, project string)
	}{
		"twine": {run: func(s *harness.Sandbox, project string) {
			s.Run("python", "twine", append([]string{"upload", "--non-interactive", "--disable-progress-bar", "--repository-url", g.URL + "/pypi/legacy/", "-u", "__token__", "-p", key}, dist(t, s)...)...)
		}},
		"twine, old path": {run: func(s *harness.Sandbox, project string) {
			s.Run("python", "twine", append([]string{"upload", "--non-interactive", "--disable-progress-bar", "--repository-url", g.URL + "/legacy", "-u", "anything", "-p", key}, dist(t, s)...)...)
		}},
		"uv": {run: func(s *harness.Sandbox, project string) {
			s.Run("python", "uv", append([]string{"publish", "--publish-url", g.URL + "/pypi/legacy/", "--token", key}, dist(t, s)...)...)
		}},
		"uv with a check": {run: func(s *harness.Sandbox, project string) {
			s.Run("python", "uv", append([]string{"publish", "--publish-url", g.URL + "/pypi/legacy", "--check-url", g.URL + "/pypi/simple/", "--username", "__token__", "--password", key}, dist(t, s)...)...)
		}},
		"poetry": {builds: "poetry", run: func(s *harness.Sandbox, project string) {
			s = s.With("POETRY_REPOSITORIES_TEAM_URL="+g.URL+"/pypi/legacy/", "POETRY_HTTP_BASIC_TEAM_USERNAME=__token__", "POETRY_HTTP_BASIC_TEAM_PASSWORD="+key)
			s.Run("python", "poetry", "publish", "--repository", "team", "--no-interaction")
		}},
		"pdm": {builds: "hatchling", run: func(s *harness.Sandbox, project string) {
			s.Run("pdm", "pdm", "publish", "--no-build", "--repository", g.URL+"/pypi/legacy/", "--username", "__token__", "--password", key)
		}},
		"hatch": {builds: "hatchling", run: func(s *harness.Sandbox, project string) {
			s.Run("python", "hatch", append([]string{"publish", "--no-prompt", "--repo", g.URL + "/pypi/legacy/", "--user", "__token__", "--auth", key}, dist(t, s)...)...)
		}},
		"flit": {builds: "flit_core", run: func(s *harness.Sandbox, project string) {
			s = s.With("FLIT_INDEX_URL="+g.URL+"/pypi/legacy/", "FLIT_USERNAME=__token__", "FLIT_PASSWORD="+key, "SOURCE_DATE_EPOCH=1600000000", "FLIT_ALLOW_INVALID=0")
			s.Run("python", "flit", "publish", "--no-use-vcs")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewSandbox(t)
			project := "by-" + strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")
			module := strings.ReplaceAll(project, "-", "_")
			if c.builds != "flit_core" {
				spec := pythontest.Spec{Name: project, Version: "1.0", RequiresPython: ">=3.8", RequiresDist: []string{"packaging>=20", `colorama; sys_platform == "win32"`}}
				wheel, data := pythontest.Wheel(spec)
				s.Write("dist/"+wheel, data)
				sdist, data := pythontest.Sdist(spec)
				s.Write("dist/"+sdist, data)
			}
			if c.builds != "" {
				backend := map[string]string{"poetry": "poetry.core.masonry.api", "hatchling": "hatchling.build", "flit_core": "flit_core.buildapi"}[c.builds]
				s.Write("pyproject.toml", fmt.Appendf(nil, "[project]\nname = %q\nversion = \"1.0\"\ndescription = \"made by a test\"\nrequires-python = \">=3.8\"\nauthors = [{name = \"Someone\", email = \"someone@example.com\"}]\n"+
					"[build-system]\nrequires = []\nbuild-backend = %q\n", project, backend))
				s.Write(module+"/__init__.py", []byte("\"\"\"A module.\"\"\"\n__version__ = \"1.0\"\n"))
			}
			c.run(s, project)
			page, r := simplePage(t, g, key, project)
			want := []string{module + "-1.0-py3-none-any.whl", module + "-1.0.tar.gz"}
			if got := filesOf(page); !slices.Equal(got, want) {
				t.Fatalf("the page lists %v: %v is expected", got, want)
			}
			c.run(s, project) // the very same bytes
			if _, again := simplePage(t, g, key, project); !bytes.Equal(again.Body, r.Body) || again.Header.Get("ETag") != r.Header.Get("ETag") {
				t.Error("an identical upload changed the page")
			}
			s.Run("python", "pip", "install", "--target", "out", "--no-deps", "--only-binary", ":all:", "--index-url", withUser(g.URL, key, "", "/pypi/simple/"), project)
			installed(t, filepath.Join(s.Dir, "out"), map[string]string{module: "1.0"})
		})
	}
}

func dist(t *testing.T, s *harness.Sandbox) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Dir, "dist", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is nothing to upload (%v)", err)
	}
	return files
}

// Other bytes under a name that was ever used are refused in the words that
// uploaders look for.
func TestPythonFileNamesAreForEver(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	admin, developer := g.Key("admin"), g.Key("developer")
	spec := pythontest.Spec{Name: "app", Version: "1.0"}
	file, data := g.PublishPython(developer, spec)
	spec.Files = map[string]string{"app/__init__.py": "other = True\n"}
	_, other := pythontest.Wheel(spec)
	same := g.Expect(t, 200, harness.PyUploadRequest(developer, file, data, nil))
	if !strings.Contains(same.Text(), `"created":false`) {
		t.Errorf("an identical upload is answered %s", same.Text())
	}
	refused := func(key string, status int, words string) {
		t.Helper()
		r := g.Expect(t, status, harness.PyUploadRequest(key, file, other, nil))
		if !strings.HasPrefix(r.Text(), words) || strings.Contains(r.Text(), "\n") {
			t.Errorf("the refusal is %q: one line with %q first is expected", r.Text(), words)
		}
	}
	refused(developer, 400, "File already exists (")
	refused(admin, 400, "File already exists (")

	// twine and uv print our sentence, and pdm finds in it what --skip-existing skips.
	// twine's own takes that option for PyPI alone: an identical file is a success anyway.
	s := harness.NewSandbox(t)
	s.Write("new/"+file, other)
	s.Write("dist/"+file, data)
	if out, err := s.Try("python", "twine", "upload", "--non-interactive", "--disable-progress-bar", "--verbose", "--repository-url", g.URL+"/pypi/legacy/", "-u", "__token__", "-p", developer, "new/"+file); err == nil || !strings.Contains(out, "File already exists") {
		t.Errorf("twine, with other bytes: %v\n%s", err, out)
	}
	if out, err := s.Try("python", "uv", "publish", "--publish-url", g.URL+"/pypi/legacy/", "--token", developer, "new/"+file); err == nil || !strings.Contains(out, "File already exists") {
		t.Errorf("uv, with other bytes: %v\n%s", err, out)
	}
	s.Write("pyproject.toml", []byte("[project]\nname = \"app\"\nversion = \"1.0\"\nrequires-python = \">=3.8\"\n"))
	s.Run("pdm", "pdm", "publish", "--no-build", "--skip-existing", "--dest", "new", "--repository", g.URL+"/pypi/legacy/", "--username", "__token__", "--password", developer)
	s.Run("python", "twine", "upload", "--non-interactive", "--disable-progress-bar", "--repository-url", g.URL+"/pypi/legacy/", "-u", "__token__", "-p", developer, "dist/"+file)

	g.Expect(t, 403, harness.Request{Method: "DELETE", Path: harness.PyFilePath("app", file), Key: developer})
	g.Expect(t, 200, harness.Request{Method: "DELETE", Path: harness.PyFilePath("app", file), Key: admin})
	if page, _ := simplePage(t, g, developer, "app"); len(page.Files) != 0 {
		t.Errorf("the deleted file is listed: %v", filesOf(page))
	}
	g.Expect(t, 404, harness.Request{Path: harness.PyFilePath("app", file), Key: developer})
	refused(admin, 400, "This filename has already been used")
	g.Expect(t, 400, harness.PyUploadRequest(admin, file, data, nil))
	g.Restart()
	refused(admin, 400, "This filename has already been used")
	g.Expect(t, 200, harness.Request{Method: "DELETE", Path: "/api/v1/python/app", Key: admin})
	refused(admin, 400, "This filename has already been used")
	spec.Version = "1.1"
	g.PublishPython(developer, spec)
}

// A form that does not tell the truth about its file is refused, in JSON for who
// asks for it, and leaves nothing.
func TestPythonFormsMustAgree(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key, reader, elsewhere := g.Key("developer"), g.Key("reader"), g.Key("developer", "--package", "other-*")
	file, data := pythontest.Wheel(pythontest.Spec{Name: "app", Version: "1.0", RequiresPython: ">=3.9"})
	_, foreign := pythontest.Wheel(pythontest.Spec{Name: "stranger", Version: "1.0"})
	zeros := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		status int
		q      harness.Request
	}{
		"no key":                      {401, harness.PyUploadRequest("", file, data, nil)},
		"a wrong key":                 {401, harness.PyUploadRequest("fw_sk_wrong", file, data, nil)},
		"a key that may not upload":   {403, harness.PyUploadRequest(reader, file, data, nil)},
		"a key for other names":       {403, harness.PyUploadRequest(elsewhere, file, data, nil)},
		"another name":                {400, harness.PyUploadRequest(key, file, data, map[string]string{"name": "app2"})},
		"another version":             {400, harness.PyUploadRequest(key, file, data, map[string]string{"version": "1.1"})},
		"another kind":                {400, harness.PyUploadRequest(key, file, data, map[string]string{"filetype": "sdist"})},
		"another Requires-Python":     {400, harness.PyUploadRequest(key, file, data, map[string]string{"requires_python": ">=3.10"})},
		"a wrong SHA-256":             {400, harness.PyUploadRequest(key, file, data, map[string]string{"sha256_digest": zeros})},
		"a wrong BLAKE2":              {400, harness.PyUploadRequest(key, file, data, map[string]string{"blake2_256_digest": zeros})},
		"a wrong MD5":                 {400, harness.PyUploadRequest(key, file, data, map[string]string{"md5_digest": zeros[:32]})},
		"no digest":                   {400, harness.PyUploadRequest(key, file, data, map[string]string{"sha256_digest": ""})},
		"no name":                     {400, harness.PyUploadRequest(key, file, data, map[string]string{"name": ""})},
		"no action":                   {400, harness.PyUploadRequest(key, file, data, map[string]string{":action": ""})},
		"an old action":               {410, harness.PyUploadRequest(key, file, data, map[string]string{":action": "submit"})},
		"an unknown action":           {400, harness.PyUploadRequest(key, file, data, map[string]string{":action": "upload"})},
		"another protocol":            {400, harness.PyUploadRequest(key, file, data, map[string]string{"protocol_version": "2"})},
		"an archive of another name":  {400, harness.PyUploadRequest(key, file, foreign, nil)},
		"a file name with a folder":   {400, harness.PyUploadRequest(key, "x/"+file, data, map[string]string{"name": "app", "version": "1.0"})},
		"a file name that is no name": {400, harness.PyUploadRequest(key, "app.exe", data, map[string]string{"name": "app", "version": "1.0"})},
		"no archive":                  {400, harness.PyUploadRequest(key, file, []byte("no zip"), nil)},
		"half an archive":             {400, harness.PyUploadRequest(key, file, data[:len(data)/2], nil)},
	} {
		r := g.Expect(t, c.status, c.q)
		if r.Text() == "" || strings.Contains(r.Text(), "\n") {
			t.Errorf("%s: the refusal is %q: one sentence is expected", name, r.Text())
		}
		if c.status == 401 {
			checkChallenge(t, r)
		}
		c.q.Header = maps.Clone(c.q.Header)
		c.q.Header["Accept"] = "application/json"
		asked := g.Expect(t, c.status, c.q)
		var doc struct{ Message, Code, Title string }
		if json.Unmarshal(asked.Body, &doc) != nil || doc.Message == "" || doc.Code == "" || doc.Title != http.StatusText(c.status) {
			t.Errorf("%s: to who asks for JSON the refusal is %s", name, asked.Text())
		}
	}
	g.Expect(t, 404, harness.Request{Path: "/pypi/simple/app/", Key: key})
	g.Expect(t, 405, harness.Request{Path: "/pypi/legacy/", Key: key})
	blake := harness.PyUploadRequest(key, file, data, map[string]string{"requires_python": ">= 3.9", "name": "App", "version": "1.0.0"})
	g.Expect(t, 200, blake)
}
