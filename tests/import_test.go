package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// An existing channel folder is published whole, what is wrong with it is said,
// and doing it again does nothing.
func TestImport(t *testing.T) {
	t.Parallel()
	const good = 300
	dir := t.TempDir()
	for i := range good {
		s := condatest.Spec{Name: "p" + strconv.Itoa(i%40), Version: strconv.Itoa(i), TarBz2: i%4 == 0}
		if i%3 == 0 {
			s.Subdir = "linux-64"
		}
		addTo(t, dir, s)
	}
	bad := map[string][]byte{
		"noarch/junk-1.0-0.conda":    []byte("junk"),
		"noarch/empty-1.0-0.tar.bz2": nil,
		"noarch/NoName.conda":        []byte("x"),
	}
	_, renamed := condatest.Build(condatest.Spec{Name: "honest"})
	bad["noarch/renamed-1.0-0.conda"] = renamed
	bad["linux-64/honest-1.0-0.conda"] = renamed // of noarch, in another folder
	for path, data := range bad {
		must(t, os.WriteFile(filepath.Join(dir, path), data, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, "noarch", "repodata.json"), []byte("{}"), 0o600))

	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	if _, errs, code := g.CLI("import", dir, "--channel", "team"); code != 1 || !strings.Contains(errs, "team") {
		t.Errorf("importing into no channel: exit status %d, %q", code, errs)
	}
	g.Channel("team")
	_, errs, code := g.CLI("import", dir, "--channel", "team")
	if code != 1 {
		t.Errorf("an import with refusals: exit status %d", code)
	}
	for path := range bad {
		if !strings.Contains(errs, path+": ") {
			t.Errorf("the import does not say why %s was refused:\n%s", path, errs)
		}
	}
	records := g.Subdir(key, "team", "noarch").View(t)
	native := g.Subdir(key, "team", "linux-64").View(t)
	if len(records)+len(native) != good {
		t.Errorf("%d and %d packages are listed: %d are expected", len(records), len(native), good)
	}
	for file, rec := range native {
		if r := g.Get("/team/linux-64/"+file, key); r.Status != 200 || sha(r.Body) != rec["sha256"] {
			t.Fatalf("%s: %d", file, r.Status)
		}
	}

	out, _, _ := g.CLI("import", dir, "--channel", "team", "--json")
	var again struct{ Total, Published, Present int }
	if err := json.Unmarshal([]byte(out), &again); err != nil || again.Published != 0 || again.Present != good || again.Total != good+len(bad) {
		t.Errorf("the second import says %s", out)
	}
	g.Restart()
	if got := g.Subdir(key, "team", "noarch").View(t); len(got) != len(records) {
		t.Errorf("after a restart %d packages are listed", len(got))
	}
}
