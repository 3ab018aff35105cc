package conda_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairwayhq/fairway/conda"
)

func TestParseFilename(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]conda.Filename{
		"numpy-1.26.4-py312h8753938_0.conda":                {Name: "numpy", Version: "1.26.4", Build: "py312h8753938_0", Ext: ".conda"},
		"_libgcc_mutex-0.1-conda_forge.tar.bz2":             {Name: "_libgcc_mutex", Version: "0.1", Build: "conda_forge", Ext: ".tar.bz2"},
		"r-base-4.3.1-h1_0.conda":                           {Name: "r-base", Version: "4.3.1", Build: "h1_0", Ext: ".conda"},
		"typst-test-0.0.0.post105+699b871-h6e96688_0.conda": {Name: "typst-test", Version: "0.0.0.post105+699b871", Build: "h6e96688_0", Ext: ".conda"},
		"x-1!2.0_-a.b+C.conda":                              {Name: "x", Version: "1!2.0_", Build: "a.b+C", Ext: ".conda"},
		"zope.interface-5.0-0.conda":                        {Name: "zope.interface", Version: "5.0", Build: "0", Ext: ".conda"},
		strings.Repeat("n", 64) + "-1-0.conda":              {Name: strings.Repeat("n", 64), Version: "1", Build: "0", Ext: ".conda"},
		"pkg-1.0-" + strings.Repeat("b", 64) + ".tar.bz2":   {Name: "pkg", Version: "1.0", Build: strings.Repeat("b", 64), Ext: ".tar.bz2"},
		"dotted.conda-1.0-0.conda":                          {Name: "dotted.conda", Version: "1.0", Build: "0", Ext: ".conda"},
	} {
		got, err := conda.ParseFilename(s)
		if err != nil {
			t.Error(err)
		} else if got != want {
			t.Errorf("%q was read as %+v", s, got)
		} else if got.String() != s {
			t.Errorf("%q came back as %q", s, got.String())
		}
	}
}

func TestParseFilenameRefused(t *testing.T) {
	t.Parallel()
	for s, why := range map[string]string{
		"":                                      "ending in .conda or .tar.bz2",
		".conda":                                "<name>-<version>-<build>.conda",
		"foo.conda":                             "<name>-<version>-<build>.conda",
		"foo-1.0.conda":                         "<name>-<version>-<build>.conda",
		"-1.0-0.conda":                          `the package name "" has 0 bytes`,
		"foo--0.conda":                          `the version "" has 0 bytes`,
		"foo-1.0-.conda":                        `the build "" has 0 bytes`,
		"Foo-1.0-0.conda":                       `the package name "Foo" is not valid`,
		"__virtual-1.0-0.conda":                 "two separators follow each other",
		"foo._bar-1.0-0.conda":                  "two separators follow each other",
		"-foo-1.0-0.conda":                      "begin with a letter",
		".foo-1.0-0.conda":                      "begin with a letter",
		"../../foo-1.0-0.conda":                 "begin with a letter",
		"a/b-1.0-0.conda":                       `"a/b"`,
		`a\b-1.0-0.conda`:                       `"a\\b"`,
		"foo-1.0RC1-0.conda":                    `the version "1.0RC1"`,
		"foo-1..0-0.conda":                      "a segment is empty",
		"foo-1.*-0.conda":                       `the version "1.*"`,
		"foo-1.0-py 3.conda":                    `the build "py 3"`,
		"foo-1.0-..%2f.conda":                   `the build "..%2f"`,
		"foo-1.0-0\x00.conda":                   `"0\x00"`,
		"fo\uff0eo-1.0-0.conda":                 `"fo\uff0eo"`,
		"foo\u2215bar-1.0-0.conda":              "is not valid",
		"foo\u202e-1.0-0.conda":                 "is not valid",
		"foo-1.0-0.zip":                         "ending in .conda or .tar.bz2",
		"foo-1.0-0.CONDA":                       "ending in .conda or .tar.bz2",
		"foo-1.0-0.tar.gz":                      "ending in .conda or .tar.bz2",
		strings.Repeat("n", 65) + "-1-0.conda":  "has 65 bytes",
		strings.Repeat("n", 300) + "-1-0.conda": "at most 211 are expected",
		"foo-" + strings.Repeat("1", 64) + "-0.conda": "a number too large",
	} {
		_, err := conda.ParseFilename(s)
		if err == nil {
			t.Errorf("%q was taken for a file name", s)
		} else if !errors.As(err, new(*conda.InvalidError)) || !strings.Contains(err.Error(), why) || len(err.Error()) > 512 {
			t.Errorf("%q gave %T %q, which does not say %q", s, err, err, why)
		}
	}
}

// TestFilenameUnambiguous checks that no two packages share a file name.
func TestFilenameUnambiguous(t *testing.T) {
	t.Parallel()
	part := rapid.StringMatching(`[a-z0-9]{1,3}([-._+!][a-z0-9]{1,3}){0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		f := conda.Filename{Name: part.Draw(t, "name"), Version: part.Draw(t, "version"), Build: part.Draw(t, "build"), Ext: ".conda"}
		if got, err := conda.ParseFilename(f.String()); err == nil && got != f && !strings.Contains(f.Version+f.Build, "-") {
			t.Fatalf("%+v is read as %+v", f, got)
		}
	})
}

func TestValidChannel(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "conda-forge", "my-team", "acme/ml", "a/b/c", "x.y_z", "_private", "team/api", "0", "main", strings.Repeat("a", 128)} {
		if err := conda.ValidChannel(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{
		"", "/", "a/", "/a", "a//b", "api", "api/x", "v1", "pypi", "legacy", "simple", "-", "_", "t", "a/t", "t/a", "a/label/dev",
		"noarch", "a/noarch", "linux-64", "a/win-64/b", "shards", ".", "..", "a/..", "a/.b", ".a", "-a", "A", "a b", "a%2fb", `a\b`, "a\x00", "é",
		"a/channeldata.json", "favicon.ico", strings.Repeat("a", 129), strings.Repeat("a/", 100) + "b", "a?b", "a#b", "a:b",
	} {
		if err := conda.ValidChannel(name); err == nil {
			t.Errorf("%q was taken for a channel", name)
		} else if !errors.As(err, new(*conda.InvalidError)) {
			t.Errorf("%q gave %T", name, err)
		}
	}
}

func TestSubdirs(t *testing.T) {
	t.Parallel()
	known := conda.KnownSubdirs()
	if known[0] != "noarch" {
		t.Errorf("the first known subdir is %s", known[0])
	}
	for _, s := range []string{"noarch", "linux-64", "osx-arm64", "win-64", "emscripten-wasm32", "wasi-wasm32", "zos-z", "freebsd-64", "linux-ppc64le"} {
		if !slices.Contains(known, s) || !conda.KnownSubdir(s) {
			t.Errorf("%s is not known", s)
		}
	}
	for _, s := range append(known, "plan9-amd64") {
		if !conda.ValidSubdir(s) {
			t.Errorf("%s is not valid", s)
		}
	}
	for _, s := range []string{"", "linux", "linux-", "-64", "linux-64-x", "Linux-64", "linux_64", "../..", "linux-64/", "noarch2", "a-" + strings.Repeat("1", 31)} {
		if conda.ValidSubdir(s) || conda.KnownSubdir(s) {
			t.Errorf("%q was taken for a subdir", s)
		}
	}
	known[0] = "changed"
	if conda.KnownSubdirs()[0] != "noarch" {
		t.Error("a caller can change the list of subdirs")
	}
}
