package blob

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Names of the points at which [Options.Crash] is called.
const (
	CrashStaged        = "blob: staged"
	CrashAfterFileSync = "blob: after file sync"
	CrashAfterRename   = "blob: after rename"
	CrashAfterDirSync  = "blob: after dir sync"
)

// tmpDir holds files being written, on the filesystem of the blobs.
const tmpDir = "tmp"

// Options are settings of a [Store]. Their zero value is the default.
type Options struct {
	// MaxSize is how many bytes a blob has at most, 0 for any number.
	MaxSize int64
	// Crash is called at the points named Crash…, for tests that end the process
	// there. It is nil otherwise.
	Crash func(point string)
}

// Store is an open blob store. It is safe for concurrent use.
type Store struct {
	dir   string
	opts  Options
	root  *os.File // dir, open: syncfs on it tells of every failure since it was opened
	leafs [256]leaf

	failed  atomic.Pointer[error]
	syncing sync.Mutex // of what leafs share: dir, the filesystem

	// What tests make fail.
	sync   func(*os.File) error
	syncFS func(*os.File) error
}

// leaf is one of the folders 00 to ff.
type leaf struct {
	mu      sync.Mutex
	durable bool // its own entry in the store's folder was synced
}

// Open opens the store in dir, or makes it there, and removes what earlier
// processes left half written; that takes as long as there is of it, however many
// blobs there are. The caller sees to it that nobody else has it open, with
// [LockDir], and calls [Store.Close].
func Open(dir string, o Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening blob store: %w", err)
	}
	if o.Crash == nil {
		o.Crash = func(string) {}
	}
	if err := makeDir(filepath.Join(dir, tmpDir)); err != nil {
		return nil, writing("opening blob store", err)
	}
	s := &Store{dir: dir, opts: o, sync: (*os.File).Sync, syncFS: syncFS}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("opening blob store: %w", err)
	}
	if s.root, err = os.Open(dir); err != nil {
		return nil, fmt.Errorf("opening blob store: %w", err)
	}
	return s, nil
}

// Close gives the store up. Files that are open stay readable; what is staged can
// only be cancelled.
func (s *Store) Close() error {
	err := fmt.Errorf("the blob store in %q: %w", s.dir, os.ErrClosed)
	s.failed.CompareAndSwap(nil, &err)
	if err := s.root.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("closing blob store: %w", err)
	}
	return nil
}

// sweep removes every temporary file.
func (s *Store) sweep() error {
	left, err := os.ReadDir(filepath.Join(s.dir, tmpDir))
	if err != nil {
		return err
	}
	for _, e := range left {
		if err := os.RemoveAll(filepath.Join(s.dir, tmpDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Failed is nil, or an [ErrFailed] that says why nothing can be written; after
// Close it is an [os.ErrClosed].
func (s *Store) Failed() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// fail refuses every write from now on.
func (s *Store) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	s.failed.CompareAndSwap(nil, &err)
	return err
}

// path is where a blob is.
func (s *Store) path(sha [32]byte) string {
	name := hex.EncodeToString(sha[:])
	return filepath.Join(s.dir, name[:2], name[2:])
}

func (s *Store) leaf(sha [32]byte) *leaf { return &s.leafs[sha[0]] }

// makeLeaf makes the folder of a blob where it is missing. The caller holds its
// lock.
func (s *Store) makeLeaf(sha [32]byte) error {
	err := os.Mkdir(filepath.Dir(s.path(sha)), 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return writing("making folder of blob", err)
	}
	s.leaf(sha).durable = false
	return nil
}

// syncLeaf makes the entries of a blob's folder durable, and once the folder's own
// entry. The caller holds its lock.
func (s *Store) syncLeaf(sha [32]byte) error {
	if err := s.syncDir(filepath.Dir(s.path(sha))); err != nil {
		return err
	}
	l := s.leaf(sha)
	if l.durable {
		return nil
	}
	// The kernel tells a failure once: it is noted before the next one may ask.
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if err := s.syncDir(s.dir); err != nil {
		return err
	}
	l.durable = true
	return nil
}

// lookAndRename is renameNew for who holds the lock of the new name's folder.
func lookAndRename(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return os.ErrExist
	}
	return os.Rename(from, to)
}

func (s *Store) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := s.sync(d); err != nil {
		return s.fail(fmt.Errorf("syncing folder of blobs: %w", err))
	}
	return nil
}

// makeDir makes dir with every missing parent, each durable in its own parent.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, os.ErrExist):
		fi, err := os.Stat(dir)
		if err == nil && !fi.IsDir() {
			err = fmt.Errorf("%q is not a folder", dir)
		}
		return err
	case errors.Is(err, os.ErrNotExist) && filepath.Dir(dir) != dir:
		if err := makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		return makeDir(dir)
	case err != nil:
		return err
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Sync()
}
