package blob

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// syncFS syncs the filesystem that f is on.
func syncFS(f *os.File) error { return unix.Syncfs(int(f.Fd())) }

// syncFSTells reports whether the kernel's syncfs tells of data that could not be
// written: Linux does since 5.8.
var syncFSTells = sync.OnceValue(func() bool {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	return atLeast58(unix.ByteSliceToString(u.Release[:]))
})

func atLeast58(release string) bool {
	major, rest, _ := strings.Cut(release, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a > 5 || a == 5 && b >= 8)
}

// renameNew renames without replacing: [os.ErrExist] where the new name is taken.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	return lookAndRename(from, to) // not every filesystem knows how
}
