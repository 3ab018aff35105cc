package python

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"io"
	"slices"
	"strings"
)

// A zip archive has its members listed twice, before each one and in a
// directory at the end, and readers differ in what they believe. The rules here
// leave one reading only: the members lie one after the other from the first
// byte, both lists say the same, the directory follows, and nothing else is in
// the file (APPNOTE.TXT 6.3.10). It is stricter than the format.

// zipMember is one member, of which both lists agreed.
type zipMember struct {
	name     string // directories end in '/'
	flags    uint16
	method   uint16
	crc      uint32
	packed   int64
	unpacked int64
	offset   int64 // of the local header
	data     int64 // offset of the data
}

const (
	sigLocal     = 0x04034b50
	sigDirectory = 0x02014b50
	sigEnd       = 0x06054b50
	sigEnd64     = 0x06064b50
	sigLocator64 = 0x07064b50
	sigData      = 0x08074b50

	lenLocal, lenDirectory, lenEnd, lenEnd64, lenLocator64 = 30, 46, 22, 56, 20

	flagDescriptor = 1 << 3
	flagUTF8       = 1 << 11
	// knownFlags are the permitted ones: how hard the compressor tried, a data
	// descriptor, UTF-8. All others mean encryption or patches.
	knownFlags = 1<<1 | 1<<2 | flagDescriptor | flagUTF8

	methodStored, methodDeflated = 0, 8

	max16, max32 = 1<<16 - 1, 1<<32 - 1

	extraZip64, extraUnicodePath = 0x0001, 0x7075
)

var le = binary.LittleEndian

// readZip reads and compares both lists, and returns the members in the order
// they lie in.
func readZip(src *source, lim Limits) ([]zipMember, error) {
	start, end, count, err := findDirectory(src, lim)
	if err != nil {
		return nil, err
	}
	members, err := readDirectory(src, start, end, count, lim)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(members, func(a, b zipMember) int { return cmp.Compare(a.offset, b.offset) })
	var at int64
	for i := range members {
		m := &members[i]
		if m.offset != at {
			return nil, invalid("zip archive has bytes that belong to no member, or members that overlap, at offset %d", min(at, m.offset))
		}
		next := start
		if i+1 < len(members) {
			next = members[i+1].offset
		}
		if at, err = m.checkLocal(src, next); err != nil {
			return nil, err
		}
	}
	if at != start {
		return nil, invalid("zip archive has bytes that belong to no member before its directory")
	}
	return members, nil
}

// findDirectory reads the end of the archive: where the directory is and how
// many members it lists.
func findDirectory(src *source, lim Limits) (start, end int64, count int, err error) {
	fail := func(format string, args ...any) (int64, int64, int, error) {
		return 0, 0, 0, invalid(format, args...)
	}
	if src.size < lenEnd {
		return fail("file of %d bytes is no zip archive", src.size)
	}
	var b [lenEnd]byte
	if err := src.read(b[:], src.size-lenEnd); err != nil {
		return 0, 0, 0, err
	}
	if le.Uint32(b[:]) != sigEnd || le.Uint16(b[20:]) != 0 {
		return fail("file does not end as a zip archive does: expected an end record without a comment as its last bytes")
	}
	end = src.size - lenEnd
	entries, length, offset := uint64(le.Uint16(b[10:])), uint64(le.Uint32(b[12:])), uint64(le.Uint32(b[16:]))
	if le.Uint16(b[4:]) != 0 || le.Uint16(b[6:]) != 0 || le.Uint16(b[8:]) != le.Uint16(b[10:]) {
		return fail("zip archive has several parts: expected one")
	}
	if end64, found, err := findEnd64(src, end); err != nil {
		return 0, 0, 0, err
	} else if found {
		if !agree(entries, end64.entries, max16) || !agree(length, end64.length, max32) || !agree(offset, end64.offset, max32) {
			return fail("zip archive has two end records that do not agree")
		}
		end, entries, length, offset = end64.at, end64.entries, end64.length, end64.offset
	}
	if entries > uint64(lim.MaxEntries) {
		return fail("zip archive has %d members: expected at most %d", entries, lim.MaxEntries)
	}
	if length > uint64(lim.MaxDirectory) {
		return fail("zip archive has a directory of %d bytes: expected at most %d", length, lim.MaxDirectory)
	}
	if offset > uint64(end) || uint64(end)-offset != length {
		return fail("zip archive has its directory elsewhere than its end record says")
	}
	return int64(offset), end, int(entries), nil
}

// agree compares a short field with its long form: equal, or marked as not
// fitting.
func agree(short, long, marker uint64) bool { return short == long || short == marker }

type end64 struct {
	at                      int64
	entries, length, offset uint64
}

func findEnd64(src *source, end int64) (e end64, found bool, err error) {
	e.at = end - lenLocator64 - lenEnd64
	if e.at < 0 {
		return e, false, nil
	}
	var b [lenEnd64 + lenLocator64]byte
	if err := src.read(b[:], e.at); err != nil {
		return e, false, err
	}
	loc := b[lenEnd64:]
	if le.Uint32(loc) != sigLocator64 {
		return e, false, nil
	}
	if le.Uint32(b[:]) != sigEnd64 || le.Uint64(b[4:]) != lenEnd64-12 ||
		le.Uint64(loc[8:]) != uint64(e.at) || le.Uint32(loc[4:]) != 0 || le.Uint32(loc[16:]) > 1 ||
		le.Uint32(b[16:]) != 0 || le.Uint32(b[20:]) != 0 || le.Uint64(b[24:]) != le.Uint64(b[32:]) {
		return e, false, invalid("zip archive has a zip64 end record that is not sound")
	}
	e.entries, e.length, e.offset = le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])
	return e, true, nil
}

func readDirectory(src *source, start, end int64, count int, lim Limits) ([]zipMember, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(src, start, end-start), 64<<10)
	members := make([]zipMember, 0, min(count, int(end-start)/lenDirectory))
	seen := make(map[string]bool, cap(members))
	allowed := lim.unpacked(src.size)
	left := end - start
	for range count {
		var b [lenDirectory]byte
		if left < lenDirectory {
			return nil, invalid("zip archive has fewer members than its end record says: expected %d", count)
		}
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, err
		}
		names := make([]byte, int(le.Uint16(b[28:]))+int(le.Uint16(b[30:])))
		if left -= lenDirectory + int64(len(names)); left < 0 || le.Uint32(b[:]) != sigDirectory {
			return nil, invalid("zip archive has a directory that is not sound")
		}
		if _, err := io.ReadFull(r, names); err != nil {
			return nil, err
		}
		m, err := parseDirectoryEntry(b[:], names)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(m.name, "/") // a file and a directory clash too
		if seen[name] {
			return nil, invalid("zip archive has member %q twice", clip(m.name))
		}
		seen[name] = true
		if m.unpacked > allowed {
			return nil, invalid("zip archive of %d bytes unpacks to more than the %d bytes permitted", src.size, lim.unpacked(src.size))
		}
		allowed -= m.unpacked
		members = append(members, m)
	}
	if left != 0 {
		return nil, invalid("zip archive has more in its directory than the %d members its end record says", count)
	}
	return members, nil
}

// parseDirectoryEntry reads one entry; names is its name and its extra fields.
func parseDirectoryEntry(b, names []byte) (zipMember, error) {
	size := int(le.Uint16(b[28:]))
	m := zipMember{
		name:  string(names[:size]),
		flags: le.Uint16(b[8:]), method: le.Uint16(b[10:]), crc: le.Uint32(b[16:]),
		packed: int64(le.Uint32(b[20:])), unpacked: int64(le.Uint32(b[24:])), offset: int64(le.Uint32(b[42:])),
	}
	fail := func(what string) (zipMember, error) {
		return zipMember{}, invalid("zip archive member %q %s", clip(m.name), what)
	}
	if !safePath(strings.TrimSuffix(m.name, "/")) {
		return fail("has a name that is not a plain relative path")
	}
	switch {
	case m.flags&^knownFlags != 0:
		return fail("is encrypted or of a kind that is not supported")
	case m.flags&flagUTF8 == 0 && !ascii(m.name):
		return fail("has a name in no stated encoding: expected UTF-8")
	case m.method != methodStored && m.method != methodDeflated:
		return fail("is compressed by an unusual method: expected stored or deflated")
	case le.Uint16(b[32:]) != 0:
		return fail("has a comment")
	case le.Uint16(b[34:]) != 0 && le.Uint16(b[34:]) != max16:
		return fail("is in another part of the archive")
	}
	// Unix file types: none stated, a plain file, a directory.
	if kind := le.Uint32(b[38:]) >> 28; kind != 0 && kind != 8 && kind != 4 {
		return fail("is a link or a device: expected files and directories")
	}
	wide, found, err := zip64Extra(names[size:])
	if err != nil {
		return fail(err.Error())
	}
	if found {
		for _, v := range [...]*int64{&m.unpacked, &m.packed, &m.offset} {
			if *v != max32 {
				continue
			}
			if len(wide) < 8 || le.Uint64(wide) > 1<<62 {
				return fail("has zip64 sizes that are not sound")
			}
			*v, wide = int64(le.Uint64(wide)), wide[8:]
		}
		if len(wide) != 0 && !(len(wide) == 4 && le.Uint16(b[34:]) == max16 && le.Uint32(wide) == 0) {
			return fail("has zip64 sizes that nothing asks for")
		}
	}
	switch {
	case m.method == methodStored && m.packed != m.unpacked:
		return fail("is stored in another size than its own")
	case strings.HasSuffix(m.name, "/") && m.unpacked != 0:
		return fail("is a directory that has content")
	}
	return m, nil
}

// zip64Extra finds the zip64 field among extra fields.
func zip64Extra(extra []byte) (wide []byte, found bool, err error) {
	for len(extra) > 0 {
		if len(extra) < 4 {
			return nil, false, invalid("has extra fields that are not sound")
		}
		id, size := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if size > len(extra)-4 {
			return nil, false, invalid("has extra fields that are not sound")
		}
		switch id {
		case extraUnicodePath:
			return nil, false, invalid("has a second name")
		case extraZip64:
			if found {
				return nil, false, invalid("has zip64 sizes twice")
			}
			wide, found = extra[4:4+size], true
		}
		extra = extra[4+size:]
	}
	return wide, found, nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
