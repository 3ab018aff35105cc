package splice

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/flate"
)

// GzipHead is what a gzip member spliced from [Deflated] segments begins with
// (RFC 1952): no name, no time, no system.
const GzipHead = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// GzipTailLen is the length in bytes of a [GzipSum]'s tail.
const GzipTailLen = 10

// Deflated is a run of bytes, compressed so that it can stand anywhere in a gzip
// member: it refers to nothing before itself, and ends on a byte boundary
// without being the last of its stream.
type Deflated struct {
	Data  []byte // deflate blocks (RFC 1951); empty for an empty run
	CRC   uint32 // CRC-32 of the run
	Size  int64  // length of the run in bytes
	shift uint32 // what the CRC of bytes before the run is multiplied by
}

// deflaters are reused: a new one costs more than a segment does. The level is
// gzip's own default.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, 6)
	if err != nil {
		panic("splice: the level is within the permitted ones: " + err.Error())
	}
	return w
}}

// Deflate compresses a run. Equal runs give equal bytes. Beside the compression
// lost at its edges, a run costs 5 bytes.
func Deflate(raw []byte) Deflated {
	d := Deflated{CRC: crc32.ChecksumIEEE(raw), Size: int64(len(raw)), shift: crcShift(int64(len(raw)))}
	if len(raw) == 0 {
		return d
	}
	var b bytes.Buffer
	b.Grow(len(raw)/3 + 64)
	w := deflaters.Get().(*flate.Writer)
	w.Reset(&b)
	_, _ = w.Write(raw) // a bytes.Buffer takes everything
	_ = w.Flush()
	deflaters.Put(w)
	d.Data = bytes.Clone(b.Bytes())
	return d
}

// GzipSum gathers what the end of a gzip member states about its segments. The
// zero value is that of no segments.
type GzipSum struct {
	crc  uint32
	size int64
}

// Add takes the next segment into the sum.
func (s *GzipSum) Add(d Deflated) {
	s.crc = crcMultiply(d.shift, s.crc) ^ d.CRC
	s.size += d.Size
}

// Size is the length in bytes of the segments so far, unpacked.
func (s *GzipSum) Size() int64 { return s.size }

// AppendTail ends the member: an empty last block, the CRC-32 and the length
// modulo 2^32.
func (s *GzipSum) AppendTail(b []byte) []byte {
	b = append(b, 0x03, 0x00)
	b = binary.LittleEndian.AppendUint32(b, s.crc)
	return binary.LittleEndian.AppendUint32(b, uint32(s.size))
}

// A CRC-32 is a polynomial over GF(2) modulo P, bits reflected: bit 31 stands for
// x^0. That of a followed by b is crc(a)·x^(8·len(b)) + crc(b), pre- and
// post-conditioning included, since both cancel out (Mark Adler, zlib's
// crc32_combine).

const crcOne = 1 << 31 // x^0

// crcPowers holds x^(2^i) mod P. The order of x divides 2^32-1, so that
// x^(2^32) is x again and the table repeats.
var crcPowers = func() (t [32]uint32) {
	t[0] = crcOne >> 1
	for i := 1; i < len(t); i++ {
		t[i] = crcMultiply(t[i-1], t[i-1])
	}
	return t
}()

// crcShift is x^(8·n) mod P.
func crcShift(n int64) uint32 {
	p := uint32(crcOne)
	for i := 3; n != 0; i, n = i+1, n>>1 {
		if n&1 != 0 {
			p = crcMultiply(crcPowers[i%len(crcPowers)], p)
		}
	}
	return p
}

// crcMultiply is a·b mod P.
func crcMultiply(a, b uint32) uint32 {
	var p uint32
	for ; a != 0; a <<= 1 {
		if a&crcOne != 0 {
			p ^= b
		}
		odd := b & 1
		b >>= 1
		if odd != 0 {
			b ^= crc32.IEEE
		}
	}
	return p
}
