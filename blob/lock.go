//go:build unix

package blob

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// lockFile is the file in a data folder that its owner holds. It stays when the
// owner is gone: removing it would let two processes hold two files of that name.
const lockFile = "lock"

// DirLock is the ownership of a data folder.
type DirLock struct {
	mu   sync.Mutex
	file *os.File
}

// LockedError says who holds a data folder. It is an [ErrLocked].
type LockedError struct {
	Dir string
	PID int // 0 where the holder did not say
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("the data folder %q is in use by another gateway: stop that one, or name another folder", e.Dir)
	}
	return fmt.Sprintf("the data folder %q is in use by process %d: stop that gateway, or name another folder", e.Dir, e.PID)
}

// Unwrap makes a LockedError an [ErrLocked].
func (e *LockedError) Unwrap() error { return ErrLocked }

// LockDir makes dir where it is missing, with every parent and durably, and takes
// it for this process alone. A folder that is taken, by another process or by an
// earlier call of this one, is a [LockedError]. The lock ends with
// [DirLock.Unlock] or with the process, however that ends.
func LockDir(dir string) (*DirLock, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("locking data folder: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, writing("making data folder", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking data folder: %w", err)
	}
	if err := flock(f, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{Dir: dir, PID: holder(f)}
		}
		return nil, fmt.Errorf("locking data folder %q: %w", dir, err)
	}
	l := &DirLock{file: f}
	if err := l.write(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		_ = f.Close()
		return nil, writing("locking data folder", err)
	}
	return l, nil
}

// Unlock gives the folder up. It may be called again.
func (l *DirLock) Unlock() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	// Closing would end the lock too, but not while a process that is just being
	// started from this one still has a copy of the descriptor.
	err := errors.Join(l.write(""), flock(l.file, unix.LOCK_UN), l.file.Close())
	l.file = nil
	if err != nil {
		return fmt.Errorf("unlocking data folder: %w", err)
	}
	return nil
}

// write replaces what the lock file says of its holder.
func (l *DirLock) write(text string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text), 0)
	return err
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// holder is the process a lock file names, 0 for none.
func holder(f *os.File) int {
	b, _ := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
