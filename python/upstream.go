package python

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// PageLimits bounds what is read from another index. Zero values mean the
// defaults.
type PageLimits struct {
	MaxBytes int // of the page; default 64 MiB
	MaxFiles int // on the page; default 200,000
	MaxDepth int // of nested JSON; default 32
}

func (l PageLimits) withDefaults() PageLimits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = 64 << 20
	}
	if l.MaxFiles <= 0 {
		l.MaxFiles = 200_000
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = 32
	}
	return l
}

// ErrBadPage is wrapped by every error about a page that is not one: the
// index answered with something else, or with something broken.
var ErrBadPage = errors.New("reading index page")

func badPage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadPage, fmt.Sprintf(format, args...))
}

// ParsePage reads a project's page of another index. project is the normalised
// name that was asked for; a page that states another one is refused. base is
// the URL that the page came from, after redirects: the URLs of files are
// resolved against it and become absolute. Files that installers would pass
// over are left out: no http or https URL, no name that could be a file's of
// that project. Nothing says that the last segment of a URL equals the file name of a JSON
// page. All errors wrap ErrBadPage.
func ParsePage(t MediaType, body []byte, project string, base *url.URL, lim PageLimits) (*Page, error) {
	lim = lim.withDefaults()
	if len(body) > lim.MaxBytes {
		return nil, badPage("page of %d bytes is too large: expected at most %d", len(body), lim.MaxBytes)
	}
	if t == JSON {
		return parseJSON(body, project, base, lim)
	}
	return parseHTML(body, project, base, lim)
}

// fileURL resolves the address of a file and takes the hash out of it. ok is
// false for an address that nobody should follow.
func fileURL(base *url.URL, ref string) (u *url.URL, hash, digest string, ok bool) {
	u, err := base.Parse(strings.TrimSpace(ref))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, "", "", false
	}
	for part := range strings.SplitSeq(u.Fragment, "&") {
		if name, value, found := strings.Cut(part, "="); found && hashLengths[name] > 0 && validHash(name, value) {
			hash, digest = name, strings.ToLower(value)
		}
	}
	u.Fragment, u.RawFragment = "", ""
	return u, hash, digest, true
}

// hashLengths are the lengths in bytes of the digests whose names are known. Only
// these are taken from URLs, whose fragments say other things as well.
var hashLengths = map[string]int{"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}

// safeFilename accepts what can be one segment of a URL and of a path.
func safeFilename(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > MaxFilenameLen {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c == 0x7f || c == '/' || c == '\\' {
			return false
		}
	}
	return true
}

// validHash accepts the name of a hash function and a hex digest.
func validHash(name, digest string) bool {
	if name == "" || len(name) > 32 || digest == "" || len(digest) > 128 || len(digest)%2 != 0 {
		return false
	}
	if n := hashLengths[name]; n > 0 && len(digest) != 2*n {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !(c >= 'a' && c <= 'z' || digit(c) || c == '_' || c == '-') {
			return false
		}
	}
	for i := range len(digest) {
		if c := digest[i]; !(digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// claim reports whether a file can be project's by its name, and fills Version.
// Names of the modern kinds say whose they are. Of others, such as eggs and
// source distributions with versions from before PEP 440, they begin with it.
func (f *File) claim(project string) bool {
	if name, err := ParseFilename(f.Filename, project); err == nil {
		f.Version = name.Version.String()
		return name.Name == project
	}
	if _, err := ParseFilename(f.Filename, ""); err == nil {
		return false
	}
	for i := range len(f.Filename) {
		if f.Filename[i] == '-' && Normalise(f.Filename[:i]) == project {
			return true
		}
	}
	return false
}
