package tests

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// differences are where our records are meant to be others than a peer's, with the
// reason. Every difference that is found must stand here, and every line here must
// be found.
var differences = map[string]string{
	"conda-index: indexed_timestamp, only ours": "CEP 47, which conda-index does not have yet",
	"conda-index: constrains, only theirs":      "an empty constrains says nothing",
	"conda-index: license, only theirs":         "a null says nothing",
	"conda-index: unknown_key, only theirs":     "a record holds what a CEP gives a meaning; the archive keeps the rest",
	"conda-index: depends, only ours":           "clients and patches expect a list, be it empty",
	"conda-index: subdir, only ours":            "without it some clients build wrong URLs; the folder knows it",
	"conda-index: noarch, only theirs":          "false says nothing, and rattler's type has no such value",
	"conda-index: track_features, other value":  "one string, as CEP 36 has it",
	"conda-index: timestamp, other value":       "milliseconds, whatever unit the builder used",
	"conda-index: purls, other value":           "a set is sorted, so that equal packages have equal records",
	"rattler: indexed_timestamp, other value":   "each indexer's own clock",
	"rattler: timestamp, other value":           "milliseconds, whatever unit the builder used",
	"rattler: run_exports, only theirs":         "CEP 12 and CEP 21 put them into run_exports.json and shards; in repodata.json they cost every client",
	"rattler: arch, only theirs":                "deprecated by CEP 36: the subdir says it",
	"rattler: platform, only theirs":            "deprecated by CEP 36: the subdir says it",
	"rattler: subdir, other value":              "rattler publishes \"unknown\", which no URL has",
}

// Our records are those of conda-index and of rattler's indexer for the same
// packages, but for what stands in differences.
func TestRecordsAgreeWithOtherIndexers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, s := range []condatest.Spec{
		{Name: "plain", License: "MIT", Timestamp: 1700000000123, Depends: []string{"b >=1", "a"}, Constrains: []string{"c <2"}},
		{Name: "plain", Version: "1.0.1", Build: "py_1", BuildNumber: 1, Noarch: "python", Depends: []string{"python >=3.9"}},
		{Name: "native", Subdir: "linux-64", License: "BSD-3-Clause", Index: map[string]any{"constrains": []string{}, "license_family": "BSD"}},
		{Name: "old", Subdir: "linux-64", TarBz2: true, RunExports: map[string]any{"weak": []string{"old >=1"}}},
		{Name: "exports", Subdir: "linux-64", RunExports: map[string]any{"strong": []string{"exports >=1"}, "weak": []string{"x"}}},
		{Name: "odd", Subdir: "linux-64", Index: map[string]any{
			"unknown_key": 1, "license": json.RawMessage("null"), "track_features": []string{"one", "two"}, "timestamp": 1700000000, "noarch": false,
		}},
		{Name: "purls", Index: map[string]any{"purls": []string{"pkg:pypi/z", "pkg:pypi/a"}, "python_site_packages_path": "lib/python3.12/site-packages"}},
		{Name: "bare", Index: map[string]any{"depends": nil, "subdir": nil}},
		{Name: "epoch", Version: "1!2.0.post1+local.1", Subdir: "linux-64"},
		{Name: "_mutex", Build: "h0123_5", BuildNumber: 5, Subdir: "linux-64", Index: map[string]any{"features": "mkl"}},
		{Name: "text", License: "Ünïcode <&> \u2028", Subdir: "linux-64"},
	} {
		addTo(t, dir, s)
	}
	var folders struct {
		CondaIndex string `json:"conda_index"`
		Rattler    string `json:"rattler"`
	}
	harness.Python(t, "conda", "index_peers.py", map[string]any{"dir": dir, "out": t.TempDir()}, &folders)

	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	if out, errs, code := g.CLI("import", dir, "--channel", "team"); code != 0 {
		t.Fatalf("the import: %s%s", out, errs)
	}
	found := map[string][]string{}
	for _, subdir := range []string{"noarch", "linux-64"} {
		ours := g.Subdir(key, "team", subdir).View(t)
		for peer, folder := range map[string]string{"conda-index": folders.CondaIndex, "rattler": folders.Rattler} {
			theirs := readRepodata(t, filepath.Join(folder, subdir, "repodata.json"))
			if diff := cmp.Diff(theirs.Names(), ours.Names()); diff != "" {
				t.Errorf("%s lists other files in %s (-theirs +ours):\n%s", peer, subdir, diff)
			}
			for file, rec := range ours {
				compare(found, peer+": ", file, rec, theirs[file])
			}
		}
	}
	for what, where := range found {
		if differences[what] == "" {
			t.Errorf("%s, in %v: a difference without a reason", what, where)
		}
	}
	for what := range differences {
		if found[what] == nil {
			t.Errorf("%s: not found any more", what)
		}
	}
}

func compare(found map[string][]string, peer, file string, ours, theirs map[string]any) {
	fields := maps.Clone(ours)
	maps.Copy(fields, theirs)
	for field := range fields {
		a, inOurs := ours[field]
		b, inTheirs := theirs[field]
		what := ""
		switch {
		case !inTheirs:
			what = ", only ours"
		case !inOurs:
			what = ", only theirs"
		case !cmp.Equal(a, b):
			what = ", other value"
		}
		if what != "" {
			found[peer+field+what] = append(found[peer+field+what], file)
		}
	}
}

// addTo builds a package into a channel's folder.
func addTo(t *testing.T, dir string, s condatest.Spec) {
	t.Helper()
	subdir := s.Subdir
	if subdir == "" {
		subdir = "noarch"
	}
	file, data := condatest.Build(s)
	if err := os.MkdirAll(filepath.Join(dir, subdir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, subdir, file), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readRepodata(t *testing.T, path string) harness.Records {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := harness.ParseRepodata(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Clients that decode with other libraries than ours see the same packages in
// every variant, and stop after the first zstd frame.
func TestIndexDecodesElsewhere(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	want := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		for _, version := range []string{"1.0", "2.0"} {
			file, data := g.Publish(key, "team", condatest.Spec{Name: name, Version: version, TarBz2: version == "1.0", RunExports: map[string]any{"weak": []string{name}}})
			want[file] = sha(data)
		}
	}
	var got struct {
		JSONEqualsZst bool `json:"json_equals_zst"`
		Unused        int
		Names         []string
		Info          map[string]any
		Files         map[string]string
		ShardFiles    map[string]string `json:"shard_files"`
		HashTypes     []string          `json:"hash_types"`
	}
	harness.Python(t, "conda", "decode_index.py", map[string]any{"url": g.URL + "/team/noarch/", "key": key}, &got)
	if !got.JSONEqualsZst || got.Unused != 0 {
		t.Errorf("repodata.json.zst decodes to repodata.json: %v, with %d bytes behind its first frame", got.JSONEqualsZst, got.Unused)
	}
	if diff := cmp.Diff(want, got.Files); diff != "" {
		t.Errorf("repodata.json (-published +read):\n%s", diff)
	}
	if diff := cmp.Diff(want, got.ShardFiles); diff != "" {
		t.Errorf("shards (-published +read):\n%s", diff)
	}
	if !slices.Equal(got.Names, []string{"a", "b", "c", "d", "e"}) || !slices.Equal(got.HashTypes, []string{"bytes"}) {
		t.Errorf("the shard index names %v, hashes are %v", got.Names, got.HashTypes)
	}
	created, _ := got.Info["created_at"].(string)
	if got.Info["subdir"] != "noarch" || got.Info["base_url"] != "./" || got.Info["shards_base_url"] != "./shards/" || !strings.HasSuffix(created, "Z") {
		t.Errorf("the shard index's info is %v", got.Info)
	}
}
