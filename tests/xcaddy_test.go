package tests

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// What xcaddy builds from xcaddy.json is a Caddy that has our modules and serves.
func TestXcaddy(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "caddy")
	build := exec.Command(filepath.Join(harness.Root(t), "tests", "xcaddy.sh"), binary)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("xcaddy: %v\n%s", err, out)
	}
	out, err := exec.Command(binary, "list-modules").CombinedOutput()
	must(t, err)
	modules := strings.Fields(string(out))
	for _, want := range []string{
		"fairway", "http.handlers.fairway", "http.handlers.fairway_conda", "http.handlers.fairway_pypi", "http.handlers.fairway_api",
		"http.handlers.fairway_dashboard", "http.handlers.fairway_auth", "http.authentication.providers.fairway", "caddy.logging.encoders.fairway",
	} {
		if !slices.Contains(modules, want) {
			t.Errorf("the binary has no module %s", want)
		}
	}
	g := harness.Start(t, harness.Options{Binary: binary})
	key := g.Key("admin")
	g.Channel("team")
	file, _ := g.Publish(key, "team", condatest.Spec{Name: "app"})
	listed(t, g.Subdir(key, "team", "noarch"), file)
}
