package catalog

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// place is where a conda package is.
type place struct{ channel, subdir, filename string }

// model is what a catalog should hold, in the plainest way.
type model struct {
	rev      int64
	channels map[string]int64
	packages map[place]*Package
	tombs    map[place]map[[32]byte]int64 // IndexedAt by digest
	pyNames  map[string]bool
	pyFiles  map[string]*PyFile
	pyUsed   map[string]bool // file names that are never used again

	// A reader that follows the feed as an index does.
	followed int64
	follower map[place][32]byte
}

// Any sequence of mutations leaves the catalog as it leaves a few maps, every
// refusal included, and who follows the feed has the same.
func TestCatalogAgainstAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(memory(), "catalog-model-*")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "catalog.db")
		s := openModel(rt, path)
		defer func() { _ = s.Close() }()
		m := &model{
			channels: map[string]int64{}, packages: map[place]*Package{}, tombs: map[place]map[[32]byte]int64{},
			pyNames: map[string]bool{}, pyFiles: map[string]*PyFile{}, pyUsed: map[string]bool{}, follower: map[place][32]byte{},
		}
		ops := m.operations()
		rt.Repeat(map[string]func(*rapid.T){
			"mutation": func(rt *rapid.T) {
				n := rapid.IntRange(1, 4).Draw(rt, "size")
				m.mutate(rt, s, ops, n)
			},
			"follow": func(rt *rapid.T) { m.follow(rt, s) },
			"reopen": func(rt *rapid.T) {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				s = openModel(rt, path)
			},
			"compare": func(rt *rapid.T) { m.compare(rt, s) },
		})
		m.compare(rt, s)
		m.follow(rt, s)
		if problems, err := s.Check(ctx); err != nil || problems != nil {
			rt.Errorf("check: %q, %v", problems, err)
		}
	})
}

func openModel(rt *rapid.T, path string) *Store {
	s, err := Open(path, Options{ChangesKept: 15})
	if err != nil {
		rt.Fatal(err)
	}
	return s
}

// memory is a folder without a disk beneath, where there is one: this test is not
// about power cuts, and most of its time would be syncs.
func memory() string {
	const shm = "/dev/shm"
	if fi, err := os.Stat(shm); err == nil && fi.IsDir() {
		return shm
	}
	return os.TempDir()
}

// operation does something to the catalog, and to the model if it may; it returns
// what the catalog should say.
type operation func(rt *rapid.T, tx *Tx) (got, want error)

// mutate runs some operations as one mutation. A refusal undoes all of them, so it
// is kept from the mutation: the statement alone is undone.
func (m *model) mutate(rt *rapid.T, s *Store, ops map[string]operation, n int) {
	names := slices.Sorted(maps.Keys(ops))
	var faults []string
	changed := false
	_, err := tryUpdate(s, func(tx *Tx) error {
		for range n {
			name := rapid.SampledFrom(names).Draw(rt, "operation")
			got, want := ops[name](rt, tx)
			if !errors.Is(got, want) {
				faults = append(faults, fmt.Sprintf("%s: %v, want %v", name, got, want))
			}
			changed = changed || got == nil
		}
		return nil
	})
	if err != nil || faults != nil {
		rt.Fatalf("%v: %s", err, strings.Join(faults, "; "))
	}
	if changed {
		m.rev++
	}
	if s.Rev() < m.rev-1 || s.Rev() > m.rev { // an unyank that finds nothing yanked changes nothing
		rt.Fatalf("revision %d, want %d", s.Rev(), m.rev)
	}
	m.rev = s.Rev()
}

func (m *model) operations() map[string]operation {
	draw := func(rt *rapid.T) (place, *Package) {
		p := pkg(0, rapid.SampledFrom([]string{"noarch", "win-64"}).Draw(rt, "subdir"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name"), "1",
			rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "bytes"))
		channel := rapid.SampledFrom([]string{"main", "dev"}).Draw(rt, "channel")
		p.ChannelID = m.channels[channel]
		return place{channel, p.Subdir, p.Filename}, p
	}
	pyDraw := func(rt *rapid.T) *PyFile {
		return pyFile(rapid.SampledFrom([]string{"six", "seven"}).Draw(rt, "name"), rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "version"))
	}
	// known is the package at a place, or the error of a mutation of it.
	known := func(at place) (*Package, error) {
		if p := m.packages[at]; p != nil {
			return p, nil
		}
		return nil, ErrNotFound
	}
	bury := func(at place) {
		if m.tombs[at] == nil {
			m.tombs[at] = map[[32]byte]int64{}
		}
		old := m.packages[at]
		if _, again := m.tombs[at][old.SHA256]; !again {
			m.tombs[at][old.SHA256] = old.IndexedAt
		}
	}
	return map[string]operation{
		"make a channel": func(rt *rapid.T, tx *Tx) (got, want error) {
			at, _ := draw(rt)
			c := &Channel{Name: at.channel, Visibility: "open"}
			if m.channels[at.channel] != 0 {
				return tx.InsertChannel(c), ErrExists
			}
			got = tx.InsertChannel(c)
			m.channels[at.channel] = c.ID
			return got, nil
		},
		"delete a channel": func(rt *rapid.T, tx *Tx) (got, want error) {
			at, p := draw(rt)
			if !rapid.SampledFrom([]bool{true, false, false, false}).Draw(rt, "really") {
				return ErrNotFound, ErrNotFound
			}
			if p.ChannelID == 0 {
				return tx.DeleteChannel(p.ChannelID), ErrNotFound
			}
			delete(m.channels, at.channel)
			in := func(p place) bool { return p.channel == at.channel }
			maps.DeleteFunc(m.packages, func(p place, _ *Package) bool { return in(p) })
			maps.DeleteFunc(m.tombs, func(p place, _ map[[32]byte]int64) bool { return in(p) })
			return tx.DeleteChannel(p.ChannelID), nil
		},
		"publish": func(rt *rapid.T, tx *Tx) (got, want error) {
			at, p := draw(rt)
			p.IndexedAt = tx.Rev()
			switch {
			case p.ChannelID == 0:
				want = ErrNotFound
			case m.packages[at] != nil:
				want = ErrExists
			default:
				m.packages[at] = p
			}
			return tx.InsertPackage(p), want
		},
		"replace": func(rt *rapid.T, tx *Tx) (got, want error) {
			at, p := draw(rt)
			old, want := known(at)
			if want == nil {
				p.IndexedAt = old.IndexedAt
				if old.SHA256 != p.SHA256 {
					bury(at)
				}
				m.packages[at] = p
			}
			return tx.UpdatePackage(p), want
		},
		"yank": func(rt *rapid.T, tx *Tx) (got, want error) {
			at, p := draw(rt)
			old, want := known(at)
			if want == nil {
				if old.YankReason = p.Name; old.YankedAt == 0 {
					old.YankedAt = tx.Now()
				}
			}
			return tx.YankPackage(p.ChannelID, at.subdir, at.filename, p.Name), want
		},
		"unyank": func(rt *rapid.T, tx *Tx) (got, want error) {
			at, p := draw(rt)
			old, want := known(at)
			if want == nil {
				old.YankedAt, old.YankReason = 0, ""
			}
			return tx.UnyankPackage(p.ChannelID, at.subdir, at.filename), want
		},
		"delete": func(rt *rapid.T, tx *Tx) (got, want error) {
			at, p := draw(rt)
			if _, want = known(at); want == nil {
				bury(at)
				delete(m.packages, at)
			}
			return tx.DeletePackage(p.ChannelID, at.subdir, at.filename), want
		},
		"make a Python name": func(rt *rapid.T, tx *Tx) (got, want error) {
			f := pyDraw(rt)
			if m.pyNames[f.Name] {
				want = ErrExists
			}
			m.pyNames[f.Name] = true
			return tx.InsertPyName(&PyName{Name: f.Name}), want
		},
		"delete a Python name": func(rt *rapid.T, tx *Tx) (got, want error) {
			f := pyDraw(rt)
			if !m.pyNames[f.Name] {
				return tx.DeletePyName(f.Name), ErrNotFound
			}
			delete(m.pyNames, f.Name)
			for filename, g := range m.pyFiles {
				if g.Name == f.Name {
					m.pyUsed[filename] = true
					delete(m.pyFiles, filename)
				}
			}
			return tx.DeletePyName(f.Name), nil
		},
		"publish a Python file": func(rt *rapid.T, tx *Tx) (got, want error) {
			f := pyDraw(rt)
			switch {
			case m.pyUsed[f.Filename], m.pyFiles[f.Filename] != nil:
				want = ErrExists
			case !m.pyNames[f.Name]:
				want = ErrConflict
			default:
				m.pyFiles[f.Filename] = f
			}
			return tx.InsertPyFile(f), want
		},
		"delete a Python file": func(rt *rapid.T, tx *Tx) (got, want error) {
			f := pyDraw(rt)
			if m.pyFiles[f.Filename] == nil {
				return tx.DeletePyFile(f.Filename), ErrNotFound
			}
			delete(m.pyFiles, f.Filename)
			m.pyUsed[f.Filename] = true
			return tx.DeletePyFile(f.Filename), nil
		},
	}
}

// follow brings the follower up to date as an index does: by what changed, or, when
// that is not known, by reading everything.
func (m *model) follow(rt *rapid.T, s *Store) {
	for name, id := range m.channels {
		for _, subdir := range []string{"noarch", "win-64"} {
			changed, complete, err := s.ChangesSince(ctx, m.followed, KindConda, name+"/"+subdir)
			if err != nil {
				rt.Fatal(err)
			}
			if !complete {
				maps.DeleteFunc(m.follower, func(p place, _ [32]byte) bool { return p.channel == name && p.subdir == subdir })
				err := s.EachPackage(ctx, id, subdir, func(p *Package) error {
					m.follower[place{name, subdir, p.Filename}] = p.SHA256
					return nil
				})
				if err != nil {
					rt.Fatal(err)
				}
			}
			for _, file := range changed {
				at := place{name, subdir, file}
				p, err := s.Package(ctx, id, subdir, file)
				switch {
				case errors.Is(err, ErrNotFound):
					delete(m.follower, at)
				case err != nil:
					rt.Fatal(err)
				default:
					m.follower[at] = p.SHA256
				}
			}
		}
	}
	maps.DeleteFunc(m.follower, func(p place, _ [32]byte) bool { return m.channels[p.channel] == 0 })
	m.followed = s.Rev()
	want := make(map[place][32]byte)
	for at, p := range m.packages {
		want[at] = p.SHA256
	}
	if d := cmp.Diff(want, m.follower); d != "" {
		rt.Fatalf("who follows the feed: %s", d)
	}
}

// compare reads everything and compares it with the model.
func (m *model) compare(rt *rapid.T, s *Store) {
	got := make(map[place]Package)
	for name, id := range m.channels {
		states, err := s.Subdirs(ctx, id)
		if err != nil {
			rt.Fatal(err)
		}
		for _, st := range states {
			packages, yanked := 0, 0
			err := s.EachPackage(ctx, id, st.Subdir, func(p *Package) error {
				got[place{name, st.Subdir, p.Filename}] = *p
				packages++
				if p.YankedAt != 0 {
					yanked++
				}
				return nil
			})
			if err != nil || st.Packages != packages || st.Yanked != yanked {
				rt.Fatalf("%s has %d packages, %d yanked, and says %+v: %v", name, packages, yanked, st, err)
			}
		}
	}
	want := make(map[place]Package)
	for at, p := range m.packages {
		want[at] = *p
	}
	ignored := cmp.FilterPath(func(p cmp.Path) bool { f := p.Last().String(); return f == ".ID" || f == ".Rev" }, cmp.Ignore())
	if d := cmp.Diff(want, got, ignored); d != "" {
		rt.Fatalf("packages: %s", d)
	}
	for at, tombs := range m.tombs {
		for sha, indexed := range tombs {
			if ts, err := s.Tombstone(ctx, m.channels[at.channel], at.subdir, at.filename, sha); err != nil || ts.IndexedAt != indexed {
				rt.Fatalf("tombstone of %v: %+v, %v, want %d", at, ts, err, indexed)
			}
		}
	}
	files := make(map[string]bool)
	if err := s.EachPyFile(ctx, func(f *PyFile) error { files[f.Filename] = true; return nil }); err != nil {
		rt.Fatal(err)
	}
	wantFiles := make(map[string]bool)
	for name := range m.pyFiles {
		wantFiles[name] = true
	}
	if d := cmp.Diff(wantFiles, files); d != "" {
		rt.Fatalf("Python files: %s", d)
	}
	for name := range m.pyUsed {
		if _, err := s.Tombstoned(ctx, name); err != nil {
			rt.Fatalf("%s: %v", name, err)
		}
	}
}
