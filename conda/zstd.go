package conda

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

// checkFrame walks the blocks of a member without decompressing it: it is one zstd
// frame (RFC 8878 §3.1.1) from its first byte to its last. Some clients stop behind
// the first frame and others go on, so that two would mean two packages.
func (m *zipMember) checkFrame(src *source, maxWindow int64) error {
	w := window{src: src, from: m.data, size: m.size}
	head, err := w.at(0, 14)
	if err != nil {
		return err
	}
	if len(head) < 6 || le.Uint32(head) != 0xfd2fb528 {
		return m.bad("is no zstd frame")
	}
	descriptor := head[4]
	single, sized := descriptor>>5&1 == 1, descriptor>>6
	at := int64(5)
	window := int64(0)
	if !single {
		exponent, mantissa := head[5]>>3, int64(head[5]&7)
		window = 1 << (10 + exponent)
		window += window / 8 * mantissa
		at++
	}
	if descriptor&3 != 0 || descriptor>>3&1 != 0 {
		return m.bad("is a zstd frame that needs a dictionary, or of a kind that is not known")
	}
	fieldLen := [4]int{0, 2, 4, 8}[sized]
	if sized == 0 && single {
		fieldLen = 1
	}
	if len(head) < int(at)+fieldLen {
		return m.bad("is a zstd frame that is cut off")
	}
	if field := head[at : int(at)+fieldLen]; single {
		window = frameSize(field)
	}
	if window < 0 || window > maxWindow {
		return m.bad("is a zstd frame with too large a window: at most " + megabytes(maxWindow) + " are accepted")
	}
	at += int64(fieldLen)
	for last := false; !last; {
		b, err := w.at(at, 3)
		if err != nil {
			return err
		}
		if len(b) < 3 {
			return m.bad("is a zstd frame that is cut off")
		}
		head := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last = head&1 == 1
		length := int64(head >> 3)
		switch head >> 1 & 3 {
		case 1: // one byte, repeated
			length = 1
		case 3:
			return m.bad("is a zstd frame that is damaged")
		}
		at += 3 + length
	}
	if descriptor>>2&1 == 1 {
		at += 4 // checksum
	}
	if at > m.size {
		return m.bad("is a zstd frame that is cut off")
	}
	if at < m.size {
		return m.bad("has more than one zstd frame: clients read only the first")
	}
	return nil
}

// frameSize is the content size in a frame's header, negative if absurd.
func frameSize(field []byte) int64 {
	var v uint64
	for i, b := range field {
		v |= uint64(b) << (8 * i)
	}
	if len(field) == 2 {
		v += 256
	}
	return int64(v)
}

// window reads single bytes of a section at rising offsets, a chunk at a time.
type window struct {
	src        *source
	from, size int64
	start      int64 // of chunk, in the section
	chunk      []byte
	buf        [4096]byte
}

// at returns n bytes at an offset of the section, fewer at its end.
func (w *window) at(off int64, n int) ([]byte, error) {
	if off >= w.size {
		return nil, nil
	}
	n = int(min(int64(n), w.size-off))
	if off < w.start || off+int64(n) > w.start+int64(len(w.chunk)) {
		w.start = off
		w.chunk = w.buf[:min(int64(len(w.buf)), w.size-off)]
		if err := w.src.read(w.chunk, w.from+off); err != nil {
			return nil, err
		}
	}
	return w.chunk[off-w.start:][:n], nil
}

// unzstd decompresses one frame, in memory that its window bounds.
func unzstd(r io.Reader, maxWindow int64) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(uint64(max(maxWindow, zstd.MinWindowSize))))
}
