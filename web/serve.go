package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Body is a representation's bytes. Both methods may be called by many
// requests at once: a Body is immutable.
type Body interface {
	// WriteTo writes the whole representation.
	WriteTo(w io.Writer) (int64, error)
	// NewReader returns a reader over it for range requests.
	NewReader() io.ReadSeeker
}

// Content is one representation of a resource, ready to be sent.
type Content struct {
	Type         string    // Content-Type
	Encoding     string    // Content-Encoding, "" for none
	ETag         string    // strong and quoted, unique to this representation (RFC 9110 §8.8.3)
	CacheControl string    // Cache-Control
	Vary         string    // Vary, beside Origin; "" for nothing
	Modified     time.Time // Last-Modified, which is not said while it is still to come; the zero time for none
	Size         int64     // bytes
	Body         Body
}

// Serve answers GET and HEAD from c, with conditional and range requests as
// RFC 9110 §13 and §14 have them. If-None-Match wins over If-Modified-Since, and
// a 304 repeats the very same ETag: rattler takes anything else for a change.
func Serve(w http.ResponseWriter, r *http.Request, c *Content) {
	SetHeaders(w.Header(), c)
	r = understood(r)
	if !hasPrecondition(r) && NotModified(r, c.ETag, c.Modified) {
		w.Header().Del("Content-Type")
		w.Header().Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if needsServeContent(r) {
		// The standard library's copy of the rules for ranges and preconditions;
		// everything before this line is the short way for plain requests.
		http.ServeContent(w, r, "", said(c.Modified), c.Body.NewReader())
		return
	}
	h := w.Header()
	h["Content-Length"] = []string{strconv.FormatInt(c.Size, 10)}
	h["Accept-Ranges"] = acceptRanges
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = c.Body.WriteTo(w) // an error here is the client's leaving
}

// ServeFile answers GET and HEAD with an open file, which it does not close. A
// whole file, and a range that runs to the file's end, reach sendfile: the bare
// *os.File is handed to the writer, for a wrapped one would be copied.
func ServeFile(w http.ResponseWriter, r *http.Request, c *Content, f *os.File) {
	SetHeaders(w.Header(), c)
	r = understood(r)
	if !hasPrecondition(r) && NotModified(r, c.ETag, c.Modified) {
		w.Header().Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	from, status := int64(0), http.StatusOK
	if needsServeContent(r) {
		var ok bool
		if from, ok = openRange(r, c.Size); !ok {
			http.ServeContent(w, r, "", said(c.Modified), f)
			return
		}
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			http.ServeContent(w, r, "", said(c.Modified), f)
			return
		}
		status = http.StatusPartialContent
		w.Header().Set("Content-Range", "bytes "+strconv.FormatInt(from, 10)+"-"+
			strconv.FormatInt(c.Size-1, 10)+"/"+strconv.FormatInt(c.Size, 10))
	}
	h := w.Header()
	h["Content-Length"] = []string{strconv.FormatInt(c.Size-from, 10)}
	h["Accept-Ranges"] = acceptRanges
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if rf, ok := w.(io.ReaderFrom); ok {
		_, _ = rf.ReadFrom(f)
		return
	}
	_, _ = io.Copy(w, f)
}

var acceptRanges = []string{"bytes"}

// SetHeaders sets what every answer with this representation says.
func SetHeaders(h http.Header, c *Content) {
	h["Content-Type"] = []string{c.Type}
	if c.ETag != "" {
		h["Etag"] = []string{c.ETag}
	}
	if c.CacheControl != "" {
		h["Cache-Control"] = []string{c.CacheControl}
	}
	if c.Encoding != "" {
		h["Content-Encoding"] = []string{c.Encoding}
	}
	if c.Vary != "" {
		h["Vary"] = []string{c.Vary + ", " + originHeader}
	} else {
		h["Vary"] = varyOrigin
	}
	if at := said(c.Modified); !at.IsZero() {
		h["Last-Modified"] = []string{at.UTC().Format(http.TimeFormat)}
	}
	h["X-Content-Type-Options"] = noSniff
}

// varyOrigin keeps caches from giving a page of another origin what was answered to
// somebody else, without the header that lets the page read it (see [CORS]): some of it
// is kept for a year.
var varyOrigin = []string{originHeader}

var noSniff = []string{"nosniff"}

// said is the time of a change as clients are told it: none while it is still to come
// (RFC 9110 §8.8.2.1), for what is served until then may change again under it.
func said(modified time.Time) time.Time {
	if modified.After(time.Now()) {
		return time.Time{}
	}
	return modified
}

// NotModified reports whether a request's validators match (RFC 9110 §13.2.2).
func NotModified(r *http.Request, etag string, modified time.Time) bool {
	if inm := r.Header["If-None-Match"]; len(inm) > 0 {
		for _, list := range inm {
			if etagListed(list, etag) {
				return true
			}
		}
		return false
	}
	if said(modified).IsZero() || r.Header["If-Modified-Since"] == nil {
		return false
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !modified.Truncate(time.Second).After(since)
}

// etagListed compares weakly, as If-None-Match asks.
func etagListed(list, etag string) bool {
	if etag == "" {
		return false
	}
	for list != "" {
		var one string
		one, list, _ = strings.Cut(list, ",")
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}

// understood is the request without a Range that must be ignored: one in another unit
// than bytes, or of another method than GET (RFC 9110 §14.2).
func understood(r *http.Request) *http.Request {
	if r.Header["Range"] == nil {
		return r
	}
	if unit, _, _ := strings.Cut(r.Header.Get("Range"), "="); r.Method == http.MethodGet && strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return r
	}
	plain := *r
	plain.Header = r.Header.Clone()
	plain.Header.Del("Range")
	return &plain
}

// hasPrecondition reports whether a request says what must hold for it to be served,
// which comes before what was cached (RFC 9110 §13.2.2).
func hasPrecondition(r *http.Request) bool {
	return r.Header["If-Match"] != nil || r.Header["If-Unmodified-Since"] != nil
}

func needsServeContent(r *http.Request) bool { return r.Header["Range"] != nil || hasPrecondition(r) }

// openRange recognises the one range form that can be sent without a limit
// reader: "bytes=N-", as a resumed download sends it.
func openRange(r *http.Request, size int64) (from int64, ok bool) {
	if r.Header["If-Range"] != nil || hasPrecondition(r) {
		return 0, false
	}
	v, found := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	if !found || !strings.HasSuffix(v, "-") {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(v, "-"), 10, 64)
	if err != nil || n < 0 || n >= size {
		return 0, false
	}
	return n, true
}

// Bytes is a Body over a slice.
type Bytes []byte

// WriteTo implements [Body].
func (b Bytes) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b)
	return int64(n), err
}

// NewReader implements [Body].
func (b Bytes) NewReader() io.ReadSeeker { return bytes.NewReader(b) }

// ETagOf is a strong ETag of a body made on the spot.
func ETagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}
