package catalog

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// applicationID marks a SQLite file as ours ("FWAY").
const applicationID = 0x46574159

// Rows of the table meta, which the migrations themselves need.
const (
	metaSchema = "schema"     // number of the last migration applied
	metaRev    = "rev"        // revision of the last mutation
	metaPruned = "pruned_rev" // newest revision whose change rows may be pruned
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one forward-only step of the schema.
type migration struct {
	number int
	script string
}

// migrations reads the embedded steps, which must be numbered 1, 2, 3, …
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	steps := make([]migration, len(names))
	for i, name := range names { // Glob sorts
		prefix, _, _ := strings.Cut(path.Base(name), "_")
		n, err := strconv.Atoi(prefix)
		if err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", name, i+1)
		}
		script, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		steps[i] = migration{n, string(script)}
	}
	return steps, nil
}

// migrate brings the database on conn to the newest of steps, each in a
// transaction of its own.
func migrate(ctx context.Context, conn *sql.Conn, file string, steps []migration) error {
	for {
		done, err := migrateOne(ctx, conn, file, steps)
		if err != nil || done {
			return err
		}
	}
}

func migrateOne(ctx context.Context, conn *sql.Conn, file string, steps []migration) (done bool, err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return false, fmt.Errorf("opening catalog %s: %w", file, err)
	}
	defer func() {
		if err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK")
		}
	}()
	schema, err := schemaOf(ctx, conn, file)
	if err != nil {
		return false, err
	}
	if schema > len(steps) {
		return false, fmt.Errorf("%w: %s has schema %d and this one knows schemas up to %d: start the newer version, or restore a backup",
			ErrNewerSchema, file, schema, len(steps))
	}
	if schema == len(steps) {
		_, err := conn.ExecContext(ctx, "COMMIT")
		return true, err
	}
	step := steps[schema]
	if schema == 0 {
		if err := createMeta(ctx, conn); err != nil {
			return false, fmt.Errorf("preparing catalog %s: %w", file, err)
		}
	}
	if _, err := conn.ExecContext(ctx, step.script); err != nil {
		return false, fmt.Errorf("migrating catalog %s to schema %d: %w", file, step.number, err)
	}
	if _, err := conn.ExecContext(ctx, "UPDATE meta SET value = $1 WHERE name = $2", step.number, metaSchema); err != nil {
		return false, fmt.Errorf("migrating catalog %s to schema %d: %w", file, step.number, err)
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return false, fmt.Errorf("migrating catalog %s to schema %d: %w", file, step.number, err)
	}
	return false, nil
}

// schemaOf is 0 for an empty database. A database of somebody else is refused.
func schemaOf(ctx context.Context, conn *sql.Conn, file string) (int, error) {
	var app int64
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return 0, fmt.Errorf("reading catalog %s: %w", file, err)
	}
	var tables int
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return 0, fmt.Errorf("reading catalog %s: %w", file, err)
	}
	if app == 0 && tables == 0 {
		return 0, nil
	}
	if app != applicationID {
		return 0, fmt.Errorf("%s is the database of another program (application id %d): choose another data folder", file, app)
	}
	var schema int
	err := conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = $1", metaSchema).Scan(&schema)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("catalog %s does not state its schema: restore a backup", file)
	}
	if err != nil {
		return 0, fmt.Errorf("reading catalog %s: %w", file, err)
	}
	return schema, nil
}

// mustExist refuses a database that holds nothing: one that was cut to no length, or
// copied without the -wal file that all of it was in yet.
func mustExist(ctx context.Context, conn *sql.Conn, file string) error {
	schema, err := schemaOf(ctx, conn, file)
	if err == nil && schema == 0 {
		err = fmt.Errorf("opening catalog %s: %w: the file is empty", file, ErrMissing)
	}
	return err
}

func createMeta(ctx context.Context, conn *sql.Conn) error {
	for _, q := range []string{
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		"CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
		fmt.Sprintf("INSERT INTO meta (name, value) VALUES ('%s', 0), ('%s', 0), ('%s', 0)", metaSchema, metaRev, metaPruned),
	} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
