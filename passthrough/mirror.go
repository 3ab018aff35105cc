package passthrough

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/fairwayhq/fairway/python"
)

// absentKept bounds the memory of names that no upstream has.
const absentKept = 16384

// Mirror is a running pass-through. Its methods may be called from any goroutine.
type Mirror struct {
	cfg   Config
	local Local
	rules rules
	ups   []*upstream
	http  *client
	tmp   string

	pages      *pageStore
	files      *fileCache
	memory     *memory
	views      *viewCache
	absent     *lru.Cache[string, time.Time] // name -> until when
	forgotten  atomic.Uint64                 // grows with each Forget
	provenance *lru.Cache[string, *Provenance]
	flights    singleflight.Group
	stats      counters
	turns      turns

	fillMu sync.Mutex
	fills  map[string]*fill

	ctx    context.Context // of all work that does not belong to one request
	cancel context.CancelFunc
	gate   sync.Mutex
	closed bool
	work   sync.WaitGroup
}

// Open starts a pass-through on a cache folder, which one process uses at a time.
func Open(cfg Config, local Local) (_ *Mirror, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if local == nil {
		return nil, errors.New("pass-through is not told which names are local")
	}
	cfg = cfg.withDefaults()
	p := &Mirror{cfg: cfg, local: local, tmp: filepath.Join(cfg.Dir, "tmp"), fills: map[string]*fill{}, turns: make(turns, largeAtOnce)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			_ = p.Close()
		}
	}()
	if p.rules, err = newRules(cfg); err != nil {
		return nil, err
	}
	for _, c := range cfg.Upstreams {
		u, err := newUpstream(c)
		if err != nil {
			return nil, err
		}
		u.pages = &breaker{after: cfg.BreakerAfter, wait: cfg.BreakerFor, now: cfg.Now}
		u.files = &breaker{after: cfg.BreakerAfter, wait: cfg.BreakerFor, now: cfg.Now}
		p.ups = append(p.ups, u)
	}
	p.http = newClient(cfg, p.ups)
	if err := os.MkdirAll(p.tmp, 0o700); err != nil {
		return nil, fmt.Errorf("making temporary folder: %w", err)
	}
	if err := p.sweep(); err != nil {
		return nil, fmt.Errorf("emptying temporary folder: %w", err)
	}
	if p.pages, err = newPageStore(filepath.Join(cfg.Dir, "pages"), cfg.MaxPage); err != nil {
		return nil, err
	}
	if p.files, err = openFileCache(cfg.Dir, cfg.CacheBytes); err != nil {
		return nil, err
	}
	if p.memory, err = newMemory(cfg.MemoryBytes); err != nil {
		return nil, err
	}
	recent, err1 := lru.New[string, *view](recentViews)
	absent, err2 := lru.New[string, time.Time](absentKept)
	provenance, err3 := lru.New[string, *Provenance](provenanceKept)
	p.views, p.absent, p.provenance = &viewCache{recent, p.memory, cfg.MemoryBytes}, absent, provenance
	return p, errors.Join(err1, err2, err3)
}

// fillFiles are the names of the temporary files of downloads.
const fillFiles = "fill-*"

// sweep removes what downloads left that did not end, and nothing else: whoever names
// a folder for the cache that is not empty shall not lose what is in its tmp.
func (p *Mirror) sweep() error {
	left, err := os.ReadDir(p.tmp)
	if err != nil {
		return err
	}
	for _, f := range left {
		if mine, _ := filepath.Match(fillFiles, f.Name()); !mine || f.IsDir() {
			continue
		}
		if err := os.Remove(filepath.Join(p.tmp, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// createTemp opens a file for a download. An operator may delete the cache at any
// time, the folder of such files with it.
func (p *Mirror) createTemp() (*os.File, error) {
	f, err := os.CreateTemp(p.tmp, fillFiles)
	if errors.Is(err, fs.ErrNotExist) && os.MkdirAll(p.tmp, 0o700) == nil {
		f, err = os.CreateTemp(p.tmp, fillFiles)
	}
	if err != nil {
		return nil, fmt.Errorf("making temporary file: %w", err)
	}
	return f, nil
}

// Settings is the configuration with its defaults, without credentials.
func (p *Mirror) Settings() Config {
	c := p.cfg
	c.Upstreams = append([]Upstream(nil), c.Upstreams...)
	for i := range c.Upstreams {
		c.Upstreams[i].Username, c.Upstreams[i].Password = "", ""
	}
	return c
}

// Close ends all downloads, whose readers get an error, waits for what is under
// way, and leaves the cache in order.
func (p *Mirror) Close() error {
	p.gate.Lock()
	if p.closed {
		p.gate.Unlock()
		return nil
	}
	p.closed = true
	p.gate.Unlock()
	p.cancel()
	p.work.Wait()
	var err error
	if p.files != nil {
		err = p.files.close()
	}
	if p.memory != nil {
		p.memory.close()
	}
	if p.pages != nil {
		p.pages.close()
	}
	if p.http != nil {
		p.http.idle()
	}
	return err
}

// enter keeps Close waiting until leave; false once it was called.
func (p *Mirror) enter() bool {
	p.gate.Lock()
	defer p.gate.Unlock()
	if p.closed {
		return false
	}
	p.work.Add(1)
	return true
}

func (p *Mirror) leave() { p.work.Done() }

// Purge drops the page, the files and the metadata kept of a project, and says
// how many files they were. When its files were first seen is remembered: a purge
// does not start their cooldown again.
func (p *Mirror) Purge(name string) (files int, err error) {
	if !python.ValidName(name) {
		return 0, refuse(NotFound, nil, "%q is no name of a Python project", clip(name))
	}
	name = python.Normalise(name)
	for _, u := range p.ups {
		err = errors.Join(err, p.pages.edit(u, name, (*record).forgetBody))
	}
	files = p.files.dropProject(name)
	err = errors.Join(err, os.RemoveAll(filepath.Join(p.cfg.Dir, "metadata", name)))
	p.Forget(name)
	return files, err
}
