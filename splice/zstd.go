package splice

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// zstdWindow is the window of every spliced frame and of every segment in it,
// bytes. A segment cannot refer to what stands before it, so more would only ask
// decoders for memory.
const zstdWindow = 1 << 20

// Filler is what stands before the bytes of every compressed segment in the
// decoded frame: 33 spaces, which JSON (RFC 8259 §2) and HTML take for nothing.
// Bytes served uncompressed beside the frame carry it too.
const Filler = "                                 "

// zstdReset is the block that decodes to [Filler] and makes the segment after it
// independent of everything before: it leaves the repeat offsets at 1, 4 and 8,
// where a frame begins with them (RFC 8878 §3.1.1.5). Entropy tables need no
// reset, for a fresh encoder never refers to earlier ones.
var zstdReset = [...]byte{
	0x4c, 0x00, 0x00, // block header: not the last, compressed, 9 bytes
	0xc1, ' ', // literals: 24 times the same byte
	3,                // sequences
	0b01_00_01_00,    // literal lengths RLE, offsets predefined, match lengths RLE
	8,                // every literal length is 8
	0,                // every match length is 3
	0xb8, 0xdd, 0x4a, // offsets 8, 4, 1, read from the end behind the marker bit
}

// A zstd frame header (RFC 8878 §3.1.1.1) without dictionary and checksum, with
// an 8-byte content size: one-shot decoders want to know it.
var zstdHeader = [...]byte{0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x50}

// ZstdHeaderLen is the length of every [ZstdHeader], bytes.
const ZstdHeaderLen = len(zstdHeader) + 8

// zstdRawMax is the most bytes of one raw block: Block_Maximum_Size.
const zstdRawMax = 128 << 10

const (
	zstdRaw = 0
	zstdRLE = 1
)

// ZstdHeader begins a frame whose parts decode to size bytes together.
func ZstdHeader(size uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(make([]byte, 0, ZstdHeaderLen), zstdHeader[:]...), size)
}

// ZstdTrailer ends a frame: an empty last block.
func ZstdTrailer() []byte { return []byte{0x01, 0x00, 0x00} }

// AppendZstdRaw appends blocks that decode to text as it stands, three bytes
// longer for each 128 KiB begun. They need no reset and disturb none: meant for
// punctuation between segments, and for bytes that do not compress.
func AppendZstdRaw(dst, text []byte) []byte {
	for len(text) > 0 {
		n := min(len(text), zstdRawMax)
		h := uint32(n)<<3 | zstdRaw<<1
		dst = append(dst, byte(h), byte(h>>8), byte(h>>16))
		dst = append(dst, text[:n]...)
		text = text[n:]
	}
	return dst
}

// AppendZstd compresses raw on its own and appends blocks that decode to [Filler]
// and raw. The same input gives the same output, in any frame and at any place
// of it. Nothing is appended for empty input.
func AppendZstd(dst, raw []byte) []byte {
	if len(raw) == 0 {
		return dst
	}
	bp, _ := frames.Get().(*[]byte)
	defer frames.Put(bp)
	*bp = encoder().EncodeAll(raw, (*bp)[:0])
	dst, err := appendBlocks(append(dst, zstdReset[:]...), *bp)
	if err != nil {
		panic("splice: the encoder wrote a frame that cannot be read: " + err.Error())
	}
	return dst
}

var frames = sync.Pool{New: func() any { return new([]byte) }}

// encoder is shared: EncodeAll may run many times at once. "Better" was measured
// at 110 MB/s on package records and is within 1 % of the sizes of slower levels.
var encoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderCRC(false), zstd.WithSingleSegment(false), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
	if err != nil {
		panic("splice: " + err.Error())
	}
	return e
})

// appendBlocks appends the blocks of a frame without its header and with no block
// marked as the last.
func appendBlocks(dst, frame []byte) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(frame); err != nil {
		return nil, fmt.Errorf("reading frame header: %w", err)
	}
	if h.HasCheckSum || h.DictionaryID != 0 || h.WindowSize > zstdWindow {
		return nil, fmt.Errorf("reading frame header: checksum %t, dictionary %d, window %d: none, 0 and at most %d are expected",
			h.HasCheckSum, h.DictionaryID, h.WindowSize, zstdWindow)
	}
	blocks := frame[h.HeaderSize:]
	for {
		if len(blocks) < 3 {
			return nil, fmt.Errorf("reading block header: %d bytes left", len(blocks))
		}
		head := uint32(blocks[0]) | uint32(blocks[1])<<8 | uint32(blocks[2])<<16
		last, kind, size := head&1 == 1, head>>1&3, int(head>>3)
		if kind == zstdRLE {
			size = 1
		}
		if len(blocks) < 3+size {
			return nil, fmt.Errorf("reading block: %d bytes announced, %d left", size, len(blocks)-3)
		}
		if size > 0 { // an empty block would only say that it is the last
			dst = append(dst, blocks[0]&^1, blocks[1], blocks[2])
			dst = append(dst, blocks[3:3+size]...)
		}
		blocks = blocks[3+size:]
		if last {
			return dst, nil
		}
	}
}

// Unzstd decodes one segment of [AppendZstd], without the filler, into dst. It is
// for segments from this process or from behind a checksum.
func Unzstd(dst, segment []byte, size int) ([]byte, error) {
	if len(segment) == 0 {
		return dst, nil
	}
	if len(segment) < len(zstdReset) {
		return nil, fmt.Errorf("reading segment: %d bytes are too few", len(segment))
	}
	bp, _ := frames.Get().(*[]byte)
	defer frames.Put(bp)
	b := append((*bp)[:0], zstdHeader[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(size))
	b = append(append(b, segment[len(zstdReset):]...), ZstdTrailer()...)
	*bp = b
	dst, err := decoder().DecodeAll(b, dst)
	if err != nil {
		return nil, fmt.Errorf("decoding segment: %w", err)
	}
	return dst, nil
}

var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderMaxWindow(zstdWindow))
	if err != nil {
		panic("splice: " + err.Error())
	}
	return d
})
