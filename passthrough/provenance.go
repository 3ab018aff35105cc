package passthrough

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"time"
)

// maxProvenance bounds a provenance object.
const maxProvenance = 16 << 20

// provenanceKept bounds how many are held in memory.
const provenanceKept = 256

// Provenance is the provenance object of a file (PEP 740). It may change.
type Provenance struct {
	Bytes []byte        // JSON; must not be changed
	ETag  string        // strong
	Fresh time.Duration // how long it may be kept without asking
	until time.Time
}

// ProvenanceType is its media type.
const ProvenanceType = "application/vnd.pypi.integrity.v1+json"

// Provenance gives the provenance object of a file on a project's page, decided on
// as the file itself. It is kept in memory, as long as the upstream permits and no
// longer than a page. Errors are a [*Refusal].
func (p *Mirror) Provenance(ctx context.Context, name, filename string) (*Provenance, error) {
	name, err := p.Decide(name)
	if err != nil {
		return nil, err
	}
	f, v, err := p.view(ctx, name, Proxy, time.Time{})
	if err != nil {
		return nil, err
	}
	l := v.find(filename)
	if l == nil || l.Provenance == "" {
		return nil, refuse(NotFound, nil, "upstream %s states no provenance of %s", v.up.name, clip(filename))
	}
	if err := p.permitted(l); err != nil {
		return nil, err
	}
	key := v.up.name + "/" + l.Provenance
	now := p.cfg.Now()
	have, known := p.provenance.Get(key)
	if known && now.Before(have.until) {
		out := *have
		out.Fresh = have.until.Sub(now).Truncate(time.Second)
		return &out, nil
	}
	ch := p.flights.DoChan("provenance/"+key, func() (any, error) {
		if !p.enter() {
			return nil, refuse(Unavailable, ErrClosed, "the gateway is stopping")
		}
		defer p.leave()
		got, err := p.fetchProvenance(p.ctx, p.ups[f.at], l)
		if err == nil {
			p.provenance.Add(key, got)
		}
		return got, err
	})
	select {
	case res := <-ch:
		switch {
		case res.Err == nil:
			return res.Val.(*Provenance), nil
		case known && refusalOf(res.Err).Kind == Unavailable && now.Sub(have.until) <= p.cfg.StaleFor:
			out := *have
			out.Fresh = 0
			return &out, nil
		}
		return nil, refusalOf(res.Err)
	case <-ctx.Done():
		return nil, refuse(Unavailable, context.Cause(ctx), "the request ended before upstream answered")
	}
}

func (p *Mirror) fetchProvenance(ctx context.Context, u *upstream, l *listed) (*Provenance, error) {
	target, err := url.Parse(l.Provenance)
	if err != nil {
		return nil, refuse(BadGateway, err, "the provenance address of %s cannot be read", clip(l.Filename))
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.PageTimeout)
	defer cancel()
	resp, err := p.openFile(ctx, u, target, l.Filename, ProvenanceType)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(resp.Body, maxProvenance+1)); err != nil {
		return nil, refuse(Unavailable, err, "upstream %s broke off while sending the provenance of %s", u.name, clip(l.Filename))
	}
	if b.Len() > maxProvenance || !json.Valid(b.Bytes()) {
		return nil, refuse(BadGateway, nil, "upstream %s has no usable provenance of %s", u.name, clip(l.Filename))
	}
	now := p.cfg.Now()
	fresh := freshness(resp.Header, now, p.cfg.PageFreshness)
	return &Provenance{Bytes: b.Bytes(), ETag: etag(sumOf(b.Bytes())), Fresh: fresh, until: now.Add(fresh)}, nil
}

// find is the file of that name on a page.
func (v *view) find(filename string) *listed {
	for _, l := range v.files {
		if l.Filename == filename {
			return l
		}
	}
	return nil
}
