package catalog

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// rawDB opens a database behind the catalog's back.
func rawDB(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, "busy_timeout(5000)"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func rawExec(t *testing.T, path string, queries ...string) {
	t.Helper()
	db := rawDB(t, path)
	for _, q := range queries {
		if _, err := db.ExecContext(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func realSteps(t *testing.T) []migration {
	t.Helper()
	steps, err := migrations(migrationFiles)
	if err != nil || len(steps) == 0 {
		t.Fatal(len(steps), err)
	}
	return steps
}

func TestRefusedDatabases(t *testing.T) {
	t.Parallel()
	newer := len(realSteps(t)) + 1
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  error
		says  string
	}{
		"newer": {func(t *testing.T, path string) {
			closedWithChannel(t, path)
			rawExec(t, path, fmt.Sprintf("UPDATE meta SET value = %d WHERE name = 'schema'", newer))
		}, ErrNewerSchema, fmt.Sprintf("has schema %d and this one knows schemas up to %d: start the newer version", newer, newer-1)},
		"of another program": {func(t *testing.T, path string) {
			rawExec(t, path, "CREATE TABLE theirs (x)")
		}, nil, "is the database of another program (application id 0)"},
		"without a schema number": {func(t *testing.T, path string) {
			closedWithChannel(t, path)
			rawExec(t, path, "DELETE FROM meta WHERE name = 'schema'")
		}, nil, "does not state its schema"},
		"no database": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, "not a database"},
	} {
		path := filepath.Join(t.TempDir(), "catalog.db")
		c.spoil(t, path)
		s, err := Open(path, Options{})
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every schema there was is brought up to date with its rows.
func TestUpgradeKeepsRows(t *testing.T) {
	t.Parallel()
	steps := realSteps(t)
	next := migration{len(steps) + 1, "ALTER TABLE projects ADD COLUMN note TEXT NOT NULL DEFAULT 'made later'; CREATE TABLE later (x INTEGER) STRICT;"}
	broken := migration{len(steps) + 2, "DELETE FROM projects; INSERT INTO nowhere VALUES (1);"}
	path := filepath.Join(t.TempDir(), "catalog.db")
	db := rawDB(t, path)
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for n := range steps { // one version after the other
		if err := migrate(ctx, conn, path, steps[:n+1]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.ExecContext(ctx, "INSERT INTO projects (id, name, created_at, updated_at) VALUES ('p', 'web', 1, 2)"); err != nil {
		t.Fatal(err)
	}
	if err := migrate(ctx, conn, path, append(steps, next)); err != nil {
		t.Fatal(err)
	}
	err = migrate(ctx, conn, path, append(steps, next, broken))
	if want := fmt.Sprintf("to schema %d", broken.number); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a broken step: %v", err)
	}
	var note string
	var schema int
	err1 := conn.QueryRowContext(ctx, "SELECT name || ', ' || note FROM projects WHERE id = 'p'").Scan(&note)
	err2 := conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'schema'").Scan(&schema)
	if err := errors.Join(err1, err2); err != nil || note != "web, made later" || schema != next.number {
		t.Errorf("%q at schema %d, %v", note, schema, err)
	}
}

func TestMigrationFilesAreNumbered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files []string
		ok    bool
	}{
		"in order":  {[]string{"0001_a.sql", "0002_b.sql", "0003_c.sql"}, true},
		"a gap":     {[]string{"0001_a.sql", "0003_b.sql"}, false},
		"a double":  {[]string{"0001_a.sql", "0001_b.sql"}, false},
		"no number": {[]string{"first.sql"}, false},
	} {
		files := fstest.MapFS{}
		for _, f := range c.files {
			files["migrations/"+f] = &fstest.MapFile{Data: []byte("SELECT 1")}
		}
		if steps, err := migrations(files); (err == nil) != c.ok {
			t.Errorf("%s: %v, %v", name, steps, err)
		}
	}
}
