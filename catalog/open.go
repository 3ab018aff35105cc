package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Defaults of [Options].
const (
	DefaultMaxBatch    = 128
	DefaultReaders     = 4
	DefaultChangesKept = 200_000
)

// Names of the points at which [Options.Crash] is called.
const (
	CrashBeforeCommit = "catalog: before commit"
	CrashAfterCommit  = "catalog: after commit"
	CrashAfterApply   = "catalog: after apply"
)

// Options are settings of a [Store]. Their zero value is the default.
type Options struct {
	// Now is the clock, default [time.Now].
	Now func() time.Time
	// MaxBatch is how many queued mutations share a commit at most, default
	// [DefaultMaxBatch]. More make a burst cheaper and its first answer later.
	MaxBatch int
	// Readers is how many reads run at once, default [DefaultReaders]. Each has a
	// connection with up to 4 MiB of cached pages.
	Readers int
	// ChangesKept is how many rows of the change feed survive pruning, default
	// [DefaultChangesKept]. It bounds how far back [Reader.ChangesSince] can look.
	ChangesKept int
	// Existing makes a catalog that is not there, or that nothing was ever written to,
	// [ErrMissing] instead of a new one.
	Existing bool
	// Crash is called at the points named Crash…, for tests that end the process
	// there. It is nil otherwise.
	Crash func(point string)
}

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = DefaultMaxBatch
	}
	if o.Readers <= 0 {
		o.Readers = DefaultReaders
	}
	if o.ChangesKept <= 0 {
		o.ChangesKept = DefaultChangesKept
	}
	if o.Crash == nil {
		o.Crash = func(string) {}
	}
	return o
}

// Open opens the catalog in the file at path, or makes it there, readable for
// its owner alone, and brings its schema up to date. A catalog of a newer version
// is [ErrNewerSchema]. The caller sees to it that no other process has it open,
// and calls [Store.Close].
func Open(path string, o Options) (_ *Store, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening catalog: %w", err)
	}
	if o.Existing {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("opening catalog %s: %w", path, ErrMissing)
		}
	}
	if err := makeFile(path); err != nil {
		return nil, fmt.Errorf("opening catalog: %w", err)
	}
	s := &Store{path: path, opts: o.withDefaults()}
	defer func() {
		if err != nil {
			_ = s.closePools()
		}
	}()
	ctx := context.Background()

	// One connection, held for good: its statements stay prepared.
	s.writeDB, err = sql.Open("sqlite", dsn(path,
		// busy_timeout comes first: switching to WAL needs a lock already.
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"cache_size(-16384)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)", "temp_store(MEMORY)"))
	if err != nil {
		return nil, fmt.Errorf("opening catalog %s: %w", path, err)
	}
	s.writeDB.SetMaxOpenConns(1)
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening catalog %s: %w", path, translate(err))
	}
	steps, err := migrations(migrationFiles)
	if err != nil {
		return nil, fmt.Errorf("reading migrations: %w", err)
	}
	if o.Existing {
		err = mustExist(ctx, conn, path)
	}
	if err == nil {
		err = migrate(ctx, conn, path, steps)
	}
	if err != nil {
		_ = conn.Close()
		return nil, translate(err)
	}
	w, err := newWriter(s, conn)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("opening catalog %s: %w", path, translate(err))
	}
	s.w = w

	s.readDB, err = sql.Open("sqlite", dsn(path,
		"busy_timeout(5000)", "query_only(1)", "cache_size(-4096)", "temp_store(MEMORY)"))
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("opening catalog %s: %w", path, err)
	}
	s.readDB.SetMaxOpenConns(s.opts.Readers)
	s.readDB.SetMaxIdleConns(s.opts.Readers)
	s.Reader = Reader{q: &pool{db: s.readDB}}
	go w.loop()
	return s, nil
}

// Close lets the mutations finish that wait, and closes the database. Reads and
// mutations after it fail. It may be called again.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.w.close()
		s.closeErr = s.closePools()
	})
	return s.closeErr
}

func (s *Store) closePools() error {
	var errs []error
	if s.readDB != nil {
		s.Reader.q.(*pool).close()
		errs = append(errs, s.readDB.Close())
	}
	if s.writeDB != nil { // last: the last connection checkpoints and removes the WAL
		errs = append(errs, s.writeDB.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing catalog %s: %w", s.path, err)
	}
	return nil
}

// dsn names a database file with pragmas for every connection.
func dsn(path string, pragmas ...string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}.Encode()}
	return u.String()
}

// makeFile makes an empty file, so that its mode is ours (SQLite gives the WAL the
// same one) and its directory entry is durable before anything is in it.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", strconv.Quote(dir), err)
	}
	return nil
}
