package indexer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var indexFiles = []string{
	"repodata.json", "repodata.json.zst", "run_exports.json", "run_exports.json.zst",
	"repodata_shards.msgpack.zst", "current_repodata.json",
}

// sameAsFresh compares everything served with what a build from nothing serves.
func sameAsFresh(t *rapid.T, src *fakeSource, got *Set) {
	fresh := New(src, Options{})
	defer fresh.Close()
	src.mu.Lock()
	subdirs := slices.Sorted(maps.Keys(src.subdirs))
	src.mu.Unlock()
	if err := fresh.OpenChannel(ctx, "team", subdirs); err != nil {
		t.Fatal(err)
	}
	for _, sub := range append(subdirs, "noarch") {
		for _, name := range indexFiles {
			a, _ := got.File("team", sub, name)
			b, _ := fresh.File("team", sub, name)
			if !bytes.Equal(contents(t, a), contents(t, b)) {
				t.Fatalf("%s/%s differs from that of a build from nothing:\n%q\n%q", sub, name, contents(t, a), contents(t, b))
			}
			if a.ETag != b.ETag || !a.Modified.Equal(b.Modified) {
				t.Fatalf("%s/%s has the same bytes as a build from nothing, but validators %s %s and %s %s", sub, name, a.ETag, a.Modified, b.ETag, b.Modified)
			}
		}
	}
	a, _ := got.File("team", "", "channeldata.json")
	b, _ := fresh.File("team", "", "channeldata.json")
	if !bytes.Equal(contents(t, a), contents(t, b)) {
		t.Fatalf("channeldata.json differs from that of a build from nothing:\n%s\n%s", contents(t, a), contents(t, b))
	}
}

// variantsAgree compares the variants of one subdir with each other.
func variantsAgree(t *rapid.T, s *Set, subdir string) {
	plain := body(t, s, subdir, "repodata.json")
	if !bytes.Equal(plain, unzstd(t, body(t, s, subdir, "repodata.json.zst"))) {
		t.Fatal("repodata.json.zst holds other bytes than repodata.json")
	}
	f, _ := s.File("team", subdir, "repodata.json")
	if !bytes.Equal(plain, unzstd(t, contents(t, f.Zstd))) {
		t.Fatal("repodata.json holds other bytes when it is sent with Content-Encoding: zstd")
	}
	if !bytes.Equal(body(t, s, subdir, "run_exports.json"), unzstd(t, body(t, s, subdir, "run_exports.json.zst"))) {
		t.Fatal("run_exports.json.zst holds other bytes than run_exports.json")
	}
	want := repodata(t, s, subdir)
	_, shards := shardsOf(t, s, subdir)
	got := document{Info: want.Info, Bz2: map[string]map[string]any{}, Conda: map[string]map[string]any{}, Removed: []string{}, Revision: 1}
	for _, shard := range shards {
		collect := func(key string, into map[string]map[string]any) {
			m, _ := shard[key].(map[string]any)
			for fn, r := range m {
				r, _ := r.(map[string]any)
				if _, ok := r["run_exports"].(map[string]any); !ok {
					t.Fatalf("%s has no run_exports in its shard", fn)
				}
				delete(r, "run_exports")
				into[fn] = r
			}
		}
		collect("packages", got.Bz2)
		collect("packages.conda", got.Conda)
		list, _ := shard["removed"].([]any)
		for _, fn := range list {
			fn, _ := fn.(string)
			got.Removed = append(got.Removed, fn)
		}
	}
	slices.Sort(want.Removed)
	slices.Sort(got.Removed)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("shards say something else than repodata.json (-json +shards):\n%s", diff)
	}
}

func TestAnySequenceOfChangesGivesTheBytesOfAFreshBuild(t *testing.T) {
	t.Parallel()
	names := []string{"a", "foo", "foo-bar", "foo.bar", "foo_bar", "foo2", "python", "r", "r-base", "zlib"}
	for i := range 60 { // enough for several segments
		names = append(names, fmt.Sprintf("n%02d", i))
	}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "indexer")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		src := newFake()
		open := func() *Set {
			s := New(src, Options{Dir: dir})
			if err := s.OpenChannel(ctx, "team", slices.Sorted(maps.Keys(src.subdirs))); err != nil {
				t.Fatal(err)
			}
			return s
		}
		var bulk []Record
		for i := range rapid.IntRange(0, 40).Draw(t, "initial") {
			for v := range 8 {
				bulk = append(bulk, rec(fmt.Sprintf("n%02d", i), fmt.Sprintf("1.%d", v), extConda, strings.Repeat("x", i%7), "python >=3.6", "zlib"))
			}
		}
		if len(bulk) > 0 {
			src.put("linux-64", bulk...)
		}
		s := open()
		defer func() { _ = s.Close() }()
		subdir := rapid.SampledFrom([]string{"linux-64", "linux-64", "noarch"})
		name, version := rapid.SampledFrom(names), rapid.SampledFrom([]string{"1.0", "1.1", "1.10", "2.0rc1"})
		ext := rapid.SampledFrom([]string{extConda, extBz2})
		content := rapid.SampledFrom([]string{"", "x", "another"})
		check := func(t *rapid.T) {
			for sub := range src.subdirs {
				variantsAgree(t, s, sub)
			}
			sameAsFresh(t, src, s)
		}
		t.Repeat(map[string]func(*rapid.T){
			"publish or overwrite": func(t *rapid.T) {
				sub := subdir.Draw(t, "subdir")
				r := rec(name.Draw(t, "name"), version.Draw(t, "version"), ext.Draw(t, "ext"), content.Draw(t, "content"), "foo >=1.0", "python")
				if err := s.Update(ctx, "team", sub, []string{r.Name}, src.put(sub, r)); err != nil {
					t.Fatal(err)
				}
			},
			"publish many": func(t *rapid.T) {
				sub := subdir.Draw(t, "subdir")
				var rs []Record
				var changed []string
				for range rapid.IntRange(1, 30).Draw(t, "n") {
					r := rec(name.Draw(t, "name"), version.Draw(t, "version"), extConda, content.Draw(t, "content"))
					rs, changed = append(rs, r), append(changed, r.Name)
				}
				if err := s.Update(ctx, "team", sub, changed, src.put(sub, rs...)); err != nil {
					t.Fatal(err)
				}
			},
			"delete": func(t *rapid.T) {
				sub, n := subdir.Draw(t, "subdir"), name.Draw(t, "name")
				files := slices.Sorted(maps.Keys(src.subdir(sub).byName[n]))
				if len(files) == 0 {
					return
				}
				if err := s.Update(ctx, "team", sub, []string{n}, src.remove(sub, n, rapid.SampledFrom(files).Draw(t, "file"))); err != nil {
					t.Fatal(err)
				}
			},
			"delete a name": func(t *rapid.T) {
				sub, n := subdir.Draw(t, "subdir"), name.Draw(t, "name")
				rev := int64(0)
				for _, file := range slices.Sorted(maps.Keys(src.subdir(sub).byName[n])) {
					rev = src.remove(sub, n, file)
				}
				if rev > 0 {
					if err := s.Update(ctx, "team", sub, []string{n}, rev); err != nil {
						t.Fatal(err)
					}
				}
			},
			"patch": func(t *rapid.T) {
				sub := subdir.Draw(t, "subdir")
				fn := func(label string) string {
					return name.Draw(t, label) + "-" + version.Draw(t, label+" version") + "-0" + ext.Draw(t, label+" ext")
				}
				patch := mustMarshal(map[string]any{
					"patch_instructions_version": 1,
					"packages":                   map[string]any{fn("a"): map[string]any{"depends": []string{"b"}, "license": nil}},
					"remove":                     []string{fn("removed")}, "revoke": []string{fn("revoked")},
				})
				if err := s.Update(ctx, "team", sub, nil, src.setPatch(sub, string(patch))); err != nil {
					t.Fatal(err)
				}
			},
			"restart": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open()
			},
			"rebuild": func(t *rapid.T) {
				if err := s.Rebuild(ctx, "team", subdir.Draw(t, "subdir")); err != nil {
					t.Fatal(err)
				}
			},
			"compare": func(t *rapid.T) { check(t) },
		})
		check(t)
	})
}

func TestEveryRecordIsServedVerbatim(t *testing.T) {
	t.Parallel()
	src := newFake()
	var all []Record
	for i := range 300 {
		all = append(all, rec(fmt.Sprintf("pkg%d", i%97), fmt.Sprintf("1.%d", i), []string{extConda, extBz2}[i%2], "ü<>&"))
	}
	src.put("linux-64", all...)
	s := openSet(t, src, Options{})
	got := body(t, s, "linux-64", "repodata.json")
	for _, r := range all {
		want := `"` + r.Filename + `":` + string(r.JSON)
		if !bytes.Contains(got, []byte(want)) {
			t.Fatalf("repodata.json does not hold %s", want)
		}
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(got, &doc); err != nil {
		t.Fatal(err)
	}
}
