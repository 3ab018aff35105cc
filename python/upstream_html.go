package python

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxToken is the length in bytes of the longest tag or text in a page.
const maxToken = 1 << 20

func parseHTML(body []byte, project string, base *url.URL, lim PageLimits) (*Page, error) {
	h := htmlReader{page: &Page{Name: project}, base: base}
	z := html.NewTokenizer(bytes.NewReader(body))
	z.SetMaxBuf(maxToken)
	for {
		switch z.Next() {
		case html.ErrorToken:
			// The end, or a token too long; a page that broke off is not noticed
			// here, its missing </html> is: see done.
			return h.done(z.Err(), project)
		case html.TextToken:
			if !h.known && bytes.Contains(z.Raw(), []byte("Links for")) {
				h.known = true
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if atom.Lookup(name) == atom.Html {
				h.closed = true
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			if bad := h.tag(z, lim); bad != nil {
				return nil, bad
			}
		}
	}
}

// htmlReader gathers a page from its tags.
type htmlReader struct {
	page    *Page
	base    *url.URL
	rebased bool // a <base> was seen; only the first one counts
	known   bool // it says that it is a simple page
	opened  bool // an <html> tag was seen
	closed  bool
}

func (h *htmlReader) done(err error, project string) (*Page, error) {
	if !errors.Is(err, io.EOF) {
		return nil, badPage("HTML is not readable: %v", err)
	}
	if h.opened && !h.closed {
		return nil, badPage("HTML ends too early")
	}
	// A login or maintenance page is HTML as well. It must not pass for a
	// project without files.
	if len(h.page.Files) == 0 && !h.known {
		return nil, badPage("HTML of project %s is not a page of the simple repository API: expected links to files", clip(project))
	}
	return h.page, nil
}

func (h *htmlReader) tag(z *html.Tokenizer, lim PageLimits) error {
	name, more := z.TagName()
	switch tag := atom.Lookup(name); tag {
	case atom.Html:
		h.opened = true
	case atom.Base:
		if href := attributes(z, more)["href"]; href != "" && !h.rebased {
			if u, err := h.base.Parse(href); err == nil {
				h.base, h.rebased = u, true
			}
		}
	case atom.Meta:
		return h.meta(attributes(z, more))
	case atom.A:
		if f, ok := h.file(attributes(z, more)); ok {
			if len(h.page.Files) >= lim.MaxFiles {
				return badPage("page has more than %d files", lim.MaxFiles)
			}
			h.page.Files = append(h.page.Files, f)
		}
	}
	return nil
}

func (h *htmlReader) meta(attr map[string]string) error {
	content := attr["content"]
	switch attr["name"] {
	case "pypi:repository-version":
		h.known = true
		if major, _, _ := strings.Cut(content, "."); major != "1" {
			return badPage("repository version is %q: expected 1.x", clip(content))
		}
	case "pypi:project-status":
		h.page.Status.Status = content
	case "pypi:project-status-reason":
		h.page.Status.Reason = content
	}
	return nil
}

func (h *htmlReader) file(attr map[string]string) (f File, ok bool) {
	href, has := attr["href"]
	if !has {
		return File{}, false
	}
	u, hash, digest, ok := fileURL(h.base, href)
	if !ok {
		return File{}, false
	}
	f.Filename = path.Base(u.Path)
	if !safeFilename(f.Filename) || !distribution(f.Filename) {
		return File{}, false
	}
	f.URL = u.String()
	if hash != "" {
		f.Hashes = map[string]string{hash: digest}
	}
	f.RequiresPython = attr["data-requires-python"]
	f.YankedReason, f.Yanked = attr["data-yanked"]
	value, has := attr["data-core-metadata"]
	if !has {
		value, has = attr["data-dist-info-metadata"]
	}
	if has && value != "false" {
		f.CoreMetadata.Available = true
		if name, digest, found := strings.Cut(value, "="); found && validHash(name, digest) {
			f.CoreMetadata.Hashes = map[string]string{name: strings.ToLower(digest)}
		}
	}
	if v := attr["data-provenance"]; v != "" {
		if p, err := h.base.Parse(v); err == nil && (p.Scheme == "https" || p.Scheme == "http") {
			f.Provenance = p.String()
		}
	}
	if v := attr["data-gpg-sig"]; v == "true" || v == "false" {
		b := v == "true"
		f.GPGSig = &b
	}
	return f, f.claim(h.page.Name)
}

// attributes reads the attributes of the tag at hand; the first of each name
// counts, as in browsers.
func attributes(z *html.Tokenizer, more bool) map[string]string {
	attr := make(map[string]string, 4)
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		if _, has := attr[string(key)]; !has && len(attr) < maxExtra {
			attr[string(key)] = strings.ToValidUTF8(string(value), "\ufffd")
		}
	}
	return attr
}

// distribution reports whether a file name has the ending of a distribution,
// also of the kinds that nobody makes any more.
func distribution(name string) bool {
	for _, ext := range [...]string{".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar.Z", ".tar", ".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}
