package conda_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/conda/condatest"
)

// with makes a package whose content has further entries, in both formats.
func with(entries ...*condatest.Entry) map[string][]byte {
	info, pkg := condatest.Spec{Files: map[string]string{"lib/real.txt": "x"}}.Members()
	pkg = append(pkg, entries...)
	return map[string][]byte{
		"pkg-1.0-0.conda":   condatest.Conda("pkg-1.0-0", condatest.Zstd(condatest.Tar(info...)), condatest.Zstd(condatest.Tar(pkg...))),
		"pkg-1.0-0.tar.bz2": condatest.Bzip2(condatest.Tar(append(info, pkg...)...)),
	}
}

func pax(e *condatest.Entry, key, value string) *condatest.Entry {
	e.PAXRecords = map[string]string{key: value}
	e.Format = tar.FormatPAX
	return e
}

// TestHostileTar has entries that would harm whoever unpacks them, or mean
// different things to different readers.
func TestHostileTar(t *testing.T) {
	t.Parallel()
	file, link := condatest.File, condatest.Link
	for name, c := range map[string]struct {
		entries []*condatest.Entry
		why     string // "" for what has to be accepted
	}{
		"parent":                     {[]*condatest.Entry{file("../evil", "x")}, `the path "../evil" leads out`},
		"parent inside":              {[]*condatest.Entry{file("lib/../../evil", "x")}, "leads out"},
		"absolute":                   {[]*condatest.Entry{file("/etc/passwd", "x")}, "leads out"},
		"backslashes":                {[]*condatest.Entry{file(`..\..\evil`, "x")}, "leads out"},
		"absolute with backslash":    {[]*condatest.Entry{file(`\evil`, "x")}, "is absolute"},
		"drive":                      {[]*condatest.Entry{file(`c:evil`, "x")}, "names a drive"},
		"control character":          {[]*condatest.Entry{file("lib/a\nb", "x")}, "control characters"},
		"not UTF-8":                  {[]*condatest.Entry{file("lib/\xff\xfe", "x")}, "not UTF-8"},
		"double slash":               {[]*condatest.Entry{file("lib//a", "x")}, "empty parts"},
		"long path":                  {[]*condatest.Entry{file(strings.Repeat("a/", 600)+"b", "x")}, "is too long"},
		"twice":                      {[]*condatest.Entry{file("a", "x"), file("a", "y")}, `has the entry "a" twice`},
		"twice, spelt otherwise":     {[]*condatest.Entry{file("a", "x"), file("./a", "y")}, `has the entry "a" twice`},
		"file and directory":         {[]*condatest.Entry{file("a", "x"), link(tar.TypeDir, "a/", "")}, `has the entry "a" twice`},
		"below a file":               {[]*condatest.Entry{file("a", "x"), file("a/b", "y")}, `"a/b" lies below "a"`},
		"symlink absolute":           {[]*condatest.Entry{link(tar.TypeSymlink, "l", "/etc/passwd")}, "leads out of the package"},
		"symlink up":                 {[]*condatest.Entry{link(tar.TypeSymlink, "lib/l", "../../x")}, "leads out of the package"},
		"symlink up, backslashes":    {[]*condatest.Entry{link(tar.TypeSymlink, "lib/l", `..\..\x`)}, "leads out of the package"},
		"symlink down and up":        {[]*condatest.Entry{link(tar.TypeSymlink, "lib/l", "a/b/../../../../x")}, "leads out of the package"},
		"symlink without target":     {[]*condatest.Entry{link(tar.TypeSymlink, "l", "")}, "has no target"},
		"below a symlink":            {[]*condatest.Entry{link(tar.TypeSymlink, "l", "lib"), file("l/x", "x")}, `"l/x" lies below "l"`},
		"below a later symlink":      {[]*condatest.Entry{file("l/x", "x"), link(tar.TypeSymlink, "l", "lib")}, `"l/x" lies below "l"`},
		"symlink through another up": {[]*condatest.Entry{link(tar.TypeSymlink, "a/b/r", "../.."), link(tar.TypeSymlink, "z", "a/b/r/..")}, "leads through another link"},
		"hard link up":               {[]*condatest.Entry{link(tar.TypeLink, "h", "../x")}, "leads out of the package"},
		"hard link to nothing":       {[]*condatest.Entry{link(tar.TypeLink, "h", "lib/none")}, "no file before it"},
		"hard link to a symlink":     {[]*condatest.Entry{link(tar.TypeSymlink, "a/b/l", "../../x"), link(tar.TypeLink, "h", "a/b/l")}, "no file before it"},
		"device":                     {[]*condatest.Entry{link(tar.TypeChar, "dev", "")}, "neither a file nor a directory"},
		"block device":               {[]*condatest.Entry{link(tar.TypeBlock, "dev", "")}, "neither a file nor a directory"},
		"pipe":                       {[]*condatest.Entry{link(tar.TypeFifo, "pipe", "")}, "neither a file nor a directory"},
		"contiguous":                 {[]*condatest.Entry{link(tar.TypeCont, "c", "")}, "neither a file nor a directory"},
		"other case of info":         {[]*condatest.Entry{file("INFO/index.json", "{}")}, "where case does not matter"},
		"info in a list of paths":    {[]*condatest.Entry{file("info/index.json", "{}")}, "info/"},

		"symlinks inside":   {[]*condatest.Entry{link(tar.TypeSymlink, "lib/l", "real.txt"), link(tar.TypeSymlink, "bin/l", "../lib/real.txt"), link(tar.TypeSymlink, "dir", "lib/../lib/")}, ""},
		"hard link inside":  {[]*condatest.Entry{link(tar.TypeLink, "bin/h", "lib/real.txt")}, ""},
		"directories":       {[]*condatest.Entry{link(tar.TypeDir, "./", ""), link(tar.TypeDir, "lib/", ""), link(tar.TypeDir, "lib/", ""), file("./lib/b", "x")}, ""},
		"names":             {[]*condatest.Entry{file(`lib/dev\x2da.mount`, "x"), file("man/Foo::Bar.3", "x"), file("lib/é 中", "x"), file("lib/..a", "x"), file("A/a", "x"), file("a/a", "x")}, ""},
		"long name":         {[]*condatest.Entry{file(strings.Repeat("directory/", 40)+"f", "x")}, ""},
		"harmless PAX keys": {[]*condatest.Entry{pax(file("lib/p", "x"), "comment", "hello")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for filename, data := range with(c.entries...) {
				_, err := inspect(filename, data, "noarch", conda.Limits{})
				if c.why != "" {
					refused(t, err, c.why)
				} else if err != nil {
					t.Errorf("%s: %v", filename, err)
				}
			}
		})
	}
}

// rawTar builds a tar archive block by block, for headers that no writer makes.
func rawTar(blocks ...[]byte) []byte {
	info, _ := condatest.Spec{}.Members()
	good := condatest.Tar(info...)
	out := bytes.TrimRight(good, "\x00")
	out = append(out, make([]byte, -len(out)&511)...)
	for _, b := range blocks {
		out = append(append(out, b...), make([]byte, -len(b)&511)...)
	}
	return append(out, make([]byte, 1024)...)
}

func rawHeader(name string, kind byte, size int) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
	h[156] = kind
	copy(h[257:], "ustar\x0000")
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// TestHostileTarHeaders has headers that readers of tar archives disagree on.
func TestHostileTarHeaders(t *testing.T) {
	t.Parallel()
	nested := append(rawHeader("hidden", '0', 1), 'x')
	for name, c := range map[string]struct {
		data []byte
		why  string
	}{
		"PAX size":        {rawTar(rawHeader("p", 'x', 10), []byte("10 size=0\n"), rawHeader("f", '0', 1024), nested), "states its size in a PAX record"},
		"PAX size zero":   {rawTar(rawHeader("p", 'x', 13), []byte("13 size=1024\n"), rawHeader("f", '0', 0), nested, nil), "states its size in a PAX record"},
		"global PAX":      {rawTar(rawHeader("g", 'g', 15), []byte("15 path=../evil"), rawHeader("f", '0', 0)), "is damaged"},
		"global comment":  {rawTar(rawHeader("g", 'g', 14), []byte("14 comment=ab\n"), rawHeader("f", '0', 0)), "of type"},
		"GNU sparse":      {rawTar(rawHeader("s", 'S', 0)), "is damaged"},
		"PAX sparse":      {rawTar(rawHeader("p", 'x', 65), []byte("22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.size=9\n"), rawHeader("f", '0', 512), []byte("0\n")), "is a sparse file"},
		"link with size":  {rawTar(rawHeader("l", '2', 512), nested), "has content"},
		"directory size":  {rawTar(rawHeader("d/", '5', 512), nested), "has content"},
		"unknown type":    {rawTar(rawHeader("u", 'Z', 0)), "of type"},
		"bad checksum":    {rawTar(bytes.Replace(rawHeader("f", '0', 0), []byte("0000644"), []byte("0000755"), 1)), "is damaged"},
		"data after end":  {append(rawTar(), bytes.Repeat([]byte("evil"), 128)...), "has data behind its end"},
		"entry after end": {append(rawTar(), rawHeader("hidden", '0', 0)...), "has data behind its end"},
		"claims 8 GiB":    {rawTar(rawHeader("f", '0', 1<<33-1)), "unpacks to more than"},
		"cut off":         {rawTar(rawHeader("f", '0', 4096), []byte("x"))[:3072], "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := inspect("pkg-1.0-0.tar.bz2", condatest.Bzip2(c.data), "", conda.Limits{})
			refused(t, err, c.why)
		})
	}
}

// TestHostileZip has outer archives that readers of zip archives disagree on.
func TestHostileZip(t *testing.T) {
	t.Parallel()
	info, pkg := condatest.Spec{}.Members()
	infoZst, pkgZst := condatest.Zstd(condatest.Tar(info...)), condatest.Zstd(condatest.Tar(pkg...))
	member := func(name string, data []byte) condatest.Member { return condatest.Member{Name: name, Data: data} }
	meta := member("metadata.json", []byte(`{"conda_pkg_format_version": 2}`))
	infoM, pkgM := member("info-pkg-1.0-0.tar.zst", infoZst), member("pkg-pkg-1.0-0.tar.zst", pkgZst)
	good := condatest.Zip(meta, pkgM, infoM)
	edit := func(fn func(b []byte)) []byte {
		b := bytes.Clone(good)
		fn(b)
		return b
	}
	local := func(name string) int { return bytes.Index(good, []byte(name)) - 30 }
	central := func(name string) int { return bytes.LastIndex(good, []byte(name)) - 46 }
	end := len(good) - 22
	bothFlags := func(flag byte) []byte {
		return edit(func(b []byte) { b[local("info-")+6] |= flag; b[central("info-")+8] |= flag })
	}
	gap := append(bytes.Clone(good[:central("metadata")]), "hidden"...)
	gap = append(gap, good[central("metadata"):]...)
	binary.LittleEndian.PutUint32(gap[len(gap)-6:], uint32(central("metadata")+6))
	for name, c := range map[string]struct {
		data []byte
		why  string
	}{
		"gap before directory":    {gap, "bytes that belong to no member before its directory"},
		"empty":                   {nil, "no .conda file"},
		"no zip":                  {bytes.Repeat([]byte("x"), 1000), "does not end as a zip archive"},
		"comment":                 {append(edit(func(b []byte) { b[end+20] = 4 }), "evil"...), "does not end as a zip archive"},
		"trailing data":           {append(bytes.Clone(good), "evil"...), "does not end as a zip archive"},
		"two archives":            {append(bytes.Clone(good), good...), "does not fit the file"},
		"leading data":            {append([]byte("#!/bin/sh\n"), good...), "does not fit the file"},
		"one part of two":         {edit(func(b []byte) { b[end+4] = 1 }), "does not fit the file"},
		"count of 4":              {edit(func(b []byte) { b[end+8], b[end+10] = 4, 4 }), "three members"},
		"four members":            {condatest.Zip(meta, pkgM, infoM, member("extra", nil)), "three members"},
		"two members":             {condatest.Zip(meta, infoM), "three members"},
		"other stem":              {condatest.Zip(meta, pkgM, member("info-other-1.0-0.tar.zst", infoZst)), "does not belong to the file name"},
		"traversal in a name":     {condatest.Zip(meta, pkgM, member("../info-pkg-1.0-0.tar.zst", infoZst)), "is not known"},
		"twice":                   {condatest.Zip(meta, infoM, infoM), "is there twice"},
		"no metadata":             {condatest.Zip(member("other.json", nil), pkgM, infoM), "is not known"},
		"metadata of version 3":   {condatest.Zip(member("metadata.json", []byte(`{"conda_pkg_format_version":3}`)), pkgM, infoM), "2 is expected"},
		"metadata of version '2'": {condatest.Zip(member("metadata.json", []byte(`{"conda_pkg_format_version":"2"}`)), pkgM, infoM), "2 is expected"},
		"metadata no object":      {condatest.Zip(member("metadata.json", []byte(`[]`)), pkgM, infoM), "is no JSON object"},
		"metadata large":          {condatest.Zip(member("metadata.json", make([]byte, 1<<20)), pkgM, infoM), "is too large"},
		"deflated":                {edit(func(b []byte) { b[local("info-")+8], b[central("info-")+10] = 8, 8 }), "expected to be stored"},
		"encrypted":               {bothFlags(1), "is encrypted"},
		"patched":                 {bothFlags(1 << 5), "is encrypted"},
		"flags differ":            {edit(func(b []byte) { b[local("info-")+7] |= 8 }), "described differently"},
		"name differs":            {edit(func(b []byte) { b[local("info-")+30] = 'x' }), "described differently"},
		"size differs":            {edit(func(b []byte) { b[local("info-")+18]++ }), "described differently"},
		"checksum differs":        {edit(func(b []byte) { b[local("info-")+14]++ }), "described differently"},
		"wrong checksum":          {edit(func(b []byte) { b[local("info-")+14]++; b[central("info-")+16]++ }), "does not have the checksum"},
		"wrong metadata checksum": {edit(func(b []byte) { b[local("meta")+14]++; b[central("meta")+16]++ }), "does not have the checksum"},
		"overlap":                 {edit(func(b []byte) { copy(b[central("info-")+42:], b[central("pkg-pkg")+42:][:4]) }), "overlap"},
		"descriptor without one":  {bothFlags(1 << 3), "data descriptor"},
		"symlink":                 {edit(func(b []byte) { b[central("info-")+41] = 0xa0 }), "is not a plain file"},
		"zip64 without sizes":     {edit(func(b []byte) { binary.LittleEndian.PutUint32(b[central("info-")+20:], 1<<32-1) }), "no zip64 sizes"},
		"info is no zstd":         {condatest.Zip(meta, pkgM, member(infoM.Name, []byte("hello"))), "is no zstd frame"},
		"two frames":              {condatest.Zip(meta, pkgM, member(infoM.Name, append(bytes.Clone(infoZst), condatest.Zstd(nil)...))), "more than one zstd frame"},
		"bytes after the frame":   {condatest.Zip(meta, member(pkgM.Name, append(bytes.Clone(pkgZst), 0)), infoM), "more than one zstd frame"},
		"skippable frame":         {condatest.Zip(meta, pkgM, member(infoM.Name, append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, infoZst...))), "is no zstd frame"},
		"cut frame":               {condatest.Zip(meta, pkgM, member(infoM.Name, infoZst[:len(infoZst)-3])), "cut off"},
		"swapped":                 {condatest.Zip(meta, member(infoM.Name, pkgZst), member(pkgM.Name, infoZst)), "in the pkg- archive"},
		"no index":                {condatest.Zip(meta, pkgM, member(infoM.Name, condatest.Zstd(condatest.Tar(condatest.File("info/about.json", "{}"))))), "has no info/index.json"},
		"index is a link": {condatest.Zip(meta, pkgM, member(infoM.Name, condatest.Zstd(condatest.Tar(
			condatest.Link(tar.TypeSymlink, "info/index.json", "other.json"))))), "info/index.json is no plain file"},
		"content in info": {condatest.Zip(meta, pkgM, member(infoM.Name, condatest.Zstd(condatest.Tar(append(info, condatest.File("bin/x", ""))...)))), "in the info- archive"},
		"twice in both":   {condatest.Zip(meta, member(pkgM.Name, condatest.Zstd(condatest.Tar(condatest.File("info/index.json", "{}")))), infoM), `"info/index.json" twice`},
		"more info":       {condatest.Zip(meta, member(pkgM.Name, condatest.Zstd(condatest.Tar(condatest.File("info/run_exports.json", "{}")))), infoM), "in the pkg- archive"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := inspect("pkg-1.0-0.conda", c.data, "", conda.Limits{})
			refused(t, err, c.why)
		})
	}
	if _, err := inspect("pkg-1.0-0.conda", good, "", conda.Limits{}); err != nil {
		t.Errorf("what all of these were made from is refused: %v", err)
	}
}

// TestLimits has packages that cost too much, each a little more than is allowed.
func TestLimits(t *testing.T) {
	t.Parallel()
	zeros := func(n int) *condatest.Entry { return condatest.File("zeros", string(make([]byte, n))) }
	long := func(name string) *condatest.Entry { return condatest.File(strings.Repeat(name+"/", 450)+name, "") }
	many := func(n int) (all []*condatest.Entry) {
		for i := range n {
			all = append(all, condatest.File(fmt.Sprintf("f%d", i), ""))
		}
		return all
	}
	for name, c := range map[string]struct {
		entries []*condatest.Entry
		lim     conda.Limits
		why     string
	}{
		"unpacked":     {[]*condatest.Entry{zeros(3 << 20)}, conda.Limits{MaxUnpacked: 2 << 20}, "unpacks to more than 2097152 bytes"},
		"ratio":        {[]*condatest.Entry{zeros(3 << 20)}, conda.Limits{MaxRatio: 2, RatioFrom: 1 << 20}, "unpacks to more than"},
		"entries":      {many(20), conda.Limits{MaxEntries: 20}, "more than 20 entries"},
		"paths":        {[]*condatest.Entry{long("a"), long("b"), long("c")}, conda.Limits{MaxEntries: 20}, "paths of the package have more than 2560 bytes"},
		"links":        {[]*condatest.Entry{long("a"), condatest.Link(tar.TypeSymlink, "l", strings.Repeat("x/", 450)), long("c")}, conda.Limits{MaxEntries: 20}, "paths of the package have more than 2560 bytes"},
		"long paths":   {[]*condatest.Entry{long("a"), long("b")}, conda.Limits{MaxEntries: 20}, ""},
		"headers only": {many(4000), conda.Limits{MaxRatio: 2, RatioFrom: 1 << 20}, "unpacks to more than"},
		"fine":         {append(many(10), zeros(1<<20)), conda.Limits{MaxEntries: 20, MaxUnpacked: 2 << 20}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for filename, data := range with(c.entries...) {
				_, err := inspect(filename, data, "", c.lim)
				if c.why != "" {
					refused(t, err, c.why)
				} else if err != nil {
					t.Errorf("%s: %v", filename, err)
				}
			}
		})
	}
	for path, key := range map[string]string{"info/index.json": "index", "info/about.json": "about", "info/link.json": "link", "info/paths.json": "paths"} {
		lim := conda.Limits{MaxIndexJSON: 10, MaxInfoFile: 10, MaxPathsJSON: 10}
		filename, data := condatest.Build(condatest.Spec{Files: map[string]string{path: `{"key":"` + key + `"}`}})
		_, err := inspect(filename, data, "", lim)
		refused(t, err, "at most 10 are accepted")
	}
}

// TestBomb reads frames that unpack to far more than they may, or ask for too much
// memory, with the limits as they are by default; what it costs is counted in
// bytes allocated.
func TestBomb(t *testing.T) {
	entry := rawHeader("zeros", '0', 60<<20)
	var frame bytes.Buffer
	w, err := zstd.NewWriter(&frame, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 3 { // of 60 MiB each
		_, _ = w.Write(entry)
		entry[0]++ // another name; the checksum goes along
		copy(entry[148:], rawHeader(string(entry[:5]), '0', 60<<20)[148:156])
		for range 60 {
			_, _ = w.Write(zeros)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	info, _ := condatest.Spec{}.Members()
	bomb := condatest.Conda("pkg-1.0-0", condatest.Zstd(condatest.Tar(info...)), frame.Bytes())
	// A frame of one block whose header asks for a window of 2 GiB.
	window := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3}, 1, 0, 0)
	greedy := condatest.Conda("pkg-1.0-0", condatest.Zstd(condatest.Tar(info...)), window)
	for why, data := range map[string][]byte{"unpacks to more than": bomb, "too large a window": greedy} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := inspect("pkg-1.0-0.conda", data, "", conda.Limits{})
		runtime.ReadMemStats(&after)
		refused(t, err, why)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("refusing a file of %d bytes took %d MiB", len(data), used>>20)
		}
	}
}

// TestKeysAreNotKept has half a million keys in info/paths.json: what is held in memory of
// them while they stream by is looked at whenever more of the file is read.
func TestKeysAreNotKept(t *testing.T) {
	var paths strings.Builder
	paths.WriteString(`{"paths":[]`)
	for i := range 1 << 19 {
		fmt.Fprintf(&paths, `,"%x":0`, i)
	}
	paths.WriteString("}")
	info, pkg := condatest.Spec{Files: map[string]string{"info/paths.json": paths.String()}}.Members()
	paths.Reset()
	r := &heapReader{Reader: bytes.NewReader(condatest.Conda("pkg-1.0-0", condatest.Zstd(condatest.Tar(info...)), condatest.Zstd(condatest.Tar(pkg...))))}
	r.before = liveHeap()
	if _, err := conda.Inspect(r, r.Size(), "pkg-1.0-0.conda", "", now, conda.Limits{}); err != nil {
		t.Fatal(err)
	}
	if r.held > 16<<20 {
		t.Errorf("reading a file of %d bytes holds %d MiB", r.Size(), r.held>>20)
	}
}

// heapReader notes how much the heap grows until a part of it is read.
type heapReader struct {
	*bytes.Reader
	before, held uint64
	reads        int
}

func (r *heapReader) ReadAt(p []byte, off int64) (int, error) {
	if r.reads++; r.reads%16 == 0 {
		r.held = max(r.held, max(liveHeap(), r.before)-r.before)
	}
	return r.Reader.ReadAt(p, off)
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
