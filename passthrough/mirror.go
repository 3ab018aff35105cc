package passthrough

import (
	"context"
	"errors"
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

	*kept
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
	ending sync.Once
	ended  error

	patience time.Duration // of Retire, retireAfter; tests have none
}

// Open starts a pass-through on a cache folder, which one process uses at a time.
func Open(cfg Config, local Local) (*Mirror, error) { return open(cfg, local, nil) }

// open shares the cache of an open mirror where it is of the same folder.
func open(cfg Config, local Local, before *Mirror) (_ *Mirror, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if local == nil {
		return nil, errors.New("pass-through is not told which names are local")
	}
	cfg = cfg.withDefaults()
	p := &Mirror{cfg: cfg, local: local, fills: map[string]*fill{}, turns: make(turns, largeAtOnce), patience: retireAfter}
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
	if p.kept, err = keep(cfg, before); err != nil {
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

// Settings is the configuration with its defaults, without credentials.
func (p *Mirror) Settings() Config {
	c := p.cfg
	c.Upstreams = append([]Upstream(nil), c.Upstreams...)
	for i := range c.Upstreams {
		c.Upstreams[i].Username, c.Upstreams[i].Password = "", ""
	}
	return c
}

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
