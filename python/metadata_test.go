package python

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const leastMetadata = "Metadata-Version: 2.4\nName: ours\nVersion: 1.0\n"

func TestParseMetadata(t *testing.T) {
	t.Parallel()
	raw := "Metadata-Version: 2.4\r\nname: Ours.Own\r\nVERSION:1.0\r\nSummary: Grüße\nRequires-Python: >=3.9\nRequires-Dist: a>=1\n" +
		"Requires-Dist: b[x] ; extra == 'y'\nProvides-Extra: y\nClassifier: A\nClassifier: B\nLicense: several\n        lines\n\tof it\n" +
		"Keywords: a,b\nProject-URL: Home, https://h\nX-Unknown: ignored\nX-Unknown: again\nDynamic: Summary\nImport-Name: ours\n" +
		"Description-Content-Type: text/markdown; charset=UTF-8; variant=GFM\n\n# Title\n\nText: not a field\n"
	got, err := ParseMetadata([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	want := &Metadata{
		MetadataVersion: "2.4", Name: "Ours.Own", Version: "1.0", Summary: "Grüße", RequiresPython: ">=3.9",
		RequiresDist: []string{"a>=1", "b[x] ; extra == 'y'"}, ProvidesExtra: []string{"y"}, Classifier: []string{"A", "B"},
		License: "several\n        lines\n\tof it", Keywords: "a,b", ProjectURL: []string{"Home, https://h"}, Dynamic: []string{"Summary"},
		ImportName: []string{"ours"}, DescriptionContentType: "text/markdown; charset=UTF-8; variant=GFM", Description: "# Title\n\nText: not a field\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestSoundMetadata(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"least":                      leastMetadata,
		"without a line end":         strings.TrimSuffix(leastMetadata, "\n"),
		"the oldest":                 "Metadata-Version: 1.0\nName: a\nVersion: 1\nPlatform: UNKNOWN\nHome-page: UNKNOWN\n",
		"never finished 2.0":         "Metadata-Version: 2.0\nName: a\nVersion: 1\n",
		"a minor version to come":    "Metadata-Version: 2.17\nName: a\nVersion: 1\nNew-Field: x\n",
		"empty fields":               leastMetadata + "Summary:\nRequires-Python: \nKeywords:\n",
		"description as a field":     leastMetadata + "Description: one\n        |two\n",
		"description blank below":    leastMetadata + "Description: one\n\n\n",
		"content type of setuptools": leastMetadata + "Description-Content-Type: UNKNOWN\n",
		"licence file":               leastMetadata + "License-Expression: MIT\nLicense-File: licenses/LICENSE\n",
		"licence file of old":        "Metadata-Version: 2.1\nName: a\nVersion: 1\nLicense-File: licenses\\LICENSE\n",
		"version not normal":         "Metadata-Version: 2.1\nName: a\nVersion: v1.0-ALPHA\n",
	} {
		if _, err := ParseMetadata([]byte(raw)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInvalidMetadata(t *testing.T) {
	t.Parallel()
	with := func(line string) string { return leastMetadata + line + "\n" }
	for name, raw := range map[string]string{
		"empty":                       "",
		"a byte order mark":           "\ufeff" + leastMetadata,
		"not UTF-8":                   with("Summary: \xff"),
		"no version of metadata":      "Name: ours\nVersion: 1.0\n",
		"unknown version of metadata": "Metadata-Version: 3.0\nName: ours\nVersion: 1.0\n",
		"odd version of metadata":     "Metadata-Version: 2.01\nName: ours\nVersion: 1.0\n",
		"no name":                     "Metadata-Version: 2.1\nVersion: 1.0\n",
		"invalid name":                "Metadata-Version: 2.1\nName: -ours\nVersion: 1.0\n",
		"name with markup":            "Metadata-Version: 2.1\nName: <b>\nVersion: 1.0\n",
		"no version":                  "Metadata-Version: 2.1\nName: ours\n",
		"invalid version":             "Metadata-Version: 2.1\nName: ours\nVersion: latest\n",
		"name twice":                  with("Name: theirs"),
		"name twice by case":          with("NAME: theirs"),
		"version in the description":  "Metadata-Version: 2.1\nName: ours\n\nVersion: 1.0\n",
		"line without a field":        with("just text"),
		"field with a blank":          with("Sum mary: x"),
		"continuation first":          " x\n" + leastMetadata,
		"carriage return in a field":  with("Summary: a\rName: theirs"),
		"NUL in a field":              with("Summary: a\x00b"),
		"summary of several lines":    with("Summary: a\n b"),
		"requirement":                 with("Requires-Dist: a >=== 1"),
		"requirement, marker":         with("Requires-Dist: a; nonsense == '1'"),
		"python":                      with("Requires-Python: 3.9+"),
		"extra":                       with("Provides-Extra: -a"),
		"dynamic":                     with("Dynamic: Name"),
		"dynamic unknown":             with("Dynamic: Nonsense"),
		"content type":                with("Description-Content-Type: text/html"),
		"charset":                     with("Description-Content-Type: text/plain; charset=latin-1"),
		"licence file up":             with("License-File: ../LICENSE"),
		"licence file glob":           with("License-File: LICEN*"),
		"two descriptions":            with("Description: one\n\ntwo"),
		"many fields":                 with(strings.Repeat("X: y\n", maxHeaders)),
	} {
		_, err := ParseMetadata([]byte(raw))
		var inv *InvalidError
		if !errors.As(err, &inv) {
			t.Errorf("%s: %v", name, err)
		} else if len(err.Error()) > 400 {
			t.Errorf("%s: the reason has %d bytes", name, len(err.Error()))
		}
	}
}

func TestFilenameOfProject(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ filename, project, version string }{
		{"ours-1.0.tar.gz", "ours", "1.0"},
		{"Ours.More-1.0.zip", "ours-more", "1.0"},
		{"ours-more-1.0-1.tar.gz", "ours-more", "1.0.post1"},
		{"ours-1-2.tar.gz", "ours-1", "2"},
		{"ours-1-2.tar.gz", "ours", "1.post2"},
		{"ours-more-1.0.tar.gz", "ours", ""},
		{"ours-1.0.tar.gz", "theirs", ""},
		{"ours-1.0-py3-none-any.whl", "ours", "1.0"},
		{strings.Repeat("a", 240) + "-1.tar.gz", "", ""},
	} {
		f, err := ParseFilename(test.filename, test.project)
		if (err == nil) != (test.version != "") || err == nil && f.Version.String() != test.version {
			t.Errorf("%s of %s: %s, %v", test.filename, test.project, f.Version, err)
		}
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{"active": true, "archived": true, "quarantined": true, "deprecated": true, "": false, "Active": false, "gone": false} {
		if ValidStatus(status) != want {
			t.Errorf("ValidStatus(%q) = %t", status, !want)
		}
	}
}

// Long input is cut in messages, and refused before it costs anything.
func TestLongInput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1", 100_000)
	for name, fn := range map[string]func() error{
		"version":     func() error { _, err := ParseVersion(long); return err },
		"specifier":   func() error { _, err := ParseSpecifiers("==" + long); return err },
		"specifiers":  func() error { _, err := ParseSpecifiers(strings.Repeat("==1,", 10_000)); return err },
		"requirement": func() error { _, err := ParseRequirement("a==" + long); return err },
		"brackets":    func() error { _, err := ParseRequirement("a;" + strings.Repeat("(", 8000)); return err },
		"filename":    func() error { _, err := ParseFilename("a-"+long+".tar.gz", ""); return err },
	} {
		if err := fn(); err == nil || len(err.Error()) > 300 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if ValidName(long) {
		t.Error("a name of 100,000 bytes is valid")
	}
}
