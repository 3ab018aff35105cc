package gateway

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/fairwayhq/fairway/authz"
)

// Engine is a package ecosystem inside the account, as Keygen's API knows it. It
// exists once a package uses it, and is seen by who may see one of its packages.
type Engine struct {
	ID                   string // UUID, the same for ever
	Key                  string // "conda" or "pypi"
	Name                 string
	CreatedAt, UpdatedAt int64 // ms
}

// Engines lists the engines that have packages which the caller may see, newest
// first.
func (g *Gateway) Engines(ctx context.Context, c *Caller) ([]*Engine, error) {
	if err := g.Identify(c); err != nil {
		return nil, err
	}
	conda, pypi := g.engine("conda", "Conda"), g.engine("pypi", "PyPI")
	for _, ch := range *g.dir.channels.Load() {
		res := ch.Resource("", "")
		if !g.may(c, authz.EngineRead, &res) || !g.may(c, authz.ChannelRead, &res) {
			continue
		}
		subdirs, err := g.cat.Subdirs(ctx, ch.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range subdirs {
			if s.Packages > 0 {
				conda.saw(ch.CreatedAt, s.ChangedAt)
			}
		}
	}
	for _, p := range g.py.all() {
		res := p.Resource()
		if p.Files > 0 && g.may(c, authz.EngineRead, &res) && g.may(c, authz.PackageRead, &res) {
			pypi.saw(p.CreatedAt, p.ChangedAt)
		}
	}
	engines := slices.DeleteFunc([]*Engine{conda, pypi}, func(e *Engine) bool { return e.CreatedAt == 0 })
	slices.SortFunc(engines, func(a, b *Engine) int {
		return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), cmp.Compare(a.Key, b.Key))
	})
	return engines, nil
}

func (g *Gateway) engine(key, name string) *Engine {
	account, _ := uuid.Parse(g.account.Load().ID)
	return &Engine{ID: uuid.NewSHA1(account, []byte("engine/"+key)).String(), Key: key, Name: name}
}

// saw widens the engine's times by those of something in it.
func (e *Engine) saw(created, updated int64) {
	if e.CreatedAt == 0 || created < e.CreatedAt {
		e.CreatedAt = created
	}
	e.UpdatedAt = max(e.UpdatedAt, created, updated)
}
