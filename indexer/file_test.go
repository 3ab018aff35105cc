package indexer

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

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
