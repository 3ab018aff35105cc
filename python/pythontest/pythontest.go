// Package pythontest builds small wheels and source distributions for tests:
// sound archives as real tools make them, the same bytes for the same [Spec].
package pythontest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fairwayhq/fairway/python"
)

// Spec says what a distribution is to hold. Name and Version are all that must
// be set; they go into the metadata as they are, and normalised into the names
// of the file and of its directories.
type Spec struct {
	Name    string
	Version string
	// Tag is the wheel's tags, "py3-none-any" by default, after a build tag if
	// one is wanted: "1-cp313-cp313-win32".
	Tag            string
	RequiresPython string
	RequiresDist   []string
	// Metadata holds more lines of core metadata, each with its line end.
	Metadata string
	// Description is the text below the metadata's fields.
	Description string
	// Files maps paths to contents: those of a wheel relative to site-packages,
	// those of a source distribution to its directory. By default there is one
	// module, which sets __version__.
	Files map[string]string
}

// Wheel builds a wheel (PEP 427).
func Wheel(s Spec) (filename string, data []byte) {
	stem := s.stem()
	tag := s.Tag
	if tag == "" {
		tag = "py3-none-any"
	}
	files := s.files()
	info := stem + ".dist-info/"
	files[info+"METADATA"] = s.CoreMetadata()
	files[info+"WHEEL"] = s.wheelFile(tag)
	files[info+"RECORD"] = record(files, info+"RECORD")
	var members []string
	for name := range files {
		if !strings.HasPrefix(name, info) {
			members = append(members, name)
		}
	}
	slices.Sort(members)
	members = append(members, info+"METADATA", info+"WHEEL", info+"RECORD")
	return stem + "-" + tag + ".whl", Zip(members, files)
}

// Sdist builds a source distribution (PEP 625).
func Sdist(s Spec) (filename string, data []byte) {
	files := s.files()
	files["PKG-INFO"] = s.CoreMetadata()
	if _, given := files["pyproject.toml"]; !given {
		files["pyproject.toml"] = "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n"
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		must(t.WriteHeader(&tar.Header{Name: s.stem() + "/" + name, Mode: 0o644, Size: int64(len(content)), Format: tar.FormatUSTAR}))
		_, err := t.Write([]byte(content))
		must(err)
	}
	must(t.Close())
	must(z.Close())
	return s.stem() + ".tar.gz", b.Bytes()
}

// CoreMetadata is what the archives hold as METADATA or PKG-INFO.
func (s Spec) CoreMetadata() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Metadata-Version: 2.1\nName: %s\nVersion: %s\n", s.Name, s.Version)
	if s.RequiresPython != "" {
		fmt.Fprintf(&b, "Requires-Python: %s\n", s.RequiresPython)
	}
	for _, r := range s.RequiresDist {
		fmt.Fprintf(&b, "Requires-Dist: %s\n", r)
	}
	b.WriteString(s.Metadata)
	if s.Description != "" {
		b.WriteString("\n" + s.Description)
	}
	return b.String()
}

// Zip builds a zip archive of members in that order, as Python's zipfile does:
// deflated, the sizes before the data.
func Zip(members []string, files map[string]string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range members {
		content := []byte(files[name])
		var packed bytes.Buffer
		f, err := flate.NewWriter(&packed, flate.DefaultCompression)
		must(err)
		_, err = f.Write(content)
		must(err)
		must(f.Close())
		h := &zip.FileHeader{
			Name: name, Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(content),
			CompressedSize64: uint64(packed.Len()), UncompressedSize64: uint64(len(content)),
			CreatorVersion: 3<<8 | 20, ReaderVersion: 20, ExternalAttrs: 0o100644 << 16,
		}
		m, err := w.CreateRaw(h)
		must(err)
		_, err = m.Write(packed.Bytes())
		must(err)
	}
	must(w.Close())
	return b.Bytes()
}

// module is the name of the project as a module's and as file names have it.
func (s Spec) module() string {
	return strings.ReplaceAll(python.Normalise(s.Name), "-", "_")
}

// stem is {name}-{version}, both normalised.
func (s Spec) stem() string { return s.module() + "-" + python.CanonicalVersion(s.Version) }

func (s Spec) files() map[string]string {
	if s.Files != nil {
		return maps.Clone(s.Files)
	}
	return map[string]string{s.module() + "/__init__.py": fmt.Sprintf("__version__ = %q\n", s.Version)}
}

func (s Spec) wheelFile(tag string) string {
	var b strings.Builder
	parts := strings.Split(tag, "-")
	if len(parts) == 4 {
		fmt.Fprintf(&b, "Build: %s\n", parts[0])
		parts = parts[1:]
	}
	for _, py := range strings.Split(parts[0], ".") {
		for _, abi := range strings.Split(parts[1], ".") {
			for _, platform := range strings.Split(parts[2], ".") {
				fmt.Fprintf(&b, "Tag: %s-%s-%s\n", py, abi, platform)
			}
		}
	}
	pure := strings.HasSuffix(tag, "-none-any")
	return fmt.Sprintf("Wheel-Version: 1.0\nGenerator: pythontest\nRoot-Is-Purelib: %t\n%s", pure, b.String())
}

func record(files map[string]string, self string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256([]byte(files[name]))
		must(w.Write([]string{name, "sha256=" + base64.RawURLEncoding.EncodeToString(sum[:]), strconv.Itoa(len(files[name]))}))
	}
	must(w.Write([]string{self, "", ""}))
	w.Flush()
	return b.String()
}

// must panics: writing to memory does not fail, and a wrong Spec is a fault in
// a test.
func must(err error) {
	if err != nil {
		panic("building a distribution for a test: " + err.Error())
	}
}
