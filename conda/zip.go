package conda

import (
	"cmp"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"strings"
)

// The outer archive of a .conda file is a zip archive of three stored members
// (CEP 35). Readers find members by the headers before them or by the directory at
// the end, and differ in what they believe; so the rules leave one reading only:
// the members lie one after the other from the first byte, both lists agree, the
// directory follows, and nothing else is in the file (APPNOTE.TXT 6.3.10).

// zipMember is a stored member, of which both lists agreed.
type zipMember struct {
	name   string
	flags  uint16
	crc    uint32
	size   int64
	offset int64 // of the header before it
	data   int64 // offset of its content
}

const (
	sigLocal, sigDirectory, sigEnd           = 0x04034b50, 0x02014b50, 0x06054b50
	sigEnd64, sigLocator64, sigData          = 0x06064b50, 0x07064b50, 0x08074b50
	lenLocal, lenDirectory, lenEnd, lenEnd64 = 30, 46, 22, 56
	lenLocator64                             = 20

	flagDescriptor = 1 << 3
	// knownFlags are a data descriptor and names in UTF-8; all others mean
	// encryption, patches or methods that are not in use here.
	knownFlags = flagDescriptor | 1<<11

	maxDirectory = 16 << 10 // bytes; three entries need some 400
	condaMembers = 3

	max16, max32 = 1<<16 - 1, 1<<32 - 1
)

var le = binary.LittleEndian

// readZip returns the members, in the order they lie in.
func readZip(src *source) ([]*zipMember, error) {
	start, end, err := findDirectory(src)
	if err != nil {
		return nil, err
	}
	dir := make([]byte, end-start)
	if err := src.read(dir, start); err != nil {
		return nil, err
	}
	members := make([]*zipMember, 0, condaMembers)
	for len(dir) > 0 && len(members) < condaMembers {
		m, rest, err := readEntry(dir)
		if err != nil {
			return nil, err
		}
		dir = rest
		members = append(members, m)
	}
	if len(dir) > 0 || len(members) != condaMembers {
		return nil, invalid("the .conda file does not have three members: metadata.json, info-….tar.zst and pkg-….tar.zst are expected")
	}
	slices.SortFunc(members, func(a, b *zipMember) int { return cmp.Compare(a.offset, b.offset) })
	at := int64(0)
	for i, m := range members {
		next := start
		if i+1 < len(members) {
			next = members[i+1].offset
		}
		if m.offset != at {
			return nil, invalid("the .conda file has members that overlap, or bytes that belong to none, at offset %d", min(at, m.offset))
		}
		if at, err = m.readLocal(src, next); err != nil {
			return nil, err
		}
	}
	if at != start {
		return nil, invalid("the .conda file has bytes that belong to no member before its directory")
	}
	return members, nil
}

// findDirectory reads the end of the archive.
func findDirectory(src *source) (start, end int64, err error) {
	if src.size < lenEnd {
		return 0, 0, invalid("the file of %d bytes is no .conda file: a zip archive is expected", src.size)
	}
	var b [lenEnd]byte
	if err := src.read(b[:], src.size-lenEnd); err != nil {
		return 0, 0, err
	}
	if le.Uint32(b[:]) != sigEnd || le.Uint16(b[20:]) != 0 {
		return 0, 0, invalid("the .conda file does not end as a zip archive does: an end record without a comment is expected as its last bytes")
	}
	end = src.size - lenEnd
	count, length, offset := uint64(le.Uint16(b[10:])), uint64(le.Uint32(b[12:])), uint64(le.Uint32(b[16:]))
	sound := le.Uint32(b[4:]) == 0 && le.Uint16(b[8:]) == le.Uint16(b[10:])
	if at := end - lenLocator64 - lenEnd64; at >= 0 {
		var w [lenEnd64 + lenLocator64]byte
		if err := src.read(w[:], at); err != nil {
			return 0, 0, err
		}
		if loc := w[lenEnd64:]; le.Uint32(loc) == sigLocator64 {
			count64, length64, offset64 := le.Uint64(w[32:]), le.Uint64(w[40:]), le.Uint64(w[48:])
			sound = sound && le.Uint32(w[:]) == sigEnd64 && le.Uint64(w[4:]) == lenEnd64-12 &&
				le.Uint64(loc[8:]) == uint64(at) && le.Uint32(loc[4:]) == 0 && le.Uint32(loc[16:]) <= 1 &&
				le.Uint64(w[16:]) == 0 && le.Uint64(w[24:]) == count64 &&
				agree(count, count64, max16) && agree(length, length64, max32) && agree(offset, offset64, max32)
			end, count, length, offset = at, count64, length64, offset64
		}
	}
	if !sound || count != condaMembers || length > maxDirectory || offset > uint64(end) || uint64(end)-offset != length {
		return 0, 0, invalid("the end record of the .conda file does not fit the file: a directory of three members before it is expected")
	}
	return int64(offset), end, nil
}

// agree compares a short field with its long form: equal, or marked as absent.
func agree(short, long, marker uint64) bool { return short == long || short == marker }

// readEntry reads one entry of the directory.
func readEntry(b []byte) (m *zipMember, rest []byte, err error) {
	if len(b) < lenDirectory || le.Uint32(b) != sigDirectory {
		return nil, nil, invalid("the directory of the .conda file is damaged")
	}
	name, extra, comment := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	if len(b)-lenDirectory < name+extra+comment {
		return nil, nil, invalid("the directory of the .conda file is damaged")
	}
	tail := b[lenDirectory:]
	m = &zipMember{name: string(tail[:name]), flags: le.Uint16(b[8:]), crc: le.Uint32(b[16:])}
	packed, unpacked, offset := uint64(le.Uint32(b[20:])), uint64(le.Uint32(b[24:])), uint64(le.Uint32(b[42:]))
	wide, err := zip64Extra(tail[name : name+extra])
	if err != nil {
		return nil, nil, err
	}
	for _, v := range [...]*uint64{&unpacked, &packed, &offset} {
		switch {
		case len(wide) >= 8 && (*v == max32 || *v == le.Uint64(wide)):
			*v, wide = le.Uint64(wide), wide[8:]
		case *v == max32:
			return nil, nil, m.bad("has no zip64 sizes where they are announced")
		}
	}
	kind := le.Uint32(b[38:]) >> 28 // of a Unix file: none stated, or a plain one
	switch {
	case m.flags&^knownFlags != 0:
		return nil, nil, m.bad("is encrypted, or of a kind that is not supported")
	case le.Uint16(b[10:]) != 0 || packed != unpacked:
		return nil, nil, m.bad("is compressed by the zip archive: it is expected to be stored (CEP 35)")
	case len(wide) != 0 && !(len(wide) == 4 && le.Uint32(wide) == 0), packed > 1<<60, offset > 1<<60:
		return nil, nil, m.bad("has zip64 sizes that do not fit")
	case kind != 0 && kind != 8, comment != 0, le.Uint16(b[34:]) != 0 && le.Uint16(b[34:]) != max16:
		return nil, nil, m.bad("is not a plain file")
	}
	m.size, m.offset = int64(packed), int64(offset)
	return m, tail[name+extra:], nil
}

func (m *zipMember) bad(what string) error {
	return invalid("the member %s of the .conda file %s", clip(m.name), what)
}

// zip64Extra finds the long sizes among extra fields.
func zip64Extra(extra []byte) (wide []byte, err error) {
	const idZip64, idUnicodePath = 0x0001, 0x7075
	for len(extra) > 0 {
		if len(extra) < 4 || int(le.Uint16(extra[2:])) > len(extra)-4 {
			return nil, invalid("a member of the .conda file has extra fields that are damaged")
		}
		id, size := le.Uint16(extra), int(le.Uint16(extra[2:]))
		switch {
		case id == idUnicodePath:
			return nil, invalid("a member of the .conda file has a second name")
		case id == idZip64 && wide != nil:
			return nil, invalid("a member of the .conda file has zip64 sizes twice")
		case id == idZip64:
			wide = extra[4 : 4+size : 4+size]
		}
		extra = extra[4+size:]
	}
	return wide, nil
}

// readLocal compares the header before the member with the directory, and returns
// where the member ends, which can be no later than next.
func (m *zipMember) readLocal(src *source, next int64) (int64, error) {
	var b [lenLocal]byte
	if next-m.offset < lenLocal {
		return 0, m.bad("overlaps with the next")
	}
	if err := src.read(b[:], m.offset); err != nil {
		return 0, err
	}
	name, extra := int(le.Uint16(b[26:])), int(le.Uint16(b[28:]))
	m.data = m.offset + lenLocal + int64(name+extra)
	if le.Uint32(b[:]) != sigLocal || m.data > next || m.size > next-m.data {
		return 0, m.bad("is not where the directory says")
	}
	tail := make([]byte, name+extra)
	if err := src.read(tail, m.offset+lenLocal); err != nil {
		return 0, err
	}
	wide, err := zip64Extra(tail[name:])
	if err != nil {
		return 0, err
	}
	packed, unpacked := uint64(le.Uint32(b[18:])), uint64(le.Uint32(b[22:]))
	sound := true
	if wide != nil {
		if len(wide) < 16 {
			return 0, m.bad("has zip64 sizes that do not fit")
		}
		sound = agree(unpacked, le.Uint64(wide), max32) && agree(packed, le.Uint64(wide[8:]), max32)
		unpacked, packed = le.Uint64(wide), le.Uint64(wide[8:])
	}
	// A data descriptor permits zeros here, to be filled in behind the content.
	later := m.flags&flagDescriptor != 0
	same := func(local, directory uint64) bool { return local == directory || later && local == 0 }
	if !sound || string(tail[:name]) != m.name || le.Uint16(b[6:]) != m.flags || le.Uint16(b[8:]) != 0 ||
		!same(uint64(le.Uint32(b[14:])), uint64(m.crc)) || !same(packed, uint64(m.size)) || !same(unpacked, uint64(m.size)) {
		return 0, m.bad("is described differently before its content and in the directory")
	}
	if later {
		return next, m.readDescriptor(src, next)
	}
	return m.data + m.size, nil
}

// readDescriptor reads what fills the room between the content and next.
func (m *zipMember) readDescriptor(src *source, next int64) error {
	at := m.data + m.size
	bad := m.bad("has a data descriptor that does not agree with the directory")
	size := next - at
	if size != 12 && size != 16 && size != 20 && size != 24 {
		return bad
	}
	d := make([]byte, size)
	if err := src.read(d, at); err != nil {
		return err
	}
	if size == 16 || size == 24 {
		if le.Uint32(d) != sigData {
			return bad
		}
		d = d[4:]
	}
	packed, unpacked := uint64(le.Uint32(d[4:])), uint64(le.Uint32(d[len(d)-4:]))
	if len(d) == 20 {
		packed, unpacked = le.Uint64(d[4:]), le.Uint64(d[12:])
	}
	if le.Uint32(d) != m.crc || packed != uint64(m.size) || unpacked != uint64(m.size) {
		return bad
	}
	return nil
}

// open reads the content, and fails at its end if the checksum does not fit.
func (m *zipMember) open(src *source) io.Reader {
	return &checked{Reader: io.NewSectionReader(src, m.data, m.size), member: m, sum: crc32.NewIEEE()}
}

type checked struct {
	io.Reader
	member *zipMember
	sum    hash.Hash32
}

// Read implements io.Reader.
func (c *checked) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.sum.Write(p[:n])
	if err == io.EOF && c.sum.Sum32() != c.member.crc {
		return n, c.member.bad("does not have the checksum that the directory says")
	}
	return n, err
}

// pick finds the three members that a .conda file of that stem has.
func pick(members []*zipMember, stem string) (metadata, info, pkg *zipMember, err error) {
	for _, m := range members {
		var p **zipMember
		switch m.name {
		case "metadata.json":
			p = &metadata
		case "info-" + stem + ".tar.zst":
			p = &info
		case "pkg-" + stem + ".tar.zst":
			p = &pkg
		default:
			if strings.HasPrefix(m.name, "info-") || strings.HasPrefix(m.name, "pkg-") {
				return nil, nil, nil, m.bad("does not belong to the file name: it is expected to end in " + clip(stem+".tar.zst"))
			}
			return nil, nil, nil, m.bad("is not known: only metadata.json, info-….tar.zst and pkg-….tar.zst are expected (CEP 35)")
		}
		if *p != nil {
			return nil, nil, nil, m.bad("is there twice")
		}
		*p = m
	}
	return metadata, info, pkg, nil
}

var _ io.Reader = (*checked)(nil)
