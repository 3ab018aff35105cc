package blob

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrTooLarge: the stream has more bytes than its cap.
	ErrTooLarge = errors.New("more bytes than allowed")
	// ErrNotFound: the store has no such blob.
	ErrNotFound = errors.New("no such blob")
	// ErrDamaged: the stored bytes are not those that were committed.
	ErrDamaged = errors.New("stored bytes are damaged")
	// ErrLocked: another process, or another part of this one, holds the folder.
	ErrLocked = errors.New("data folder is in use")
	// ErrFull: the disk has no room. Nothing was stored; later writes may succeed.
	ErrFull = errors.New("the disk of the blob store is full")
	// ErrFailed: a sync failed once. What it left on the disk cannot be known, so
	// nothing is written again before a restart; reads go on.
	ErrFailed = errors.New("blob store refuses writes since syncing its disk failed")
	// ErrDone: a [Staged] was committed or cancelled already.
	ErrDone = errors.New("staged file was cancelled already")
)

// writing names what failed on the way to the disk, and tells a full disk.
func writing(what string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s: %w: %w", what, ErrFull, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
