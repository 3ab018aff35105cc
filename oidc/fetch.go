package oidc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxDocument bounds what an issuer answers, in bytes: hundreds of keys. Whoever sends a
// token that names an unknown key has the key set fetched, and the library that does so
// reads it whole.
const maxDocument = 256 << 10

var errAway = errors.New("an issuer's redirect leads to another host or scheme: its own is expected")

// careful is the client with bounds to what issuers answer, and to where their
// redirects lead: not from the net to this one's own addresses, nor off TLS.
func careful(client *http.Client) *http.Client {
	c := *client
	c.Transport = bounded{c.Transport}
	c.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if first := via[0].URL; r.URL.Host != first.Host || r.URL.Scheme != first.Scheme {
			return errAway
		}
		if len(via) > 3 {
			return errors.New("an issuer's redirects do not end after three")
		}
		return nil
	}
	return &c
}

// bounded is a transport whose answers end with an error after maxDocument bytes.
type bounded struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	next := b.RoundTripper
	if next == nil {
		next = http.DefaultTransport
	}
	res, err := next.RoundTrip(r)
	if err == nil {
		res.Body = &boundedBody{res.Body, maxDocument}
	}
	return res, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read implements [io.Reader].
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, fmt.Errorf("an issuer answers more than %d bytes", maxDocument)
	}
	return n, err
}
