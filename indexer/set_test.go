package indexer

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/fairwayhq/fairway/conda"
)

func TestEveryKnownSubdirOfAnOpenChannelHasValidEmptyIndexes(t *testing.T) {
	t.Parallel()
	s := openSet(t, newFake(), Options{})
	subdirs := conda.KnownSubdirs()
	if !slices.Contains(subdirs, "noarch") || len(subdirs) < 10 {
		t.Fatalf("known subdirs are %v", subdirs)
	}
	for _, sub := range subdirs {
		want := document{
			Info: map[string]any{"subdir": sub}, Bz2: map[string]map[string]any{}, Conda: map[string]map[string]any{}, Removed: []string{}, Revision: 1,
		}
		if diff := cmp.Diff(want, repodata(t, s, sub)); diff != "" {
			t.Errorf("%s/repodata.json (-want +got):\n%s", sub, diff)
		}
		info, shards := shardsOf(t, s, sub)
		wantInfo := map[string]any{"subdir": sub, "base_url": "./", "shards_base_url": "./shards/", "created_at": "1970-01-01T00:00:00.000Z"}
		if diff := cmp.Diff(wantInfo, info); diff != "" || len(shards) > 0 {
			t.Errorf("%s shard index (-want +got):\n%s", sub, diff)
		}
		for _, file := range indexFiles {
			if f, ok := s.File("team", sub, file); !ok || !f.Modified.IsZero() {
				t.Errorf("%s/%s: served %t, modified %v", sub, file, ok, f.Modified)
			}
		}
	}
	if _, ok := s.File("team", "linux-64", "repodata.json.bz2"); ok {
		t.Error("a file that is not made is said to be there")
	}
	if _, ok := s.File("team", "no-such", "repodata.json"); ok {
		t.Error("a subdir that nobody knows is said to be there")
	}
	if _, ok := s.File("other", "noarch", "repodata.json"); ok {
		t.Error("a channel that is not open is said to be there")
	}
}

func TestUpdateReturnsWhenEveryFileShowsThePackage(t *testing.T) {
	t.Parallel()
	src := newFake()
	s := openSet(t, src, Options{})
	r := rec("numpy", "1.26.4", extConda, "", "python >=3.12")
	update(t, s, "win-64", src.put("win-64", r), "numpy")

	var want map[string]any
	if err := json.Unmarshal(r.JSON, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, repodata(t, s, "win-64").Conda[r.Filename]); diff != "" {
		t.Errorf("repodata.json (-want +got):\n%s", diff)
	}
	_, shards := shardsOf(t, s, "win-64")
	want["run_exports"] = map[string]any{"weak": []any{"numpy >=1.26.4"}}
	wantShard := map[string]any{"packages": map[string]any{}, "packages.conda": map[string]any{r.Filename: want}, "removed": []any{}}
	if diff := cmp.Diff(wantShard, shards["numpy"]); diff != "" {
		t.Errorf("shard (-want +got):\n%s", diff)
	}
	var exports map[string]any
	if err := json.Unmarshal(unzstd(t, body(t, s, "win-64", "run_exports.json.zst")), &exports); err != nil {
		t.Fatal(err)
	}
	wantExports := map[string]any{
		"info": map[string]any{"subdir": "win-64", "version": 1.0}, "packages": map[string]any{},
		"packages.conda": map[string]any{r.Filename: map[string]any{"run_exports": want["run_exports"]}},
	}
	if diff := cmp.Diff(wantExports, exports); diff != "" {
		t.Errorf("run_exports.json (-want +got):\n%s", diff)
	}
	for _, file := range []string{"current_repodata.json", "repodata.json"} {
		if !bytes.Contains(body(t, s, "win-64", file), []byte(r.Filename)) {
			t.Errorf("%s does not show the package", file)
		}
	}
	if !bytes.Contains(body(t, s, "", "channeldata.json"), []byte(`"numpy"`)) {
		t.Error("channeldata.json does not show the package")
	}
}

func TestPackageWithoutRunExportsHasAnEmptyOne(t *testing.T) {
	t.Parallel()
	for _, none := range []string{"", "null", "{}"} {
		src := newFake()
		r := rec("a", "1.0", extBz2, "")
		r.RunExports = json.RawMessage(none)
		src.put("noarch", r)
		s := openSet(t, src, Options{})
		if want := `"a-1.0-0.tar.bz2":{"run_exports":{}}`; !bytes.Contains(body(t, s, "noarch", "run_exports.json"), []byte(want)) {
			t.Errorf("%q: run_exports.json does not hold %s", none, want)
		}
		_, shards := shardsOf(t, s, "noarch")
		m, _ := shards["a"]["packages"].(map[string]any)
		one, _ := m[r.Filename].(map[string]any)
		if diff := cmp.Diff(map[string]any{}, one["run_exports"]); diff != "" {
			t.Errorf("%q: run_exports of the shard: %s", none, diff)
		}
	}
}

func TestHashesAreBytesInShardsAndFramesStateTheirSize(t *testing.T) {
	t.Parallel()
	src := newFake()
	src.put("noarch", rec("a", "1.0", extConda, ""))
	s := openSet(t, src, Options{})
	for _, file := range []string{"repodata.json.zst", "run_exports.json.zst", "repodata_shards.msgpack.zst"} {
		frame := body(t, s, "noarch", file)
		var h zstd.Header
		if err := h.Decode(frame); err != nil || !h.HasFCS || h.FrameContentSize != uint64(len(unzstd(t, frame))) {
			t.Errorf("%s: header %+v: %v", file, h, err)
		}
	}
	index := unzstd(t, body(t, s, "noarch", "repodata_shards.msgpack.zst"))
	if !bytes.Contains(index, []byte{0xa1, 'a', 0xc4, 32}) {
		t.Errorf("the shard index has no 32 bytes for a: %q", index)
	}
	d := subdirNamed(s, "noarch")
	shard := d.gen.Load().entry("a").shard.data
	var h zstd.Header
	if err := h.Decode(shard); err != nil || !h.HasFCS {
		t.Errorf("a shard's frame does not state its size: %+v %v", h, err)
	}
	raw := unzstd(t, shard)
	if !bytes.Contains(raw, append([]byte("\xa6sha256\xc4"), 32)) || !bytes.Contains(raw, append([]byte("\xa3md5\xc4"), 16)) {
		t.Error("sha256 and md5 are not bytes in the shard")
	}
}

func subdirNamed(s *Set, name string) *subdir {
	return (*(*s.channels.Load())["team"].subdirs.Load())[name]
}

func TestPublishingTouchesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	src := newFake()
	fill(src, 3000)
	s := openSet(t, src, Options{})
	d := subdirNamed(s, "linux-64")
	before := d.gen.Load()
	scans := src.scans
	r := rec(src.names("linux-64")[150], "9.9", extConda, "")
	update(t, s, "linux-64", src.put("linux-64", r), r.Name)
	after := d.gen.Load()
	fresh := 0
	for _, seg := range after.segs {
		if !slices.Contains(before.segs, seg) {
			fresh++
		}
	}
	if len(before.segs) < 20 || fresh > 2 {
		t.Errorf("%d of %d segments were made anew", fresh, len(before.segs))
	}
	if src.reads != 1 || src.scans != scans {
		t.Errorf("records of %d names were read, and everything %d times", src.reads, src.scans-scans)
	}
}

func TestDamagedRecordIsLeftOutAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	src := newFake()
	bad := rec("a", "1.0", extConda, "")
	bad.JSON = json.RawMessage(`{"name":`)
	src.put("noarch", bad, rec("a", "2.0", extConda, ""), rec("b", "1.0", extConda, ""))
	s := openSet(t, src, Options{})
	got := repodata(t, s, "noarch").Conda
	if len(got) != 2 || got["a-2.0-0.conda"] == nil || got["b-1.0-0.conda"] == nil {
		t.Errorf("shown are %v", got)
	}
}

func TestDroppedChannelIsGoneAndCanComeBackEmpty(t *testing.T) {
	t.Parallel()
	src := newFake()
	src.put("noarch", rec("a", "1.0", extConda, ""))
	s := openSet(t, src, Options{Dir: t.TempDir()})
	if err := s.cacher.flush(); err != nil {
		t.Fatal(err)
	}
	s.DropChannel("team")
	if _, ok := s.File("team", "noarch", "repodata.json"); ok {
		t.Error("a dropped channel is served")
	}
	if err := s.Update(ctx, "team", "noarch", []string{"a"}, 1); !errors.Is(err, ErrNotOpen) {
		t.Errorf("updating a dropped channel reports %v", err)
	}
	src.subdirs = map[string]*fakeSubdir{}
	if err := s.OpenChannel(ctx, "team", nil); err != nil {
		t.Fatal(err)
	}
	if got := repodata(t, s, "noarch").Conda; len(got) != 0 {
		t.Errorf("a channel made anew shows %v", got)
	}
}

func TestUpdateOfASubdirNobodyKnowsMakesIt(t *testing.T) {
	t.Parallel()
	src := newFake()
	s := openSet(t, src, Options{})
	update(t, s, "plan9-mips", src.put("plan9-mips", rec("a", "1.0", extConda, "")), "a")
	if got := repodata(t, s, "plan9-mips").Conda; len(got) != 1 {
		t.Errorf("shown are %v", got)
	}
}
