package indexer

import (
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
)

// cacheDelay is how long changes gather before they are written: what is lost with
// them is read from the catalog again.
const cacheDelay = 2 * time.Second

// collectEvery is how often superseded shards are looked through where nothing is
// published.
const collectEvery = time.Hour

// cacher writes derived indexes in the background, so that no publication waits
// for the disk.
type cacher struct {
	set *Set

	mu    sync.Mutex
	dirty map[*subdir]struct{}
	wake  chan struct{} // holds one token while something is dirty

	files sync.Mutex // held while files of the derived cache change
	once  sync.Once  // of close
	stop  chan struct{}
	done  chan struct{}
}

func newCacher(s *Set) *cacher {
	c := &cacher{set: s, dirty: map[*subdir]struct{}{}, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go c.run()
	return c
}

// touch says that a subdir shows something else.
func (c *cacher) touch(d *subdir) {
	if c.set.o.Dir == "" {
		return
	}
	c.mu.Lock()
	c.dirty[d] = struct{}{}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// drop forgets a subdir and its file.
func (c *cacher) drop(d *subdir) {
	c.mu.Lock()
	delete(c.dirty, d)
	c.mu.Unlock()
	c.files.Lock()
	defer c.files.Unlock()
	d.dropCache()
}

func (c *cacher) run() {
	defer close(c.done)
	collect := time.NewTicker(collectEvery)
	defer collect.Stop()
	delay := time.NewTimer(cacheDelay)
	delay.Stop()
	for {
		select {
		case <-c.wake:
			delay.Reset(cacheDelay)
			select {
			case <-delay.C:
			case <-c.stop:
				return
			}
			if err := c.flush(); err != nil {
				c.set.o.Log.Warn("derived indexes are not written; the next start builds them anew", zap.Error(err))
			}
		case <-collect.C:
			for _, ch := range *c.set.channels.Load() {
				for _, d := range *ch.subdirs.Load() {
					d.shards.collect(c.set.o.Now(), c.set.o.ShardRetention)
				}
			}
		case <-c.stop:
			return
		}
	}
}

// flush writes what is dirty.
func (c *cacher) flush() error {
	c.mu.Lock()
	dirty := c.dirty
	c.dirty = map[*subdir]struct{}{}
	c.mu.Unlock()
	var errs []error
	for d := range dirty {
		c.files.Lock()
		if !d.dropped.Load() {
			errs = append(errs, d.saveCache())
		}
		c.files.Unlock()
	}
	return errors.Join(errs...)
}

func (c *cacher) close() error {
	c.once.Do(func() { close(c.stop) })
	<-c.done
	return c.flush()
}
