package conda_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/conda/condatest"
)

// indexed builds a package with raw bytes as its info/index.json.
func indexed(raw string) []byte {
	info := []*condatest.Entry{condatest.File("info/index.json", raw)}
	return condatest.Conda("pkg-1.0-0", condatest.Zstd(condatest.Tar(info...)), condatest.Zstd(condatest.Tar()))
}

const plainIndex = `"name":"pkg","version":"1.0","build":"0","build_number":0,"subdir":"noarch"`

// TestIndexFields has fields of info/index.json, and what becomes of each in the
// record: the rest of it is left out here.
func TestIndexFields(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]string{
		``:                                        `"depends":[]`,
		`,"depends":null,"constrains":null`:       `"depends":[]`,
		`,"depends":[],"constrains":[]`:           `"depends":[]`,
		`,"depends":["python 3.8.* *_cpython"]`:   `"depends":["python 3.8.* *_cpython"]`,
		`,"depends":["b","a"],"constrains":["c"]`: `"constrains":["c"],"depends":["b","a"]`,
		`,"arch":"x86_64","platform":"linux"`:     `"depends":[]`,
		`,"arch":null,"license":null,"x":{"y":[1]},"run_exports":{"weak":["a"]},"md5":"0","size":"x","indexed_timestamp":1`: `"depends":[]`,
		`,"noarch":"generic"`:                               `"depends":[],"noarch":"generic"`,
		`,"noarch":"python"`:                                `"depends":[],"noarch":"python"`,
		`,"noarch":true`:                                    `"depends":[],"noarch":"generic"`,
		`,"noarch":false`:                                   `"depends":[]`,
		`,"noarch":""`:                                      `"depends":[]`,
		`,"timestamp":1700000000123`:                        `"depends":[],"timestamp":1700000000123`,
		`,"timestamp":1700000000`:                           `"depends":[],"timestamp":1700000000000`,
		`,"timestamp":1700000000.1239`:                      `"depends":[],"timestamp":1700000000123`,
		`,"timestamp":1700000000123.9`:                      `"depends":[],"timestamp":1700000000123`,
		`,"timestamp":0`:                                    `"depends":[],"timestamp":0`,
		`,"track_features":""`:                              `"depends":[]`,
		`,"track_features":"a, b  c"`:                       `"depends":[],"track_features":"a b c"`,
		`,"track_features":["a","b c"],"features":["x"]`:    `"depends":[],"features":"x","track_features":"a b c"`,
		`,"features":"","license_family":"BSD"`:             `"depends":[],"license_family":"BSD"`,
		`,"license":"\u003cé\u2028\"\\\n\u0001"`:            `"depends":[],"license":"<é` + "\u2028" + `\"\\\n\u0001"`,
		`,"purls":[]`:                                       `"depends":[],"purls":[]`,
		`,"purls":["pkg:pypi/b","pkg:pypi/a","pkg:pypi/b"]`: `"depends":[],"purls":["pkg:pypi/a","pkg:pypi/b"]`,
		`,"legacy_bz2_md5":"0123456789abcdef0123456789abcdef","legacy_bz2_size":5`: `"depends":[],"legacy_bz2_md5":"0123456789abcdef0123456789abcdef","legacy_bz2_size":5`,
		`,"schema_version":2,"repodata_revision":0,"flags":[],"extra_depends":{}`:  `"depends":[]`,
		`,"depends":["foo[version='>=1']"]`:                                        `"depends":["foo[version='>=1']"]`,
	} {
		info, err := inspect("pkg-1.0-0.conda", indexed("{"+plainIndex+fields+"}"), "noarch", conda.Limits{})
		if err != nil {
			t.Errorf("%s: %v", fields, err)
			continue
		}
		record := info.Record(0, [32]byte{}, [16]byte{}, 0)
		rest := strings.NewReplacer(
			`"build":"0",`, "", `"build_number":0,`, "", `"name":"pkg",`, "", `"indexed_timestamp":0,`, "", `"size":0,`, "",
			`"md5":"00000000000000000000000000000000",`, "", `"subdir":"noarch",`, "",
			`"sha256":"0000000000000000000000000000000000000000000000000000000000000000",`, "",
		).Replace(string(record))
		if !json.Valid(record) || rest != "{"+want+`,"version":"1.0"}` {
			t.Errorf("%s became\n%s, not\n%s", fields, rest, want)
		}
	}
}

// TestIndexRefused has an info/index.json that says what it cannot.
func TestIndexRefused(t *testing.T) {
	t.Parallel()
	replace := func(old, with string) string { return "{" + strings.Replace(plainIndex, old, with, 1) + "}" }
	add := func(s string) string { return "{" + plainIndex + "," + s + "}" }
	for raw, why := range map[string]string{
		``:                          "is not valid JSON",
		`[]`:                        "is no JSON object",
		`"x"`:                       "is no JSON object",
		`{` + plainIndex + `}{}`:    "is not valid JSON",
		`{` + plainIndex + `} x`:    "is not valid JSON",
		"\ufeff{}":                  "is not valid JSON",
		add("\"license\":\"\xff\""): "is not UTF-8",
		add(`"license":NaN`):        "is not valid JSON",
		add(`"name":"pkg"`):         `has the key "name" twice`,
		add(`"\u006eame":"pkg"`):    `has the key "name" twice`,
		add(`"x":` + strings.Repeat("[", 100_000)):                         "nests deeper than 64 levels",
		add(`"x":` + strings.Repeat("[", 65) + strings.Repeat("]", 65)):    "nests deeper than 64 levels",
		replace(`"name":"pkg"`, `"name":"other"`):                          `has the name "other": the file name says "pkg"`,
		replace(`"name":"pkg"`, `"Name":"pkg"`):                            `has no "name"`,
		replace(`"name":"pkg"`, `"name":["pkg"]`):                          "a string is expected",
		replace(`"version":"1.0"`, `"version":1.0`):                        "a string is expected",
		replace(`"1.0"`, `"1.0.0"`):                                        `has the version "1.0.0": the file name says "1.0"`,
		replace(`"build":"0"`, `"build":"1"`):                              `has the build "1"`,
		replace(`"build":"0"`, `"build":null`):                             "a string is expected",
		replace(`"build_number":0,`, ``):                                   `has no "build_number"`,
		replace(`"build_number":0`, `"build_number":"0"`):                  "a number, 0 or larger",
		replace(`"build_number":0`, `"build_number":-1`):                   "a number, 0 or larger",
		replace(`"build_number":0`, `"build_number":1.0`):                  "a number, 0 or larger",
		replace(`"build_number":0`, `"build_number":true`):                 "a number, 0 or larger",
		replace(`"build_number":0`, `"build_number":99999999999999999999`): "a number, 0 or larger",
		replace(`"subdir":"noarch"`, `"subdir":"linux-64"`):                "the package was sent to",
		replace(`"subdir":"noarch"`, `"subdir":".."`):                      "has the subdir",
		add(`"platform":7`):                                                "a string is expected",
		add(`"noarch":"perl"`):                                             `"generic" or "python" is expected`,
		add(`"noarch":1`):                                                  `"generic" or "python" is expected`,
		add(`"depends":"python"`):                                          "a list of strings is expected",
		add(`"depends":{"python":"3"}`):                                    "a list of strings is expected",
		add(`"depends":["python",null]`):                                   "a list of strings is expected",
		add(`"depends":["python",7]`):                                      "a list of strings is expected",
		add(`"depends":[""]`):                                              `the dependency "" is not valid`,
		add(`"depends":["py* >=1"]`):                                       "an exact name is expected",
		add(`"constrains":["foo >=<1"]`):                                   `the dependency "foo >=<1" is not valid`,
		add(`"depends":["foo[when=\"__unix\"]"]`):                          "needs repodata revision 3 (CEP 48)",
		add(`"depends":["foo[extras=[a,b]]"]`):                             "needs repodata revision 3 (CEP 48)",
		add(`"constrains":["foo[flags=['x:*']]"]`):                         "needs repodata revision 3 (CEP 48)",
		add(`"extra_depends":{"test":["x"]}`):                              "needs repodata revision 3 (CEP 48)",
		add(`"flags":["cuda"]`):                                            "needs repodata revision 3 (CEP 48)",
		add(`"schema_version":3`):                                          "needs repodata revision 3 (CEP 48)",
		add(`"repodata_revision":3`):                                       "needs repodata revision 3 (CEP 48)",
		add(`"schema_version":"2"`):                                        "a number, 0 or larger",
		add(`"flags":"cuda"`):                                              "a list of strings is expected",
		add(`"timestamp":"1700000000"`):                                    "a time in milliseconds",
		add(`"timestamp":-1`):                                              "a time in milliseconds",
		add(`"timestamp":1e300`):                                           "a time in milliseconds",
		add(`"timestamp":[1]`):                                             "a time in milliseconds",
		add(fmt.Sprintf(`"timestamp":%d`, now.Add(time.Hour).UnixMilli())): "in the future",
		add(fmt.Sprintf(`"timestamp":%d`, now.Add(time.Hour).Unix())):      "in the future",
		add(`"track_features":{"a":1}`):                                    "a string or a list of strings",
		add(`"track_features":[1]`):                                        "a string or a list of strings",
		add(`"license":["MIT"]`):                                           "a string is expected",
		add(`"license_family":1`):                                          "a string is expected",
		add(`"python_site_packages_path":"../x"`):                          "a relative path",
		add(`"python_site_packages_path":"/x"`):                            "a relative path",
		add(`"python_site_packages_path":"a\\..\\..\\x"`):                  "a relative path",
		add(`"purls":"pkg:pypi/a"`):                                        "a list of strings",
		add(`"purls":["http://x"]`):                                        "pkg:<type>/<name> is expected",
		add(`"legacy_bz2_md5":"xyz"`):                                      "an MD5",
		add(`"legacy_bz2_size":-5`):                                        "a number of bytes",
	} {
		_, err := inspect("pkg-1.0-0.conda", indexed(raw), "noarch", conda.Limits{})
		refused(t, err, why)
		if t.Failed() {
			t.Fatalf("with %.200s", raw)
		}
	}
}

// TestTimestampTolerance checks that clocks may differ a little, and how much.
func TestTimestampTolerance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead, tolerance time.Duration
		ok               bool
	}{{5 * time.Minute, 0, true}, {11 * time.Minute, 0, false}, {11 * time.Minute, time.Hour, true}, {2 * time.Hour, time.Hour, false}} {
		filename, data := condatest.Build(condatest.Spec{Timestamp: now.Add(c.ahead).UnixMilli()})
		if _, err := inspect(filename, data, "", conda.Limits{FutureTolerance: c.tolerance}); (err == nil) != c.ok {
			t.Errorf("a package built %s from now, with a tolerance of %s, gives %v", c.ahead, c.tolerance, err)
		}
	}
}

// TestInfoFiles has the other files of info/, each with what becomes of it.
func TestInfoFiles(t *testing.T) {
	t.Parallel()
	link := func(points string) string {
		return `{"noarch":{"type":"python","entry_points":` + points + `},"package_metadata_version":1}`
	}
	paths := func(list string) string { return `{"paths":[` + list + `],"paths_version":1}` }
	for _, c := range []struct{ path, content, why string }{
		{"info/link.json", link(`["foo = foo.cli:main", "bar-baz=a_b:C.d"]`), ""},
		{"info/link.json", `{"noarch":{"type":"generic"}}`, ""},
		{"info/link.json", `{}`, ""},
		{"info/link.json", link(`["../../.bashrc = foo:main"]`), "without a path"},
		{"info/link.json", link(`["/bin/sh = foo:main"]`), "without a path"},
		{"info/link.json", link(`["a\\b = foo:main"]`), "without a path"},
		{"info/link.json", link(`[".. = foo:main"]`), "without a path"},
		{"info/link.json", link(`["c:x = foo:main"]`), "without a path"},
		{"info/link.json", link(`["a\u0000 = foo:main"]`), "without a path"},
		{"info/link.json", link(`["a = foo"]`), "<command> = <module>:<function>"},
		{"info/link.json", link(`["a = foo:main; import os"]`), "<command> = <module>:<function>"},
		{"info/link.json", link(`["a = foo..b:main"]`), "<command> = <module>:<function>"},
		{"info/link.json", link(`["a = 1foo:main"]`), "<command> = <module>:<function>"},
		{"info/link.json", link(`"a = foo:main"`), "no list of strings"},
		{"info/link.json", `{"noarch":[]}`, "is no JSON object"},
		{"info/link.json", `{"noarch":{},"noarch":{}}`, "twice"},
		{"info/link.json", `x`, "is not valid JSON"},

		{"info/paths.json", paths(`{"_path":"bin/a","path_type":"hardlink"},{"_path":"lib/b/","x":{"_path":"../.."}}`), ""},
		{"info/paths.json", `{"paths_version":1,"other":[{"_path":"../x"}],"paths":[]}`, ""},
		{"info/paths.json", paths(`{"_path":"../../.bashrc"}`), `names the path "../../.bashrc"`},
		{"info/paths.json", paths(`{"_path":"/etc/passwd"}`), "names the path"},
		{"info/paths.json", paths(`{"_path":"..\\x"}`), "names the path"},
		{"info/paths.json", paths(`{"_path":""}`), "names the path"},
		{"info/paths.json", paths(`{"_path":"ok","_path":"../x"}`), "is there twice"},
		{"info/paths.json", paths(`{"_path":"../x","_PATH":"ok"}`), "names the path"},
		{"info/paths.json", paths(`{"_path":7}`), "is no string"},
		{"info/paths.json", paths(`{"path":"x"}`), "without a _path"},
		{"info/paths.json", paths(`"x"`), "is no object"},
		{"info/paths.json", `{"paths":{}}`, "are no list"},
		{"info/paths.json", `{"paths":[],"paths":[{"_path":"../x"}]}`, "twice"},
		{"info/paths.json", `{"paths":[]} {}`, "behind its end"},
		{"info/paths.json", `{"paths":[`, "is not valid JSON"},
		{"info/paths.json", `[]`, "is no JSON object"},
		{"info/paths.json", `{"x":` + strings.Repeat("[", 100_000), "is not valid JSON"},
		{"info/paths.json", `{"x":"` + strings.Repeat("x", 3<<20) + `"}`, "has a value of more than"},

		{"info/files", "bin/a\r\nlib/b c\n\n", ""},
		{"info/files", "bin/a\n../b\n", `line 2 of a list of files`},
		{"info/files", strings.Repeat("x", 5000), "too long"},
		{"info/no_link", "/etc/passwd", "line 1 of a list of files"},

		{"info/about.json", `{"home":"x"}`, ""},
		{"info/about.json", `["x"]`, "info/about.json is no JSON object"},
		{"info/about.json", `{"home":}`, "info/about.json is not valid JSON"},
		{"info/about.json", "{\"home\":\"\xff\"}", "info/about.json is not UTF-8"},

		{"info/run_exports.json", `{"weak":"x"}`, "a list of strings is expected"},
		{"info/run_exports.json", `{"strong":[1]}`, "a list of strings is expected"},
		{"info/run_exports.json", `["foo >=<1"]`, "is not valid"},
		{"info/run_exports.json", `"foo"`, "is no JSON object"},
		{"info/run_exports.json", `{"weak":[],"weak":[]}`, "twice"},
		{"info/run_exports.json", `{"weak":["foo[when=\"__unix\"]"]}`, "needs repodata revision 3"},
		{"info/run_exports.json", `{"schema_version":2,"weak":[]}`, "only 1 is accepted"},
	} {
		filename, data := condatest.Build(condatest.Spec{Files: map[string]string{c.path: c.content}})
		_, err := inspect(filename, data, "", conda.Limits{})
		if c.why != "" {
			refused(t, err, c.why)
		} else if err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Fatalf("with %s %.100q", c.path, c.content)
		}
	}
}

func TestRunExports(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{}`:              `{}`,
		`[]`:              `{"weak":[]}`,
		` ["a >=1", "b"]`: `{"weak":["a >=1","b"]}`,
		`{"weak":null}`:   `{}`,
		`{"noarch":["n"],"weak_constrains":["w"],"strong_constrains":["s"],"strong":["t"],"x":1,"schema_version":1}`: `{"noarch":["n"],"strong":["t"],"strong_constrains":["s"],"weak_constrains":["w"]}`,
	} {
		filename, data := condatest.Build(condatest.Spec{Files: map[string]string{"info/run_exports.json": raw}})
		info, err := inspect(filename, data, "", conda.Limits{})
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		} else if string(info.RunExports) != want {
			t.Errorf("%s became %s, not %s", raw, info.RunExports, want)
		}
	}
	filename, data := condatest.Build(condatest.Spec{})
	if info, err := inspect(filename, data, "", conda.Limits{}); err != nil || string(info.RunExports) != "{}" || info.About != nil {
		t.Errorf("a package without run_exports has %s, error %v", info.RunExports, err)
	}
}

// TestDataDescriptors reads a package whose outer archive was streamed, with sizes
// behind each member.
func TestDataDescriptors(t *testing.T) {
	t.Parallel()
	_, good := condatest.Build(condatest.Spec{})
	from, err := zip.NewReader(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range from.File {
		out, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		in, err := f.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(out, in); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := inspect("pkg-1.0-0.conda", b.Bytes(), "", conda.Limits{}); err != nil {
		t.Error(err)
	}
	damaged := bytes.Clone(b.Bytes())
	damaged[bytes.Index(damaged, []byte("PK\x07\x08"))+4]++
	_, err = inspect("pkg-1.0-0.conda", damaged, "", conda.Limits{})
	refused(t, err, "data descriptor that does not agree")
}

func TestCheckAttestation(t *testing.T) {
	t.Parallel()
	bundle := func(mediaType, material, payload, signatures string) string {
		return fmt.Sprintf(`{"mediaType":%s,"verificationMaterial":%s,"dsseEnvelope":{"payload":%s,"payloadType":"application/vnd.in-toto+json","signatures":%s}}`,
			mediaType, material, payload, signatures)
	}
	const media = `"application/vnd.dev.sigstore.bundle.v0.3+json"`
	if err := conda.CheckAttestation([]byte(bundle(media, `{"certificate":{}}`, `"e30="`, `[{"sig":"AA=="}]`))); err != nil {
		t.Error(err)
	}
	for raw, why := range map[string]string{
		"":      "is not valid JSON",
		"hello": "is not valid JSON",
		"[]":    "is no JSON object",
		"{}":    "a Sigstore bundle is expected",
		bundle(`"text/plain"`, `{}`, `"e30="`, `[]`):     "a Sigstore bundle is expected",
		bundle(media, `null`, `"e30="`, `[]`):            "has no verificationMaterial",
		bundle(media, `{}`, `"not base64!"`, `[]`):       "no payload in Base64",
		bundle(media, `{}`, `7`, `[]`):                   "no payload in Base64",
		bundle(media, `{}`, `"e30="`, `null`):            "has no signatures",
		`{"mediaType":` + media + `}`:                    "has no verificationMaterial",
		strings.Repeat(" ", 1<<20) + "{}":                "at most 1048576 are accepted",
		`{"x":` + strings.Repeat(`{"x":`, 100_000) + `1`: "nests deeper",
	} {
		refused(t, conda.CheckAttestation([]byte(raw)), why)
	}
}
