package python

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/klauspost/compress/zstd"
)

type segment []byte

func newSegment(raw []byte) segment { return raw }

// document is one format of a page in every coding.
type document struct {
	forms [3][]byte
	sum   [32]byte
}

func joinJSON(p *Page, versions []group[string], files []group[*entry]) document {
	b := headJSON(p)
	for i, g := range versions {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, g.json...)
	}
	b = append(b, filesJSON...)
	for i, g := range files {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		b = append(b, g.json...)
	}
	return newDocument(append(b, tailJSON...))
}

func joinHTML(p *Page, files []group[*entry]) document {
	b := headHTML(p)
	for _, g := range files {
		b = append(b, g.html...)
	}
	return newDocument(append(b, tailHTML...))
}

func newDocument(raw []byte) document {
	d := document{sum: sha256.Sum256(raw)}
	d.forms[Identity] = raw
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	w.Write(raw)
	w.Close()
	d.forms[Gzip] = gz.Bytes()
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	d.forms[Zstd] = enc.EncodeAll(raw, nil)
	return d
}

func (d *document) Size(e Encoding) int64 { return int64(len(d.forms[e])) }

func (d *document) ETag(t MediaType, e Encoding) string {
	return `"` + hex.EncodeToString(d.sum[:16]) + string(rune('a'+3*int(t)+int(e))) + `"`
}

func (d *document) WriteTo(w io.Writer, e Encoding) (int64, error) {
	n, err := w.Write(d.forms[e])
	return int64(n), err
}

func (d *document) NewReader(e Encoding) io.ReadSeeker { return bytes.NewReader(d.forms[e]) }
