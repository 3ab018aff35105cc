package python

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// largePage has n files: for each version a source distribution and wheels.
func largePage(n int) *Page {
	p := &Page{Name: "ours", Files: make([]File, n)}
	for i := range p.Files {
		p.Files[i] = numberedFile(i)
	}
	return p
}

func numberedFile(i int) File {
	name := fmt.Sprintf("ours-%d.%d.%d", i/600, i/20%30, i/4%5)
	if kind := i % 4; kind == 0 {
		name += ".tar.gz"
	} else {
		name += fmt.Sprintf("-cp31%d-cp31%d-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", kind, kind)
	}
	sum := pseudoHash(uint64(i))
	return File{
		Filename: name, URL: "../../files/" + sum[:2] + "/" + sum[2:] + "/" + name,
		Hashes: map[string]string{"sha256": sum}, RequiresPython: ">=3.9", Size: int64(1000 + i),
		UploadTime:   time.Unix(1_700_000_000+int64(i)*3600, int64(i)*1000),
		CoreMetadata: CoreMetadata{Available: true, Hashes: map[string]string{"sha256": pseudoHash(uint64(i) + 1<<32)}},
	}
}

// pseudoHash compresses as badly as a real digest.
func pseudoHash(seed uint64) string {
	var b []byte
	for range 4 {
		seed = seed*6364136223846793005 + 1442695040888963407
		b = fmt.Appendf(b, "%016x", seed^seed>>29)
	}
	return string(b)
}

// Changes in any order lead to the very bytes, in every form and with every tag,
// that rendering the result at once gives.
func TestWithEqualsRender(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 300).Draw(t, "size")
		start := largePage(size)
		files := map[string]File{}
		for _, f := range start.Files {
			files[f.Filename] = f
		}
		status := Status{}
		r := Render(start)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			var u Update
			for range rapid.IntRange(0, 5).Draw(t, "removals") {
				f := numberedFile(rapid.IntRange(0, size+20).Draw(t, "removed"))
				u.Remove = append(u.Remove, f.Filename)
				delete(files, f.Filename)
			}
			for range rapid.IntRange(0, 5).Draw(t, "puts") {
				f := numberedFile(rapid.IntRange(0, size+20).Draw(t, "put"))
				f.Yanked = rapid.Bool().Draw(t, "yanked")
				if !slices.ContainsFunc(u.Put, func(g File) bool { return g.Filename == f.Filename }) {
					u.Put = append(u.Put, f)
					files[f.Filename] = f
				}
			}
			if rapid.IntRange(0, 4).Draw(t, "status") == 0 {
				status = Status{Status: rapid.SampledFrom([]string{"active", "archived", "quarantined", "deprecated", ""}).Draw(t, "word")}
				u.Status = &status
			}
			r = r.With(u)
		}
		page := &Page{Name: "ours", Status: status}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			page.Files = append(page.Files, files[name])
		}
		want := Render(page)
		for _, m := range mediaTypes {
			for _, e := range encodings {
				var got, expected bytes.Buffer
				r.WriteTo(&got, m, e)
				want.WriteTo(&expected, m, e)
				if !bytes.Equal(got.Bytes(), expected.Bytes()) || r.ETag(m, e) != want.ETag(m, e) {
					t.Fatalf("%v in %q differs: %d bytes, expected %d", m, e, got.Len(), expected.Len())
				}
			}
		}
		if r.Memory() != want.Memory() {
			t.Fatalf("memory is %d, expected %d", r.Memory(), want.Memory())
		}
	})
}

// The page before a change stays as it was.
func TestWithLeavesTheOldPage(t *testing.T) {
	t.Parallel()
	r := Render(largePage(100))
	before := form(t, r, JSON, Zstd)
	tag := r.ETag(JSON, Zstd)
	next := r.With(Update{Remove: []string{numberedFile(3).Filename}, Put: []File{numberedFile(500)}})
	if next.ETag(JSON, Zstd) == tag {
		t.Error("the changed page has the old tag")
	}
	if !bytes.Equal(form(t, r, JSON, Zstd), before) || r.ETag(JSON, Zstd) != tag {
		t.Error("the old page changed")
	}
}
