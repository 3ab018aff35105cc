package passthrough

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python"
)

// No test resolves a name: what leaves the loopback fails.
func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("tests do not resolve names")
	}}
	if dir := os.Getenv(crashDir); dir != "" {
		crashHelper(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

// clock is a settable time.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// house is a Local with names of its own.
type house struct {
	mu    sync.Mutex
	owned map[string]bool
	err   error
	asked []string
}

func (h *house) Owns(name string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, name)
	return h.owned[name], h.err
}

func (h *house) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

// env is a mirror of one upstream.
type env struct {
	*Mirror
	t     testing.TB
	up    *upstreamtest.Server
	clock *clock
	house *house
	cfg   Config
}

func setup(t testing.TB, change ...func(*Config)) *env {
	t.Helper()
	e := &env{t: t, up: upstreamtest.New(t), clock: newClock(), house: &house{owned: map[string]bool{"ours": true}}}
	e.cfg = Config{
		Dir: t.TempDir(), Upstreams: []Upstream{{Name: "up", URL: e.up.Simple()}}, Now: e.clock.now,
		PageTimeout: 20 * time.Second, StallTimeout: 20 * time.Second, BreakerAfter: 1000,
	}
	for _, f := range change {
		f(&e.cfg)
	}
	e.start()
	return e
}

func (e *env) start() {
	e.t.Helper()
	m, err := Open(e.cfg, e.house)
	if err != nil {
		e.t.Fatal(err)
	}
	e.Mirror = m
	e.t.Cleanup(func() { _ = m.Close() })
}

func (e *env) restart(change ...func(*Config)) {
	e.t.Helper()
	if err := e.Close(); err != nil {
		e.t.Fatal(err)
	}
	for _, f := range change {
		f(&e.cfg)
	}
	e.start()
}

// wheel puts a wheel upstream, and returns its address.
func (e *env) wheel(name, version string, change ...func(*upstreamtest.File)) (f upstreamtest.File, address string) {
	e.t.Helper()
	f = upstreamtest.File{
		Filename:   strings.ReplaceAll(name, "-", "_") + "-" + version + "-py3-none-any.whl",
		Content:    upstreamtest.Wheel(name, version),
		UploadTime: upstreamtest.Day(e.clock.now(), 30),
	}
	for _, c := range change {
		c(&f)
	}
	e.up.Add(name, f)
	return f, strings.TrimPrefix(e.up.Path(name, f.Filename), "/")
}

// page is a page that must be served.
func (e *env) page(name string) *Page {
	e.t.Helper()
	p, err := e.Page(ctx, name, Proxy)
	if err != nil {
		e.t.Fatalf("page of %s: %v", name, err)
	}
	return p
}

func body(t testing.TB, p *Page, m python.MediaType) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := p.WriteTo(&b, m, python.Identity); err != nil {
		t.Fatal(err)
	}
	return filler.ReplaceAllString(b.String(), "")
}

// filler is the white space between the segments of a page.
var filler = regexp.MustCompile(`[ \n]{2,}`)

// fetch reads a whole file through the mirror.
func (e *env) fetch(address string) ([]byte, error) {
	f, err := e.File(ctx, FileRequest{Upstream: "up", Path: address})
	if err != nil {
		return nil, err
	}
	return readAll(f)
}

func readAll(f *File) ([]byte, error) {
	defer func() { _ = f.Close() }()
	if f.Stored != nil {
		return io.ReadAll(f.Stored)
	}
	return io.ReadAll(f.Body)
}

func (e *env) mustFetch(address string, want []byte) {
	e.t.Helper()
	got, err := e.fetch(address)
	if err != nil {
		e.t.Fatalf("file %s: %v", path.Base(address), err)
	}
	if !bytes.Equal(got, want) {
		e.t.Fatalf("file %s: got %d bytes, want the %d upstream has", path.Base(address), len(got), len(want))
	}
}

// settled waits until no download is under way.
func (e *env) settled() {
	e.t.Helper()
	for {
		e.fillMu.Lock()
		var f *fill
		for _, f = range e.fills {
		}
		e.fillMu.Unlock()
		if f == nil {
			return
		}
		_ = f.finish(ctx)
	}
}

func kind(err error) Kind {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Kind
	}
	return 0
}

func wantKind(t testing.TB, what string, err error, want Kind) {
	t.Helper()
	if kind(err) != want {
		t.Fatalf("%s: got %v (%v), want %v", what, kind(err), err, want)
	}
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
