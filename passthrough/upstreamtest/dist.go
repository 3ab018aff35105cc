package upstreamtest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Metadata is the METADATA of the wheels and sdists made here.
func Metadata(name, version string, requires ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "Metadata-Version: 2.1\nName: %s\nVersion: %s\nSummary: A test package\n", name, version)
	for _, r := range requires {
		fmt.Fprintf(&b, "Requires-Dist: %s\n", r)
	}
	return []byte(b.String())
}

// Wheel is a sound wheel that pip installs.
func Wheel(name, version string, requires ...string) []byte {
	return WheelWith(name, version, nil, requires...)
}

// WheelWith is a wheel with a file of data in it, to make it large.
func WheelWith(name, version string, data []byte, requires ...string) []byte {
	module := strings.ReplaceAll(name, "-", "_")
	info := module + "-" + version + ".dist-info"
	members := []struct {
		name string
		body []byte
	}{
		{module + "/__init__.py", []byte("__version__ = \"" + version + "\"\n")},
		{info + "/METADATA", Metadata(name, version, requires...)},
		{info + "/WHEEL", []byte("Wheel-Version: 1.0\nGenerator: upstreamtest\nRoot-Is-Purelib: true\nTag: py3-none-any\n")},
	}
	if data != nil {
		members = append(members, members[0])
		members[0].name, members[0].body = module+"/data.bin", data
	}
	var record strings.Builder
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	add := func(name string, body []byte) {
		method := zip.Deflate
		if len(body) > 1<<16 {
			method = zip.Store
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(body)
	}
	for _, m := range members {
		sum := sha256.Sum256(m.body)
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", m.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(m.body))
		add(m.name, m.body)
	}
	fmt.Fprintf(&record, "%s/RECORD,,\n", info)
	add(info+"/RECORD", []byte(record.String()))
	_ = z.Close()
	return out.Bytes()
}

// Sdist is a sound source distribution.
func Sdist(name, version string) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	root := name + "-" + version + "/"
	for _, m := range []struct {
		name string
		body []byte
	}{
		{"PKG-INFO", Metadata(name, version)},
		{"pyproject.toml", []byte("[project]\nname = \"" + name + "\"\nversion = \"" + version + "\"\n")},
	} {
		_ = w.WriteHeader(&tar.Header{Name: root + m.name, Mode: 0o644, Size: int64(len(m.body)), Typeflag: tar.TypeReg})
		_, _ = w.Write(m.body)
	}
	_ = w.Close()
	_ = z.Close()
	return out.Bytes()
}

// Project is a list of n wheels of one project, one a version, each uploaded a
// day after the one before it, the last at until.
func Project(name string, n int, until time.Time) []File {
	module := strings.ReplaceAll(name, "-", "_")
	files := make([]File, n)
	for i := range n {
		version := fmt.Sprintf("%d.%d.%d", i/400, i/20%20, i%20)
		files[i] = File{
			Filename: module + "-" + version + "-py3-none-any.whl", Content: []byte(name + version),
			UploadTime: until.AddDate(0, 0, i-n+1), RequiresPython: ">=3.9", Metadata: Metadata(name, version),
		}
	}
	return files
}
