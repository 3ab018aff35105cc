package condatest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Spec says what a package is to be. The zero value of a field takes the default
// stated beside it, so that Spec{Name: "foo"} is a whole package.
type Spec struct {
	Name    string // default "pkg"
	Version string // default "1.0"
	Build   string // default "0"
	Subdir  string // default "noarch"
	TarBz2  bool   // .tar.bz2 in place of .conda

	BuildNumber int64
	Noarch      string   // default "generic" in noarch, absent elsewhere
	Depends     []string // written as [] when nil
	Constrains  []string // absent when nil
	Timestamp   int64    // milliseconds since 1970; absent when 0
	License     string   // absent when ""

	Index      map[string]any    // further keys of info/index.json; they win, and a nil value takes a key out
	RunExports any               // info/run_exports.json; absent when nil
	About      map[string]any    // info/about.json; absent when nil
	Files      map[string]string // path -> content; listed in info/paths.json, unless below info/
}

// Filename is the file name of the package.
func (s Spec) Filename() string {
	ext := ".conda"
	if s.TarBz2 {
		ext = ".tar.bz2"
	}
	return s.stem() + ext
}

func (s Spec) stem() string {
	s = s.withDefaults()
	return s.Name + "-" + s.Version + "-" + s.Build
}

func (s Spec) withDefaults() Spec {
	for _, d := range []struct {
		v   *string
		def string
	}{{&s.Name, "pkg"}, {&s.Version, "1.0"}, {&s.Build, "0"}, {&s.Subdir, "noarch"}} {
		if *d.v == "" {
			*d.v = d.def
		}
	}
	if s.Noarch == "" && s.Subdir == "noarch" {
		s.Noarch = "generic"
	}
	return s
}

// Build makes the package: its file name and its bytes.
func Build(s Spec) (filename string, data []byte) {
	info, pkg := s.Members()
	if s.TarBz2 {
		return s.Filename(), Bzip2(Tar(append(info, pkg...)...))
	}
	return s.Filename(), Conda(s.stem(), Zstd(Tar(info...)), Zstd(Tar(pkg...)))
}

// Conda puts two compressed tar archives into the outer one of a .conda file,
// whose name without extension is stem.
func Conda(stem string, infoTarZst, pkgTarZst []byte) []byte {
	return Zip(
		Member{"metadata.json", []byte(`{"conda_pkg_format_version": 2}`)},
		Member{"pkg-" + stem + ".tar.zst", pkgTarZst},
		Member{"info-" + stem + ".tar.zst", infoTarZst},
	)
}

// Members are the entries of the package's metadata and of its content.
func (s Spec) Members() (info, pkg []*Entry) {
	s = s.withDefaults()
	files := map[string][]byte{"info/index.json": s.indexJSON(), "info/paths.json": s.pathsJSON()}
	if s.RunExports != nil {
		files["info/run_exports.json"] = encode(s.RunExports)
	}
	if s.About != nil {
		files["info/about.json"] = encode(s.About)
	}
	for path, content := range s.Files {
		if strings.HasPrefix(path, "info/") {
			files[path] = []byte(content)
		} else {
			pkg = append(pkg, File(path, content))
		}
	}
	for path, content := range files {
		info = append(info, File(path, string(content)))
	}
	byName := func(a, b *Entry) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(info, byName)
	slices.SortFunc(pkg, byName)
	return info, pkg
}

func (s Spec) indexJSON() []byte {
	index := map[string]any{
		"name": s.Name, "version": s.Version, "build": s.Build, "build_number": s.BuildNumber, "subdir": s.Subdir,
		"depends": append([]string{}, s.Depends...),
	}
	if os, arch, ok := strings.Cut(s.Subdir, "-"); ok {
		index["platform"], index["arch"] = os, map[string]string{"64": "x86_64", "32": "x86"}[arch]
		if index["arch"] == "" {
			index["arch"] = arch
		}
	}
	if s.Noarch != "" {
		index["noarch"] = s.Noarch
	}
	if s.Constrains != nil {
		index["constrains"] = s.Constrains
	}
	if s.Timestamp != 0 {
		index["timestamp"] = s.Timestamp
	}
	if s.License != "" {
		index["license"] = s.License
	}
	for k, v := range s.Index {
		if v == nil {
			delete(index, k)
		} else {
			index[k] = v
		}
	}
	return encode(index)
}

// pathsJSON lists the content as CEP 34 says.
func (s Spec) pathsJSON() []byte {
	type path struct {
		Path   string `json:"_path"`
		Type   string `json:"path_type"`
		SHA256 string `json:"sha256"`
		Size   int    `json:"size_in_bytes"`
	}
	paths := []path{}
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		if strings.HasPrefix(name, "info/") {
			continue
		}
		sum := sha256.Sum256([]byte(s.Files[name]))
		paths = append(paths, path{name, "hardlink", hex.EncodeToString(sum[:]), len(s.Files[name])})
	}
	return encode(map[string]any{"paths": paths, "paths_version": 1})
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	must(e.Encode(v))
	return b.Bytes()
}

// Entry is one entry of a tar archive: its header, and its content if it is a
// file.
type Entry struct {
	tar.Header
	Content []byte
}

// File is the entry of a plain file.
func File(path, content string) *Entry {
	return &Entry{
		Header:  tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1700000000, 0)},
		Content: []byte(content),
	}
}

// Link is the entry of a symbolic link ([tar.TypeSymlink]), of a hard one
// ([tar.TypeLink]), or of whatever else kind says.
func Link(kind byte, path, target string) *Entry {
	return &Entry{Header: tar.Header{Typeflag: kind, Name: path, Linkname: target, Mode: 0o777, ModTime: time.Unix(1700000000, 0)}}
}
