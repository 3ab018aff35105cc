package passthrough

import (
	"bytes"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
)

// A range of a file that is not stored comes straight from the upstream, and the
// whole is fetched behind it.
func TestRangeOnMiss(t *testing.T) {
	t.Parallel()
	for _, noRanges := range []bool{false, true} {
		e := setup(t)
		e.up.Set(upstreamtest.Options{NoRanges: noRanges})
		f, at := e.wheel("lib", "1.0", large(600<<10))
		size := int64(len(f.Content))
		more := make(chan struct{})
		e.up.On("/"+at, func(c *upstreamtest.Context) {
			if c.R.Header.Get("Range") == "" && !noRanges {
				upstreamtest.Stall(1000, more)(c)
				return
			}
			c.Next.ServeHTTP(c.W, c.R)
		})
		for rng, part := range map[string][2]int64{
			"bytes=500000-500099": {500000, 500099}, "bytes=-100": {size - 100, size - 1}, "bytes=400000-": {400000, size - 1}, "bytes=5-99999": {5, 99999},
		} {
			got, err := e.File(ctx, FileRequest{Upstream: "up", Path: at, Range: rng})
			if err != nil {
				t.Fatal(err)
			}
			if got.Stored != nil { // the fill was faster
				_ = got.Close()
				continue
			}
			if !got.Partial || got.From != part[0] || got.To != part[1] || got.Size != size {
				t.Fatalf("%s: %+v", rng, got)
			}
			if b, err := readAll(got); err != nil || !bytes.Equal(b, f.Content[part[0]:part[1]+1]) {
				t.Fatalf("%s: %d bytes, %v", rng, len(b), err)
			}
		}
		_, err := e.File(ctx, FileRequest{Upstream: "up", Path: at, Range: "bytes=99999999-"})
		if !noRanges {
			wantKind(t, "range behind the end", err, BadRange)
		}
		close(more)
		e.settled()
		e.mustFetch(at, f.Content)
	}
}

func TestParseRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s        string
		from, to int64
		state    rangeState
	}{
		{"bytes=0-0", 0, 0, rangeOne}, {"bytes=0-", 0, 9, rangeOne}, {"bytes=-3", 7, 9, rangeOne}, {"bytes=-30", 0, 9, rangeOne},
		{"bytes=9-20", 9, 9, rangeOne}, {"bytes=10-", 0, 0, rangeBehind}, {"bytes=-0", 0, 0, rangeBehind},
		{"bytes=5-3", 0, 0, rangeNone}, {"bytes=0-1,3-4", 0, 0, rangeNone}, {"items=0-1", 0, 0, rangeNone}, {"bytes=", 0, 0, rangeNone},
		{"bytes=a-b", 0, 0, rangeNone}, {"bytes=-", 0, 0, rangeNone}, {"bytes=+1-2", 0, 0, rangeNone}, {"bytes=1-+2", 0, 0, rangeNone}, {"bytes=--1", 0, 0, rangeNone},
	} {
		from, to, state := parseRange(c.s, 10)
		if state != c.state || state == rangeOne && (from != c.from || to != c.to) {
			t.Errorf("%q: %d-%d %d", c.s, from, to, state)
		}
	}
}

// HEAD fetches nothing that the page says already.
func TestHead(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.wheel("lib", "1.0")
	got, err := e.File(ctx, FileRequest{Upstream: "up", Path: at, Head: true})
	if err != nil || got.Size != int64(len(f.Content)) || got.Body != nil || e.up.Count("/packages/") != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	f, at = e.wheel("lib", "2.0", func(f *upstreamtest.File) { f.NoSize = true })
	e.clock.add(time.Hour)
	got, err = e.File(ctx, FileRequest{Upstream: "up", Path: at, Head: true})
	if err != nil || got.Size != int64(len(f.Content)) || e.up.Requests()[2].Method != "HEAD" {
		t.Errorf("without a size on the page: %+v, %v", got, err)
	}
}
