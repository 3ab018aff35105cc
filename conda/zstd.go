package conda

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// checkFrame walks the blocks of a member without decompressing it: it is one zstd
// frame (RFC 8878 §3.1.1) from its first byte to its last. Some clients stop behind
// the first frame and others go on, so that two would mean two packages.
func (m *zipMember) checkFrame(src *source, maxWindow int64) (window int64, err error) {
	w := section{src: src, from: m.data, size: m.size}
	head, err := w.at(0, 14)
	if err != nil {
		return 0, err
	}
	if len(head) < 6 || le.Uint32(head) != 0xfd2fb528 {
		return 0, m.bad("is no zstd frame")
	}
	descriptor := head[4]
	single, sized := descriptor>>5&1 == 1, descriptor>>6
	at := int64(5)
	if !single {
		exponent, mantissa := head[5]>>3, int64(head[5]&7)
		window = 1 << (10 + exponent)
		window += window / 8 * mantissa
		at++
	}
	if descriptor&3 != 0 || descriptor>>3&1 != 0 {
		return 0, m.bad("is a zstd frame that needs a dictionary, or of a kind that is not known")
	}
	fieldLen := [4]int{0, 2, 4, 8}[sized]
	if sized == 0 && single {
		fieldLen = 1
	}
	if len(head) < int(at)+fieldLen {
		return 0, m.bad("is a zstd frame that is cut off")
	}
	if field := head[at : int(at)+fieldLen]; single {
		window = frameSize(field)
	}
	if window < 0 || window > maxWindow {
		return 0, m.bad("is a zstd frame with too large a window: at most " + megabytes(maxWindow) + " are accepted")
	}
	at += int64(fieldLen)
	for last := false; !last; {
		b, err := w.at(at, 3)
		if err != nil {
			return 0, err
		}
		if len(b) < 3 {
			return 0, m.bad("is a zstd frame that is cut off")
		}
		head := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last = head&1 == 1
		length := int64(head >> 3)
		switch head >> 1 & 3 {
		case 1: // one byte, repeated
			length = 1
		case 3:
			return 0, m.bad("is a zstd frame that is damaged")
		}
		at += 3 + length
	}
	if descriptor>>2&1 == 1 {
		at += 4 // checksum
	}
	if at > m.size {
		return 0, m.bad("is a zstd frame that is cut off")
	}
	if at < m.size {
		return 0, m.bad("has more than one zstd frame: clients read only the first")
	}
	return window, nil
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

// section reads single bytes of a part of the file at rising offsets, a chunk at a time.
type section struct {
	src        *source
	from, size int64
	start      int64 // of chunk, in the section
	chunk      []byte
	buf        [4096]byte
}

// at returns n bytes at an offset of the section, fewer at its end.
func (w *section) at(off int64, n int) ([]byte, error) {
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

// pooledWindow is the largest window whose decoder is kept for the next member:
// what packages usually have, while a larger one would stay in memory for nothing.
const pooledWindow = 8 << 20

// decoders hold decoders of frames with usual windows. To make one anew costs more
// memory than all else that is read of a small package.
var decoders = sync.Pool{New: func() any {
	z, err := newDecoder(pooledWindow)
	if err != nil {
		return err // of options that are constant
	}
	return z
}}

func newDecoder(maxWindow int64) (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(uint64(max(maxWindow, zstd.MinWindowSize))))
}

// unzstd calls fn with the content of one frame, in memory that its window bounds.
func unzstd(r io.Reader, window int64, fn func(io.Reader) error) error {
	if window > pooledWindow {
		z, err := newDecoder(window)
		if err != nil {
			return err
		}
		defer z.Close()
		return decode(z, r, fn)
	}
	z, ok := decoders.Get().(*zstd.Decoder)
	if !ok {
		return errors.New("making a zstd decoder")
	}
	defer func() {
		_ = z.Reset(nil) // lets go of r
		decoders.Put(z)
	}()
	return decode(z, r, fn)
}

func decode(z *zstd.Decoder, r io.Reader, fn func(io.Reader) error) error {
	if err := z.Reset(r); err != nil {
		return err
	}
	return fn(z)
}
