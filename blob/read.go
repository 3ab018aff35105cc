package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"
)

// Info is a blob as the disk has it.
type Info struct {
	SHA256  [32]byte
	Size    int64 // bytes
	ModTime time.Time
}

// Open opens a blob for reading and returns its size in bytes; [ErrNotFound] where
// there is none. The file is the caller's to close, and stays readable when the
// blob is removed.
func (s *Store) Open(sha [32]byte) (*os.File, int64, error) {
	f, err := os.Open(s.path(sha))
	if err != nil {
		return nil, 0, reading(sha, err)
	}
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, reading(sha, err)
	}
	return f, fi.Size(), nil
}

// Has reports whether the store has a blob.
func (s *Store) Has(sha [32]byte) (bool, error) {
	_, err := os.Lstat(s.path(sha))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, reading(sha, err)
	}
	return true, nil
}

// Remove removes a blob; [ErrNotFound] where there is none. It is not synced: a
// power cut may bring the blob back, whole.
func (s *Store) Remove(sha [32]byte) error {
	if err := s.Failed(); err != nil {
		return err
	}
	l := s.leaf(sha)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.Remove(s.path(sha)); err != nil {
		return reading(sha, err)
	}
	return nil
}

// Verify reads a whole blob and compares it with its name: [ErrDamaged] says what
// differs, [ErrNotFound] that there is none.
func (s *Store) Verify(ctx context.Context, sha [32]byte) error {
	f, _, err := s.Open(sha)
	if err != nil {
		return err
	}
	defer f.Close()
	h, size := sha256.New(), int64(0)
	c := newChunk()
	defer c.done()
	for err == nil {
		err = c.fill(ctx, f, math.MaxInt64)
		size += int64(len(c.data))
		_, _ = h.Write(c.data) // never fails
	}
	if err != io.EOF { //nolint:errorlint // a wrapped EOF is no end of a stream
		return fmt.Errorf("reading blob %x after %d bytes: %w", sha, size, err)
	}
	if got := [32]byte(h.Sum(nil)); got != sha {
		return fmt.Errorf("%w: blob %x has %d bytes whose SHA-256 is %x", ErrDamaged, sha, size, got)
	}
	return nil
}

// Each calls fn with every blob, by digest, and ends with the first error of fn,
// which it returns unchanged. A blob committed or removed meanwhile is told of or
// not.
func (s *Store) Each(ctx context.Context, fn func(Info) error) error {
	for i := range s.leafs {
		prefix := hex.EncodeToString([]byte{byte(i)})
		entries, err := os.ReadDir(filepath.Join(s.dir, prefix)) // sorted
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("listing blobs: %w", err)
		}
		for _, e := range entries {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			sha, ok := parseName(prefix + e.Name())
			if !ok {
				continue
			}
			fi, err := e.Info()
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("listing blobs: %w", err)
			}
			if !fi.Mode().IsRegular() {
				continue
			}
			if err := fn(Info{SHA256: sha, Size: fi.Size(), ModTime: fi.ModTime()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseName is the digest a file name spells, if it is one of ours.
func parseName(name string) (sha [32]byte, ok bool) {
	if len(name) != hex.EncodedLen(len(sha)) {
		return sha, false
	}
	_, err := hex.Decode(sha[:], []byte(name))
	return sha, err == nil && hex.EncodeToString(sha[:]) == name
}

// reading names the blob that could not be read, and tells one that is not there.
func reading(sha [32]byte, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %x", ErrNotFound, sha)
	}
	return fmt.Errorf("reading blob %x: %w", sha, err)
}
