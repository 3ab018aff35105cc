package passthrough

import (
	"bytes"
	"testing"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python"
)

// A mirror that is replaced ends what it has begun, into the cache that its successor
// has too; the successor's settings hold from the start.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	e := setup(t)
	more := make(chan struct{})
	f, at := e.wheel("big", "1.0", func(f *upstreamtest.File) {
		f.Content = upstreamtest.WheelWith("big", "1.0", make([]byte, 1<<20))
	})
	e.up.On("/"+at, upstreamtest.Stall(1<<19, more))
	begun, err := e.File(ctx, FileRequest{Upstream: "up", Path: at})
	if err != nil {
		t.Fatal(err)
	}
	old, cfg := e.Mirror, e.cfg
	old.patience = 0
	cfg.Deny, cfg.MaxPage, cfg.CacheBytes = []string{"evil"}, 1<<20, 1<<21
	next, err := old.Successor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Mirror = next
	retired := make(chan error, 1)
	go func() { retired <- old.Retire() }()

	_, err = e.Page(ctx, "evil", Proxy)
	wantKind(t, "a name that is denied now", err, Blocked)
	if got := e.Stats().CacheBudget; got != 1<<21 {
		t.Errorf("the budget is %d", got)
	}
	close(more)
	if got, err := readAll(begun); err != nil || !bytes.Equal(got, f.Content) {
		t.Errorf("the download that was under way: %d bytes, %v", len(got), err)
	}
	if err := <-retired; err != nil {
		t.Error(err)
	}
	e.mustFetch(at, f.Content)
	if n := e.up.Count("/" + at); n != 1 {
		t.Errorf("the upstream was asked %d times for one file", n)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := next.Successor(cfg)
	if err != nil {
		t.Fatalf("after one that was closed: %v", err)
	}
	e.Mirror = third
	e.mustFetch(at, f.Content)
	if err := third.Close(); err != nil {
		t.Error(err)
	}
}

// Another index under the same name is another upstream, also where both were in one
// process: nothing of the first is served for it.
func TestSuccessorOfAnotherIndex(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.wheel("pkg", "1.0")
	e.page("pkg")
	other := upstreamtest.New(t)
	other.Add("pkg", upstreamtest.File{Filename: "pkg-2.0-py3-none-any.whl", Content: upstreamtest.Wheel("pkg", "2.0")})
	old, cfg := e.Mirror, e.cfg
	cfg.Upstreams = []Upstream{{Name: "up", URL: other.Simple()}}
	next, err := old.Successor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Mirror = next
	t.Cleanup(func() { _ = next.Close() })
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, body(t, e.page("pkg"), python.JSON), has("pkg-2.0"), hasNot("pkg-1.0"))
}
