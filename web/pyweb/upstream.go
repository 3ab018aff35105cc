package pyweb

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/passthrough"
	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/web"
)

// upstreamPage serves the page of a name that is not this gateway's own.
func (s *Surface) upstreamPage(w http.ResponseWriter, r *http.Request, c *gateway.Caller, p web.Params, name string) {
	m, err := s.env.Gateway.Passthrough(c, name)
	if err == nil && !python.ValidName(p["name"]) {
		err = notFound("%.100q is no Python project name", p["name"])
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if name != p["name"] {
		redirect(w, r, "../"+name+"/")
		return
	}
	mode := s.env.Gateway.PyMode()
	if _, keygen := p["account"]; keygen {
		mode = passthrough.Redirect // what Keygen's clients expect
	}
	page, err := m.Page(r.Context(), name, mode)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h := w.Header()
	if page.Location != "" {
		s.env.Served("pypi", "redirect")
		h["Location"] = []string{page.Location}
		h["Cache-Control"] = []string{"no-store"}
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	cache := cachePage
	if page.Fresh > 0 {
		cache = "private, max-age=" + strconv.Itoa(int(page.Fresh.Seconds()))
	}
	if page.Stale {
		h["X-Fairway-Stale"] = []string{"the upstream " + page.Upstream + " does not answer: this is what it said before"}
		h["Warning"] = []string{`110 fairway "Response is Stale"`}
	}
	if page.Withheld > 0 {
		h["X-Fairway-Withheld"] = []string{strconv.Itoa(page.Withheld)}
	}
	s.page(w, r, page.Rendered, page.Modified, cache)
}

// upstreamFile serves a file of an upstream, or its core metadata, whose project
// the pass-through finds by the file's own name and decides on.
func (s *Surface) upstreamFile(w http.ResponseWriter, r *http.Request, p web.Params) {
	c, ok := s.caller(w, r, p)
	if !ok {
		return
	}
	m, err := s.env.Gateway.Passthrough(c, "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	address, wantsMetadata := strings.CutSuffix(p["path"], metadataSuffix)
	q := passthrough.FileRequest{
		Upstream: p["upstream"], Path: address, Head: r.Method == http.MethodHead,
		Range: r.Header.Get("Range"), IfRange: r.Header.Get("If-Range"),
		May: func(project string) error {
			_, err := s.env.Gateway.Passthrough(c, project)
			return err
		},
	}
	if wantsMetadata {
		s.upstreamMetadata(w, r, m, q)
		return
	}
	f, err := m.File(r.Context(), q)
	if err != nil {
		var refused *passthrough.Refusal
		if errors.As(err, &refused) && refused.Kind == passthrough.BadRange {
			w.Header()["Content-Range"] = []string{"bytes */" + strconv.FormatInt(refused.Size, 10)}
		}
		s.fail(w, r, err)
		return
	}
	defer func() { _ = f.Close() }()
	content := web.Content{
		Type: "application/octet-stream", ETag: f.ETag, CacheControl: cacheFile, Modified: f.Modified, Size: f.Size,
	}
	if f.Stored != nil {
		s.env.Served("pypi", "file")
		web.ServeFile(w, r, &content, f.Stored)
		return
	}
	s.env.Served("pypi", "fill")
	stream(w, r, &content, f)
}

// stream sends a file that is still on its way. Its status is out before its last
// byte is known, so a file that turns out wrong is told by cutting the connection:
// a client must not take it for complete.
func stream(w http.ResponseWriter, r *http.Request, c *web.Content, f *passthrough.File) {
	web.SetHeaders(w.Header(), c)
	if web.NotModified(r, c.ETag, c.Modified) {
		w.Header().Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h, status, length := w.Header(), http.StatusOK, f.Size
	h["Accept-Ranges"] = []string{"bytes"}
	if f.Partial {
		status, length = http.StatusPartialContent, f.To-f.From+1
		h["Content-Range"] = []string{"bytes " + strconv.FormatInt(f.From, 10) + "-" + strconv.FormatInt(f.To, 10) + "/" + strconv.FormatInt(f.Size, 10)}
	}
	if length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	w.WriteHeader(status)
	if f.Body == nil {
		return // HEAD
	}
	if err := copyFlushing(w, f.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// copyFlushing hands each piece on as it comes: the client sees the first byte while
// the rest is still being fetched.
func copyFlushing(w http.ResponseWriter, from io.Reader) error {
	control := http.NewResponseController(w)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			_ = control.Flush()
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (s *Surface) upstreamMetadata(w http.ResponseWriter, r *http.Request, m *passthrough.Mirror, q passthrough.FileRequest) {
	meta, err := m.Metadata(r.Context(), q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.env.Served("pypi", "metadata")
	web.Serve(w, r, &web.Content{
		Type: "text/plain; charset=utf-8", ETag: meta.ETag, CacheControl: cacheFile,
		Size: int64(len(meta.Bytes)), Body: web.Bytes(meta.Bytes),
	})
}

// upstreamProvenance serves the provenance of a file on an upstream's page.
func (s *Surface) upstreamProvenance(w http.ResponseWriter, r *http.Request, c *gateway.Caller, p web.Params, name string) {
	m, err := s.env.Gateway.Passthrough(c, name)
	if err == nil {
		if f, bad := python.ParseFilename(p["file"], name); bad != nil || f.Name != name || f.Version.String() != python.CanonicalVersion(p["version"]) {
			err = notFound("%.200s is no file of %s %.80s", p["file"], name, p["version"])
		}
	}
	var got *passthrough.Provenance
	if err == nil {
		got, err = m.Provenance(r.Context(), name, p["file"])
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	cache := cachePage
	if got.Fresh > 0 {
		cache = "private, max-age=" + strconv.Itoa(int(got.Fresh.Seconds()))
	}
	s.env.Served("pypi", "provenance")
	web.Serve(w, r, &web.Content{
		Type: passthrough.ProvenanceType, ETag: got.ETag, CacheControl: cache, Size: int64(len(got.Bytes)), Body: web.Bytes(got.Bytes),
	})
}
