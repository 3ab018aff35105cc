package blob

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLockIsOfOneProcess(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	c := start(t, "lock", dir)
	if !c.lines.Scan() || c.lines.Text() != "locked" {
		t.Fatalf("%q: %s", c.lines.Text(), c.stderr.String())
	}
	pid := c.cmd.Process.Pid
	_, err := LockDir(dir)
	var locked *LockedError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || locked.PID != pid || locked.Dir != dir {
		t.Fatalf("locked by a child: %v", err)
	}
	if want := `the data folder "` + dir + `" is in use by process ` + strconv.Itoa(pid) + `: stop that gateway, or name another folder`; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.wantKilled(t)
	l, err := LockDir(dir)
	if err != nil {
		t.Fatalf("after the child's death: %v", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestLockIsOfOneHolderInAProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("a second lock: %v", err)
	}
	if err := os.Truncate(filepath.Join(dir, lockFile), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "another gateway") {
		t.Errorf("holder unknown: %v", err)
	}
	if err := errors.Join(l.Unlock(), l.Unlock()); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(dir, lockFile)); err != nil || fi.Size() != 0 || fi.Mode() != 0o600 {
		t.Errorf("the lock file stays, and names nobody: %v, %v", fi, err)
	}
	again, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestLockOfNoFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(path); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("%v", err)
	}
}

// A process that is just being started has copies of its parent's descriptors for a
// moment; the lock must not live on in them.
func TestUnlockedFolderIsFreeWhileProcessesStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := unix.Dup(int(l.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(copied) }()
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := LockDir(dir)
	if err != nil {
		t.Fatalf("given up, and not free: %v", err)
	}
	_ = again.Unlock()
}
