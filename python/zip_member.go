package python

import (
	"bufio"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// checkLocal compares the header before the member's data with the directory,
// and returns the end of the member, which can be no later than next.
func (m *zipMember) checkLocal(src *source, next int64) (int64, error) {
	fail := func(what string) (int64, error) {
		return 0, invalid("zip archive member %q %s", clip(m.name), what)
	}
	if next-m.offset < lenLocal {
		return fail("overlaps with the next")
	}
	var b [lenLocal]byte
	if err := src.read(b[:], m.offset); err != nil {
		return 0, err
	}
	nameLen, extraLen := int(le.Uint16(b[26:])), int(le.Uint16(b[28:]))
	m.data = m.offset + lenLocal + int64(nameLen+extraLen)
	if le.Uint32(b[:]) != sigLocal || m.data > next || m.packed > next-m.data {
		return fail("is not where the directory says")
	}
	names := make([]byte, nameLen+extraLen)
	if err := src.read(names, m.offset+lenLocal); err != nil {
		return 0, err
	}
	packed, unpacked := uint64(le.Uint32(b[18:])), uint64(le.Uint32(b[22:]))
	wide, found, err := zip64Extra(names[nameLen:])
	if err != nil {
		return fail(err.Error())
	}
	if found {
		if len(wide) != 16 {
			return fail("has zip64 sizes that are not sound")
		}
		if !agree(unpacked, le.Uint64(wide), max32) || !agree(packed, le.Uint64(wide[8:]), max32) {
			return fail("has zip64 sizes that do not agree with the others")
		}
		unpacked, packed = le.Uint64(wide), le.Uint64(wide[8:])
	}
	// A data descriptor permits zeros here, to be filled in after the data.
	later := m.flags&flagDescriptor != 0
	same := func(local, directory uint64) bool { return local == directory || later && local == 0 }
	if string(names[:nameLen]) != m.name || le.Uint16(b[6:]) != m.flags || le.Uint16(b[8:]) != m.method ||
		!same(uint64(le.Uint32(b[14:])), uint64(m.crc)) || !same(packed, uint64(m.packed)) || !same(unpacked, uint64(m.unpacked)) {
		return fail("is described differently before its data and in the directory")
	}
	end := m.data + m.packed
	if !later {
		return end, nil
	}
	return m.checkDescriptor(src, end, next)
}

// checkDescriptor reads the data descriptor that fills the room between the
// data and the next member. Readers without the directory find the end of the
// data by unpacking it, so that is done here as well.
func (m *zipMember) checkDescriptor(src *source, end, next int64) (int64, error) {
	fail := func() (int64, error) {
		return 0, invalid("zip archive member %q has a data descriptor that does not agree with the directory", clip(m.name))
	}
	var b [24]byte
	size := next - end
	if size != 12 && size != 16 && size != 20 && size != 24 {
		return fail()
	}
	d := b[:size]
	if err := src.read(d, end); err != nil {
		return 0, err
	}
	if size == 16 || size == 24 {
		if le.Uint32(d) != sigData {
			return fail()
		}
		d = d[4:]
	}
	packed, unpacked := uint64(le.Uint32(d[4:])), uint64(le.Uint32(d[len(d)-4:]))
	if len(d) == 20 {
		packed, unpacked = le.Uint64(d[4:]), le.Uint64(d[12:])
	}
	if le.Uint32(d) != m.crc || packed != uint64(m.packed) || unpacked != uint64(m.unpacked) || m.method == methodStored && m.packed > 0 {
		return fail()
	}
	return next, m.unpack(src, io.Discard)
}

// unpack writes the content of m to w, and checks that it is what both lists
// say, to the last byte.
func (m *zipMember) unpack(src *source, w io.Writer) error {
	packed := bufio.NewReader(io.NewSectionReader(src, m.data, m.packed))
	var r io.Reader = packed
	if m.method == methodDeflated {
		r = flate.NewReader(packed)
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(sum, w), io.LimitReader(r, m.unpacked+1))
	if src.err != nil {
		return src.err
	}
	if err == nil && n == m.unpacked && sum.Sum32() == m.crc {
		if _, more := packed.ReadByte(); more == io.EOF {
			return nil
		}
	}
	return invalid("zip archive member %q does not unpack to what the directory says", clip(m.name))
}

// read fills p. Inside the file, where it is only called for, not filling it
// is an error of the disk.
func (s *source) read(p []byte, off int64) error {
	_, err := io.ReadFull(io.NewSectionReader(s, off, int64(len(p))), p)
	return err
}
