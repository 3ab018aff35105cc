package conda_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/conda/condatest"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func inspect(filename string, data []byte, subdir string, lim conda.Limits) (*conda.Info, error) {
	return conda.Inspect(bytes.NewReader(data), int64(len(data)), filename, subdir, now, lim)
}

// refused checks that err is a refusal of one sentence that says why.
func refused(t *testing.T, err error, why string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("accepted, instead of refused because of %q", why)
	case !errors.As(err, new(*conda.InvalidError)):
		t.Errorf("is a %T, no refusal: %v", err, err)
	case !strings.Contains(err.Error(), why) || len(err.Error()) > 512 || strings.ContainsAny(err.Error(), "\n\x00"):
		t.Errorf("is refused by %q, which does not say %q in one line", err, why)
	}
}

// TestInspect reads a package with everything in it, in both formats.
func TestInspect(t *testing.T) {
	t.Parallel()
	for _, bz2 := range []bool{false, true} {
		spec := condatest.Spec{
			Name: "foo-bar", Version: "1!2.0.post1+local.3", Build: "py312h1_7", BuildNumber: 7, Subdir: "linux-64", TarBz2: bz2,
			Depends: []string{"python >=3.12,<3.13.0a0", "python_abi 3.12.* *_cp312"}, Constrains: []string{"bar <0a0"},
			Timestamp: 1700000000123, License: "MIT <é>",
			Index: map[string]any{
				"track_features": []string{"a,b", "c"}, "license_family": "MIT", "unknown_key": map[string]any{"x": 1},
				"purls": []string{"pkg:pypi/foo-bar", "pkg:conda/a"}, "python_site_packages_path": "lib/python3.12/site-packages",
				"features": []string{"mkl"}, "schema_version": 2, "flags": []string{}, "extra_depends": map[string]any{},
			},
			RunExports: map[string]any{"weak": []string{"foo-bar >=2,<3"}, "strong": []string{}, "other": 1},
			About:      map[string]any{"summary": "A foo & a <bar>", "home": nil},
			Files:      map[string]string{"bin/foo": "#!/bin/sh", "lib/a/b/c.txt": strings.Repeat("text ", 5000), "info/recipe/meta.yaml": "x: y"},
		}
		filename, data := condatest.Build(spec)
		info, err := inspect(filename, data, "linux-64", conda.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		index := info.Index
		info.Index = nil
		want := &conda.Info{
			Filename: info.Filename, Subdir: "linux-64", Name: "foo-bar", Version: "1!2.0.post1+local.3", Build: "py312h1_7", BuildNumber: 7,
			RunExports: json.RawMessage(`{"strong":[],"weak":["foo-bar >=2,<3"]}`), About: json.RawMessage(`{"home":null,"summary":"A foo & a <bar>"}`),
		}
		if diff := cmp.Diff(want, info, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "fields" }, cmp.Ignore())); diff != "" {
			t.Error(diff)
		}
		if !bytes.Contains(index, []byte(`"unknown_key"`)) || !bytes.Contains(index, []byte("\n  ")) {
			t.Errorf("the index is not what it was in the archive: %s", index)
		}
		wantRecord := `{"build":"py312h1_7","build_number":7,"constrains":["bar <0a0"],"depends":["python >=3.12,<3.13.0a0","python_abi 3.12.* *_cp312"],` +
			`"features":"mkl","indexed_timestamp":1780000000000,"license":"MIT <é>","license_family":"MIT","md5":"00000000000000000000000000000002",` +
			`"name":"foo-bar","purls":["pkg:conda/a","pkg:pypi/foo-bar"],"python_site_packages_path":"lib/python3.12/site-packages",` +
			`"sha256":"0000000000000000000000000000000000000000000000000000000000000001","size":4711,"subdir":"linux-64","timestamp":1700000000123,` +
			`"track_features":"a b c","version":"1!2.0.post1+local.3"}`
		if diff := cmp.Diff(wantRecord, string(info.Record(4711, [32]byte{31: 1}, [16]byte{15: 2}, 1780000000000))); diff != "" {
			t.Error(diff)
		}
	}
}

// TestInspectOthersPackages reads packages that other tools made.
func TestInspectOthersPackages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/packages/*[a2]")
	if err != nil || len(files) != 4 {
		t.Fatalf("found %q, error %v", files, err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := inspect(filepath.Base(path), data, "", conda.Limits{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		want := map[string]string{
			"rattler-made": `{"build":"h0_4","build_number":4,"constrains":["numpy !=2.0.0"],"depends":["python >=3.9,<4","__glibc >=2.17,<3.0.a0"],` +
				`"indexed_timestamp":0,"license":"Apache-2.0","md5":"00000000000000000000000000000000","name":"rattler-made",` +
				`"sha256":"0000000000000000000000000000000000000000000000000000000000000000","size":0,"subdir":"linux-64","timestamp":1767312000000,"version":"1.2.3"} {}`,
			"streamed": `{"build":"py_0","build_number":0,"depends":["python"],"indexed_timestamp":0,"md5":"00000000000000000000000000000000","name":"streamed",` +
				`"noarch":"python","sha256":"0000000000000000000000000000000000000000000000000000000000000000","size":0,"subdir":"noarch",` +
				`"timestamp":1767312000000,"version":"2.0"} {"weak":["streamed >=2"]}`,
		}[info.Name]
		if diff := cmp.Diff(want, string(info.Record(0, [32]byte{}, [16]byte{}, 0))+" "+string(info.RunExports)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// TestInspectSubdir checks where a package ends up that says little of it.
func TestInspectSubdir(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sent, said    string
		index         map[string]any
		want, refusal string
	}{
		{sent: "linux-64", said: "linux-64", want: "linux-64"},
		{sent: "", said: "osx-arm64", want: "osx-arm64"},
		{sent: "linux-64", said: "noarch", refusal: `has the subdir "noarch": the package was sent to "linux-64"`},
		{sent: "win-64", said: "linux-64", index: map[string]any{"subdir": nil}, want: "win-64"},
		{sent: "", said: "linux-64", index: map[string]any{"subdir": nil}, want: "linux-64"},
		{sent: "", said: "win-32", index: map[string]any{"subdir": nil}, want: "win-32"},
		{sent: "", said: "linux-ppc64le", index: map[string]any{"subdir": nil}, want: "linux-ppc64le"},
		{sent: "", said: "noarch", index: map[string]any{"subdir": nil}, want: "noarch"},
		{sent: "", said: "linux-64", index: map[string]any{"subdir": nil, "platform": nil, "arch": nil}, refusal: `has no "subdir"`},
		{sent: "", said: "linux-64", index: map[string]any{"subdir": "../../etc"}, refusal: "has the subdir"},
		{sent: "", said: "linux-64", index: map[string]any{"subdir": 64}, refusal: "has the subdir"},
		{sent: "..", said: "linux-64", refusal: `".." is no subdir`},
	} {
		filename, data := condatest.Build(condatest.Spec{Subdir: c.said, Index: c.index})
		info, err := inspect(filename, data, c.sent, conda.Limits{})
		if c.refusal != "" {
			refused(t, err, c.refusal)
		} else if err != nil {
			t.Errorf("sent to %q, saying %q %v: %v", c.sent, c.said, c.index, err)
		} else if record := string(info.Record(0, [32]byte{}, [16]byte{}, 0)); info.Subdir != c.want || !strings.Contains(record, `"subdir":"`+c.want+`"`) {
			t.Errorf("sent to %q, saying %q %v, is in %q: %s", c.sent, c.said, c.index, info.Subdir, record)
		}
	}
}

// failing is a file whose disk breaks at an offset.
type failing struct {
	*bytes.Reader
	at int64
}

var errDisk = errors.New("input/output error")

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at {
		return 0, errDisk
	}
	return f.Reader.ReadAt(p, off)
}

// TestInspectDiskError checks that a broken disk is not taken for a bad package,
// wherever it breaks.
func TestInspectDiskError(t *testing.T) {
	t.Parallel()
	for _, bz2 := range []bool{false, true} {
		filename, data := condatest.Build(condatest.Spec{TarBz2: bz2, Files: map[string]string{"f": "content"}})
		for at := range len(data) {
			_, err := conda.Inspect(&failing{bytes.NewReader(data), int64(at)}, int64(len(data)), filename, "", now, conda.Limits{})
			if !errors.Is(err, errDisk) {
				t.Fatalf("%s: a disk that breaks at %d gives %v", filename, at, err)
			}
		}
		_, err := conda.Inspect(bytes.NewReader(data), int64(len(data))+5, filename, "", now, conda.Limits{})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: a file that is shorter than it was gives %v", filename, err)
		}
	}
}

// TestInspectTruncated cuts packages everywhere and damages every byte: nothing
// but refusals, or the same package.
func TestInspectTruncated(t *testing.T) {
	t.Parallel()
	for _, bz2 := range []bool{false, true} {
		filename, data := condatest.Build(condatest.Spec{TarBz2: bz2, Files: map[string]string{"f": "content"}})
		for at := range len(data) {
			if _, err := inspect(filename, data[:at], "", conda.Limits{}); err == nil {
				t.Fatalf("%s: the first %d of %d bytes are accepted", filename, at, len(data))
			} else {
				refused(t, err, "")
			}
			damaged := bytes.Clone(data)
			damaged[at] ^= 0x55
			if _, err := inspect(filename, damaged, "", conda.Limits{}); err != nil {
				refused(t, err, "")
			}
		}
	}
}

// TestInspectMemory checks that a large package costs no more memory than a small
// one: what is allocated in all is far below what is unpacked.
func TestInspectMemory(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 1<<19) // 8 MiB
	files := map[string]string{}
	for i := range 8 {
		files["f"+string(rune('0'+i))] = content
	}
	info, pkg := condatest.Spec{Files: files}.Members()
	data := condatest.Conda("pkg-1.0-0", condatest.Zstd(condatest.Tar(info...)), condatest.Zstd(condatest.Tar(pkg...)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := inspect("pkg-1.0-0.conda", data, "", conda.Limits{MaxRatio: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 24<<20 {
		t.Errorf("a package of 64 MiB took %d MiB of memory", used>>20)
	}
}
