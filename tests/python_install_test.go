package tests

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// oursAndTheirs is a gateway with a package of its own that depends on one of the
// upstream's, which has a package of the same name as ours with a higher version.
func oursAndTheirs(t *testing.T) (g *harness.Gateway, up *upstreamtest.Server, admin string) {
	t.Helper()
	up = upstreamtest.New(t)
	up.Add("theirs", wheelFile("theirs", "1.5"), wheelFile("theirs", "2.0"))
	up.Add("our-lib", wheelFile("our-lib", "99.0"))
	g = behind(t, up, "")
	admin = g.Key("admin")
	g.PublishPython(admin, pythontest.Spec{Name: "Our.Lib", Version: "1.0", RequiresDist: []string{"theirs<2"}})
	up.Forget()
	return g, up, admin
}

// installed fails the test unless a folder of modules has these versions.
func installed(t *testing.T, dir string, versions map[string]string) {
	t.Helper()
	for module, version := range versions {
		raw, err := os.ReadFile(filepath.Join(dir, module, "__init__.py"))
		if err != nil || !strings.Contains(string(raw), `"`+version+`"`) {
			t.Errorf("%s is %q (%v): version %s is expected", module, raw, err, version)
		}
	}
}

var both = map[string]string{"our_lib": "1.0", "theirs": "1.5"}

// siteOf is where a virtual environment has its modules.
func siteOf(t *testing.T, env string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(env, "lib", "python*", "site-packages"))
	if len(found) != 1 {
		t.Fatalf("%s has the module folders %v", env, found)
	}
	return found[0]
}

// One index URL and one key give own and public packages, with every client and
// in every way that it takes a key.
func TestPythonInstall(t *testing.T) {
	t.Parallel()
	g, up, admin := oursAndTheirs(t)
	key := g.Key("executor")
	_ = admin
	asUser, asPassword := withUser(g.URL, key, "", "/pypi/simple/"), withUser(g.URL, "__token__", key, "/pypi/simple/")

	for name, install := range map[string]func(t *testing.T, s *harness.Sandbox) (modules string){
		"pip, key as user": func(t *testing.T, s *harness.Sandbox) string {
			s.Run("python", "pip", "install", "--target", "out", "--index-url", asUser, "our-lib")
			return filepath.Join(s.Dir, "out")
		},
		"pip, key as password, without the last slash": func(t *testing.T, s *harness.Sandbox) string {
			s.Run("python", "pip", "install", "--target", "out", "--index-url", strings.TrimSuffix(asPassword, "/"), "Our_Lib==1.0", "theirs")
			return filepath.Join(s.Dir, "out")
		},
		"pip, netrc": func(t *testing.T, s *harness.Sandbox) string {
			s.Write(".netrc", []byte("machine 127.0.0.1 login __token__ password "+key+"\n"))
			s.Run("python", "pip", "install", "--target", "out", "--index-url", g.URL+"/pypi/simple/", "our.lib")
			return filepath.Join(s.Dir, "out")
		},
		"uv, key as user": func(t *testing.T, s *harness.Sandbox) string {
			s.Run("python", "uv", "pip", "install", "--python", harness.Interpreter(t, "python"), "--target", "out", "--default-index", asUser, "our-lib")
			return filepath.Join(s.Dir, "out")
		},
		"uv, project with a named index": func(t *testing.T, s *harness.Sandbox) string {
			s.Write("pyproject.toml", []byte("[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.11\"\ndependencies = [\"our-lib\"]\n"+
				"[[tool.uv.index]]\nname = \"team\"\nurl = \""+g.URL+"/pypi/simple/\"\ndefault = true\nauthenticate = \"always\"\n"))
			s = s.With("UV_INDEX_TEAM_USERNAME=__token__", "UV_INDEX_TEAM_PASSWORD="+key)
			s.Run("python", "uv", "sync", "--python", harness.Interpreter(t, "python"))
			if lock := s.Read("uv.lock"); strings.Contains(lock, key) || !strings.Contains(lock, g.URL+"/pypi/files/") {
				t.Errorf("uv.lock holds a key, or no URL of the gateway's:\n%s", lock)
			}
			s.Run("python", "uv", "sync", "--locked", "--reinstall", "--no-cache", "--python", harness.Interpreter(t, "python"))
			return siteOf(t, filepath.Join(s.Dir, ".venv"))
		},
		"poetry": func(t *testing.T, s *harness.Sandbox) string {
			s.Write("pyproject.toml", []byte("[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.11\"\ndependencies = [\"our-lib\"]\n"+
				"[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = \"team\"\nurl = \""+g.URL+"/pypi/simple/\"\npriority = \"primary\"\n"))
			s.Run("python", "uv", "venv", "--python", harness.Interpreter(t, "python"), "env")
			s = s.With("POETRY_HTTP_BASIC_TEAM_USERNAME=__token__", "POETRY_HTTP_BASIC_TEAM_PASSWORD="+key, "VIRTUAL_ENV="+filepath.Join(s.Dir, "env"))
			s.Run("python", "poetry", "install", "--no-interaction")
			if lock := s.Read("poetry.lock"); strings.Contains(lock, key) {
				t.Errorf("poetry.lock holds a key:\n%s", lock)
			}
			return siteOf(t, filepath.Join(s.Dir, "env"))
		},
		"pdm": func(t *testing.T, s *harness.Sandbox) string {
			s.Write("pyproject.toml", []byte("[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.11\"\ndependencies = [\"our-lib\"]\n"+
				"[tool.pdm]\ndistribution = false\n[[tool.pdm.source]]\nname = \"pypi\"\nurl = \""+strings.Replace(g.URL, "http://", "http://__token__:${TEAM_KEY}@", 1)+"/pypi/simple/\"\nverify_ssl = false\n"))
			s.Run("python", "uv", "venv", "--python", harness.Interpreter(t, "python"), ".venv")
			s = s.With("TEAM_KEY=" + key)
			s.Run("pdm", "pdm", "install", "--no-self")
			if lock := s.Read("pdm.lock"); strings.Contains(lock, key) {
				t.Errorf("pdm.lock holds a key:\n%s", lock)
			}
			return siteOf(t, filepath.Join(s.Dir, ".venv"))
		},
		"hatch": func(t *testing.T, s *harness.Sandbox) string {
			s.Write("pyproject.toml", []byte("[project]\nname = \"app\"\nversion = \"1\"\n[tool.hatch.envs.default]\nskip-install = true\ninstaller = \"uv\"\ndependencies = [\"our-lib\"]\n"))
			s = s.With("UV_DEFAULT_INDEX="+asPassword, "HATCH_ENV_TYPE_VIRTUAL_UV_PATH="+harness.Tool(t, "python", "uv"), "HATCH_ENV_TYPE_VIRTUAL_PATH="+filepath.Join(s.Dir, "env"))
			s.Run("python", "hatch", "env", "create")
			return siteOf(t, filepath.Join(s.Dir, "env"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			installed(t, install(t, harness.NewSandbox(t)), both)
		})
	}
	t.Cleanup(func() {
		for _, r := range up.Requests() {
			if strings.Contains(strings.ToLower(r.Path), "our") {
				t.Errorf("the upstream was asked for %s", r.Path)
			}
			for _, h := range []string{"Authorization", "Cookie", "X-Api-Key", "Referer", "X-Forwarded-For"} {
				if r.Header.Get(h) != "" {
					t.Errorf("the upstream got a client's %s", h)
				}
			}
			if !strings.HasPrefix(r.Header.Get("User-Agent"), "fairway") {
				t.Errorf("the upstream got a client's User-Agent: %s", r.Header.Get("User-Agent"))
			}
		}
		if up.Count("/simple/theirs/") != 1 {
			t.Errorf("the upstream was asked for the page of theirs %d times: once is expected", up.Count("/simple/theirs/"))
		}
	})
}

// pip and uv resolve from .metadata: what they do not install they do not download.
func TestPythonMetadataIsUsed(t *testing.T) {
	t.Parallel()
	g, _, admin := oursAndTheirs(t)
	for name, run := range map[string]func(s *harness.Sandbox, index string){
		"pip": func(s *harness.Sandbox, index string) {
			s.Run("python", "pip", "install", "--dry-run", "--ignore-installed", "--target", "out", "--index-url", index, "our-lib")
		},
		"uv": func(s *harness.Sandbox, index string) {
			s.Write("in.txt", []byte("our-lib\n"))
			s.Run("python", "uv", "pip", "compile", "--python", harness.Interpreter(t, "python"), "--default-index", index, "in.txt")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := g.Record(t)
			run(harness.NewSandbox(t), withUser(rec.URL, "__token__", admin, "/pypi/simple/"))
			seen := rec.Seen()
			for _, want := range []string{"our_lib-1.0-py3-none-any.whl.metadata", "theirs-1.5-py3-none-any.whl.metadata"} {
				if !asked(seen, want) {
					t.Errorf("%s was not asked for, but %v", want, paths(seen))
				}
			}
			for _, s := range seen {
				if strings.HasSuffix(s.Path, ".whl") && name == "uv" {
					t.Errorf("%s %s was asked for, though nothing was to be installed", s.Method, s.Path)
				}
			}
		})
	}
}

// pypi-simple, which is strict about the formats, reads every page in both.
func TestPythonSimpleClient(t *testing.T) {
	t.Parallel()
	g, _, admin := oursAndTheirs(t)
	for _, html := range []bool{false, true} {
		ask := func(project, download string, out any) {
			harness.Python(t, "python", "simple_index.py", map[string]any{
				"index": g.URL + "/pypi/simple/", "user": "__token__", "password": admin, "project": project, "html": html, "download": download,
			}, out)
		}
		var index struct{ Names []string }
		ask("", "", &index)
		if !slices.Equal(index.Names, []string{"our-lib"}) {
			t.Errorf("the index lists %v: our-lib alone is expected", index.Names)
		}
		for project, file := range map[string]string{"our-lib": "our_lib-1.0-py3-none-any.whl", "theirs": "theirs-2.0-py3-none-any.whl"} {
			var page struct {
				Files []struct {
					Name, Version, Metadata, Digest string
				}
				Downloaded string
			}
			ask(project, file, &page)
			last := page.Files[len(page.Files)-1]
			sum := sha256.Sum256([]byte(last.Metadata))
			if last.Name != file || !strings.Contains(last.Metadata, "Version: "+last.Version+"\n") || last.Digest != page.Downloaded {
				t.Errorf("html=%t: %s is told as %+v, downloaded as %s (metadata %s)", html, project, last, page.Downloaded, hex.EncodeToString(sum[:4]))
			}
		}
	}
}
