package passthrough

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Report says what this gateway does with a project, for people who miss a file.
type Report struct {
	Name     string   // normalised, or as given when it is no name
	Refused  *Refusal // why the project is not passed through at all, or not now; nil when it is
	Upstream string   // that owns it
	Fetched  time.Time
	Stale    bool
	Status   string // PEP 792, as the upstream states it
	Shown    int    // files on the page
	Held     []Held // files withheld, by version and name
}

// Why reports what is withheld of a project and for what reason. It asks the
// upstream as a request for the page would.
func (p *Mirror) Why(ctx context.Context, name string) *Report {
	out := &Report{Name: name}
	normal, err := p.Decide(name)
	if err != nil {
		out.Refused = refusalOf(err)
		return out
	}
	out.Name = normal
	f, v, err := p.view(ctx, normal, Proxy, time.Time{})
	if err != nil {
		out.Refused = refusalOf(err)
		return out
	}
	out.Upstream, out.Fetched, out.Stale, out.Status = v.up.name, f.rec.Fetched, f.stale, f.rec.Status
	out.Held = slices.Clone(v.withheld)
	slices.SortFunc(out.Held, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Filename, b.Filename))
	})
	for _, l := range v.files {
		if l.held == nil {
			out.Shown++
		}
	}
	return out
}
