package conda_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/conda/condatest"
)

// small keeps a fuzzer from spending its time on large but lawful packages.
var small = conda.Limits{MaxEntries: 100, MaxUnpacked: 1 << 20, MaxWindow: 8 << 20}

// check checks what holds of every answer: a refusal is one line, and a package
// that is accepted has a record that is JSON.
func check(t *testing.T, info *conda.Info, err error) {
	t.Helper()
	if err != nil {
		if !errors.As(err, new(*conda.InvalidError)) || bytes.ContainsAny([]byte(err.Error()), "\n\x00") {
			t.Fatalf("gave %T %q", err, err)
		}
		return
	}
	record := info.Record(1, [32]byte{}, [16]byte{}, 1)
	if !json.Valid(record) || !json.Valid(info.RunExports) || info.About != nil && !json.Valid(info.About) {
		t.Fatalf("the record %s, or what goes with it, is no JSON", record)
	}
	if info.Filename.Name != info.Name || !conda.ValidSubdir(info.Subdir) {
		t.Fatalf("%s is accepted as %s in %q", info.Filename, info.Name, info.Subdir)
	}
}

func FuzzParseFilename(f *testing.F) {
	for _, s := range []string{"a-1-0.conda", "_x.y-z-1!2.0_+l-py_0.tar.bz2", "a--1-0.conda", "../a-1-0.conda", "-.conda", "a-1..2-0.conda"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := conda.ParseFilename(s)
		if err == nil && (name.String() != s || filepath.Base(s) != s || filepath.Clean(s) != s) {
			t.Fatalf("%q was read as %+v", s, name)
		}
	})
}

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"1.0", "1!2.0.post1.dev2+l.3", "1.0.1_", "2-3", "a.b_c", "1..2", "99999999999999999999"} {
		f.Add(s, "1.0")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v, err := conda.ParseVersion(a)
		if err != nil {
			return
		}
		again, err := conda.ParseVersion(v.String())
		if err != nil || v.Compare(again) != 0 {
			t.Fatalf("%q is %s, which is not the same: %v", a, v, err)
		}
		if w, err := conda.ParseVersion(b); err == nil && v.Compare(w) != -w.Compare(v) {
			t.Fatalf("%s and %s compare differently the other way round", v, w)
		}
	})
}

func FuzzMatchSpec(f *testing.F) {
	for _, s := range []string{
		"python >=3.6,<4", "foo=1.2=py_0", "a[version='>=1',build=\"*x\"]", "c::a (1|2),!=1.* b*", "a ^1\\.[0-9]$", "a ~=1.2", "a[extras=[x, y]]",
		"a 1.*.1|*", "a[when=\"__unix and (b>=1)\"]", "a;b", "a#b",
	} {
		f.Add(s)
	}
	v, err := conda.ParseVersion("1.2.3")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := conda.ParseMatchSpec(s); err == nil {
			m.Match(m.Name, v, "py_0")
		} else {
			check(t, nil, err)
		}
	})
}

func FuzzIndexJSON(f *testing.F) {
	f.Add("{"+plainIndex+"}", "{}", "{}", `{"paths":[]}`)
	f.Add("{"+plainIndex+`,"timestamp":1.5e9,"purls":["pkg:a/b"],"noarch":true}`, "[]", `{"noarch":{"entry_points":["a=b:c"]}}`, `{"paths":[{"_path":"a"}]}`)
	f.Add("{"+plainIndex+`,"depends":["a >=1"],"track_features":["a,b"]}`, `{"weak":["a"]}`, "[]", "[[[[")
	f.Fuzz(func(t *testing.T, index, runExports, link, paths string) {
		data := condatest.Conda("pkg-1.0-0", condatest.Zstd(condatest.Tar(
			condatest.File("info/index.json", index), condatest.File("info/run_exports.json", runExports),
			condatest.File("info/link.json", link), condatest.File("info/paths.json", paths))), condatest.Zstd(condatest.Tar()))
		info, err := inspect("pkg-1.0-0.conda", data, "", small)
		check(t, info, err)
	})
}

func FuzzConda(f *testing.F) {
	for _, name := range []string{"rattler-made-1.2.3-h0_4.conda", "streamed-2.0-py_0.conda"} {
		data, err := os.ReadFile(filepath.Join("testdata/packages", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, data)
	}
	name, data := condatest.Build(condatest.Spec{Files: map[string]string{"a/b": "c"}})
	f.Add(name, data)
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		info, err := inspect(name, data, "", small)
		check(t, info, err)
	})
}

func FuzzTar(f *testing.F) {
	for _, entries := range [][]*condatest.Entry{
		nil, {condatest.File("a", "x"), condatest.Link(tar.TypeLink, "b", "a")}, {condatest.Link(tar.TypeSymlink, "a/b", "../c/../d")},
		{condatest.Link(tar.TypeDir, "./", ""), condatest.File("./a/é", "x")}, {pax(condatest.File("a", "x"), "comment", "y")},
	} {
		info, pkg := condatest.Spec{}.Members()
		f.Add(condatest.Tar(append(append(info, pkg...), entries...)...))
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		info, err := inspect("pkg-1.0-0.tar.bz2", condatest.Bzip2(archive), "", small)
		check(t, info, err)
	})
}
