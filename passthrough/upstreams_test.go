package passthrough

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
)

// The first upstream that has a name owns it; one that does not answer is never
// passed over for the next.
func TestSeveralUpstreams(t *testing.T) {
	t.Parallel()
	first := upstreamtest.New(t)
	e := setup(t, func(c *Config) {
		c.Upstreams = append([]Upstream{{Name: "first", URL: first.Simple()}}, c.Upstreams...)
	})
	e.wheel("both", "9.0")
	first.Add("both", upstreamtest.File{Filename: "both-1.0-py3-none-any.whl", Content: upstreamtest.Wheel("both", "1.0")})
	_, at := e.wheel("second", "1.0")
	if p := e.page("both"); p.Upstream != "first" {
		t.Fatalf("page is of %s", p.Upstream)
	}
	want(t, body(t, e.page("both"), 0), has("both-1.0"), hasNot("both-9.0"))
	_, err := e.fetch(strings.TrimPrefix(e.up.Path("both", "both-9.0-py3-none-any.whl"), "/"))
	wantKind(t, "file of the upstream that does not own it", err, NotFound)
	if p := e.page("second"); p.Upstream != "up" {
		t.Fatalf("page is of %s", p.Upstream)
	}
	if _, err := e.fetch(at); err != nil {
		t.Fatal(err)
	}
	e.wheel("third", "1.0")
	first.On("/simple/", upstreamtest.Status(503))
	e.up.Forget()
	_, err = e.Page(ctx, "third", Proxy)
	wantKind(t, "first upstream down", err, Unavailable)
	if n := len(e.up.Requests()); n != 0 {
		t.Errorf("the second was asked %d times while the first did not answer", n)
	}
	e.clock.add(time.Hour)
	if p := e.page("second"); !p.Stale || p.Upstream != "up" {
		t.Errorf("page %+v, want the stale one of which the first said it has none", p)
	}
	// An upstream put before the others has not said anything yet.
	new := upstreamtest.New(t)
	new.On("/", upstreamtest.Status(503))
	e.restart(func(c *Config) { c.Upstreams = append([]Upstream{{Name: "new", URL: new.Simple()}}, c.Upstreams...) })
	_, err = e.Page(ctx, "second", Proxy)
	wantKind(t, "new first upstream down", err, Unavailable)
}

// A later upstream's page and files go when an earlier one gains the name.
func TestEarlierUpstreamGainsAName(t *testing.T) {
	t.Parallel()
	first := upstreamtest.New(t)
	e := setup(t, func(c *Config) {
		c.Upstreams = append([]Upstream{{Name: "first", URL: first.Simple()}}, c.Upstreams...)
	})
	f, at := e.wheel("lib", "1.0")
	e.mustFetch(at, f.Content)
	first.Add("lib", upstreamtest.File{Filename: "lib-0.1-py3-none-any.whl", Content: upstreamtest.Wheel("lib", "0.1")})
	e.clock.add(time.Hour)
	if p := e.page("lib"); p.Upstream != "first" {
		t.Fatalf("page is of %s", p.Upstream)
	}
	_, err := e.fetch(at)
	wantKind(t, "cached file of the later upstream", err, NotFound)
}

// Upstream credentials reach the upstream's own host and no other.
func TestCredentialsStayAtTheirHost(t *testing.T) {
	t.Parallel()
	cdn := upstreamtest.New(t)
	host := strings.TrimPrefix(cdn.HTTP.URL, "http://")
	e := setup(t, func(c *Config) {
		c.Upstreams[0].Username, c.Upstreams[0].Password = "robot", "hunter2"
		c.Upstreams[0].FileHosts = []string{host}
	})
	e.up.Set(upstreamtest.Options{Username: "robot", Password: "hunter2"})
	f, at := e.wheel("lib", "1.0")
	cdn.Add("lib", f)
	e.up.On("/"+at, upstreamtest.Redirect(302, cdn.HTTP.URL+"/"+at))
	e.mustFetch(at, f.Content)
	if n := len(cdn.Requests()); n != 1 {
		t.Fatalf("%d requests to the file host", n)
	}
	if cdn.Requests()[0].Header.Get("Authorization") != "" {
		t.Error("the file host was given the upstream's credentials")
	}
	for _, r := range e.up.Requests() {
		if r.Header.Get("Authorization") == "" {
			t.Errorf("%s was asked without credentials", r.Path)
		}
	}
	if s := fmt.Sprintf("%+v", e.Settings()); strings.Contains(s, "hunter2") {
		t.Error("settings show the password")
	}
}
