package python

import (
	"archive/tar"
	"hash/maphash"
	"path"
	"strings"
)

// checkTarHeader permits files, directories and links that stay inside, each
// described once: a sparse map that readers may or may not honour would show
// them different members.
func checkTarHeader(h *tar.Header) error {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") || h.Typeflag == tar.TypeXGlobalHeader && key != "comment" {
			return invalid("source distribution has a member with the attribute %q, which readers understand differently", clip(key))
		}
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if !safePath(strings.TrimSuffix(h.Name, "/")) {
		return invalid("source distribution member %q has a name that is not a plain relative path", clip(h.Name))
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir:
		return nil
	case tar.TypeSymlink, tar.TypeLink:
		if !safeLink(h) {
			return invalid("source distribution member %q links to %q, outside of its directory", clip(h.Name), clip(h.Linkname))
		}
		return nil
	default:
		return invalid("source distribution member %q is a device or of another kind that is not supported", clip(h.Name))
	}
}

// safeLink reports whether a link leads to below the archive's directory. A
// symbolic one may go up only at its beginning: after the name of another link,
// ".." would not be where it seems.
func safeLink(h *tar.Header) bool {
	target := h.Linkname
	if strings.HasPrefix(target, "/") || strings.Contains(target, "\\") {
		return false
	}
	if h.Typeflag == tar.TypeSymlink {
		down := target
		for strings.HasPrefix(down, "../") {
			down = down[len("../"):]
		}
		if !safePath(down) {
			return false
		}
		target = path.Join(path.Dir(h.Name), target)
	}
	top, _, _ := strings.Cut(h.Name, "/")
	return safePath(target) && strings.HasPrefix(target, top+"/")
}

// tarMembers remembers the members of an archive: by hashes of their names,
// which may be as long as the archive permits, and links by their names.
type tarMembers struct {
	seed  maphash.Seed
	seen  map[uint64]byte // to the type
	links map[string]bool
}

func newTarMembers() *tarMembers {
	return &tarMembers{seed: maphash.MakeSeed(), seen: make(map[uint64]byte), links: make(map[string]bool)}
}

// maxLinks is the number of links in one archive.
const maxLinks = 1000

// add refuses a name that is there already, other than a directory's, and one
// below a link: it would be written to where the link leads.
func (t *tarMembers) add(h *tar.Header) error {
	name := strings.TrimSuffix(h.Name, "/")
	key := maphash.String(t.seed, name)
	if kind, found := t.seen[key]; found && (kind != tar.TypeDir || h.Typeflag != tar.TypeDir) {
		return invalid("source distribution has member %q twice", clip(h.Name))
	}
	t.seen[key] = h.Typeflag
	below := []string{name}
	if h.Typeflag == tar.TypeLink {
		below = append(below, h.Linkname)
	}
	for _, p := range below {
		if p = t.linkAbove(p); p != "" {
			return invalid("source distribution member %q is below %q, which is a link", clip(h.Name), clip(p))
		}
	}
	if h.Typeflag == tar.TypeSymlink {
		if len(t.links) == maxLinks {
			return invalid("source distribution has more than %d links", maxLinks)
		}
		t.links[name] = true
	}
	return nil
}

// linkAbove is the directory above name that is a link, or empty.
func (t *tarMembers) linkAbove(name string) string {
	if len(t.links) == 0 {
		return ""
	}
	for {
		end := strings.LastIndexByte(name, '/')
		if end < 0 {
			return ""
		}
		if name = name[:end]; t.links[name] {
			return name
		}
	}
}
