package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
)

// Staged is a stream on the disk, hashed, that is no blob yet. It is for one
// goroutine at a time. [Staged.Cancel] ends it, committed or not.
type Staged struct {
	Size    int64 // bytes
	SHA256  [32]byte
	MD5     [16]byte
	Blake2b [32]byte // BLAKE2b-256; zero unless asked for

	store     *Store
	file      *os.File
	name      string // of the temporary file; "" once it is renamed or removed
	committed bool
	cancel    sync.Once
}

// File is the staged bytes, for reading at any offset. It stays open, also after
// Commit, until Cancel.
func (st *Staged) File() *os.File { return st.file }

// Cancel closes the file and removes what was not committed. It may be called
// again, and after [Staged.Commit] it leaves the blob alone: defer it.
func (st *Staged) Cancel() (err error) {
	st.cancel.Do(func() {
		err = st.file.Close()
		if st.name != "" {
			err = errors.Join(err, os.Remove(st.name))
			st.name = ""
		}
		if err != nil {
			err = fmt.Errorf("removing temporary file: %w", err)
		}
	})
	return err
}

// Commit makes the staged bytes a blob: when it returns nil, a power cut cannot
// take it back. Bytes that are stored already are kept, unless they turn out to be
// damaged. Calling it again changes nothing.
//
// When a sync fails nobody knows what reached the disk, and a second sync may lie:
// the bytes are dropped and the store is [ErrFailed]. A disk that turns out to be
// full is [ErrFull] and no such failure; nothing is stored then.
func (st *Staged) Commit() error {
	s := st.store
	switch {
	case st.committed:
		return nil
	case st.name == "":
		return ErrDone
	}
	if err := s.Failed(); err != nil {
		return err
	}
	if err := s.sync(st.file); err != nil {
		_ = st.Cancel()
		if err = writing("syncing temporary file", err); errors.Is(err, ErrFull) {
			return err // what was lost was this file's, and nobody's else
		}
		return s.fail(err)
	}
	s.opts.Crash(CrashAfterFileSync)

	l := s.leaf(st.SHA256)
	l.mu.Lock()
	defer l.mu.Unlock()
	placed, err := s.place(st)
	if err != nil {
		return err
	}
	s.opts.Crash(CrashAfterRename)
	if err := s.syncLeaf(st.SHA256); err != nil {
		if placed {
			_ = os.Remove(s.path(st.SHA256))
		}
		return err
	}
	if err := s.Failed(); err != nil { // a failure is told to one sync only
		return err
	}
	s.opts.Crash(CrashAfterDirSync)
	st.committed = true
	return nil
}

// place moves a synced temporary file to its final name, and reports whether the
// blob is a new one. The caller holds the lock of its leaf and syncs that after.
func (s *Store) place(st *Staged) (placed bool, err error) {
	if err := s.makeLeaf(st.SHA256); err != nil {
		return false, err
	}
	final := s.path(st.SHA256)
	err = renameNew(st.name, final)
	if errors.Is(err, os.ErrExist) {
		var kept bool
		if kept, err = s.keep(st, final); err != nil {
			return false, err
		}
		if kept {
			err = os.Remove(st.name)
		} else {
			err = os.Rename(st.name, final)
		}
	} else {
		placed = err == nil
	}
	if err != nil {
		return false, writing("naming blob", err)
	}
	st.name = ""
	return placed, nil
}

// keep reports whether the file under a blob's name has the right bytes, which are
// durable then. It is read whole: the store is the only one to notice damage
// while the right bytes are at hand.
func (s *Store) keep(st *Staged, final string) (bool, error) {
	f, err := os.Open(final)
	if err != nil {
		return false, fmt.Errorf("reading stored blob: %w", err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.Size() != st.Size || !sameBytes(f, st.file, st.Size) {
		return false, err
	}
	if err := s.sync(f); err != nil { // somebody else may have put it there
		return false, s.fail(fmt.Errorf("syncing stored blob: %w", err))
	}
	return true, nil
}

// sameBytes reports whether two files of a size are equal; one that cannot be read
// is not.
func sameBytes(a, b *os.File, size int64) bool {
	x, y := newChunk(), newChunk()
	defer x.done()
	defer y.done()
	ra, rb := io.NewSectionReader(a, 0, size), io.NewSectionReader(b, 0, size)
	for {
		ea := x.fill(context.Background(), ra, math.MaxInt64)
		eb := y.fill(context.Background(), rb, math.MaxInt64)
		if !bytes.Equal(x.data, y.data) || ea != eb { //nolint:errorlint // a wrapped EOF is no end of a stream
			return false
		}
		if ea != nil {
			return ea == io.EOF //nolint:errorlint // a wrapped EOF is no end of a stream
		}
	}
}
