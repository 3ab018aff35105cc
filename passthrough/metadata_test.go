package passthrough

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
)

func (e *env) metadata(address string, want []byte) {
	e.t.Helper()
	m, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: address})
	if err != nil {
		e.t.Fatal(err)
	}
	if !bytes.Equal(m.Bytes, want) || m.SHA256 != sumOf(want) || m.ETag != `"`+sumOf(want)+`"` {
		e.t.Fatalf("got %q, want %q", m.Bytes, want)
	}
}

// The upstream's metadata is fetched once, verified, and kept over restarts.
func TestMetadataOfUpstream(t *testing.T) {
	t.Parallel()
	e := setup(t)
	text := upstreamtest.Metadata("lib", "1.0")
	_, at := e.wheel("lib", "1.0", func(f *upstreamtest.File) { f.Metadata = text })
	e.metadata(at, text)
	e.memory.cache.Clear()
	e.metadata(at, text)
	e.restart()
	e.metadata(at, text)
	if n := e.up.Count("/packages/"); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// Ranges of a wheel are read where they come as they are, whatever the header of that
// says, and refused with a word about it where they do not.
func TestCodedRanges(t *testing.T) {
	t.Parallel()
	for coding, wrong := range map[string]string{"identity": "", "gzip": "content coding"} {
		e := setup(t)
		f, at := e.wheel("lib", "1.0", large(400<<10))
		e.up.On("/"+at, func(c *upstreamtest.Context) {
			c.W.Header().Set("Content-Encoding", coding)
			c.Next.ServeHTTP(c.W, c.R)
		})
		m, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at})
		switch {
		case wrong != "":
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: %v", coding, err)
			}
		case err != nil || !bytes.Equal(m.Bytes, upstreamtest.Metadata("lib", "1.0")):
			t.Errorf("%s: %v", coding, err)
		default:
			e.mustFetch(at, f.Content)
		}
	}
}

// Metadata of a wheel without any beside it is read by ranges, once for all who
// ask, and costs a little of the wheel.
func TestSynthesisedMetadata(t *testing.T) {
	t.Parallel()
	e := setup(t)
	_, at := e.wheel("lib", "1.0", large(2<<20))
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if m, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at}); err != nil || !bytes.Equal(m.Bytes, upstreamtest.Metadata("lib", "1.0")) {
				t.Errorf("metadata: %v", err)
			}
		})
	}
	group.Wait()
	if s := e.Stats(); s.BytesFetched > 200<<10 || s.Synthesised != 1 || e.up.Count("/packages/") > 2 {
		t.Errorf("%d bytes in %d requests", s.BytesFetched, e.up.Count("/packages/"))
	}
	e.restart()
	e.metadata(at, upstreamtest.Metadata("lib", "1.0"))
}

// Without ranges, or a size on the page, it is found as well.
func TestSynthesisedMetadataWithoutHelp(t *testing.T) {
	t.Parallel()
	for _, o := range []upstreamtest.Options{{NoRanges: true}, {HTMLOnly: true}, {HTMLOnly: true, NoRanges: true}, {NoFileETag: true}} {
		e := setup(t)
		e.up.Set(o)
		f, at := e.wheel("lib", "1.0", large(300<<10))
		e.metadata(at, upstreamtest.Metadata("lib", "1.0"))
		e.mustFetch(at, f.Content)
	}
}

// Metadata that is advertised and not there, or not what its digest says, is read
// from the wheel; where that is not it either, nothing is served.
func TestWrongMetadata(t *testing.T) {
	t.Parallel()
	text := upstreamtest.Metadata("lib", "1.0")
	for name, fault := range map[string]upstreamtest.Fault{
		"404": upstreamtest.Status(404), "403": upstreamtest.Status(403), "corrupt": upstreamtest.Corrupt(), "login": upstreamtest.Login(),
	} {
		e := setup(t)
		_, at := e.wheel("lib", "1.0", func(f *upstreamtest.File) { f.Metadata = text })
		e.up.On("/"+at+".metadata", fault)
		m, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at})
		if err != nil || !bytes.Equal(m.Bytes, text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := setup(t)
	_, at := e.wheel("lib", "1.0", func(f *upstreamtest.File) { f.Metadata = []byte("of another wheel") })
	e.up.On("/"+at+".metadata", upstreamtest.Corrupt())
	_, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at})
	wantKind(t, "digest that nothing has", err, BadGateway)
	e.up.On("/"+at+".metadata", upstreamtest.Status(503))
	_, err = e.Metadata(ctx, FileRequest{Upstream: "up", Path: at})
	wantKind(t, "upstream down", err, Unavailable)
}

// What cannot be served is not advertised any more.
func TestMetadataThatIsNotThere(t *testing.T) {
	t.Parallel()
	e := setup(t)
	_, at := e.wheel("lib", "1.0", func(f *upstreamtest.File) { f.Content = []byte("this is no zip archive") })
	sdist := upstreamtest.File{Filename: "lib-1.0.tar.gz", Content: upstreamtest.Sdist("lib", "1.0")}
	e.up.Add("lib", sdist)
	want(t, body(t, e.page("lib"), 0), has(`"core-metadata":true`))
	_, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: strings.TrimPrefix(e.up.Path("lib", sdist.Filename), "/")})
	wantKind(t, "sdist", err, NotFound)
	_, err = e.Metadata(ctx, FileRequest{Upstream: "up", Path: at})
	wantKind(t, "broken wheel", err, NotFound)
	want(t, body(t, e.page("lib"), 0), hasNot(`"core-metadata"`))
	e.restart()
	want(t, body(t, e.page("lib"), 0), hasNot(`"core-metadata"`))
}

// Hostile wheels have no metadata, and cost little.
func TestReadWheelMetadata(t *testing.T) {
	t.Parallel()
	build := func(members ...[2]string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, m := range members {
			w, err := z.Create(m[0])
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte(m[1]))
		}
		_ = z.Close()
		return b.Bytes()
	}
	const name = "My_Lib-1.0-py3-none-any.whl"
	for what, c := range map[string]struct {
		wheel []byte
		want  string
	}{
		"plain":           {build([2]string{"my_lib-1.0.dist-info/METADATA", "M"}), "M"},
		"other spelling":  {build([2]string{"My.Lib-1.0.dist-info/METADATA", "M"}), "M"},
		"deeper":          {build([2]string{"x/my_lib-1.0.dist-info/METADATA", "M"}), ""},
		"twice":           {build([2]string{"my_lib-1.0.dist-info/METADATA", "M"}, [2]string{"my_lib-1.0.dist-info/METADATA", "N"}), ""},
		"two directories": {build([2]string{"my_lib-1.0.dist-info/METADATA", "M"}, [2]string{"my_lib-2.0.dist-info/METADATA", "N"}), ""},
		"other project":   {build([2]string{"evil-1.0.dist-info/METADATA", "M"}), ""},
		"none":            {build([2]string{"my_lib/__init__.py", ""}), ""},
		"bomb":            {build([2]string{"my_lib-1.0.dist-info/METADATA", strings.Repeat("0", 5<<20)}), ""},
		"empty":           {nil, ""},
		"no zip":          {[]byte("PK but nothing else"), ""},
	} {
		got, err := readWheelMetadata(bytes.NewReader(c.wheel), int64(len(c.wheel)), name)
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

func FuzzReadWheelMetadata(f *testing.F) {
	f.Add(upstreamtest.Wheel("lib", "1.0"))
	f.Fuzz(func(t *testing.T, wheel []byte) {
		b, err := readWheelMetadata(bytes.NewReader(wheel), int64(len(wheel)), "lib-1.0-py3-none-any.whl")
		if err == nil && len(b) > maxMetadata {
			t.Error("too large")
		}
	})
}

// Provenance is the upstream's, for as long as it says.
func TestProvenance(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, _ := e.wheel("lib", "1.0", func(f *upstreamtest.File) { f.Provenance = []byte(`{"version":1}`) })
	plain, _ := e.wheel("lib", "2.0")
	want(t, body(t, e.page("lib"), 0), has(`"provenance":"`+e.up.HTTP.URL+`/integrity/`))
	for range 2 {
		got, err := e.Provenance(ctx, "Lib", f.Filename)
		if err != nil || string(got.Bytes) != `{"version":1}` {
			t.Fatalf("got %v", err)
		}
	}
	if n := e.up.Count("/integrity/"); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	for _, name := range []string{plain.Filename, "lib-9.0.tar.gz"} {
		_, err := e.Provenance(ctx, "lib", name)
		wantKind(t, name, err, NotFound)
	}
	e.clock.add(days(1))
	e.up.On("/", upstreamtest.Status(500))
	if got, err := e.Provenance(ctx, "lib", f.Filename); err != nil || got.Fresh != 0 {
		t.Errorf("stale: %v", err)
	}
}

// Prefetch brings the newest permitted version, or the one file of a lock, into
// the cache, and says what it could not.
func TestPrefetch(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.Cooldown = days(2) })
	e.wheel("lib", "1.0")
	_, newest := e.wheel("lib", "2.0")
	_, young := e.wheel("lib", "3.0", func(f *upstreamtest.File) { f.UploadTime = e.clock.now() })
	_, yanked := e.wheel("lib", "2.5", func(f *upstreamtest.File) { f.Yanked = "broken" })
	locked, lockedAt := e.wheel("tool", "0.1")
	var mu sync.Mutex
	var lines []string
	err := e.Prefetch(ctx, []Item{
		{Name: "LIB"}, {Name: "tool", Filename: locked.Filename}, {Name: "ours"}, {Name: "nowhere"},
	}, func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf("%s %s %v %d/%d", p.Name, p.Filename, kind(p.Err), p.Done, p.Total))
	})
	if len(lines) != 4 || !errors.Is(err, ErrNotFound) {
		t.Errorf("%v: %v", lines, err)
	}
	e.settled()
	for at, there := range map[string]bool{newest: true, lockedAt: true, young: false, yanked: false} {
		if e.files.has("up/"+at) != there {
			t.Errorf("%s stored: %v", at, !there)
		}
	}
	e.restart(func(c *Config) { c.Offline = true })
	e.metadata(newest, upstreamtest.Metadata("lib", "2.0"))
}
