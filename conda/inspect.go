package conda

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/json"
	"io"
	"strings"
	"time"
)

// Info is what an archive says of its package.
type Info struct {
	Filename             Filename
	Subdir               string // the directory that the package belongs to
	Name, Version, Build string // as in Filename
	BuildNumber          int64

	// RunExports is what info/run_exports.json says, a list made into
	// {"weak": […]}; "{}" where there is none (CEP 12).
	RunExports json.RawMessage
	// About is info/about.json, nil where there is none.
	About json.RawMessage
	// Index is info/index.json, byte for byte.
	Index json.RawMessage

	fields []field // of the record, in order of their keys
}

// Inspect reads a package from its archive, all of it once, and checks that it is
// sound, safe to unpack, means the same to every client, and is what its file name
// and subdir say. subdir may be "" where only the archive knows it. A package is
// refused if it was built later than now (CEP 47).
//
// What is wrong with the package is an [*InvalidError]; every other error is one
// of reading it. Memory is bounded by lim and does not grow with the content.
func Inspect(ra io.ReaderAt, size int64, filename, subdir string, now time.Time, lim Limits) (*Info, error) {
	name, err := ParseFilename(filename)
	if err != nil {
		return nil, err
	}
	if subdir != "" && !ValidSubdir(subdir) {
		return nil, invalid("%s is no subdir: a name as noarch or linux-64 is expected", clip(subdir))
	}
	lim = lim.withDefaults()
	allowed := lim.unpacked(size)
	p := &inspection{
		src: &source{ra: ra, size: size}, lim: lim, tree: newTree(lim.MaxEntries),
		budget: budget{left: allowed, size: size, allowed: allowed},
	}
	if name.Ext == ".conda" {
		err = p.conda(name.stem())
	} else {
		err = p.tarBz2()
	}
	if err == nil {
		err = p.tree.finish()
	}
	if err != nil {
		return nil, err
	}
	return p.info(name, subdir, now)
}

// inspection is one run of [Inspect].
type inspection struct {
	src    *source
	lim    Limits
	tree   *tree
	budget budget

	index, about, runExports []byte // files of info/, nil where absent
}

// conda reads the outer archive and both inner ones.
func (p *inspection) conda(stem string) error {
	const what = "the .conda file"
	members, err := readZip(p.src)
	if err != nil {
		return p.src.fault(err, what)
	}
	metadata, info, pkg, err := pick(members, stem)
	if err != nil {
		return err
	}
	if err := p.metadata(metadata); err != nil {
		return p.src.fault(err, "metadata.json")
	}
	for _, m := range [...]*zipMember{info, pkg} {
		if err := p.member(m, m == info); err != nil {
			return p.src.fault(err, "the member "+clip(m.name)+" of "+what)
		}
	}
	return nil
}

// metadata checks the version of the format (CEP 35).
func (p *inspection) metadata(m *zipMember) error {
	const most = 16 << 10
	if m.size > most {
		return m.bad("is too large")
	}
	raw, err := io.ReadAll(m.open(p.src))
	if err != nil {
		return err
	}
	members, err := object(raw, "metadata.json")
	if err != nil {
		return err
	}
	if v := string(members["conda_pkg_format_version"]); v != "2" {
		return invalid("metadata.json has the conda_pkg_format_version %s: 2 is expected", clip(v))
	}
	return nil
}

// member reads one of the inner archives: that of info/, or that of all else.
func (p *inspection) member(m *zipMember, info bool) error {
	window, err := m.checkFrame(p.src, p.lim.MaxWindow)
	if err != nil {
		return err
	}
	place := func(path string, kind byte) error {
		first, _, _ := strings.Cut(path, "/")
		if (first == "info") == info || kind == tar.TypeDir && (path == "." || path == "info") {
			return nil // writers differ on where info/ itself goes
		}
		if info {
			return invalid("the entry %s is in the info- archive: only what is below info/ is expected there (CEP 35)", clip(path))
		}
		return invalid("the entry %s is in the pkg- archive: what is below info/ is expected in the other (CEP 35)", clip(path))
	}
	return unzstd(m.open(p.src), window, func(r io.Reader) error { return p.walk(r, place) })
}

// tarBz2 reads a package of the older format.
func (p *inspection) tarBz2() error {
	r := bufio.NewReaderSize(io.NewSectionReader(p.src, 0, p.src.size), 64<<10)
	err := p.walk(bzip2.NewReader(r), func(string, byte) error { return nil })
	if err != nil {
		return p.src.fault(err, "the .tar.bz2 file")
	}
	return nil
}

// walk reads a tar archive to its end; place says whether an entry may be in it.
func (p *inspection) walk(r io.Reader, place func(path string, kind byte) error) (err error) {
	r = &meter{r: r, budget: &p.budget}
	defer func() {
		if over := p.budget.check(); over != nil {
			err = over // whatever the tar reader made of it
		}
	}()
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if err == io.EOF { //nolint:errorlint // a wrapped EOF is no end of a stream
			return drain(r)
		}
		if err != nil {
			return err
		}
		path, err := p.tree.add(h)
		if err != nil {
			return err
		}
		if h.Size > p.budget.left {
			p.budget.left = -1
			return p.budget.check()
		}
		if first, _, _ := strings.Cut(path, "/"); first != "info" && strings.EqualFold(first, "info") {
			return invalid("the entry %s takes the place of info/ where case does not matter", clip(path))
		}
		if err := place(path, h.Typeflag); err != nil {
			return err
		}
		if err := p.file(path, h, archive); err != nil {
			return err
		}
	}
}

// file takes what matters out of an entry.
func (p *inspection) file(path string, h *tar.Header, r io.Reader) error {
	var keep *[]byte
	var read func(io.Reader) error
	most := p.lim.MaxInfoFile
	switch path {
	case "info/index.json":
		keep, most = &p.index, p.lim.MaxIndexJSON
	case "info/about.json":
		keep = &p.about
	case "info/run_exports.json":
		keep = &p.runExports
	case "info/link.json":
		keep = new([]byte)
		read = func(io.Reader) error { return checkLinkJSON(*keep) }
	case "info/paths.json":
		read, most = checkPathsJSON, p.lim.MaxPathsJSON
	case "info/files", "info/no_link":
		read, most = checkFileList, p.lim.MaxPathsJSON
	default:
		return nil
	}
	if h.Typeflag != tar.TypeReg {
		return invalid("%s is no plain file", path)
	}
	if h.Size > most {
		return invalid("%s has %d bytes: at most %d are accepted", path, h.Size, most)
	}
	if keep != nil {
		b := bytes.NewBuffer(make([]byte, 0, h.Size))
		if _, err := io.Copy(b, r); err != nil {
			return err
		}
		*keep = b.Bytes()
	}
	if read != nil {
		return read(r)
	}
	return nil
}

// info makes sense of the files that were kept.
func (p *inspection) info(name Filename, subdir string, now time.Time) (*Info, error) {
	if p.index == nil {
		return nil, invalid("the package has no info/index.json")
	}
	i := &Info{Filename: name, Subdir: subdir, Name: name.Name, Version: name.Version, Build: name.Build, Index: p.index}
	if err := i.readIndex(now.Add(p.lim.FutureTolerance).UnixMilli()); err != nil {
		return nil, err
	}
	var err error
	if i.RunExports, err = readRunExports(p.runExports); err != nil {
		return nil, err
	}
	if p.about != nil {
		if _, err := object(p.about, "info/about.json"); err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := json.Compact(&b, p.about); err != nil {
			return nil, invalid("info/about.json is not valid JSON")
		}
		i.About = b.Bytes()
	}
	return i, nil
}
