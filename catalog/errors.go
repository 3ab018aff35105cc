package catalog

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
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
	// ErrExhausted: SQLite cannot open a file or get memory, as for want of file
	// handles. Nothing was changed; the next try may succeed.
	ErrExhausted = errors.New("the catalog cannot open a file or get memory")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the catalog is closed")
	// ErrNoAudit: a mutation changed something without an audit row, which is a
	// programming error.
	ErrNoAudit = errors.New("mutation without an audit row")
	// ErrTxDone: a [Tx] was used after its function returned.
	ErrTxDone = errors.New("mutation used after its function returned")
	// ErrMissing: there is no catalog where one must be.
	ErrMissing = errors.New("the catalog is missing")
	// ErrNewerSchema: the database was written by a newer version.
	ErrNewerSchema = errors.New("the catalog was written by a newer version")
)

// translate gives an error of the driver the meaning it has here. Constraint
// violations are told by the sentinel alone: the caller knows what it inserted.
func translate(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return ErrExists
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return ErrConflict
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM:
		return fmt.Errorf("%w: %w", ErrExhausted, err)
	}
	return err
}

// diskFailed reports whether err says that the disk, or what is on it, cannot be
// trusted any more. A full disk is not among them: SQLite rolls back cleanly.
func diskFailed(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	return false
}
