package python

import (
	"encoding/json"
	"slices"
	"time"
)

// APIVersion is the version of the simple repository API that pages state, in
// both formats (PEP 629, PEP 691; 1.4 is PEP 792, the last one HTML will get).
const APIVersion = "1.4"

// Project statuses (PEP 792).
const (
	StatusActive      = "active"
	StatusArchived    = "archived"    // no uploads
	StatusQuarantined = "quarantined" // no uploads, and no files are offered
	StatusDeprecated  = "deprecated"
)

// ValidStatus reports whether status is one of PEP 792's words.
func ValidStatus(status string) bool {
	switch status {
	case StatusActive, StatusArchived, StatusQuarantined, StatusDeprecated:
		return true
	}
	return false
}

// File is one file on a project's page.
type File struct {
	Filename string
	// URL is where the file is: absolute, or relative to the page. It carries
	// no fragment; the hash goes into Hashes.
	URL string
	// Hashes maps names of hash functions, lower case, to hex digests.
	Hashes map[string]string
	// RequiresPython is the specifier as text, not yet checked (upstreams have
	// pages with invalid ones, and installers cope); empty for none.
	RequiresPython string
	// Size is the size of the file in bytes; 0 when not known.
	Size int64
	// UploadTime is zero when not known. Pages show it in UTC to a microsecond.
	UploadTime time.Time
	// Yanked files stay downloadable but are not chosen any more (PEP 592).
	Yanked       bool
	YankedReason string
	// CoreMetadata says whether <URL>.metadata exists (PEP 658, PEP 714).
	CoreMetadata CoreMetadata
	// Provenance is the absolute URL of the provenance object (PEP 740).
	Provenance string
	// GPGSig is the index's statement on a detached signature; nil for none.
	GPGSig *bool
	// Extra holds the JSON keys this package does not know, as they came.
	Extra map[string]json.RawMessage
	// Version is the canonical version that the file name states, empty when
	// the name states none. It orders the page; it is not a key of it.
	Version string
}

// CoreMetadata says whether a file's metadata can be fetched on its own.
type CoreMetadata struct {
	Available bool
	// Hashes holds the digests of the metadata; it may be empty.
	Hashes map[string]string
}

// Status is a project's status as PEP 792 has it. The zero value is a page
// which does not state one, which means active.
type Status struct {
	Status string
	Reason string
}

// Page is a project's page, in the model that both formats are rendered from.
type Page struct {
	// Name is the normalised name of the project.
	Name string
	// Status is shown unless it is the zero value.
	Status Status
	// Versions lists the versions as the index states them. When it is nil,
	// pages list the versions of their files.
	Versions []string
	Files    []File
	// Meta and Extra hold unknown JSON keys of "meta" and of the page.
	Meta  map[string]json.RawMessage
	Extra map[string]json.RawMessage
}

// Filter returns a page with only those files that keep accepts. A version all
// of whose files went is dropped from Versions; one that had none stays.
func (p *Page) Filter(keep func(*File) bool) *Page {
	out := *p
	out.Files = make([]File, 0, len(p.Files))
	kept, dropped := map[string]bool{}, map[string]bool{}
	for i := range p.Files {
		f := &p.Files[i]
		if keep(f) {
			out.Files = append(out.Files, *f)
			kept[f.Version] = true
		} else {
			dropped[f.Version] = true
		}
	}
	if len(dropped) > 0 && p.Versions != nil {
		out.Versions = slices.DeleteFunc(slices.Clone(p.Versions), func(v string) bool {
			c := CanonicalVersion(v)
			return dropped[c] && !kept[c]
		})
	}
	return &out
}

// File returns the file of that name, or nil.
func (p *Page) File(filename string) *File {
	for i := range p.Files {
		if p.Files[i].Filename == filename {
			return &p.Files[i]
		}
	}
	return nil
}
