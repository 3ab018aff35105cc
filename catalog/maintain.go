package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the catalog to a new file at path, readable
// for its owner alone, while reads and mutations go on; it takes the space of the
// data once more. A file that is there already is [ErrExists]. The copy is durable
// when Backup returns, and is opened as any catalog.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("backing up catalog: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("backing up catalog to %q: %w", path, ErrExists)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("backing up catalog to %q: %w", path, translate(err))
		}
	}()
	dir, err := os.MkdirTemp(filepath.Dir(path), ".backup-*") // 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	partial := filepath.Join(dir, "catalog")
	if err := s.vacuumInto(ctx, partial); err != nil {
		return err
	}
	if err := os.Chmod(partial, 0o600); err != nil {
		return err
	}
	if err := syncFile(partial); err != nil {
		return err
	}
	if err := os.Link(partial, path); errors.Is(err, os.ErrExist) {
		return ErrExists
	} else if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// vacuumInto copies the database over a connection of its own: it takes long, and
// the reading ones are forbidden to write anything.
func (s *Store) vacuumInto(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", dsn(s.path, "busy_timeout(5000)"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "VACUUM INTO $1", path)
	return err
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// Check reads the whole catalog and returns what is wrong with it, one sentence
// each: SQLite's own integrity check, references that lead nowhere, counters that
// differ from what they count. Reads and mutations go on meanwhile.
func (s *Store) Check(ctx context.Context) (problems []string, err error) {
	for _, check := range []string{
		"SELECT 'the database file is damaged: ' || integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
		`SELECT 'row ' || COALESCE(rowid, 0) || ' of ' || "table" || ' refers to a row of ' || parent || ' that does not exist' FROM pragma_foreign_key_check`,
		`SELECT 'subdir ' || c.name || '/' || s.subdir || ' counts ' || s.packages || ' packages, ' || s.yanked || ' of them yanked, but has '
				|| count(p.id) || ' and ' || COALESCE(sum(p.yanked_at <> 0), 0)
			FROM subdirs s JOIN channels c ON c.id = s.channel_id LEFT JOIN packages p ON p.channel_id = s.channel_id AND p.subdir = s.subdir
			GROUP BY s.channel_id, s.subdir HAVING count(p.id) <> s.packages OR COALESCE(sum(p.yanked_at <> 0), 0) <> s.yanked`,
		`SELECT 'package ' || p.subdir || '/' || p.filename || ' is in a subdir that is not counted' FROM packages p
			WHERE NOT EXISTS (SELECT 1 FROM subdirs s WHERE s.channel_id = p.channel_id AND s.subdir = p.subdir)`,
		`SELECT 'Python name ' || n.name || ' counts ' || n.files || ' files, but has ' || count(f.id)
			FROM py_names n LEFT JOIN py_files f ON f.name = n.name GROUP BY n.name HAVING count(f.id) <> n.files`,
	} {
		found, err := ids(ctx, s.q, check)
		if err != nil {
			return problems, fmt.Errorf("checking catalog: %w", err)
		}
		problems = append(problems, found...)
	}
	return problems, nil
}
