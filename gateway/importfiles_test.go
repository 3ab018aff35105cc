package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fairwayhq/fairway/conda/condatest"
)

// A folder that has grown for years holds more than packages. Whatever it is, what can
// be published is, and the rest is named: nothing ends the import or makes it wait.
func TestImportOfAFolderWithOtherThingsInIt(t *testing.T) {
	t.Parallel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, elsewhere := t.TempDir(), t.TempDir()
	add := func(path string, s condatest.Spec) {
		_, data := condatest.Build(s)
		must(os.WriteFile(path, data, 0o600))
	}
	noarch := filepath.Join(dir, "noarch")
	must(os.Mkdir(noarch, 0o700))
	add(filepath.Join(noarch, "a-1.0-0.conda"), pkg("a", "1.0"))
	add(filepath.Join(elsewhere, "stored"), pkg("linked", "1.0"))
	must(os.Symlink(filepath.Join(elsewhere, "stored"), filepath.Join(noarch, "linked-1.0-0.conda")))
	must(os.Symlink(elsewhere, filepath.Join(noarch, "folder-1.0-0.conda")))
	must(os.Symlink(filepath.Join(elsewhere, "nothing"), filepath.Join(noarch, "dangling-1.0-0.conda")))
	must(os.Symlink("loop-1.0-0.conda", filepath.Join(noarch, "loop-1.0-0.conda")))
	must(syscall.Mkfifo(filepath.Join(noarch, "pipe-1.0-0.conda"), 0o600))
	must(os.Mkdir(filepath.Join(noarch, "unpacked-1.0-0.conda"), 0o700)) // no package, and none is meant
	native := filepath.Join(elsewhere, "native")
	must(os.Mkdir(native, 0o700))
	s := pkg("b", "1.0")
	s.Subdir = "linux-64"
	add(filepath.Join(native, "b-1.0-0.conda"), s)
	must(os.Symlink(native, filepath.Join(dir, "linux-64")))
	must(os.Symlink(filepath.Join(elsewhere, "nothing"), filepath.Join(dir, "osx-64")))
	must(os.WriteFile(filepath.Join(dir, "win-64"), nil, 0o600))
	want := map[string]string{
		"folder-1.0-0.conda": "is no file", "dangling-1.0-0.conda": "no such file", "loop-1.0-0.conda": "cannot be read", "pipe-1.0-0.conda": "is no file",
	}
	if _, err := os.Stat("/proc/self/mem"); err == nil { // a file that fails when it is read
		must(os.Symlink("/proc/self/mem", filepath.Join(noarch, "broken-1.0-0.conda")))
		want["broken-1.0-0.conda"] = "cannot be read"
	}

	g := open(t, Config{})
	channel(t, g, "main")
	p, err := g.Import(ctx, local, dir, "main", func(ImportProgress) {})
	must(err)
	if p.Published != 3 {
		t.Errorf("%d packages are published: a, linked and b are expected", p.Published)
	}
	for _, r := range p.Refused {
		name := strings.TrimPrefix(r.File, "noarch/")
		if part := want[name]; part == "" || !strings.Contains(r.Reason, part) {
			t.Errorf("%s: %s, expected to say %q", r.File, r.Reason, part)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("nothing is said of %v", want)
	}
}
