package python

import (
	"io"
	"strings"
)

// Dist is a distribution file that was looked into.
type Dist struct {
	File     Filename
	Metadata *Metadata
	// RawMetadata is METADATA or PKG-INFO, byte for byte: what PEP 658 serves.
	RawMetadata []byte
}

// Inspect checks a wheel or a source distribution: that the archive is sound,
// safe to unpack and means the same to every reader, and that the names and
// versions in its file name, its directory and its metadata agree.
//
// What is wrong with the file is an *InvalidError; every other error is one of
// reading it. It reads little of a wheel, and the whole of a .tar.gz.
func Inspect(ra io.ReaderAt, size int64, filename string, lim Limits) (*Dist, error) {
	name, err := ParseFilename(filename, "")
	if err != nil {
		return nil, invalid("%v", err)
	}
	lim = lim.withDefaults()
	src := &source{ra: ra, size: size}
	var d *Dist
	if name.Kind == Wheel {
		d, err = inspectWheel(src, name, lim)
	} else {
		d, err = inspectSdist(src, name, strings.HasSuffix(filename, ".zip"), lim)
	}
	if err != nil {
		return nil, src.fault(err)
	}
	if Normalise(d.Metadata.Name) != name.Name {
		return nil, invalid("metadata has the Name %s: expected %s, as the file name says", clip(d.Metadata.Name), clip(name.Name))
	}
	if v, err := ParseVersion(d.Metadata.Version); err != nil || v.Compare(name.Version) != 0 {
		return nil, invalid("metadata has the Version %s: expected %s, as the file name says", clip(d.Metadata.Version), name.Version)
	}
	return d, nil
}
