package harness

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Seen is one request as a client made it, and how it was answered.
type Seen struct {
	Method, Path string
	Header       http.Header
	Status       int
	Bytes        int64 // of the answer's body
}

// Recorder stands between a client and a gateway and writes down what passes.
type Recorder struct {
	URL string

	mu   sync.Mutex
	seen []Seen
}

// Record starts a recorder in front of the gateway.
func (g *Gateway) Record(t testing.TB) *Recorder {
	t.Helper()
	target, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	rec := &Recorder{}
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{DisableCompression: true},
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted := &countingWriter{ResponseWriter: w}
		proxy.ServeHTTP(counted, r)
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.seen = append(rec.seen, Seen{r.Method, r.URL.Path, r.Header.Clone(), counted.status, counted.bytes})
	}))
	t.Cleanup(server.Close)
	rec.URL = server.URL
	return rec
}

// Seen are the requests since the last call.
func (r *Recorder) Seen() []Seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets the proxy flush.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
