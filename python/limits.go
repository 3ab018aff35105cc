package python

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Limits bounds what Inspect reads of an archive. Zero values mean the
// defaults.
type Limits struct {
	// MaxEntries is the number of members; default 100,000.
	MaxEntries int
	// MaxDirectory is the size in bytes of a zip archive's central directory,
	// and of the RECORD of a wheel; default 32 MiB each.
	MaxDirectory int64
	// MaxMetadata is the size in bytes of METADATA, PKG-INFO and WHEEL; default
	// 4 MiB.
	MaxMetadata int64
	// MaxUnpacked is the size in bytes of everything unpacked; default 16 GiB.
	MaxUnpacked int64
	// MaxRatio is how many times larger than the archive everything unpacked
	// may be, once it is larger than RatioFrom bytes; default 50 and 64 MiB,
	// which is PyPI's rule.
	MaxRatio  int64
	RatioFrom int64
}

func (l Limits) withDefaults() Limits {
	set := func(v *int64, def int64) {
		if *v <= 0 {
			*v = def
		}
	}
	if l.MaxEntries <= 0 {
		l.MaxEntries = 100_000
	}
	set(&l.MaxDirectory, 32<<20)
	set(&l.MaxMetadata, 4<<20)
	set(&l.MaxUnpacked, 16<<30)
	set(&l.MaxRatio, 50)
	set(&l.RatioFrom, 64<<20)
	return l
}

// unpacked is the largest total that an archive of that size may unpack to.
func (l Limits) unpacked(size int64) int64 {
	allowed := l.RatioFrom
	if size > allowed/l.MaxRatio {
		allowed = l.MaxUnpacked
		if size < l.MaxUnpacked/l.MaxRatio {
			allowed = size * l.MaxRatio
		}
	}
	return min(allowed, l.MaxUnpacked)
}

// maxPath is the length in bytes of the longest member name, maxParts how many
// parts it may have.
const maxPath, maxParts = 1024, 64

// safePath reports whether p is a path that unpacks to somewhere below the
// place it is unpacked in, on every system.
func safePath(p string) bool {
	if p == "" || len(p) > maxPath || strings.Count(p, "/") >= maxParts || !utf8.ValidString(p) {
		return false
	}
	for i := range len(p) {
		if c := p[i]; c < 0x20 || c == 0x7f || c == '\\' {
			return false
		}
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return len(p) < 2 || p[1] != ':' // a drive
}

// source reads an archive and remembers an error of the disk, which must not
// be taken for a fault of the archive.
type source struct {
	ra   io.ReaderAt
	size int64
	err  error
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.ra.ReadAt(p, off)
	if err != nil && err != io.EOF || err == io.EOF && off+int64(n) < s.size {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		s.err = err
	}
	return n, err
}
