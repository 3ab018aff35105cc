package python_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/python/pythontest"
)

var le = binary.LittleEndian

// zmember is a member of a zip archive whose every byte a test can choose.
type zmember struct {
	name, data string
	method     uint16 // 0 stored, 8 deflated
	flags      uint16
	extra      []byte              // in both places
	localExtra []byte              // before the data, instead of extra
	local      func(header []byte) // changes the header before the data
	central    func(header []byte) // changes the directory's
	localName  string              // instead of name
	packed     []byte              // instead of data, compressed
	after      []byte              // behind the data
}

// rawZip writes members, then what end makes of the directory's place.
func rawZip(members []zmember, end func(dir []byte, offset, count int) []byte) []byte {
	var out, dir []byte
	for _, m := range members {
		packed := m.packed
		if packed == nil {
			packed = []byte(m.data)
			if m.method == 8 {
				packed = deflated(m.data)
			}
		}
		sum := crc32.ChecksumIEEE([]byte(m.data))
		common := func(h []byte, at int) {
			le.PutUint16(h[at:], 20)
			le.PutUint16(h[at+2:], m.flags)
			le.PutUint16(h[at+4:], m.method)
			le.PutUint32(h[at+10:], sum)
			le.PutUint32(h[at+14:], uint32(len(packed)))
			le.PutUint32(h[at+18:], uint32(len(m.data)))
			le.PutUint16(h[at+24:], uint16(len(m.extra)))
		}
		localName := m.name
		if m.localName != "" {
			localName = m.localName
		}
		l, c := make([]byte, 30), make([]byte, 46)
		le.PutUint32(l, 0x04034b50)
		common(l, 4)
		le.PutUint16(l[26:], uint16(len(localName)))
		le.PutUint32(c, 0x02014b50)
		common(c, 6)
		le.PutUint16(c[28:], uint16(len(m.name)))
		le.PutUint32(c[38:], 0o100644<<16)
		le.PutUint32(c[42:], uint32(len(out)))
		localExtra := m.extra
		if m.localExtra != nil {
			localExtra = m.localExtra
			le.PutUint16(l[28:], uint16(len(localExtra)))
		}
		if m.local != nil {
			m.local(l)
		}
		if m.central != nil {
			m.central(c)
		}
		out = slices.Concat(out, l, []byte(localName), localExtra, packed, m.after)
		dir = slices.Concat(dir, c, []byte(m.name), m.extra)
	}
	if end == nil {
		end = func(dir []byte, offset, count int) []byte { return append(dir, zipEnd(len(dir), offset, count)...) }
	}
	return append(out, end(dir, len(out), len(members))...)
}

func zipEnd(length, offset, count int) []byte {
	b := make([]byte, 22)
	le.PutUint32(b, 0x06054b50)
	le.PutUint16(b[8:], uint16(count))
	le.PutUint16(b[10:], uint16(count))
	le.PutUint32(b[12:], uint32(length))
	le.PutUint32(b[16:], uint32(offset))
	return b
}

// zipEnd64 is a zip64 end record with its locator.
func zipEnd64(length, offset, count int) []byte {
	b := make([]byte, 76)
	le.PutUint32(b, 0x06064b50)
	le.PutUint64(b[4:], 44)
	le.PutUint64(b[24:], uint64(count))
	le.PutUint64(b[32:], uint64(count))
	le.PutUint64(b[40:], uint64(length))
	le.PutUint64(b[48:], uint64(offset))
	le.PutUint32(b[56:], 0x07064b50)
	le.PutUint64(b[64:], uint64(offset+length))
	le.PutUint32(b[72:], 1)
	return b
}

func deflated(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6)
	io.WriteString(w, s)
	w.Close()
	return b.Bytes()
}

// wheelMembers are those of a sound wheel; files are added, listed in RECORD.
func wheelMembers(t testing.TB, s pythontest.Spec) (string, []zmember) {
	t.Helper()
	filename, data := pythontest.Wheel(s)
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out []zmember
	for _, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, zmember{name: f.Name, data: string(content), method: 8})
	}
	return filename, out
}

// tarball writes a source distribution of ours 1.0 with PKG-INFO and headers, of
// which each has Size bytes of content.
func tarball(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	info := pythontest.Spec{Name: "ours", Version: "1.0"}.CoreMetadata()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	write := func(h tar.Header, content []byte) {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	write(tar.Header{Name: "ours-1.0/PKG-INFO", Size: int64(len(info))}, []byte(info))
	for _, h := range headers {
		write(h, make([]byte, h.Size))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(raw []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(raw)
	z.Close()
	return b.Bytes()
}

func gunzipped(t testing.TB, packed []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// counter counts the bytes that are read of an archive.
type counter struct {
	r    io.ReaderAt
	read int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.read += int64(n)
	return n, err
}

func inspect(data []byte, filename string, lim python.Limits) (*python.Dist, error) {
	return python.Inspect(bytes.NewReader(data), int64(len(data)), filename, lim)
}

// refused checks that it was, for a stated reason in one line.
func refused(t *testing.T, name string, err error) {
	t.Helper()
	var inv *python.InvalidError
	if !errors.As(err, &inv) {
		t.Errorf("%s: not refused: %v", name, err)
	} else if len(err.Error()) > 500 || bytes.ContainsAny([]byte(err.Error()), "\n\x00") {
		t.Errorf("%s: the reason is not one line: %q", name, err)
	}
}
