package indexer

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// patched publishes a.tar.bz2 and a.conda, the latter also as b, and applies
// instructions.
func patched(t *testing.T, instructions string) *Set {
	t.Helper()
	src := newFake()
	src.put("noarch", rec("a", "1.0", extBz2, "", "zlib"), rec("a", "1.0", extConda, "", "zlib"), rec("b", "1.0", extConda, "", "zlib"))
	s := openSet(t, src, Options{})
	if err := s.Update(ctx, "team", "noarch", nil, src.setPatch("noarch", instructions)); err != nil {
		t.Fatal(err)
	}
	return s
}

func dependsOf(r map[string]any) (out []string) {
	list, _ := r["depends"].([]any)
	for _, d := range list {
		s, _ := d.(string)
		out = append(out, s)
	}
	return out
}

func TestPatchIsAppliedAsCondaIndexDoes(t *testing.T) {
	t.Parallel()
	const bz2, twin, other = "a-1.0-0.tar.bz2", "a-1.0-0.conda", "b-1.0-0.conda"
	zlib := []string{"zlib"}
	for name, c := range map[string]struct {
		patch   string
		depends map[string][]string
		removed []string
	}{
		"a patch of the .tar.bz2 reaches the .conda": {
			`{"packages":{"a-1.0-0.tar.bz2":{"depends":["x"]}}}`,
			map[string][]string{bz2: {"x"}, twin: {"x"}, other: zlib}, nil,
		},
		"a patch of the .conda alone stays there and wins": {
			`{"packages":{"a-1.0-0.tar.bz2":{"depends":["x"]}},"packages.conda":{"a-1.0-0.conda":{"depends":["y"]},"b-1.0-0.conda":{"depends":["z"]}}}`,
			map[string][]string{bz2: {"x"}, twin: {"y"}, other: {"z"}}, nil,
		},
		"a patch of a file that is not there does nothing": {
			`{"patch_instructions_version":1,"packages":{"c-1.0-0.tar.bz2":{"depends":["x"]}},"remove":["d-1.0-0.conda"],"revoke":["e-1.0-0.conda"]}`,
			map[string][]string{bz2: zlib, twin: zlib, other: zlib}, nil,
		},
		"revoking the .tar.bz2 revokes the .conda": {
			`{"revoke":["a-1.0-0.tar.bz2"]}`,
			map[string][]string{bz2: {"zlib", "package_has_been_revoked"}, twin: {"zlib", "package_has_been_revoked"}, other: zlib}, nil,
		},
		"revoking the .conda leaves the .tar.bz2": {
			`{"revoke":["a-1.0-0.conda"],"packages":{"a-1.0-0.tar.bz2":{"depends":["x"]}}}`,
			map[string][]string{bz2: {"x"}, twin: {"x", "package_has_been_revoked"}, other: zlib}, nil,
		},
		"removing the .tar.bz2 removes the .conda": {
			`{"remove":["a-1.0-0.tar.bz2"]}`, map[string][]string{other: zlib}, []string{twin, bz2},
		},
		"removing the .conda leaves the .tar.bz2": {
			`{"remove":["a-1.0-0.conda","b-1.0-0.conda"]}`, map[string][]string{bz2: zlib}, []string{twin, other},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := patched(t, c.patch)
			doc := repodata(t, s, "noarch")
			got := map[string][]string{}
			for _, m := range []map[string]map[string]any{doc.Bz2, doc.Conda} {
				for fn, r := range m {
					got[fn] = dependsOf(r)
					_, revoked := r["revoked"]
					if revoked != slices.Contains(got[fn], "package_has_been_revoked") {
						t.Errorf("%s has revoked %v", fn, r["revoked"])
					}
				}
			}
			if diff := cmp.Diff(c.depends, got); diff != "" {
				t.Errorf("depends (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.removed, doc.Removed); len(c.removed)+len(doc.Removed) > 0 && diff != "" {
				t.Errorf("removed (-want +got):\n%s", diff)
			}
			// What is removed from the index is still a package (CEP 12).
			if n := bytes.Count(body(t, s, "noarch", "run_exports.json"), []byte(`{"run_exports":`)); n != 3 {
				t.Errorf("run_exports.json lists %d packages, 3 are there", n)
			}
		})
	}
}

func TestPatchDeletesAndAddsFields(t *testing.T) {
	t.Parallel()
	doc := repodata(t, patched(t, `{"packages.conda":{"b-1.0-0.conda":{"license":null,"no_such":null,"track_features":"old","constrains":["c <2"]}}}`), "noarch")
	r := doc.Conda["b-1.0-0.conda"]
	if _, ok := r["license"]; ok || r["track_features"] != "old" || !cmp.Equal(r["constrains"], []any{"c <2"}) {
		t.Errorf("the record is %v", r)
	}
	if _, ok := r["no_such"]; ok {
		t.Error("a null for an unknown field became a field")
	}
}

func TestNothingMovesIdentityHashesAndTimeOfPublication(t *testing.T) {
	t.Parallel()
	r := rec("b", "1.0", extConda, "", "zlib")
	var want map[string]any
	if err := json.Unmarshal(r.JSON, &want); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{`null`, `1`, `"x"`} {
		var parts []string
		for _, key := range patchProof {
			parts = append(parts, `"`+key+`":`+value)
		}
		set := "{" + strings.Join(parts, ",") + "}"
		s := patched(t, `{"packages":{"b-1.0-0.tar.bz2":`+set+`},"packages.conda":{"b-1.0-0.conda":`+set+`}}`)
		if diff := cmp.Diff(want, repodata(t, s, "noarch").Conda["b-1.0-0.conda"]); diff != "" {
			t.Errorf("all set to %s (-want +got):\n%s", value, diff)
		}
	}
}

func TestPatchOfRunExportsShowsInShardsAlone(t *testing.T) {
	t.Parallel()
	s := patched(t, `{"packages.conda":{"b-1.0-0.conda":{"run_exports":{"strong":["b 1.*"]}}}}`)
	_, shards := shardsOf(t, s, "noarch")
	m, _ := shards["b"]["packages.conda"].(map[string]any)
	r, _ := m["b-1.0-0.conda"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"strong": []any{"b 1.*"}}, r["run_exports"]); diff != "" {
		t.Errorf("shard (-want +got):\n%s", diff)
	}
	if got := body(t, s, "noarch", "run_exports.json"); bytes.Contains(got, []byte("strong")) {
		t.Errorf("run_exports.json is patched, which CEP 12 forbids: %s", got)
	}
	if _, ok := repodata(t, s, "noarch").Conda["b-1.0-0.conda"]["run_exports"]; ok {
		t.Error("run_exports are in repodata.json")
	}
}

func TestTakingAPatchAwayBringsBackWhatWasPublished(t *testing.T) {
	t.Parallel()
	src := newFake()
	src.put("noarch", rec("a", "1.0", extConda, "", "zlib"), rec("b", "1.0", extConda, ""))
	s := openSet(t, src, Options{})
	before := repodata(t, s, "noarch")
	for _, patch := range []string{`{"remove":["a-1.0-0.conda"]}`, ``} {
		if err := s.Update(ctx, "team", "noarch", nil, src.setPatch("noarch", patch)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, repodata(t, s, "noarch")); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestPatchReachesWhatIsPublishedAfterIt(t *testing.T) {
	t.Parallel()
	src := newFake()
	s := openSet(t, src, Options{})
	if err := s.Update(ctx, "team", "noarch", nil, src.setPatch("noarch", `{"revoke":["a-1.0-0.conda"]}`)); err != nil {
		t.Fatal(err)
	}
	update(t, s, "noarch", src.put("noarch", rec("a", "1.0", extConda, "")), "a")
	if repodata(t, s, "noarch").Conda["a-1.0-0.conda"]["revoked"] != true {
		t.Error("a package published after its patch is not patched")
	}
}

func TestCheckPatchRefusesWhatCannotBeApplied(t *testing.T) {
	t.Parallel()
	of := func(fields string) string { return `{"packages.conda":{"a-1.0-0.conda":{` + fields + `}}}` }
	for patch, want := range map[string]string{
		`{"patch_instructions_version":2}`:   "patch_instructions_version is 2: at most 1 is understood",
		`{"patch_instructions_version":"1"}`: "cannot be read",
		`[]`:                                 "cannot be read",
		`null`:                               "are null",
		`{`:                                  "cannot be read",
		`{"packages":[]}`:                    "cannot be read",
		`{"packages":{"a-1.0-0.tar.bz2":["depends"]}}`:                          "cannot be read",
		`{"packages":{"a-1.0-0.tar.bz2":{"depends":"x"}}}`:                      `sets depends to "x": a list of strings is expected`,
		`{"packages":{"a-1.0-0.tar.bz2":{"depends":null}}}`:                     "sets depends to null",
		`{"packages.conda":{"a-1.0-0.conda":{"constrains":[1]}}}`:               "sets constrains to [1]",
		`{"packages":{"a-1.0-0.zip":{}}}`:                                       `"a-1.0-0.zip"`,
		`{"remove":{}}`:                                                         "cannot be read",
		`{"packages":{"a-1.0-0.tar.bz2":{"run_exports":["not an object"]}}}`:    "sets run_exports to",
		`{"revoke":["a-1.0-0.tar.bz2",1]}`:                                      "cannot be read",
		`{"packages.conda":{"a-1.0-0.conda":{"track_features":{"a":1}}}}`:       "sets track_features to",
		`{"packages.conda":{"a-1.0-0.conda":{"build_number":"first"}}}`:         "sets build_number to",
		`{"packages.conda":{"a-1.0-0.conda":{"timestamp":"2020-01-01"}}}`:       "sets timestamp to",
		`{"packages.conda":{"a-1.0-0.conda":{"license":["MIT"],"depends":[]}}}`: "sets license to",
		of(`"depends":[null]`):                                                  "sets depends to [null]",
		of(`"constrains":["a",null]`):                                           "sets constrains to",
		of(`"run_exports":{"weak":null}`):                                       "sets run_exports to",
		of(`"run_exports":{"weak":[null]}`):                                     "sets run_exports to",
		of(`"extra_depends":1`):                                                 "sets extra_depends to 1",
		of(`"flags":"x"`):                                                       "sets flags to",
		of(`"arch":1`):                                                          "sets arch to 1",
		of(`"platform":{}`):                                                     "sets platform to {}",
		of(`"python_site_packages_path":5`):                                     "sets python_site_packages_path to 5",
		of(`"legacy_bz2_md5":"zz"`):                                             `sets legacy_bz2_md5 to "zz": an MD5 in hexadecimal`,
		of(`"legacy_bz2_size":"x"`):                                             "sets legacy_bz2_size to",
		of(`"noarch":"java"`):                                                   `sets noarch to "java": "generic" or "python"`,
		of(`"timestamp":253402300800000`):                                       "sets timestamp to",
		of(`"build_number":18446744073709551616`):                               "sets \"build_number\" to",
		of(`"purls":["x"]`):                                                     `sets purls to ["x"]`,
		of(`"x":` + strings.Repeat("[", 65) + strings.Repeat("]", 65)):          "at most 64 levels deep",
		of(`"x":1` + strings.Repeat("0", 20)):                                   `sets "x" to 1`,
		of(`"x":1e999`):                                                         "numbers of 64 bits",
		of(`"x":"\ud800"`):                                                      "whole characters",
		of(`"license":"\udc00"`):                                                "whole characters",
		of("\"x\":\"\xff\""):                                                    "not UTF-8",
	} {
		err := CheckPatch(json.RawMessage(patch))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, expected to hold %q", patch, err, want)
		}
	}
	for _, patch := range []string{
		``, `{}`, `{"patch_instructions_version":1,"packages":{},"packages.conda":{},"remove":[],"revoke":[]}`,
		of(`"x":[1,-1,1.5e300,"\ud83d\ude00","�"],"noarch":"python","timestamp":1700000000000,"arch":null`),
		of(`"purls":["pkg:pypi/a"],"legacy_bz2_md5":"00112233445566778899aabbccddeeff","legacy_bz2_size":5,"flags":[],"extra_depends":{}`),
		`{"packages":{"a-1.0-0.tar.bz2":{"depends":["x"],"license":null,"anything":{"new":1},"constrains":null,"run_exports":{"weak":["a"]}}},"more":1}`,
	} {
		if err := CheckPatch(json.RawMessage(patch)); err != nil {
			t.Errorf("%s is refused: %v", patch, err)
		}
	}
}

func FuzzPatch(f *testing.F) {
	f.Add(`{"packages":{"a-1.0-0.tar.bz2":{"depends":["x"],"license":null}},"remove":["a-1.0-0.conda"],"revoke":["a-1.0-0.tar.bz2"]}`)
	f.Add(`{"packages.conda":{"a-1.0-0.conda":{"run_exports":null,"x":1e400}}}`)
	f.Fuzz(func(t *testing.T, patch string) {
		if CheckPatch(json.RawMessage(patch)) != nil {
			return
		}
		p, err := parsePatch(json.RawMessage(patch))
		if err != nil {
			t.Fatal(err)
		}
		records := []Record{rec("a", "1.0", extBz2, ""), rec("a", "1.0", extConda, "")}
		e := encodeName("a", records, p, func(fn string, err error) { t.Fatalf("accepted instructions make %s unreadable: %v", fn, err) })
		for sec := range secRemoved {
			if b := append(append([]byte("{"), e.plain[sec]...), '}'); !json.Valid(b) {
				t.Fatalf("accepted instructions make an invalid index: %s", b)
			}
		}
	})
}
