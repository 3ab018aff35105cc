package catalog

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperEnv); mode != "" {
		helper(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

// open opens a catalog of its own for a test.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "catalog.db"), o)
}

func openAt(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// update runs an audited mutation that must succeed.
func update(t testing.TB, s *Store, fn func(tx *Tx) error) int64 {
	t.Helper()
	rev, err := tryUpdate(s, fn)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func tryUpdate(s *Store, fn func(tx *Tx) error) (int64, error) {
	return s.Update(ctx, Actor{KeyID: "k1", Name: "tester", Address: "192.0.2.1", RequestID: "r1"}, func(tx *Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Audit("test.do", "test", "target", nil, map[string]int{"n": 1})
	})
}

// newChannel makes a channel and returns its id.
func newChannel(t testing.TB, s *Store, name string) int64 {
	t.Helper()
	c := &Channel{Name: name, Visibility: "licensed"}
	update(t, s, func(tx *Tx) error { return tx.InsertChannel(c) })
	return c.ID
}

// pkg makes a package whose bytes depend on content.
func pkg(channelID int64, subdir, name, version, content string) *Package {
	filename := fmt.Sprintf("%s-%s-0.conda", name, version)
	sha := sha256.Sum256([]byte(filename + content))
	return &Package{
		ChannelID: channelID, Subdir: subdir, Filename: filename, Name: name, Version: version, Build: "0",
		SHA256: sha, MD5: md5.Sum([]byte(content)), Size: int64(len(content)) + 1000,
		Record:     json.RawMessage(fmt.Sprintf(`{"name":%q,"sha256":"%x","version":%q}`, name, sha, version)),
		RunExports: json.RawMessage(`{}`), About: json.RawMessage(`{"summary":"é"}`), Index: json.RawMessage(`{"name": "x"}`),
		IndexedAt: 1000, UploadedAt: 1001, UploadedBy: "tester",
	}
}

// clock is a settable time.
type clock struct{ ms int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.ms) }
