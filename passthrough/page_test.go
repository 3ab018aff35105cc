package passthrough

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python"
)

type expectation func(s string) string

func has(parts ...string) expectation {
	return func(s string) string {
		for _, p := range parts {
			if !strings.Contains(s, p) {
				return fmt.Sprintf("lacks %q", p)
			}
		}
		return ""
	}
}

func hasNot(parts ...string) expectation {
	return func(s string) string {
		for _, p := range parts {
			if strings.Contains(s, p) {
				return fmt.Sprintf("has %q", p)
			}
		}
		return ""
	}
}

func want(t testing.TB, s string, all ...expectation) {
	t.Helper()
	for _, e := range all {
		if miss := e(s); miss != "" {
			t.Errorf("text %s:\n%.2000s", miss, s)
		}
	}
}

// A page says all that the upstream's says, with addresses of ours.
func TestPageKeepsWhatUpstreamSays(t *testing.T) {
	t.Parallel()
	for _, html := range []bool{false, true} {
		e := setup(t)
		e.up.Set(upstreamtest.Options{HTMLOnly: html})
		e.wheel("lib", "1.0", func(f *upstreamtest.File) {
			f.RequiresPython, f.Yanked, f.Metadata = ">=3.9,<4", "broken", upstreamtest.Metadata("lib", "1.0")
		})
		_, at := e.wheel("lib", "1.1")
		e.up.SetStatus("lib", "deprecated")
		p := e.page("Lib")
		want(t, body(t, p, python.JSON), has(`"url":"../../files/up/`+at, `"yanked":"broken"`, `"requires-python":">=3.9,<4"`, `"status":"deprecated"`, `"core-metadata":{"sha256":"`, `"core-metadata":true`))
		want(t, body(t, p, python.HTML), has(`href="../../files/up/`+at+`#sha256=`, `data-yanked="broken"`, `data-core-metadata="true"`, `data-dist-info-metadata="sha256=`))
		if !html {
			want(t, body(t, p, python.JSON), has(`"x-unknown":"kept"`, `"_last-serial"`, `"upload-time"`))
		}
		if p.Upstream != "up" || p.Stale {
			t.Errorf("page is %+v", p)
		}
	}
}

// Links of the index mode lead to the upstream.
func TestIndexMode(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.Mode = Index })
	_, at := e.wheel("lib", "1.0")
	p, err := e.Page(ctx, "lib", Index)
	if err != nil {
		t.Fatal(err)
	}
	want(t, body(t, p, 0), has(e.up.HTTP.URL+"/"+at), hasNot(`"core-metadata"`))
}

// The upstream learns the name, and nothing else of anybody.
func TestNothingOfTheClientGoesUpstream(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.up.Set(upstreamtest.Options{SetCookie: true})
	f, at := e.wheel("lib", "1.0")
	e.page("lib")
	e.mustFetch(at, f.Content)
	e.clock.add(time.Hour)
	e.page("lib")
	known := map[string]bool{"Accept": true, "Accept-Encoding": true, "User-Agent": true, "If-None-Match": true, "If-Modified-Since": true, "Cache-Control": true}
	for _, r := range e.up.Requests() {
		for name := range r.Header {
			if !known[name] {
				t.Errorf("%s was asked with header %s", r.Path, name)
			}
		}
		if !strings.HasPrefix(r.Header.Get("User-Agent"), "fairway") || r.Query != "" || len(r.Body) > 0 {
			t.Errorf("request %+v", r)
		}
	}
}

// A fresh page is not asked for; a stale one is, with its validators, also after
// a restart; a 304 keeps its bytes.
func TestRevalidation(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.up.Set(upstreamtest.Options{CacheControl: "max-age=300", Age: 100 * time.Second})
	e.wheel("lib", "1.0")
	p := e.page("lib")
	if p.Fresh != 200*time.Second {
		t.Errorf("fresh for %v, want what the upstream's max-age and Age leave", p.Fresh)
	}
	tag := p.ETag(python.JSON, python.Gzip)
	e.clock.add(199 * time.Second)
	if p = e.page("lib"); e.up.Count("/simple/") != 1 || p.Fresh != time.Second {
		t.Errorf("%d requests, fresh for %v", e.up.Count("/simple/"), p.Fresh)
	}
	e.restart()
	e.clock.add(2 * time.Second)
	p = e.page("lib")
	last := e.up.Requests()[1]
	if last.Header.Get("If-None-Match") == "" || p.ETag(python.JSON, python.Gzip) != tag || p.Stale {
		t.Errorf("revalidated with %v, page %+v", last.Header, p)
	}
	e.wheel("lib", "2.0")
	e.clock.add(301 * time.Second)
	want(t, body(t, e.page("lib"), 0), has("lib-2.0"))
}

// A page that was fetched while the clock was ahead is not kept for as long as it was.
func TestPageOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.clock.add(days(400))
	e.wheel("lib", "1.0")
	want(t, body(t, e.page("lib"), 0), has("lib-1.0"))
	e.clock.add(-days(400))
	e.restart()
	e.wheel("lib", "2.0")
	want(t, body(t, e.page("lib"), 0), has("lib-2.0"))
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	now := newClock().now()
	stamp := func(d time.Duration) string { return now.Add(d).UTC().Format(http.TimeFormat) }
	for _, c := range []struct {
		header map[string]string
		want   time.Duration
	}{
		{nil, time.Minute},
		{map[string]string{"Cache-Control": "max-age=60"}, time.Minute},
		{map[string]string{"Cache-Control": "public, Max-Age=9000"}, 10 * time.Minute},
		{map[string]string{"Cache-Control": "max-age=60", "Age": "90"}, 0},
		{map[string]string{"Cache-Control": "max-age=600, s-maxage=30"}, 30 * time.Second},
		{map[string]string{"Cache-Control": "no-cache, max-age=600"}, 0},
		{map[string]string{"Cache-Control": "no-store"}, 0},
		{map[string]string{"Cache-Control": "private"}, time.Minute},
		{map[string]string{"Cache-Control": "max-age=banana"}, time.Minute},
		{map[string]string{"Cache-Control": "max-age=-5"}, time.Minute},
		{map[string]string{"Expires": stamp(90 * time.Second), "Date": stamp(0)}, 90 * time.Second},
		{map[string]string{"Expires": "0"}, 0},
	} {
		h := http.Header{}
		for k, v := range c.header {
			h.Set(k, v)
		}
		if got := freshness(h, now, 10*time.Minute); got != c.want {
			t.Errorf("%v: %v, want %v", c.header, got, c.want)
		}
	}
}

// Whatever goes wrong upstream, a page that was had is served, marked, for as long
// as the setting permits; without one the answer is 502 or 503, never 404.
func TestStaleOnError(t *testing.T) {
	t.Parallel()
	wrong := []byte(`{"meta":{"api-version":"1.0"},"name":"other","files":[]}`)
	for name, c := range map[string]struct {
		fault upstreamtest.Fault
		kind  Kind
	}{
		"500":          {upstreamtest.Status(500), Unavailable},
		"503":          {upstreamtest.Status(503), Unavailable},
		"429":          {upstreamtest.Status(429), Unavailable},
		"403":          {upstreamtest.Status(403), BadGateway},
		"418":          {upstreamtest.Status(418), BadGateway},
		"hang":         {upstreamtest.Hang(), Unavailable},
		"reset":        {upstreamtest.Reset(50), Unavailable},
		"truncated":    {upstreamtest.Truncate(50), Unavailable},
		"login page":   {upstreamtest.Login(), BadGateway},
		"wrong name":   {upstreamtest.Answer("application/vnd.pypi.simple.v1+json", wrong), BadGateway},
		"half JSON":    {upstreamtest.Answer("application/vnd.pypi.simple.v1+json", []byte(`{"meta":{`)), BadGateway},
		"wrong type":   {upstreamtest.Answer("image/png", []byte("x")), BadGateway},
		"endless":      {upstreamtest.Endless("text/html"), BadGateway},
		"loop":         {upstreamtest.Redirect(302, "/simple/lib/"), BadGateway},
		"to elsewhere": {upstreamtest.Redirect(302, "https://elsewhere.example/simple/lib/"), BadGateway},
		"to metadata":  {upstreamtest.Redirect(302, "http://169.254.169.254/latest"), BadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setup(t, func(c *Config) {
				c.PageTimeout, c.MaxPage, c.StaleFor = 300*time.Millisecond, 1<<20, time.Hour
				if name == "endless" {
					c.PageTimeout = 20 * time.Second
				}
			})
			e.wheel("lib", "1.0")
			e.wheel("never-seen", "1.0")
			fresh := e.page("lib")
			e.wheel("lib", "2.0") // or the answer would be a 304 without a body to break
			e.up.On("/simple/", c.fault)
			_, err := e.Page(ctx, "never-seen", Proxy)
			wantKind(t, "without a page", err, c.kind)
			e.clock.add(11 * time.Minute)
			p := e.page("lib")
			if !p.Stale || p.Fresh != 0 || p.ETag(0, 0) != fresh.ETag(0, 0) {
				t.Errorf("page %+v, want the old one, marked stale", p)
			}
			e.clock.add(time.Hour)
			_, err = e.Page(ctx, "lib", Proxy)
			wantKind(t, "after the setting's time", err, c.kind)
			e.up.Heal()
			if p := e.page("lib"); p.Stale {
				t.Error("still stale after the upstream came back")
			}
		})
	}
}

// "No such project" is remembered for a short while, and forgotten by an upload.
func TestNegativeCache(t *testing.T) {
	t.Parallel()
	e := setup(t)
	absent := func() {
		t.Helper()
		_, err := e.Page(ctx, "new", Proxy)
		wantKind(t, "page", err, NotFound)
	}
	absent()
	absent()
	if n := e.up.Count("/simple/new/"); n != 1 {
		t.Fatalf("%d requests, want 1", n)
	}
	e.Forget("NEW")
	absent()
	if n := e.up.Count("/simple/new/"); n != 2 {
		t.Fatalf("%d requests after Forget, want 2", n)
	}
	e.wheel("new", "1.0")
	absent()
	e.clock.add(31 * time.Second)
	e.page("new")
}

// An upload that ends while the upstream is still being asked is not forgotten by
// its answer.
func TestForgetWhileAsking(t *testing.T) {
	t.Parallel()
	e := setup(t)
	arrived, release := e.up.Hold("/simple/new/")
	done := make(chan error)
	go func() { _, err := e.Page(ctx, "new", Proxy); done <- err }()
	<-arrived
	e.Forget("new")
	release()
	wantKind(t, "first", <-done, NotFound)
	_, err := e.Page(ctx, "new", Proxy)
	wantKind(t, "second", err, NotFound)
	if n := e.up.Count("/simple/new/"); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// A project that left the upstream is gone, but its cached files are not.
func TestDisappearedProject(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.wheel("lib", "1.0")
	_, other := e.wheel("lib", "2.0")
	e.page("lib")
	e.mustFetch(at, f.Content)
	e.settled()
	e.up.Remove("lib")
	e.clock.add(time.Hour)
	_, err := e.Page(ctx, "lib", Proxy)
	wantKind(t, "page", err, NotFound)
	e.mustFetch(at, f.Content)
	_, err = e.fetch(other)
	wantKind(t, "file that was not cached", err, NotFound)
	if m, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at}); err != nil || !bytes.Contains(m.Bytes, []byte("Name: lib")) {
		t.Errorf("metadata of the cached file: %v", err)
	}
}

// Sixteen, or a hundred, first requests at once are one request upstream, and
// nobody is refused.
func TestConcurrentFirstRequestsForAPage(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.up.Add("big", upstreamtest.Project("big", 300, e.clock.now())...)
	arrived, release := e.up.Hold("/simple/big/")
	var group sync.WaitGroup
	errs := make(chan error, 100)
	for range 100 {
		group.Go(func() { _, err := e.Page(ctx, "big", Proxy); errs <- err })
	}
	<-arrived
	release()
	group.Wait()
	for range 100 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if n := e.up.Count("/simple/big/"); n != 1 {
		t.Errorf("%d requests upstream, want 1", n)
	}
}

// Requests that come while a page is being stored take what is stored: they neither
// ask again nor hold the half of it for damage.
func TestRequestsWhileAPageIsStored(t *testing.T) {
	t.Parallel()
	e := setup(t)
	for i := range 200 {
		name := fmt.Sprintf("p%d", i)
		e.wheel(name, "1.0")
		var group sync.WaitGroup
		ask := func() {
			if _, err := e.Page(ctx, name, Proxy); err != nil {
				t.Error(err)
			}
		}
		done := make(chan struct{})
		group.Go(func() { ask(); close(done) })
		for more := true; more; { // one request after the other, until the first is answered
			group.Go(ask)
			runtime.Gosched()
			select {
			case <-done:
				more = false
			default:
			}
		}
		group.Wait()
	}
	for i := range 200 {
		if n := e.up.Count(fmt.Sprintf("/simple/p%d/", i)); n != 1 {
			t.Errorf("page %d cost %d requests upstream, want 1", i, n)
		}
	}
}

// A request that holds what was just replaced finds its replacement, and does not
// undo it.
func TestReplacedWhileServed(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.wheel("lib", "1.0")
	e.page("lib")
	old, _ := e.stored("lib")
	e.wheel("lib", "2.0")
	e.clock.add(time.Hour)
	e.page("lib")
	asked := e.up.Count("/simple/lib/")
	if _, err := e.viewOf(old, Index); err == nil {
		t.Fatal("the body of the replaced page is still there: the test shows nothing")
	}
	want(t, body(t, e.page("lib"), 0), has("lib-2.0"))
	if n := e.up.Count("/simple/lib/"); n != asked {
		t.Errorf("the replaced page cost the new one: %d requests upstream, want %d", n, asked)
	}
}

// An upstream that keeps failing is left alone for a while.
func TestBreaker(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.BreakerAfter = 3 })
	e.up.On("/simple/", upstreamtest.Status(500))
	for i := range 10 {
		_, err := e.Page(ctx, fmt.Sprintf("p%d", i), Proxy)
		wantKind(t, "page", err, Unavailable)
	}
	if n := e.up.Count("/simple/"); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	if !e.Stats().Breakers[0].PagesOpen {
		t.Error("breaker is not shown as open")
	}
	e.up.Heal()
	e.wheel("lib", "1.0")
	e.clock.add(31 * time.Second)
	e.page("lib")
}

// Offline nothing is asked, and only what is stored is shown.
func TestOffline(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.wheel("lib", "1.0")
	_, missing := e.wheel("lib", "2.0")
	e.page("lib")
	e.mustFetch(at, f.Content)
	e.settled()
	e.restart(func(c *Config) { c.Offline = true })
	e.up.Forget()
	e.clock.add(days(100))
	want(t, body(t, e.page("lib"), 0), has("lib-1.0", `"versions":["1.0"]`), hasNot("lib-2.0"))
	e.mustFetch(at, f.Content)
	if _, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at}); err != nil {
		t.Errorf("metadata: %v", err)
	}
	for what, do := range map[string]func() error{
		"file":     func() error { _, err := e.fetch(missing); return err },
		"metadata": func() error { _, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: missing}); return err },
		"page":     func() error { _, err := e.Page(ctx, "other", Proxy); return err },
	} {
		wantKind(t, what, do(), Unavailable)
	}
	if n := len(e.up.Requests()); n != 0 {
		t.Errorf("%d requests went upstream", n)
	}
}

func TestQuarantinedProject(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.wheel("lib", "1.0")
	_, other := e.wheel("lib", "2.0")
	e.mustFetch(at, f.Content)
	e.settled()
	e.up.SetStatus("lib", "quarantined")
	e.clock.add(time.Hour)
	want(t, body(t, e.page("lib"), 0), has(`"quarantined"`), hasNot("lib-1.0-py3"))
	for _, a := range []string{at, other} {
		_, err := e.fetch(a)
		wantKind(t, "file", err, Withheld)
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.wheel("lib", "1.0")
	for name, want := range map[string]bool{"lib": true, "LIB": true, "nothing": false, "ours": false} {
		if got, err := e.Has(ctx, name); err != nil || got != want {
			t.Errorf("has %s: %v, %v", name, got, err)
		}
	}
	e.up.On("/", upstreamtest.Status(500))
	if _, err := e.Has(ctx, "other"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("upstream down: %v", err)
	}
}

// Large pages take turns, ordinary ones do not; waiting for one in vain says nothing
// against the upstream.
func TestLargePagesTakeTurns(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.PageTimeout, c.BreakerAfter = 3*time.Second, 1 })
	e.wheel("lib", "1.0")
	e.wheel("large", "1.0")
	page := `{"meta":{"api-version":"1.1"},"name":"large","files":[],"_":"` + strings.Repeat("x", ordinaryPage) + `"}`
	e.up.On("/simple/large/", upstreamtest.Answer("application/vnd.pypi.simple.v1+json", []byte(page)))
	for range largeAtOnce {
		e.turns <- struct{}{}
	}
	_, err := e.Page(ctx, "large", Proxy)
	wantKind(t, "a large page out of turn", err, Unavailable)
	e.page("lib")
	<-e.turns
	e.page("large")
	if n := len(e.turns); n != largeAtOnce-1 {
		t.Errorf("%d turns are taken after the page, want %d", n, largeAtOnce-1)
	}
	// Out of the cache it is rendered in its turn, too.
	e.restart()
	e.page("large")
	if n := len(e.turns); n != 0 {
		t.Errorf("%d turns are taken after all", n)
	}
}

// The pages made last are kept in memory, but not beyond its budget.
func TestRecentPagesHaveABudget(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.MemoryBytes = 1 << 20 })
	for i := range recentViews {
		name := fmt.Sprint("lib", i)
		for v := range 200 {
			e.up.Add(name, upstreamtest.File{Filename: fmt.Sprintf("%s-1.%d.tar.gz", name, v), Content: []byte{byte(v)}})
		}
		e.page(name)
	}
	if n := e.views.recent.Len(); n < 1 || n == recentViews || n > 1 && e.views.held() > 1<<20 {
		t.Errorf("%d pages of %d bytes are kept", n, e.views.held())
	}
}
