package gateway

import (
	"cmp"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/conda"
)

// findPackages lists what an import is to publish, by subdir and name. Links are
// followed: an operator's folder may be put together of them.
func findPackages(dir string) (files []*importFile, refused []ImportRefusal, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, Errorf(http.StatusBadRequest, "the folder cannot be read: %s", err.Error())
	}
	for _, e := range entries {
		subdir := e.Name()
		if !conda.ValidSubdir(subdir) {
			continue
		}
		if kind, err := kindOf(dir, e); err != nil || !kind.IsDir() {
			continue
		}
		inside, err := os.ReadDir(filepath.Join(dir, subdir))
		if err != nil {
			return nil, nil, Errorf(http.StatusBadRequest, "the folder cannot be read: %s", err.Error())
		}
		for _, f := range inside {
			name := f.Name()
			if f.IsDir() || strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".conda") && !strings.HasSuffix(name, ".tar.bz2") {
				continue
			}
			if err := importable(filepath.Join(dir, subdir), f); err != nil {
				refused = append(refused, ImportRefusal{subdir + "/" + name, err.Error()})
				continue
			}
			files = append(files, &importFile{subdir: subdir, name: name, path: filepath.Join(dir, subdir, name)})
		}
	}
	if len(files)+len(refused) == 0 {
		return nil, nil, Errorf(http.StatusBadRequest, "%s holds no package: folders such as noarch or linux-64 with .conda or .tar.bz2 files are expected in it", dir)
	}
	slices.SortFunc(files, func(a, b *importFile) int {
		return cmp.Or(strings.Compare(a.subdir, b.subdir), strings.Compare(a.name, b.name))
	})
	return files, refused, nil
}

// importable says why an entry is not even tried. To open a pipe would wait for
// whoever writes to it.
func importable(dir string, e fs.DirEntry) error {
	if _, err := conda.ParseFilename(e.Name()); err != nil {
		return err
	}
	kind, err := kindOf(dir, e)
	switch {
	case err != nil:
		return unreadable(err)
	case !kind.IsRegular():
		return Errorf(http.StatusBadRequest, "it is no file")
	}
	return nil
}

// kindOf is what an entry is, or leads to.
func kindOf(dir string, e fs.DirEntry) (fs.FileMode, error) {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type(), nil
	}
	info, err := os.Stat(filepath.Join(dir, e.Name()))
	if err != nil {
		return 0, err
	}
	return info.Mode().Type(), nil
}

func unreadable(err error) error {
	return Errorf(http.StatusBadRequest, "it cannot be read: %s", err.Error())
}

// importReader reads a file that is imported and remembers its fault, which is none of
// the gateway's own disk.
type importReader struct {
	file *os.File
	err  error
}

// Read implements io.Reader.
func (r *importReader) Read(p []byte) (int, error) {
	n, err := r.file.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // a wrapped EOF is no end of a stream
		r.err = err
	}
	return n, err
}

var _ io.Reader = (*importReader)(nil)
