package indexer

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tinylib/msgp/msgp"
)

// generation is everything that a subdir shows at one revision. It never changes;
// its files are put together at their first request.
type generation struct {
	channel, subdir string
	rev             int64 // every change up to it is shown
	changedAt       int64 // of the last change, Unix milliseconds
	segs            []*segment
	names, records  int

	files  [fileKinds]atomic.Pointer[File]
	budget *plainBudget
}

// hashes is the segment's run of the shard index's map.
func (s *segment) hashes() []byte {
	var b []byte
	for i := range s.names {
		b = msgp.AppendString(b, s.names[i].name)
		b = msgp.AppendBytes(b, s.names[i].shard.hash[:])
	}
	return b
}

// with is the generation after some names changed.
func (g *generation) with(rev, changedAt int64, changed []*encodedName) (*generation, error) {
	next := &generation{channel: g.channel, subdir: g.subdir, rev: rev, changedAt: changedAt, budget: g.budget}
	slices.SortFunc(changed, func(a, b *encodedName) int { return strings.Compare(a.name, b.name) })
	segs := make([]*segment, 0, len(g.segs)+1)
	at := 0 // segments before it are dealt with
	for len(changed) > 0 {
		// A run of segments that touch each other, and the changes that fall into it.
		from, to := g.touched(changed[0].name)
		n := 1
		for n < len(changed) {
			f, t := g.touched(changed[n].name)
			if f > to {
				break
			}
			to = max(to, t)
			n++
		}
		segs = append(segs, g.segs[at:from]...)
		at = min(to, len(g.segs))
		made, err := resegment(g.segs[from:at], changed[:n])
		if err != nil {
			return nil, err
		}
		segs = append(segs, made...)
		changed = changed[n:]
	}
	next.segs = append(segs, g.segs[at:]...)
	next.count()
	return next, nil
}

func (g *generation) count() {
	for _, s := range g.segs {
		g.names += len(s.names)
		g.records += s.records
	}
}

// touched is the range of segments that a change of a name can affect: the one it
// is in, and the one before where it begins its own and may cease to.
func (g *generation) touched(name string) (from, to int) {
	if len(g.segs) == 0 {
		return 0, 0
	}
	i := segmentOf(g.segs, name)
	if i > 0 && g.segs[i].names[0].name == name {
		return i - 1, i + 1
	}
	return i, i + 1
}

// entry finds a name.
func (g *generation) entry(name string) *nameEntry {
	if len(g.segs) == 0 {
		return nil
	}
	seg := g.segs[segmentOf(g.segs, name)]
	if i, ok := seg.find(name); ok {
		return &seg.names[i]
	}
	return nil
}

// each calls fn with every name in order.
func (g *generation) each(fn func(*nameEntry)) {
	for _, s := range g.segs {
		for i := range s.names {
			fn(&s.names[i])
		}
	}
}
