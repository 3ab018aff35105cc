package indexer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fairwayhq/fairway/splice"
)

// rope is a document in pieces that are shared with other generations. It never
// changes and may be read by many at once.
type rope struct {
	chunks []chunk
	ends   []int64 // where each chunk ends in the document
	budget *plainBudget
}

// chunk is bytes as they stand, or a piece that is decoded when it is read.
type chunk struct {
	b     []byte
	piece *piece
}

func (r *rope) add(c chunk, size int) {
	if size == 0 {
		return
	}
	r.chunks = append(r.chunks, c)
	r.ends = append(r.ends, r.size()+int64(size))
}

func (r *rope) text(s string)  { r.bytes([]byte(s)) }
func (r *rope) bytes(b []byte) { r.add(chunk{b: b}, len(b)) }
func (r *rope) plain(p *piece) { r.add(chunk{piece: p}, len(splice.Filler)+p.size) }
func (r *rope) size() int64 {
	if len(r.ends) == 0 {
		return 0
	}
	return r.ends[len(r.ends)-1]
}

// plainMax is how many bytes of decoded pieces a [Set] keeps: readers of plain
// repodata.json are few, but one that polls should not cost a decompression each
// time.
const plainMax = 64 << 20

// plainBudget bounds decoded pieces kept in memory.
type plainBudget struct{ used atomic.Int64 }

// bytes is a chunk's content. It may use scratch, and the result is valid until
// scratch is used again.
func (p *plainBudget) bytes(c chunk, scratch *[]byte) ([]byte, error) {
	if c.piece == nil {
		return c.b, nil
	}
	if b := c.piece.plain.Load(); b != nil {
		return *b, nil
	}
	size := int64(len(splice.Filler) + c.piece.size)
	keep := p.used.Add(size) <= plainMax
	dst := (*scratch)[:0]
	if keep {
		dst = make([]byte, 0, size)
	}
	b, err := c.piece.decode(append(dst, splice.Filler...))
	if err != nil {
		p.used.Add(-size)
		return nil, fmt.Errorf("reading index: %w", err)
	}
	if !keep {
		p.used.Add(-size)
		*scratch = b
		return b, nil
	}
	kept := &b
	// The budget is given back when the piece goes, or now if another was quicker.
	runtime.AddCleanup(kept, func(n int64) { p.used.Add(-n) }, size)
	c.piece.plain.CompareAndSwap(nil, kept)
	return b, nil
}

// writers gather the small chunks between pieces; scratches hold decoded ones.
var (
	writers   = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 64<<10) }}
	scratches = sync.Pool{New: func() any { return new([]byte) }}
)

// WriteTo implements [io.WriterTo].
func (r *rope) WriteTo(w io.Writer) (n int64, err error) {
	if len(r.chunks) == 1 && r.chunks[0].piece == nil { // a shard
		n, err := w.Write(r.chunks[0].b)
		return int64(n), err
	}
	bw, _ := writers.Get().(*bufio.Writer)
	scratch, _ := scratches.Get().(*[]byte)
	defer func() {
		bw.Reset(nil)
		writers.Put(bw)
		scratches.Put(scratch)
	}()
	counted := &countWriter{w: w}
	bw.Reset(counted)
	for _, c := range r.chunks {
		b, err := r.budget.bytes(c, scratch)
		if err != nil {
			return counted.n, err
		}
		if _, err := bw.Write(b); err != nil {
			return counted.n, err
		}
	}
	err = bw.Flush()
	return counted.n, err
}

type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// ropeReader reads a rope from any place.
type ropeReader struct {
	r       *rope
	at      int64
	scratch []byte
	chunk   int    // whose bytes are held
	held    []byte // nil for none
}

// Read implements [io.Reader].
func (r *ropeReader) Read(b []byte) (n int, err error) {
	for n < len(b) {
		if r.at >= r.r.size() {
			if n == 0 && len(b) > 0 {
				return 0, io.EOF
			}
			return n, nil
		}
		i, _ := slices.BinarySearch(r.r.ends, r.at+1)
		if r.held == nil || r.chunk != i {
			if r.held, err = r.r.budget.bytes(r.r.chunks[i], &r.scratch); err != nil {
				return n, err
			}
			r.chunk = i
		}
		begin := r.r.ends[i] - int64(len(r.held))
		m := copy(b[n:], r.held[r.at-begin:])
		n += m
		r.at += int64(m)
	}
	return n, nil
}

// Seek implements [io.Seeker].
func (r *ropeReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.r.size()
	}
	if offset < 0 {
		return r.at, errors.New("seeking in index: the place is before its beginning")
	}
	r.at = offset
	return offset, nil
}

var (
	_ io.WriterTo   = (*rope)(nil)
	_ io.ReadSeeker = (*ropeReader)(nil)
)
