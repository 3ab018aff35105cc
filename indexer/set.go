package indexer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/fairwayhq/fairway/conda"
)

// ErrNotOpen is returned for channels that are not open, or not any more.
var ErrNotOpen = errors.New("the channel's index is not open")

// Set is the indexes of every open channel. Its methods may be called from any
// goroutine. [Set.File] takes no lock, but for the first request of a new
// current_repodata.json or channeldata.json, which makes it.
type Set struct {
	src Source
	o   Options

	mu       sync.Mutex // held to change what channels holds
	channels atomic.Pointer[map[string]*channel]
	flights  sync.WaitGroup
	current  sync.Mutex // held while a current_repodata.json is made
	plain    plainBudget
	cacher   *cacher
}

// channel is one channel's subdirs.
type channel struct {
	name    string
	subdirs atomic.Pointer[map[string]*subdir]
	data    channelData
}

// New makes a set without channels. It must be closed.
func New(src Source, o Options) *Set {
	s := &Set{src: src, o: o.withDefaults()}
	s.channels.Store(&map[string]*channel{})
	s.cacher = newCacher(s)
	return s
}

// OpenChannel makes a channel readable: every known subdir, so that clients find a
// valid empty index, and the given ones, in which something was published. It
// returns once all of them show the catalog's revision. Opening a channel again
// does nothing.
func (s *Set) OpenChannel(ctx context.Context, name string, subdirs []string) error {
	if _, open := (*s.channels.Load())[name]; open {
		return nil
	}
	ch := &channel{name: name}
	all := make(map[string]*subdir)
	for _, sub := range conda.KnownSubdirs() {
		all[sub] = newSubdir(s, name, sub)
	}
	all["noarch"] = newSubdir(s, name, "noarch")
	for _, sub := range subdirs {
		d := newSubdir(s, name, sub)
		if err := d.open(ctx); err != nil {
			return fmt.Errorf("opening index of %s/%s: %w", name, sub, err)
		}
		all[sub] = d
	}
	ch.subdirs.Store(&all)
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.channels.Load())
	if _, open := next[name]; open { // by someone else, meanwhile
		for _, d := range all {
			d.dropped.Store(true)
		}
		return nil
	}
	next[name] = ch
	s.channels.Store(&next)
	return nil
}

// open fills a subdir from the derived cache and what changed since, or from
// everything.
func (d *subdir) open(ctx context.Context) error {
	rev, changedAt, err := d.set.src.State(ctx, d.channel, d.name)
	if err != nil {
		return fmt.Errorf("reading state: %w", err)
	}
	g, err := d.loadCache()
	switch {
	case err != nil:
		d.set.o.Log.Warn("derived index cannot be used; building it anew", zap.String("channel", d.channel), zap.String("subdir", d.name), zap.Error(err))
	case g == nil:
	case g.rev > rev || g.rev == rev && g.changedAt != changedAt:
		// The catalog was put back to an earlier state: this is of another history.
	default:
		if err := d.readPatch(ctx); err != nil {
			return err
		}
		d.gen.Store(g)
		if g.rev == rev {
			return nil
		}
		return d.update(ctx, nil, false, rev)
	}
	d.set.cacher.drop(d)
	d.shards.reset()
	if rev == 0 {
		return nil
	}
	return d.update(ctx, nil, true, rev)
}

// DropChannel forgets a channel, and what the derived cache has of it. Files taken
// before stay readable.
func (s *Set) DropChannel(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, ok := (*s.channels.Load())[name]
	if !ok {
		return
	}
	next := maps.Clone(*s.channels.Load())
	delete(next, name)
	s.channels.Store(&next)
	for _, d := range *ch.subdirs.Load() {
		d.dropped.Store(true)
		s.cacher.drop(d)
	}
}

// Update makes names' records visible and returns once the subdir shows revision
// rev or a later one, in every file. Names nil says that the patch instructions
// changed. It costs what changed: the records of those names and one segment for
// each. Updates of one subdir that wait for each other are done together.
func (s *Set) Update(ctx context.Context, channel, subdir string, names []string, rev int64) error {
	d, err := s.find(channel, subdir)
	if err != nil {
		return err
	}
	return d.update(ctx, names, names == nil, rev)
}

// Rebuild reads every record of a subdir again, trusting nothing that was encoded.
// Readers are served throughout.
func (s *Set) Rebuild(ctx context.Context, channel, subdir string) error {
	d, err := s.find(channel, subdir)
	if err != nil {
		return err
	}
	return d.update(ctx, nil, true, 0)
}

// find finds a subdir of an open channel, and begins one that no client asks for
// by itself.
func (s *Set) find(channel, name string) (*subdir, error) {
	ch, ok := (*s.channels.Load())[channel]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNotOpen, channel)
	}
	if d, ok := (*ch.subdirs.Load())[name]; ok {
		return d, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*ch.subdirs.Load())
	d, ok := next[name]
	if !ok {
		d = newSubdir(s, channel, name)
		next[name] = d
		ch.subdirs.Store(&next)
	}
	return d, nil
}

// File finds what is served at /<channel>/<subdir>/<file>; subdir is "" for files of
// the channel itself. File is "shards/<hash>.msgpack.zst" for a shard.
func (s *Set) File(channel, subdir, file string) (*File, bool) {
	ch, ok := (*s.channels.Load())[channel]
	if !ok {
		return nil, false
	}
	if subdir == "" {
		if file != "channeldata.json" {
			return nil, false
		}
		return s.made(ch.channelData(s))(channel, subdir, file)
	}
	d, ok := (*ch.subdirs.Load())[subdir]
	if !ok {
		return nil, false
	}
	if hash, ok := shardHash(file); ok {
		sh := d.shards.get(hash, s.o.Now(), s.o.ShardRetention)
		if sh == nil {
			return nil, false
		}
		return sh.served(channel, subdir), true
	}
	kind, ok := fileNames[file]
	if !ok {
		return nil, false
	}
	g := d.gen.Load()
	if kind == currentJSON && g.files[kind].Load() == nil {
		// It takes a second and a hundred MiB at 100,000 packages: one at a time.
		s.current.Lock()
		defer s.current.Unlock()
		g = d.gen.Load()
	}
	return s.made(g.file(kind))(channel, subdir, file)
}

// made reports a file that could not be put together, which takes a broken source
// or broken memory.
func (s *Set) made(f *File, err error) func(channel, subdir, file string) (*File, bool) {
	return func(channel, subdir, file string) (*File, bool) {
		if err != nil {
			s.o.Log.Error("index file cannot be made", zap.String("channel", channel), zap.String("subdir", subdir), zap.String("file", file), zap.Error(err))
			return nil, false
		}
		return f, true
	}
}

// Stats describes every subdir in which anything ever happened, by channel and
// subdir.
func (s *Set) Stats() []Stat {
	var out []Stat
	channels := *s.channels.Load()
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		subdirs := *channels[name].subdirs.Load()
		for _, sub := range slices.Sorted(maps.Keys(subdirs)) {
			g := subdirs[sub].gen.Load()
			if g.rev == 0 {
				continue
			}
			st := Stat{Channel: name, Subdir: sub, Packages: g.records, Rev: g.rev}
			if f, err := g.file(repodataJSON); err == nil {
				st.Bytes = f.Size()
			}
			out = append(out, st)
		}
	}
	return out
}

// Close waits for what is under way and writes the derived cache.
func (s *Set) Close() error {
	s.flights.Wait()
	return s.cacher.close()
}
