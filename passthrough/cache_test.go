package passthrough

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
)

// store fetches a wheel of its own project into the cache.
func (e *env) store(name string, size int) (f upstreamtest.File, address string) {
	e.t.Helper()
	f, address = e.wheel(name, "1.0", func(f *upstreamtest.File) {
		f.Content = upstreamtest.WheelWith(name, "1.0", make([]byte, size))
	})
	e.mustFetch(address, f.Content)
	e.settled()
	return f, address
}

// The budget holds: what was used least recently goes first, and a file that is
// being served is served to its end.
func TestEviction(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.CacheBytes = 1 << 20 })
	_, a := e.store("aa", 300<<10)
	fb, b := e.store("bb", 300<<10)
	_, c := e.store("cc", 300<<10)
	if _, err := e.fetch(a); err != nil { // a is used again: b is the oldest
		t.Fatal(err)
	}
	open, err := e.File(ctx, FileRequest{Upstream: "up", Path: b})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{a, c} {
		if _, err := e.fetch(at); err != nil {
			t.Fatal(err)
		}
	}
	e.store("dd", 300<<10)
	if e.files.has("up/"+b) || !e.files.has("up/"+a) {
		t.Errorf("b there: %v, a there: %v", e.files.has("up/"+b), e.files.has("up/"+a))
	}
	if got, err := readAll(open); err != nil || len(got) != len(fb.Content) {
		t.Errorf("file evicted while served: %d bytes, %v", len(got), err)
	}
	if s := e.Stats(); s.CachedBytes > 1<<20 || s.Evicted != 1 || s.CachedFiles != 3 {
		t.Errorf("stats %+v", s)
	}
	e.restart(func(c *Config) { c.CacheBytes = 400 << 10 })
	if s := e.Stats(); s.CachedBytes > 400<<10 || s.CachedFiles != 1 {
		t.Errorf("after a restart with a smaller budget: %+v", s)
	}
}

// The cache may share its folder: what it did not put there it neither removes nor
// stumbles over.
func TestForeignFilesStay(t *testing.T) {
	t.Parallel()
	e := setup(t)
	_, kept := e.store("aa", 1<<10)
	foreign := []string{"tmp/mine.txt", "tmp/folder/mine.txt", "files/README", "files/ab/x", "files/lost+found/x", "files/ab/" + strings.Repeat("g", 64), "mine.txt"}
	for _, name := range foreign {
		path := filepath.Join(e.cfg.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := filepath.Join(e.cfg.Dir, "tmp", "fill-123")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e.restart()
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(e.cfg.Dir, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a download left is still there")
	}
	if !e.files.has("up/" + kept) {
		t.Error("a cached file is forgotten")
	}
}

// A single file larger than the budget is served, and makes room for the next.
func TestFileLargerThanTheBudget(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.CacheBytes = 1 << 10 })
	e.store("aa", 100<<10)
	e.store("bb", 100<<10)
	if s := e.Stats(); s.CachedFiles != 1 {
		t.Errorf("stats %+v", s)
	}
}

// The cache survives a restart, clean or not, without asking upstream again.
func TestCacheSurvivesRestart(t *testing.T) {
	t.Parallel()
	for _, clean := range []bool{true, false} {
		e := setup(t)
		f, at := e.store("lib", 10<<10)
		if clean {
			e.restart()
		} else {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(filepath.Join(e.cfg.Dir, "clean"))
			e.start()
		}
		e.up.Forget()
		for range 2 {
			e.mustFetch(at, f.Content)
		}
		if n := len(e.up.Requests()); n != 0 {
			t.Errorf("clean %v: %d requests", clean, n)
		}
	}
}

// A damaged file in the cache is never served: it is noticed, dropped and fetched
// again.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"flipped bit": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
		"short": func(path string) error { return os.Truncate(path, 100) },
		"empty": func(path string) error { return os.Truncate(path, 0) },
		"gone":  os.Remove,
		"other": func(path string) error { return os.WriteFile(path, []byte("something else"), 0o600) },
	} {
		for _, when := range []string{"running", "stopped", "killed"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				e := setup(t)
				f, at := e.store("lib", 10<<10)
				sum := f.SHA256()
				hurt := func() {
					path := filepath.Join(e.cfg.Dir, "files", sum[:2], sum)
					info, err := os.Stat(path)
					if err != nil {
						t.Fatal(err)
					}
					if err := damage(path); err != nil {
						t.Fatal(err)
					}
					// A power cut does not leave a newer time behind.
					if when == "killed" {
						_ = os.Chtimes(path, info.ModTime(), info.ModTime())
					}
				}
				switch when {
				case "running":
					hurt()
				default:
					if err := e.Close(); err != nil {
						t.Fatal(err)
					}
					if when == "killed" {
						_ = os.Remove(filepath.Join(e.cfg.Dir, "clean"))
					}
					hurt()
					e.start()
				}
				e.mustFetch(at, f.Content)
			})
		}
	}
}

// Damaged pages, metadata and journals cost a request, not an answer.
func TestDamagedPages(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.store("lib", 10<<10)
	if _, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	_ = filepath.WalkDir(e.cfg.Dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "clean" {
			if b, err := os.ReadFile(path); err == nil && len(b) > 0 && d.Name() != f.SHA256() {
				b[len(b)/2] ^= 0x55
				_ = os.WriteFile(path, b, 0o600)
			}
		}
		return nil
	})
	e.start()
	want(t, body(t, e.page("lib"), 0), has("lib-1.0"))
	e.mustFetch(at, f.Content)
	if m, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at}); err != nil || string(m.Bytes) != string(upstreamtest.Metadata("lib", "1.0")) {
		t.Errorf("metadata: %v", err)
	}
}

// The cache may be deleted while it is in use: everything is fetched again, and kept
// again.
func TestCacheIsDeletedWhileRunning(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.store("lib", 10<<10)
	if err := os.RemoveAll(e.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	want(t, body(t, e.page("lib"), 0), has("lib-1.0"))
	e.mustFetch(at, f.Content)
	e.settled()
	e.store("other", 10<<10)
	e.up.Forget()
	e.mustFetch(at, f.Content)
	e.restart()
	e.mustFetch(at, f.Content)
	if n := len(e.up.Requests()); n != 0 {
		t.Errorf("%d requests for files that were fetched after the deletion", n)
	}
}

// An upstream that replaces a file under the same address has the old one dropped.
func TestReplacedFile(t *testing.T) {
	t.Parallel()
	e := setup(t)
	same := func(content string) func(*upstreamtest.File) {
		return func(f *upstreamtest.File) { f.Path, f.Content = "files/"+f.Filename, []byte(content) }
	}
	f, at := e.wheel("lib", "1.0", same("one"))
	e.mustFetch(at, f.Content)
	e.settled()
	f, at = e.wheel("lib", "1.0", same("another"))
	e.clock.add(time.Hour)
	e.page("lib")
	e.mustFetch(at, f.Content)
}

func TestPurge(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.store("lib", 10<<10)
	_, other := e.store("other", 10<<10)
	if n, err := e.Purge("LIB"); n != 1 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
	if e.files.has("up/"+at) || !e.files.has("up/"+other) {
		t.Error("wrong files purged")
	}
	e.up.Forget()
	e.page("lib")
	if r := e.up.Requests(); len(r) != 1 || r[0].Header.Get("If-None-Match") != "" {
		t.Errorf("page after purge: %v", r)
	}
	e.mustFetch(at, f.Content)
}

// The journal stays short however often files come and go.
func TestJournalIsCompacted(t *testing.T) {
	t.Parallel()
	c, err := openFileCache(t.TempDir(), 10<<10)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range 3000 {
		tmp := filepath.Join(dir, "tmp")
		content := fmt.Appendf(nil, "%0100d", i)
		if err := os.WriteFile(tmp, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.add(tmp, &stored{Key: fmt.Sprint("up/", i), SHA256: sumOf(content), Project: "p"}); err != nil {
			t.Fatal(err)
		}
	}
	if files, bytes, _ := c.usage(); files != 102 || bytes != 10200 {
		t.Errorf("%d files, %d bytes", files, bytes)
	}
	if c.journal.lines > 2000 {
		t.Errorf("journal of %d lines", c.journal.lines)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
}
