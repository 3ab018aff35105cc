package tests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/tests/harness"
)

const fileSize = 700 << 10

// fetch downloads a file as clients do. It errs where the whole does not come.
func fetch(g *harness.Gateway, path, key string) (*harness.Response, error) {
	return g.Try(harness.Request{Path: path, Key: key, Header: map[string]string{"Accept-Encoding": "identity"}})
}

// Whatever becomes of a file on its way, no client gets a wrong byte for a whole
// file, and nothing of it is kept; when the upstream is well, so is the file.
func TestPythonFileFaults(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	elsewhere := upstreamtest.New(t)
	g := behind(t, up, "", "stall_timeout 700ms", "breaker_after 1000")
	key := g.Key("executor")
	for name, c := range map[string]struct {
		fault    upstreamtest.Fault
		survives bool // the file comes through all the same
	}{
		"hang":                         {upstreamtest.Hang(), false},
		"stalls in the middle":         {upstreamtest.Stall(300<<10, nil), true},
		"stalls at the first byte":     {upstreamtest.Stall(1, nil), false},
		"reset at once":                {upstreamtest.Reset(0), false},
		"cut twice in the middle":      {upstreamtest.Times(2, upstreamtest.Truncate(300<<10)), true},
		"cut in the middle":            {upstreamtest.Truncate(300 << 10), true},
		"always cut at the first byte": {upstreamtest.Truncate(1), false},
		"cut once":                     {upstreamtest.Times(1, upstreamtest.Truncate(500<<10)), true},
		"one bit is wrong":             {upstreamtest.Corrupt(), false},
		"another file":                 {upstreamtest.Answer("application/zip", upstreamtest.WheelWith("x", "1", []byte(noise(fileSize)))), false},
		"nothing":                      {upstreamtest.Answer("application/zip", nil), false},
		"without end":                  {upstreamtest.Endless("application/zip"), false},
		"without its length":           {upstreamtest.Chunked(), true},
		"slow":                         {upstreamtest.Slow(100<<10, 50*time.Millisecond), true},
		"404":                          {upstreamtest.Status(404), false},
		"500":                          {upstreamtest.Status(500), false},
		"a login page":                 {upstreamtest.Login(), false},
		"a redirect to a private host": {upstreamtest.Redirect(302, elsewhere.HTTP.URL+"/x.whl"), false},
		"a redirect to cloud metadata": {upstreamtest.Redirect(302, "http://169.254.169.254/latest/"), false},
	} {
		project := "f-" + strings.ReplaceAll(strings.ToLower(name), " ", "-")
		f := largeFile(project, "1.0", fileSize)
		up.Add(project, f)
		at := fileURL(up, project, f.Filename)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := up.Path(project, f.Filename)
			up.On(upstream, c.fault)
			for range 2 { // the second finds what the first left behind
				r, err := fetch(g, at, key)
				whole := err == nil && r.Status == 200
				switch {
				case whole && !bytes.Equal(r.Body, f.Content):
					t.Errorf("%d wrong bytes came as a whole file", len(r.Body))
				case whole != c.survives:
					t.Errorf("the answer is %v, %v", r, err)
				case !whole && err == nil && r.Status < 500 && r.Status != 404:
					t.Errorf("the answer is %d %s", r.Status, r.Text())
				}
			}
			up.On(upstream, nil)
			r, err := fetch(g, at, key)
			if err != nil || r.Status != 200 || !bytes.Equal(r.Body, f.Content) {
				t.Fatalf("after the fault the file does not come: %v", err)
			}
			up.On(upstream, upstreamtest.Status(500))
			if r, err := fetch(g, at, key); err != nil || !bytes.Equal(r.Body, f.Content) {
				t.Errorf("the stored file: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		checkCache(t, g)
		if n := len(elsewhere.Requests()); n > 0 {
			t.Errorf("the host that nobody permitted was asked %d times", n)
		}
		if g.Metric(t, "fairway_upstream_faults_total", `kind="mismatch"`) == 0 {
			t.Error("the metric counts no mismatch")
		}
	})
}

// checkCache fails the test unless every file in the pass-through's cache has the
// bytes that its name says.
func checkCache(t *testing.T, g *harness.Gateway) (files int) {
	t.Helper()
	_ = filepath.WalkDir(g.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.Contains(path, string(filepath.Separator)+"files"+string(filepath.Separator)) {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		sum := sha256.Sum256(raw)
		if name := filepath.Base(path); len(name) != 64 {
			return nil // the journal
		} else if name != hex.EncodeToString(sum[:]) {
			t.Errorf("the cached file %s has other bytes than its name says", path)
		}
		files++
		return nil
	})
	return files
}

// A hundred cold requests cost the upstream one, for a page as for a file, and all
// are answered.
func TestPythonHundredColdRequests(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	f := largeFile("demo", "1.0", 2<<20)
	up.Add("demo", f)
	g := behind(t, up, "")
	key := g.Key("executor")
	at := fileURL(up, "demo", f.Filename)
	for _, c := range []struct {
		path, upstream string
		check          func(*harness.Response) bool
	}{
		{"/pypi/simple/demo/", "/simple/demo/", func(r *harness.Response) bool { return strings.Contains(r.Text(), f.Filename) }},
		{at + ".metadata", up.Path("demo", f.Filename) + ".metadata", func(r *harness.Response) bool { return bytes.Equal(r.Body, f.Metadata) }},
		{at, up.Path("demo", f.Filename), func(r *harness.Response) bool { return bytes.Equal(r.Body, f.Content) }},
	} {
		up.Forget()
		arrived, release := up.Hold(c.upstream)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				r, err := fetch(g, c.path, key)
				if err != nil || r.Status != 200 || !c.check(r) {
					t.Errorf("%s: %v", c.path, err)
				}
			})
		}
		g.Await("request to the upstream for "+c.upstream, func() bool { return len(arrived) > 0 })
		release()
		wg.Wait()
		if n := strings.Count(up.Summary(), " "+c.upstream+"\n"); n != 1 {
			t.Errorf("100 requests for %s cost the upstream %d: one is expected", c.path, n)
		}
	}
}

// The first bytes of a file are with the client while the rest is still on its way,
// and a range of it is served past that.
func TestPythonFirstByteAndRanges(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	f := largeFile("demo", "1.0", 4<<20)
	up.Add("demo", f)
	g := behind(t, up, "")
	key := g.Key("executor")
	at, upstream := fileURL(up, "demo", f.Filename), up.Path("demo", f.Filename)
	size := len(f.Content)

	head := g.Expect(t, 200, harness.Request{Method: "HEAD", Path: at, Key: key})
	if head.Header.Get("Content-Length") != fmt.Sprint(size) || head.Header.Get("Accept-Ranges") != "bytes" || head.Header.Get("ETag") == "" {
		t.Errorf("HEAD of a file that is not stored: %v", head.Header)
	}
	if n := up.Count(upstream); n != 0 {
		t.Errorf("HEAD cost the upstream %d requests for a file whose page states its size", n)
	}
	g.Expect(t, 416, harness.Request{Path: at, Key: key, Header: map[string]string{"Range": fmt.Sprintf("bytes=%d-", size)}})

	more := make(chan struct{})
	up.On(upstream, func(c *upstreamtest.Context) {
		if c.R.Header.Get("Range") != "" {
			c.Next.ServeHTTP(c.W, c.R)
			return
		}
		upstreamtest.Stall(1<<20, more)(c)
	})
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, g.URL+at, nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	first := make([]byte, 1<<20)
	if _, err := io.ReadFull(resp.Body, first); err != nil || !bytes.Equal(first, f.Content[:1<<20]) {
		t.Fatalf("the first megabyte did not come while the rest was held back: %v", err)
	}
	for _, c := range []struct {
		header   string
		from, to int
	}{{"bytes=-22", size - 22, size}, {fmt.Sprintf("bytes=%d-%d", 2<<20, 2<<20+99), 2 << 20, 2<<20 + 100}, {"bytes=0-9", 0, 10}} {
		r := g.Expect(t, 206, harness.Request{Path: at, Key: key, Header: map[string]string{"Range": c.header, "If-Range": head.Header.Get("ETag")}})
		if !bytes.Equal(r.Body, f.Content[c.from:c.to]) || r.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", c.from, c.to-1, size) {
			t.Errorf("%s: %d bytes with Content-Range %q", c.header, len(r.Body), r.Header.Get("Content-Range"))
		}
	}
	close(more)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(rest, f.Content[1<<20:]) {
		t.Fatalf("the rest: %d bytes, %v", len(rest), err)
	}
	up.On(upstream, upstreamtest.Status(500))
	for i, c := range []struct {
		header map[string]string
		status int
		bytes  int
	}{
		{map[string]string{"Range": "bytes=100-199"}, 206, 100},
		{map[string]string{"Range": "bytes=100-199", "If-Range": `"another"`}, 200, size},
		{map[string]string{"If-None-Match": head.Header.Get("ETag")}, 304, 0},
		{nil, 200, size},
	} {
		r := g.Expect(t, c.status, harness.Request{Path: at, Key: key, Header: c.header})
		if len(r.Body) != c.bytes || r.Header.Get("ETag") != head.Header.Get("ETag") {
			t.Errorf("stored, %d: %d bytes with the ETag %s", i, len(r.Body), r.Header.Get("ETag"))
		}
		if cc := r.Header.Get("Cache-Control"); cc != "private, max-age=31536000, immutable" {
			t.Errorf("stored, %d: Cache-Control is %q", i, cc)
		}
	}
}

// Killed at any moment of many downloads, the gateway keeps no wrong byte; what it
// had stored is there, and the rest can be fetched again.
func TestPythonKillDuringFills(t *testing.T) {
	t.Parallel()
	const files, kills = 6, 10
	up := upstreamtest.New(t)
	contents := map[string][]byte{}
	for i := range files {
		name := fmt.Sprintf("demo%d", i)
		f := largeFile(name, "1.0", 400<<10+i*100<<10)
		up.Add(name, f)
		contents[fileURL(up, name, f.Filename)] = f.Content
	}
	up.On("/packages/", upstreamtest.Slow(60<<10, 3*time.Millisecond))
	g := behind(t, up, "")
	key := g.Key("executor")
	stored := 0
	for round := range kills {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for path, content := range contents {
			wg.Go(func() {
				for ctx.Err() == nil {
					r, err := fetch(g, path, key)
					if err == nil && r.Status == 200 && !bytes.Equal(r.Body, content) {
						t.Errorf("%s came with %d wrong bytes", path, len(r.Body))
					}
					if err == nil && r.Status == 200 {
						return
					}
				}
			})
		}
		timer := time.NewTimer(time.Duration(5+17*round) * time.Millisecond) // another moment each time
		<-timer.C
		g.Kill()
		cancel()
		wg.Wait()
		g.Launch()
		stored = checkCache(t, g)
		if left, _ := filepath.Glob(filepath.Join(g.Data, "*", "*", "tmp", "*")); len(left) > 0 {
			t.Errorf("after a start there are temporary files: %v", left)
		}
	}
	up.Heal()
	for path, content := range contents {
		r, err := fetch(g, path, key)
		if err != nil || r.Status != 200 || !bytes.Equal(r.Body, content) {
			t.Errorf("%s does not come: %v", path, err)
		}
	}
	up.Forget()
	g.Restart()
	up.On("/", upstreamtest.Status(500))
	for path, content := range contents {
		if r, err := fetch(g, path, key); err != nil || r.Status != 200 || !bytes.Equal(r.Body, content) {
			t.Errorf("after a restart, %s: %v", path, err)
		}
	}
	if n := up.Count("/packages/"); n > 0 {
		t.Errorf("after a restart the upstream was asked for %d files that are stored", n)
	}
	if stored == 0 || checkCache(t, g) != files {
		t.Errorf("%d of %d files are in the cache, %d were after the last kill", checkCache(t, g), files, stored)
	}
}

// The cache keeps within its budget, and a file that left it is fetched again.
func TestPythonCacheBudget(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	g := behind(t, up, "", "cache_size 1MiB", "page_freshness 1ns")
	key := g.Key("executor")
	for i := range 5 {
		f := largeFile("demo", fmt.Sprintf("%d.0", i), 400<<10)
		up.Add("demo", f)
		if r := g.Expect(t, 200, harness.Request{Path: fileURL(up, "demo", f.Filename), Key: key}); !bytes.Equal(r.Body, f.Content) {
			t.Error("the file has other bytes")
		}
	}
	if n, files := g.Metric(t, "fairway_upstream_cache_bytes"), checkCache(t, g); n > 1<<20 || files != 2 {
		t.Errorf("the cache has %d files with %g bytes: two of 400 KiB and a budget of 1 MiB are expected", files, n)
	}
	// One file above the whole budget is served, and leaves with the next.
	big, small := largeFile("big", "1.0", 3<<20), largeFile("big", "0.1", 100<<10)
	up.Add("big", big, small)
	for _, f := range []upstreamtest.File{big, small} {
		if r := g.Expect(t, 200, harness.Request{Path: fileURL(up, "big", f.Filename), Key: key}); !bytes.Equal(r.Body, f.Content) {
			t.Error("the file has other bytes")
		}
	}
	if n := g.Metric(t, "fairway_upstream_cache_bytes"); n > 1<<20 {
		t.Errorf("the cache has %g bytes: its budget is 1 MiB", n)
	}
}
