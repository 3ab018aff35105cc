package harness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/conda/condatest"
)

// Request is one HTTP request to a gateway.
type Request struct {
	Method string // "" for GET
	Path   string // with its query
	Key    string // sent as Bearer; "" for nobody
	Header map[string]string
	Body   []byte
}

// Response is its whole answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Text is the body without surrounding space.
func (r *Response) Text() string { return strings.TrimSpace(string(r.Body)) }

// client neither follows redirects nor touches encodings: a test sees what a
// client sees.
var client = &http.Client{
	Timeout:       2 * time.Minute,
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Second},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Try sends a request. It errs where no whole answer comes back.
func (g *Gateway) Try(q Request) (*Response, error) {
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	var body io.Reader
	if q.Body != nil {
		body = bytes.NewReader(q.Body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, g.URL+q.Path, body)
	if err != nil {
		return nil, err
	}
	if q.Key != "" {
		req.Header.Set("Authorization", "Bearer "+q.Key)
	}
	// Everything asked here may be asked twice, which an empty value of this header
	// tells Go's client without sending it: it then tries again when a connection
	// that was idle is closed under its request.
	req.Header["Idempotency-Key"] = nil
	for k, v := range q.Header {
		req.Header.Set(k, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: raw}, nil
}

// Do sends a request that is expected to be answered.
func (g *Gateway) Do(q Request) *Response {
	g.t.Helper()
	r, err := g.Try(q)
	if err != nil {
		g.t.Fatalf("%s %s: %v", q.Method, q.Path, err)
	}
	return r
}

// Get sends a GET.
func (g *Gateway) Get(path, key string) *Response {
	g.t.Helper()
	return g.Do(Request{Path: path, Key: key})
}

// Expect sends a request and fails the test unless it is answered with a status.
func (g *Gateway) Expect(t testing.TB, status int, q Request) *Response {
	t.Helper()
	r, err := g.Try(q)
	if err != nil {
		t.Fatalf("%s %s: %v", q.Method, q.Path, err)
	}
	if r.Status != status {
		t.Fatalf("%s %s: %d %s; %d is expected", q.Method, q.Path, r.Status, clip(r.Text()), status)
	}
	return r
}

// UploadRequest is prefix.dev's raw form of publishing a file.
func UploadRequest(key, channel, filename string, data []byte) Request {
	sum := sha256.Sum256(data)
	return Request{
		Method: http.MethodPost, Path: "/api/v1/upload/" + channel, Key: key, Body: data,
		Header: map[string]string{
			"X-File-Name": filename, "X-File-SHA256": hex.EncodeToString(sum[:]), "Content-Type": "application/octet-stream",
		},
	}
}

// Publish builds a package and publishes it; it fails the test unless the package
// is new.
func (g *Gateway) Publish(key, channel string, s condatest.Spec) (filename string, data []byte) {
	g.t.Helper()
	filename, data = condatest.Build(s)
	g.Expect(g.t, http.StatusCreated, UploadRequest(key, channel, filename, data))
	return filename, data
}

// Raw sends bytes as they are and returns whatever comes back until the peer
// closes or idle passes without a byte.
func (g *Gateway) Raw(request []byte, idle time.Duration) ([]byte, error) {
	conn, err := net.Dial("tcp", g.Listen)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	var answer bytes.Buffer
	buf := make([]byte, 4096)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(idle))
		n, err := conn.Read(buf)
		answer.Write(buf[:n])
		if err != nil {
			return answer.Bytes(), nil //nolint:nilerr // the end of the answer, however it came
		}
	}
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}
