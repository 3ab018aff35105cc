package passthrough

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/wording"
)

// view is a page as it is served in one mode, and its files by their address. It
// is immutable.
type view struct {
	key      string
	up       *upstream
	rec      *record
	rendered *python.Rendered
	files    map[string]*listed
	withheld []Held
	made     time.Time
	until    time.Time // when the first cooldown ends, and the view with it; zero for never
}

// listed is a file of an upstream's page. Its URL is the upstream's own.
type listed struct {
	python.File
	project string
	address string
	since   time.Time // uploaded, or first seen; zero when neither is known
	held    *Held
}

// Held is a file that is not served, and why.
type Held struct {
	Upstream, Filename, Version string
	Reason                      string    // one sentence
	Until                       time.Time // zero: for good
}

// mode is what a page can be served as: what a redirect cannot enforce is not
// left to it.
func (p *Mirror) mode(m Mode) Mode {
	switch {
	case p.cfg.Offline:
		return Proxy
	case m == Redirect && p.cfg.Cooldown > 0:
		return Index
	default:
		return m
	}
}

// viewOf is the view of a page, made if it is not in memory.
func (p *Mirror) viewOf(f found, m Mode) (*view, error) {
	u := p.ups[f.at]
	key := p.viewKey(u, f.rec, m)
	now := p.cfg.Now()
	if f.view != nil && f.view.key == key && f.view.valid(now) {
		return f.view, nil
	}
	if v := p.views.get(key); v != nil && v.valid(now) {
		return v, nil
	}
	made, err, _ := p.flights.Do("view/"+key, func() (any, error) {
		body, err := p.pages.body(u, f.rec)
		if err != nil {
			return nil, err
		}
		base, err := url.Parse(f.rec.URL)
		if err != nil {
			return nil, errNoBody
		}
		t := &turn{of: p.turns}
		defer t.end()
		if len(body) > ordinaryPage && t.take(p.ctx) != nil {
			return nil, errNoTurn
		}
		kind := python.JSON
		if f.rec.HTML {
			kind = python.HTML
		}
		page, err := python.ParsePage(kind, body, f.rec.Name, base, python.PageLimits{MaxBytes: int(p.cfg.MaxPage)})
		if err != nil {
			return nil, errNoBody
		}
		v := p.makeView(u, f.rec, page, m)
		p.views.put(v)
		return v, nil
	})
	if err != nil && p.ctx.Err() != nil {
		return nil, refuse(Unavailable, ErrClosed, "the gateway is stopping")
	}
	if err != nil {
		p.note(p.pages.dropDamaged(u, f.rec))
		return nil, refuse(Unavailable, err, "the stored page of %s is damaged and was dropped: try again", f.rec.Name)
	}
	return made.(*view), nil
}

func (v *view) valid(now time.Time) bool { return v.until.IsZero() || now.Before(v.until) }

// viewKey names a view by what it is made of; values of another content never
// answer for it.
func (p *Mirror) viewKey(u *upstream, r *record, m Mode) string {
	key := u.name + "/" + r.Name + "@" + r.Sum[:32] + "." + strconv.Itoa(r.Rev) + "." + m.String()
	if p.cfg.Offline {
		key += "." + strconv.FormatUint(p.files.epoch(), 10)
	}
	return key
}

// makeView filters a page, gives its files their addresses and renders it.
func (p *Mirror) makeView(u *upstream, r *record, page *python.Page, m Mode) *view {
	now := p.cfg.Now()
	v := &view{key: p.viewKey(u, r, m), up: u, rec: r, made: now, files: make(map[string]*listed, len(page.Files))}
	shown := page.Filter(func(f *python.File) bool {
		l := &listed{File: *f, project: r.Name, since: f.UploadTime}
		if s, ok := r.Seen[f.Filename]; ok && l.since.IsZero() {
			l.since = time.Unix(s, 0)
		}
		l.held = p.hold(u, r, l, now)
		if l.address != "" {
			v.files[l.address] = l
		}
		if l.held == nil {
			if m != Index {
				f.URL = "../../files/" + u.name + "/" + (&url.URL{Path: l.address}).EscapedPath()
				p.promise(r, f)
				p.vouch(r, f)
			}
			return true
		}
		if v.withheld = append(v.withheld, *l.held); l.held.Until.After(now) && (v.until.IsZero() || l.held.Until.Before(v.until)) {
			v.until = l.held.Until
		}
		return false
	})
	v.rendered = python.Render(shown)
	return v
}

// hold decides on one file of a page, and gives it its address.
func (p *Mirror) hold(u *upstream, r *record, l *listed, now time.Time) *Held {
	held := func(reason string) *Held {
		return &Held{Upstream: u.name, Filename: l.Filename, Version: l.Version, Reason: reason}
	}
	if !slices.Contains(candidates(l.Filename), r.Name) {
		return held("its file name does not say that it is of this project")
	}
	target, err := url.Parse(l.URL)
	if err != nil {
		return held("its address cannot be read")
	}
	if !u.permits(target) {
		return held("its host " + clip(target.Host) + " is not among the file hosts of upstream " + u.name)
	}
	var ok bool
	if l.address, ok = u.address(target, l.Filename); !ok {
		l.address = ""
		return held("its address cannot be served")
	}
	if r.Status == python.StatusQuarantined {
		return held("its project is quarantined by upstream " + u.name)
	}
	if until, young := p.rules.holds(r.Name, l.Version, l.since, now); young {
		h := held("it is younger than the cooldown of " + wording.Duration(p.rules.cooldown))
		h.Until = until
		return h
	}
	if p.cfg.Offline && !p.files.has(u.cacheKey(l.address)) {
		return held("it is not stored here, and the gateway is set offline")
	}
	return nil
}

// promise advertises the metadata that will be served, and no other.
func (p *Mirror) promise(r *record, f *python.File) {
	if !strings.HasSuffix(f.Filename, ".whl") || slices.Contains(r.NoMetadata, f.Filename) {
		if !f.CoreMetadata.Available || slices.Contains(r.NoMetadata, f.Filename) {
			f.CoreMetadata = python.CoreMetadata{}
		}
		return
	}
	f.CoreMetadata.Available = true
}

// vouch has a file's provenance fetched here, where it is known what "here" is.
func (p *Mirror) vouch(r *record, f *python.File) {
	if f.Provenance == "" || p.cfg.PublicURL == "" {
		return
	}
	f.Provenance = p.cfg.PublicURL + "/pypi/integrity/" + r.Name + "/" + url.PathEscape(f.Version) + "/" + url.PathEscape(f.Filename) + "/provenance"
}

// recentViews are kept as far as the budget of memory goes, and the last of them in
// any case, so that a page which was just made serves the requests for its files: the
// large cache admits what it likes.
const recentViews = 8

// viewCache holds hot views in memory.
type viewCache struct {
	recent *lru.Cache[string, *view]
	memory *memory
	budget int64 // of the recent ones, bytes
}

func (c *viewCache) get(key string) *view {
	if v, ok := c.recent.Get(key); ok {
		return v
	}
	if v, ok := c.memory.get(key); ok {
		return v.(*view)
	}
	return nil
}

func (c *viewCache) put(v *view) {
	c.recent.Add(v.key, v)
	for c.recent.Len() > 1 && c.held() > c.budget {
		c.recent.RemoveOldest()
	}
	c.memory.put(v.key, v, v.bytes())
}

func (c *viewCache) held() (bytes int64) {
	for _, v := range c.recent.Values() {
		bytes += v.bytes()
	}
	return bytes
}

// bytes estimates the memory that a view holds.
func (v *view) bytes() int64 { return v.rendered.Memory() + int64(len(v.files))*512 }
