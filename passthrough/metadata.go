package passthrough

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/python"
)

// maxMetadata bounds the core metadata of a file.
const maxMetadata = 4 << 20

// Metadata is the core metadata of a file (PEP 658).
type Metadata struct {
	Project, Filename string // of the file it belongs to
	Bytes             []byte // must not be changed
	SHA256            string // of Bytes, hex
	ETag              string
}

// Metadata gives the metadata of a file, decided on as the file itself: what the
// upstream has beside it, verified against the digest its page states, or else
// METADATA as it is in the wheel, read by ranges once. Of q only Upstream, Path and
// May matter. Errors are a [*Refusal], or what May said.
func (p *Mirror) Metadata(ctx context.Context, q FileRequest) (*Metadata, error) {
	t, err := p.locate(q)
	if err != nil {
		return nil, err
	}
	var sha string
	if t.stored != nil {
		sha = t.stored.SHA256
	} else if err := p.list(ctx, t); err != nil {
		return nil, err
	} else {
		sha = t.listed.Hashes["sha256"]
	}
	key := sumOf([]byte(t.key() + "@" + sha))
	if m, ok := p.memory.get("metadata/" + key); ok {
		p.stats.metadataHits.Add(1)
		return m.(*Metadata), nil
	}
	if m := p.loadMetadata(t, key); m != nil {
		p.stats.metadataHits.Add(1)
		return m, nil
	}
	ch := p.flights.DoChan("metadata/"+key, func() (any, error) {
		if !p.enter() {
			return nil, refuse(Unavailable, ErrClosed, "the gateway is stopping")
		}
		defer p.leave()
		if m := p.loadMetadata(t, key); m != nil {
			return m, nil // by a flight that ended since this request looked
		}
		return p.makeMetadata(p.ctx, t, key)
	})
	select {
	case res := <-ch:
		if res.Err != nil {
			return nil, refusalOf(res.Err)
		}
		return res.Val.(*Metadata), nil
	case <-ctx.Done():
		return nil, refuse(Unavailable, context.Cause(ctx), "the request ended before upstream answered")
	}
}

func (p *Mirror) metadataPath(t *target, key string) string {
	return filepath.Join(p.cfg.Dir, "metadata", t.name, key)
}

// A stored piece of metadata is its digest in hex, a line end, and its bytes.
const sumLen = 64

func (p *Mirror) loadMetadata(t *target, key string) *Metadata {
	raw, err := os.ReadFile(p.metadataPath(t, key))
	if err != nil || len(raw) <= sumLen || raw[sumLen] != '\n' || sumOf(raw[sumLen+1:]) != string(raw[:sumLen]) {
		return nil
	}
	return p.newMetadata(t, key, raw[sumLen+1:])
}

func (p *Mirror) newMetadata(t *target, key string, b []byte) *Metadata {
	sum := sumOf(b)
	m := &Metadata{Project: t.name, Filename: t.filename, Bytes: b, SHA256: sum, ETag: etag(sum)}
	p.memory.put("metadata/"+key, m, int64(len(b))+256)
	return m
}

func (p *Mirror) makeMetadata(ctx context.Context, t *target, key string) (*Metadata, error) {
	b, err := p.findMetadata(ctx, t)
	if err != nil {
		if refusalOf(err).Kind == NotFound && t.listed != nil && strings.HasSuffix(t.filename, ".whl") {
			// Promised and not to be had: the page says so from now on.
			p.note(p.pages.edit(t.up, t.name, func(r *record) {
				if !slices.Contains(r.NoMetadata, t.filename) {
					r.NoMetadata, r.Rev = append(slices.Clone(r.NoMetadata), t.filename), r.Rev+1
				}
			}))
		}
		return nil, err
	}
	path := p.metadataPath(t, key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.note(err)
	} else {
		p.note(writeFile(path, append([]byte(sumOf(b)+"\n"), b...)))
	}
	return p.newMetadata(t, key, b), nil
}

// findMetadata gets metadata from where it costs least.
func (p *Mirror) findMetadata(ctx context.Context, t *target) ([]byte, error) {
	if t.listed == nil {
		// A stored file; its page, which may be gone, may state a digest.
		_ = p.list(ctx, t)
	}
	var stated map[string]string
	if t.listed != nil {
		stated = t.listed.CoreMetadata.Hashes
	}
	if b, err := p.metadataOfStored(t); err == nil && agrees(b, stated) {
		return b, nil
	} else if t.listed == nil {
		return nil, noMetadata(t, err)
	}
	var cause error
	if t.listed.CoreMetadata.Available {
		b, err := p.upstreamMetadata(ctx, t)
		if err == nil && agrees(b, stated) {
			return b, nil
		}
		if err == nil {
			p.stats.mismatches.Add(1)
			err = errors.New("metadata has another digest than its page states")
		} else if refusalOf(err).Kind == Unavailable {
			return nil, err
		}
		cause = err
	}
	if !strings.HasSuffix(t.filename, ".whl") {
		return nil, noMetadata(t, cause)
	}
	b, err := p.wheelMetadata(ctx, t)
	switch {
	case err != nil:
		var r *Refusal
		if errors.As(err, &r) {
			return nil, r
		}
		return nil, noMetadata(t, errors.Join(cause, err))
	case !agrees(b, stated):
		return nil, refuse(BadGateway, cause, "upstream %s states another digest of the metadata of %s than it has", t.up.name, clip(t.filename))
	}
	p.stats.synthesised.Add(1)
	return b, nil
}

func noMetadata(t *target, cause error) *Refusal {
	return refuse(NotFound, cause, "%s has no metadata that can be read alone", clip(t.filename))
}

func agrees(b []byte, stated map[string]string) bool {
	check, want := checkOf(stated)
	_, _ = check.Write(b)
	return want == "" || fmt.Sprintf("%x", check.Sum(nil)) == want
}

// upstreamMetadata fetches what the upstream has beside the file.
func (p *Mirror) upstreamMetadata(ctx context.Context, t *target) ([]byte, error) {
	u, err := url.Parse(t.listed.URL)
	if err != nil {
		return nil, refuse(BadGateway, err, "the address of %s cannot be read", clip(t.filename))
	}
	u.Path += ".metadata"
	if u.RawPath != "" {
		u.RawPath += ".metadata"
	}
	resp, err := p.openFile(ctx, t.up, u, t.filename+".metadata", "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(resp.Body, maxMetadata+1))
	switch {
	case err != nil:
		return nil, refuse(Unavailable, err, "upstream %s broke off while sending the metadata of %s", t.up.name, clip(t.filename))
	case n > maxMetadata:
		return nil, refuse(BadGateway, nil, "upstream %s has metadata of %s that is too large", t.up.name, clip(t.filename))
	}
	if len(t.listed.CoreMetadata.Hashes) == 0 {
		// Nothing to verify it by: at least it must be metadata, not a page.
		if _, err := python.ParseMetadata(b.Bytes()); err != nil {
			return nil, refuse(BadGateway, err, "upstream %s has metadata of %s that is none", t.up.name, clip(t.filename))
		}
	}
	return b.Bytes(), nil
}

// metadataOfStored reads it from the file in the cache.
func (p *Mirror) metadataOfStored(t *target) ([]byte, error) {
	f, s := p.files.open(t.key())
	if f == nil {
		return nil, errors.New("the file is not stored")
	}
	defer func() { _ = f.Close() }()
	return readWheelMetadata(f, s.Size, t.filename)
}

// wheelMetadata reads it from the upstream's wheel, by ranges or whole.
func (p *Mirror) wheelMetadata(ctx context.Context, t *target) ([]byte, error) {
	u, err := url.Parse(t.listed.URL)
	if err != nil {
		return nil, refuse(BadGateway, err, "the address of %s cannot be read", clip(t.filename))
	}
	r := &remote{p: p, ctx: ctx, t: t, url: u, size: t.listed.Size}
	b, err := r.metadata()
	if !errors.Is(err, errNoRanges) {
		return b, err
	}
	f, err := p.join(t.up, t.listed)
	if err != nil {
		return nil, err
	}
	if f != nil {
		defer f.release()
		if err := f.finish(ctx); err != nil {
			return nil, err
		}
		return readWheelMetadata(f.tmp, f.written, t.filename)
	}
	return p.metadataOfStored(t)
}
