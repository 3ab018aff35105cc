package catalog

import (
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func pyFile(name, version string) *PyFile {
	filename := name + "-" + version + ".tar.gz"
	return &PyFile{
		Name: name, Filename: filename, Version: version, FileType: "sdist",
		SHA256: sha256.Sum256([]byte(filename)), MD5: [16]byte{1}, Blake2b: [32]byte{2}, Size: 10, RequiresPython: ">=3.9",
		Metadata: []byte("Metadata-Version: 2.1\n"), MetadataSHA256: [32]byte{3}, UploadedAt: 4, UploadedBy: "ci",
	}
}

func TestPyFileRoundTrip(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	f, bare := pyFile("six", "1"), &PyFile{Name: "six", Filename: "six-0-py3-none-any.whl", FileType: "bdist_wheel"}
	rev := update(t, s, func(tx *Tx) error {
		return errors.Join(tx.InsertPyName(&PyName{Name: "six", Display: "Six", Visibility: "open"}), tx.InsertPyFile(f), tx.InsertPyFile(bare))
	})
	for _, want := range []*PyFile{f, bare} {
		got, err := s.PyFile(ctx, want.Filename)
		if d := cmp.Diff(want, got); d != "" || err != nil || got.Rev != rev {
			t.Error(d, err)
		}
	}
	update(t, s, func(tx *Tx) error { return tx.SetProvenance(f.Filename, []byte("{}")) })
	if got, err := s.PyFile(ctx, f.Filename); err != nil || !got.HasProvenance || string(got.Provenance) != "{}" {
		t.Errorf("%+v, %v", got, err)
	}
	listed, err := s.PyFiles(ctx, "six")
	if err != nil || len(listed) != 2 || listed[0].Filename != bare.Filename {
		t.Fatal(listed, err)
	}
	want := *f
	want.Metadata, want.HasProvenance, want.Rev = nil, true, rev+1
	if d := cmp.Diff(&want, listed[1]); d != "" {
		t.Errorf("lists leave the large things out: %s", d)
	}
	n := 0
	if err := s.EachPyFile(ctx, func(f *PyFile) error { n++; return nil }); err != nil || n != 2 {
		t.Errorf("%d files, %v", n, err)
	}
	update(t, s, func(tx *Tx) error { return tx.SetProvenance(f.Filename, nil) })
	if got, _ := s.PyFile(ctx, f.Filename); got.HasProvenance || got.Provenance != nil {
		t.Errorf("provenance stays: %+v", got)
	}
}

func TestPyNameFollowsItsFiles(t *testing.T) {
	t.Parallel()
	c := &clock{1000}
	s := open(t, Options{Now: c.now})
	name := &PyName{Name: "six", Display: "Six", Visibility: "licensed"}
	for i, step := range []struct {
		what    string
		now     int64
		fn      func(tx *Tx) error
		files   int
		changed int64
		updated int64
	}{
		{"made", 1000, func(tx *Tx) error { return tx.InsertPyName(name) }, 0, 1000, 1000},
		{"two files", 2000, func(tx *Tx) error {
			return errors.Join(tx.InsertPyFile(pyFile("six", "1")), tx.InsertPyFile(pyFile("six", "2")))
		}, 2, 2000, 1000},
		{"yanked", 3000, func(tx *Tx) error { return tx.YankPyFile("six-1.tar.gz", "bad") }, 2, 3000, 1000},
		{"the clock went back", 10, func(tx *Tx) error { return tx.UnyankPyFile("six-1.tar.gz") }, 2, 3000, 1000},
		{"yanked in the same second", 3999, func(tx *Tx) error { return tx.YankPyFile("six-1.tar.gz", "bad") }, 2, 4000, 1000},
		{"changed", 5000, func(tx *Tx) error {
			name.Display, name.Status, name.StatusReason = "SIX", "archived", "done"
			return tx.UpdatePyName(name)
		}, 2, 5000, 5000},
		{"one deleted", 6000, func(tx *Tx) error { return tx.DeletePyFile("six-2.tar.gz") }, 1, 6000, 5000},
		{"seen from inside", 7000, func(tx *Tx) error {
			err := tx.InsertPyFile(pyFile("six", "3"))
			if n, err2 := tx.PyName("six"); err2 != nil || n.Files != 2 {
				return errors.Join(errors.New("inside"), err2)
			}
			return err
		}, 2, 7000, 5000},
	} {
		c.ms = step.now
		rev := update(t, s, step.fn)
		want := *name
		want.CreatedAt, want.UpdatedAt, want.Rev, want.ChangedAt, want.Files = 1000, step.updated, rev, step.changed, step.files
		got, err := s.PyName(ctx, "six")
		if d := cmp.Diff(&want, got); d != "" || err != nil {
			t.Errorf("%d, %s: %s, %v", i, step.what, d, err)
		}
	}
	names, err := s.PyNames(ctx)
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestYankedPyFile(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.InsertPyName(&PyName{Name: "six"}), tx.InsertPyFile(pyFile("six", "1")))
	})
	for _, reason := range []string{"bad", ""} {
		update(t, s, func(tx *Tx) error { return tx.YankPyFile("six-1.tar.gz", reason) })
		if f, err := s.PyFile(ctx, "six-1.tar.gz"); err != nil || !f.Yanked || f.YankReason != reason {
			t.Errorf("%+v, %v", f, err)
		}
	}
	update(t, s, func(tx *Tx) error { return tx.UnyankPyFile("six-1.tar.gz") })
	if f, err := s.PyFile(ctx, "six-1.tar.gz"); err != nil || f.Yanked || f.YankReason != "" {
		t.Errorf("%+v, %v", f, err)
	}
}

// A Python file name is used once, whatever happens to its file or its name.
func TestPyFileNamesAreNeverUsedAgain(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Now: (&clock{7000}).now})
	one, two := pyFile("six", "1"), pyFile("six", "2")
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.InsertPyName(&PyName{Name: "six"}), tx.InsertPyFile(one), tx.InsertPyFile(two))
	})
	update(t, s, func(tx *Tx) error { return tx.DeletePyFile(one.Filename) })
	rev := update(t, s, func(tx *Tx) error { return tx.DeletePyName("six") })
	if _, complete, err := s.ChangesSince(ctx, rev-1, KindPyFile, "six"); err != nil || complete {
		t.Errorf("every file of the name changed: complete %v, %v", complete, err)
	}
	update(t, s, func(tx *Tx) error { return tx.InsertPyName(&PyName{Name: "six"}) })
	for _, f := range []*PyFile{one, two} {
		if _, err := tryUpdate(s, func(tx *Tx) error { return tx.InsertPyFile(f) }); !errors.Is(err, ErrExists) {
			t.Errorf("%s again: %v", f.Filename, err)
		}
		ts, err := s.Tombstoned(ctx, f.Filename)
		if err != nil || *ts != (Tombstone{Filename: f.Filename, SHA256: f.SHA256, DeletedAt: 7000}) {
			t.Errorf("%+v, %v", ts, err)
		}
		if used, err := s.BlobReferenced(ctx, f.SHA256); err != nil || used {
			t.Errorf("%s: its bytes are used: %v, %v", f.Filename, used, err)
		}
	}
	if problems, err := s.Check(ctx); err != nil || problems != nil {
		t.Errorf("check: %q, %v", problems, err)
	}
}

func TestEachBlobOnce(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	shared := pyFile("six", "1")
	conda, twin := pkg(id, "noarch", "a", "1", "x"), pkg(id, "win-64", "a", "1", "x")
	twin.SHA256, shared.SHA256, shared.Size = conda.SHA256, conda.SHA256, conda.Size
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.InsertPackage(conda), tx.InsertPackage(twin), tx.InsertPyName(&PyName{Name: "six"}), tx.InsertPyFile(shared), tx.InsertPyFile(pyFile("six", "2")))
	})
	got := make(map[[32]byte]int64)
	n := 0
	if err := s.EachBlob(ctx, func(b *Blob) error { got[b.SHA256] = b.Size; n++; return nil }); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if got[conda.SHA256] != conda.Size || got[pyFile("six", "2").SHA256] != 10 {
		t.Errorf("%v", got)
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.DeletePackage(id, "noarch", conda.Filename), tx.DeletePackage(id, "win-64", conda.Filename))
	})
	if used, err := s.BlobReferenced(ctx, conda.SHA256); err != nil || !used {
		t.Errorf("a Python file still has these bytes: %v, %v", used, err)
	}
}
