package passthrough

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// resetting is a transport whose first answers to requests for files are reset after
// some bytes of the body.
type resetting struct {
	http.RoundTripper
	times atomic.Int64
}

func (r *resetting) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(q)
	if err == nil && strings.HasPrefix(q.URL.Path, "/packages/") && r.times.Add(-1) >= 0 {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(resp.Body, 100<<10), iotest.ErrReader(syscall.ECONNRESET)), resp.Body}
	}
	return resp, err
}

// A download that is reset goes on where it was, and nobody who follows it notices.
func TestResumeAfterReset(t *testing.T) {
	t.Parallel()
	r := &resetting{RoundTripper: http.DefaultTransport}
	r.times.Store(2)
	e := setup(t, func(c *Config) { c.Transport = r })
	f, at := e.wheel("lib", "1.0", large(1<<20))
	e.mustFetch(at, f.Content)
	var ranges []string
	for _, q := range e.up.Requests() {
		if strings.HasPrefix(q.Path, "/packages/") {
			ranges = append(ranges, q.Header.Get("Range"))
		}
	}
	if want := []string{"", "bytes=102400-", "bytes=204800-"}; !slices.Equal(ranges, want) {
		t.Errorf("the ranges asked for are %q, want %q", ranges, want)
	}
	r.times.Store(resumes + 1)
	f, at = e.wheel("lib", "2.0", large(1<<20))
	e.clock.add(time.Hour)
	if _, err := e.fetch(at); err == nil {
		t.Errorf("%d resets in a row are no error", resumes+1)
	}
	e.mustFetch(at, f.Content)
}
