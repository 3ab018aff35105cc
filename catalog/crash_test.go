package catalog

import (
	"fmt"
	"path/filepath"
	"testing"
)

var crashPoints = map[string]struct{ committed int64 }{
	CrashBeforeCommit: {0},
	CrashAfterCommit:  {1},
	CrashAfterApply:   {1},
}

// With one writer, what a kill leaves is known to the row.
func TestKilledWithOneWriter(t *testing.T) {
	t.Parallel()
	for point, c := range crashPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			path, want := filepath.Join(t.TempDir(), "catalog.db"), int64(1)
			closedWithChannel(t, path)
			var acked []string
			for n := range int64(3) {
				acked = append(acked, runHelper(t, fmt.Sprintf("1|%s|%d", point, 1+5*n), path)...)
				want += 5*n + c.committed
				s := openAt(t, path, Options{})
				if s.Rev() != want || int64(len(acked)) > want-1 {
					t.Errorf("revision %d after %d acknowledged, want %d", s.Rev(), len(acked), want)
				}
				checkPairs(t, s, acked)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// With many, each mutation is there whole or not at all, and there if it was
// acknowledged.
func TestKilledWithManyWriters(t *testing.T) {
	t.Parallel()
	for point := range crashPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "catalog.db")
			closedWithChannel(t, path)
			var acked []string
			for n := range 3 {
				acked = append(acked, runHelper(t, fmt.Sprintf("8|%s|%d", point, 4+7*n), path)...)
			}
			if len(acked) == 0 {
				t.Error("nothing was acknowledged: this shows nothing")
			}
			checkPairs(t, openAt(t, path, Options{}), acked)
		})
	}
}

func closedWithChannel(t *testing.T, path string) {
	t.Helper()
	s := openAt(t, path, Options{})
	newChannel(t, s, "main")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func checkPairs(t *testing.T, s *Store, acked []string) {
	t.Helper()
	c, err := s.Channel(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]int) // rows of each mutation
	for _, subdir := range []string{"noarch", "linux-64"} {
		if err := s.EachEntry(ctx, c.ID, subdir, func(e *Entry) error { found[e.Name]++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for name, n := range found {
		rows, err := s.AuditRows(ctx, AuditFilter{Target: name})
		if err != nil || n != 2 || len(rows) != 1 {
			t.Errorf("%s: %d packages of 2, %d audit rows, %v", name, n, len(rows), err)
		}
	}
	for _, name := range acked {
		if found[name] == 0 {
			t.Errorf("%s was acknowledged and is not there", name)
		}
	}
	if s.Rev() != int64(len(found))+1 {
		t.Errorf("revision %d with %d mutations and a channel", s.Rev(), len(found))
	}
	if problems, err := s.Check(ctx); err != nil || problems != nil {
		t.Errorf("check: %q, %v", problems, err)
	}
}
