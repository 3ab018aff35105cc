package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPackageRoundTrip(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	whole := pkg(id, "linux-64", "numpy", "2.1", "x")
	whole.BuildNumber, whole.Attestation, whole.YankedAt, whole.YankReason = 7, []byte{0, 1, 255}, 55, "a 'quoted' reason é"
	bare := &Package{ChannelID: id, Subdir: "linux-64", Filename: "a-1-0.tar.bz2", Name: "a", Record: json.RawMessage(`{}`)}
	rev := update(t, s, func(tx *Tx) error { return errors.Join(tx.InsertPackage(whole), tx.InsertPackage(bare)) })
	for _, want := range []*Package{whole, bare} {
		got, err := s.Package(ctx, id, "linux-64", want.Filename)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" || got.ID == 0 || got.Rev != rev {
			t.Errorf("%s: %s", want.Filename, d)
		}
	}
	var packages []*Package
	var entries []*Entry
	err1 := s.EachPackage(ctx, id, "linux-64", func(p *Package) error { packages = append(packages, p); return nil })
	err2 := s.EachEntry(ctx, id, "linux-64", func(e *Entry) error { entries = append(entries, e); return nil })
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]*Package{bare, whole}, packages); d != "" {
		t.Error(d)
	}
	want := []*Entry{
		{Filename: bare.Filename, Name: "a", Record: bare.Record},
		{Filename: whole.Filename, Name: "numpy", Record: whole.Record, RunExports: whole.RunExports, YankedAt: 55},
	}
	if d := cmp.Diff(want, entries); d != "" {
		t.Error(d)
	}
	byName, err := s.EntriesByName(ctx, id, "linux-64", "numpy")
	if d := cmp.Diff(want[1:], byName); d != "" || err != nil {
		t.Error(d, err)
	}
	errStop := errors.New("enough")
	if err := s.EachEntry(ctx, id, "linux-64", func(*Entry) error { return errStop }); err != errStop {
		t.Errorf("the first error of fn: %v", err)
	}
}

func TestSubdirCounters(t *testing.T) {
	t.Parallel()
	c := &clock{1000}
	s := open(t, Options{Now: c.now})
	id := newChannel(t, s, "main")
	file := func(name string) string { return name + "-1-0.conda" }
	for i, step := range []struct {
		what             string
		now              int64
		fn               func(tx *Tx) error
		packages, yanked int
		changed          int64
	}{
		{"two at once", 2000, func(tx *Tx) error {
			return errors.Join(tx.InsertPackage(pkg(id, "noarch", "a", "1", "x")), tx.InsertPackage(pkg(id, "noarch", "b", "1", "x")))
		}, 2, 0, 2000},
		{"one yanked", 3000, func(tx *Tx) error { return tx.YankPackage(id, "noarch", file("a"), "bad") }, 2, 1, 3000},
		{"yanked again", 4000, func(tx *Tx) error { return tx.YankPackage(id, "noarch", file("a"), "worse") }, 2, 1, 4000},
		{"the clock went back", 100, func(tx *Tx) error { return tx.UnyankPackage(id, "noarch", file("a")) }, 2, 0, 4000},
		{"replaced by a yanked one", 5000, func(tx *Tx) error {
			p := pkg(id, "noarch", "b", "1", "y")
			p.YankedAt = 1
			return tx.UpdatePackage(p)
		}, 2, 1, 5000},
		{"replaced in the same second", 5500, func(tx *Tx) error { return tx.UpdatePackage(pkg(id, "noarch", "b", "1", "z")) }, 2, 0, 6000},
		{"and again", 5600, func(tx *Tx) error { return tx.UpdatePackage(pkg(id, "noarch", "b", "1", "y")) }, 2, 0, 6000},
		{"in the second that was told", 6700, func(tx *Tx) error { return tx.UpdatePackage(pkg(id, "noarch", "b", "1", "x")) }, 2, 0, 7000},
		{"a yanked one deleted", 8000, func(tx *Tx) error {
			return errors.Join(tx.YankPackage(id, "noarch", file("b"), ""), tx.DeletePackage(id, "noarch", file("b")))
		}, 1, 0, 8000},
		{"patched", 9000, func(tx *Tx) error { return tx.SetPatch(id, "noarch", json.RawMessage(`{"remove":[]}`)) }, 1, 0, 9000},
		{"seen from inside", 10_000, func(tx *Tx) error {
			err := tx.InsertPackage(pkg(id, "noarch", "c", "1", "x"))
			if st, err2 := tx.Subdir(id, "noarch"); st.Packages != 2 || st.Rev != tx.Rev() {
				return fmt.Errorf("inside: %+v, %w", st, err2)
			}
			return errors.Join(err, tx.InsertPackage(pkg(id, "noarch", "d", "1", "x")))
		}, 3, 0, 10_000},
		{"another subdir", 11_000, func(tx *Tx) error { return tx.InsertPackage(pkg(id, "win-64", "a", "1", "x")) }, 3, 0, 10_000},
	} {
		c.ms = step.now
		rev := update(t, s, step.fn)
		if step.what == "another subdir" {
			rev--
		}
		want := SubdirState{Subdir: "noarch", Rev: rev, ChangedAt: step.changed, Packages: step.packages, Yanked: step.yanked}
		if got, err := s.Subdir(ctx, id, "noarch"); err != nil || got != want {
			t.Errorf("%d, %s: %+v, %v, want %+v", i, step.what, got, err, want)
		}
	}
	all, err := s.Subdirs(ctx, id)
	if err != nil || len(all) != 2 || all[0].Subdir != "noarch" || all[1].Packages != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	if problems, err := s.Check(ctx); err != nil || problems != nil {
		t.Errorf("check: %q, %v", problems, err)
	}
}

func TestYankKeepsTheFirstTime(t *testing.T) {
	t.Parallel()
	c := &clock{1000}
	s := open(t, Options{Now: c.now})
	id := newChannel(t, s, "main")
	update(t, s, func(tx *Tx) error { return tx.InsertPackage(pkg(id, "noarch", "a", "1", "x")) })
	yanked := func() (int64, string) {
		p, err := s.Package(ctx, id, "noarch", "a-1-0.conda")
		if err != nil {
			t.Fatal(err)
		}
		return p.YankedAt, p.YankReason
	}
	for _, reason := range []string{"first", "second"} {
		c.ms += 1000
		update(t, s, func(tx *Tx) error { return tx.YankPackage(id, "noarch", "a-1-0.conda", reason) })
		if at, why := yanked(); at != 2000 || why != reason {
			t.Errorf("yanked at %d for %q, want 2000 for %q", at, why, reason)
		}
	}
	rev := s.Rev()
	for range 2 {
		update(t, s, func(tx *Tx) error { return tx.UnyankPackage(id, "noarch", "a-1-0.conda") })
		if at, why := yanked(); at != 0 || why != "" || s.Rev() != rev+1 {
			t.Errorf("yanked at %d for %q at revision %d; unyanking twice is unyanking once", at, why, s.Rev())
		}
	}
}

func TestTombstones(t *testing.T) {
	t.Parallel()
	c := &clock{9000}
	s := open(t, Options{Now: c.now})
	id := newChannel(t, s, "main")
	const file = "a-1-0.conda"
	x, y := pkg(id, "noarch", "a", "1", "x"), pkg(id, "noarch", "a", "1", "y")
	x.IndexedAt, y.IndexedAt = 100, 200
	tomb := func(sha [32]byte) Tombstone {
		ts, err := s.Tombstone(ctx, id, "noarch", file, sha)
		if errors.Is(err, ErrNotFound) {
			return Tombstone{}
		}
		if err != nil {
			t.Fatal(err)
		}
		return *ts
	}
	update(t, s, func(tx *Tx) error { return tx.InsertPackage(x) })
	update(t, s, func(tx *Tx) error { return tx.UpdatePackage(x) })
	if got := tomb(x.SHA256); got != (Tombstone{}) {
		t.Errorf("the same bytes leave no tombstone: %+v", got)
	}
	old := x.ID
	update(t, s, func(tx *Tx) error { return tx.UpdatePackage(y) })
	if got := tomb(x.SHA256); got != (Tombstone{file, x.SHA256, 100, 9000}) || y.ID != old || y.Rev != s.Rev() {
		t.Errorf("replaced: %+v; id %d, was %d", got, y.ID, old)
	}
	used := func(sha [32]byte) bool {
		used, err := s.BlobReferenced(ctx, sha)
		if err != nil {
			t.Fatal(err)
		}
		return used
	}
	if used(x.SHA256) || !used(y.SHA256) {
		t.Error("the old bytes are nobody's, the new ones are")
	}
	c.ms = 9500
	update(t, s, func(tx *Tx) error { return tx.DeletePackage(id, "noarch", file) })
	if got := tomb(y.SHA256); got != (Tombstone{file, y.SHA256, 200, 9500}) || used(y.SHA256) {
		t.Errorf("deleted: %+v", got)
	}
	// The same bytes again, under another time by mistake: the first one counts.
	again := pkg(id, "noarch", "a", "1", "x")
	again.IndexedAt = 777
	update(t, s, func(tx *Tx) error { return tx.InsertPackage(again) })
	c.ms = 9900
	update(t, s, func(tx *Tx) error { return tx.DeletePackage(id, "noarch", file) })
	if got := tomb(x.SHA256); got != (Tombstone{file, x.SHA256, 100, 9900}) {
		t.Errorf("deleted again: %+v", got)
	}
	update(t, s, func(tx *Tx) error { return tx.DeleteChannel(id) })
	if next := newChannel(t, s, "main"); next == id || tomb(x.SHA256) != (Tombstone{}) {
		t.Errorf("a channel of the same name inherits nothing: id %d", next)
	}
}

func TestDeleteChannelTakesWhatIsInIt(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id, other := newChannel(t, s, "main"), newChannel(t, s, "other")
	update(t, s, func(tx *Tx) error {
		return errors.Join(insertMany(tx, id, 10), insertMany(tx, other, 10), tx.SetPatch(id, "win-64", json.RawMessage(`{}`)))
	})
	update(t, s, func(tx *Tx) error {
		// A package published by the same mutation goes too.
		return errors.Join(tx.InsertPackage(pkg(id, "osx-64", "a", "1", "x")), tx.DeleteChannel(id))
	})
	for _, table := range []string{"packages", "subdirs", "patches", "tombstones"} {
		if n, err := value[int](ctx, s.q, "SELECT count(*) FROM "+table+" WHERE channel_id = $1", id); err != nil || n != 0 {
			t.Errorf("%d rows left in %s, %v", n, table, err)
		}
	}
	if st, err := s.Subdir(ctx, other, "noarch"); err != nil || st.Packages != 10 {
		t.Errorf("the other channel: %+v, %v", st, err)
	}
	if problems, err := s.Check(ctx); err != nil || problems != nil {
		t.Errorf("check: %q, %v", problems, err)
	}
}

func TestSearchPackages(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id, other := newChannel(t, s, "main"), newChannel(t, s, "other")
	names := []string{"NumPy", "a%b", "a_b", "axb", `back\slash`, "numba", "numexpr"} // in byte order
	update(t, s, func(tx *Tx) error {
		err := tx.InsertPackage(pkg(other, "noarch", "numother", "1", "x"))
		for i, name := range names {
			p, q := pkg(id, "noarch", name, "1", "x"), pkg(id, "win-64", name, "2", "x")
			p.UploadedAt, q.UploadedAt = int64(i), int64(10+i)
			err = errors.Join(err, tx.InsertPackage(p), tx.InsertPackage(q))
		}
		return err
	})
	for name, c := range map[string]struct {
		s     Search
		want  []string
		total int
	}{
		"all":               {Search{}, names, 7},
		"part, in any case": {Search{Contains: "NUM"}, []string{"NumPy", "numba", "numexpr"}, 3},
		"no pattern: _":     {Search{Contains: "a_b"}, []string{"a_b"}, 1},
		"no pattern: %":     {Search{Contains: "%"}, []string{"a%b"}, 1},
		`no pattern: \`:     {Search{Contains: `\`}, []string{`back\slash`}, 1},
		"a page":            {Search{Limit: 2}, names[:2], 7},
		"the next by name":  {Search{Limit: 2, After: "a%b"}, []string{"a_b", "axb"}, 7},
		"by offset":         {Search{Limit: 2, Offset: 6}, []string{"numexpr"}, 7},
		"beyond":            {Search{Offset: 7}, nil, 7},
		"an odd offset":     {Search{Offset: -5, Limit: -1}, names, 7},
		"nobody":            {Search{Contains: "zzz"}, nil, 0},
	} {
		got, total, err := s.SearchPackages(ctx, id, c.s)
		var found []string
		for _, n := range got {
			found = append(found, n.Name)
			if i := slices.Index(names, n.Name); n.Files != 2 || n.UploadedAt != int64(10+i) {
				t.Errorf("%s: %+v", name, n)
			}
		}
		if err != nil || total != c.total || strings.Join(found, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: %q of %d, %v, want %q of %d", name, found, total, err, c.want, c.total)
		}
	}
}

func TestAboutAndPackagesByName(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	bare := pkg(id, "noarch", "a", "2", "x")
	bare.About = nil
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.InsertPackage(pkg(id, "noarch", "a", "1", "x")), tx.InsertPackage(bare),
			tx.InsertPackage(pkg(id, "linux-64", "a", "1", "x")), tx.InsertPackage(pkg(id, "noarch", "aa", "1", "x")))
	})
	if about, err := s.AboutOf(ctx, id, "noarch", "a-1-0.conda"); err != nil || string(about) != `{"summary":"é"}` {
		t.Errorf("%s, %v", about, err)
	}
	if about, err := s.AboutOf(ctx, id, "noarch", bare.Filename); err != nil || about != nil {
		t.Errorf("none: %q, %v", about, err)
	}
	if _, err := s.AboutOf(ctx, id, "noarch", "b-1-0.conda"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no package: %v", err)
	}
	for subdir, want := range map[string]string{"": "linux-64/a-1-0.conda noarch/a-1-0.conda noarch/a-2-0.conda", "noarch": "noarch/a-1-0.conda noarch/a-2-0.conda"} {
		found, err := s.PackagesByName(ctx, id, subdir, "a")
		var got []string
		for _, p := range found {
			got = append(got, p.Subdir+"/"+p.Filename)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("in %q: %q, %v", subdir, got, err)
		}
	}
}

func TestPatchIsSetAndRemoved(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	for _, patch := range []string{`{"a": 1}`, `{"b": 2}`, ""} {
		update(t, s, func(tx *Tx) error { return tx.SetPatch(id, "noarch", json.RawMessage(patch)) })
		if got, err := s.PatchOf(ctx, id, "noarch"); err != nil || string(got) != patch || (patch == "") != (got == nil) {
			t.Errorf("%q, %v, want %q", got, err, patch)
		}
	}
}

func TestUpdateChannelKeepsItsName(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Now: (&clock{5000}).now})
	c := &Channel{Name: "main", Visibility: "licensed", CreatedAt: 1}
	update(t, s, func(tx *Tx) error { return tx.InsertChannel(c) })
	c.Name, c.Visibility, c.Description, c.Notices = "renamed", "open", "d", json.RawMessage(`{"notices":[]}`)
	update(t, s, func(tx *Tx) error { return tx.UpdateChannel(c) })
	got, err := s.Channel(ctx, "main")
	want := &Channel{ID: c.ID, Name: "main", Visibility: "open", Description: "d", Notices: json.RawMessage(`{"notices":[]}`), CreatedAt: 1, UpdatedAt: 5000}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(d, err)
	}
}

// What is asked at each publication names its rows alone: a subdir of 100,000
// packages costs what one of ten does.
func TestNameIsReadWithoutItsSubdir(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	type step struct {
		id, parent, unused int64
		Detail             string
	}
	steps, err := list(ctx, s.q, func(p *step) []any { return []any{&p.id, &p.parent, &p.unused, &p.Detail} },
		"EXPLAIN QUERY PLAN "+entriesByName, 1, "name", "noarch")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range steps {
		if !strings.Contains(p.Detail, "name=?") || !strings.Contains(p.Detail, "subdir=?") {
			t.Errorf("the plan has %q: a search by name and subdir is expected", p.Detail)
		}
	}
}
