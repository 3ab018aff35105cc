package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/passthrough"
	"github.com/fairwayhq/fairway/python"
)

// openPass starts the pass-through of the configuration in force, or ends it.
func (g *Gateway) openPass() error {
	cfg := g.conf().Passthrough
	if cfg == nil {
		g.swapPass(nil)
		return nil
	}
	next := *cfg
	if next.Dir == "" {
		next.Dir = filepath.Join(g.conf().Dir, "upstream")
	}
	next.Now, next.Log, next.Crash = g.conf().Now, g.log, g.conf().Crash
	var m *passthrough.Mirror
	var err error
	if before := g.formerPass(next.Dir); before != nil {
		m, err = before.Successor(next)
	} else {
		m, err = passthrough.Open(next, g)
	}
	if err != nil {
		return fmt.Errorf("opening pass-through: %w", err)
	}
	g.swapPass(m)
	return nil
}

// formerPass is one that still uses a cache folder: the present one, or one that was
// replaced and is about to end.
func (g *Gateway) formerPass(dir string) *passthrough.Mirror {
	g.passMu.Lock()
	defer g.passMu.Unlock()
	for m := range g.retiring {
		if m.Settings().Dir == dir {
			return m
		}
	}
	if m := g.pass.Load(); m != nil && m.Settings().Dir == dir {
		return m
	}
	return nil
}

// swapPass leads requests to another pass-through, nil for none. The one before ends
// what it has begun, however long that takes.
func (g *Gateway) swapPass(next *passthrough.Mirror) {
	g.passMu.Lock()
	defer g.passMu.Unlock()
	old := g.pass.Swap(next)
	if old == nil {
		return
	}
	if g.retiring == nil {
		g.retiring = make(map[*passthrough.Mirror]struct{})
	}
	g.retiring[old] = struct{}{}
	g.retirees.Go(func() {
		if err := old.Retire(); err != nil {
			g.log.Warn("closing a replaced pass-through", zap.Error(err))
		}
		g.passMu.Lock()
		defer g.passMu.Unlock()
		delete(g.retiring, old)
	})
}

// closePass ends them all at once, and what they are doing.
func (g *Gateway) closePass() error {
	g.swapPass(nil)
	g.passMu.Lock()
	all := slices.Collect(maps.Keys(g.retiring))
	g.passMu.Unlock()
	var errs []error
	for _, m := range all {
		errs = append(errs, m.Close())
	}
	g.retirees.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing pass-through: %w", err)
	}
	return nil
}

// samePass reports whether two configurations mean the same pass-through.
func samePass(a, b *passthrough.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Now, x.Log, x.Crash, y.Now, y.Log, y.Crash = nil, nil, nil, nil, nil, nil
	return reflect.DeepEqual(x, y)
}

// mirror is the pass-through in force, nil where there is none.
func (g *Gateway) mirror() *passthrough.Mirror { return g.pass.Load() }

// Passthrough decides whether a caller may use the pass-through for a name that is
// not in this gateway, and returns it. What then may be asked of an upstream, it
// decides itself, [Gateway.Owns] first. A reserved name is refused here already.
func (g *Gateway) Passthrough(c *Caller, name string) (*passthrough.Mirror, error) {
	m := g.mirror()
	if err := g.mayPass(c, m, name); err != nil {
		return nil, err
	}
	if name != "" && g.py.owns(name) {
		return nil, Errorf(http.StatusForbidden, "%s is reserved here and has no files of its own: it is never taken from an upstream", name)
	}
	if m == nil {
		return nil, Errorf(http.StatusNotFound, "%.200s does not exist here, and no upstream is configured", orDefault(name, "the file"))
	}
	return m, nil
}

// mayPass decides whether a caller may use the pass-through, whatever the name is.
func (g *Gateway) mayPass(c *Caller, m *passthrough.Mirror, name string) error {
	if c.Token == "" && g.conf().AnonymousPassthrough {
		return nil
	}
	perm := authz.ProxyFetch
	if m == nil {
		perm = authz.PackageRead // who may read is told that there is no such thing
	}
	return g.Authorize(c, perm, &authz.Resource{Engine: "pypi", Package: name})
}

// MayReadPython decides on the page of a name, be it an own one or passed through.
func (g *Gateway) MayReadPython(c *Caller, name string) error {
	if _, p, known := g.py.entry(name); known {
		res := p.Resource()
		return g.Authorize(c, authz.PackageRead, &res)
	}
	_, err := g.Passthrough(c, name)
	return err
}

// PyMode is what the pass-through's pages are served as.
func (g *Gateway) PyMode() passthrough.Mode {
	if p := g.conf().Passthrough; p != nil {
		return p.Mode
	}
	return passthrough.Proxy
}

// PyReport says what this gateway does with a Python name, and what of it is
// withheld for which reason.
type PyReport struct {
	Name     string     `json:"name"`
	Own      bool       `json:"own"`
	Reserved bool       `json:"reserved"`
	Refused  string     `json:"refused,omitempty"` // why nothing is passed through
	Upstream string     `json:"upstream,omitempty"`
	Fetched  string     `json:"fetched,omitempty"`
	Stale    bool       `json:"stale,omitempty"`
	Status   string     `json:"status,omitempty"`
	Shown    int        `json:"shown"`
	Held     []HeldFile `json:"held"`
}

// HeldFile is one file that is not shown.
type HeldFile struct {
	File    string `json:"file"`
	Version string `json:"version,omitempty"`
	Reason  string `json:"reason"`
	Until   string `json:"until,omitempty"`
}

// WhyPython explains what a caller gets for a name.
func (g *Gateway) WhyPython(ctx context.Context, c *Caller, name string) (*PyReport, error) {
	norm := python.Normalise(name)
	out := &PyReport{Name: norm, Held: []HeldFile{}}
	if _, p, known := g.py.entry(norm); known {
		res := p.Resource()
		if err := g.Authorize(c, authz.PackageRead, &res); err != nil {
			return nil, err
		}
		out.Own, out.Status, out.Shown = true, p.State(), p.Files
		out.Refused = "it is a name of this gateway: nothing of it is ever taken from an upstream"
		return out, nil
	}
	if err := g.mayPass(c, g.mirror(), norm); err != nil {
		return nil, err
	}
	out.Reserved = g.py.owns(norm)
	m, err := g.Passthrough(c, norm)
	if err != nil {
		fault, _ := AsError(err)
		out.Refused = fault.Message
		return out, nil
	}
	r := m.Why(ctx, norm)
	if r.Refused != nil {
		out.Refused = r.Refused.Reason
	}
	out.Upstream, out.Stale, out.Status, out.Shown = r.Upstream, r.Stale, r.Status, r.Shown
	out.Fetched = stamp(r.Fetched)
	for _, h := range r.Held {
		out.Held = append(out.Held, HeldFile{h.Filename, h.Version, h.Reason, stamp(h.Until)})
	}
	return out, nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// PrefetchPython brings files into the pass-through's cache: those of requirements
// as requirements.txt has them, or of a pylock.toml. progress is called for each.
func (g *Gateway) PrefetchPython(ctx context.Context, c *Caller, items []passthrough.Item, progress func(passthrough.Progress)) error {
	m, err := g.Passthrough(c, "")
	if err != nil {
		return err
	}
	return m.Prefetch(ctx, items, progress)
}

// PurgePython drops what is cached of an upstream's project, and reports how many
// files that were.
func (g *Gateway) PurgePython(ctx context.Context, c *Caller, name string) (files int, err error) {
	if err := g.authorizeOwn(c, authz.CachePurge); err != nil {
		return 0, err
	}
	m := g.mirror()
	if m == nil {
		return 0, Errorf(http.StatusNotFound, "no upstream is configured")
	}
	norm := python.Normalise(name)
	if files, err = m.Purge(norm); err != nil {
		return files, err
	}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		return tx.Audit("cache.purge", "python", norm, nil, struct {
			Files int `json:"files"`
		}{files})
	})
	return files, err
}

// PassthroughStats are the pass-through's own figures; ok is false without one.
func (g *Gateway) PassthroughStats() (s passthrough.Stats, ok bool) {
	if m := g.pass.Load(); m != nil {
		return m.Stats(), true
	}
	return s, false
}

// refusal is a pass-through's refusal as every surface shows it.
func refusal(err error) (*Error, bool) {
	var r *passthrough.Refusal
	if !errors.As(err, &r) {
		return nil, false
	}
	return &Error{Status: r.Status, Message: r.Reason}, true
}

var _ passthrough.Local = (*Gateway)(nil)
