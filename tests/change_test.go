package tests

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// listed fails the test unless every variant of a subdir lists just these files.
func listed(t *testing.T, s harness.Source, want ...string) harness.Records {
	t.Helper()
	r := s.View(t)
	slices.Sort(want)
	if diff := cmp.Diff(want, r.Names()); diff != "" {
		t.Fatalf("%s lists (-want +got):\n%s", s.Prefix, diff)
	}
	exports, err := s.RunExports("run_exports.json")
	must(t, err)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(exports))); diff != "" {
		t.Fatalf("%s has run_exports of (-want +got):\n%s", s.Prefix, diff)
	}
	return r
}

// A yanked package leaves every index at once, and lock files go on working.
func TestYank(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key, reader := g.Key("developer"), g.Key("reader")
	g.Channel("team")
	a, data := g.Publish(key, "team", condatest.Spec{Name: "app", Version: "1"})
	b, _ := g.Publish(key, "team", condatest.Spec{Name: "app", Version: "2"})
	other, _ := g.Publish(key, "team", condatest.Spec{Name: "other"})
	s := g.Subdir(reader, "team", "noarch")
	before := listed(t, s, a, b, other)

	g.Expect(t, 403, harness.Request{Method: "POST", Path: "/api/v1/yank/team/noarch/" + a, Key: reader})
	g.Expect(t, 200, harness.Request{Method: "POST", Path: "/api/v1/yank/team/noarch/" + a, Key: key, Body: []byte(`{"reason":"broken"}`)})
	listed(t, s, b, other)
	if r := g.Get("/team/noarch/"+a, reader); r.Status != 200 || !bytes.Equal(r.Body, data) {
		t.Errorf("the yanked file: %d", r.Status)
	}
	g.Expect(t, 200, harness.UploadRequest(key, "team", a, data)) // identical bytes are no way around a yank
	listed(t, s, b, other)
	g.Expect(t, 200, harness.Request{Method: "POST", Path: "/api/v1/unyank/team/noarch/" + a, Key: key})
	if diff := cmp.Diff(before, listed(t, s, a, b, other)); diff != "" {
		t.Errorf("yank and unyank changed the records (-before +after):\n%s", diff)
	}

	g.MustCLI("conda", "yank", "team/noarch/"+other, "--reason", "by hand")
	listed(t, s, a, b)
	g.Restart()
	listed(t, s, a, b)
	g.MustCLI("conda", "unyank", "team/noarch/"+other)
	listed(t, s, a, b, other)
	if _, errs, code := g.CLI("conda", "yank", "team/noarch/none-1.0-0.conda"); code != 1 || !strings.Contains(errs, "none-1.0-0.conda") {
		t.Errorf("yanking what is not there: exit status %d, %q", code, errs)
	}
}

// A deleted package is gone from every index and by its URL, and the same bytes
// coming back keep their time of first publication.
func TestDelete(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	admin, developer := g.Key("admin"), g.Key("developer")
	g.Channel("org/team")
	a, data := g.Publish(developer, "org/team", condatest.Spec{Name: "app", Subdir: "linux-64"})
	b, _ := g.Publish(developer, "org/team", condatest.Spec{Name: "other", Subdir: "linux-64"})
	s := g.Subdir(developer, "org/team", "linux-64")
	before := listed(t, s, a, b)

	path := "/api/v1/delete/org/team/linux-64/" + a
	g.Expect(t, 403, harness.Request{Method: "DELETE", Path: path, Key: developer})
	g.Expect(t, 401, harness.Request{Method: "DELETE", Path: path})
	g.Expect(t, 200, harness.Request{Method: "DELETE", Path: path, Key: admin})
	listed(t, s, b)
	g.Expect(t, 404, harness.Request{Path: "/org/team/linux-64/" + a, Key: developer})
	g.Expect(t, 404, harness.Request{Method: "DELETE", Path: path, Key: admin})
	g.Expect(t, 201, harness.UploadRequest(developer, "org/team", a, data))
	if diff := cmp.Diff(before, listed(t, s, a, b)); diff != "" {
		t.Errorf("the same bytes came back with another record (-before +after):\n%s", diff)
	}
}

// Repodata patches change every variant at once, as conda-index applies them, and
// go away without a trace.
func TestPatch(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	admin, reader := g.Key("admin"), g.Key("reader")
	g.Channel("team")
	fix, _ := g.Publish(admin, "team", condatest.Spec{Name: "fix", Depends: []string{"python"}, License: "MIT"})
	old, _ := g.Publish(admin, "team", condatest.Spec{Name: "old", TarBz2: true})
	twin, _ := g.Publish(admin, "team", condatest.Spec{Name: "old"})
	gone, _ := g.Publish(admin, "team", condatest.Spec{Name: "gone"})
	bad, _ := g.Publish(admin, "team", condatest.Spec{Name: "bad"})
	s := g.Subdir(reader, "team", "noarch")
	before := listed(t, s, fix, old, twin, gone, bad)
	plain := g.Get("/team/noarch/repodata.json", reader)

	patch := `{"patch_instructions_version": 1,
		"packages": {"` + old + `": {"depends": ["zlib"]}},
		"packages.conda": {"` + fix + `": {"depends": ["python <4"], "license": null}},
		"revoke": ["` + bad + `"], "remove": ["` + gone + `"]}`
	q := harness.Request{Method: "PUT", Path: "/api/v1/patch/team/noarch", Body: []byte(patch)}
	for key, status := range map[string]int{"": 401, reader: 403, admin: 200} {
		q.Key = key
		if key != admin {
			g.Expect(t, status, q)
		}
	}
	q.Key = admin
	g.Expect(t, 200, q)
	// The patch is not about run_exports.json: what it removes stays there (CEP 12).
	visible := func(want ...string) harness.Records {
		t.Helper()
		r := s.View(t)
		slices.Sort(want)
		if diff := cmp.Diff(want, r.Names()); diff != "" {
			t.Fatalf("the patched index lists (-want +got):\n%s", diff)
		}
		return r
	}
	patched := visible(fix, old, twin, bad)
	for file, want := range map[string]string{fix: "python <4", old: "zlib", twin: "zlib", bad: "package_has_been_revoked"} {
		depends, _ := json.Marshal(patched[file]["depends"])
		if !strings.Contains(string(depends), strings.ReplaceAll(want, "<", `\u003c`)) {
			t.Errorf("%s depends on %s: %s is expected", file, depends, want)
		}
	}
	if _, there := patched[fix]["license"]; there {
		t.Error("a null of the patch left its field")
	}
	for _, field := range []string{"sha256", "indexed_timestamp"} {
		if !cmp.Equal(before[fix][field], patched[fix][field]) {
			t.Errorf("the patch changed %s", field)
		}
	}
	late, _ := g.Publish(admin, "team", condatest.Spec{Name: "late"})
	visible(fix, old, twin, bad, late)
	g.Restart()
	visible(fix, old, twin, bad, late)

	g.Expect(t, 200, harness.Request{Method: "DELETE", Path: "/api/v1/delete/team/noarch/" + late, Key: admin})
	g.Expect(t, 200, harness.Request{Method: "DELETE", Path: "/api/v1/patch/team/noarch", Key: admin})
	if diff := cmp.Diff(before, listed(t, s, fix, old, twin, gone, bad)); diff != "" {
		t.Errorf("the patch left traces (-before +after):\n%s", diff)
	}
	if again := g.Get("/team/noarch/repodata.json", reader); !bytes.Equal(again.Body, plain.Body) || again.Header.Get("ETag") != plain.Header.Get("ETag") {
		t.Error("the same packages give other bytes, or another ETag, than before the patch")
	}
	for name, body := range map[string]string{"no JSON": "{", "a list": "[]", "another version": `{"patch_instructions_version": 2}`} {
		checkSentence(t, g.Expect(t, 422, harness.Request{Method: "PUT", Path: "/api/v1/patch/team/noarch", Key: admin, Body: []byte(body), Header: map[string]string{"X-Case": name}}))
	}
}

// Re-reading a healthy subdir finds nothing and changes nothing.
func TestReindex(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("developer")
	g.Channel("team")
	a, _ := g.Publish(key, "team", condatest.Spec{Name: "a"})
	b, _ := g.Publish(key, "team", condatest.Spec{Name: "b", TarBz2: true})
	s := g.Subdir(key, "team", "noarch")
	before := listed(t, s, a, b)
	r := g.Expect(t, 200, harness.Request{Method: "POST", Path: "/api/v1/reindex/team/noarch", Key: key})
	var report struct {
		Packages          int
		Repaired, Damaged []any
	}
	if err := json.Unmarshal(r.Body, &report); err != nil || report.Packages != 2 || len(report.Repaired)+len(report.Damaged) != 0 {
		t.Errorf("the report is %s", r.Text())
	}
	if diff := cmp.Diff(before, listed(t, s, a, b)); diff != "" {
		t.Errorf("reindexing changed the records (-before +after):\n%s", diff)
	}
}
