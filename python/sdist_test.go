package python_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/python/pythontest"
)

func TestInspectSdist(t *testing.T) {
	t.Parallel()
	spec := pythontest.Spec{Name: "Ours.More", Version: "1.0", RequiresDist: []string{"a>=1"}}
	filename, data := pythontest.Sdist(spec)
	zipped := pythontest.Zip([]string{"Ours.More-1.0/PKG-INFO"}, map[string]string{"Ours.More-1.0/PKG-INFO": spec.CoreMetadata()})
	for name, data := range map[string][]byte{filename: data, "Ours.More-1.0.zip": zipped} {
		d, err := inspect(data, name, python.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d.File.Kind != python.Sdist || d.File.Name != "ours-more" || d.Metadata.RequiresDist[0] != "a>=1" || string(d.RawMetadata) != spec.CoreMetadata() {
			t.Errorf("%s is %+v", name, d)
		}
	}
}

// What real tools put into source distributions.
func TestSoundSdists(t *testing.T) {
	t.Parallel()
	long := "ours-1.0/" + strings.Repeat("long/", 30) + "é.py"
	for name, data := range map[string][]byte{
		"directories": tarball(t, tar.Header{Name: "ours-1.0/", Typeflag: tar.TypeDir}, tar.Header{Name: "ours-1.0/src/", Typeflag: tar.TypeDir}, tar.Header{Name: "ours-1.0/src/", Typeflag: tar.TypeDir}),
		"PAX names":   tarball(t, tar.Header{Name: long, Size: 5, Format: tar.FormatPAX, PAXRecords: map[string]string{"mtime": "1.5"}}),
		"GNU names":   tarball(t, tar.Header{Name: long, Size: 5, Format: tar.FormatGNU}),
		"git archive": tarball(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": strings.Repeat("0", 40)}}),
		"links inside": tarball(t,
			tar.Header{Name: "ours-1.0/a/LICENSE", Typeflag: tar.TypeSymlink, Linkname: "../LICENSE"},
			tar.Header{Name: "ours-1.0/README", Typeflag: tar.TypeSymlink, Linkname: "docs/README.md"},
			tar.Header{Name: "ours-1.0/b", Typeflag: tar.TypeLink, Linkname: "ours-1.0/PKG-INFO"}),
		"PAX size, as uv writes it": gzipped(paxed(t, fmt.Sprintf("size=%d", size(t)), "path=ours-1.0/PKG-INFO")),
		"padding":                   gzipped(append(gunzipped(t, tarball(t)), make([]byte, 9000)...)),
	} {
		if _, err := inspect(data, "ours-1.0.tar.gz", python.Limits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHostileSdists(t *testing.T) {
	t.Parallel()
	one := func(h tar.Header) []byte { return tarball(t, h) }
	link := func(name, target string) []byte {
		return one(tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target})
	}
	hard := func(name, target string) []byte {
		return one(tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target})
	}
	good := tarball(t)
	raw := gunzipped(t, good)
	for name, data := range map[string][]byte{
		"empty":                      {},
		"not gzip":                   raw,
		"gzip of nothing":            gzipped(nil),
		"gzip of text":               gzipped([]byte(strings.Repeat("text ", 500))),
		"truncated":                  good[:len(good)-9],
		"bad checksum":               corruptTail(good),
		"cut in the middle":          gzipped(raw[:530]),
		"trailing data":              append(slices.Clone(good), "more"...),
		"second gzip member":         slices.Concat(good, good),
		"archive behind the archive": gzipped(slices.Concat(raw, raw)),
		"no PKG-INFO":                gzipped(emptyTar(t)),
		"PKG-INFO is a directory":    tarOnly(t, tar.Header{Name: "ours-1.0/PKG-INFO/", Typeflag: tar.TypeDir}),
		"PKG-INFO is a link":         tarOnly(t, tar.Header{Name: "ours-1.0/PKG-INFO", Typeflag: tar.TypeSymlink, Linkname: "x"}),
		"PKG-INFO empty":             tarOnly(t, tar.Header{Name: "ours-1.0/PKG-INFO"}),
		"PKG-INFO huge":              tarOnly(t, tar.Header{Name: "ours-1.0/PKG-INFO", Size: 5 << 20}),
		"PKG-INFO twice":             one(tar.Header{Name: "ours-1.0/PKG-INFO"}),
		"PKG-INFO deeper":            tarOnly(t, tar.Header{Name: "ours-1.0/ours/PKG-INFO"}),
		"second directory":           one(tar.Header{Name: "theirs-1.0/x"}),
		"file beside":                one(tar.Header{Name: "setup.py"}),
		"directory of another":       tarOnly(t, tar.Header{Name: "theirs-1.0/PKG-INFO"}),
		"directory of another time":  tarOnly(t, tar.Header{Name: "ours-1.1/PKG-INFO"}),
		"duplicate":                  tarball(t, tar.Header{Name: "ours-1.0/a"}, tar.Header{Name: "ours-1.0/a"}),
		"file and directory":         tarball(t, tar.Header{Name: "ours-1.0/a"}, tar.Header{Name: "ours-1.0/a/", Typeflag: tar.TypeDir}),
		"file and link":              tarball(t, tar.Header{Name: "ours-1.0/a"}, tar.Header{Name: "ours-1.0/a", Typeflag: tar.TypeSymlink, Linkname: "b"}),
		"traversal":                  one(tar.Header{Name: "ours-1.0/../../evil"}),
		"traversal first":            one(tar.Header{Name: "../evil"}),
		"absolute":                   one(tar.Header{Name: "/etc/evil"}),
		"dot":                        one(tar.Header{Name: "./ours-1.0/a"}),
		"backslash":                  one(tar.Header{Name: `ours-1.0\evil`}),
		"not UTF-8":                  one(tar.Header{Name: "ours-1.0/\xff", Format: tar.FormatGNU}),
		"too deep":                   one(tar.Header{Name: "ours-1.0/" + strings.Repeat("x/", 100) + "x"}),
		"link up":                    link("ours-1.0/a", "../evil"),
		"link far up":                link("ours-1.0/a/b", "../../../../etc/passwd"),
		"link to the directory":      link("ours-1.0/a/b", ".."),
		"link absolute":              link("ours-1.0/a", "/etc/passwd"),
		"link to nothing":            link("ours-1.0/a", ""),
		"link with a backslash":      link("ours-1.0/a", `..\evil`),
		"link down and up":           link("ours-1.0/a", "b/../../ours-1.0/c"),
		"hard link up":               hard("ours-1.0/a", "../evil"),
		"hard link absolute":         hard("ours-1.0/a", "/etc/passwd"),
		"hard link beside":           hard("ours-1.0/a", "theirs-1.0/a"),
		"hard link up within":        hard("ours-1.0/a", "ours-1.0/../../evil"),
		"written through a link": tarball(t,
			tar.Header{Name: "ours-1.0/d", Typeflag: tar.TypeSymlink, Linkname: "src"}, tar.Header{Name: "ours-1.0/d/evil"}),
		"linked through a link": tarball(t,
			tar.Header{Name: "ours-1.0/d", Typeflag: tar.TypeSymlink, Linkname: "src"}, tar.Header{Name: "ours-1.0/e", Typeflag: tar.TypeLink, Linkname: "ours-1.0/d/x"}),
		"character device":            one(tar.Header{Name: "ours-1.0/a", Typeflag: tar.TypeChar}),
		"block device":                one(tar.Header{Name: "ours-1.0/a", Typeflag: tar.TypeBlock}),
		"pipe":                        one(tar.Header{Name: "ours-1.0/a", Typeflag: tar.TypeFifo}),
		"contiguous":                  gzipped(retyped(raw, '7')),
		"unknown type":                gzipped(retyped(raw, 'Z')),
		"GNU sparse":                  gzipped(retyped(raw, 'S')),
		"PAX size":                    gzipped(paxed(t, "size=5")),
		"PAX size twice":              gzipped(paxed(t, "size=600", "size=46")),
		"PAX size wrong, then right":  gzipped(paxed(t, "size=600", fmt.Sprintf("size=%d", size(t)))),
		"PAX size before another PAX": gzipped(append(paxed(t, "size=600")[:1024], paxed(t, fmt.Sprintf("size=%d", size(t)))...)),
		"PAX path twice":              gzipped(paxed(t, "path=ours-1.0/setup.py", "path=ours-1.0/PKG-INFO")),
		"PAX endless":                 gzipped(paxed(t, "comment="+strings.Repeat("x", 1<<20-100))),
		"PAX sparse":                  gzipped(paxed(t, "GNU.sparse.major=1", "GNU.sparse.minor=0")),
		"PAX sparse 0.1":              gzipped(paxed(t, "GNU.sparse.map=0,5", "GNU.sparse.size=5", "GNU.sparse.numblocks=1")),
		"PAX malformed":               gzipped(paxed(t, "path")),
		"PAX path up":                 gzipped(paxed(t, "path=../evil")),
		"PAX global with path":        one(tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "evil"}}),
	} {
		_, err := inspect(data, "ours-1.0.tar.gz", python.Limits{})
		refused(t, name, err)
	}
	for _, wrong := range []string{"theirs-1.0.tar.gz", "ours-1.1.tar.gz", "ours-more-1.0.tar.gz", "ours-1.0.zip", "ours-1.0.tar.bz2", "ours.tar.gz"} {
		_, err := inspect(good, wrong, python.Limits{})
		refused(t, wrong, err)
	}
}

// tarOnly is an archive of one member, its content zeros.
func tarOnly(t *testing.T, h tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if h.Typeflag == 0 {
		h.Typeflag = tar.TypeReg
	}
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, h.Size))
	w.Close()
	return gzipped(b.Bytes())
}

func emptyTar(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tar.NewWriter(&b).Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// retyped changes the type of the first member.
func retyped(raw []byte, kind byte) []byte {
	out := slices.Clone(raw)
	out[156] = kind
	return summed(out)
}

// summed repairs the checksum of the first header.
func summed(raw []byte) []byte {
	copy(raw[148:156], "        ")
	sum := 0
	for _, c := range raw[:512] {
		sum += int(c)
	}
	copy(raw[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return raw
}

// size is that of the only member's content.
func size(t *testing.T) int64 {
	t.Helper()
	h, err := tar.NewReader(bytes.NewReader(gunzipped(t, tarball(t)))).Next()
	if err != nil {
		t.Fatal(err)
	}
	return h.Size
}

// paxed puts extended attributes before the only member.
func paxed(t *testing.T, attributes ...string) []byte {
	t.Helper()
	var records string
	for _, a := range attributes {
		n := len(a) + len("n \n")
		for n < len(a)+len(fmt.Sprintf("%d \n", n)) {
			n++
		}
		records += fmt.Sprintf("%d %s\n", n, a)
	}
	head := make([]byte, 512+(len(records)+511)/512*512)
	copy(head, "PaxHeaders/x")
	copy(head[124:], fmt.Sprintf("%011o", len(records)))
	head[156] = 'x'
	copy(head[257:], "ustar\x0000")
	copy(head[512:], records)
	return append(summed(head), gunzipped(t, tarball(t))...)
}

func corruptTail(packed []byte) []byte {
	out := slices.Clone(packed)
	out[len(out)-5] ^= 1
	return out
}

func TestSdistBombs(t *testing.T) {
	t.Parallel()
	// A million empty members, and 64 MiB of zeros: small files both.
	var many bytes.Buffer
	z, _ := gzip.NewWriterLevel(&many, gzip.BestSpeed)
	z.Write(gunzipped(t, tarball(t))[:1024])
	header := make([]byte, 512)
	copy(header[257:], "ustar\x0000")
	copy(header[124:], "00000000000")
	header[156] = '0'
	for i := range 110_000 {
		copy(header, fmt.Sprintf("ours-1.0/%06d", i))
		z.Write(summed(header))
	}
	z.Write(make([]byte, 1024))
	z.Close()
	for name, test := range map[string]struct {
		data []byte
		lim  python.Limits
	}{
		"many members":     {many.Bytes(), python.Limits{}},
		"few members":      {tarball(t, tar.Header{Name: "ours-1.0/a"}), python.Limits{MaxEntries: 1}},
		"large member":     {tarball(t, tar.Header{Name: "ours-1.0/a", Size: 8 << 20}), python.Limits{RatioFrom: 4 << 20}},
		"large in total":   {tarball(t, tar.Header{Name: "ours-1.0/a", Size: 3 << 20}, tar.Header{Name: "ours-1.0/b", Size: 3 << 20}), python.Limits{RatioFrom: 4 << 20}},
		"padding":          {gzipped(append(gunzipped(t, tarball(t)), make([]byte, 8<<20)...)), python.Limits{RatioFrom: 4 << 20}},
		"beyond the limit": {tarball(t, tar.Header{Name: "ours-1.0/a", Size: 1 << 20}), python.Limits{MaxUnpacked: 1 << 20}},
		"large metadata":   {tarball(t), python.Limits{MaxMetadata: 10}},
	} {
		_, err := inspect(test.data, "ours-1.0.tar.gz", test.lim)
		refused(t, name, err)
	}
	// Defaults: up to 64 MiB any ratio is fine, beyond it 50.
	if _, err := inspect(tarball(t, tar.Header{Name: "ours-1.0/a", Size: 63 << 20}), "ours-1.0.tar.gz", python.Limits{}); err != nil {
		t.Error(err)
	}
	_, err := inspect(tarball(t, tar.Header{Name: "ours-1.0/a", Size: 65 << 20}), "ours-1.0.tar.gz", python.Limits{})
	refused(t, "65 MiB of zeros", err)
}

func TestHostileZipSdists(t *testing.T) {
	t.Parallel()
	info := pythontest.Spec{Name: "ours", Version: "1.0"}.CoreMetadata()
	for name, members := range map[string][]zmember{
		"no members":       nil,
		"no PKG-INFO":      {{name: "ours-1.0/setup.py"}},
		"second directory": {{name: "ours-1.0/PKG-INFO", data: info}, {name: "theirs-1.0/PKG-INFO", data: info}},
		"file beside":      {{name: "ours-1.0/PKG-INFO", data: info}, {name: "PKG-INFO", data: info}},
		"other project":    {{name: "theirs-1.0/PKG-INFO", data: info}},
		"duplicate":        {{name: "ours-1.0/PKG-INFO", data: info}, {name: "ours-1.0/PKG-INFO", data: info + "Summary: x\n"}},
		"traversal":        {{name: "ours-1.0/PKG-INFO", data: info}, {name: "ours-1.0/../x"}},
		"huge":             {{name: "ours-1.0/PKG-INFO", data: info + "\n" + strings.Repeat("x", 5<<20), method: 8}},
	} {
		_, err := inspect(rawZip(members, nil), "ours-1.0.zip", python.Limits{})
		refused(t, name, err)
	}
}
