package blob

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	_, _, err := s.Open([32]byte{1})
	for name, err := range map[string]error{"open": err, "remove": s.Remove([32]byte{1}), "verify": s.Verify(ctx, [32]byte{1})} {
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "0100000000") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if has(t, s, [32]byte{1}) {
		t.Error("has")
	}
}

func TestRemovedBlobStaysReadableWhereItIsOpen(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	sha := put(t, s, []byte("data"))
	f, size, err := s.Open(sha)
	if err != nil || size != 4 {
		t.Fatal(size, err)
	}
	defer f.Close()
	if err := s.Remove(sha); err != nil || has(t, s, sha) {
		t.Errorf("remove: %v", err)
	}
	if b, err := io.ReadAll(f); err != nil || string(b) != "data" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestVerifySaysWhatDiffers(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	data := randomBytes(1, 2*chunkSize)
	sha := put(t, s, data)
	if err := s.Verify(ctx, sha); err != nil {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Verify(cancelled, sha); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := os.Truncate(s.path(sha), 100); err != nil {
		t.Fatal(err)
	}
	err := s.Verify(ctx, sha)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "has 100 bytes whose SHA-256 is ") || !strings.Contains(err.Error(), hex.EncodeToString(sha[:])) {
		t.Errorf("truncated: %v", err)
	}
}

func TestEachIsOrderedAndIgnoresStrangers(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	var want [][32]byte
	for i := range 60 {
		want = append(want, put(t, s, randomBytes(uint64(i), i)))
	}
	slices.SortFunc(want, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	leaf := filepath.Dir(s.path(want[0]))
	for _, stranger := range []string{"README", strings.Repeat("A", 62), strings.Repeat("g", 62), strings.Repeat("a", 61), strings.Repeat("a", 63)} {
		for _, dir := range []string{leaf, s.dir} {
			if err := os.WriteFile(filepath.Join(dir, stranger), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Mkdir(filepath.Join(leaf, strings.Repeat("b", 62)), 0o700); err != nil {
		t.Fatal(err)
	}
	stage(t, s, []byte("staged only"))
	var got [][32]byte
	err := s.Each(ctx, func(i Info) error {
		if i.ModTime.IsZero() || i.Size > 60 {
			t.Errorf("%+v", i)
		}
		got = append(got, i.SHA256)
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d blobs, want %d in order: %v", len(got), len(want), err)
	}
}

func TestEachBearsChanges(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	first := put(t, s, []byte("x"))
	for _, b := range inLeaf(first, 20) {
		put(t, s, b)
	}
	seen := 0
	err := s.Each(ctx, func(i Info) error {
		if seen++; seen == 1 { // everything after it goes while it is being listed
			return os.RemoveAll(filepath.Dir(s.path(i.SHA256)))
		}
		return nil
	})
	if err != nil || seen != 1 {
		t.Errorf("%d blobs seen, %v", seen, err)
	}
}

func TestEachEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	for i := range 5 {
		put(t, s, randomBytes(uint64(i), 10))
	}
	seen := 0
	if err := s.Each(ctx, func(Info) error { seen++; return errSource }); err != errSource || seen != 1 {
		t.Errorf("%d seen, %v", seen, err)
	}
	cancelled, cancel := context.WithCancelCause(ctx)
	cancel(errSource)
	if err := s.Each(cancelled, func(Info) error { return nil }); err != errSource {
		t.Errorf("cancelled: %v", err)
	}
}

func TestOpenSweepsTemporaryFilesOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "er", "blobs")
	s := openAt(t, dir, Options{})
	sha := put(t, s, []byte("kept"))
	stage(t, s, []byte("left behind"))
	if err := os.MkdirAll(filepath.Join(dir, tmpDir, "folder", "in it"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "README"), []byte("an operator's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Options{})
	if n := temporary(t, s); n != 0 {
		t.Errorf("%d temporary files", n)
	}
	if _, err := os.Stat(filepath.Join(dir, "README")); err != nil {
		t.Error(err)
	}
	if err := s.Verify(ctx, sha); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesAFileInItsPlace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "blobs")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil {
		t.Error("a file was taken for a folder")
	}
}
