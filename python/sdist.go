package python

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// inspectSdist checks a source distribution: one directory of the name and
// version that the file name states, and PKG-INFO in it.
func inspectSdist(src *source, name Filename, zipped bool, lim Limits) (*Dist, error) {
	read := readTar
	if zipped {
		read = readZipSdist
	}
	raw, err := read(src, name, lim)
	if err != nil {
		return nil, err
	}
	metadata, err := ParseMetadata(raw)
	if err != nil {
		return nil, err
	}
	return &Dist{File: name, Metadata: metadata, RawMetadata: raw}, nil
}

// sdistRoot checks the first part of every member's name.
type sdistRoot struct {
	name Filename
	root string
}

func (s *sdistRoot) check(member string) error {
	top, _, _ := strings.Cut(member, "/")
	if top == s.root {
		return nil
	}
	if s.root != "" {
		return invalid("source distribution has %q beside %q: expected one directory", clip(top), clip(s.root))
	}
	if f, err := parseSdist(top, top, s.name.Name); err != nil || f.Version.Compare(s.name.Version) != 0 {
		return invalid("source distribution has the directory %q: expected one of %s %s, as its file name says", clip(top), s.name.Name, s.name.Version)
	}
	s.root = top
	return nil
}

func noPKGINFO(name Filename) error {
	return invalid("source distribution of %s has no PKG-INFO in its directory", name.Name)
}

func readZipSdist(src *source, name Filename, lim Limits) ([]byte, error) {
	members, err := readZip(src, lim)
	if err != nil {
		return nil, err
	}
	root := sdistRoot{name: name}
	var found *zipMember
	for i := range members {
		m := &members[i]
		if err := root.check(m.name); err != nil {
			return nil, err
		}
		if m.name == root.root+"/PKG-INFO" {
			found = m
		}
	}
	if found == nil {
		return nil, noPKGINFO(name)
	}
	if found.unpacked > lim.MaxMetadata {
		return nil, invalid("source distribution has a PKG-INFO of %d bytes: expected at most %d", found.unpacked, lim.MaxMetadata)
	}
	var b strings.Builder
	err = found.unpack(src, &b)
	return []byte(b.String()), err
}

// readTar unpacks the whole of a .tar.gz, keeping PKG-INFO alone.
func readTar(src *source, name Filename, lim Limits) ([]byte, error) {
	packed := bufio.NewReaderSize(io.NewSectionReader(src, 0, src.size), 64<<10)
	z, err := gzip.NewReader(packed)
	if err != nil {
		return nil, src.fault(invalid("source distribution is not gzip-compressed"))
	}
	z.Multistream(false)
	r := &budget{r: z, left: lim.unpacked(src.size), src: src, allowed: lim.unpacked(src.size)}
	raw, err := walkTar(r, name, lim)
	if err != nil {
		return nil, src.fault(err)
	}
	// After the end of the archive only padding may follow, and after the gzip
	// member nothing: what other readers might read, nobody has checked.
	if err := onlyZeros(r); err != nil {
		return nil, src.fault(err)
	}
	if _, err := packed.ReadByte(); err != io.EOF {
		return nil, src.fault(invalid("source distribution has bytes after its gzip data"))
	}
	return raw, nil
}

func walkTar(r io.Reader, name Filename, lim Limits) (raw []byte, err error) {
	heads := &tarHeads{r: r}
	t := tar.NewReader(heads)
	root := sdistRoot{name: name}
	members := newTarMembers()
	for count := 0; ; count++ {
		h, err := heads.next(t)
		if err == io.EOF { //nolint:errorlint // a wrapped EOF is no end of a stream
			break
		}
		if err != nil {
			return nil, tarError(err)
		}
		if count == lim.MaxEntries {
			return nil, invalid("source distribution has more than %d members", lim.MaxEntries)
		}
		if err := checkTarHeader(h); err != nil {
			return nil, err
		}
		if err := heads.check(h); err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := root.check(h.Name); err != nil {
			return nil, err
		}
		if err := members.add(h); err != nil {
			return nil, err
		}
		if h.Name != root.root+"/PKG-INFO" {
			continue
		}
		if h.Typeflag != tar.TypeReg {
			return nil, invalid("source distribution has a PKG-INFO that is no file")
		}
		if h.Size > lim.MaxMetadata {
			return nil, invalid("source distribution has a PKG-INFO of %d bytes: expected at most %d", h.Size, lim.MaxMetadata)
		}
		if raw, err = io.ReadAll(t); err != nil {
			return nil, tarError(err)
		}
	}
	if raw == nil {
		return nil, noPKGINFO(name)
	}
	return raw, nil
}

// budget reads what a compressed stream unpacks to, up to a limit.
type budget struct {
	r             io.Reader
	src           *source
	left, allowed int64
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, invalid("source distribution of %d bytes unpacks to more than the %d bytes permitted", b.src.size, b.allowed)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func onlyZeros(r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		for _, c := range buf[:n] {
			if c != 0 {
				return invalid("source distribution has data after the end of its archive")
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return tarError(err)
		}
	}
}

// tarError tells a limit that was reached from an archive that is broken.
func tarError(err error) error {
	var inv *InvalidError
	if errors.As(err, &inv) {
		return inv
	}
	return invalid("source distribution is not a sound .tar.gz: %v", err)
}

// fault prefers an error of the disk to what it led to.
func (s *source) fault(err error) error {
	if s.err != nil {
		return fmt.Errorf("reading archive: %w", s.err)
	}
	return err
}
