package blob

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommitMakesABlob(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	data := randomBytes(1, 300_000)
	st := stage(t, s, data)
	if has(t, s, st.SHA256) {
		t.Error("visible before Commit")
	}
	if err := errors.Join(st.Commit(), st.Commit()); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(st.File(), 0, st.Size)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the staged file after Commit: %v", err)
	}
	if err := errors.Join(st.Cancel(), st.Cancel()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(contents(t, s, st.SHA256), data) || temporary(t, s) != 0 {
		t.Error("the blob differs, or a temporary file is left")
	}
	name := hex.EncodeToString(st.SHA256[:])
	for path, want := range map[string]os.FileMode{name[:2] + "/" + name[2:]: 0o600, name[:2]: 0o700 | os.ModeDir, ".": 0o700 | os.ModeDir, tmpDir: 0o700 | os.ModeDir} {
		if fi, err := os.Stat(filepath.Join(s.dir, path)); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, fi.Mode(), err, want)
		}
	}
}

func TestCancelledIsNeverCommitted(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	st := stage(t, s, []byte("x"))
	if err := errors.Join(st.Cancel(), st.Cancel()); err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(); !errors.Is(err, ErrDone) || has(t, s, st.SHA256) || temporary(t, s) != 0 {
		t.Errorf("commit after cancel: %v", err)
	}
}

func TestCommitKeepsBytesThatAreThere(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	data := randomBytes(2, 3*chunkSize)
	sha := put(t, s, data)
	before, err := os.Stat(s.path(sha))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, data)
	if after, err := os.Stat(s.path(sha)); err != nil || !os.SameFile(before, after) || temporary(t, s) != 0 {
		t.Errorf("the file was replaced: %v", err)
	}
}

func TestCommitHealsADamagedBlob(t *testing.T) {
	t.Parallel()
	data := randomBytes(3, 2*chunkSize+5)
	flipped := bytes.Clone(data)
	flipped[2*chunkSize+1] ^= 1
	for name, damaged := range map[string][]byte{"shorter": data[:100], "empty": nil, "longer": append(bytes.Clone(data), 0), "one bit": flipped} {
		s := open(t, Options{})
		sha := put(t, s, data)
		if err := os.WriteFile(s.path(sha), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(ctx, sha); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		put(t, s, data)
		if err := s.Verify(ctx, sha); err != nil || temporary(t, s) != 0 {
			t.Errorf("%s: after storing it again: %v", name, err)
		}
	}
}

func TestConcurrentCommitsOfTheSameBytes(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	data := randomBytes(4, 70_000)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			st, err := s.Stage(ctx, bytes.NewReader(data), StageOptions{})
			if err == nil {
				err = errors.Join(st.Commit(), st.Cancel())
			}
			if err == nil {
				err = s.Verify(ctx, st.SHA256)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	n := 0
	if err := s.Each(ctx, func(Info) error { n++; return nil }); err != nil || n != 1 || temporary(t, s) != 0 {
		t.Errorf("%d blobs, %d temporary files, %v", n, temporary(t, s), err)
	}
}

func TestCommitMakesAFolderAgain(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	sha := put(t, s, []byte("a"))
	if err := os.RemoveAll(filepath.Dir(s.path(sha))); err != nil {
		t.Fatal(err)
	}
	put(t, s, []byte("a"))
	if err := s.Verify(ctx, sha); err != nil {
		t.Error(err)
	}
}

// What is synced when decides what a power cut leaves.
func TestOrderOfSyncs(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	var got []string
	var sha [32]byte
	s.sync = func(f *os.File) error {
		rel, _ := filepath.Rel(s.dir, f.Name())
		switch {
		case filepath.Dir(rel) == tmpDir:
			rel = "temporary"
		case f.Name() == filepath.Dir(s.path(sha)):
			rel = "leaf"
		case f.Name() == s.path(sha):
			rel = "blob"
		}
		named := "unnamed"
		if has(t, s, sha) {
			named = "named"
		}
		got = append(got, rel+", "+named)
		return f.Sync()
	}
	commit := func(data []byte) []string {
		got = nil
		st := stage(t, s, data)
		sha = st.SHA256
		if err := st.Commit(); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if d := cmp.Diff([]string{"temporary, unnamed", "leaf, named", "., named"}, commit([]byte("first"))); d != "" {
		t.Errorf("first of its folder: %s", d)
	}
	if d := cmp.Diff([]string{"temporary, unnamed", "leaf, named"}, commit(inLeaf(sha, 1)[0])); d != "" {
		t.Errorf("second of its folder: %s", d)
	}
	// What is there already may be another commit's, and not durable yet.
	if d := cmp.Diff([]string{"temporary, named", "blob, named", "leaf, named"}, commit([]byte("first"))); d != "" {
		t.Errorf("there already: %s", d)
	}
}

func TestFailedSyncIsNeverAcknowledged(t *testing.T) {
	t.Parallel()
	isTemporary := func(s *Store, f *os.File) bool { return filepath.Dir(f.Name()) == filepath.Join(s.dir, tmpDir) }
	for name, breaks := range map[string]func(*Store, *os.File) bool{
		"of the file":         isTemporary,
		"of its folder":       func(s *Store, f *os.File) bool { return !isTemporary(s, f) && f.Name() != s.dir },
		"of the store folder": func(s *Store, f *os.File) bool { return f.Name() == s.dir },
	} {
		s := open(t, Options{})
		old := put(t, s, []byte("old"))
		waiting := stage(t, s, []byte("waiting"))
		st := stage(t, s, []byte("new"))
		failures := 0
		s.sync = func(f *os.File) error {
			if failures == 0 && breaks(s, f) {
				failures++
				return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
			}
			return f.Sync() // the kernel has told: it says that all is well from here
		}
		if err := st.Commit(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: commit: %v", name, err)
		}
		if has(t, s, st.SHA256) {
			t.Errorf("%s: the blob is there", name)
		}
		_, stageErr := s.Stage(ctx, bytes.NewReader(nil), StageOptions{})
		batch := s.NewBatch()
		batch.Add(waiting)
		if err := st.Commit(); err == nil {
			t.Errorf("%s: a second commit succeeded", name)
		}
		for op, err := range map[string]error{"stage": stageErr, "commit": waiting.Commit(), "batch": batch.Commit(), "remove": s.Remove(old), "failed": s.Failed()} {
			if !errors.Is(err, ErrFailed) {
				t.Errorf("%s: %s: %v", name, op, err)
			}
		}
		if err := errors.Join(st.Cancel(), waiting.Cancel()); err != nil || temporary(t, s) != 0 {
			t.Errorf("%s: %d temporary files, %v", name, temporary(t, s), err)
		}
		if string(contents(t, s, old)) != "old" {
			t.Errorf("%s: reads must go on", name)
		}
	}
}

// The kernel tells a failure to one caller: another that ran meanwhile must not be
// acknowledged because its own sync said yes.
func TestFailureOfAnotherSyncIsNeverAcknowledged(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	st := stage(t, s, []byte("new"))
	s.sync = func(f *os.File) error {
		if f.Name() == s.dir {
			_ = s.fail(syscall.EIO)
		}
		return f.Sync()
	}
	if err := st.Commit(); !errors.Is(err, ErrFailed) {
		t.Errorf("commit: %v", err)
	}
}

// A disk that is full when the bytes reach it (NFS, thin volumes) costs this file only.
func TestFullDiskAtSync(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	st := stage(t, s, []byte("new"))
	s.sync = func(*os.File) error { return syscall.EDQUOT }
	if err := st.Commit(); !errors.Is(err, ErrFull) || errors.Is(err, ErrFailed) {
		t.Errorf("commit: %v", err)
	}
	s.sync = (*os.File).Sync
	if err := st.Commit(); !errors.Is(err, ErrDone) || temporary(t, s) != 0 {
		t.Errorf("a second try with the same file: %v", err)
	}
	put(t, s, []byte("new"))
}
