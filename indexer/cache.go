package indexer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/fairwayhq/fairway/splice"
)

// The derived cache of a subdir is one file to which changes are appended:
//
//	magic  frame*
//	frame: kind (1 byte), length of the payload (4), xxHash64 of kind and payload (8), payload
//
// A segment frame holds one segment with its shards, a retained frame one
// superseded shard. A manifest frame names the segments of a generation by their
// places in the file; the last whole one counts. So a write costs what changed,
// a torn tail costs the writes in it, and nothing needs a sync. When most of the
// file is of the past it is written anew and renamed into place.
const (
	frameSegment  = 'S'
	frameRetained = 'R'
	frameManifest = 'M'
	frameHeader   = 13
)

// cacheSlack is how many bytes of the past a file may hold beside as many as are
// alive.
const cacheSlack = 4 << 20

// cacheMagic names the format and everything the encoded bytes depend on: another
// compressor makes other bytes of the same records.
var cacheMagic = sync.OnceValue(func() string {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/klauspost/compress" {
				version = m.Version
			}
		}
	}
	return fmt.Sprintf("fairway index 1, segments of %d, compress %s\n", segmentTarget, version)
})

// cacheLog is what a subdir's file holds. It belongs to whoever holds the cacher.
type cacheLog struct {
	size     int64 // of the file; 0 when it has to be written anew
	live     int64 // of it, what the last manifest needs
	segments map[*segment]frameAt
	retained map[[32]byte]int64 // when those in the file were superseded
}

type frameAt struct{ at, size int64 }

func (d *subdir) cachePath() string {
	sum := sha256.Sum256([]byte(d.channel + "\x00" + d.name))
	return filepath.Join(d.set.o.Dir, hex.EncodeToString(sum[:16])+".index")
}

func (d *subdir) dropCache() {
	d.cache = cacheLog{}
	if d.set.o.Dir != "" {
		_ = os.Remove(d.cachePath())
	}
}

// saveCache brings the file to what is shown now.
func (d *subdir) saveCache() error {
	g := d.gen.Load()
	retained := d.shards.superseded()
	l := &d.cache
	if l.size == 0 || l.size > 2*l.live+cacheSlack {
		return d.rewriteCache(g, retained)
	}
	next := *l
	next.segments, next.retained = make(map[*segment]frameAt, len(g.segs)), maps.Clone(l.retained)
	b := next.append(nil, d, g, retained, l.segments)
	f, err := os.OpenFile(d.cachePath(), os.O_WRONLY, 0)
	if err == nil {
		err = f.Truncate(l.size) // a torn tail, if any
		if err == nil {
			_, err = f.WriteAt(b, l.size)
		}
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		*l = cacheLog{}
		return fmt.Errorf("writing derived index: %w", err)
	}
	next.size = l.size + int64(len(b))
	*l = next
	return nil
}

func (d *subdir) rewriteCache(g *generation, retained []retainedShard) error {
	if err := os.MkdirAll(d.set.o.Dir, 0o700); err != nil {
		return fmt.Errorf("making folder of derived indexes: %w", err)
	}
	next := cacheLog{segments: make(map[*segment]frameAt, len(g.segs)), retained: map[[32]byte]int64{}}
	path := d.cachePath()
	f, err := os.CreateTemp(d.set.o.Dir, filepath.Base(path)+".tmp*")
	if err != nil {
		return fmt.Errorf("writing derived index: %w", err)
	}
	b := next.append([]byte(cacheMagic()), d, g, retained, nil)
	_, err = f.Write(b)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("writing derived index: %w", err)
	}
	next.size = int64(len(b))
	d.cache = next
	return nil
}

// append appends what is not in the file yet, and a manifest.
func (l *cacheLog) append(b []byte, d *subdir, g *generation, retained []retainedShard, have map[*segment]frameAt) []byte {
	base := l.size // 0 in a file that is written anew
	l.live = int64(len(cacheMagic()))
	for _, seg := range g.segs {
		at, ok := have[seg]
		if !ok {
			before := len(b)
			b = appendFrame(b, frameSegment, seg.marshal)
			at = frameAt{base + int64(before), int64(len(b) - before)}
		}
		l.segments[seg] = at
		l.live += at.size
	}
	for _, r := range retained {
		l.live += int64(len(r.data) + frameHeader + 40)
		if l.retained[r.hash] == r.dead {
			continue
		}
		l.retained[r.hash] = r.dead
		b = appendFrame(b, frameRetained, func(b []byte) []byte {
			b = binary.LittleEndian.AppendUint64(append(b, r.hash[:]...), uint64(r.dead))
			return append(b, r.data...)
		})
	}
	return appendFrame(b, frameManifest, func(b []byte) []byte {
		b = appendBytes(appendBytes(b, d.channel), d.name)
		b = binary.AppendVarint(binary.AppendVarint(b, g.rev), g.changedAt)
		b = binary.AppendUvarint(b, uint64(len(g.segs)))
		for _, seg := range g.segs {
			b = binary.AppendUvarint(b, uint64(l.segments[seg].at))
		}
		l.live += int64(frameHeader + 10*len(g.segs))
		return b
	})
}

func appendFrame(b []byte, kind byte, payload func([]byte) []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHeader)...)
	b = payload(b)
	b[start] = kind
	body := b[start+frameHeader:]
	binary.LittleEndian.PutUint32(b[start+1:], uint32(len(body)))
	binary.LittleEndian.PutUint64(b[start+5:], frameSum(kind, body))
	return b
}

func frameSum(kind byte, body []byte) uint64 { return xxhash.Sum64(body) ^ uint64(kind)<<56 }

// loadCache reads the generation that the file holds; nil where there is none. The
// shards it names, and those it retained, can be asked for afterwards.
func (d *subdir) loadCache() (*generation, error) {
	if d.set.o.Dir == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(d.cachePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	magic := cacheMagic()
	if len(raw) < len(magic) || string(raw[:len(magic)]) != magic {
		return nil, errors.New("it is of another version")
	}
	frames := make(map[int64][]byte)
	var manifest []byte
	var retained [][]byte
	at := int64(len(magic))
	for {
		rest := raw[at:]
		if len(rest) < frameHeader {
			break
		}
		n := int64(binary.LittleEndian.Uint32(rest[1:]))
		if int64(len(rest))-frameHeader < n {
			break
		}
		body := rest[frameHeader : frameHeader+n]
		if frameSum(rest[0], body) != binary.LittleEndian.Uint64(rest[5:]) {
			break
		}
		switch rest[0] {
		case frameSegment:
			frames[at] = body
		case frameRetained:
			retained = append(retained, body)
		case frameManifest:
			manifest = body
		}
		at += frameHeader + n
	}
	if manifest == nil {
		return nil, errors.New("it has no whole manifest")
	}
	g, err := d.parseManifest(manifest, frames)
	if err != nil {
		return nil, err
	}
	d.cache.size = at
	d.adopt(g, retained)
	return g, nil
}

func (d *subdir) parseManifest(b []byte, frames map[int64][]byte) (*generation, error) {
	r := reader{b: b}
	if channel, name := r.string(), r.string(); channel != d.channel || name != d.name {
		return nil, fmt.Errorf("it is of %q/%q", channel, name)
	}
	g := d.empty()
	g.rev, g.changedAt = r.varint(), r.varint()
	n := r.uvarint()
	l := cacheLog{segments: make(map[*segment]frameAt), retained: make(map[[32]byte]int64), live: int64(len(b))}
	bodies := make([][]byte, 0, min(n, uint64(len(frames))))
	ats := make([]int64, 0, cap(bodies))
	for range n {
		at := int64(r.uvarint())
		body, ok := frames[at]
		if !ok || r.bad {
			return nil, errors.New("its manifest names a segment that is not there")
		}
		bodies, ats = append(bodies, body), append(ats, at)
	}
	g.segs = make([]*segment, len(bodies))
	errs := make([]error, len(bodies))
	parallel(len(bodies), func(i int) { g.segs[i], errs[i] = unmarshalSegment(bodies[i]) })
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for i, seg := range g.segs {
		l.segments[seg] = frameAt{ats[i], int64(len(bodies[i]) + frameHeader)}
		l.live += int64(len(bodies[i]) + frameHeader)
	}
	g.count()
	d.cache = l
	return g, nil
}

// adopt makes the shards of a loaded generation available.
func (d *subdir) adopt(g *generation, retained [][]byte) {
	g.each(func(e *nameEntry) { e.shard = d.shards.add(e.shard) }) // g is nobody else's yet
	for _, b := range retained {
		if len(b) < 40 {
			continue
		}
		sh := &shard{hash: [32]byte(b[:32]), data: b[40:]}
		dead := int64(binary.LittleEndian.Uint64(b[32:]))
		d.cache.retained[sh.hash] = dead
		if v, ok := d.shards.byHash.Load(sh.hash); ok {
			if old, _ := v.(*shard); old.dead.Load() != 0 {
				old.dead.Store(max(old.dead.Load(), dead))
			}
			continue // in the index, or known to be superseded
		}
		d.shards.supersede(d.shards.add(sh), dead)
	}
	d.shards.collect(d.set.o.Now(), d.set.o.ShardRetention)
}

// marshal appends a segment's frame.
func (s *segment) marshal(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.names)))
	for i := range s.names {
		e := &s.names[i]
		b = appendBytes(b, e.name)
		for _, n := range e.lens {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = binary.AppendUvarint(b, uint64(e.records))
		b = appendBytes(append(b, e.shard.hash[:]...), e.shard.data)
	}
	for sec := range secHashes {
		p := &s.piece[sec]
		b = appendBytes(binary.AppendUvarint(b, uint64(p.size)), p.z)
	}
	return b
}

func unmarshalSegment(b []byte) (*segment, error) {
	r := reader{b: b}
	n := r.uvarint()
	if n == 0 || n > uint64(len(b)) {
		return nil, errors.New("a segment of it has no names")
	}
	s := &segment{names: make([]nameEntry, n)}
	shards := make([]shard, n)
	for i := range s.names {
		e := &s.names[i]
		e.name = r.string()
		for sec := range e.lens {
			e.lens[sec] = uint32(r.uvarint())
		}
		e.records = uint32(r.uvarint())
		s.records += int(e.records)
		copy(shards[i].hash[:], r.take(32))
		shards[i].data = r.bytes()
		e.shard = &shards[i]
	}
	for sec := range secHashes {
		p := &s.piece[sec]
		p.size = int(r.uvarint())
		p.z = r.bytes()
	}
	if r.bad || len(r.b) > 0 {
		return nil, errors.New("a segment of it cannot be read")
	}
	hashes := s.hashes()
	s.piece[secHashes].size, s.piece[secHashes].z = len(hashes), splice.AppendZstdRaw(nil, hashes)
	return s, nil
}

func appendBytes[T string | []byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// reader takes values off a frame; after the first that is not there it is bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte  { return r.take(r.uvarint()) }
func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.advance(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.advance(n)
	return v
}

func (r *reader) advance(n int) {
	if n <= 0 {
		r.bad, r.b = true, nil
		return
	}
	r.b = r.b[n:]
}
