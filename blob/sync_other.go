//go:build !linux

package blob

import "os"

// syncFS is never called: nothing syncs a whole filesystem portably.
func syncFS(*os.File) error { return os.ErrInvalid }

func syncFSTells() bool { return false }

// renameNew renames without replacing: [os.ErrExist] where the new name is taken.
func renameNew(from, to string) error { return lookAndRename(from, to) }
