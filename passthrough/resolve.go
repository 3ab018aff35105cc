package passthrough

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// found is where a name is, and what is known of its page.
type found struct {
	at    int // index of the upstream
	rec   *record
	stale bool // served because the upstream failed
	view  *view
}

// resolve finds the upstream that has a name, and its page, asking when what is
// known is not fresh, or was fetched before newerThan. Concurrent callers share
// one asking, which does not end with any of them.
func (p *Mirror) resolve(ctx context.Context, name string, newerThan time.Time) (found, error) {
	have, ok, err := p.atHand(name, newerThan)
	switch {
	case err != nil:
		p.stats.negativeHits.Add(1)
		return found{}, err
	case p.cfg.Offline && have.rec == nil:
		return found{}, refuse(Unavailable, nil, "%s is not stored here, and the gateway is set offline", name)
	case ok || p.cfg.Offline:
		p.stats.pageHits.Add(1)
		return have, nil
	}
	p.stats.pageMisses.Add(1)
	ch := p.flights.DoChan("page/"+name, func() (any, error) {
		if !p.enter() {
			return nil, refuse(Unavailable, ErrClosed, "the gateway is stopping")
		}
		defer p.leave()
		// A flight may have ended since this request looked.
		if have, ok, err := p.atHand(name, newerThan); ok || err != nil {
			return have, err
		}
		return p.ask(p.ctx, name)
	})
	// With something to fall back on nobody waits for an upstream that hangs.
	var patience <-chan time.Time
	if have.rec != nil && p.mayBeStale(have.rec, p.cfg.Now()) {
		timer := time.NewTimer(p.cfg.PageTimeout / 6)
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case res := <-ch:
		if res.Err != nil {
			return found{}, res.Err
		}
		return res.Val.(found), nil
	case <-patience:
		p.stats.stale.Add(1)
		have.stale = true
		return have, nil
	case <-ctx.Done():
		return found{}, refuse(Unavailable, context.Cause(ctx), "the request ended before upstream answered")
	}
}

// atHand is what can be said of a name without asking: ok with its page while that
// is fresh and was not fetched before newerThan, or the error that it is nowhere. A
// page that is not fresh comes without ok.
func (p *Mirror) atHand(name string, newerThan time.Time) (have found, ok bool, err error) {
	now := p.cfg.Now()
	if have, ok = p.stored(name); ok {
		return have, have.rec.fresh(now) && !have.rec.Fetched.Before(newerThan), nil
	}
	if until, known := p.absent.Get(name); known && now.Before(until) && newerThan.IsZero() && !p.cfg.Offline {
		return found{}, false, absence(name)
	}
	return found{}, false, nil
}

func absence(name string) *Refusal {
	return refuse(NotFound, nil, "no upstream has a project %s", name)
}

// stored is the page that would be served without asking, fresh or not.
func (p *Mirror) stored(name string) (found, bool) {
	for i, u := range p.ups {
		if rec := p.pages.head(u, name); rec.usable() {
			return found{at: i, rec: rec}, rec.asked(p.ups[:i])
		}
	}
	return found{}, false
}

func (p *Mirror) mayBeStale(r *record, now time.Time) bool {
	return now.Sub(r.Fresh) <= p.cfg.StaleFor
}

// ask goes through the upstreams in order. The first that has the name owns it.
// One that fails is not passed over: its own page is served stale, or one of
// which it said earlier that it does not have it, or none.
func (p *Mirror) ask(ctx context.Context, name string) (found, error) {
	epoch := p.forgotten.Load()
	t := &turn{of: p.turns}
	defer t.end()
	var absent []string
	for i, u := range p.ups {
		old := p.pages.head(u, name)
		got, r := p.fetch(ctx, u, name, old, t)
		switch {
		case r == nil:
			got.record.Absent = absent
			return p.keep(i, name, got), nil
		case r.Kind == NotFound:
			absent = append(absent, u.index)
			if old.usable() {
				p.note(p.pages.edit(u, name, (*record).forgetBody))
			}
		default:
			if have, ok := p.stored(name); ok && have.at >= i && p.mayBeStale(have.rec, p.cfg.Now()) {
				p.stats.stale.Add(1)
				p.cfg.Log.Info("serving a stale page", zap.String("upstream", u.name), zap.String("project", name), zap.String("reason", r.Reason), zap.NamedError("cause", r.cause))
				have.stale = true
				return have, nil
			}
			p.cfg.Log.Info("upstream failed", zap.String("upstream", u.name), zap.String("project", name), zap.String("reason", r.Reason), zap.NamedError("cause", r.cause))
			return found{}, r
		}
	}
	p.absent.Add(name, p.cfg.Now().Add(p.cfg.NegativeTTL))
	if p.forgotten.Load() != epoch {
		p.absent.Remove(name)
	}
	return found{}, absence(name)
}

// keep stores a page that upstream i gave, and lets go of what contradicts it:
// pages of the same name at later upstreams, cached files with other bytes.
func (p *Mirror) keep(i int, name string, got *fetched) found {
	u := p.ups[i]
	p.absent.Remove(name)
	f := found{at: i, rec: got.record}
	if got.page != nil {
		m := p.mode(p.cfg.Mode)
		if m == Redirect {
			m = Proxy
		}
		f.view = p.makeView(u, got.record, got.page, m)
		p.views.put(f.view) // before the record can be found, so that nobody makes it twice
	}
	p.note(p.pages.put(u, got.record, got.body))
	for _, later := range p.ups[i+1:] {
		if p.pages.head(later, name).usable() {
			p.note(p.pages.edit(later, name, (*record).forgetBody))
		}
	}
	if f.view == nil {
		return f
	}
	for addr, l := range f.view.files {
		if sum := l.Hashes["sha256"]; sum != "" {
			p.files.dropOther(u.cacheKey(addr), sum)
		}
	}
	return f
}

// note logs that the cache could not be written: it costs speed, nothing else.
func (p *Mirror) note(err error) {
	if err != nil {
		p.stats.diskErrors.Add(1)
		p.cfg.Log.Warn("writing the pass-through cache", zap.Error(err))
	}
}
