package upstreamtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"
)

// File is one file of a project.
type File struct {
	Filename string
	Content  []byte
	// Path is where it lies; "" for "packages/<two>/<sha256>/<filename>".
	Path string
	// URL is what the page links to in place of the path: another host, say.
	URL string
	// Metadata is served at the file's URL + ".metadata" and advertised; nil for none.
	Metadata []byte
	// UploadTime is stated on JSON pages unless it is zero.
	UploadTime     time.Time
	RequiresPython string
	Yanked         string // reason; "" for not yanked
	Provenance     []byte // served and advertised; nil for none
	NoSize         bool   // the page states no size
	NoHash         bool   // the page states no hash
	Hash           string // the SHA-256 that the page states instead of the true one
}

// SHA256 is the true digest, in hex.
func (f *File) SHA256() string { return digest(f.Content) }

// Request is one request as it arrived.
type Request struct {
	Method, Host, Path, Query string
	Header                    http.Header
	Body                      []byte
}

type project struct {
	files  []File
	status string
	serial int
}

// Server is a running upstream.
type Server struct {
	// HTTP is the server below; its URL has no path.
	HTTP *httptest.Server

	mu       sync.Mutex
	projects map[string]*project
	byPath   map[string]*File
	faults   []fault
	log      []Request
	options  Options
	done     chan struct{} // closed when the server is to end: releases what hangs
}

// Options says how the whole server answers.
type Options struct {
	HTMLOnly      bool          // no JSON, whatever is asked for
	NoDates       bool          // no upload-time
	NoRanges      bool          // Range is ignored, Accept-Ranges not sent
	NoValidators  bool          // no ETag, no Last-Modified on pages
	CacheControl  string        // of pages; "" for "max-age=600"
	Age           time.Duration // Age of pages
	SetCookie     bool          // every answer sets a cookie
	Username      string        // required with Password when set
	Password      string
	NoFileETag    bool // files have no validators
	Unadvertised  bool // pages do not advertise .metadata although it is there
	AbsoluteLinks bool // links of pages are absolute
}

// New starts an upstream which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := Start()
	t.Cleanup(s.Close)
	return s
}

// Start starts an upstream that the caller closes.
func Start() *Server {
	s := &Server{projects: map[string]*project{}, byPath: map[string]*File{}, done: make(chan struct{})}
	s.HTTP = httptest.NewServer(s)
	return s
}

// Close ends the server and whatever hangs in it.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	s.mu.Unlock()
	s.HTTP.CloseClientConnections()
	s.HTTP.Close()
}

// Simple is the URL of the index, ending in "/simple/".
func (s *Server) Simple() string { return s.HTTP.URL + "/simple/" }

// Set changes how the whole server answers.
func (s *Server) Set(o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options = o
}

// Add puts files on a project's page, which is made if it is new. A file of the
// same name is replaced.
func (s *Server) Add(name string, files ...File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projects[name]
	if p == nil {
		p = &project{}
		s.projects[name] = p
	}
	for _, f := range files {
		if f.Path == "" {
			sum := f.SHA256()
			f.Path = "packages/" + sum[:2] + "/" + sum[2:] + "/" + f.Filename
		}
		kept := p.files[:0]
		for _, old := range p.files {
			if old.Filename != f.Filename {
				kept = append(kept, old)
			}
		}
		p.files = append(kept, f)
		s.byPath["/"+f.Path] = &f
	}
	p.serial++
}

// SetStatus states a project's status (PEP 792).
func (s *Server) SetStatus(name, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.projects[name].status = status
	s.projects[name].serial++
}

// Remove takes a project and its files away.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.projects[name]; p != nil {
		for _, f := range p.files {
			delete(s.byPath, "/"+f.Path)
		}
	}
	delete(s.projects, name)
}

// Path is the path of a file on this server, with a leading slash.
func (s *Server) Path(name, filename string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.projects[name].files {
		if f.Filename == filename {
			return "/" + f.Path
		}
	}
	return ""
}

// Requests is everything asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.log...)
}

// Forget empties the record of requests.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// Count is how many requests had a path with this prefix.
func (s *Server) Count(prefix string) int {
	n := 0
	for _, r := range s.Requests() {
		if strings.HasPrefix(r.Path, prefix) {
			n++
		}
	}
	return n
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	s.mu.Lock()
	s.log = append(s.log, Request{Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body})
	f := s.pick(r.URL.Path)
	o := s.options
	s.mu.Unlock()
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, o) })
	if o.SetCookie {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "upstream"})
	}
	if f != nil {
		f(&Context{w, r, next, s.done})
		return
	}
	next(w, r)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, o Options) {
	if o.Username+o.Password != "" {
		if user, password, _ := r.BasicAuth(); user != o.Username || password != o.Password {
			w.Header().Set("WWW-Authenticate", `Basic realm="upstream"`)
			http.Error(w, "credentials needed", http.StatusUnauthorized)
			return
		}
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/simple/"); ok {
		s.page(w, r, strings.TrimSuffix(name, "/"), o)
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/integrity/"); ok {
		s.provenance(w, r, path.Base(strings.TrimSuffix(rest, "/provenance")))
		return
	}
	s.file(w, r, o)
}

func (s *Server) provenance(w http.ResponseWriter, r *http.Request, filename string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.byPath {
		if f.Filename == filename && f.Provenance != nil {
			w.Header().Set("Content-Type", "application/vnd.pypi.integrity.v1+json")
			_, _ = w.Write(f.Provenance)
			return
		}
	}
	http.NotFound(w, r)
}

func (s *Server) file(w http.ResponseWriter, r *http.Request, o Options) {
	s.mu.Lock()
	at, metadata := strings.CutSuffix(r.URL.Path, ".metadata")
	f := s.byPath[at]
	s.mu.Unlock()
	if f == nil || metadata && f.Metadata == nil {
		http.NotFound(w, r)
		return
	}
	content := f.Content
	if metadata {
		content = f.Metadata
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if !o.NoFileETag {
		w.Header().Set("ETag", `"`+digest(content)[:16]+`"`)
	}
	if o.NoRanges {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(content)
		}
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Summary is everything asked so far as text, a line of method and path each.
func (s *Server) Summary() string {
	var b strings.Builder
	for _, r := range s.Requests() {
		b.WriteString(r.Method + " " + r.Path + "\n")
	}
	return b.String()
}
