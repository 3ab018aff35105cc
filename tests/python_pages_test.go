package tests

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// impatient are settings with which an upstream's failing shows within moments:
// every page is asked for anew.
var impatient = []string{"page_freshness 1ns", "negative_ttl 1ns", "page_timeout 1500ms", "stall_timeout 700ms", "breaker_after 1000"}

// answerOf asks for a name's page.
func answerOf(t *testing.T, g *harness.Gateway, key, name string) *harness.Response {
	t.Helper()
	r, err := g.Try(harness.Request{Path: "/pypi/simple/" + name + "/", Key: key, Header: map[string]string{"Accept": acceptJSON}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkOutage fails the test unless an answer says in a way that clients retry that
// the upstream failed.
func checkOutage(t *testing.T, what string, r *harness.Response, secret ...string) {
	t.Helper()
	if r.Status != http.StatusBadGateway && r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" ||
		r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Fairway-Reason") == "" {
		t.Errorf("%s: the answer is %d %q with %v: 502 or 503 with a reason is expected", what, r.Status, r.Text(), r.Header)
	}
	for _, s := range secret {
		if strings.Contains(r.Text(), s) {
			t.Errorf("%s: the answer %q tells %s", what, r.Text(), s)
		}
	}
}

// Whatever an upstream does in place of answering with a page, a name that was
// never seen is refused as an outage, never as absent; a page that was seen is
// served as stale, and says so; and when the upstream is well, so is the gateway.
func TestPythonPageFaults(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	up.Set(upstreamtest.Options{NoValidators: true}) // or a fault would befall the body of a 304
	g := behind(t, up, "", impatient...)
	key := g.Key("executor")
	private := upstreamtest.New(t) // another loopback host, which nobody permitted
	private.Add("demo", wheelFile("demo", "6.6.6"))
	for name, fault := range map[string]upstreamtest.Fault{
		"hang":                         upstreamtest.Hang(),
		"slower than the deadline":     upstreamtest.Slow(20, 300*time.Millisecond),
		"reset at once":                upstreamtest.Reset(0),
		"reset in the middle":          upstreamtest.Reset(100),
		"cut in the middle":            upstreamtest.Truncate(100),
		"500":                          upstreamtest.Status(500),
		"502":                          upstreamtest.Status(502),
		"503":                          upstreamtest.Status(503),
		"429":                          upstreamtest.Status(429),
		"401":                          upstreamtest.Status(401),
		"403":                          upstreamtest.Status(403),
		"418":                          upstreamtest.Status(418),
		"a login page":                 upstreamtest.Login(),
		"a type that is none of these": upstreamtest.Answer("application/pdf", []byte("%PDF")),
		"broken JSON":                  upstreamtest.Answer(acceptJSON, []byte(`{"meta":{"api-version":"1.1"},"name":"demo","files":[`)),
		"JSON of version 2":            upstreamtest.Answer(acceptJSON, []byte(`{"meta":{"api-version":"2.0"},"name":"demo","files":[]}`)),
		"JSON of another project":      upstreamtest.Answer(acceptJSON, []byte(`{"meta":{"api-version":"1.1"},"name":"other","files":[]}`)),
		"nothing":                      upstreamtest.Answer(acceptJSON, nil),
		"a redirect to a private host": upstreamtest.Redirect(302, private.Simple()+"demo/"),
		"a redirect to cloud metadata": upstreamtest.Redirect(302, "http://169.254.169.254/latest/meta-data/"),
		"a redirect to nowhere":        upstreamtest.Redirect(302, ""),
		"a redirect to a file":         upstreamtest.Redirect(302, "file:///etc/passwd"),
		"redirects without end":        func(c *upstreamtest.Context) { upstreamtest.Redirect(302, c.R.URL.Path)(c) },
		"204":                          upstreamtest.Status(204),
	} {
		project := "p-" + strings.Trim(strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '-'
		}, strings.ToLower(name)), "-")
		known, unknown := project+"-known", project+"-unknown"
		for _, n := range []string{known, unknown} {
			up.Add(n, wheelFile(n, "1.0"))
			up.On("/simple/"+n+"/", fault)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up.On("/simple/"+known+"/", nil)
			first := answerOf(t, g, key, known)
			if first.Status != 200 || first.Header.Get("X-Fairway-Stale") != "" {
				t.Fatalf("before the fault: %d %s", first.Status, first.Text())
			}
			up.On("/simple/"+known+"/", fault)
			stale := answerOf(t, g, key, known)
			if stale.Status != 200 || string(stale.Body) != string(first.Body) || stale.Header.Get("X-Fairway-Stale") == "" || !strings.Contains(stale.Header.Get("Cache-Control"), "max-age=0") {
				t.Errorf("a page that was seen: %d %q with %v: the page, flagged as stale, is expected", stale.Status, stale.Text(), stale.Header)
			}
			if stale.Header.Get("ETag") != first.Header.Get("ETag") {
				t.Error("the stale page has another ETag")
			}
			checkOutage(t, "a page that was never seen", answerOf(t, g, key, unknown), strings.TrimPrefix(up.HTTP.URL, "http://"))
			for _, n := range []string{known, unknown} {
				up.On("/simple/"+n+"/", nil)
				if r := answerOf(t, g, key, n); r.Status != 200 || r.Header.Get("X-Fairway-Stale") != "" || !strings.Contains(r.Text(), "1.0") {
					t.Errorf("after the fault: %d %s", r.Status, r.Text())
				}
			}
		})
	}
	t.Cleanup(func() {
		if n := len(private.Requests()); n > 0 {
			t.Errorf("the host that nobody permitted was asked %d times", n)
		}
		if n := g.Metric(t, "fairway_upstream_pages_total", `result="stale"`); n < 20 {
			t.Errorf("the metric counts %g stale pages", n)
		}
	})
}

// Where the upstream says that there is no such project, it is 404, as short as the
// setting says; an upload of the name ends that memory at once.
func TestPythonAbsence(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	g := behind(t, up, "", "negative_ttl 1h")
	short := behind(t, up, "", "negative_ttl 1ns")
	key, other := g.Key("admin"), short.Key("executor")
	for range 5 {
		g.Expect(t, 404, harness.Request{Path: "/pypi/simple/late/", Key: key})
	}
	if n := up.Count("/simple/late/"); n != 1 {
		t.Errorf("the upstream was asked %d times whether it has a project: once is expected", n)
	}
	short.Expect(t, 404, harness.Request{Path: "/pypi/simple/late/", Key: other})
	up.Add("late", wheelFile("late", "1.0"))
	short.Expect(t, 200, harness.Request{Path: "/pypi/simple/late/", Key: other})
	g.Expect(t, 404, harness.Request{Path: "/pypi/simple/late/", Key: key})
	g.Expect(t, 200, harness.Request{Method: "POST", Path: "/api/v1/python/late/purge", Key: key})
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/late/", Key: key})

	g.Expect(t, 404, harness.Request{Path: "/pypi/simple/mine/", Key: key})
	g.PublishPython(key, pythontest.Spec{Name: "mine", Version: "1.0"})
	if page, _ := simplePage(t, g, key, "mine"); len(page.Files) != 1 {
		t.Errorf("after its upload the page of a name that was absent lists %v", filesOf(page))
	}
}

// Pages come through with what they hold, whatever form the upstream has them in.
func TestPythonPageForms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options upstreamtest.Options
		dates   bool
	}{
		"JSON":            {upstreamtest.Options{}, true},
		"HTML only":       {upstreamtest.Options{HTMLOnly: true}, false},
		"no dates":        {upstreamtest.Options{NoDates: true}, false},
		"absolute links":  {upstreamtest.Options{AbsoluteLinks: true}, true},
		"no validators":   {upstreamtest.Options{NoValidators: true}, true},
		"cookies":         {upstreamtest.Options{SetCookie: true}, true},
		"no advertising":  {upstreamtest.Options{Unadvertised: true}, true},
		"forbids caching": {upstreamtest.Options{CacheControl: "no-store, private"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := upstreamtest.New(t)
			f := wheelFile("demo", "1.0", "dep>=1")
			f.RequiresPython, f.Yanked = ">=3.8,<4", "it <breaks>"
			up.Add("demo", f, upstreamtest.File{Filename: "demo-1.0.tar.gz", Content: upstreamtest.Sdist("demo", "1.0"), UploadTime: f.UploadTime})
			up.Set(c.options)
			g := behind(t, up, "")
			key := g.Key("executor")
			page, r := simplePage(t, g, key, "demo")
			if len(page.Files) != 2 || page.Meta.Version != "1.4" {
				t.Fatalf("the page is %s", r.Text())
			}
			got := page.Files[0]
			if got.RequiresPython != ">=3.8,<4" || got.Yanked != "it <breaks>" || got.Hashes["sha256"] != f.SHA256() || (got.UploadTime != "") != c.dates {
				t.Errorf("the wheel is told as %+v", got)
			}
			if c := r.Header.Get("Set-Cookie"); c != "" {
				t.Errorf("the client got the upstream's cookie %s", c)
			}
			if !strings.HasPrefix(got.URL, "../../files/pypi/packages/") {
				t.Errorf("the wheel's URL is %s", got.URL)
			}
			html := g.Expect(t, 200, harness.Request{Path: "/pypi/simple/demo/", Key: key, Header: map[string]string{"Accept": "text/html"}}).Text()
			for _, want := range []string{`data-requires-python="&gt;=3.8,&lt;4"`, `data-yanked="it &lt;breaks&gt;"`, "data-core-metadata=", "data-dist-info-metadata="} {
				if !strings.Contains(html, want) {
					t.Errorf("the page in HTML lacks %s: %s", want, html)
				}
			}
			// The metadata that is promised is served, also where the upstream promises none.
			if got.CoreMetadata == nil || got.CoreMetadata == false {
				t.Errorf("the wheel's metadata is not promised: %v", got.CoreMetadata)
			}
			meta := g.Expect(t, 200, harness.Request{Path: fileURL(up, "demo", f.Filename) + ".metadata", Key: key})
			if string(meta.Body) != string(f.Metadata) {
				t.Errorf("the metadata is %q", meta.Body)
			}
			file := g.Expect(t, 200, harness.Request{Path: fileURL(up, "demo", f.Filename), Key: key})
			if string(file.Body) != string(f.Content) {
				t.Error("the file has other bytes than the upstream's")
			}
			if c.options.SetCookie {
				up.Forget()
				g.Expect(t, 200, harness.Request{Method: "POST", Path: "/api/v1/python/demo/purge", Key: g.Key("admin")})
				simplePage(t, g, key, "demo")
				for _, r := range up.Requests() {
					if r.Header.Get("Cookie") != "" {
						t.Errorf("the upstream got a cookie back: %s", r.Header.Get("Cookie"))
					}
				}
			}
		})
	}
}

// A page of many thousand files costs one fetch, and no more afterwards than its
// own bytes.
func TestPythonHugePage(t *testing.T) {
	t.Parallel()
	const files = 8000
	up := upstreamtest.New(t)
	up.Add("huge", upstreamtest.Project("huge", files, time.Now().AddDate(0, 0, -1))...)
	g := behind(t, up, "")
	limited := behind(t, up, "", "max_page 100KiB")
	key := g.Key("executor")
	page, first := simplePage(t, g, key, "huge")
	if len(page.Files) != files || len(page.Versions) != files {
		t.Fatalf("the page lists %d files and %d versions", len(page.Files), len(page.Versions))
	}
	g.Expect(t, 304, harness.Request{Path: "/pypi/simple/huge/", Key: key, Header: map[string]string{"Accept": acceptJSON, "If-None-Match": first.Header.Get("ETag")}})
	for _, coding := range []string{"gzip", "zstd"} {
		r := g.Expect(t, 200, harness.Request{Path: "/pypi/simple/huge/", Key: key, Header: map[string]string{"Accept": acceptJSON, "Accept-Encoding": coding}})
		if r.Header.Get("Content-Encoding") != coding || len(r.Body) > len(first.Body)/4 || r.Header.Get("ETag") == first.Header.Get("ETag") {
			t.Errorf("%s: %d bytes of %d as %q with the ETag %s", coding, len(r.Body), len(first.Body), r.Header.Get("Content-Encoding"), r.Header.Get("ETag"))
		}
	}
	if n := up.Count("/simple/huge/"); n != 1 {
		t.Errorf("the upstream was asked %d times: once is expected", n)
	}
	checkOutage(t, "a page above the limit", answerOf(t, limited, limited.Key("executor"), "huge"))
	up.On("/simple/endless/", upstreamtest.Endless(acceptJSON))
	checkOutage(t, "a page without end", answerOf(t, limited, limited.Key("executor"), "endless"))
}

// Pages are revalidated, not fetched again, and only when their freshness is over,
// also after a restart.
func TestPythonRevalidation(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	up.Add("demo", wheelFile("demo", "1.0"))
	g := behind(t, up, "")
	key := g.Key("executor")
	ask := func() *harness.Response {
		t.Helper()
		return g.Expect(t, 200, harness.Request{Path: "/pypi/simple/demo/", Key: key})
	}
	first := ask()
	if cc := first.Header.Get("Cache-Control"); !strings.HasPrefix(cc, "private, max-age=") || strings.Contains(cc, "no-cache") {
		t.Errorf("the Cache-Control of an upstream's page is %q", cc)
	}
	if v := first.Header.Get("Vary"); v != "Accept, Accept-Encoding, Origin" || first.Header.Get("Date") == "" {
		t.Errorf("Vary is %q, Date %q", v, first.Header.Get("Date"))
	}
	g.Kill()
	g.Launch()
	if again := ask(); again.Header.Get("ETag") != first.Header.Get("ETag") || string(again.Body) != string(first.Body) {
		t.Error("after a restart the page is another")
	}
	if n := up.Count("/simple/demo/"); n != 1 {
		t.Errorf("the upstream was asked %d times while the page was fresh: once is expected", n)
	}
	quick := harness.Start(t, harness.Options{App: upstreamLines(up, "", impatient...)})
	quickKey := quick.Key("executor")
	up.Forget()
	for range 3 {
		quick.Expect(t, 200, harness.Request{Path: "/pypi/simple/demo/", Key: quickKey})
	}
	asked := up.Requests()
	if len(asked) != 3 || asked[0].Header.Get("If-None-Match") != "" || asked[1].Header.Get("If-None-Match") == "" || asked[2].Header.Get("If-None-Match") == "" {
		t.Errorf("of a page that is never fresh there were %d requests: one without validators and two with are expected", len(asked))
	}
}

// An upstream that fails again and again is left alone, and asked again after a
// while; offline, it is never asked and what is stored is served.
func TestPythonBreakerAndOffline(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	f := wheelFile("demo", "1.0")
	up.Add("demo", f, wheelFile("demo", "2.0"))
	up.Add("other", wheelFile("other", "1.0"))
	g := behind(t, up, "", "page_freshness 1ns", "negative_ttl 1ns", "breaker_after 3", "breaker_for 2s")
	key := g.Key("executor")
	at := fileURL(up, "demo", f.Filename)
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/demo/", Key: key})
	g.Expect(t, 200, harness.Request{Path: at, Key: key})
	up.Forget()
	up.On("/simple/", upstreamtest.Status(500))
	for range 20 {
		g.Expect(t, 200, harness.Request{Path: "/pypi/simple/demo/", Key: key})
		checkOutage(t, "while the upstream fails", answerOf(t, g, key, "other"))
	}
	if n := len(up.Requests()); n > 8 {
		t.Errorf("an upstream that fails was asked %d times", n)
	}
	if g.Metric(t, "fairway_upstream_breaker_open", `upstream="pypi"`, `kind="page"`) != 1 {
		t.Error("the metric says that the upstream is asked")
	}
	up.Heal()
	g.Await("answer after the upstream recovered", func() bool {
		r, err := g.Try(harness.Request{Path: "/pypi/simple/other/", Key: key})
		return err == nil && r.Status == 200
	})

	g.Stop()
	up.Forget()
	off := harness.Start(t, harness.Options{Data: g.Data, App: upstreamLines(up, "", "offline", "page_freshness 1ns")})
	page, _ := simplePage(t, off, key, "demo")
	if got := filesOf(page); len(got) != 1 || got[0] != f.Filename {
		t.Errorf("offline the page lists %v: what is stored is expected", got)
	}
	if r := off.Expect(t, 200, harness.Request{Path: at, Key: key}); string(r.Body) != string(f.Content) {
		t.Error("offline the file has other bytes")
	}
	checkOutage(t, "offline, a name that is not stored", answerOf(t, off, key, "never-seen"))
	off.Expect(t, 503, harness.Request{Path: fileURL(up, "demo", "demo-2.0-py3-none-any.whl"), Key: key})
	if n := len(up.Requests()); n > 0 {
		t.Errorf("offline, the upstream was asked %d times", n)
	}
}

// A page is served as stale for as long as the setting says, and no longer.
func TestPythonStaleIsBounded(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	up.Add("demo", wheelFile("demo", "1.0"))
	g := behind(t, up, "", "page_freshness 1ns", "stale_for 1ns")
	key := g.Key("executor")
	g.Expect(t, 200, harness.Request{Path: "/pypi/simple/demo/", Key: key})
	up.On("/simple/", upstreamtest.Status(500))
	checkOutage(t, "a page that is too stale", answerOf(t, g, key, "demo"))
}
