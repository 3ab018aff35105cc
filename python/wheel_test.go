package python_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/python/pythontest"
)

var ours = pythontest.Spec{Name: "ours", Version: "1.0"}

func TestInspectWheel(t *testing.T) {
	t.Parallel()
	filename, data := pythontest.Wheel(pythontest.Spec{Name: "Ours", Version: "1.0.0", Tag: "1a-cp313-abi3-win32", RequiresPython: ">=3.9"})
	d, err := inspect(data, filename, python.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	f := d.File
	if f.Kind != python.Wheel || f.Name != "ours" || f.Version.String() != "1.0.0" || f.Build != "1a" || f.Python != "cp313" || f.ABI != "abi3" || f.Platform != "win32" {
		t.Errorf("file is %+v", f)
	}
	if d.Metadata.Name != "Ours" || d.Metadata.RequiresPython != ">=3.9" || !strings.HasPrefix(string(d.RawMetadata), "Metadata-Version: 2.1\nName: Ours\n") {
		t.Errorf("metadata is %+v", d.Metadata)
	}
}

// The forms of zip that real tools write.
func TestSoundWheels(t *testing.T) {
	t.Parallel()
	filename, members := wheelMembers(t, ours)
	change := func(fn func(m *zmember)) []zmember {
		out := slices.Clone(members)
		for i := range out {
			fn(&out[i])
		}
		return out
	}
	var streamed bytes.Buffer
	w := zip.NewWriter(&streamed)
	for _, m := range members {
		f, err := w.Create(m.name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, m.data)
	}
	w.Close()
	directory := zmember{name: "ours/", central: func(h []byte) { le.PutUint32(h[38:], 0o40755<<16|0x10) }}
	for name, data := range map[string][]byte{
		"deflated":       rawZip(members, nil),
		"stored":         rawZip(change(func(m *zmember) { m.method = 0 }), nil),
		"streamed by Go": streamed.Bytes(),
		"UTF-8 flag":     rawZip(change(func(m *zmember) { m.flags = 1 << 11 }), nil),
		"extra fields":   rawZip(change(func(m *zmember) { m.extra = []byte{0x55, 0x54, 1, 0, 0} }), nil),
		"no file types":  rawZip(change(func(m *zmember) { m.central = func(h []byte) { le.PutUint32(h[38:], 0) } }), nil),
		"a directory":    rawZip(append(slices.Clone(members), directory), nil),
		"zip64 sizes before the data, as Python's force_zip64": rawZip(change(func(m *zmember) {
			m.localExtra = le.AppendUint64(le.AppendUint64([]byte{1, 0, 16, 0}, uint64(len(m.data))), uint64(len(deflated(m.data))))
			m.local = func(h []byte) { le.PutUint64(h[18:], 1<<64-1) }
		}), nil),
		"zip64 end": rawZip(members, func(dir []byte, offset, count int) []byte {
			return slices.Concat(dir, zipEnd64(len(dir), offset, count), zipEnd(len(dir), offset, count))
		}),
		"zip64 end, marked": rawZip(members, func(dir []byte, offset, count int) []byte {
			return slices.Concat(dir, zipEnd64(len(dir), offset, count), zipEnd(-1, -1, -1))
		}),
	} {
		if _, err := inspect(data, filename, python.Limits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// descriptor is what follows the data of a member whose sizes were not known.
func descriptor(m zmember, crcDelta uint32) []byte {
	b := make([]byte, 16)
	le.PutUint32(b, 0x08074b50)
	le.PutUint32(b[4:], crc32.ChecksumIEEE([]byte(m.data))+crcDelta)
	le.PutUint32(b[8:], uint32(len(deflated(m.data))))
	le.PutUint32(b[12:], uint32(len(m.data)))
	return b
}

func TestHostileWheels(t *testing.T) {
	t.Parallel()
	filename, members := wheelMembers(t, ours)
	// with changes the first member, ours/__init__.py.
	with := func(fn func(m *zmember)) []byte {
		out := slices.Clone(members)
		fn(&out[0])
		return rawZip(out, nil)
	}
	// plus adds members that RECORD lists.
	plus := func(names ...string) []byte {
		out := slices.Clone(members)
		record := &out[len(out)-1]
		for _, name := range names {
			out = append(out, zmember{name: name})
			record.data += "\"" + name + "\",,\n"
		}
		return rawZip(out, nil)
	}
	edit := func(file string, fn func(string) string) []byte {
		out := slices.Clone(members)
		for i := range out {
			if strings.HasSuffix(out[i].name, "/"+file) {
				out[i].data = fn(out[i].data)
			}
		}
		return rawZip(out, nil)
	}
	without := func(file string) []byte {
		return rawZip(slices.DeleteFunc(slices.Clone(members), func(m zmember) bool { return strings.HasSuffix(m.name, file) }), nil)
	}
	ends := func(fn func(dir []byte, offset, count int) []byte) []byte { return rawZip(members, fn) }
	good := rawZip(members, nil)
	_, theirs := wheelMembers(t, pythontest.Spec{Name: "theirs", Version: "1.0"})
	_, later := wheelMembers(t, pythontest.Spec{Name: "ours", Version: "1.1"})
	extra64 := func(values ...uint64) []byte {
		b := []byte{1, 0, byte(8 * len(values)), 0}
		for _, v := range values {
			b = le.AppendUint64(b, v)
		}
		return b
	}

	for name, data := range map[string][]byte{
		"empty":             {},
		"text":              []byte("not a zip archive, but long enough to have an end record"),
		"truncated":         good[:len(good)-1],
		"cut in the middle": good[:len(good)/2],
		"trailing data":     append(slices.Clone(good), 0),
		"leading data":      append([]byte("#!/bin/sh\n"), good...),
		"two archives":      slices.Concat(good, good),
		"comment": ends(func(d []byte, o, c int) []byte {
			e := zipEnd(len(d), o, c)
			e[20] = 3
			return slices.Concat(d, e, []byte("abc"))
		}),
		"second end record in comment": ends(func(d []byte, o, c int) []byte {
			e := zipEnd(len(d), o, c)
			e[20] = 22
			return slices.Concat(d, e, zipEnd(0, 0, 0))
		}),
		"second end record":        ends(func(d []byte, o, c int) []byte { return slices.Concat(d, zipEnd(len(d), o, c), zipEnd(len(d), o, c)) }),
		"empty end record behind":  ends(func(d []byte, o, c int) []byte { return slices.Concat(d, zipEnd(len(d), o, c), zipEnd(0, 0, 0)) }),
		"gap before the directory": ends(func(d []byte, o, c int) []byte { return slices.Concat([]byte("gap"), d, zipEnd(len(d), o+3, c)) }),
		"gap behind the directory": ends(func(d []byte, o, c int) []byte { return slices.Concat(d, []byte("gap"), zipEnd(len(d), o, c)) }),
		"gap between members":      with(func(m *zmember) { m.after = []byte("gap") }),
		"too few members stated":   ends(func(d []byte, o, c int) []byte { return append(d, zipEnd(len(d), o, c-1)...) }),
		"too many members stated":  ends(func(d []byte, o, c int) []byte { return append(d, zipEnd(len(d), o, c+1)...) }),
		"directory too long":       ends(func(d []byte, o, c int) []byte { return append(d, zipEnd(len(d)+1, o, c)...) }),
		"directory at the front":   ends(func(d []byte, o, c int) []byte { return append(d, zipEnd(len(d), 0, c)...) }),
		"several parts":            ends(func(d []byte, o, c int) []byte { e := zipEnd(len(d), o, c); e[4] = 1; return append(d, e...) }),
		"zip64 end: other count": ends(func(d []byte, o, c int) []byte {
			return slices.Concat(d, zipEnd64(len(d), o, c-1), zipEnd(len(d), o, c))
		}),
		"zip64 end: other offset": ends(func(d []byte, o, c int) []byte { return slices.Concat(d, zipEnd64(len(d), o, c), zipEnd(len(d), 0, c)) }),
		"zip64 end: huge": ends(func(d []byte, o, c int) []byte {
			return slices.Concat(d, zipEnd64(len(d), o, 1<<60), zipEnd(-1, -1, -1))
		}),
		"zip64 end: negative offset": ends(func(d []byte, o, c int) []byte { return slices.Concat(d, zipEnd64(-o, -1, c), zipEnd(-1, -1, -1)) }),
		"zip64 end: locator elsewhere": ends(func(d []byte, o, c int) []byte {
			e := zipEnd64(len(d), o, c)
			e[64]++
			return slices.Concat(d, e, zipEnd(-1, -1, -1))
		}),
		"zip64 end: no locator": ends(func(d []byte, o, c int) []byte {
			return slices.Concat(d, zipEnd64(len(d), o, c)[:56], zipEnd(-1, -1, -1))
		}),
		"zip64 end: longer than it is": ends(func(d []byte, o, c int) []byte {
			e := zipEnd64(len(d), o, c)
			e[4]++
			return slices.Concat(d, e, zipEnd(-1, -1, -1))
		}),
		"marked, without zip64": ends(func(d []byte, o, c int) []byte { return append(d, zipEnd(-1, -1, -1)...) }),
		"10^6 members": ends(func(d []byte, o, c int) []byte {
			return slices.Concat(d, zipEnd64(len(d), o, 1_000_000), zipEnd(-1, -1, -1))
		}),
		"duplicate name":                plus("ours/a.py", "ours/a.py"),
		"file and directory":            plus("ours/a", "ours/a/"),
		"traversal":                     plus("../evil.py"),
		"traversal within":              plus("ours/../../evil.py"),
		"absolute":                      plus("/etc/cron.d/evil"),
		"drive":                         plus("C:/evil"),
		"backslash":                     plus(`ours\..\..\evil`),
		"dot":                           plus("./evil"),
		"double slash":                  plus("ours//evil"),
		"control character":             plus("ours/e\x00vil"),
		"name not UTF-8":                plus("ours/\xff"),
		"name without stated encoding":  plus("ours/é"),
		"name too long":                 plus("ours/" + strings.Repeat("x", 1100)),
		"too deep":                      plus(strings.Repeat("x/", 100) + "x"),
		"local name differs":            with(func(m *zmember) { m.localName = "ours/__main__.py" }),
		"local name differs in length":  with(func(m *zmember) { m.localName = "x" }),
		"local method differs":          with(func(m *zmember) { m.local = func(h []byte) { h[8] = 0 } }),
		"local flags differ":            with(func(m *zmember) { m.local = func(h []byte) { h[7] = 8 } }),
		"local checksum differs":        with(func(m *zmember) { m.local = func(h []byte) { h[14]++ } }),
		"local packed size differs":     with(func(m *zmember) { m.local = func(h []byte) { h[18]++ } }),
		"local size differs":            with(func(m *zmember) { m.local = func(h []byte) { h[22]++ } }),
		"local sizes zero":              with(func(m *zmember) { m.local = func(h []byte) { clear(h[14:26]) } }),
		"local header elsewhere":        with(func(m *zmember) { m.central = func(h []byte) { h[42]++ } }),
		"no local header":               with(func(m *zmember) { m.local = func(h []byte) { h[0] = 0 } }),
		"directory packed size differs": with(func(m *zmember) { m.central = func(h []byte) { h[20]++ } }),
		"both packed sizes too large": with(func(m *zmember) {
			f := func(at int) func([]byte) { return func(h []byte) { h[at+2] = 255 } }
			m.local, m.central = f(18), f(20)
		}),
		"overlap": with(func(m *zmember) {
			f := func(at int) func([]byte) { return func(h []byte) { h[at] += 4 } }
			m.local, m.central = f(18), f(20)
		}),
		"encrypted":          with(func(m *zmember) { m.flags = 1 }),
		"strongly encrypted": with(func(m *zmember) { m.flags = 1 << 6 }),
		"masked directory":   with(func(m *zmember) { m.flags = 1 << 13 }),
		"bzip2":              with(func(m *zmember) { m.method = 12; m.packed = []byte("BZh9") }),
		"stored with sizes that differ": with(func(m *zmember) {
			m.method, m.packed = 0, []byte(m.data+"more")
		}),
		"member comment":      with(func(m *zmember) { m.central = func(h []byte) { h[32] = 1 } }),
		"symbolic link":       with(func(m *zmember) { m.central = func(h []byte) { le.PutUint32(h[38:], 0o120777<<16) } }),
		"device":              with(func(m *zmember) { m.central = func(h []byte) { le.PutUint32(h[38:], 0o020777<<16) } }),
		"zip64 sizes unasked": with(func(m *zmember) { m.extra = extra64(5, 5) }),
		"zip64 sizes too short": with(func(m *zmember) {
			m.extra = extra64(5)
			m.central = func(h []byte) { le.PutUint32(h[20:], 0xffffffff); le.PutUint32(h[24:], 0xffffffff) }
		}),
		"zip64 size negative": with(func(m *zmember) {
			m.extra = extra64(1 << 63)
			m.central = func(h []byte) { le.PutUint32(h[24:], 0xffffffff) }
		}),
		"zip64 size lies": with(func(m *zmember) {
			m.extra = extra64(1 << 40)
			m.central = func(h []byte) { le.PutUint32(h[24:], 0xffffffff) }
		}),
		"zip64 twice":                 with(func(m *zmember) { m.extra = slices.Concat(extra64(), extra64()) }),
		"second name":                 with(func(m *zmember) { m.extra = []byte{0x75, 0x70, 1, 0, 0} }),
		"extra field beyond its end":  with(func(m *zmember) { m.extra = []byte{0x55, 0x54, 9, 0} }),
		"extra field cut":             with(func(m *zmember) { m.extra = []byte{0x55, 0x54} }),
		"directory with content":      rawZip(append(slices.Clone(members), zmember{name: "ours/d/", data: "x"}), nil),
		"descriptor missing":          with(func(m *zmember) { m.flags = 8 }),
		"descriptor with another sum": with(func(m *zmember) { m.flags, m.after = 8, descriptor(*m, 1) }),
		"descriptor, data ends early": with(func(m *zmember) {
			m.flags = 8
			packed := deflated(m.data)
			m.packed = append(packed, descriptor(*m, 0)...) // a streaming reader sees this end
			m.after = descriptor(*m, 0)
			le.PutUint32(m.after[8:], uint32(len(m.packed)))
		}),
		"descriptor of a stored member": with(func(m *zmember) { m.flags, m.method, m.after = 8, 0, descriptor(*m, 0) }),
		"bomb by its directory": with(func(m *zmember) {
			f := func(at int) func([]byte) { return func(h []byte) { le.PutUint32(h[at:], 3<<30) } }
			m.local, m.central = f(22), f(24)
		}),

		"no RECORD":                         without(".dist-info/RECORD"),
		"no METADATA":                       without(".dist-info/METADATA"),
		"no WHEEL":                          without(".dist-info/WHEEL"),
		"no dist-info":                      rawZip(members[:1], nil),
		"no members":                        rawZip(nil, nil),
		"two dist-infos":                    plus("ours-1.0.0.dist-info/METADATA"),
		"dist-info by case":                 plus("OURS-1.0.DIST-INFO/METADATA"),
		"dist-info of another version":      rawZip(renamed(members, "ours-1.0.dist-info", "ours-1.1.dist-info"), nil),
		"dist-info of another project":      rawZip(renamed(members, "ours-1.0.dist-info", "theirs-1.0.dist-info"), nil),
		"RECORD lists what is not there":    edit("RECORD", func(s string) string { return s + "ours/missing.py,,\n" }),
		"RECORD does not list a member":     rawZip(append(slices.Clone(members), zmember{name: "ours/hidden.pth"}), nil),
		"RECORD lists a member twice":       edit("RECORD", func(s string) string { return s + strings.SplitAfter(s, "\n")[0] }),
		"RECORD is no table":                edit("RECORD", func(s string) string { return s + "\"open" }),
		"RECORD with an empty line":         edit("RECORD", func(s string) string { return s + "\r\n" }),
		"RECORD with a column missing":      edit("RECORD", func(s string) string { return strings.Replace(s, "RECORD,,", "RECORD,", 1) }),
		"RECORD of another METADATA":        edit("METADATA", func(s string) string { return s + "Summary: changed\n" }),
		"METADATA of another name":          rawZip(renamed(theirs, "theirs-1.0.dist-info", "ours-1.0.dist-info"), nil),
		"METADATA of another version":       rawZip(renamed(later, "ours-1.1.dist-info", "ours-1.0.dist-info"), nil),
		"METADATA empty":                    edit("METADATA", func(string) string { return "" }),
		"METADATA huge":                     edit("METADATA", func(s string) string { return s + "\n" + strings.Repeat("x", 5<<20) }),
		"WHEEL of a later version":          edit("WHEEL", func(s string) string { return strings.Replace(s, "Wheel-Version: 1.0", "Wheel-Version: 2.0", 1) }),
		"WHEEL without version":             edit("WHEEL", func(string) string { return "Generator: x\n" }),
		"METADATA does not unpack":          corrupted(members, "METADATA"),
		"METADATA unpacks to more":          longer(members, "METADATA", "more"),
		"METADATA unpacks to more, padding": longer(members, "METADATA", strings.Repeat(" ", 5<<20)),
	} {
		_, err := inspect(data, filename, python.Limits{})
		refused(t, name, err)
	}

	for name, wrong := range map[string]string{
		"other name": "theirs-1.0-py3-none-any.whl", "other version": "ours-1.0.1-py3-none-any.whl", "local version": "ours-1.0+x-py3-none-any.whl",
		"no wheel": "ours-1.0.exe", "no name": "", "too long": strings.Repeat("a", 250) + "-1.0-py3-none-any.whl",
	} {
		_, err := inspect(good, wrong, python.Limits{})
		refused(t, name, err)
	}
}

func renamed(members []zmember, from, to string) []zmember {
	out := slices.Clone(members)
	for i := range out {
		out[i].name = strings.Replace(out[i].name, from, to, 1)
		out[i].data = strings.ReplaceAll(out[i].data, from, to)
	}
	return out
}

// corrupted flips a bit in the compressed data of one member.
func corrupted(members []zmember, file string) []byte {
	out := slices.Clone(members)
	for i := range out {
		if strings.HasSuffix(out[i].name, file) {
			out[i].packed = deflated(out[i].data)
			out[i].packed[len(out[i].packed)/2] ^= 0x40
		}
	}
	return rawZip(out, nil)
}

// longer packs more than the sizes of a member say.
func longer(members []zmember, file, more string) []byte {
	out := slices.Clone(members)
	for i := range out {
		if strings.HasSuffix(out[i].name, file) {
			out[i].packed = deflated(out[i].data + more)
		}
	}
	return rawZip(out, nil)
}

func TestWheelLimits(t *testing.T) {
	t.Parallel()
	filename, members := wheelMembers(t, ours)
	data := rawZip(members, nil)
	for _, lim := range []python.Limits{
		{MaxEntries: len(members) - 1}, {MaxDirectory: 100}, {MaxMetadata: 10}, {MaxUnpacked: 10}, {RatioFrom: 10, MaxRatio: 1, MaxUnpacked: 20},
	} {
		_, err := inspect(data, filename, lim)
		refused(t, fmt.Sprintf("%+v", lim), err)
	}
	if _, err := inspect(data, filename, python.Limits{MaxEntries: len(members)}); err != nil {
		t.Error(err)
	}
}

// Of a large wheel only its lists and its metadata are read.
func TestLittleIsReadOfAWheel(t *testing.T) {
	t.Parallel()
	filename, members := wheelMembers(t, ours)
	members = append(members, zmember{name: "ours/big.so", data: strings.Repeat("\x7fELF", 4<<20)})
	record := &members[len(members)-2]
	record.data += "ours/big.so,,\n"
	data := rawZip(members, nil)
	c := &counter{r: bytes.NewReader(data)}
	if _, err := python.Inspect(c, int64(len(data)), filename, python.Limits{}); err != nil {
		t.Fatal(err)
	}
	if c.read > 128<<10 {
		t.Errorf("%d bytes of %d were read", c.read, len(data))
	}
}

// An error of the disk is not the uploader's fault.
func TestReadErrorsAreNotInvalid(t *testing.T) {
	t.Parallel()
	wheelName, wheel := pythontest.Wheel(ours)
	sdistName, sdist := pythontest.Sdist(ours)
	for filename, data := range map[string][]byte{wheelName: wheel, sdistName: sdist} {
		for fail := range len(data) {
			_, err := python.Inspect(failing{bytes.NewReader(data), int64(fail)}, int64(len(data)), filename, python.Limits{})
			var inv *python.InvalidError
			if err != nil && (!errors.Is(err, errDisk) || errors.As(err, &inv)) {
				t.Fatalf("%s, byte %d: %v", filename, fail, err)
			}
		}
	}
}

var errDisk = errors.New("disk on fire")

// failing is a file of which one byte cannot be read.
type failing struct {
	io.ReaderAt
	at int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off <= f.at && f.at < off+int64(len(p)) {
		n, _ := f.ReaderAt.ReadAt(p[:f.at-off], off)
		return n, errDisk
	}
	return f.ReaderAt.ReadAt(p, off)
}
