package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequirementsFile(t *testing.T) {
	t.Parallel()
	got, err := requirements(strings.NewReader(`# a comment
-r other.txt
--index-url https://example.com/simple/
numpy>=2,<3   # why
Requests[socks] ; python_version > "3.8"
flask==3.0.0 \
    --hash=sha256:abc \
    --hash=sha256:def

`))
	want := []prefetchItem{
		{Name: "numpy", Specifiers: ">=2,<3"}, {Name: "Requests"}, {Name: "flask", Specifiers: "==3.0.0"},
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"a b c", "pkg @ https://example.com/pkg.whl", "x>>1"} {
		if got, err := requirements(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: %v: a refusal is expected", bad, got)
		}
	}
}

func TestLockFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pylock.toml")
	lock := []byte(`lock-version = "1.0"
created-by = "test"
[[packages]]
name = "attrs"
version = "25.1.0"
sdist = { name = "attrs-25.1.0.tar.gz", url = "https://h/x/attrs-25.1.0.tar.gz", hashes = {sha256 = "00"} }
wheels = [{ url = "https://h/x/attrs-25.1.0-py3-none-any.whl#sha256=00", hashes = {sha256 = "00"} }]
[[packages]]
name = "local"
directory = { path = "." }
`)
	if err := os.WriteFile(path, lock, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readWanted(path)
	want := []prefetchItem{
		{Name: "attrs", Filename: "attrs-25.1.0-py3-none-any.whl"}, {Name: "attrs", Filename: "attrs-25.1.0.tar.gz"},
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", `lock-version = "2.0"`, "=="} {
		if got, err := pylock(strings.NewReader(bad)); err == nil {
			t.Errorf("%q: %v: a refusal is expected", bad, got)
		}
	}
}
