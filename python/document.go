package python

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"sync/atomic"

	"github.com/fairwayhq/fairway/splice"
)

// segment is a part of a document, encoded once and shared by all versions of
// the document that have it.
type segment struct {
	raw  []byte
	gzip splice.Deflated
	zstd []byte
	sums [3][sha256.Size]byte // of each form, by Encoding
}

// newSegment compresses raw on its own. Its text begins with [splice.Filler],
// white space that lets zstd blocks stand after any others.
func newSegment(raw []byte) *segment {
	if len(raw) == 0 {
		return newMark("")
	}
	s := &segment{raw: append([]byte(splice.Filler), raw...)}
	s.zstd = slices.Clip(splice.AppendZstd(nil, raw))
	return s.finish()
}

// newMark is a segment of a few bytes that stands as it is.
func newMark(text string) *segment {
	s := &segment{raw: []byte(text), zstd: splice.AppendZstdRaw(nil, []byte(text))}
	return s.finish()
}

func (s *segment) finish() *segment {
	s.gzip = splice.Deflate(s.raw)
	s.sums = [3][sha256.Size]byte{
		Identity: sha256.Sum256(s.raw), Gzip: sha256.Sum256(s.gzip.Data), Zstd: sha256.Sum256(s.zstd),
	}
	return s
}

// document is one format of a page in every coding: segments that are joined
// when they are asked for.
type document struct {
	parts []*segment
	sizes [3]int64
	sums  [3][sha256.Size]byte // over the sums of the parts: a cheap strong tag
	tail  []byte               // of the gzip member
	// joined holds the compressed forms in one piece, once they were asked for:
	// they are what is served, and far smaller than the text.
	joined [3]atomic.Pointer[[]byte]
}

func newDocument(parts []*segment) *document {
	d := &document{parts: parts}
	var sum splice.GzipSum
	d.sizes[Gzip] = int64(len(splice.GzipHead) + splice.GzipTailLen)
	d.sizes[Zstd] = int64(splice.ZstdHeaderLen + len(splice.ZstdTrailer()))
	for _, p := range parts {
		sum.Add(p.gzip)
		for e := range d.sizes {
			d.sizes[e] += int64(len(p.form(Encoding(e))))
		}
	}
	d.tail = sum.AppendTail(nil)
	h := sha256.New()
	for e := range d.sums {
		h.Reset()
		for _, p := range parts {
			h.Write(p.sums[e][:])
		}
		h.Sum(d.sums[e][:0])
	}
	return d
}

func (s *segment) form(e Encoding) []byte {
	switch e {
	case Gzip:
		return s.gzip.Data
	case Zstd:
		return s.zstd
	default:
		return s.raw
	}
}

// pieces are the bytes of one form, in order.
func (d *document) pieces(e Encoding) [][]byte {
	out := make([][]byte, 0, len(d.parts)+2)
	switch e {
	case Gzip:
		out = append(out, []byte(splice.GzipHead))
	case Zstd:
		out = append(out, splice.ZstdHeader(uint64(d.sizes[Identity])))
	}
	for _, p := range d.parts {
		out = append(out, p.form(e))
	}
	switch e {
	case Gzip:
		out = append(out, d.tail)
	case Zstd:
		out = append(out, splice.ZstdTrailer())
	}
	return out
}

// served is pieces, in one piece for a compressed form.
func (d *document) served(e Encoding) [][]byte {
	if e == Identity {
		return d.pieces(e)
	}
	p := d.joined[e].Load()
	if p == nil {
		b := slices.Concat(d.pieces(e)...)
		p = &b // two may do this at once, with equal results
		d.joined[e].Store(p)
	}
	return [][]byte{*p}
}

func (d *document) etag(t MediaType, e Encoding) string {
	b := make([]byte, 0, 36)
	b = hex.AppendEncode(append(b, '"'), d.sums[e][:16])
	return string(append(b, 'a'+byte(t)*3+byte(e), '"'))
}

func (d *document) writeTo(w io.Writer, e Encoding) (n int64, err error) {
	for _, p := range d.served(e) {
		m, err := w.Write(p)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (d *document) newReader(e Encoding) io.ReadSeeker {
	r := &rope{pieces: d.served(e)}
	r.ends = make([]int64, len(r.pieces))
	for i, p := range r.pieces {
		r.size += int64(len(p))
		r.ends[i] = r.size
	}
	return r
}

// memory is the most bytes it comes to hold on its own and with its segments.
func (d *document) memory() int64 {
	const overhead = 320 // a segment beside its bytes, and pointers to it
	return d.sizes[Identity] + 2*d.sizes[Gzip] + 2*d.sizes[Zstd] + overhead*int64(len(d.parts))
}
