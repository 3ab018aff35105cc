package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/python"
)

// PyProject is what a request needs to know of a Python name of this gateway. It
// is immutable.
type PyProject struct {
	catalog.PyName
	Vis authz.Visibility
}

func newPyProject(row *catalog.PyName) (*PyProject, error) {
	vis, err := authz.ParseVisibility(row.Visibility)
	if err != nil {
		return nil, fmt.Errorf("loading Python name %s: %w", row.Name, err)
	}
	return &PyProject{PyName: *row, Vis: vis}, nil
}

// Resource names the project for a decision.
func (p *PyProject) Resource() authz.Resource {
	return authz.Resource{Engine: "pypi", Project: p.ProjectID, Package: p.Name, Visibility: p.Vis}
}

// State is the project's status in PEP 792's words.
func (p *PyProject) State() string {
	if p.Status == "" {
		return python.StatusActive
	}
	return p.Status
}

// pyDirectory knows every Python name of this gateway and every reserved pattern.
// It is the one thing that is asked whether a name may go upstream, so it knows
// nothing of callers: a name is owned whoever asks, hidden or empty as it may be.
type pyDirectory struct {
	names    sync.Map // normalised name -> *pyEntry
	reserved atomic.Pointer[reservations]
}

// pyEntry is one name with its page; the page has a lock of its own.
type pyEntry struct {
	project atomic.Pointer[PyProject] // nil once the name was deleted
	page    pyPage
}

func newPyDirectory() *pyDirectory {
	d := new(pyDirectory)
	d.reserved.Store(&reservations{})
	return d
}

// entry finds a name that exists.
func (d *pyDirectory) entry(name string) (*pyEntry, *PyProject, bool) {
	v, ok := d.names.Load(name)
	if !ok {
		return nil, nil, false
	}
	e := v.(*pyEntry)
	p := e.project.Load()
	return e, p, p != nil
}

func (d *pyDirectory) set(p *PyProject) {
	v, _ := d.names.LoadOrStore(p.Name, new(pyEntry))
	v.(*pyEntry).project.Store(p)
}

// anew puts a name in the place of one that was deleted, whose page goes with it. At
// no moment is the name nobody's.
func (d *pyDirectory) anew(p *PyProject) {
	e := new(pyEntry)
	e.project.Store(p)
	d.names.Store(p.Name, e)
}

func (d *pyDirectory) remove(name string) {
	if v, ok := d.names.LoadAndDelete(name); ok {
		v.(*pyEntry).project.Store(nil)
	}
}

// owns reports whether a normalised name must never go upstream.
func (d *pyDirectory) owns(name string) bool {
	if _, ok := d.names.Load(name); ok {
		return true
	}
	return d.reserved.Load().match(name)
}

// all lists every name, sorted.
func (d *pyDirectory) all() []*PyProject {
	var out []*PyProject
	for _, v := range d.names.Range {
		if p := v.(*pyEntry).project.Load(); p != nil {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *PyProject) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// reservations are patterns of Python names that never go upstream: names, and
// prefixes that end in "*".
type reservations struct {
	exact    map[string]bool
	prefixes []string
}

func newReservations(patterns []string) *reservations {
	r := &reservations{exact: make(map[string]bool, len(patterns))}
	for _, p := range patterns {
		if prefix, glob := strings.CutSuffix(p, "*"); glob {
			r.prefixes = append(r.prefixes, prefix)
		} else {
			r.exact[p] = true
		}
	}
	return r
}

// match reports whether a normalised name is reserved. A prefix "acme-" reserves
// the bare name "acme" too: whoever writes acme-* means the family.
func (r *reservations) match(name string) bool {
	if r.exact[name] {
		return true
	}
	for _, prefix := range r.prefixes {
		if strings.HasPrefix(name, prefix) || name == strings.TrimSuffix(prefix, "-") {
			return true
		}
	}
	return false
}

// reservedPattern is a pattern in the form it is stored in: normalised, with at
// most one "*" at its end.
func reservedPattern(pattern string) (string, error) {
	stem, glob := strings.CutSuffix(strings.TrimSpace(pattern), "*")
	if glob && stem == "" {
		return "*", nil
	}
	if strings.Contains(stem, "*") || !python.ValidName(strings.TrimRight(stem, "-_.")) {
		return "", Errorf(400, "%q is no pattern of Python names: a name, or the beginning of one with a '*' behind it, is expected", pattern)
	}
	bare := strings.TrimRight(stem, "-_.")
	norm := python.Normalise(bare)
	if !glob {
		return norm, nil
	}
	if bare != stem {
		norm += "-" // "acme-*" is the family of acme, "acme*" is acmecorp too
	}
	return norm + "*", nil
}

// loadPython fills the directory from the catalog.
func (g *Gateway) loadPython(ctx context.Context) error {
	names, err := g.cat.PyNames(ctx)
	if err != nil {
		return fmt.Errorf("loading Python names: %w", err)
	}
	for _, n := range names {
		if err := g.setPyName(n); err != nil {
			return err
		}
	}
	return g.loadReserved(ctx)
}

func (g *Gateway) loadReserved(ctx context.Context) error {
	patterns, err := g.cat.Reserved(ctx)
	if err != nil {
		return fmt.Errorf("loading reserved names: %w", err)
	}
	g.py.reserved.Store(newReservations(patterns))
	return nil
}

func (g *Gateway) setPyName(row *catalog.PyName) error {
	p, err := newPyProject(row)
	if err == nil {
		g.py.set(p)
	}
	return err
}

// applyPython brings the directory up to date with a committed change. Pages
// follow in the operation that made the change, before its answer.
func (g *Gateway) applyPython(ctx context.Context, ch catalog.Change) error {
	switch ch.Kind {
	case catalog.KindReserved:
		return g.loadReserved(ctx)
	case catalog.KindPyName, catalog.KindPyFile:
		name := ch.ID
		if ch.Kind == catalog.KindPyFile {
			name = ch.Parent // whose count of files is in its row
		}
		row, err := g.cat.PyName(ctx, name)
		if errors.Is(err, catalog.ErrNotFound) {
			g.py.remove(name)
			return nil
		} else if err != nil {
			return err
		}
		if ch.Kind == catalog.KindPyFile && ch.ID == "" {
			// Deleted with all its files, and made anew in the same batch.
			p, err := newPyProject(row)
			if err == nil {
				g.py.anew(p)
			}
			return err
		}
		return g.setPyName(row)
	}
	return nil
}

// HasPython reports whether a normalised Python name exists here, whoever may see it.
func (g *Gateway) HasPython(name string) bool {
	_, _, known := g.py.entry(name)
	return known
}

// Owns reports whether a Python name, in any spelling, is one of this gateway's
// own or reserved: then nothing of it is ever asked of an upstream. It is what
// the pass-through asks before anything goes out.
func (g *Gateway) Owns(name string) (bool, error) {
	if g.leases.closed.Load() {
		return false, errCatalogBehind
	}
	return g.py.owns(python.Normalise(name)), nil
}

var errCatalogBehind = errors.New("the gateway is closing, or its memory is behind its catalog")
