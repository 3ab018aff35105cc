package catalog

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

func TestChangesSince(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	add := func(subdir, name string) int64 {
		return update(t, s, func(tx *Tx) error { return tx.InsertPackage(pkg(id, subdir, name, "1", "x")) })
	}
	first := add("noarch", "b")
	add("noarch", "a")
	add("linux-64", "a")
	update(t, s, func(tx *Tx) error { return tx.YankPackage(id, "noarch", "b-1-0.conda", "") })
	update(t, s, func(tx *Tx) error { return tx.DeletePackage(id, "noarch", "a-1-0.conda") })
	update(t, s, func(tx *Tx) error { return tx.SetPatch(id, "noarch", []byte(`{}`)) })
	check := func(what string, since int64, kind Kind, parent string, want ...string) {
		t.Helper()
		got, complete, err := s.ChangesSince(ctx, since, kind, parent)
		if err != nil || !complete || !slices.Equal(got, want) {
			t.Errorf("%s: %q, complete %v, %v, want %q", what, got, complete, err, want)
		}
	}
	check("each once, by its first change", 0, KindConda, "main/noarch", "b-1-0.conda", "a-1-0.conda")
	check("after the first", first, KindConda, "main/noarch", "a-1-0.conda", "b-1-0.conda")
	check("another subdir", 0, KindConda, "main/linux-64", "a-1-0.conda")
	check("nothing new", s.Rev(), KindConda, "main/noarch")
	check("a subdir that never was", 0, KindConda, "main/win-64")
	check("the patch, which has no id", 0, KindPatch, "main/noarch", "")
	check("the channel", 0, KindChannel, "", "main")
	check("nobody", 0, KindKey, "")

	before := s.Rev()
	update(t, s, func(tx *Tx) error { return tx.DeleteChannel(id) })
	if _, complete, err := s.ChangesSince(ctx, before, KindConda, "main/noarch"); err != nil || complete {
		t.Errorf("a deleted channel: complete %v, %v", complete, err)
	}
	check("after that", s.Rev(), KindConda, "main/noarch")
}

func TestPrunedChangesAreIncomplete(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	s := openAt(t, path, Options{ChangesKept: 10})
	for i := range 35 {
		update(t, s, func(tx *Tx) error { return tx.AddReserved(fmt.Sprintf("%02d", i)) })
	}
	check := func(s *Store) {
		t.Helper()
		rows, err := value[int64](ctx, s.q, "SELECT count(*) FROM changes")
		if err != nil || rows < 10 || rows >= 20 {
			t.Fatalf("%d rows are kept, %v", rows, err)
		}
		for rev := range s.Rev() + 1 {
			changed, complete, err := s.ChangesSince(ctx, rev, KindReserved, "")
			if want := rev >= s.Rev()-rows; err != nil || complete != want || complete && int64(len(changed)) != s.Rev()-rev {
				t.Errorf("since %d: %v, complete %v, want %v, %v", rev, changed, complete, want, err)
			}
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path, Options{ChangesKept: 10})
	for i := range 17 { // it goes on where it stopped
		update(t, s, func(tx *Tx) error { return tx.AddReserved(fmt.Sprintf("again %02d", i)) })
	}
	check(s)
}

// A revision whose rows are pruned in part is as good as gone.
func TestHalfPrunedRevision(t *testing.T) {
	t.Parallel()
	s := open(t, Options{ChangesKept: 10})
	bulk := func(prefix string) int64 {
		return update(t, s, func(tx *Tx) error {
			for i := range 25 {
				if err := tx.AddReserved(fmt.Sprint(prefix, i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	rev := bulk("a")
	if _, complete, err := s.ChangesSince(ctx, rev-1, KindReserved, ""); err != nil || complete {
		t.Errorf("before it: complete %v, %v", complete, err)
	}
	if changed, complete, err := s.ChangesSince(ctx, rev, KindReserved, ""); err != nil || !complete || changed != nil {
		t.Errorf("after it: %v, complete %v, %v", changed, complete, err)
	}
}
