package indexer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// subdir is one channel's subdir: what it shows, and the one goroutine at a time
// that changes it.
type subdir struct {
	set           *Set
	channel, name string

	gen    atomic.Pointer[generation]
	shards shardSet // changed by the flight under way
	patch  *instructions

	mu      sync.Mutex
	flying  bool
	next    *flight // gathers what is asked for while one is under way
	dropped atomic.Bool

	cache cacheLog // of the set's writer
}

// flight is a change on its way, with everyone who waits for it.
type flight struct {
	names map[string]struct{}
	all   bool // every record is read again
	done  chan struct{}
	err   error
}

func newSubdir(s *Set, channel, name string) *subdir {
	d := &subdir{set: s, channel: channel, name: name}
	d.gen.Store(&generation{channel: channel, subdir: name, budget: &s.plain})
	return d
}

// update returns once the subdir shows a revision. While one flight is under way,
// everyone else's names gather for the next: thirty uploads cost a few flights.
func (d *subdir) update(ctx context.Context, names []string, all bool, rev int64) error {
	d.mu.Lock()
	if rev > 0 && d.gen.Load().rev >= rev {
		d.mu.Unlock()
		return nil
	}
	if d.next == nil {
		d.next = &flight{names: make(map[string]struct{}, len(names)), done: make(chan struct{})}
	}
	f := d.next
	for _, name := range names {
		f.names[name] = struct{}{}
	}
	f.all = f.all || all
	if !d.flying {
		d.flying = true
		d.mu.Unlock()
		d.fly(context.WithoutCancel(ctx))
	} else {
		d.mu.Unlock()
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fly runs one flight, and leaves those that gathered meanwhile to a goroutine of
// their own: who asked for the first has waited long enough.
func (d *subdir) fly(ctx context.Context) {
	d.mu.Lock()
	f := d.next
	d.next = nil
	d.mu.Unlock()
	f.err = d.apply(ctx, f)
	close(f.done)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next != nil {
		d.set.flights.Go(func() { d.fly(ctx) })
	} else {
		d.flying = false
	}
}

// applyRounds bounds how often names that changed while others were read are read
// again before a generation is shown: whoever changed them waits for them anyway.
const applyRounds = 3

// apply brings the generation to the catalog's revision.
func (d *subdir) apply(ctx context.Context, f *flight) error {
	src, old := d.set.src, d.gen.Load()
	names := f.names
	since, all := old.rev, f.all
	encoded := make(map[string]*encodedName)
	var rev, changedAt int64
	for range applyRounds {
		started := time.Now()
		var err error
		if rev, changedAt, err = src.State(ctx, d.channel, d.name); err != nil {
			return fmt.Errorf("reading state of %s/%s: %w", d.channel, d.name, err)
		}
		if since == rev && len(names) == 0 && !all {
			break
		}
		if !all {
			changed, complete, err := src.ChangedNames(ctx, d.channel, d.name, since)
			if err != nil {
				return fmt.Errorf("reading changes of %s/%s: %w", d.channel, d.name, err)
			}
			all = !complete
			for _, name := range changed {
				names[name] = struct{}{}
			}
		}
		if all {
			if old, err = d.readAll(ctx); err != nil {
				return err
			}
			clear(encoded)
			all = false
		} else if err := d.read(ctx, slices.Sorted(maps.Keys(names)), encoded, started); err != nil {
			return err
		}
		since, names = rev, map[string]struct{}{}
	}
	return d.show(old, rev, changedAt, slices.Collect(maps.Values(encoded)))
}

func (d *subdir) empty() *generation {
	return &generation{channel: d.channel, subdir: d.name, budget: &d.set.plain}
}

// read reads and encodes names.
func (d *subdir) read(ctx context.Context, names []string, into map[string]*encodedName, started time.Time) error {
	records := make([][]Record, len(names))
	for i, name := range names {
		var err error
		if records[i], err = d.set.src.Records(ctx, d.channel, d.name, name); err != nil {
			return fmt.Errorf("reading records of %s in %s/%s: %w", name, d.channel, d.name, err)
		}
	}
	d.set.o.Observe("index read", time.Since(started))
	started = time.Now()
	out := make([]*encodedName, len(names))
	parallel(len(names), func(i int) { out[i] = encodeName(names[i], records[i], d.patch, d.report) })
	for i, name := range names {
		into[name] = out[i]
	}
	d.set.o.Observe("index encode", time.Since(started))
	return nil
}

// readBatch is how many names [subdir.readAll] holds encoded but not compressed.
const readBatch = 4096

// readAll reads and encodes everything, with the patch instructions of now.
func (d *subdir) readAll(ctx context.Context) (*generation, error) {
	if err := d.readPatch(ctx); err != nil {
		return nil, err
	}
	byName := make(map[string][]Record)
	err := d.set.src.AllRecords(ctx, d.channel, d.name, func(r Record) error {
		byName[r.Name] = append(byName[r.Name], r)
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading records of %s/%s: %w", d.channel, d.name, err)
	}
	g := d.empty()
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(byName)), readBatch) {
		records := make([][]Record, len(batch))
		for i, name := range batch {
			records[i] = byName[name]
			delete(byName, name)
		}
		encoded := make([]*encodedName, len(batch))
		parallel(len(batch), func(i int) { encoded[i] = encodeName(batch[i], records[i], d.patch, d.report) })
		if g, err = g.with(0, 0, encoded); err != nil {
			return nil, fmt.Errorf("indexing %s/%s: %w", d.channel, d.name, err)
		}
	}
	return g, nil
}

// readPatch reads the patch instructions. Ones that cannot be applied are reported
// and left out: they were checked when they came.
func (d *subdir) readPatch(ctx context.Context) error {
	var raw json.RawMessage
	raw, err := d.set.src.Patch(ctx, d.channel, d.name)
	if err != nil {
		return fmt.Errorf("reading patch instructions of %s/%s: %w", d.channel, d.name, err)
	}
	if d.patch, err = parsePatch(raw); err != nil {
		d.set.o.Log.Error("patch instructions are not applied", zap.String("channel", d.channel), zap.String("subdir", d.name), zap.Error(err))
	}
	return nil
}

func (d *subdir) report(filename string, err error) {
	d.set.o.Log.Error("a package's record cannot be read; it is left out of the indexes",
		zap.String("channel", d.channel), zap.String("subdir", d.name), zap.String("file", filename), zap.Error(err))
}

// show puts a generation in place, made of a base and the names that changed since:
// its shards first, the index that names them next, and only then what nothing
// names any more is on its way out.
func (d *subdir) show(base *generation, rev, changedAt int64, changed []*encodedName) error {
	started := time.Now()
	shown := d.gen.Load()
	for _, e := range changed {
		if e.shard != nil {
			e.shard = d.shards.add(e.shard)
		}
	}
	next, err := base.with(rev, changedAt, changed)
	if err != nil {
		return fmt.Errorf("indexing %s/%s: %w", d.channel, d.name, err)
	}
	now := d.set.o.Now()
	if base == shown {
		d.gen.Store(next)
		for _, e := range changed {
			if before := shown.entry(e.name); before != nil && before.shard != e.shard {
				d.shards.supersede(before.shard, now.UnixMilli())
			}
		}
	} else {
		next.each(func(e *nameEntry) { e.shard = d.shards.add(e.shard) }) // nobody else has seen next
		d.gen.Store(next)
		shown.each(func(before *nameEntry) {
			if after := next.entry(before.name); after == nil || after.shard != before.shard {
				d.shards.supersede(before.shard, now.UnixMilli())
			}
		})
	}
	d.shards.collect(now, d.set.o.ShardRetention)
	d.set.o.Observe("index splice", time.Since(started))
	d.set.cacher.touch(d)
	return nil
}
