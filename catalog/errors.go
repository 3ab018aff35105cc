package catalog

import (
	"errors"
)

var (
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrExists: the name or id is taken.
	ErrExists = errors.New("exists already")
	// ErrConflict: other rows do not allow it, such as a project that still owns
	// channels, or a reference to something that is not there.
	ErrConflict = errors.New("in conflict with other rows")
	// ErrReadOnly: writing to the disk failed once. What a failed fsync left behind
	// cannot be known, so nothing is written again before a restart.
	ErrReadOnly = errors.New("the catalog is read-only since writing to its disk failed: repair the disk and restart")
	// ErrFull: the disk is full. Nothing was changed; later mutations may succeed.
	ErrFull = errors.New("the disk of the catalog is full")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the catalog is closed")
	// ErrNoAudit: a mutation changed something without an audit row, which is a
	// programming error.
	ErrNoAudit = errors.New("mutation without an audit row")
	// ErrNewerSchema: the database was written by a newer version.
	ErrNewerSchema = errors.New("the catalog was written by a newer version")
)
