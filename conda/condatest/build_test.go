package condatest_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/fairwayhq/fairway/conda/condatest"
)

// TestBzip2 decodes what the encoder made with the standard library.
func TestBzip2(t *testing.T) {
	t.Parallel()
	check := func(t interface{ Fatalf(string, ...any) }, data []byte) {
		got, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(condatest.Bzip2(data))))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came back as %d, error %v", len(data), len(got), err)
		}
	}
	check(t, nil)
	check(t, bytes.Repeat([]byte{0}, 120_000))
	check(t, bytes.Repeat([]byte("ab"), 6_000))
	check(t, []byte(strings.Repeat("the same run of words, and then a number: 0000000000\n", 2_200)))
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.SliceOfN(rapid.ByteRange(0, byte(rapid.IntRange(0, 255).Draw(t, "alphabet"))), 0, 300).Draw(t, "data"))
	})
}

// TestBuild reads packages of both formats back with the standard library.
func TestBuild(t *testing.T) {
	t.Parallel()
	spec := condatest.Spec{Name: "foo", Depends: []string{"bar >=1"}, Files: map[string]string{"bin/foo": "#!"}, RunExports: map[string][]string{"weak": {"foo"}}}
	want := []string{"info/index.json", "info/paths.json", "info/run_exports.json", "bin/foo"}

	name, data := condatest.Build(spec)
	if name != "foo-1.0-0.conda" {
		t.Errorf("file name is %q", name)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, member := range []string{"info-foo-1.0-0.tar.zst", "pkg-foo-1.0-0.tar.zst"} {
		f, err := z.Open(member)
		if err != nil {
			t.Fatal(err)
		}
		d, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, names(t, d)...)
		d.Close()
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf(".conda holds %q, not %q", got, want)
	}

	spec.TarBz2 = true
	name, data = condatest.Build(spec)
	if name != "foo-1.0-0.tar.bz2" {
		t.Errorf("file name is %q", name)
	}
	if got := names(t, bzip2.NewReader(bytes.NewReader(data))); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf(".tar.bz2 holds %q, not %q", got, want)
	}
	if _, again := condatest.Build(spec); !bytes.Equal(data, again) {
		t.Error("the same package was built with other bytes")
	}
}

func names(t *testing.T, r io.Reader) (all []string) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h.Name)
	}
}
