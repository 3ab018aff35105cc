package gateway

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/fairwayhq/fairway/catalog"
)

// A folder that was in use is not begun anew: it would know none of the names that
// must never be asked of an upstream.
func TestCatalogThatWentMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := open(t, Config{Dir: dir})
	channel(t, g, "main")
	running, err := os.ReadFile(filepath.Join(dir, "catalog.db")) // all of it is in the -wal file yet
	must(t, err)
	must(t, g.Close())
	path := filepath.Join(dir, "catalog.db")
	whole, err := os.ReadFile(path)
	must(t, err)
	for what, content := range map[string][]byte{"removed": nil, "cut to no length": {}, "without its -wal file": running} {
		must(t, os.Remove(path))
		if content != nil {
			must(t, os.WriteFile(path, content, 0o600))
		}
		if other, err := Open(ctx, Config{Dir: dir}); !errors.Is(err, catalog.ErrMissing) {
			t.Errorf("%s: %v", what, err)
			if err == nil {
				_ = other.Close()
			}
		}
		if _, err := os.Stat(path); content == nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it was made anew: %v", what, err)
		}
		must(t, os.WriteFile(path, whole, 0o600))
	}
	g = open(t, Config{Dir: dir})
	if _, err := g.Channel(local, "main"); err != nil {
		t.Errorf("restored: %v", err)
	}
}
