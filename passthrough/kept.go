package passthrough

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// kept is what is on disk. A mirror and those that it replaced share it, so that
// they may end what they began.
type kept struct {
	dir   string
	tmp   string // downloads under way
	pages *pageStore
	files *fileCache

	mu    sync.Mutex
	users int // mirrors; the last one closes
}

func openKept(cfg Config) (_ *kept, err error) {
	k := &kept{dir: cfg.Dir, tmp: filepath.Join(cfg.Dir, "tmp"), users: 1}
	if err := os.MkdirAll(k.tmp, 0o700); err != nil {
		return nil, fmt.Errorf("making temporary folder: %w", err)
	}
	if err := k.sweep(); err != nil {
		return nil, fmt.Errorf("emptying temporary folder: %w", err)
	}
	if k.pages, err = newPageStore(filepath.Join(cfg.Dir, "pages"), cfg.MaxPage); err != nil {
		return nil, err
	}
	if k.files, err = openFileCache(cfg.Dir, cfg.CacheBytes); err != nil {
		k.pages.close()
		return nil, err
	}
	return k, nil
}

// keep shares what another mirror keeps, where it is of the same folder, or opens the
// folder.
func keep(cfg Config, other *Mirror) (*kept, error) {
	if other == nil || other.kept.dir != cfg.Dir {
		return openKept(cfg)
	}
	shared, err := other.kept.share(cfg)
	if err != nil {
		return nil, err
	}
	if !shared {
		return openKept(cfg) // it was closed meanwhile
	}
	return other.kept, nil
}

// share gives k to one more mirror, whose limits hold from now on; false once k is
// closed.
func (k *kept) share(cfg Config) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.users == 0 {
		return false, nil
	}
	if err := k.pages.resize(cfg.MaxPage); err != nil {
		return false, err
	}
	k.files.resize(cfg.CacheBytes)
	k.users++
	return true, nil
}

// release lets go of k for a mirror.
func (k *kept) release() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.users--; k.users > 0 {
		return nil
	}
	k.pages.close()
	return k.files.close()
}

// fillFiles are the names of the temporary files of downloads.
const fillFiles = "fill-*"

// sweep removes what downloads left that did not end, and nothing else: whoever names
// a folder for the cache that is not empty shall not lose what is in its tmp.
func (k *kept) sweep() error {
	left, err := os.ReadDir(k.tmp)
	if err != nil {
		return err
	}
	for _, f := range left {
		if mine, _ := filepath.Match(fillFiles, f.Name()); !mine || f.IsDir() {
			continue
		}
		if err := os.Remove(filepath.Join(k.tmp, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// createTemp opens a file for a download. An operator may delete the cache at any
// time, the folder of such files with it.
func (k *kept) createTemp() (*os.File, error) {
	f, err := os.CreateTemp(k.tmp, fillFiles)
	if errors.Is(err, fs.ErrNotExist) && os.MkdirAll(k.tmp, 0o700) == nil {
		f, err = os.CreateTemp(k.tmp, fillFiles)
	}
	if err != nil {
		return nil, fmt.Errorf("making temporary file: %w", err)
	}
	return f, nil
}

// Successor opens a mirror with other settings, which p stays open beside: p is to be
// retired once nobody is led to it any more.
func (p *Mirror) Successor(cfg Config) (*Mirror, error) {
	return open(cfg, p.local, p)
}

// retireAfter is how long a retired mirror lets requests begin something that found
// it before it was replaced.
const retireAfter = 5 * time.Second

// Retire lets what is under way end, and closes p. It returns when p is closed, which
// Close makes happen at once.
func (p *Mirror) Retire() error {
	pause := time.NewTimer(p.patience)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-p.ctx.Done():
	}
	p.shut()
	p.work.Wait()
	return p.Close()
}

// Close ends all downloads, whose readers get an error, waits for what is under
// way, and leaves the cache in order. It may be called again.
func (p *Mirror) Close() error {
	p.shut()
	p.cancel()
	p.work.Wait()
	p.ending.Do(func() {
		var errs []error
		if p.kept != nil {
			errs = append(errs, p.kept.release())
		}
		if p.memory != nil {
			p.memory.close()
		}
		if p.http != nil {
			p.http.idle()
		}
		p.ended = errors.Join(errs...)
	})
	return p.ended
}

// shut lets nothing more begin.
func (p *Mirror) shut() {
	p.gate.Lock()
	defer p.gate.Unlock()
	p.closed = true
}

// enter keeps Close waiting until leave; false once p is shut.
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
