package passthrough

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fairwayhq/fairway/python"
)

// Item is something to have in the cache before it is asked for.
type Item struct {
	Name string // project, in any spelling
	// Filename is the one file wanted, as lock files state it; "" for all files of the
	// newest version that Specifiers permit and that is not yanked.
	Filename   string
	Specifiers python.Specifiers
}

// Progress is how one file of a prefetch ended.
type Progress struct {
	Name, Filename string
	Size           int64
	Err            error // a [*Refusal], or an error wrapping [ErrBroken]
	Done, Total    int   // files; Total grows while pages are read
}

// prefetchers is how many files are fetched at a time.
const prefetchers = 4

// Prefetch fetches files, and the metadata of wheels, into the cache. progress, which
// may be nil, is called once for each file, and for each item of which no file was
// found, never by two goroutines at once. The error joins all that failed.
func (p *Mirror) Prefetch(ctx context.Context, items []Item, progress func(Progress)) error {
	var (
		mu    sync.Mutex
		errs  []error
		total int
		done  int
	)
	report := func(g Progress) {
		mu.Lock()
		defer mu.Unlock()
		done++
		g.Done, g.Total = done, total
		if g.Err != nil {
			errs = append(errs, g.Err)
		}
		if progress != nil {
			progress(g)
		}
	}
	var group errgroup.Group
	group.SetLimit(prefetchers)
	for _, item := range items {
		files, err := p.wanted(ctx, item)
		mu.Lock()
		total += max(1, len(files))
		mu.Unlock()
		if err != nil {
			report(Progress{Name: item.Name, Filename: item.Filename, Err: err})
			continue
		}
		for _, t := range files {
			group.Go(func() error {
				size, err := p.prefetch(ctx, t)
				report(Progress{Name: t.name, Filename: t.filename, Size: size, Err: err})
				return nil
			})
		}
	}
	_ = group.Wait()
	return errors.Join(errs...)
}

// wanted finds the files of an item.
func (p *Mirror) wanted(ctx context.Context, item Item) ([]*target, error) {
	name, v, at, err := p.prefetchView(ctx, item)
	if err != nil {
		return nil, err
	}
	pick := func(l *listed) *target {
		return &target{up: v.up, at: at, address: l.address, filename: l.Filename, name: name, listed: l, names: []string{name}}
	}
	if item.Filename != "" {
		l := v.find(item.Filename)
		if l == nil {
			return nil, refuse(NotFound, nil, "upstream %s has no file %s on its page of %s", v.up.name, clip(item.Filename), name)
		}
		return []*target{pick(l)}, p.permitted(l)
	}
	var versions []python.Version
	for _, l := range v.files {
		if parsed, err := python.ParseVersion(l.Version); err == nil && l.held == nil && !l.Yanked {
			versions = append(versions, parsed)
		}
	}
	var newest *python.Version
	for _, c := range item.Specifiers.Filter(versions, false) {
		if newest == nil || c.Compare(*newest) > 0 {
			newest = &c
		}
	}
	if newest == nil {
		return nil, refuse(NotFound, nil, "no version of %s is permitted by %q and not withheld", name, item.Specifiers.String())
	}
	var out []*target
	for _, l := range v.files {
		if l.Version == newest.String() && l.held == nil && !l.Yanked {
			out = append(out, pick(l))
		}
	}
	return out, nil
}

func (p *Mirror) prefetchView(ctx context.Context, item Item) (name string, v *view, at int, err error) {
	if name, err = p.Decide(item.Name); err != nil {
		return "", nil, 0, err
	}
	f, v, err := p.view(ctx, name, Proxy, p.cfg.Now().Add(-p.cfg.NegativeTTL))
	if err == nil && item.Filename == "" && f.stale {
		err = refuse(Unavailable, nil, "upstream %s does not answer: the newest version of %s cannot be told", v.up.name, name)
	}
	return name, v, f.at, err
}

// prefetch brings one file into the cache.
func (p *Mirror) prefetch(ctx context.Context, t *target) (int64, error) {
	f, err := p.serve(ctx, t, FileRequest{})
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	if f.Body != nil {
		if f.Size, err = io.Copy(io.Discard, f.Body); err != nil {
			return 0, err
		}
	}
	if t.listed != nil && (t.listed.CoreMetadata.Available || strings.HasSuffix(t.filename, ".whl")) {
		if _, err := p.Metadata(ctx, FileRequest{Upstream: t.up.name, Path: t.address}); err != nil && refusalOf(err).Kind != NotFound {
			return f.Size, err
		}
	}
	return f.Size, nil
}
