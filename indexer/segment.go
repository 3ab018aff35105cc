package indexer

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/fairwayhq/fairway/splice"
)

// segmentTarget is the usual size of a segment's records, bytes of JSON. Smaller
// ones make changes cheaper and compression worse: measured on 50,000 packages, 32
// KiB halve the cost of a change against 64 KiB (0.7 ms of processor time for
// 1.4 ms) and add 4 % to repodata.json.zst.
const segmentTarget = 32 << 10

// segment is what a run of names contributes to every file of a subdir. It never
// changes.
type segment struct {
	names   []nameEntry // at least one, in code point order
	records int         // in repodata.json
	piece   [sections]piece
}

// nameEntry is one name of a segment.
type nameEntry struct {
	name  string
	shard *shard
	lens  [sections]uint32 // bytes of each piece that are this name's, commas between names not counted

	records uint32 // in repodata.json
}

// piece is what a segment contributes to one section.
type piece struct {
	z    []byte // zstd blocks
	size int    // bytes they decode to, without filler

	plain  atomic.Pointer[[]byte]   // filler and bytes, where memory allows; see [plainBudget]
	digest atomic.Pointer[[32]byte] // SHA-256 of z, made at first need
}

// begins reports whether a segment begins with this name. It depends on nothing
// else, so a change moves no boundary but those of the names it touches; and the
// likelihood grows with the size, so segments are of like size whatever the names
// are.
func (e *nameEntry) begins() bool {
	size := uint64(0)
	for sec := range secHashes {
		size += uint64(e.lens[sec])
	}
	return xxhash.Sum64String(e.name)>>32 < size<<32/segmentTarget
}

// item is a name on its way into a segment: as it is in an older one, or new.
type item struct {
	nameEntry
	from  *segment // nil for new
	index int      // in from
	plain *[sections][]byte
}

// resegment applies changes to a run of neighbouring segments. Both lists are in
// name order. Segments that come out as they were are the same objects.
func resegment(old []*segment, changed []*encodedName) ([]*segment, error) {
	items := mergeItems(old, changed)
	var out []*segment
	var groups [][]item
	for len(items) > 0 {
		n := 1
		for n < len(items) && !items[n].begins() {
			n++
		}
		group := items[:n]
		items = items[n:]
		if from := group[0].from; from != nil && len(from.names) == n && !slices.ContainsFunc(group, func(it item) bool { return it.from != from }) {
			out = append(out, from)
		} else {
			out = append(out, nil)
			groups = append(groups, group)
		}
	}
	made := make([]*segment, len(groups))
	errs := make([]error, len(groups))
	parallel(len(groups), func(i int) { made[i], errs[i] = newSegment(groups[i]) })
	for i, seg := range out {
		if seg == nil {
			if errs[0] != nil {
				return nil, errs[0]
			}
			out[i], made, errs = made[0], made[1:], errs[1:]
		}
	}
	return out, nil
}

// mergeItems is every name after the changes, in order.
func mergeItems(old []*segment, changed []*encodedName) []item {
	var items []item
	for _, seg := range old {
		for i := range seg.names {
			e := &seg.names[i]
			for len(changed) > 0 && changed[0].name < e.name {
				items = appendNew(items, changed[0])
				changed = changed[1:]
			}
			if len(changed) > 0 && changed[0].name == e.name {
				items = appendNew(items, changed[0])
				changed = changed[1:]
				continue
			}
			items = append(items, item{nameEntry: *e, from: seg, index: i})
		}
	}
	for _, c := range changed {
		items = appendNew(items, c)
	}
	return items
}

func appendNew(items []item, c *encodedName) []item {
	if c.shard == nil {
		return items
	}
	it := item{nameEntry: nameEntry{name: c.name, shard: c.shard, records: c.records}, plain: &c.plain}
	for sec := range sections {
		it.lens[sec] = uint32(len(c.plain[sec]))
	}
	return append(items, it)
}

// newSegment encodes a group of names, taking from older segments what it can.
func newSegment(group []item) (*segment, error) {
	seg := &segment{names: make([]nameEntry, len(group))}
	decoded := make(map[*segment]*[sections][]byte, 2)
	for i := range group {
		it := &group[i]
		seg.names[i] = it.nameEntry
		seg.records += int(it.records)
		if it.from != nil && decoded[it.from] == nil {
			plain, err := it.from.decode()
			if err != nil {
				return nil, err
			}
			decoded[it.from] = plain
		}
	}
	offsets := make(map[*segment][]int, len(decoded))
	for sec := range sections {
		for from := range decoded {
			offsets[from] = from.offsets(sec)
		}
		var b []byte
		for i := range group {
			it := &group[i]
			if it.lens[sec] == 0 {
				continue
			}
			if len(b) > 0 && sec != secHashes {
				b = append(b, ',')
			}
			if it.plain != nil {
				b = append(b, it.plain[sec]...)
			} else {
				at := offsets[it.from][it.index]
				b = append(b, decoded[it.from][sec][at:at+int(it.lens[sec])]...)
			}
		}
		p := &seg.piece[sec]
		p.size = len(b)
		switch {
		case len(b) == 0:
		case sec == secHashes:
			// Hashes do not compress, and msgpack has no filler for a reset. At 10,000
			// names the index is a third larger for it (515 KB for 390); compressing it
			// whole would add 13 ms to each publication.
			p.z = splice.AppendZstdRaw(make([]byte, 0, len(b)+8), b)
		default:
			p.z = unchanged(decoded, sec, b)
			if p.z == nil {
				p.z = slices.Clip(splice.AppendZstd(make([]byte, 0, len(b)/4), b))
			}
		}
	}
	return seg, nil
}

// unchanged is the piece of an older segment that holds just these bytes, nil for
// none: a package that changes changes few of its segment's pieces.
func unchanged(decoded map[*segment]*[sections][]byte, sec section, b []byte) []byte {
	for from, plain := range decoded {
		if string(plain[sec]) == string(b) {
			return from.piece[sec].z
		}
	}
	return nil
}

// decode is the bytes of every piece.
func (s *segment) decode() (*[sections][]byte, error) {
	var out [sections][]byte
	for sec := range sections {
		p := &s.piece[sec]
		if sec == secHashes {
			continue
		}
		var err error
		if out[sec], err = p.decode(nil); err != nil {
			return nil, err
		}
	}
	out[secHashes] = s.hashes()
	return &out, nil
}

// decode appends the piece's bytes, without filler.
func (p *piece) decode(dst []byte) ([]byte, error) {
	if p.size == 0 {
		return dst, nil
	}
	if plain := p.plain.Load(); plain != nil {
		return append(dst, (*plain)[len(splice.Filler):]...), nil
	}
	return splice.Unzstd(slices.Grow(dst, p.size), p.z, p.size)
}

// offsets is where each name's bytes begin in a section.
func (s *segment) offsets(sec section) []int {
	out := make([]int, len(s.names))
	at := 0
	for i := range s.names {
		out[i] = at
		if n := int(s.names[i].lens[sec]); n > 0 {
			at += n
			if sec != secHashes {
				at++ // the comma
			}
		}
	}
	return out
}

// find is the index of a name, or where it would be.
func (s *segment) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s.names, name, func(e nameEntry, name string) int { return cmp.Compare(e.name, name) })
}

// segmentOf is the index of the segment that holds a name, or would.
func segmentOf(segs []*segment, name string) int {
	i, found := slices.BinarySearchFunc(segs, name, func(s *segment, name string) int { return strings.Compare(s.names[0].name, name) })
	if found || i == 0 {
		return i
	}
	return i - 1
}

// parallel calls fn(0) to fn(n-1), on as many goroutines as there are processors.
func parallel(n int, fn func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			fn(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wg.Wait()
}
