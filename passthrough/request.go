package passthrough

import (
	"context"
	"net/http"
	"net/url"
)

// measure asks the upstream for a size that its page does not state.
func (p *Mirror) measure(ctx context.Context, t *target, out *File) error {
	if out.Size >= 0 {
		return nil
	}
	u, err := url.Parse(t.listed.URL)
	if err != nil {
		return refuse(BadGateway, err, "the address of %s cannot be read", clip(t.filename))
	}
	resp, err := p.askFile(ctx, t.up, http.MethodHead, u, http.Header{"Accept-Encoding": {"identity"}})
	if err != nil {
		return err
	}
	defer drain(resp)
	if resp.StatusCode != http.StatusOK {
		return faultOf(t.up, resp)
	}
	out.Size = resp.ContentLength
	return nil
}

// openFile asks for a whole file.
func (p *Mirror) openFile(ctx context.Context, u *upstream, target *url.URL, filename, accept string) (*http.Response, error) {
	header := http.Header{"Accept-Encoding": {"identity"}}
	if accept != "" {
		header.Set("Accept", accept)
	}
	resp, err := p.askFile(ctx, u, http.MethodGet, target, header)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK && coded(resp) {
		_ = resp.Body.Close()
		return nil, miscoded(u, filename)
	}
	if resp.StatusCode != http.StatusOK {
		defer drain(resp)
		r := faultOf(u, resp)
		if r.Kind == NotFound {
			r = refuse(NotFound, r.cause, "upstream %s lists %s and does not have it", u.name, clip(filename))
		}
		return nil, r
	}
	return resp, nil
}

// openRange asks for a part of a file; the answer is 206, or 200 with the whole.
func (p *Mirror) openRange(ctx context.Context, u *upstream, target *url.URL, filename, rng, validator string) (*http.Response, error) {
	header := http.Header{"Accept-Encoding": {"identity"}, "Range": {rng}}
	if validator != "" {
		header.Set("If-Range", validator)
	}
	resp, err := p.askFile(ctx, u, http.MethodGet, target, header)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		defer drain(resp)
		return nil, faultOf(u, resp)
	}
	if coded(resp) {
		_ = resp.Body.Close()
		return nil, miscoded(u, filename)
	}
	return resp, nil
}

// coded reports whether the bytes of an answer are not those of the file. Some
// servers say "identity", though it is no coding of an answer (RFC 9110 §8.4).
func coded(resp *http.Response) bool {
	coding := resp.Header.Get("Content-Encoding")
	return coding != "" && coding != "identity"
}

func miscoded(u *upstream, filename string) *Refusal {
	return refuse(BadGateway, nil, "upstream %s sends %s in a content coding that was not asked for", u.name, clip(filename))
}

// askFile sends one request for a file, through the breaker of its upstream.
func (p *Mirror) askFile(ctx context.Context, u *upstream, method string, target *url.URL, header http.Header) (*http.Response, error) {
	if p.cfg.Offline {
		return nil, refuse(Unavailable, nil, "the file is not stored here, and the gateway is set offline")
	}
	if !u.files.allow() {
		return nil, refuse(Unavailable, nil, "upstream %s failed repeatedly and is not asked for a while", u.name)
	}
	resp, err := p.http.open(ctx, u, method, target, header, p.cfg.StallTimeout)
	failed := err != nil && refusalOf(err).Kind == Unavailable || err == nil && resp.StatusCode >= 500
	u.files.done(!failed, ctx.Err() == nil)
	if err != nil {
		return nil, err
	}
	return resp, nil
}
