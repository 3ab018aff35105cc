package passthrough

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// userAgent is all that an upstream learns about its client.
const userAgent = "fairway (+https://github.com/fairwayhq/fairway)"

// pingAfter is how long an HTTP/2 connection may be silent before it is asked for a
// sign of life, and how long it has to give one: a connection that a firewall forgot
// would else swallow every request until its deadline.
const pingAfter = 10 * time.Second

// maxHops is the number of redirects followed.
const maxHops = 5

// client asks upstreams. It has no cookie jar, no proxy of the environment, and
// follows redirects itself: each hop must be a permitted host.
type client struct {
	rt   http.RoundTripper
	idle func()
}

func newClient(c Config, ups []*upstream) *client {
	if c.Transport != nil {
		return &client{rt: c.Transport, idle: func() {}}
	}
	d := newDialer(c.ConnectTimeout, append(privateHosts(ups), c.PrivateHosts...))
	t := &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    c.ConnectTimeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
		DisableCompression:     true, // pages are unpacked here, with a limit
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
	return &client{rt: t, idle: t.CloseIdleConnections}
}

// do sends a request and follows redirects. It returns the answer and where it
// came from. Errors are refusals; a status is none.
func (c *client) do(ctx context.Context, u *upstream, method string, target *url.URL, header http.Header) (*http.Response, *url.URL, error) {
	for range maxHops + 1 {
		if !u.permits(target) {
			return nil, nil, refuse(BadGateway, nil, "upstream %s points to host %s, which is not among its file hosts", u.name, clip(target.Host))
		}
		req := (&http.Request{
			Method: method, URL: target, Host: target.Host, Header: header.Clone(),
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}).WithContext(ctx)
		req.Header.Set("User-Agent", userAgent)
		if u.user+u.pass != "" && originOf(target) == u.origin {
			req.SetBasicAuth(u.user, u.pass)
		}
		resp, err := c.rt.RoundTrip(req)
		if err != nil {
			return nil, nil, c.fault(ctx, u, err)
		}
		switch resp.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return resp, target, nil
		}
		location := resp.Header.Get("Location")
		drain(resp)
		next, err := target.Parse(location)
		if err != nil || location == "" {
			return nil, nil, refuse(BadGateway, err, "upstream %s redirects to nowhere", u.name)
		}
		next.Fragment = ""
		target = next
	}
	return nil, nil, refuse(BadGateway, nil, "upstream %s redirects more than %d times", u.name, maxHops)
}

// fault words an error of the network.
func (c *client) fault(ctx context.Context, u *upstream, err error) *Refusal {
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(cause, err)
	}
	if errors.Is(err, errPrivate) {
		return refuse(BadGateway, err, "upstream %s leads to an address that is not a public one", u.name)
	}
	return refuse(Unavailable, err, "upstream %s does not answer", u.name)
}

// faultOf words a status that is no answer.
func faultOf(u *upstream, resp *http.Response) *Refusal {
	cause := fmt.Errorf("status %d", resp.StatusCode)
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return refuse(NotFound, cause, "upstream %s does not have it", u.name)
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		r := refuse(Unavailable, cause, "upstream %s answers with status %d", u.name, code)
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 && s <= 3600 {
			r.RetryAfter = time.Duration(s) * time.Second
		}
		return r
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return refuse(BadGateway, cause, "upstream %s refuses this gateway with status %d", u.name, code)
	default:
		return refuse(BadGateway, cause, "upstream %s answers with status %d", u.name, code)
	}
}

// drain lets a connection be used again when little is left to read.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}

var errStalled = errors.New("upstream sent nothing for too long")

// patient ends a request whose body, or head, is not coming.
type patient struct {
	io.ReadCloser
	timer  *time.Timer
	wait   time.Duration
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// open asks for a file and reads it with patience: no deadline for the whole, but
// one for each pause.
func (c *client) open(ctx context.Context, u *upstream, method string, target *url.URL, header http.Header, stall time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(stall, func() { cancel(errStalled) })
	resp, _, err := c.do(ctx, u, method, target, header)
	timer.Stop()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &patient{ReadCloser: resp.Body, timer: timer, wait: stall, ctx: ctx, cancel: cancel}
	return resp, nil
}

func (p *patient) Read(b []byte) (int, error) {
	p.timer.Reset(p.wait)
	n, err := p.ReadCloser.Read(b)
	p.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(p.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

func (p *patient) Close() error {
	p.timer.Stop()
	err := p.ReadCloser.Close()
	p.cancel(nil)
	return err
}
