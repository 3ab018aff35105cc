package tests

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// With warm caches pip and uv see a new version as soon as it is published, and an
// unchanged page costs a 304.
func TestPythonClientCaches(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	up.Add("theirs", wheelFile("theirs", "1.0"))
	g := behind(t, up, "")
	key := g.Key("developer")
	g.PublishPython(key, pythontest.Spec{Name: "app", Version: "1.0", RequiresDist: []string{"theirs"}})
	version := "1.0"
	for name, resolve := range map[string]func(s *harness.Sandbox, index string) string{
		"pip": func(s *harness.Sandbox, index string) string {
			return s.Run("python", "pip", "install", "--dry-run", "--ignore-installed", "--trusted-host", "127.0.0.1", "--index-url", index, "app")
		},
		"uv": func(s *harness.Sandbox, index string) string {
			s.Write("in.txt", []byte("app\n"))
			return s.Run("python", "uv", "pip", "compile", "--python", s.Interpreter("python"), "--default-index", index, "in.txt")
		},
	} {
		rec, s := g.Record(t), harness.NewSandbox(t)
		index := withUser(rec.URL, "__token__", key, "/pypi/simple/")
		resolve(s, index)
		rec.Seen()
		resolve(s, index)
		seen := rec.Seen()
		for _, r := range seen {
			switch {
			case strings.HasSuffix(r.Path, "/simple/app/") && r.Status != 304:
				t.Errorf("%s: the unchanged page was answered %d with %d bytes: 304 is expected", name, r.Status, r.Bytes)
			case strings.Contains(r.Path, "/files/"):
				t.Errorf("%s: %s, which never changes, was asked for again (%d)", name, r.Path, r.Status)
			}
		}
		if !asked(seen, "/simple/app/") {
			t.Errorf("%s: an own page was taken from the cache unasked", name)
		}
		version += ".1" // than which pip and uv know no older
		g.PublishPython(key, pythontest.Spec{Name: "app", Version: version, RequiresDist: []string{"theirs"}})
		if out := resolve(s, index); !strings.Contains(out, version) {
			t.Errorf("%s does not see %s, which was published just before:\n%s", name, version, out)
		}
	}
	if n := up.Count("/simple/theirs/"); n != 1 {
		t.Errorf("the upstream was asked for the page of theirs %d times: once is expected", n)
	}
}

// A lock file made through the gateway has the hashes of one made from the
// upstream directly, installs with them, and maps back to the upstream's URLs by
// rule.
func TestPythonLockFiles(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	up.Add("app", wheelFile("app", "1.0", "lib>=1", "tool"), wheelFile("app", "0.9"))
	up.Add("lib", wheelFile("lib", "1.0"), wheelFile("lib", "1.1"), upstreamtest.File{Filename: "lib-1.1.tar.gz", Content: upstreamtest.Sdist("lib", "1.1"), UploadTime: time.Now().AddDate(0, 0, -9)})
	tool := wheelFile("tool", "3.0")
	tool.Metadata = nil // the gateway makes it out of the wheel
	up.Add("tool", tool)
	g := behind(t, up, "")
	key := g.Key("executor")
	direct, through := up.Simple(), withUser(g.URL, "__token__", key, "/pypi/simple/")

	locks := map[string]string{}
	for name, index := range map[string]string{"direct": direct, "through": through} {
		s := harness.NewSandbox(t)
		s.Write("in.txt", []byte("app\n"))
		s.Run("python", "uv", "pip", "compile", "--python", s.Interpreter("python"), "--no-header", "--generate-hashes", "--default-index", index, "-o", "lock.txt", "in.txt")
		locks[name] = s.Read("lock.txt")
		s.Run("python", "pip", "install", "--require-hashes", "--target", "out", "--index-url", index, "-r", "lock.txt")
		s.Run("python", "uv", "pip", "install", "--require-hashes", "--target", "out2", "--python", s.Interpreter("python"), "--default-index", index, "-r", "lock.txt")
		s.Run("python", "uv", "pip", "compile", "--python", s.Interpreter("python"), "--no-header", "--format", "pylock.toml", "--default-index", index, "-o", "pylock.toml", "in.txt")
		locks[name+" pylock"] = s.Read("pylock.toml")
		for _, out := range []string{"out", "out2"} {
			installed(t, s.Dir+"/"+out, map[string]string{"app": "1.0", "lib": "1.1", "tool": "3.0"})
		}
	}
	if locks["direct"] != locks["through"] || !strings.Contains(locks["through"], "--hash=sha256:") {
		t.Errorf("directly the lock file is\n%s\nthrough the gateway\n%s", locks["direct"], locks["through"])
	}
	if strings.Contains(locks["through pylock"], key) {
		t.Error("pylock.toml holds a key")
	}
	// The rule: <gateway>/pypi/files/<upstream>/<path> is <upstream's host>/<path>.
	mapped := strings.ReplaceAll(locks["through pylock"], g.URL+"/pypi/files/pypi/", up.HTTP.URL+"/")
	mapped = strings.ReplaceAll(mapped, g.URL+"/pypi/simple", up.HTTP.URL+"/simple")
	trim := func(s string) string { return regexp.MustCompile(`(?m)^(#|created-by).*\n`).ReplaceAllString(s, "") }
	if trim(mapped) != trim(locks["direct pylock"]) {
		t.Errorf("pylock.toml through the gateway, mapped back, is\n%s\ndirectly\n%s", mapped, locks["direct pylock"])
	}

	// A lock file outlives its files' disappearance from the page.
	wheel := wheelFile("lib", "1.1")
	at := fileURL(up, "lib", wheel.Filename)
	up.Remove("lib")
	if r := g.Expect(t, 200, harness.Request{Path: at, Key: key}); !bytes.Equal(r.Body, wheel.Content) {
		t.Error("a file that was cached is served with other bytes after it disappeared upstream")
	}
}
