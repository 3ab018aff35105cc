package indexer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// served is every byte that a subdir's files have.
func served(t fataler, s *Set, subdir string) []byte {
	t.Helper()
	var all []byte
	for _, file := range indexFiles {
		all = append(all, body(t, s, subdir, file)...)
	}
	return all
}

// cached closes a set over n packages and returns its folder and what it served.
func cached(t *testing.T, src *fakeSource, n int) (dir string, want []byte) {
	t.Helper()
	fill(src, n)
	dir = t.TempDir()
	s := openSet(t, src, Options{Dir: dir})
	want = served(t, s, "linux-64")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, want
}

func cacheFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.index"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the derived cache has the files %v: %v", files, err)
	}
	return files[0]
}

func TestRestartServesTheSameBytesAndReadsNoRecord(t *testing.T) {
	t.Parallel()
	src := newFake()
	dir, want := cached(t, src, 2000)
	src.reads, src.scans = 0, 0
	s := openSet(t, src, Options{Dir: dir})
	if !bytes.Equal(want, served(t, s, "linux-64")) {
		t.Error("other bytes are served after a restart")
	}
	if src.reads+src.scans != 0 {
		t.Errorf("%d names and %d whole subdirs were read", src.reads, src.scans)
	}
}

func TestRestartReadsOnlyNamesThatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	src := newFake()
	dir, _ := cached(t, src, 2000)
	src.put("linux-64", rec("new", "1.0", extConda, ""))
	gone := src.names("linux-64")[7]
	for fn := range src.subdirs["linux-64"].byName[gone] {
		src.remove("linux-64", gone, fn)
	}
	src.reads, src.scans = 0, 0
	s := openSet(t, src, Options{Dir: dir})
	if src.reads != 2 || src.scans != 0 {
		t.Errorf("%d names and %d whole subdirs were read, 2 names changed", src.reads, src.scans)
	}
	if got := served(t, s, "linux-64"); !bytes.Equal(got, served(t, openSet(t, src, Options{}), "linux-64")) {
		t.Error("what is served is not what a build from nothing serves")
	}
}

func TestChangesAreAppendedAndOldOnesCleanedUp(t *testing.T) {
	t.Parallel()
	src := newFake()
	dir, _ := cached(t, src, 3000)
	size := func() int64 {
		info, err := os.Stat(cacheFile(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	full := size()
	s := openSet(t, src, Options{Dir: dir})
	update(t, s, "linux-64", src.put("linux-64", rec("a", "1.0", extConda, "")), "a")
	if err := s.cacher.flush(); err != nil {
		t.Fatal(err)
	}
	if grown := size() - full; grown <= 0 || grown > full/4 {
		t.Errorf("one package made a file of %d bytes grow by %d", full, grown)
	}
	names := src.names("linux-64")
	for i := range 600 {
		r := rec(names[i%len(names)], "1.0", extConda, fmt.Sprint(i))
		update(t, s, "linux-64", src.put("linux-64", r), r.Name)
		if err := s.cacher.flush(); err != nil {
			t.Fatal(err)
		}
		if n := size(); n > 3*full+3*cacheSlack {
			t.Fatalf("after %d changes the file has %d bytes, %d are of the present", i, n, full)
		}
	}
	want := served(t, s, "linux-64")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	src.scans = 0
	if got := served(t, openSet(t, src, Options{Dir: dir}), "linux-64"); !bytes.Equal(got, want) || src.scans != 0 {
		t.Errorf("the file cannot be used: %d scans", src.scans)
	}
}

func TestDamagedTornOrForeignCacheIsMadeAnew(t *testing.T) {
	t.Parallel()
	src := newFake()
	dir, want := cached(t, src, 600)
	raw, err := os.ReadFile(cacheFile(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(cacheFile(t, dir))
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "indexer")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		b := bytes.Clone(raw)
		switch rapid.SampledFrom([]string{"flip", "cut", "garbage", "empty", "doubled"}).Draw(t, "damage") {
		case "flip":
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case "cut":
			b = b[:rapid.IntRange(0, len(b)-1).Draw(t, "at")]
		case "garbage":
			b = append(b, rapid.SliceOf(rapid.Byte()).Draw(t, "tail")...)
		case "empty":
			b = nil
		case "doubled":
			b = append(b, raw[len(cacheMagic()):]...)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := New(src, Options{Dir: dir})
		defer s.Close()
		if err := s.OpenChannel(ctx, "team", []string{"linux-64"}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, served(t, s, "linux-64")) {
			t.Fatal("a damaged cache changes what is served")
		}
		shardsOf(t, s, "linux-64")
	})
}

func TestCacheOfAnotherHistoryIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, history := range map[string]func(src *fakeSource){
		"an earlier one": func(*fakeSource) {},
		"another of the same revision": func(src *fakeSource) {
			src.put("linux-64", rec("x", "1.0", extConda, ""))
			src.subdirs["linux-64"].changedAt++
		},
		"one whose feed was pruned": func(src *fakeSource) {
			src.put("linux-64", rec("x", "1.0", extConda, ""))
			src.put("linux-64", rec("y", "1.0", extConda, ""))
			src.pruned = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := newFake()
			src.put("linux-64", rec("a", "1.0", extConda, ""))
			dir := t.TempDir()
			s := openSet(t, src, Options{Dir: dir})
			update(t, s, "linux-64", src.put("linux-64", rec("b", "1.0", extConda, "")), "b")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			restored := newFake()
			restored.put("linux-64", rec("a", "1.0", extConda, ""))
			history(restored)
			got := served(t, openSet(t, restored, Options{Dir: dir}), "linux-64")
			if !bytes.Equal(got, served(t, openSet(t, restored, Options{}), "linux-64")) {
				t.Error("something is served that the catalog does not hold")
			}
		})
	}
}

func TestCacheThatCannotBeWrittenCostsNothingButTime(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	src := newFake()
	src.put("noarch", rec("a", "1.0", extConda, ""))
	s := New(src, Options{Dir: filepath.Join(file, "below")})
	if err := s.OpenChannel(ctx, "team", []string{"noarch"}); err != nil {
		t.Fatal(err)
	}
	update(t, s, "noarch", src.put("noarch", rec("b", "1.0", extConda, "")), "b")
	if n := len(repodata(t, s, "noarch").Conda); n != 2 {
		t.Errorf("%d packages are shown", n)
	}
	if err := s.Close(); err == nil {
		t.Error("closing does not say that the cache was not written")
	}
}

func TestSupersededShardIsServedForItsRetentionAcrossRestarts(t *testing.T) {
	t.Parallel()
	src, clock := newFake(), &fixed{t: time.UnixMilli(1_700_000_000_000)}
	dir := t.TempDir()
	o := Options{Dir: dir, ShardRetention: time.Hour, Now: clock.now}
	src.put("noarch", rec("a", "1.0", extConda, ""), rec("b", "1.0", extConda, ""))
	s := openSet(t, src, o)
	old := fmt.Sprintf("shards/%x.msgpack.zst", subdirNamed(s, "noarch").gen.Load().entry("a").shard.hash)
	want := body(t, s, "noarch", old)
	update(t, s, "noarch", src.put("noarch", rec("a", "1.1", extConda, "")), "a")
	is := func(served bool, when string) {
		t.Helper()
		f, ok := s.File("team", "noarch", old)
		if ok != served || ok && (!bytes.Equal(contents(t, f), want) || !f.Immutable) {
			t.Fatalf("the superseded shard is served: %t, %s", ok, when)
		}
	}
	is(true, "at once")
	restart := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openSet(t, src, o)
	}
	restart()
	is(true, "after a restart")
	clock.add(30 * time.Minute)
	restart()
	is(true, "half an hour later")
	update(t, s, "noarch", src.put("noarch", rec("b", "1.1", extConda, "")), "b")
	restart()
	is(true, "after another change")
	clock.add(31 * time.Minute)
	is(false, "an hour later")
	restart()
	is(false, "an hour later, after a restart")
	update(t, s, "noarch", src.remove("noarch", "a", "a-1.1-0.conda"), "a")
	is(true, "in the index again") // the same records make the same shard
}

func TestSupersededShardsAreBounded(t *testing.T) {
	t.Parallel()
	var s shardSet
	data := make([]byte, 1<<20)
	now := time.UnixMilli(1_700_000_000_000)
	var last *shard
	for i := range retainedMax>>20 + 50 {
		last = newShard(append(data[:len(data)-2:len(data)-2], byte(i), byte(i>>8)))
		last = s.add(last)
		s.supersede(last, now.UnixMilli()+int64(i))
		s.collect(now, time.Hour)
	}
	if s.bytes > retainedMax || len(s.retained) != retainedMax>>20 {
		t.Errorf("%d shards of %d bytes are kept", len(s.retained), s.bytes)
	}
	if s.get(last.hash, now, time.Hour) == nil {
		t.Error("the newest is not kept")
	}
	s.add(last) // back in the index
	s.collect(now.Add(2*time.Hour), time.Hour)
	if len(s.retained) != 0 || s.bytes != 0 {
		t.Errorf("%d shards of %d bytes are kept after their time", len(s.retained), s.bytes)
	}
	if s.get(last.hash, now.Add(2*time.Hour), time.Hour) == nil {
		t.Error("a shard that is in the index was collected")
	}
}
