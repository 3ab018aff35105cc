package indexer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/fairwayhq/fairway/splice"
)

// File is one immutable representation of one index file. It may be read by many
// goroutines at once, and stays readable whatever is published meanwhile.
type File struct {
	ContentType string
	ETag        string    // strong and quoted; unique to the bytes and to the place they are served at
	Modified    time.Time // of the last change of the subdir; the zero time for none
	Immutable   bool      // the bytes at this place never change
	Zstd        *File     // the same content for Content-Encoding: zstd, nil for none
	body        *rope
}

// Size is the length in bytes.
func (f *File) Size() int64 { return f.body.size() }

// WriteTo implements [io.WriterTo], piece by piece: the file is never in memory as
// a whole.
func (f *File) WriteTo(w io.Writer) (int64, error) { return f.body.WriteTo(w) }

// NewReader reads the file from any place.
func (f *File) NewReader() io.ReadSeeker { return &ropeReader{r: f.body} }

// fileKind is one of the files of a generation.
type fileKind int

const (
	repodataJSON fileKind = iota
	repodataZst
	runExportsJSON
	runExportsZst
	shardIndex
	currentJSON
	fileKinds
)

// fileNames are the names they are served under.
var fileNames = map[string]fileKind{
	"repodata.json":               repodataJSON,
	"repodata.json.zst":           repodataZst,
	"run_exports.json":            runExportsJSON,
	"run_exports.json.zst":        runExportsZst,
	"repodata_shards.msgpack.zst": shardIndex,
	"current_repodata.json":       currentJSON,
}

// Content types of what is served.
const (
	typeJSON = "application/json"
	typeZstd = "application/zstd"
)

// file is one of the files, made at its first request. Two requests may both make
// it; the bytes are the same.
func (g *generation) file(kind fileKind) (*File, error) {
	if f := g.files[kind].Load(); f != nil {
		return f, nil
	}
	f, err := g.makeFile(kind)
	if err != nil {
		return nil, err
	}
	g.files[kind].CompareAndSwap(nil, f)
	return g.files[kind].Load(), nil
}

func (g *generation) makeFile(kind fileKind) (*File, error) {
	switch kind {
	case repodataJSON, runExportsJSON:
		parts := g.repodata()
		if kind == runExportsJSON {
			parts = g.runExports()
		}
		packed, tag := g.zstd(parts), g.tag(parts)
		f := g.newFile(typeJSON, tag, kind, "identity", g.plain(parts))
		f.Zstd = g.newFile(typeJSON, tag, kind, "zstd", packed)
		return f, nil
	case repodataZst:
		return g.newFile(typeZstd, g.tag(g.repodata()), kind, "identity", g.zstd(g.repodata())), nil
	case runExportsZst:
		return g.newFile(typeZstd, g.tag(g.runExports()), kind, "identity", g.zstd(g.runExports())), nil
	case shardIndex:
		parts := g.shardIndex()
		return g.newFile(typeZstd, g.tag(parts), kind, "identity", g.zstd(parts)), nil
	default:
		doc, err := g.current()
		if err != nil {
			return nil, err
		}
		body := &rope{budget: g.budget}
		body.bytes(doc)
		return g.newFile(typeJSON, sha256.Sum256(doc), kind, "identity", body), nil
	}
}

func (g *generation) newFile(contentType string, tag [32]byte, kind fileKind, encoding string, body *rope) *File {
	f := &File{ContentType: contentType, body: body, ETag: etag(tag, g.channel, g.subdir, strconv.Itoa(int(kind)), encoding)}
	if g.changedAt > 0 {
		f.Modified = time.UnixMilli(g.changedAt)
	}
	return f
}

// etag is made of what the bytes are made of and of the place they are served at:
// conda and libmamba hold up the validator of one file when they ask for another.
func etag(tag [32]byte, place ...string) string {
	h := sha256.New()
	h.Write(tag[:])
	for _, s := range place {
		io.WriteString(h, s)
		h.Write([]byte{0})
	}
	return `"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
}

// part is punctuation, or a piece of a segment.
type part struct {
	text  string
	piece *piece
	bare  bool // the piece has no filler before it
}

// list is the pieces of a section, with commas between them.
func (g *generation) list(parts []part, sec section) []part {
	first := true
	for _, s := range g.segs {
		p := &s.piece[sec]
		if p.size == 0 {
			continue
		}
		if !first && sec != secHashes {
			parts = append(parts, part{text: ","})
		}
		first = false
		parts = append(parts, part{piece: p, bare: sec == secHashes})
	}
	return parts
}

func (g *generation) repodata() []part {
	parts := make([]part, 0, 2*len(g.segs)+8)
	parts = append(parts, part{text: `{"info":{"subdir":` + string(mustMarshal(g.subdir)) + `},"packages":{`})
	parts = g.list(parts, secBz2)
	parts = g.list(append(parts, part{text: `},"packages.conda":{`}), secConda)
	parts = g.list(append(parts, part{text: `},"removed":[`}), secRemoved)
	return append(parts, part{text: "],\"repodata_version\":1}\n"})
}

func (g *generation) runExports() []part {
	parts := make([]part, 0, 2*len(g.segs)+4)
	parts = append(parts, part{text: `{"info":{"subdir":` + string(mustMarshal(g.subdir)) + `,"version":1},"packages":{`})
	parts = g.list(parts, secRunBz2)
	parts = g.list(append(parts, part{text: `},"packages.conda":{`}), secRunConda)
	return append(parts, part{text: "}}\n"})
}

// shardIndex is the index of CEP 16. Its relative addresses are what every client
// resolves alike: libmamba treats them as strings.
func (g *generation) shardIndex() []part {
	b := msgp.AppendMapHeader(nil, 3)
	b = msgp.AppendMapHeader(msgp.AppendString(b, "info"), 4)
	b = msgp.AppendString(msgp.AppendString(b, "base_url"), "./")
	b = msgp.AppendString(msgp.AppendString(b, "created_at"), time.UnixMilli(g.changedAt).UTC().Format("2006-01-02T15:04:05.000Z"))
	b = msgp.AppendString(msgp.AppendString(b, "shards_base_url"), "./shards/")
	b = msgp.AppendString(msgp.AppendString(b, "subdir"), g.subdir)
	b = msgp.AppendInt(msgp.AppendString(b, "version"), 1)
	b = msgp.AppendMapHeader(msgp.AppendString(b, "shards"), uint32(g.names))
	return g.list([]part{{text: string(b)}}, secHashes)
}

// plain is a document as it is.
func (g *generation) plain(parts []part) *rope {
	r := &rope{budget: g.budget, chunks: make([]chunk, 0, len(parts)), ends: make([]int64, 0, len(parts))}
	for _, p := range parts {
		if p.piece == nil {
			r.text(p.text)
		} else {
			r.plain(p.piece)
		}
	}
	return r
}

// zstd is the same document as one zstd frame.
func (g *generation) zstd(parts []part) *rope {
	r := &rope{budget: g.budget, chunks: make([]chunk, 0, len(parts)+2), ends: make([]int64, 0, len(parts)+2)}
	size := 0
	for _, p := range parts {
		size += len(p.text)
		if p.piece != nil {
			size += p.piece.size
			if !p.bare {
				size += len(splice.Filler)
			}
		}
	}
	r.bytes(splice.ZstdHeader(uint64(size)))
	comma := splice.AppendZstdRaw(nil, []byte(","))
	for _, p := range parts {
		switch {
		case p.piece != nil:
			r.bytes(p.piece.z)
		case p.text == ",":
			r.bytes(comma)
		default:
			r.bytes(splice.AppendZstdRaw(nil, []byte(p.text)))
		}
	}
	r.bytes(splice.ZstdTrailer())
	return r
}

// tag is a digest of a document: of its punctuation, and of its pieces' digests.
func (g *generation) tag(parts []part) [32]byte {
	h := sha256.New()
	for _, p := range parts {
		if p.piece == nil {
			fmt.Fprintf(h, "t%d:%s", len(p.text), p.text)
			continue
		}
		sum := p.piece.sum()
		h.Write([]byte{'p'})
		h.Write(sum[:])
	}
	return [32]byte(h.Sum(nil))
}

// sum is a digest of a piece's bytes.
func (p *piece) sum() [32]byte {
	if s := p.digest.Load(); s != nil {
		return *s
	}
	s := sha256.Sum256(p.z)
	p.digest.Store(&s)
	return s
}

// shardHash reads the name of a shard's file.
func shardHash(file string) (hash [32]byte, ok bool) {
	hexed, ok := strings.CutPrefix(file, "shards/")
	if !ok {
		return hash, false
	}
	hexed, ok = strings.CutSuffix(hexed, ".msgpack.zst")
	if !ok || len(hexed) != 64 || strings.ToLower(hexed) != hexed {
		return hash, false
	}
	_, err := hex.Decode(hash[:], []byte(hexed))
	return hash, err == nil
}

var _ io.WriterTo = (*File)(nil)
