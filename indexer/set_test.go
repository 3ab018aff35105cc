package indexer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

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

func TestUpdatesThatWaitAreDoneTogether(t *testing.T) {
	t.Parallel()
	const uploaders = 32
	src := newFake()
	src.put("linux-64", rec("a", "1.0", extConda, ""))
	flights := 0
	s := openSet(t, src, Options{Observe: func(name string, _ time.Duration) {
		if name == "index splice" {
			flights++ // one flight at a time
		}
	}})
	flights = 0
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	src.mu.Lock()
	src.onRead = func(string) error {
		once.Do(func() { close(entered); <-release })
		return nil
	}
	src.mu.Unlock()
	var wg sync.WaitGroup
	publish := func(i int) {
		name := fmt.Sprintf("p%d", i)
		rev := src.put("linux-64", rec(name, "1.0", extConda, ""))
		if err := s.Update(ctx, "team", "linux-64", []string{name}, rev); err != nil {
			t.Error(err)
		}
		if !bytes.Contains(body(t, s, "linux-64", "repodata.json"), []byte(name+"-1.0-0.conda")) {
			t.Errorf("%s is not visible after its Update returned", name)
		}
	}
	wg.Go(func() { publish(0) })
	<-entered
	d := subdirNamed(s, "linux-64")
	for i := 1; i < uploaders; i++ {
		wg.Go(func() { publish(i) })
	}
	for waiting := 0; waiting < uploaders-1; {
		d.mu.Lock()
		if d.next != nil {
			waiting = len(d.next.names)
		}
		d.mu.Unlock()
	}
	close(release)
	wg.Wait()
	if flights > 3 {
		t.Errorf("%d updates took %d flights", uploaders, flights)
	}
	if n := len(repodata(t, s, "linux-64").Conda); n != uploaders+1 {
		t.Errorf("%d packages are shown", n)
	}
}

func TestReadersSeeWholeGenerationsWhileManyPublish(t *testing.T) {
	t.Parallel()
	src := newFake()
	fill(src, 500)
	s := openSet(t, src, Options{Dir: t.TempDir()})
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				f, _ := s.File("team", "linux-64", "repodata.json")
				if !bytes.Equal(contents(errorer{t}, f), unzstd(errorer{t}, contents(errorer{t}, f.Zstd))) {
					t.Error("the two encodings of one file differ")
				}
				shardsOf(errorer{t}, s, "linux-64")
				_, _ = s.File("team", "", "channeldata.json")
			}
		})
	}
	for w := range 8 {
		writers.Go(func() {
			for i := range 15 {
				r := rec(fmt.Sprintf("w%d", w%3), fmt.Sprintf("%d.%d", w, i), extConda, "")
				if err := s.Update(ctx, "team", "linux-64", []string{r.Name}, src.put("linux-64", r)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if n := len(repodata(t, s, "linux-64").Conda); n != 500+8*15 {
		t.Errorf("%d packages are shown, %d were published", n, 500+8*15)
	}
}

// errorer makes a failure on another goroutine one of the test.
type errorer struct{ t *testing.T }

func (e errorer) Helper()                   {}
func (e errorer) Fatalf(f string, a ...any) { e.t.Errorf(f, a...) }

func TestNameThatChangesWhileItIsReadIsReadAgain(t *testing.T) {
	t.Parallel()
	src := newFake()
	s := openSet(t, src, Options{})
	var once sync.Once
	src.onRead = func(string) error {
		once.Do(func() { src.put("noarch", rec("late", "1.0", extConda, "")) })
		return nil
	}
	update(t, s, "noarch", src.put("noarch", rec("early", "1.0", extConda, "")), "early")
	if got := repodata(t, s, "noarch").Conda; len(got) != 2 {
		t.Errorf("shown are %v", got)
	}
	if st := s.Stats(); len(st) != 1 || st[0].Rev != 2 || st[0].Packages != 2 || st[0].Bytes != int64(len(body(t, s, "noarch", "repodata.json"))) {
		t.Errorf("Stats says %+v", st)
	}
}

func TestFailedUpdateChangesNothingAndTheNextSucceeds(t *testing.T) {
	t.Parallel()
	src := newFake()
	s := openSet(t, src, Options{})
	broken := errors.New("disk on fire")
	src.onRead = func(string) error { return broken }
	before := body(t, s, "noarch", "repodata.json")
	rev := src.put("noarch", rec("a", "1.0", extConda, ""))
	if err := s.Update(ctx, "team", "noarch", []string{"a"}, rev); !errors.Is(err, broken) {
		t.Fatalf("Update reports %v", err)
	}
	if !bytes.Equal(before, body(t, s, "noarch", "repodata.json")) {
		t.Error("a failed update shows something")
	}
	src.onRead = nil
	update(t, s, "noarch", src.put("noarch", rec("b", "1.0", extConda, "")), "b")
	if got := repodata(t, s, "noarch").Conda; len(got) != 2 {
		t.Errorf("the failed name is not made up for: %v", got)
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

func TestValidatorsAreUniqueAndMoveWithContentOnly(t *testing.T) {
	t.Parallel()
	src := newFake()
	src.put("linux-64", rec("a", "1.0", extConda, ""))
	src.put("osx-64", rec("a", "1.0", extConda, ""))
	s := openSet(t, src, Options{})
	if err := s.OpenChannel(ctx, "other", []string{"linux-64", "osx-64"}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	etags := func() {
		clear(seen)
		for _, ch := range []string{"team", "other"} {
			for _, sub := range []string{"linux-64", "osx-64", "noarch", "win-64"} {
				for _, file := range indexFiles {
					f, _ := s.File(ch, sub, file)
					place := ch + "/" + sub + "/" + file
					for _, f := range []*File{f, f.Zstd} {
						if f == nil {
							continue
						}
						if !strings.HasPrefix(f.ETag, `"`) || !strings.HasSuffix(f.ETag, `"`) {
							t.Errorf("%s has the ETag %s", place, f.ETag)
						}
						if at, dup := seen[f.ETag]; dup {
							t.Errorf("%s and %s share an ETag", place, at)
						}
						seen[f.ETag] = place
						place += " (zstd)"
					}
				}
			}
		}
	}
	etags()
	f, _ := s.File("team", "linux-64", "repodata.json")
	index, _ := s.File("team", "linux-64", "repodata_shards.msgpack.zst")
	other, _ := s.File("team", "osx-64", "repodata.json")
	if err := s.Rebuild(ctx, "team", "linux-64"); err != nil {
		t.Fatal(err)
	}
	again, _ := s.File("team", "linux-64", "repodata.json")
	indexAgain, _ := s.File("team", "linux-64", "repodata_shards.msgpack.zst")
	if again.ETag != f.ETag || again.Zstd.ETag != f.Zstd.ETag || !again.Modified.Equal(f.Modified) || indexAgain.ETag != index.ETag {
		t.Error("a rebuild of the same records moves a validator")
	}
	update(t, s, "linux-64", src.put("linux-64", rec("a", "1.1", extConda, "")), "a")
	next, _ := s.File("team", "linux-64", "repodata.json")
	if next.ETag == f.ETag || next.Zstd.ETag == f.Zstd.ETag || !next.Modified.After(f.Modified) {
		t.Errorf("a publication does not move the validators: %s %s", next.ETag, next.Modified)
	}
	if now, _ := s.File("team", "osx-64", "repodata.json"); now.ETag != other.ETag {
		t.Error("a publication in one subdir moves the validators of another")
	}
	etags()
	if want := time.UnixMilli(src.subdirs["linux-64"].changedAt); !next.Modified.Equal(want) {
		t.Errorf("Last-Modified is %s, the last change was at %s", next.Modified, want)
	}
	info, _ := shardsOf(t, s, "linux-64")
	if at, err := time.Parse(time.RFC3339, info["created_at"].(string)); err != nil || !at.Equal(next.Modified) {
		t.Errorf("created_at is %v", info["created_at"])
	}
}

func TestFileTakenBeforeAChangeStaysReadable(t *testing.T) {
	t.Parallel()
	src := newFake()
	fill(src, 400)
	s := openSet(t, src, Options{})
	f, _ := s.File("team", "linux-64", "repodata.json")
	before := contents(t, f)
	r := rec("a", "1.0", extConda, "")
	update(t, s, "linux-64", src.put("linux-64", r), "a")
	if !bytes.Equal(before, contents(t, f)) {
		t.Error("a file changed in a reader's hands")
	}
	s.DropChannel("team")
	if !bytes.Equal(before, contents(t, f)) {
		t.Error("a file of a dropped channel cannot be read to its end")
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

func TestReaderOfAFileSeeksAnywhere(t *testing.T) {
	t.Parallel()
	src := newFake()
	fill(src, 1000)
	s := openSet(t, src, Options{})
	rapid.Check(t, func(t *rapid.T) {
		f, _ := s.File("team", "linux-64", rapid.SampledFrom(indexFiles).Draw(t, "file"))
		var want bytes.Buffer
		if _, err := f.WriteTo(&want); err != nil {
			t.Fatal(err)
		}
		r := f.NewReader()
		for range 5 {
			from := rapid.Int64Range(0, f.Size()).Draw(t, "from")
			n := rapid.IntRange(0, 100_000).Draw(t, "bytes")
			var err error
			if rapid.Bool().Draw(t, "from the end") {
				_, err = r.Seek(from-f.Size(), io.SeekEnd)
			} else {
				_, err = r.Seek(from, io.SeekStart)
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(io.LimitReader(r, int64(n)))
			if err != nil || !bytes.Equal(got, want.Bytes()[from:min(from+int64(n), f.Size())]) {
				t.Fatalf("bytes %d to %d differ: %v", from, from+int64(n), err)
			}
		}
		if _, err := r.Seek(-1, io.SeekStart); err == nil {
			t.Fatal("seeking before the beginning succeeds")
		}
	})
}

func TestCancelledUpdateReturnsAndTheChangeIsStillMade(t *testing.T) {
	t.Parallel()
	src := newFake()
	s := openSet(t, src, Options{})
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	src.onRead = func(string) error {
		once.Do(func() { close(entered); <-release })
		return nil
	}
	revA := src.put("noarch", rec("a", "1.0", extConda, ""))
	done := make(chan error, 1)
	go func() { done <- s.Update(ctx, "team", "noarch", []string{"a"}, revA) }()
	<-entered
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Update(gone, "team", "noarch", []string{"b"}, src.put("noarch", rec("b", "1.0", extConda, ""))); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled update reports %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := repodata(t, s, "noarch").Conda; len(got) != 2 {
		t.Errorf("shown are %v", got)
	}
}
