package conda

import (
	"archive/tar"
	"strings"
	"unicode/utf8"
)

// tree is what a package unpacks to, checked while its tar archives stream by: every
// path stays below the folder that it is unpacked in, on every system and through
// every link.
type tree struct {
	kinds map[string]byte // path -> tar.TypeReg, TypeDir or TypeSymlink
	bends []bend          // links to be looked at when all paths are known
	count int             // of entries so far
	bytes int             // of their paths, and of what links lead to
	limit int
}

// bend is a link whose target goes down and then up again.
type bend struct{ path, target string }

func newTree(limit int) *tree { return &tree{kinds: map[string]byte{}, limit: limit} }

// bytesPerEntry is how long the paths of a package may be, on average over as many
// entries as are permitted: paths are what is held in memory of it, and ones of a
// thousand bytes compress to nothing. Those of real packages have some 60.
const bytesPerEntry = 128

// add checks one entry; path is its name, made plain.
func (t *tree) add(h *tar.Header) (path string, err error) {
	if path, err = plainPath(h.Name, h.Typeflag == tar.TypeDir); err != nil {
		return "", err
	}
	if t.count++; t.count > t.limit {
		return "", invalid("the package has more than %d entries: no more are accepted", t.limit)
	}
	if t.bytes += len(path) + len(h.Linkname); t.bytes > t.limit*bytesPerEntry {
		return "", invalid("the paths of the package have more than %d bytes together: no more are accepted", t.limit*bytesPerEntry)
	}
	kind := h.Typeflag
	switch kind {
	case tar.TypeReg:
		if err := checkSize(h); err != nil {
			return "", err
		}
	case tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
		if h.Size != 0 {
			return "", invalid("the entry %s has content, which a link or a directory cannot have", clip(path))
		}
	default:
		return "", invalid("the entry %s is neither a file nor a directory nor a link, but of type %s: no other is accepted", clip(path), clip(string(h.Typeflag)))
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return "", invalid("the entry %s is a sparse file: none is accepted", clip(path))
		}
	}
	switch kind {
	case tar.TypeSymlink:
		if err := t.addSymlink(path, h.Linkname); err != nil {
			return "", err
		}
	case tar.TypeLink:
		target, err := plainPath(h.Linkname, false)
		if err != nil {
			return "", invalid("the hard link %s leads out of the package, to %s", clip(path), clip(h.Linkname))
		}
		if t.kinds[target] != tar.TypeReg {
			return "", invalid("the hard link %s leads to %s, which is no file before it", clip(path), clip(h.Linkname))
		}
		kind = tar.TypeReg
	}
	if old, twice := t.kinds[path]; twice && (old != tar.TypeDir || kind != tar.TypeDir) {
		return "", invalid("the package has the entry %s twice", clip(path))
	}
	t.kinds[path] = kind
	return path, nil
}

// checkSize refuses a size that is told twice. A reader that overlooks the PAX
// record takes content for headers; only where the header has no room for the
// size, from 8 GiB, is the record needed.
func checkSize(h *tar.Header) error {
	if _, told := h.PAXRecords["size"]; told && h.Size < 1<<33 {
		return invalid("the entry %s states its size in a PAX record: readers of tar archives differ on it", clip(h.Name))
	}
	return nil
}

func (t *tree) addSymlink(path, target string) error {
	if target == "" {
		return invalid("the link %s has no target", clip(path))
	}
	// On Windows a backslash separates too, so that a target may be two paths.
	for _, target := range [...]string{target, strings.ReplaceAll(target, `\`, "/")} {
		if len(target) > maxPath || target[0] == '/' || !cleanText(target) || hasDrive(target) {
			return invalid("the link %s leads out of the package, to %s", clip(path), clip(target))
		}
		level, down, bent := strings.Count(path, "/"), false, false
		for part := range strings.SplitSeq(target, "/") {
			switch part {
			case "", ".":
			case "..":
				if level--; level < 0 {
					return invalid("the link %s leads out of the package, to %s", clip(path), clip(target))
				}
				bent = bent || down
			default:
				level++
				down = true
			}
		}
		if bent {
			t.bends = append(t.bends, bend{path, target})
		}
	}
	return nil
}

// finish checks what needs all entries: that nothing lies below a link or a file,
// and that no link goes up from where another link leads.
func (t *tree) finish() error {
	for path := range t.kinds {
		for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path[:i], '/') {
			if kind, ok := t.kinds[path[:i]]; ok && kind != tar.TypeDir {
				return invalid("the entry %s lies below %s, which is no directory", clip(path), clip(path[:i]))
			}
		}
	}
	for _, b := range t.bends {
		at := strings.Split(b.path, "/")
		at = at[:len(at)-1]
		for part := range strings.SplitSeq(b.target, "/") {
			switch part {
			case "", ".":
			case "..":
				if t.kinds[strings.Join(at, "/")] == tar.TypeSymlink {
					return invalid("the link %s leads through another link and up again, to %s", clip(b.path), clip(b.target))
				}
				at = at[:max(len(at)-1, 0)]
			default:
				at = append(at, part)
			}
		}
	}
	return nil
}

// maxPath is the length in bytes of the longest path in a package.
const maxPath = 1024

// plainPath takes a path of the archive and returns it without a leading "./". It
// is refused unless it stays below the folder it is unpacked in. The folder itself
// has the path ".".
func plainPath(name string, dir bool) (string, error) {
	bad := func(why string) (string, error) {
		return "", invalid("the path %s %s: a relative path inside of the package is expected", clip(name), why)
	}
	path := name
	for strings.HasPrefix(path, "./") {
		path = path[2:]
	}
	if dir {
		path = strings.TrimSuffix(path, "/")
		if path == "" && name != "" && name[0] == '.' || path == "." {
			return ".", nil
		}
	}
	switch {
	case path == "":
		return bad("is empty")
	case len(path) > maxPath:
		return bad("is too long")
	case !cleanText(path):
		return bad("is not UTF-8, or has control characters")
	case hasDrive(path):
		return bad("names a drive")
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return bad("leads out of the package, or has empty parts")
		}
	}
	// On Windows a backslash separates too; elsewhere file names may have one.
	if strings.Contains(path, `\`) {
		slashed := strings.ReplaceAll(path, `\`, "/")
		for part := range strings.SplitSeq(slashed, "/") {
			if part == ".." {
				return bad("leads out of the package")
			}
		}
		if slashed[0] == '/' {
			return bad("is absolute")
		}
	}
	return path, nil
}

func cleanText(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

func hasDrive(path string) bool { return len(path) > 1 && path[1] == ':' && isLower(path[0]|0x20) }
