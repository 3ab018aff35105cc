package upstreamtest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"
)

// Context is what a fault works on.
type Context struct {
	W    http.ResponseWriter
	R    *http.Request
	Next http.Handler    // what would have answered
	Done <-chan struct{} // closed when the server ends
}

// Fault answers in place of the server.
type Fault func(c *Context)

type fault struct {
	prefix string
	fault  Fault
}

// On lets a fault answer requests whose path has this prefix, until it is
// replaced or, with nil, taken away. The longest prefix wins.
func (s *Server) On(prefix string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.faults[:0]
	for _, old := range s.faults {
		if old.prefix != prefix {
			kept = append(kept, old)
		}
	}
	s.faults = kept
	if f != nil {
		s.faults = append(s.faults, fault{prefix, f})
	}
}

// Heal takes all faults away.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Server) pick(path string) Fault {
	var best *fault
	for i := range s.faults {
		if f := &s.faults[i]; strings.HasPrefix(path, f.prefix) && (best == nil || len(f.prefix) > len(best.prefix)) {
			best = f
		}
	}
	if best == nil {
		return nil
	}
	return best.fault
}

// Hold makes requests with this prefix wait until release is called. arrived
// receives a value for each that waits.
func (s *Server) Hold(prefix string) (arrived <-chan struct{}, release func()) {
	ch, gate := make(chan struct{}, 1024), make(chan struct{})
	s.On(prefix, func(c *Context) {
		ch <- struct{}{}
		select {
		case <-gate:
			c.Next.ServeHTTP(c.W, c.R)
		case <-c.Done:
		case <-c.R.Context().Done():
		}
	})
	return ch, func() { s.On(prefix, nil); close(gate) }
}

// Times applies f to the first n requests; those after are answered as ever.
func Times(n int, f Fault) Fault {
	var seen atomic.Int64
	return func(c *Context) {
		if seen.Add(1) <= int64(n) {
			f(c)
			return
		}
		c.Next.ServeHTTP(c.W, c.R)
	}
}

// Status answers with a status and nothing of use.
func Status(code int) Fault {
	return func(c *Context) { http.Error(c.W, "upstream is not well", code) }
}

// Hang never answers.
func Hang() Fault {
	return func(c *Context) {
		select {
		case <-c.Done:
		case <-c.R.Context().Done():
		}
	}
}

// Answer sends a body of a type with status 200.
func Answer(contentType string, body []byte) Fault {
	return func(c *Context) {
		c.W.Header().Set("Content-Type", contentType)
		_, _ = c.W.Write(body)
	}
}

// Login is what captive portals send in place of everything.
func Login() Fault {
	return Answer("text/html", []byte("<!DOCTYPE html><html><body><h1>Please log in</h1></body></html>"))
}

// Redirect sends the client elsewhere.
func Redirect(code int, to string) Fault {
	return func(c *Context) { c.W.Header().Set("Location", to); c.W.WriteHeader(code) }
}

// Reset sends the head and n bytes of the true answer, then resets the connection.
func Reset(n int) Fault { return cut(n, true) }

// Truncate sends the head and n bytes of the true answer, then ends in an orderly way.
func Truncate(n int) Fault { return cut(n, false) }

func cut(n int, reset bool) Fault {
	return func(c *Context) {
		full := capture(c)
		copyHeader(c.W, full)
		body := full.Body.Bytes()
		_, _ = c.W.Write(body[:min(n, len(body))])
		_ = http.NewResponseController(c.W).Flush()
		if conn, _, err := http.NewResponseController(c.W).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok && reset {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
	}
}

// Corrupt flips one bit in the middle of the true answer.
func Corrupt() Fault {
	return func(c *Context) {
		full := capture(c)
		copyHeader(c.W, full)
		body := bytes.Clone(full.Body.Bytes())
		if len(body) > 0 {
			body[len(body)/2] ^= 1
		}
		_, _ = c.W.Write(body)
	}
}

// Slow sends the true answer in chunks with a pause before each.
func Slow(chunk int, pause time.Duration) Fault {
	return func(c *Context) {
		full := capture(c)
		copyHeader(c.W, full)
		for b := full.Body.Bytes(); len(b) > 0; {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-c.Done:
				timer.Stop()
				return
			case <-c.R.Context().Done():
				timer.Stop()
				return
			}
			n := min(chunk, len(b))
			if _, err := c.W.Write(b[:n]); err != nil {
				return
			}
			_ = http.NewResponseController(c.W).Flush()
			b = b[n:]
		}
	}
}

// Stall sends the head and n bytes, and then nothing more until more is closed or
// the client leaves. An answer that ends within n bytes is whole.
func Stall(n int, more <-chan struct{}) Fault {
	return func(c *Context) {
		full := capture(c)
		copyHeader(c.W, full)
		body := full.Body.Bytes()
		n := min(n, len(body))
		_, _ = c.W.Write(body[:n])
		_ = http.NewResponseController(c.W).Flush()
		if n == len(body) {
			return // or the next request on this connection would wait behind it
		}
		select {
		case <-more:
			_, _ = c.W.Write(body[n:])
		case <-c.Done:
		case <-c.R.Context().Done():
		}
	}
}

// Endless never stops sending.
func Endless(contentType string) Fault {
	return func(c *Context) {
		c.W.Header().Set("Content-Type", contentType)
		chunk := bytes.Repeat([]byte(" "), 64<<10)
		for {
			select {
			case <-c.Done:
				return
			default:
			}
			if _, err := c.W.Write(chunk); err != nil {
				return
			}
		}
	}
}

// Chunked sends the true answer without stating its length.
func Chunked() Fault {
	return func(c *Context) {
		full := capture(c)
		copyHeader(c.W, full)
		c.W.Header().Del("Content-Length")
		_ = http.NewResponseController(c.W).Flush()
		_, _ = io.Copy(c.W, full.Body)
	}
}

func capture(c *Context) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	c.Next.ServeHTTP(rec, c.R)
	return rec
}

// copyHeader sends the head of a captured answer, its length stated.
func copyHeader(w http.ResponseWriter, rec *httptest.ResponseRecorder) {
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	if rec.Header().Get("Content-Length") == "" {
		w.Header().Set("Content-Length", itoa(rec.Body.Len()))
	}
	w.WriteHeader(rec.Code)
}
