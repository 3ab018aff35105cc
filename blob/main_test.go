package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

var ctx = context.Background()

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperEnv); mode != "" {
		helper(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

// open opens a store of its own for a test.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "blobs"), o)
}

func openAt(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// stage stages bytes, which must succeed.
func stage(t testing.TB, s *Store, data []byte) *Staged {
	t.Helper()
	st, err := s.Stage(ctx, bytes.NewReader(data), StageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Cancel() })
	return st
}

// put makes a blob.
func put(t testing.TB, s *Store, data []byte) [32]byte {
	t.Helper()
	st := stage(t, s, data)
	if err := st.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := st.Cancel(); err != nil {
		t.Fatal(err)
	}
	return st.SHA256
}

// randomBytes are the same for the same seed.
func randomBytes(seed uint64, n int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// inLeaf is n pieces of bytes whose blobs are in the folder of sha's.
func inLeaf(sha [32]byte, n int) (all [][]byte) {
	for i := uint64(1 << 32); len(all) < n; i++ {
		if b := randomBytes(i, 20); sha256.Sum256(b)[0] == sha[0] {
			all = append(all, b)
		}
	}
	return all
}

func temporary(t testing.TB, s *Store) int {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(s.dir, tmpDir))
	if err != nil {
		t.Fatal(err)
	}
	return len(left)
}

func has(t testing.TB, s *Store, sha [32]byte) bool {
	t.Helper()
	ok, err := s.Has(sha)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func contents(t testing.TB, s *Store, sha [32]byte) []byte {
	t.Helper()
	f, size, err := s.Open(sha)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil || int64(len(b)) != size {
		t.Fatalf("read %d of %d bytes: %v", len(b), size, err)
	}
	return b
}
