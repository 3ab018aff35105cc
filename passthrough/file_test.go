package passthrough

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
)

// large is a wheel of some size.
func large(n int) func(*upstreamtest.File) {
	return func(f *upstreamtest.File) {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i*7 + i>>8)
		}
		f.Content = upstreamtest.WheelWith("lib", upstreamtest.Version(f.Filename), data)
	}
}

// A hundred first requests for a file at once are one download, and everyone gets
// every byte.
func TestConcurrentFirstRequestsForAFile(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.wheel("lib", "1.0", large(1<<20))
	arrived, release := e.up.Hold("/packages/")
	var group sync.WaitGroup
	errs := make(chan error, 100)
	for range 100 {
		group.Go(func() {
			got, err := e.fetch(at)
			if err == nil && !bytes.Equal(got, f.Content) {
				err = errors.New("other bytes")
			}
			errs <- err
		})
	}
	<-arrived
	release()
	group.Wait()
	for range 100 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if n := e.up.Count("/packages/"); n != 1 {
		t.Errorf("%d requests upstream, want 1", n)
	}
}

// The first byte reaches the client while the rest is still upstream; a second
// client gets it as well, and the end only once it was verified.
func TestFirstByteWhileFilling(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.wheel("lib", "1.0", large(1<<20))
	more := make(chan struct{})
	e.up.On("/"+at, upstreamtest.Stall(1<<19, more))
	var files []*File
	for range 2 {
		got, err := e.File(ctx, FileRequest{Upstream: "up", Path: at})
		if err != nil {
			t.Fatal(err)
		}
		if got.Size != int64(len(f.Content)) || got.SHA256 != f.SHA256() || got.Stored != nil {
			t.Fatalf("got %+v", got)
		}
		first := make([]byte, 1<<19)
		if _, err := io.ReadFull(got.Body, first); err != nil || !bytes.Equal(first, f.Content[:1<<19]) {
			t.Fatalf("first half: %v", err)
		}
		files = append(files, got)
	}
	close(more)
	for _, got := range files {
		rest, err := readAll(got)
		if err != nil || !bytes.Equal(rest, f.Content[1<<19:]) {
			t.Fatalf("second half: %v", err)
		}
	}
	e.settled()
	got, err := e.File(ctx, FileRequest{Upstream: "up", Path: at})
	if err != nil || got.Stored == nil || got.ETag != `"`+f.SHA256()+`"` {
		t.Fatalf("cached: %+v, %v", got, err)
	}
	_ = got.Close()
	if n := e.up.Count("/packages/"); n != 1 {
		t.Errorf("%d requests upstream, want 1", n)
	}
}

// Bytes that are not those of the page never make a complete answer, and are
// never kept; a client that follows gets an error before the last byte.
func TestWrongBytesAreSevered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault upstreamtest.Fault
		file  func(*upstreamtest.File)
	}{
		"flipped bit":      {upstreamtest.Corrupt(), nil},
		"wrong hash":       {nil, func(f *upstreamtest.File) { f.Hash = strings.Repeat("ab", 32) }},
		"no size":          {upstreamtest.Corrupt(), func(f *upstreamtest.File) { f.NoSize = true }},
		"chunked, no size": {upstreamtest.Chunked(), func(f *upstreamtest.File) { f.NoSize, f.Hash = true, strings.Repeat("00", 32) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			change := []func(*upstreamtest.File){large(300 << 10)}
			if c.file != nil {
				change = append(change, c.file)
			}
			f, at := e.wheel("lib", "1.0", change...)
			if c.fault != nil {
				e.up.On("/"+at, c.fault)
			}
			got, err := e.fetch(at)
			if !errors.Is(err, ErrBroken) && kind(err) != BadGateway {
				t.Fatalf("got %d bytes of %d, %v", len(got), len(f.Content), err)
			}
			if f.NoSize == false && len(got) >= len(f.Content) {
				t.Fatalf("all %d bytes were given out", len(got))
			}
			e.settled()
			e.nothingStored()
			if e.Stats().Mismatches == 0 {
				t.Error("the mismatch was not counted")
			}
			if c.file == nil {
				e.up.Heal()
				e.mustFetch(at, f.Content)
			}
		})
	}
}

func (e *env) nothingStored() {
	e.t.Helper()
	for _, dir := range []string{"files", "tmp"} {
		_ = filepath.WalkDir(filepath.Join(e.cfg.Dir, dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				e.t.Errorf("%s is there", path)
			}
			return nil
		})
	}
}

// A body that breaks off is resumed where it broke, at most so often; the client
// notices nothing.
func TestResume(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    upstreamtest.Fault
		options  upstreamtest.Options
		requests int
		broken   bool
	}{
		"reset once":       {upstreamtest.Times(1, upstreamtest.Reset(200<<10)), upstreamtest.Options{}, 2, false},
		"truncated twice":  {upstreamtest.Times(2, upstreamtest.Truncate(100<<10)), upstreamtest.Options{}, 3, false},
		"no ranges":        {upstreamtest.Times(1, upstreamtest.Truncate(100<<10)), upstreamtest.Options{NoRanges: true}, 2, false},
		"no validator":     {upstreamtest.Times(1, upstreamtest.Truncate(100<<10)), upstreamtest.Options{NoFileETag: true}, 2, false},
		"then unavailable": {upstreamtest.Times(1, upstreamtest.Truncate(1000)), upstreamtest.Options{}, 2, false},
		"always":           {upstreamtest.Truncate(10), upstreamtest.Options{}, 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			e.up.Set(c.options)
			f, at := e.wheel("lib", "1.0", large(400<<10))
			e.up.On("/"+at, c.fault)
			got, err := e.fetch(at)
			if c.broken {
				if !errors.Is(err, ErrBroken) || len(got) >= len(f.Content) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				e.settled()
				e.nothingStored()
			} else if err != nil || !bytes.Equal(got, f.Content) {
				t.Errorf("got %d bytes of %d, %v", len(got), len(f.Content), err)
			}
			if n := e.up.Count("/packages/"); n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
		})
	}
}

// A body that stands still is cut after the setting's time, and asked for again.
func TestStalledBody(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.StallTimeout = time.Second })
	f, at := e.wheel("lib", "1.0", large(400<<10))
	e.up.On("/"+at, upstreamtest.Times(1, upstreamtest.Stall(1000, nil)))
	e.mustFetch(at, f.Content)
	if n := e.Stats().Resumes; n == 0 {
		t.Error("the body was not asked for again")
	}
}

// Only what is on a project's page can be fetched through us, from hosts that are
// permitted.
func TestNoOpenProxy(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.Upstreams[0].FileHosts = []string{"files.example"} })
	f, at := e.wheel("lib", "1.0")
	e.up.Add("other", upstreamtest.File{Filename: "other-1.0-py3-none-any.whl", Content: []byte("x")})
	e.wheel("evil", "1.0", func(f *upstreamtest.File) { f.URL = "http://169.254.169.254/evil-1.0-py3-none-any.whl" })
	e.up.Add("evil", upstreamtest.File{Filename: "lib-7.0-py3-none-any.whl", Content: []byte("of another project")})
	e.mustFetch(at, f.Content)
	e.page("evil")
	for _, path := range []string{
		"simple/lib/", "secret/lib-1.0-py3-none-any.whl", at[:len(at)-4], "/" + at, at + "/", "a/../" + at, "@evil.example/" + at,
		"@http+127.0.0.1:1/lib-1.0-py3-none-any.whl", strings.Replace(at, "lib-1.0", "lib-1.1", 1),
		"@169.254.169.254/evil-1.0-py3-none-any.whl", strings.TrimPrefix(e.up.Path("evil", "lib-7.0-py3-none-any.whl"), "/"), "", ".", "lib", "lib-1.0.tar.gz",
	} {
		if _, err := e.fetch(path); kind(err) != NotFound && kind(err) != Withheld {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, err := e.File(ctx, FileRequest{Upstream: "nobody", Path: at}); kind(err) != NotFound {
		t.Errorf("unknown upstream: %v", err)
	}
	want(t, body(t, e.page("evil"), 0), hasNot("169.254", "lib-7.0"))
	if held := e.Why(ctx, "evil").Held; len(held) < 1 {
		t.Errorf("why: %+v", held)
	}
	for _, r := range e.up.Requests() {
		if !strings.HasPrefix(r.Path, "/simple/") && r.Path != "/"+at {
			t.Errorf("upstream was asked for %s", r.Path)
		}
	}
}

// A file on another permitted host has that host in its address.
func TestFileOnAnotherHost(t *testing.T) {
	t.Parallel()
	cdn := upstreamtest.New(t)
	host := strings.TrimPrefix(cdn.HTTP.URL, "http://")
	e := setup(t, func(c *Config) { c.Upstreams[0].FileHosts = []string{host} })
	content := upstreamtest.Wheel("lib", "1.0+cpu")
	f := upstreamtest.File{Filename: "lib-1.0+cpu-py3-none-any.whl", Content: content, Path: "whl/a b/lib-1.0+cpu-py3-none-any.whl"}
	cdn.Add("lib", f)
	f.URL = cdn.HTTP.URL + "/whl/a%20b/lib-1.0%2Bcpu-py3-none-any.whl?sig=1"
	e.up.Add("lib", f)
	want(t, body(t, e.page("lib"), 0), has(`"url":"../../files/up/@`+host+`/whl/a%20b/lib-1.0+cpu-py3-none-any.whl"`))
	e.mustFetch("@"+host+"/whl/a b/lib-1.0+cpu-py3-none-any.whl", content)
	if q := cdn.Requests()[0].Query; q != "sig=1" {
		t.Errorf("query %q did not go along", q)
	}
}

// A stale page does not hide a new file from a lock file that names it.
func TestFileNewerThanThePage(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.wheel("lib", "1.0")
	e.page("lib")
	f, at := e.wheel("lib", "2.0")
	e.clock.add(time.Minute) // the page is fresh for ten
	e.mustFetch(at, f.Content)
}

// What is too large, or another size than stated, is refused before the first byte.
func TestSizeLimits(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.MaxFile = 100 << 10 })
	for _, change := range []func(*upstreamtest.File){nil, func(f *upstreamtest.File) { f.NoSize = true }} {
		changes := []func(*upstreamtest.File){large(200 << 10)}
		if change != nil {
			changes = append(changes, change)
		}
		_, at := e.wheel("lib", "1.0", changes...)
		e.clock.add(time.Hour)
		_, err := e.fetch(at)
		wantKind(t, "large file", err, BadGateway)
	}
	f, at := e.wheel("lib", "2.0")
	e.clock.add(time.Hour)
	e.up.On("/"+at, upstreamtest.Answer("application/octet-stream", append(f.Content, 'x')))
	if _, err := e.fetch(at); kind(err) != BadGateway && !errors.Is(err, ErrBroken) {
		t.Errorf("longer than stated: %v", err)
	}
	_, at = e.wheel("lib", "3.0", func(f *upstreamtest.File) { f.NoSize, f.NoHash = true, true })
	e.clock.add(time.Hour)
	e.up.On("/"+at, upstreamtest.Endless("application/octet-stream"))
	if _, err := e.fetch(at); !errors.Is(err, ErrBroken) {
		t.Errorf("endless: %v", err)
	}
	e.settled()
	e.nothingStored()
}

func TestFileErrorsHaveTheirStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault upstreamtest.Fault
		kind  Kind
	}{
		"404":               {upstreamtest.Status(404), NotFound},
		"500":               {upstreamtest.Status(500), Unavailable},
		"403":               {upstreamtest.Status(403), BadGateway},
		"to a private host": {upstreamtest.Redirect(302, "http://10.0.0.1/x"), BadGateway},
		"to a mapped host":  {upstreamtest.Redirect(302, "http://[::ffff:127.0.0.1]/x"), BadGateway},
		"with a credential": {upstreamtest.Redirect(302, "http://u:p@127.0.0.1/x"), BadGateway},
		"to another scheme": {upstreamtest.Redirect(302, "file:///etc/passwd"), BadGateway},
		"to another port":   {upstreamtest.Redirect(302, "http://127.0.0.1:1/x"), BadGateway},
		"unasked for coding": {func(c *upstreamtest.Context) {
			c.W.Header().Set("Content-Encoding", "gzip")
			_, _ = c.W.Write([]byte("x"))
		}, BadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			_, at := e.wheel("lib", "1.0")
			e.up.On("/"+at, c.fault)
			_, err := e.fetch(at)
			wantKind(t, "file", err, c.kind)
			if s := err.Error(); strings.Contains(s, "10.0.0.1:") || strings.Contains(s, "u:p") {
				t.Errorf("message tells too much: %s", s)
			}
		})
	}
}

// A reader that leaves does not end the download.
func TestReaderLeaves(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.wheel("lib", "1.0", large(1<<20))
	more := make(chan struct{})
	e.up.On("/"+at, upstreamtest.Stall(1000, more))
	got, err := e.File(ctx, FileRequest{Upstream: "up", Path: at})
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Close()
	close(more)
	e.settled()
	e.up.Remove("lib")
	e.mustFetch(at, f.Content)
}

// Close ends downloads; their readers get an error, never a short file.
func TestCloseDuringDownload(t *testing.T) {
	t.Parallel()
	e := setup(t)
	_, at := e.wheel("lib", "1.0", large(1<<20))
	e.up.On("/"+at, upstreamtest.Stall(1000, nil))
	got, err := e.File(ctx, FileRequest{Upstream: "up", Path: at})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { _, err := readAll(got); done <- err }()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, ErrBroken) {
		t.Errorf("reader got %v", err)
	}
	if _, err := e.fetch(at); kind(err) != Unavailable {
		t.Errorf("after Close: %v", err)
	}
}
