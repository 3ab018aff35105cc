package passthrough

import (
	"context"
	"time"

	"github.com/fairwayhq/fairway/python"
)

// Page is a project's page as one mode serves it, or a redirect to it.
type Page struct {
	// Rendered is the page in every format and coding, each with its ETag; nil for a
	// redirect.
	*python.Rendered
	// Location is where to send the client with 307 and no-store; "" for a page.
	Location string
	Upstream string    // name of the upstream that owns the project; "" for a redirect
	Modified time.Time // when the page was made: its content changes with what is withheld, too
	// Fresh is how long a client may keep the page without asking: "max-age". 0 asks for
	// "max-age=0, no-cache", as for every page from which policy withholds a file.
	Fresh    time.Duration
	Stale    bool // the upstream failed, and this is what it said earlier
	Withheld int  // files that are not shown
}

// Page gives the page of a project, in any spelling of its name, in a mode. File
// links of Proxy pages are relative to the page, "../../files/<upstream>/…", those
// of Index pages lead to the upstream. Provenance links must be absolute (PEP 740):
// on Proxy pages they lead to [Config.PublicURL] where it is set.
//
// Errors are a [*Refusal].
func (p *Mirror) Page(ctx context.Context, name string, m Mode) (*Page, error) {
	name, err := p.Decide(name)
	if err != nil {
		return nil, err
	}
	m = p.mode(m)
	if m == Redirect && len(p.ups) == 1 {
		return &Page{Location: p.ups[0].project(name).String()}, nil
	}
	if m == Redirect {
		f, err := p.resolve(ctx, name, time.Time{})
		if err != nil {
			return nil, err
		}
		return &Page{Location: p.ups[f.at].project(name).String()}, nil
	}
	f, v, err := p.view(ctx, name, m, time.Time{})
	if err != nil {
		return nil, err
	}
	out := &Page{Rendered: v.rendered, Upstream: v.up.name, Modified: v.made, Stale: f.stale, Withheld: len(v.withheld)}
	if !f.stale && !p.cfg.Offline && out.Withheld == 0 {
		out.Fresh = max(0, f.rec.Fresh.Sub(p.cfg.Now())).Truncate(time.Second)
	}
	return out, nil
}

// view finds a name that was decided on, and makes its view. A stored page that
// turns out damaged is fetched again.
func (p *Mirror) view(ctx context.Context, name string, m Mode, newerThan time.Time) (found, *view, error) {
	var last error
	for range 2 {
		f, err := p.resolve(ctx, name, newerThan)
		if err != nil {
			return f, nil, err
		}
		v, err := p.viewOf(f, m)
		if err == nil {
			return f, v, nil
		}
		last = err
	}
	return found{}, nil, last
}

// Has reports whether an upstream has a project, for the first upload of its name.
// It does not ask about names that are owned or blocked, and says no. It takes at
// most as long as one page of each upstream may take.
func (p *Mirror) Has(ctx context.Context, name string) (bool, error) {
	name, err := p.Decide(name)
	if err != nil {
		if r := refusalOf(err); r.Kind == Unavailable {
			return false, err
		}
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.PageTimeout*time.Duration(len(p.ups)))
	defer cancel()
	if _, err := p.resolve(ctx, name, time.Time{}); err != nil {
		if refusalOf(err).Kind == NotFound {
			return false, nil
		}
		return false, err
	}
	return true, nil
}

// Known reports whether an upstream has a project as far as is known without asking:
// its page is stored. Names that are owned or blocked are not known.
func (p *Mirror) Known(name string) bool {
	name, err := p.Decide(name)
	if err != nil {
		return false
	}
	_, known := p.stored(name)
	return known
}

// Forget lets go of the memory that no upstream has a name: an upload made it.
func (p *Mirror) Forget(name string) {
	p.forgotten.Add(1)
	p.absent.Remove(python.Normalise(name))
}
