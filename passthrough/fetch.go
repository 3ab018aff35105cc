package passthrough

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/python"
)

// heuristicFreshness is how long a page without any Cache-Control is taken for
// fresh: a minute serves an install, and does not hide a release for long.
const heuristicFreshness = time.Minute

// fetched is a page as an upstream gave it.
type fetched struct {
	record *record
	page   *python.Page // nil when the body has not changed
	body   []byte       // likewise
}

// fetch asks one upstream for a page; old is what is known of it, or nil. The error
// is a refusal, of kind NotFound when the upstream says so. The turn of a large page
// is the caller's to end, once it has done with the page.
func (p *Mirror) fetch(ctx context.Context, u *upstream, name string, old *record, t *turn) (*fetched, *Refusal) {
	if !u.pages.allow() {
		return nil, refuse(Unavailable, nil, "upstream %s failed repeatedly and is not asked for a while", u.name)
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.PageTimeout)
	defer cancel()
	p.stats.pageFetches.Add(1)
	f, r := p.fetchPage(ctx, u, name, old, t)
	u.pages.done(r == nil || r.Kind != Unavailable, p.ctx.Err() == nil && (r == nil || !errors.Is(r, errNoTurn)))
	if r != nil && r.Kind != NotFound {
		p.stats.pageFailures.Add(1)
	}
	return f, r
}

func (p *Mirror) fetchPage(ctx context.Context, u *upstream, name string, old *record, t *turn) (*fetched, *Refusal) {
	header := http.Header{"Accept": {python.Accept}, "Accept-Encoding": {"gzip"}}
	if old.usable() && exists(p.pages.bodyPath(u, old)) {
		if old.ETag != "" {
			header.Set("If-None-Match", old.ETag)
		}
		if old.LastModified != "" {
			header.Set("If-Modified-Since", old.LastModified)
		}
	} else if old != nil {
		header.Set("Cache-Control", "no-cache") // after a purge, past caches on the way
	}
	resp, from, err := p.http.do(ctx, u, http.MethodGet, u.project(name), header)
	if err != nil {
		return nil, refusalOf(err)
	}
	defer drain(resp)
	now := p.cfg.Now()
	next := record{Name: name, Upstream: u.index}
	if old != nil {
		next = *old
	}
	next.Fetched, next.Fresh = now, now.Add(freshness(resp.Header, now, p.cfg.PageFreshness))
	switch {
	case resp.StatusCode == http.StatusNotModified && header.Get("If-None-Match")+header.Get("If-Modified-Since") != "":
		return &fetched{record: &next}, nil
	case resp.StatusCode != http.StatusOK:
		return nil, faultOf(u, resp)
	}
	body, page, kind, err := p.readPage(ctx, resp, name, from, t)
	if errors.Is(err, errNoTurn) {
		return nil, refuse(Unavailable, err, "the page of %s is large, and this gateway is busy with others that are: try again", name)
	}
	if err != nil {
		if ctx.Err() != nil || !errors.Is(err, python.ErrBadPage) {
			return nil, refuse(Unavailable, err, "upstream %s broke off while sending the page of %s", u.name, name)
		}
		return nil, refuse(BadGateway, err, "upstream %s answers with something that is not the page of %s", u.name, name)
	}
	next.URL, next.HTML, next.Status = from.String(), kind != python.JSON, page.Status.Status
	next.ETag, next.LastModified = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	next.Seen = firstSeen(page, old, now)
	if sum := sumOf(body); sum != next.Sum {
		next.Sum, next.Changed, next.Rev, next.NoMetadata = sum, now, 0, nil
	}
	return &fetched{record: &next, page: page, body: body}, nil
}

// readPage unpacks and parses a page. Errors that wrap python.ErrBadPage are
// about what was sent, the others about its sending.
func (p *Mirror) readPage(ctx context.Context, resp *http.Response, name string, from *url.URL, t *turn) ([]byte, *python.Page, python.MediaType, error) {
	kind, ok := python.ParseMediaType(resp.Header.Get("Content-Type"))
	if !ok {
		return nil, nil, 0, fmt.Errorf("%w: content type %q", python.ErrBadPage, clip(resp.Header.Get("Content-Type")))
	}
	var r io.Reader = resp.Body
	switch coding := strings.ToLower(resp.Header.Get("Content-Encoding")); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, nil, 0, fmt.Errorf("%w: %w", python.ErrBadPage, err)
		}
		r = z
	default:
		return nil, nil, 0, fmt.Errorf("%w: content coding %q", python.ErrBadPage, clip(coding))
	}
	body, err := readPieces(&pageReader{Reader: r, ctx: ctx, turn: t}, p.cfg.MaxPage)
	switch {
	case errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader):
		return nil, nil, 0, fmt.Errorf("%w: %w", python.ErrBadPage, err)
	case errors.Is(err, errTooLarge):
		return nil, nil, 0, fmt.Errorf("%w: more than %d bytes", python.ErrBadPage, p.cfg.MaxPage)
	case err != nil:
		return nil, nil, 0, fmt.Errorf("receiving page: %w", err)
	}
	page, err := python.ParsePage(kind, body, name, from, python.PageLimits{MaxBytes: int(p.cfg.MaxPage)})
	return body, page, kind, err
}

// firstSeen notes when files appeared whose upload time nobody states.
func firstSeen(page *python.Page, old *record, now time.Time) map[string]int64 {
	var seen map[string]int64
	for i := range page.Files {
		f := &page.Files[i]
		if !f.UploadTime.IsZero() {
			continue
		}
		if seen == nil {
			seen = map[string]int64{}
		}
		at := now.Unix()
		if old != nil {
			if t, ok := old.Seen[f.Filename]; ok {
				at = t
			}
		}
		seen[f.Filename] = at
	}
	if old != nil { // a file that went and comes again is not a new one
		for name, t := range old.Seen {
			if _, ok := seen[name]; !ok && len(seen) < maxSeen {
				if seen == nil {
					seen = map[string]int64{}
				}
				seen[name] = t
			}
		}
	}
	return seen
}

// maxSeen bounds the memory of files that went from a page.
const maxSeen = 200_000

// freshness is how long an answer may be served without asking again: what is
// left of the upstream's own time (RFC 9111 §4.2), at most limit.
func freshness(h http.Header, now time.Time, limit time.Duration) time.Duration {
	var life time.Duration
	maxAge, shared := -1, -1
	for _, field := range h.Values("Cache-Control") {
		for part := range strings.SplitSeq(field, ",") {
			key, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
			switch key {
			case "no-cache", "no-store":
				return 0
			case "max-age":
				maxAge = seconds(value)
			case "s-maxage":
				shared = seconds(value)
			}
		}
	}
	switch {
	case shared >= 0:
		life = time.Duration(shared) * time.Second
	case maxAge >= 0:
		life = time.Duration(maxAge) * time.Second
	case h.Get("Expires") != "":
		expires, err := http.ParseTime(h.Get("Expires"))
		if err != nil {
			return 0
		}
		date, err := http.ParseTime(h.Get("Date"))
		if err != nil {
			date = now
		}
		life = expires.Sub(date)
	default:
		return min(heuristicFreshness, limit)
	}
	if age := seconds(h.Get("Age")); age > 0 {
		life -= time.Duration(age) * time.Second
	}
	return max(0, min(life, limit))
}

// seconds reads a number of seconds; -1 for none.
func seconds(s string) int {
	n, err := strconv.ParseUint(strings.Trim(s, `"`), 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}
