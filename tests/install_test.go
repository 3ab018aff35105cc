package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// install runs rattler's Gateway, solver and installer.
func install(t *testing.T, in map[string]any) (files []string) {
	t.Helper()
	var out struct {
		Records []struct{ File, URL, SHA256 string }
	}
	harness.Python(t, "conda", "install_packages.py", in, &out)
	for _, r := range out.Records {
		files = append(files, r.File)
	}
	return files
}

// A real conda client installs an environment out of a private channel, with each
// form of credential and by each variant of the index.
func TestInstall(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	admin := g.Key("admin")
	g.Channel("team")
	g.Publish(admin, "team", condatest.Spec{Name: "lib", Version: "1.4", Subdir: "linux-64", Files: map[string]string{"lib/lib.txt": "lib 1.4"}})
	g.Publish(admin, "team", condatest.Spec{Name: "lib", Version: "2.0", Subdir: "linux-64", TarBz2: true, Files: map[string]string{"lib/lib.txt": "lib 2.0"}})
	g.Publish(admin, "team", condatest.Spec{Name: "app", Version: "3.1", Depends: []string{"lib >=1,<2"}, Files: map[string]string{"share/app.txt": "app 3.1"}})
	g.Publish(admin, "team", condatest.Spec{Name: "old", Version: "1", TarBz2: true, Files: map[string]string{"share/old.txt": "old 1"}})
	reader := g.Key("reader", "--channel", "team")

	for _, auth := range []string{"bearer", "basic", "basic-user", "path"} {
		for variant, c := range map[string]struct {
			sharded, zstd bool
			asks          string // a path that must be asked for
			never         string
		}{
			"shards":            {true, true, "/noarch/repodata_shards.msgpack.zst", "/noarch/repodata.json"},
			"repodata.json.zst": {false, true, "/noarch/repodata.json.zst", "/noarch/repodata_shards.msgpack.zst"},
			"repodata.json":     {false, false, "/noarch/repodata.json", "/noarch/repodata_shards.msgpack.zst"},
		} {
			t.Run(auth+", "+variant, func(t *testing.T) {
				t.Parallel()
				rec := g.Record(t)
				prefix, cache := t.TempDir(), t.TempDir()
				in := map[string]any{
					"channel": rec.URL + "/team", "specs": []string{"app", "old"}, "prefix": prefix, "cache": cache,
					"auth": auth, "key": reader, "sharded": c.sharded, "zstd": c.zstd,
				}
				install(t, in)
				for path, want := range map[string]string{"lib/lib.txt": "lib 1.4", "share/app.txt": "app 3.1", "share/old.txt": "old 1"} {
					got, err := os.ReadFile(filepath.Join(prefix, path))
					if err != nil || string(got) != want {
						t.Errorf("%s holds %q (%v): %q is expected", path, got, err, want)
					}
				}
				seen := rec.Seen()
				if !asked(seen, c.asks) || asked(seen, c.never) && variant != "repodata.json" {
					t.Errorf("the client asked for %v", paths(seen))
				}
				for _, s := range seen {
					if s.Status == 401 || s.Status == 403 || s.Status >= 500 {
						t.Errorf("%s %s: %d", s.Method, s.Path, s.Status)
					}
				}

				// The next solve transfers nothing that has not changed.
				in["fetch_only"] = true
				install(t, in)
				for _, s := range rec.Seen() {
					if strings.Contains(s.Path, "repodata") && s.Method == "GET" && s.Status != 304 {
						t.Errorf("unchanged %s was answered %d with %d bytes: 304 is expected", s.Path, s.Status, s.Bytes)
					}
				}
			})
		}
	}
}

func asked(seen []harness.Seen, suffix string) bool {
	for _, s := range seen {
		if s.Method == "GET" && strings.HasSuffix(s.Path, suffix) {
			return true
		}
	}
	return false
}

func paths(seen []harness.Seen) (out []string) {
	for _, s := range seen {
		out = append(out, s.Method+" "+s.Path)
	}
	return out
}

// A client without a key, or with one that may not read the channel, is told so.
func TestInstallRefused(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	admin, elsewhere := g.Key("admin"), g.Key("reader", "--channel", "elsewhere")
	g.Channel("team")
	g.Channel("public", "--visibility", "open")
	g.Publish(admin, "team", condatest.Spec{Name: "app"})
	g.Publish(admin, "public", condatest.Spec{Name: "app"})
	try := func(channel, auth, key string) error {
		_, err := harness.TryPython(t, "conda", "install_packages.py", map[string]any{
			"channel": g.URL + "/" + channel, "specs": []string{"app"}, "prefix": t.TempDir(), "cache": t.TempDir(), "auth": auth, "key": key,
		}, nil)
		return err
	}
	if try("team", "", "") == nil {
		t.Error("a licensed channel was installed from without a key")
	}
	if try("team", "bearer", elsewhere) == nil {
		t.Error("a channel was installed from with the key of another")
	}
	if err := try("public", "", ""); err != nil {
		t.Errorf("an open channel was refused: %v", err)
	}
	if err := try("team", "bearer", admin); err != nil {
		t.Errorf("an admin was refused: %v", err)
	}
}

// rattler-build solves a recipe against the channel, and what it makes goes back
// into it.
func TestBuildRecipe(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	g.Publish(key, "team", condatest.Spec{Name: "dep", Files: map[string]string{"share/dep/a.txt": "from dep"}, RunExports: map[string]any{"noarch": []string{"dep >=1"}}})
	const recipe = `
package:
  name: made
  version: 1.2.3
build:
  noarch: generic
  script:
    - mkdir -p $PREFIX/share/made
    - cp $PREFIX/share/dep/a.txt $PREFIX/share/made/copy.txt
requirements:
  host:
    - dep
`
	var built struct{ Packages []string }
	harness.Python(t, "conda", "build_recipe.py", map[string]any{
		"recipe": recipe, "channel": g.URL + "/team", "auth": "bearer", "key": key, "output": t.TempDir(),
	}, &built)
	if len(built.Packages) != 1 {
		t.Fatalf("rattler-build made %v", built.Packages)
	}
	for range 2 { // the second time the very same bytes are there, which is success
		var up struct{ Error string }
		harness.Python(t, "conda", "upload_packages.py", map[string]any{
			"backend": "prefix", "files": built.Packages, "url": g.URL, "channel": "team", "key": key,
		}, &up)
		if up.Error != "" {
			t.Fatal(up.Error)
		}
	}
	prefix := t.TempDir()
	files := install(t, map[string]any{"channel": g.URL + "/team", "specs": []string{"made"}, "prefix": prefix, "cache": t.TempDir(), "auth": "bearer", "key": key})
	if len(files) != 2 {
		t.Errorf("made was installed as %v: it and dep, by its run_exports, are expected", files)
	}
	if got, _ := os.ReadFile(filepath.Join(prefix, "share/made/copy.txt")); string(got) != "from dep" {
		t.Errorf("the installed copy holds %q", got)
	}
}

// rattler-build prints our sentence when it is refused, and takes "exists already"
// for success when told to.
func TestUploaderPrintsTheReason(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	admin, reader := g.Key("admin"), g.Key("reader")
	g.Channel("team")
	file, _ := g.Publish(admin, "team", condatest.Spec{Name: "app", Files: map[string]string{"a": "1"}})
	_, other := condatest.Build(condatest.Spec{Name: "app", Files: map[string]string{"a": "2"}})
	path := write(t, file, other)
	up := func(key string, more map[string]any) string {
		in := map[string]any{"backend": "prefix", "files": []string{path}, "url": g.URL, "channel": "team", "key": key}
		for k, v := range more {
			in[k] = v
		}
		var out struct{ Error string }
		harness.Python(t, "conda", "upload_packages.py", in, &out)
		return out.Error
	}
	for want, got := range map[string]string{
		"already":    up(admin, nil),
		"permission": up(reader, nil),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the client says %q: something with %q is expected", got, want)
		}
	}
	if got := up(admin, map[string]any{"skip_existing": true}); got != "" {
		t.Errorf("--skip-existing fails with %q", got)
	}
	if got := up(admin, map[string]any{"force": true}); got != "" {
		t.Errorf("--force fails with %q", got)
	}
}

// The metadata of a remote .conda is read by ranges, without its content.
func TestRemoteConda(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	file, data := g.Publish(key, "team", condatest.Spec{Name: "large", License: "MIT", Files: map[string]string{"data": noise(3 << 20)}})
	rec := g.Record(t)
	var out struct {
		Streaming struct {
			Members []string
			Content string
		}
		Rattler struct{ Access, Content string }
	}
	harness.Python(t, "conda", "remote_conda.py", map[string]any{"url": rec.URL + "/team/noarch/" + file, "key": key, "want": "info/index.json"}, &out)
	if !strings.Contains(out.Streaming.Content, `"name": "large"`) || out.Rattler.Content != out.Streaming.Content || out.Rattler.Access != "sparse" {
		t.Errorf("the clients read %+v", out)
	}
	var sent int64
	for _, s := range rec.Seen() {
		sent += s.Bytes
		if s.Method == "GET" && s.Status != 206 {
			t.Errorf("a range was answered %d", s.Status)
		}
	}
	if sent > int64(len(data))/4 {
		t.Errorf("%d of %d bytes were sent to read the metadata twice", sent, len(data))
	}

	// A package that is shorter than the range asked for is sent, not refused.
	short, _ := g.Publish(key, "team", condatest.Spec{Name: "short"})
	harness.Python(t, "conda", "remote_conda.py", map[string]any{"url": g.URL + "/team/noarch/" + short, "key": key, "want": "info/index.json"}, &out)
	if !strings.Contains(out.Streaming.Content, `"name": "short"`) {
		t.Errorf("of a short package the clients read %+v", out)
	}
}
